"""Camera paths in files: nerfstudio's camera_path.json, Skyfall-GS's variant of it, COLMAP's text model, cameras.json.

A CameraPath has the axes of Blender's cameras (x right, y up, looking along -z), as nerfstudio's files do; COLMAP's
are world to camera with y down. The list cameras.json is that of 3D Gaussian splatting's trainers, which SuperSplat
reads: camera to world with y down. K is in pixels of the full picture, the centre of its top left pixel at (0.5, 0.5).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import files
from ..errors import UserError
from . import rotations

CENTRED = 0.005  # pixels that a principal point may lie off the middle
OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


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


def read(path, *, square=True):
    """Reads camera_path.json (`K` of a frame is preferred to its `fov`), cameras.json, or images.txt of a COLMAP model.

    square: refuse pixels that are not square, which a Blender camera cannot have.
    """
    path = Path(path)
    cameras = _read_colmap(path) if path.suffix == ".txt" else _read_json(path)
    stretched = np.abs(cameras.K[:, 0, 0] / cameras.K[:, 1, 1] - 1) > 1e-4
    if square and stretched.any():
        problem = "frame {index}: its pixels are not square, which no camera here has"
        raise UserError(problem, file=path, hint="Export it again", index=stretched.argmax())
    return cameras


def _read_json(path):
    hint = "Choose a camera path of nerfstudio, Skyfall-GS or SkyWorld"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "Choose another file"
        raise UserError("cannot be read ({reason})", file=path, hint=hint, reason=error.strerror) from error
    except ValueError as error:
        raise UserError("is not a camera path (JSON)", file=path, hint=hint) from error
    if isinstance(document, list):
        return _listed(document, path)
    if not isinstance(document, dict) or not isinstance(document.get("camera_path"), list):
        raise UserError("holds no camera_path", file=path, hint=hint)
    if not document["camera_path"]:
        raise UserError("has a camera path without frames", file=path, hint="Export it again")
    if document.get("camera_type", "perspective") != "perspective":
        hint = "Export it with perspective cameras"
        raise UserError("has {kind} cameras", file=path, hint=hint, kind=document["camera_type"])
    try:
        width, height = int(document["render_width"]), int(document["render_height"])
        fps = float(document.get("fps") or 24)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("has no render_width, render_height or fps", file=path, hint="Export it again") from error
    if width < 4 or height < 4 or not 0 < fps <= 1000:
        problem = "asks for pictures of {width} x {height} at {fps:g} frames a second"
        raise UserError(problem, file=path, hint="Mend these numbers", width=width, height=height, fps=fps)
    frames = [_frame(frame, index, width, height, path) for index, frame in enumerate(document["camera_path"])]
    return CameraPath(np.array([f[0] for f in frames]), np.array([f[1] for f in frames]), width, height, fps)


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
        problem = "frame {index} lacks a camera_to_world of 16 numbers, or its fov or K"
        raise UserError(problem, file=path, hint=hint, index=index) from error
    R = pose[:3, :3]
    if not np.isfinite(pose).all() or not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
        problem = "frame {index}: camera_to_world is not a rotation and a position"
        raise UserError(problem, file=path, hint=hint, index=index)
    if not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise UserError("frame {index}: its field of view is impossible", file=path, hint=hint, index=index)
    return pose, K


def _listed(entries, path):
    """cameras.json: the centre of a picture is its principal point. Its order is that of the ids."""
    try:
        entries = sorted(entries, key=lambda entry: entry.get("id", 0))
        sizes = {(int(entry["width"]), int(entry["height"])) for entry in entries}
        frames = []
        for entry in entries:
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = entry["rotation"], entry["position"]
            focal = np.diag([float(entry["fx"]), float(entry["fy"]), 1.0])
            focal[:2, 2] = int(entry["width"]) / 2, int(entry["height"]) / 2
            frames.append({"camera_to_world": pose @ OPENCV, "K": focal})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = "is no list of cameras with width, height, position, rotation, fx and fy"
        raise UserError(problem, file=path, hint="Export it again") from error
    if len(sizes) != 1:
        problem = "has pictures of several sizes" if sizes else "has a camera path without frames"
        raise UserError(problem, file=path, hint="A shot has one size: export one camera")
    frames = [_frame(frame, index, 0, 0, path) for index, frame in enumerate(frames)]
    return CameraPath(np.array([f[0] for f in frames]), np.array([f[1] for f in frames]), *sizes.pop(), 24.0)


def write(path, cameras, target=None):
    """Writes a CameraPath, whole or not at all: .json as nerfstudio's with exact intrinsics, .txt as COLMAP's.

    target: [3] what the cameras go round; the JSON then holds what Skyfall-GS's renderer asks for, too.
    For COLMAP, `path` is images.txt; cameras.txt and an empty points3D.txt are written beside it.
    """
    path = Path(path)
    made = _colmap(path, cameras) if path.suffix == ".txt" else {path: json.dumps(_document(cameras, target))}
    for file, text in made.items():
        files.write(file, text.encode())


def write_list(path, cameras):
    """Writes a CameraPath as cameras.json. UserError where it is shifted, which that list cannot tell."""
    centre = np.array([cameras.width / 2, cameras.height / 2])
    shifted = np.abs(cameras.K[:, :2, 2] - centre).max(1) > CENTRED
    if shifted.any():
        problem = "frame {index}: the camera's lens is shifted, which SuperSplat's list of cameras cannot hold"
        hint = "Set Shift X and Y of the camera to 0, or export for COLMAP"
        raise UserError(problem, hint=hint, index=int(shifted.argmax()))
    entries = [
        {
            "id": index,
            "img_name": f"{index:06d}",
            "width": cameras.width,
            "height": cameras.height,
            "position": pose[:3, 3].tolist(),
            "rotation": (pose @ OPENCV)[:3, :3].tolist(),
            "fx": K[0, 0],
            "fy": K[1, 1],
        }
        for index, (pose, K) in enumerate(zip(cameras.camera_to_world, cameras.K, strict=True))
    ]
    files.write(path, json.dumps(entries).encode())


def _document(cameras, target):
    frames = [
        {
            "camera_to_world": pose.ravel().tolist(),
            "fov": math.degrees(2 * math.atan(cameras.height / 2 / K[1, 1])),
            "aspect": cameras.width / cameras.height,
            "K": K.ravel().tolist(),
        }
        for pose, K in zip(cameras.camera_to_world, cameras.K, strict=True)
    ]
    document = {
        "camera_type": "perspective",
        "render_height": cameras.height,
        "render_width": cameras.width,
        "fps": cameras.fps,
        "seconds": len(cameras) / cameras.fps,
        "is_cycle": False,
        "smoothness_value": 0,
        "keyframes": [],
        "camera_path": frames,
    }
    if target is None:
        return document
    away = cameras.camera_to_world[:, :3, 3] - np.asarray(target, float)
    radius = np.linalg.norm(away, axis=1)
    elevation = np.degrees(np.arcsin(away[:, 2] / np.maximum(radius, 1e-9)))
    means = {"_radius": float(radius.mean()), "_elevation": float(elevation.mean())}
    return {"_target": [float(value) for value in target], **means, **document}


def _colmap(path, cameras):
    """{file: text}: a PINHOLE camera for each K that comes, the images in order."""
    rows, kinds = [], {}
    for index, (pose, K) in enumerate(zip(cameras.camera_to_world, cameras.K, strict=True), 1):
        number = kinds.setdefault((K[0, 0], K[1, 1], K[0, 2], K[1, 2]), len(kinds) + 1)
        view = np.linalg.inv(pose @ OPENCV)
        (turn,) = rotations.quaternions(view[None, :3, :3])
        numbers = [*(-turn if turn[0] < 0 else turn), *view[:3, 3]]
        rows.append(f"{index} {' '.join(f'{value:.12g}' for value in numbers)} {number} {index:06d}.png\n\n")
    size = f"{cameras.width} {cameras.height}"
    models = [f"{n} PINHOLE {size} {' '.join(f'{value:.12g}' for value in kind)}\n" for kind, n in kinds.items()]
    return {
        path.with_name("cameras.txt"): "# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n" + "".join(models),
        path.with_name("points3D.txt"): "# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]\n",
        path: "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n" + "".join(rows),
    }


def _read_colmap(path):
    hint = "Choose images.txt of a COLMAP text model, with cameras.txt beside it"
    try:
        cameras = dict(_colmap_camera(line.split()) for line in _lines(path.with_name("cameras.txt")) if line.strip())
        # Every other line lists the points that the picture before it sees.
        images = [line.split(maxsplit=9) for line in _lines(path)[::2] if line.strip()]
        images.sort(key=lambda words: words[9])
        Ks, sizes = zip(*[cameras[words[8]] for words in images], strict=True)
        poses = [_colmap_pose(words) for words in images]
    except OSError as error:
        where = error.filename or path
        raise UserError("cannot be read ({reason})", file=where, hint=hint, reason=error.strerror) from error
    except (ValueError, KeyError, IndexError) as error:
        raise UserError("is not a COLMAP text model ({reason})", file=path, hint=hint, reason=error) from error
    if len(set(sizes)) > 1:
        raise UserError("has pictures of several sizes", file=path, hint="A shot has one size: export one camera")
    return CameraPath(np.array(poses), np.array(Ks), *sizes[0], 24.0)


def _lines(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def _colmap_camera(words):
    """A camera's number, and its K and (width, height)."""
    model, numbers = words[1], [float(word) for word in words[4:]]
    if model == "SIMPLE_PINHOLE":
        numbers.insert(1, numbers[0])
    elif model != "PINHOLE":
        raise ValueError(f"its camera {words[0]} is {model}; undistort the model first")
    fx, fy, cx, cy = numbers
    return words[0], (np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), (int(words[2]), int(words[3])))


def _colmap_pose(words):
    view = np.eye(4)
    view[:3, :3] = rotations.matrices(np.array(words[1:5], float))
    view[:3, 3] = [float(word) for word in words[5:8]]
    return np.linalg.inv(view) @ OPENCV
