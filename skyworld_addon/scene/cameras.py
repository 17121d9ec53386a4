"""Camera paths in Blender: exact intrinsics, poses frame by frame, F-curves in bulk."""

import math

import bpy
import numpy as np
from mathutils import Matrix

from ..errors import UserError
from . import rotations, supersplat
from .camera_files import CameraPath

LINEAR, BEZIER = 1, 2  # Keyframe.interpolation as the numbers that foreach_set takes
AUTO = 4  # clamped: no turn swings past its key. Keyframe handles as the number that foreach_set takes
SENSOR = 24.0  # mm, height of the sensor of imported cameras


def resolution(render):
    """Pixels (width, height) of the full frame, with the resolution percentage."""
    return (
        max(1, render.resolution_x * render.resolution_percentage // 100),
        max(1, render.resolution_y * render.resolution_percentage // 100),
    )


def intrinsics(camera, depsgraph, render, width, height):
    """K [3, 3] of a perspective camera object for a full frame of width x height pixels."""
    if camera.data.type != "PERSP":
        kind = camera.data.bl_rna.properties["type"].enum_items[camera.data.type].name.lower()
        raise UserError("the camera {name} is {kind}", hint="Set its type to Perspective", name=camera.name, kind=kind)
    P = camera.calc_matrix_camera(
        depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    return np.array(
        [
            [P[0][0] * width / 2, 0, width / 2 * (1 - P[0][2])],
            [0, P[1][1] * height / 2, height / 2 * (1 + P[1][2])],
            [0, 0, 1],
        ]
    )


def lens(camera, depsgraph, render, width, height):
    """(model, K [3, 3]) of any camera object for a full frame of width x height pixels, as the backend knows cameras.

    model: "pinhole", "ortho" (K in pixels per metre) or "equirect" (no K).
    """
    kind, panorama = camera.data.type, getattr(camera.data, "panorama_type", "")
    if kind == "PERSP":
        return "pinhole", intrinsics(camera, depsgraph, render, width, height)
    if kind == "ORTHO":
        P = camera.calc_matrix_camera(
            depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
        )
        fx, fy = P[0][0] * width / 2, P[1][1] * height / 2
        return "ortho", np.array([[fx, 0, width / 2 * (1 + P[0][3])], [0, fy, height / 2 * (1 - P[1][3])], [0, 0, 1]])
    whole = (-math.pi / 2, math.pi / 2, -math.pi, math.pi)
    angles = [getattr(camera.data, name) for name in ("latitude_min", "latitude_max", "longitude_min", "longitude_max")]
    if kind == "PANO" and panorama == "EQUIRECTANGULAR" and np.allclose(angles, whole, atol=1e-5):
        return "equirect", np.eye(3)
    hint = "Set its type to Perspective, Orthographic or Panoramic, Equirectangular all around"
    raise UserError("splats cannot be drawn through the lens of the camera {name}", hint=hint, name=camera.name)


def stereo_shift(engine, camera, width, height):
    """Pixels to the left by which the eye that `engine` draws is shifted on the sensor."""
    if not engine.active_view_get():
        return 0.0
    fit = camera.data.sensor_fit
    size = height if fit == "VERTICAL" or (fit == "AUTO" and height > width) else width
    return (engine.camera_shift_x(camera) - camera.data.shift_x) * size


def rigid(matrix):
    """[4, 4] pose of a matrix_world without the object's scale, which a camera does not see."""
    location, rotation, _ = matrix.decompose()
    pose = np.eye(4)
    # Orthogonal in double precision: where a file keeps the inverse, the place of a camera far away hangs on it.
    pose[:3, :3], pose[:3, 3] = rotations.matrices(np.array(rotation)), location
    return pose


def sample(scene, camera, frames):
    """CameraPath of a camera as evaluated (curves, constraints, drivers) at `frames`; the frame is put back."""
    render = scene.render
    if not math.isclose(render.pixel_aspect_x, render.pixel_aspect_y, rel_tol=1e-6):
        raise UserError("camera paths hold square pixels only", hint="Set the pixel aspect of the output to 1 : 1")
    width, height = resolution(render)
    present, subframe = scene.frame_current, scene.frame_subframe
    poses, Ks = [], []
    try:
        for frame in frames:
            scene.frame_set(frame)
            depsgraph = bpy.context.evaluated_depsgraph_get()
            evaluated = camera.evaluated_get(depsgraph)
            poses.append(rigid(evaluated.matrix_world))
            Ks.append(intrinsics(evaluated, depsgraph, render, width, height))
    finally:
        scene.frame_set(present, subframe=subframe)
    return CameraPath(np.array(poses), np.array(Ks), width, height, render.fps / render.fps_base / scene.frame_step)


def add(scene, name, cameras, collection, *, set_up_scene=True):
    """A camera object animated over a CameraPath from the scene's first frame.

    set_up_scene: the scene takes the camera, and its size, length and speed.
    """
    data = bpy.data.cameras.new(name)
    camera = bpy.data.objects.new(name, data)
    collection.objects.link(camera)
    W, H = cameras.width, cameras.height
    # Blender's focal length is 1 mm or more: what sees wider has a larger sensor
    sensor = max(SENSOR, 1.1 * H / cameras.K[:, 1, 1].min())
    data.sensor_fit, data.sensor_height = "VERTICAL", sensor
    data.clip_start, data.clip_end = 0.01, 10_000
    frames = np.arange(scene.frame_start, scene.frame_start + len(cameras))
    bake(camera, frames, cameras.camera_to_world)
    curves = {
        "lens": cameras.K[:, 1, 1] * sensor / H,
        "shift_x": (W / 2 - cameras.K[:, 0, 2]) / H,  # with a vertical fit both shifts are shares of the height
        "shift_y": (cameras.K[:, 1, 2] - H / 2) / H,
    }
    for name, values in curves.items():
        setattr(data, name, values[0])
        if np.ptp(values) > 1e-9:
            keyframes(data, name, frames, values)
    if set_up_scene:
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = W, H, 100
        render.pixel_aspect_x = render.pixel_aspect_y = 1
        set_fps(render, cameras.fps)
        scene.frame_end = int(frames[-1])
        scene.camera = camera
    return camera


def add_keys(scene, name, keys, collection):
    """The scene's new camera with `supersplat.Keys` as keyframes, their handles automatic."""
    data = bpy.data.cameras.new(name)
    camera = bpy.data.objects.new(name, data)
    collection.objects.link(camera)
    data.sensor_fit, data.sensor_height = "VERTICAL", SENSOR
    data.clip_start, data.clip_end = 0.01, 10_000
    width, height = resolution(scene.render)
    frames = scene.frame_start + keys.frames
    bake(camera, frames, keys.camera_to_world)
    lenses = np.array([supersplat.lens(angle, width, height, SENSOR) for angle in keys.angles])
    data.lens = lenses[0]
    if np.ptp(lenses) > 1e-6:
        keyframes(data, "lens", frames, lenses)
        smooth(data, "lens")
    smooth(camera, "location", 3)
    smooth(camera, "rotation_quaternion", 4)
    set_fps(scene.render, keys.fps)
    scene.frame_end = scene.frame_start + max(keys.length - 1, math.ceil(keys.frames[-1]), 1)
    scene.camera = camera
    return camera


def smooth(datablock, data_path, size=1):
    """Bezier keys with automatic handles on the F-curves of a property with so many values."""
    for index in range(size):
        curve = datablock.animation_data.action.fcurve_ensure_for_datablock(datablock, data_path, index=index)
        count = len(curve.keyframe_points)
        curve.keyframe_points.foreach_set("interpolation", np.full(count, BEZIER, np.int32))
        for side in ("handle_left_type", "handle_right_type"):
            curve.keyframe_points.foreach_set(side, np.full(count, AUTO, np.int32))
        curve.update()


def bake(obj, frames, matrices):
    """F-curves of location and rotation for poses [N, 4, 4] in world space; no turn goes the long way round."""
    obj.rotation_mode = "QUATERNION"
    # lists: a Matrix takes thrice as long from numpy's rows
    quats = np.array([Matrix(matrix).to_quaternion()[:] for matrix in matrices.tolist()])
    flips = np.where((quats[1:] * quats[:-1]).sum(1) < 0, -1.0, 1.0)
    quats[1:] *= np.cumprod(flips)[:, None]
    keyframes(obj, "location", frames, matrices[:, :3, 3])
    keyframes(obj, "rotation_quaternion", frames, quats)
    obj.matrix_world = Matrix(matrices[0])


def keyframes(datablock, data_path, frames, values, interpolation=LINEAR):
    """F-curves of a property for values [N] or [N, size of the property] over frames [N]; linear unless told."""
    values = np.asarray(values, np.float64).reshape(len(frames), -1)
    animation = datablock.animation_data or datablock.animation_data_create()
    if animation.action is None:
        animation.action = bpy.data.actions.new(f"{datablock.name} Path")
    for index in range(values.shape[1]):
        curve = animation.action.fcurve_ensure_for_datablock(datablock, data_path, index=index)
        curve.keyframe_points.clear()
        curve.keyframe_points.add(len(frames))
        flat = np.stack([frames, values[:, index]], -1).astype(np.float32).ravel()
        curve.keyframe_points.foreach_set("co", flat)
        curve.keyframe_points.foreach_set("interpolation", np.full(len(frames), interpolation, np.int32))
        curve.update()


def set_fps(render, fps):
    """Blender keeps an integer and a divisor: 23.976 is 24 / 1.001."""
    render.fps = max(1, math.ceil(fps - 1e-6))
    render.fps_base = render.fps / fps
