"""When the shutter is open and where light passes the lens, as samples of equal weight."""

import math

import bpy
import numpy as np

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
CURVE_STEPS = 256


def shutter_times(render, count):
    """[count] frames before (below 0) or after the present one, spread over the scene's shutter; [0] without blur."""
    if not render.use_motion_blur or render.motion_blur_shutter <= 0 or count < 2:
        return np.zeros(1)
    begin = {"START": 0.0, "CENTER": -0.5, "END": -1.0}[render.motion_blur_position]
    return (begin + _through(render.motion_blur_shutter_curve, (np.arange(count) + 0.5) / count)) * (
        render.motion_blur_shutter
    )


def _through(curve, shares):
    """Times 0 to 1 at which these shares of the light have come through a shutter that opens along `curve`."""
    curve.initialize()
    steps = np.linspace(0, 1, CURVE_STEPS + 1)
    opening = np.array([max(curve.evaluate(curve.curves[0], step), 0) for step in steps])
    light = np.concatenate([[0], np.cumsum((opening[1:] + opening[:-1]) / 2)])
    return np.interp(shares, light / light[-1], steps) if light[-1] > 0 else shares


def lens_points(camera, count):
    """[count, 2] metres right and up from the middle of a perspective lens; the middle alone without depth of field."""
    dof = camera.dof
    if not dof.use_dof or camera.type != "PERSP" or dof.aperture_fstop <= 0 or count < 2:
        return np.zeros((1, 2))
    radius = camera.lens * 1e-3 / (2 * dof.aperture_fstop)
    order = np.arange(count)
    r, angle = np.sqrt((order + 0.5) / count), order * GOLDEN_ANGLE
    if dof.aperture_blades > 2:  # a polygon: its border is nearer than the circle's between two corners
        half = math.pi / dof.aperture_blades
        r *= math.cos(half) / np.cos(angle % (2 * half) - half)
        angle = angle + dof.aperture_rotation
    points = radius * r[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    points[:, 0] /= dof.aperture_ratio
    # Of neighbours in time each sees through another part of the lens.
    return np.random.default_rng(0).permutation(points)


def focus_distance(camera_object, depsgraph):
    """Metres along the view axis that are sharp."""
    dof = camera_object.data.dof
    if dof.focus_object is None:
        return max(dof.focus_distance, 1e-3)
    target = dof.focus_object.evaluated_get(depsgraph).matrix_world
    bone = dof.focus_object.pose and dof.focus_object.pose.bones.get(dof.focus_subtarget)
    place = (target @ bone.matrix).translation if bone else target.translation
    axis = camera_object.matrix_world.to_3x3().col[2].normalized()
    return max(abs(axis.dot(place - camera_object.matrix_world.translation)), 1e-3)


def has_samples(scene, camera):
    """Whether a frame is the mean of several views."""
    return scene.render.use_motion_blur or (camera.dof.use_dof and camera.type == "PERSP")


def is_supported(camera):
    """Whether depth of field, where it is on, can be drawn with this camera."""
    return not isinstance(camera, bpy.types.Camera) or not camera.dof.use_dof or camera.type == "PERSP"
