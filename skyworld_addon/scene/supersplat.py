"""Camera keys of a project of SuperSplat (.ssproj): a zip file whose document.json holds them.

Its keys are a position, a target and a field of view along the longer side of the picture, in a space with Y up in
which the first splat object stands turned, moved and scaled. Splats come into Blender as their file has them, so the
keys are taken into the space of that object.
"""

import json
import math
import zipfile
from dataclasses import dataclass

import numpy as np
from mathutils import Matrix, Quaternion, Vector

from ..errors import UserError

UP = Vector((0, 1, 0))
UPSIDE_DOWN = (0.0, 0.0, 1.0, 0.0)  # x, y, z, w: how SuperSplat stands a file by default


@dataclass
class Keys:
    """frames [K] from 0; camera_to_world [K, 4, 4] with Blender's axes; angles [K] radians along the longer side."""

    frames: np.ndarray
    camera_to_world: np.ndarray
    angles: np.ndarray
    length: int  # frames of the whole
    fps: float


def read(path):
    """The camera keys of a project, in the order of their frames."""
    hint = "Save it again in SuperSplat, with camera keys on its timeline"
    try:
        with zipfile.ZipFile(path) as project:
            document = json.loads(project.read("document.json"))
        timeline = document.get("timeline") or {}
        fps = float(timeline.get("frameRate") or 30)
        poses = [pose for poses in (document.get("poseSets") or [])[:1] for pose in poses["poses"]]
        poses = [{**pose, "frame": pose.get("frame", index * fps)} for index, pose in enumerate(poses)]
        poses.sort(key=lambda pose: pose["frame"])
        home = _placed((document.get("splats") or [{}])[0]).inverted()
        general = (document.get("camera") or {}).get("fov") or 60
        keys = Keys(
            frames=np.array([float(pose["frame"]) for pose in poses]),
            camera_to_world=np.array([_pose(pose, home) for pose in poses]),
            angles=np.radians([float(pose.get("fov") or general) for pose in poses]),
            length=int(timeline.get("frames") or 0),
            fps=fps,
        )
    except OSError as error:
        raise UserError(
            "cannot be read ({reason})", file=path, hint="Choose another file", reason=error.strerror
        ) from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError("is not a project of SuperSplat", file=path, hint=hint) from error
    if not poses:
        raise UserError("has no camera keys", file=path, hint=hint)
    return keys


def _placed(splat):
    x, y, z, w = splat.get("rotation") or UPSIDE_DOWN
    return Matrix.LocRotScale(
        Vector(splat.get("position") or (0, 0, 0)), Quaternion((w, x, y, z)), Vector(splat.get("scale") or (1, 1, 1))
    )


def _pose(pose, home):
    """[4, 4] of a key: it looks from its position at its target, upright in SuperSplat's space."""
    position, target = Vector(pose["position"]), Vector(pose["target"])
    back = (position - target).normalized()
    right = UP.cross(back)
    right = right.normalized() if right.length > 1e-9 else Vector((1, 0, 0))
    upright = Matrix((right, back.cross(right), back)).transposed()
    turn = home.to_quaternion() @ upright.to_quaternion()
    return np.array(Matrix.LocRotScale(home @ position, turn, None))


def lens(angle, width, height, sensor_height):
    """Focal length in millimetres of a sensor of that height, for an angle along the longer side of the picture."""
    return sensor_height * max(width, height) / height / 2 / math.tan(angle / 2)
