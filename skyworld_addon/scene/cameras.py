"""Camera paths between files and Blender: exact intrinsics, poses frame by frame, F-curves in bulk.

Blender's camera and the files' `camera_to_world` share their axes (x right, y up, looking along -z).
K is in pixels of the full picture, the centre of its top left pixel at (0.5, 0.5).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..errors import UserError

LINEAR = 1  # Keyframe.interpolation as the number that foreach_set takes
SENSOR = 24.0  # mm, height of the sensor of imported cameras


@dataclass
class CameraPath:
    """camera_to_world [N, 4, 4] metres; K [N, 3, 3] pixels; width, height in pixels; fps: frames a second."""

    camera_to_world: np.ndarray
    K: np.ndarray
    width: int
    height: int
    fps: float

    def __len__(self):
        return len(self.K)


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
        raise UserError(f"the camera {camera.name} is {kind}", hint="Set its type to Perspective")
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


def rigid(matrix):
    """[4, 4] pose of a matrix_world without the object's scale, which a camera does not see."""
    location, rotation, _ = matrix.decompose()
    return np.array(Matrix.LocRotScale(location, rotation, None))


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


def read(path, *, square=True):
    """Reads nerfstudio's camera_path.json and Skyfall-GS's variant; `K` of a frame is preferred to its `fov`.

    square: refuse pixels that are not square, which a Blender camera cannot have.
    """
    path = Path(path)
    hint = "Choose a camera path of nerfstudio, Skyfall-GS or SkyWorld"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", file=path, hint="Choose another file") from error
    except ValueError as error:
        raise UserError("is not a camera path (JSON)", file=path, hint=hint) from error
    if not isinstance(document, dict) or not isinstance(document.get("camera_path"), list):
        raise UserError("holds no camera_path", file=path, hint=hint)
    if not document["camera_path"]:
        raise UserError("has a camera path without frames", file=path, hint="Export it again")
    if document.get("camera_type", "perspective") != "perspective":
        raise UserError(f"has {document['camera_type']} cameras", file=path, hint="Export it with perspective cameras")
    try:
        width, height = int(document["render_width"]), int(document["render_height"])
        fps = float(document.get("fps") or 24)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("has no render_width, render_height or fps", file=path, hint="Export it again") from error
    if width < 4 or height < 4 or not 0 < fps <= 1000:
        problem = f"asks for pictures of {width} x {height} at {fps:g} frames a second"
        raise UserError(problem, file=path, hint="Mend these numbers")
    frames = [_frame(frame, index, width, height, path) for index, frame in enumerate(document["camera_path"])]
    K = np.array([f[1] for f in frames])
    stretched = np.abs(K[:, 0, 0] / K[:, 1, 1] - 1) > 1e-4
    if square and stretched.any():
        problem = f"frame {stretched.argmax()}: its pixels are not square, which no camera here has"
        raise UserError(problem, file=path, hint="Export it again")
    return CameraPath(np.array([f[0] for f in frames]), K, width, height, fps)


def _frame(frame, index, width, height, path):
    hint = "Export it again"
    try:
        pose = np.array(frame["camera_to_world"], np.float64).reshape(4, 4)
        if frame.get("K") is not None:
            K = np.array(frame["K"], np.float64).reshape(3, 3)
        else:
            f = height / 2 / math.tan(math.radians(float(frame["fov"])) / 2)
            K = np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        problem = f"frame {index} lacks a camera_to_world of 16 numbers, or its fov or K"
        raise UserError(problem, file=path, hint=hint) from error
    R = pose[:3, :3]
    if not np.isfinite(pose).all() or not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
        raise UserError(f"frame {index}: camera_to_world is not a rotation and a position", file=path, hint=hint)
    if not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise UserError(f"frame {index}: its field of view is impossible", file=path, hint=hint)
    return pose, K


def write(path, cameras):
    """Writes a CameraPath as nerfstudio's camera_path.json with exact intrinsics; whole or not at all."""
    document = {
        "camera_type": "perspective",
        "render_height": cameras.height,
        "render_width": cameras.width,
        "fps": cameras.fps,
        "seconds": len(cameras) / cameras.fps,
        "is_cycle": False,
        "smoothness_value": 0,
        "keyframes": [],
        "camera_path": [
            {
                "camera_to_world": pose.ravel().tolist(),
                "fov": math.degrees(2 * math.atan(cameras.height / 2 / K[1, 1])),
                "aspect": cameras.width / cameras.height,
                "K": K.ravel().tolist(),
            }
            for pose, K in zip(cameras.camera_to_world, cameras.K, strict=True)
        ],
    }
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"cannot be written ({error.strerror})", file=path, hint="Choose another folder") from error


def add(scene, name, cameras, collection, *, set_up_scene=True):
    """A camera object animated over a CameraPath from the scene's first frame.

    set_up_scene: the scene takes the camera, and its size, length and speed.
    """
    data = bpy.data.cameras.new(name)
    camera = bpy.data.objects.new(name, data)
    collection.objects.link(camera)
    data.sensor_fit, data.sensor_height = "VERTICAL", SENSOR
    data.clip_start, data.clip_end = 0.01, 10_000
    frames = np.arange(scene.frame_start, scene.frame_start + len(cameras))
    bake(camera, frames, cameras.camera_to_world)
    W, H = cameras.width, cameras.height
    curves = {
        "lens": cameras.K[:, 1, 1] * SENSOR / H,
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


def bake(obj, frames, matrices):
    """F-curves of location and rotation for poses [N, 4, 4] in world space; no turn goes the long way round."""
    obj.rotation_mode = "QUATERNION"
    quats = np.array([Matrix(matrix).to_quaternion() for matrix in matrices])
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
