"""Posed pictures to fit Gaussians to: nerfstudio's and instant-ngp's transforms.json, COLMAP's text models.

Everything turns into `Camera` here: OpenGL axes and quaternions end at this border. Paths in a file stay
inside its folder. The picture's size decides; intrinsics given for another size are scaled to it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

import numpy as np

from skyworld.camera import Camera
from skyworld.camera.formats.nerfstudio import OPENGL
from skyworld.errors import UserError
from skyworld.splats.point_cloud import read_points
from skyworld.world.exr import read_exr
from skyworld.world.files import mendable
from skyworld.world.pictures import load_picture

UNDISTORT = "Undistort the pictures first: `colmap image_undistorter`, or nerfstudio's ns-process-data"
COLMAP_FOLDERS = ("sparse/0", "sparse", ".")
# What COLMAP's text models hold for each camera model: names of the focal lengths, then cx, cy.
FOCAL_LENGTHS = {"SIMPLE_PINHOLE": 1, "PINHOLE": 2}
Points = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Dataset:
    """Pictures of one scene that stands still.

    cameras:  pinhole cameras of the pictures' sizes; the world as the file has it.
    pictures: [H, W, 3] float32, 0 to 1, sRGB-encoded.
    depths:   [H, W] float32 camera z in the file's units, inf where the sky is; None where any is missing.
    masks:    [H, W] bool, True where the picture counts; None where any is missing.
    points:   xyz [P, 3] float32 and rgb [P, 3] float32 0 to 1 to begin with; None where there are none.
    names:    of the pictures, as the file has them.
    """

    cameras: list[Camera]
    pictures: list[np.ndarray]
    depths: list[np.ndarray] | None
    masks: list[np.ndarray] | None
    points: Points | None
    names: list[str]

    def __len__(self) -> int:
        return len(self.cameras)

    def split(self, every: int = 8) -> tuple["Dataset", "Dataset"]:
        """For training and for testing: every `every`-th view is held out, the first one among them."""
        if every < 2:
            raise UserError(f"cannot hold out every {every}th view", hint="Give 2 or more")
        held = [index for index in range(len(self)) if index % every == 0]
        kept = [index for index in range(len(self)) if index % every]
        return self._views(kept), self._views(held)

    def _views(self, indices: list[int]) -> "Dataset":
        def of(column):
            return None if column is None else [column[index] for index in indices]

        columns = (self.cameras, self.pictures, self.depths, self.masks)
        return Dataset(*map(of, columns), self.points, of(self.names))


@dataclass(frozen=True)
class _Frame:
    """One view as a file tells it; the camera may still be of another size than the picture."""

    camera: Camera
    picture: Path
    name: str
    depth: Path | None = None
    mask: Path | None = None


def read_dataset(folder: Path | str) -> Dataset:
    """Reads a folder with transforms.json, or with images/ and a COLMAP text model in sparse/0 or sparse.

    Raises UserError, which names the file, for everything that is not whole: no such layout, broken JSON or
    text, no frames, lenses with distortion, missing pictures, pictures of other proportions than their camera.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError("there is no such folder", file=folder, hint="Choose a folder of posed pictures")
    if (folder / "transforms.json").is_file():
        frames, points = _read_transforms(folder)
    else:
        model = next((folder / sub for sub in COLMAP_FOLDERS if (folder / sub / "cameras.txt").is_file()), None)
        if model is None:
            raise UserError("holds no posed pictures", file=folder, hint=_layout_hint(folder))
        frames, points = _read_colmap(folder, model)
    if not frames:
        raise UserError("holds no frames", file=folder, hint="Add pictures and find their poses again")
    loaded = [_load(frame) for frame in frames]
    cameras, pictures, depths, masks = (list(column) for column in zip(*loaded, strict=True))
    depths, masks = (None if any(each is None for each in column) else column for column in (depths, masks))
    return Dataset(cameras, pictures, depths, masks, points, [frame.name for frame in frames])


def _layout_hint(folder: Path) -> str:
    if any((folder / sub / "cameras.bin").is_file() for sub in COLMAP_FOLDERS):
        return "Convert the binary model: `colmap model_converter --output_type TXT`"
    return "It needs transforms.json, or images/ and sparse/0/cameras.txt, images.txt, points3D.txt"


def _load(frame: _Frame) -> tuple:
    """Camera, picture, depth and mask, all of the picture's size."""
    picture, _, _ = load_picture(frame.picture)
    height, width = picture.shape[:2]
    camera = frame.camera
    # One pixel of rounding, as when a picture of odd size is halved.
    if abs(height - camera.height * width / camera.width) > 1:
        problem = f"is {width} x {height} pixels, and its camera {camera.width} x {camera.height}"
        raise UserError(problem, file=frame.picture, hint="Give the pictures that the poses were found with")
    camera = camera if (width, height) == (camera.width, camera.height) else camera.resized(width, height)
    depth = None if frame.depth is None else _of_size(_read_depth(frame.depth), picture, frame.depth)
    mask = None if frame.mask is None else _of_size(load_picture(frame.mask)[0].mean(-1) > 0.5, picture, frame.mask)
    return camera, picture, depth, mask


def _read_depth(path: Path) -> np.ndarray:
    if path.suffix.lower() != ".exr":
        raise UserError("is no depth that can be read", file=path, hint="Give depth as EXR with one float channel")
    return read_exr(path)


def _of_size(values: np.ndarray, picture: np.ndarray, path: Path) -> np.ndarray:
    if values.shape != picture.shape[:2]:
        sizes = " x ".join(map(str, values.shape[::-1])), " x ".join(map(str, picture.shape[1::-1]))
        raise UserError(f"is {sizes[0]} pixels, and its picture {sizes[1]}", file=path, hint="Make both of one size")
    return values


def _inside(folder: Path, name: object, file: Path) -> Path:
    """The file that a path in `file` means; refuses those that lead out of the folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise UserError(f"{name!r} is not the name of a picture", file=file)
    path = folder / name
    outside = PureWindowsPath(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve())
    if outside:
        raise UserError(f"{name!r} leads out of its folder", file=file, hint="Give paths relative to this file")
    return path


# ---- transforms.json ----------------------------------------------------------------------------------------------


def _read_transforms(folder: Path) -> tuple[list[_Frame], Points | None]:
    file = folder / "transforms.json"
    try:
        with mendable(file):
            document = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"is not whole JSON ({error})", file=file, hint="Write it again") from error
    if not isinstance(document, dict) or not isinstance(document.get("frames"), list):
        raise UserError("has no list `frames`", file=file, hint="Give nerfstudio's or instant-ngp's layout")
    frames = []
    for index, frame in enumerate(document["frames"]):
        try:
            frames.append(_frame(folder, file, {**document, **frame}))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"frame {index} is not a posed picture: {error!r}", file=file) from error
        except UserError as error:
            raise UserError(f"frame {index}: {error.problem}", file=error.file or file, hint=error.hint) from error
    cloud = document.get("ply_file_path")
    return frames, None if cloud is None else read_points(_inside(folder, cloud, file))


def _frame(folder: Path, file: Path, values: dict) -> _Frame:
    """values: the frame's own, and those of the document where the frame has none."""
    picture = _picture(_inside(folder, values["file_path"], file))
    camera = _pinhole(values, picture, file)
    depth, mask = (
        None if values.get(key) is None else _inside(folder, values[key], file)
        for key in ("depth_file_path", "mask_path")
    )
    return _Frame(camera, picture, values["file_path"], depth, mask)


def _picture(path: Path) -> Path:
    """instant-ngp leaves the ending out."""
    return path if path.suffix or not path.with_suffix(".png").is_file() else path.with_suffix(".png")


def _pinhole(values: dict, picture: Path, file: Path) -> Camera:
    model = values.get("camera_model", "OPENCV")
    bent = {key: values.get(key) for key in ("k1", "k2", "k3", "k4", "p1", "p2") if values.get(key)}
    if model not in (*FOCAL_LENGTHS, "OPENCV") or bent:
        told = f"camera model {model}" + (f" with {', '.join(bent)}" if bent else "")
        raise UserError(f"{told} is not a pinhole camera", file=file, hint=UNDISTORT)
    if "w" in values and "h" in values:
        width, height = int(values["w"]), int(values["h"])
    else:
        height, width = load_picture(picture)[0].shape[:2]
    if "fl_x" in values:
        fx = float(values["fl_x"])
        fy = float(values.get("fl_y", fx))
    else:
        fx = fy = width / 2 / np.tan(float(values["camera_angle_x"]) / 2)
    cx, cy = float(values.get("cx", width / 2)), float(values.get("cy", height / 2))
    pose = np.array(values["transform_matrix"], np.float64)
    if pose.shape == (3, 4):
        pose = np.vstack([pose, (0, 0, 0, 1)])
    if pose.shape != (4, 4):
        raise ValueError(f"transform_matrix is {pose.shape}, not 4 x 4")
    return _rigid(Camera(pose @ OPENGL, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), width, height), picture)


def _rigid(camera: Camera, picture: Path) -> Camera:
    R = camera.rotation
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
        raise UserError("its pose is not a rotation and a position", file=picture)
    U, _, Vt = np.linalg.svd(R)  # the nearest rotation: files round their numbers
    pose = camera.camera_to_world.copy()
    pose[:3, :3], pose[3] = U @ Vt, (0, 0, 0, 1)
    return replace(camera, camera_to_world=pose)


# ---- COLMAP -------------------------------------------------------------------------------------------------------


def _read_colmap(folder: Path, model: Path) -> tuple[list[_Frame], Points | None]:
    """Frames in the order of their pictures' names, and the points of points3D.txt where there is one."""
    lenses = {}
    for number, words in _lines(model / "cameras.txt"):
        try:
            lenses[words[0]] = _lens(words)
        except (ValueError, IndexError) as error:
            raise UserError(f"line {number} is not a camera ({error})", file=model / "cameras.txt") from error
        except UserError as error:
            raise UserError(f"line {number}: {error.problem}", file=model / "cameras.txt", hint=error.hint) from error
    frames = []
    for number, words in _poses(model / "images.txt"):
        file = model / "images.txt"
        try:
            pose, lens, name = _pose(words), lenses[words[8]], " ".join(words[9:])
        except (ValueError, IndexError, KeyError) as error:
            raise UserError(f"line {number} is not a posed picture ({error!r})", file=file) from error
        frames.append(_Frame(replace(lens, camera_to_world=pose), _inside(folder / "images", name, file), name))
    frames.sort(key=lambda frame: frame.name)
    cloud = model / "points3D.txt"
    return frames, _colmap_points(cloud) if cloud.is_file() else None


def _lines(path: Path, blank: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Numbers of lines and their words, without comments; empty lines only on demand."""
    if not path.is_file():
        raise UserError("there is no such file", file=path, hint="Export the whole COLMAP model as text")
    try:
        with mendable(path), path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.startswith("#") and (blank or line.strip()):
                    yield number, line.split()
    except UnicodeDecodeError as error:
        raise UserError("is not a text file", file=path, hint="Export the COLMAP model as text") from error


def _poses(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every second line of images.txt: the one after a pose lists its points and may be empty."""
    wanted = True
    for number, words in _lines(path, blank=True):
        if wanted and not words:
            continue
        if wanted:
            yield number, words
        wanted = not wanted


def _lens(words: list[str]) -> Camera:
    """CAMERA_ID MODEL WIDTH HEIGHT PARAMS[] -> a camera at the origin."""
    model = words[1]
    if model not in FOCAL_LENGTHS:
        raise UserError(f"camera model {model} is not a pinhole camera", hint=UNDISTORT)
    width, height, numbers = int(words[2]), int(words[3]), [float(word) for word in words[4:]]
    count = FOCAL_LENGTHS[model]
    if len(numbers) != count + 2:
        raise ValueError(f"{model} has {len(numbers)} parameters, not {count + 2}")
    cx, cy = numbers[count:]
    return Camera(np.eye(4), np.array([[numbers[0], 0, cx], [0, numbers[count - 1], cy], [0, 0, 1]]), width, height)


def _pose(words: list[str]) -> np.ndarray:
    """IMAGE_ID QW QX QY QZ TX TY TZ ... (world to camera, OpenCV axes) -> camera_to_world [4, 4]."""
    w, x, y, z, *translation = (float(word) for word in words[1:8])
    q = np.array([w, x, y, z]) / np.linalg.norm([w, x, y, z])
    if not np.isfinite([*q, *translation]).all():
        raise ValueError("numbers that are not finite")
    w, x, y, z = q
    R = np.array(
        [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
         [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
         [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
    )  # fmt: skip
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = R.T, -R.T @ np.array(translation)
    return pose


def _colmap_points(path: Path) -> Points | None:
    """POINT3D_ID X Y Z R G B ERROR TRACK[]."""
    rows = []
    for number, words in _lines(path):
        try:
            rows.append([float(word) for word in words[1:7]])
            if len(rows[-1]) != 6 or not np.isfinite(rows[-1]).all():
                raise ValueError("six finite numbers are needed")
        except ValueError as error:
            raise UserError(f"line {number} is not a point ({error})", file=path) from error
    if not rows:
        return None
    table = np.array(rows, np.float32)
    return table[:, :3], table[:, 3:] / 255
