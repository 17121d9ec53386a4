"""Distance maps on disk: the world's own, and an artist's."""

from pathlib import Path

import cv2
import numpy as np
import OpenEXR
from PIL import Image

from skyworld.errors import UserError
from skyworld.world.files import atomic_write

CHANNELS = ("V", "Y", "Z", "R", "distance", "depth.V", "Depth.V", "Depth.Z", "ViewLayer.Depth.V", "ViewLayer.Depth.Z")
FORMATS = "Give an EXR with one float channel, a 16-bit PNG in millimetres, or a NPY, in metres along the ray"


def read_distance(path: Path, width: int, height: int) -> np.ndarray:
    """[height, width] float32 metres along the ray, from EXR, 16-bit PNG (millimetres) or NPY; resized by nearest.

    Raises UserError where the file is no such map: unreadable, not 2:1, or with values not finite and positive.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("this distance map does not exist", file=path, hint="Check its path")
    readers = {".exr": _read_exr, ".png": _read_png, ".npy": _read_npy}
    if path.suffix.lower() not in readers:
        raise UserError("a distance map of this kind cannot be read", file=path, hint=FORMATS)
    distance = readers[path.suffix.lower()](path)
    rows, columns = distance.shape
    if columns != 2 * rows or rows < 2:
        problem = f"a distance map must be twice as wide as high, not {columns} x {rows}"
        raise UserError(problem, file=path, hint="Render it as a full equirectangular panorama")
    bad = ~(np.isfinite(distance) & (distance > 0))
    if bad.any():
        problem = f"{bad.sum()} of {bad.size} distances are not finite and positive"
        raise UserError(problem, file=path, hint="Give the sky a large finite distance, and every pixel a positive one")
    return cv2.resize(distance, (width, height), interpolation=cv2.INTER_NEAREST)


def _read_exr(path: Path) -> np.ndarray:
    try:
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except RuntimeError as error:
        raise UserError(f"this EXR cannot be read ({error})", file=path, hint=FORMATS) from error
    name = next((name for name in CHANNELS if name in channels), None)
    if name is None and len(channels) == 1:
        name = next(iter(channels))
    if name is None:
        problem = f"this EXR has no distance channel, only {', '.join(sorted(channels))}"
        raise UserError(problem, file=path, hint=FORMATS)
    return channels[name].pixels.astype(np.float32)


def _read_png(path: Path) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise UserError("this PNG cannot be read", file=path, hint="Save it again")
    if picture.dtype != np.uint16 or picture.ndim != 2:
        raise UserError("a distance map in PNG needs one channel of 16 bits", file=path, hint=FORMATS)
    return picture.astype(np.float32) / 1000


def _read_npy(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"this NPY cannot be read ({error})", file=path, hint=FORMATS) from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiu":
        raise UserError("a distance map in NPY needs two dimensions of numbers", file=path, hint=FORMATS)
    return values.astype(np.float32)


def focus(distance: np.ndarray, sky: np.ndarray) -> float:
    """Median distance of what stands straight ahead, metres: what an orbit looks at."""
    height, width = distance.shape
    ahead = (slice(int(0.44 * height), int(0.6 * height)), slice(int(0.45 * width), int(0.55 * width)))
    seen = distance[ahead][~sky[ahead]]
    return float(np.clip(np.median(seen), 1, 30)) if seen.size else 6.0


def write_preview(distance: np.ndarray, path: Path) -> None:
    """A JPEG: near is warm, far is cold, on a logarithmic scale."""
    small = cv2.resize(distance, (768, 384), interpolation=cv2.INTER_NEAREST)
    near, far = np.log(np.percentile(small, 1)), np.log(np.percentile(small, 99))
    shade = 1 - np.clip((np.log(small) - near) / max(far - near, 1e-6), 0, 1)
    with atomic_write(path) as temporary:
        coloured = cv2.applyColorMap((255 * shade).astype(np.uint8), cv2.COLORMAP_TURBO)
        Image.fromarray(coloured[:, :, ::-1]).save(temporary, "JPEG", quality=88)
