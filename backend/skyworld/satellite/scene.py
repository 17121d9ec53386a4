"""The scene that the satellite room works on: posed images in one local frame, masks, tie points, its place on Earth.

The folder is Skyfall-GS's data set (arXiv 2510.15869), so that its scenes open here and ours there:

    images/<name>.png       8 or 16 bits a channel, as shown; skew removed
    masks/<name>.npy|png    1 where the image counts; without a mask, all that is not pure black counts
    transforms_train.json   PINHOLE: fl_x fl_y cx cy w h and transform_matrix (camera to world, OpenCV axes)
    transforms_test.json    the same for views that are held out; may be missing
    points3D.txt            tie points, COLMAP's text
    scene.json              ours: box, georeference, date, sun and bias of each image; may be missing

World frame: metres east, north, up of the scene's origin. A scene with `R` and `T` in its transforms is brought into
the units that Skyfall-GS trains in, which are no metres.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import cv2
import numpy as np

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.world.files import atomic_write, mendable

if TYPE_CHECKING:
    from skyworld.world.georeference import Georeference

FORMAT = 1
TRAIN, TEST, POINTS, DOCUMENT = "transforms_train.json", "transforms_test.json", "points3D.txt", "scene.json"
# Skyfall-GS: the 99th percentile of the coordinates comes to lie here, the first percentile of the heights at 0.
_REACH = 256.0
# Metres (or units) around the tie points that the box of a scene without one has; above and below.
_MARGIN, _MARGIN_UP = 5.0, 10.0


@dataclass(frozen=True)
class Box:
    """From and to in metres, in the frame of the scene."""

    east: tuple[float, float]
    north: tuple[float, float]
    up: tuple[float, float]

    @classmethod
    def around(cls, points: np.ndarray) -> "Box":
        """Of tie points [P, 3]: the first to the 99th percentile, and a margin."""
        low, high = np.percentile(points, (1, 99), axis=0)
        margins = np.array((_MARGIN, _MARGIN, _MARGIN_UP))
        return cls(*zip((low - margins).tolist(), (high + margins).tolist(), strict=True))

    @property
    def centre(self) -> np.ndarray:
        """[3]."""
        return np.array([sum(side) / 2 for side in (self.east, self.north, self.up)])

    def grid(self, count: int) -> np.ndarray:
        """[count^3, 3] places, corners included."""
        axes = [np.linspace(*side, count) for side in (self.east, self.north, self.up)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)

    def to_json(self) -> dict:
        return {"east": list(self.east), "north": list(self.north), "up": list(self.up)}

    @classmethod
    def from_json(cls, data: dict) -> "Box":
        """Raises UserError where a side is missing or turned over."""
        try:
            sides = [tuple(float(end) for end in data[name]) for name in ("east", "north", "up")]
            if any(len(side) != 2 or not side[0] < side[1] for side in sides):
                raise ValueError("a side must go from a smaller to a larger number")
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"its box is none: {error!r}") from error
        return cls(*sides)


@dataclass(frozen=True)
class SatelliteImage:
    """name:    of the file without its ending.
    camera:  pinhole; satellites stand hundreds of kilometres away, so think in float64 (see `near.drawable`).
    picture: its file.  mask: its file, or None.
    date:    ISO 8601, or "" where it is not known; images of one date share their light.
    sun:     azimuth clockwise from north and elevation of the sun in degrees, or None.
    bias:    px right and down that the sensor model was off, already in the camera.
    misfit:  px that the camera differs at most from the sensor's own in the scene's box.
    """

    name: str
    camera: Camera
    picture: Path
    mask: Path | None = None
    date: str = ""
    sun: tuple[float, float] | None = None
    bias: tuple[float, float] = (0.0, 0.0)
    misfit: float = 0.0

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture [H, W, 3] float32, 0 to 1, and which pixels count [H, W] bool.

        Raises UserError for files that cannot be read or are of another size than the camera, and for a picture
        of which nothing counts.
        """
        picture = read_picture(self.picture)
        wanted = (self.camera.height, self.camera.width)
        _check_size(picture, wanted, self.picture, "its camera")
        if self.mask is None:
            valid = (picture > 0).any(-1)
        else:
            valid = _read_mask(self.mask)
            _check_size(valid, wanted, self.mask, "its image")
        if not valid.any():
            raise UserError("has no pixel that counts", file=self.mask or self.picture, hint="Leave the image out")
        return picture, valid


@dataclass(frozen=True)
class SatelliteScene:
    """images, held_out: for fitting, and for judging only.
    xyz [P, 3] float64, rgb [P, 3] float32, 0 to 1: tie points.
    georeference: where its frame lies on Earth, or None.
    """

    folder: Path
    images: list[SatelliteImage]
    xyz: np.ndarray
    rgb: np.ndarray
    box: Box
    georeference: "Georeference | None" = None
    held_out: list[SatelliteImage] = field(default_factory=list)

    @property
    def pixel(self) -> float:
        """Metres that a pixel of the finest image covers at the middle of the box."""
        return min(ground_pixel(image.camera, self.box.centre) for image in self.images)


def ground_pixel(camera: Camera, place: np.ndarray) -> float:
    """Metres across the line of sight that a pixel covers at a place [3]."""
    depth = 1.0 if camera.model == "ortho" else float(camera.project(place)[1])
    return depth / float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] float32, 0 to 1, with all its bits; grey becomes RGB, alpha is dropped."""
    if not path.is_file():
        raise UserError("there is no such file", file=path, hint="Copy the image back, or take its frame out")
    with mendable(path):
        data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        raise UserError("is not a picture with 8 or 16 bits that can be read", file=path, hint="Write it as PNG")
    most = np.float32(np.iinfo(picture.dtype).max)
    picture = picture[..., None] if picture.ndim == 2 else picture
    picture = np.repeat(picture[..., :1], 3, 2) if picture.shape[2] < 3 else picture[..., 2::-1]
    return np.ascontiguousarray(picture, np.float32) / most


def write_picture(path: Path, picture: np.ndarray) -> None:
    """[H, W, 3] uint8 or uint16, or float 0 to 1 (then with 8 bits) -> PNG."""
    if picture.dtype.kind == "f":
        picture = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


# ---- reading --------------------------------------------------------------------------------------------------------


def read_scene(folder: Path | str) -> SatelliteScene:
    """Raises UserError, which names the file, for what is no whole scene: no transforms, no frames, no tie points,
    broken JSON, poses that are none, pictures or masks that are not there."""
    folder = Path(folder)
    if not (folder / TRAIN).is_file():
        problem = f"holds no {TRAIN}" if folder.is_dir() else "there is no such folder"
        raise UserError(problem, file=folder, hint="Make a scene of satellite images with: skyworld satellite prepare")
    frames = _read_json(folder / TRAIN)
    images = _frames(folder, folder / TRAIN, frames)
    held = folder / TEST
    held_out = _frames(folder, held, _read_json(held), empty=True) if held.is_file() else []
    xyz, rgb = _read_points(folder / POINTS)
    if "R" in frames:
        xyz, images, held_out = _normalised(folder / TRAIN, frames, xyz, images, held_out)
    file = folder / DOCUMENT
    scene = SatelliteScene(folder, images, xyz, rgb, Box.around(xyz), None, held_out)
    return _documented(scene, file, _read_json(file)) if file.is_file() else scene


def _read_json(file: Path) -> dict:
    try:
        with mendable(file):
            document = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"is not whole JSON ({error})", file=file, hint="Write it again") from error
    if not isinstance(document, dict):
        raise UserError("is not a JSON object", file=file, hint="Write it again")
    return document


def _frames(folder: Path, file: Path, document: dict, empty: bool = False) -> list[SatelliteImage]:
    frames = document.get("frames")
    if not isinstance(frames, list) or not (frames or empty):
        raise UserError("has no frames", file=file, hint="Give Skyfall-GS's layout, with one frame for each image")
    images = []
    for index, frame in enumerate(frames):
        try:
            images.append(_image(folder, file, {**document, **frame}))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"frame {index} is not a posed image: {error!r}", file=file) from error
        except UserError as error:
            raise UserError(f"frame {index}: {error.problem}", file=error.file or file, hint=error.hint) from error
    names = [image.name for image in images]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"two frames are named {twice}", file=file, hint="Give every image a name of its own")
    return images


def _image(folder: Path, file: Path, values: dict) -> SatelliteImage:
    """values: the frame's own, and those of the document where the frame has none."""
    model = values.get("camera_model", "PINHOLE")
    if model != "PINHOLE":
        raise UserError(f"camera model {model} is not PINHOLE", hint="Remove distortion and skew from the images first")
    picture = _inside(folder, values["file_path"])
    if not picture.suffix:
        picture = picture.with_suffix(".png")
    if not picture.is_file():
        raise UserError("there is no such file", file=picture, hint="Copy the image back, or take its frame out")
    pose = np.array(values["transform_matrix_rotated" if "R" in values else "transform_matrix"], np.float64)
    pose = np.vstack([pose, (0, 0, 0, 1)]) if pose.shape == (3, 4) else pose
    K = np.eye(3)
    K[0, 0], K[1, 1], K[0, 2], K[1, 2] = (float(values[key]) for key in ("fl_x", "fl_y", "cx", "cy"))
    camera = _rigid(Camera(pose, K, int(values["w"]), int(values["h"])))
    masks = [
        folder / "masks" / f"{name}{suffix}" for name in (picture.stem, picture.name) for suffix in (".npy", ".png")
    ]
    return SatelliteImage(picture.stem, camera, picture, next((mask for mask in masks if mask.is_file()), None))


def _inside(folder: Path, name: object) -> Path:
    """The file that a path in a scene means; refuses those that lead out of the folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise UserError(f"{name!r} is not the name of a picture")
    path = folder / name
    if PureWindowsPath(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{name!r} leads out of its folder", hint="Give paths relative to the scene's folder")
    return path


def _rigid(camera: Camera) -> Camera:
    """With the nearest rotation, for files round their numbers. Raises UserError for what is none."""
    R = camera.rotation
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
        raise UserError("its transform_matrix is not a rotation and a place")
    U, _, Vt = np.linalg.svd(R)
    pose = camera.camera_to_world.copy()
    pose[:3, :3], pose[3] = U @ Vt, (0, 0, 0, 1)
    return replace(camera, camera_to_world=pose)


def _read_points(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """POINT3D_ID X Y Z R G B ERROR TRACK[]."""
    hint = "Without tie points nothing tells how high the ground lies: prepare the scene again"
    if not file.is_file():
        raise UserError("there is no such file", file=file, hint=hint)
    rows = []
    with mendable(file), file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith("#") or not line.strip():
                continue
            try:
                rows.append([float(word) for word in line.split(maxsplit=7)[1:7]])
                if len(rows[-1]) != 6 or not np.isfinite(rows[-1]).all():
                    raise ValueError("six finite numbers are needed")
            except ValueError as error:
                raise UserError(f"line {number} is not a point ({error})", file=file, hint=hint) from error
    if not rows:
        raise UserError("holds no points", file=file, hint=hint)
    table = np.array(rows, np.float64)
    return table[:, :3], (table[:, 3:] / 255).astype(np.float32)


def _normalised(file: Path, document: dict, xyz, *views):
    """Tie points and cameras in the units of Skyfall-GS: turned by R, moved by -T, scaled, the lowest at height 0.

    The cameras come turned and moved already (transform_matrix_rotated).
    """
    try:
        R = np.array(document["R"], np.float64)[:3, :3]
        T = np.array(document["T"], np.float64).reshape(3)
        xyz = xyz @ R.T - T
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"its R and T are no rotation and place: {error!r}", file=file) from error
    scale = _REACH / np.percentile(np.abs(xyz), 99)
    xyz = xyz * scale
    floor = np.array((0, 0, np.percentile(xyz[:, 2], 1)))

    def moved(image: SatelliteImage) -> SatelliteImage:
        pose = image.camera.camera_to_world.copy()
        pose[:3, 3] = pose[:3, 3] * scale - floor
        return replace(image, camera=replace(image.camera, camera_to_world=pose))

    return xyz - floor, *([moved(image) for image in images] for images in views)


def _documented(scene: SatelliteScene, file: Path, document: dict) -> SatelliteScene:
    """With what scene.json tells."""
    if document.get("format") != FORMAT:
        newer = f"is of format {document.get('format')!r}, and this SkyWorld knows {FORMAT}"
        raise UserError(newer, file=file, hint="Prepare the scene again")
    try:
        told = {entry["name"]: entry for entry in document.get("images", [])}
        images = [_told(image, told.get(image.name, {})) for image in scene.images]
        held_out = [_told(image, told.get(image.name, {})) for image in scene.held_out]
        box = Box.from_json(document["box"]) if "box" in document else scene.box
        where = document.get("georeference")
        georeference = None if where is None else _georeference(where)
    except UserError as error:
        raise UserError(error.problem, file=file, hint=error.hint or "Prepare the scene again") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"does not describe a scene: {error!r}", file=file, hint="Prepare the scene again") from error
    return replace(scene, images=images, held_out=held_out, box=box, georeference=georeference)


def _georeference(document: dict) -> "Georeference":
    from skyworld.world.georeference import Georeference

    return Georeference.from_json(document)


def _told(image: SatelliteImage, entry: dict) -> SatelliteImage:
    sun = entry.get("sun")
    return replace(
        image,
        date=str(entry.get("date") or ""),
        sun=None if sun is None else (float(sun[0]), float(sun[1])),
        bias=tuple(float(shift) for shift in entry.get("bias", (0, 0))),
        misfit=float(entry.get("misfit", 0)),
    )


def _read_mask(file: Path) -> np.ndarray:
    """[H, W] bool."""
    if file.suffix == ".png":
        return read_picture(file).mean(-1) > 0
    try:
        with mendable(file):
            values = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(
            f"is not a mask that can be read ({error})", file=file, hint="Write it as .npy uint8"
        ) from error
    values = np.squeeze(values)
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise UserError(f"is {values.dtype} {values.shape}, no mask of height x width", file=file)
    return values > 0


def _check_size(values: np.ndarray, wanted: tuple[int, int], file: Path, of: str) -> None:
    if values.shape[:2] != wanted:
        sizes = [" x ".join(map(str, shape[1::-1])) for shape in (values.shape, wanted)]
        raise UserError(f"is {sizes[0]} pixels, and {of} {sizes[1]}", file=file, hint="Make both of one size")


# ---- writing --------------------------------------------------------------------------------------------------------


def write_scene(scene: SatelliteScene, facts: dict | None = None) -> None:
    """Transforms, points and scene.json into `scene.folder`; pictures and masks lie there already.

    facts: JSON-able, what else scene.json shall tell of how the scene was made.
    """
    _write_json(scene.folder / TRAIN, _transforms(scene.folder, scene.images))
    if scene.held_out:
        _write_json(scene.folder / TEST, _transforms(scene.folder, scene.held_out))
    colours = np.round(np.asarray(scene.rgb, np.float64) * 255).astype(int)
    lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]"]
    for index, (place, colour) in enumerate(zip(scene.xyz, colours, strict=True), 1):
        lines.append(f"{index} {' '.join(f'{value:.4f}' for value in place)} {' '.join(map(str, colour))} 0")
    with atomic_write(scene.folder / POINTS) as temporary:
        temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")
    document = {
        "format": FORMAT,
        "georeference": None if scene.georeference is None else scene.georeference.to_json(),
        "box": scene.box.to_json(),
        "images": [
            {"name": image.name, "date": image.date, "sun": image.sun, "bias": image.bias, "misfit": image.misfit}
            for image in [*scene.images, *scene.held_out]
        ],
        **(facts or {}),
    }
    _write_json(scene.folder / DOCUMENT, document)


def _transforms(folder: Path, images: Sequence[SatelliteImage]) -> dict:
    frames = []
    for image in images:
        camera, K = image.camera, image.camera.K
        frames.append(
            {
                "file_path": image.picture.relative_to(folder).as_posix(),
                "fl_x": K[0, 0],
                "fl_y": K[1, 1],
                "cx": K[0, 2],
                "cy": K[1, 2],
                "w": camera.width,
                "h": camera.height,
                "transform_matrix": camera.camera_to_world.tolist(),
            }
        )
    sizes = {"w": images[0].camera.width, "h": images[0].camera.height} if images else {}
    return {"camera_model": "PINHOLE", **sizes, "frames": frames}


def _write_json(file: Path, document: dict) -> None:
    with atomic_write(file) as temporary:
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
