"""Keyed views: cameras that mark where a fly-through shall pass, and the camera that flies through them."""

import math

import bpy
import numpy as np

from . import cameras, curves

VIEWS = "Views"


def add_view(collection, matrix, angle):
    """A view: a camera object that can be moved and looked through. angle: horizontal, radians."""
    folder = next((child for child in collection.children if child.name.startswith(VIEWS)), None)
    if folder is None:
        folder = bpy.data.collections.new(VIEWS)
        collection.children.link(folder)
    data = bpy.data.cameras.new("View")
    data.sensor_fit, data.angle, data.display_size = "HORIZONTAL", angle, 0.3
    data.clip_start, data.clip_end = 0.01, 10_000
    view = bpy.data.objects.new(f"View {1 + len(folder.objects):02d}", data)
    view.matrix_world = matrix
    folder.objects.link(view)
    return view


def views_of(collection):
    """The views of a collection, in the order of their names."""
    return sorted((obj for c in collection.children if c.name.startswith(VIEWS) for obj in c.objects), key=_name)


def _name(obj):
    return obj.name


def fly_through(views, frames, collection, *, ease=True, closed=False):
    """A camera that flies through `views` over frames (first, last) at even speed, turning and zooming on the way.

    Its curve, and the keys of its rotation and focal length, stay editable.
    """
    places = np.array([view.matrix_world.translation for view in views])
    path = curves.add_path("Views Path", places, collection)
    path.data.splines[0].use_cyclic_u = closed
    first, last = frames
    camera = curves.add_camera("Views Camera", path, frames, collection, turn=(1, 0, 0, 0), ease=ease)
    end = last + 1 if closed else last
    stops = views + views[:1] * closed
    times = _times(camera, _shares(path, len(stops)), first, end)
    quats = np.array([view.matrix_world.to_quaternion() for view in stops])
    flips = np.where((quats[1:] * quats[:-1]).sum(1) < 0, -1.0, 1.0)
    quats[1:] *= np.cumprod(flips)[:, None]
    cameras.keyframes(camera, "rotation_quaternion", times, quats)
    cameras.smooth(camera, "rotation_quaternion", 4)
    angles = np.array([view.data.angle_x for view in stops])
    lens = camera.data.sensor_width / 2 / np.tan(angles / 2)
    camera.data.lens = lens[0]
    if np.ptp(lens) > 1e-6:
        cameras.keyframes(camera.data, "lens", times, lens)
        cameras.smooth(camera.data, "lens")
    return camera


def _shares(path, count):
    """Which part of the path's length lies before each of its points [count]."""
    _, lengths = curves.sampled(path)
    return lengths[np.linspace(0, len(lengths) - 1, count).round().astype(int)] / max(lengths[-1], 1e-9)


def _times(camera, shares, first, end):
    """Frames, not whole ones, at which the camera's offset passes these shares of the path."""
    offset = camera.animation_data.action.fcurve_ensure_for_datablock(
        camera, f'constraints["{curves.FOLLOW}"].offset_factor'
    )
    frames = np.linspace(first, end, 1024)
    return np.interp(shares, [offset.evaluate(frame) for frame in frames], frames)


def angle_shown(region_data, render):
    """Horizontal angle of the largest frame of the render's shape that fits what a 3D view shows, radians."""
    across, up = 1 / region_data.window_matrix[0][0], 1 / region_data.window_matrix[1][1]
    width, height = cameras.resolution(render)
    return 2 * math.atan(min(across, up * width / height))
