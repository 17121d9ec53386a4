"""nerfstudio's camera_path.json, which Skyfall-GS extends, with exact intrinsics added.

A frame holds `camera_to_world` (16 numbers, row-major, OpenGL axes: x right, y up, z back), `fov`
(vertical, degrees) and `aspect`. Readers of the plain format take the principal point for the centre,
so a frame also gets `K` (9 numbers, row-major, pixels), which ours prefers where it is present.
"""

import json
from pathlib import Path

import numpy as np

from skyworld.camera.camera import Camera
from skyworld.camera.paths import CameraPath
from skyworld.errors import UserError
from skyworld.world.files import atomic_write

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def write(path: Path | str, cameras: CameraPath) -> None:
    """Writes pinhole cameras; raises UserError for other models and for pictures of several sizes."""
    sizes = {(c.width, c.height) for c in cameras.cameras}
    if len(sizes) != 1:
        raise UserError(f"a camera path has one picture size, not {len(sizes)}", file=path)
    if any(c.model != "pinhole" for c in cameras.cameras):
        raise UserError("this format holds perspective cameras only", file=path)
    width, height = sizes.pop()
    document = {
        "camera_type": "perspective",
        "render_height": height,
        "render_width": width,
        "fps": cameras.fps,
        "seconds": len(cameras.cameras) / cameras.fps,
        "is_cycle": False,
        "smoothness_value": 0,
        "keyframes": [],
        "camera_path": [
            {
                "camera_to_world": (camera.camera_to_world @ OPENGL).ravel().tolist(),
                "fov": float(np.degrees(camera.fov[1])),
                "aspect": width / height,
                "K": camera.K.ravel().tolist(),
            }
            for camera in cameras.cameras
        ],
    }
    with atomic_write(path) as temporary:
        Path(temporary).write_text(json.dumps(document), encoding="utf-8")


def read(path: Path | str) -> CameraPath:
    """Reads nerfstudio's and Skyfall-GS's files; raises UserError for anything that is not one."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError("there is no such camera file", file=path) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError("this is not a camera path (JSON)", file=path, hint="Write one with `skyworld path`") from error
    if not isinstance(document, dict) or not isinstance(document.get("camera_path"), list):
        raise UserError("this JSON file holds no `camera_path`", file=path, hint="Write one with `skyworld path`")
    frames = document["camera_path"]
    if not frames:
        raise UserError("this camera path has no frames", file=path)
    if document.get("camera_type", "perspective") != "perspective":
        raise UserError(f"camera type {document['camera_type']!r} is not supported, only perspective", file=path)
    try:
        width, height = int(document["render_width"]), int(document["render_height"])
        fps = float(document.get("fps") or 24)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"render_width, render_height or fps is missing or not a number ({error})", file=path
        ) from error
    if not fps > 0:
        raise UserError(f"{fps:g} frames a second is no frame rate", file=path)
    return CameraPath([_camera(frame, i, width, height, path) for i, frame in enumerate(frames)], fps)


def _camera(frame: dict, index: int, width: int, height: int, path: Path | str) -> Camera:
    try:
        pose = np.array(frame["camera_to_world"], np.float64)
        if pose.size != 16:
            raise UserError(f"frame {index}: camera_to_world has {pose.size} numbers, not 16", file=path)
        pose = pose.reshape(4, 4) @ OPENGL
        if frame.get("K") is not None:
            K = np.array(frame["K"], np.float64)
            if K.size != 9:
                raise UserError(f"frame {index}: K has {K.size} numbers, not 9", file=path)
            K = K.reshape(3, 3)
        else:
            fov = float(frame["fov"])
            if not 0 < fov < 180:
                raise UserError(f"frame {index}: a field of view of {fov:g} degrees is impossible", file=path)
            f = height / 2 / np.tan(np.radians(fov) / 2)
            K = np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"frame {index} is not a camera: {error!r}", file=path) from error
    rotation = pose[:3, :3]
    if not np.isfinite(pose).all() or not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise UserError(f"frame {index}: camera_to_world is not a rotation and a position", file=path)
    return Camera(pose, K, width, height)
