"""Distance maps on disk: metres along the ray, on the grid of an equirectangular panorama."""

from pathlib import Path

import cv2
import numpy as np

from skyworld.errors import UserError

KINDS = ".exr (metres), .npy (metres) or .png (16 bit, millimetres)"


def write_exr(path: Path | str, values: np.ndarray) -> None:
    """[H, W] -> one 32-bit float channel `V`, lossless."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"V": np.ascontiguousarray(values, np.float32)}) as file:
        file.write(str(path))


def read_distance(path: Path | str, width: int, height: int) -> np.ndarray:
    """[height, width] float32, metres, finite and positive.

    Maps of another size are resized without blending, so that no distance appears that was not there.
    Raises UserError for anything that is not a full 2:1 map of positive distances.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("there is no such distance map", file=path)
    readers = {".exr": _read_exr, ".npy": _read_npy, ".png": _read_png}
    if path.suffix.lower() not in readers:
        raise UserError(
            f"a distance map cannot be a {path.suffix or 'file without ending'}", file=path, hint=f"Give {KINDS}"
        )
    values = readers[path.suffix.lower()](path)
    if values.ndim != 2 or values.shape[1] != 2 * values.shape[0]:
        size = " x ".join(map(str, values.shape[::-1]))
        raise UserError(f"a distance map is twice as wide as high with one value a pixel, not {size}", file=path)
    wrong = int((~np.isfinite(values) | (values <= 0)).sum())
    if wrong:
        raise UserError(
            f"{wrong:,} of {values.size:,} distances are not positive numbers",
            file=path,
            hint="Fill the holes, and put the sky at a far but finite distance",
        )
    values = values.astype(np.float32)
    if values.shape == (height, width):
        return values
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)


def _read_exr(path: Path) -> np.ndarray:
    import OpenEXR

    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = file.channels()
            name = next((n for n in ("V", "Y", "Z", "R") if n in channels), None) or next(iter(channels))
            return np.array(channels[name].pixels)
    except (RuntimeError, OSError, StopIteration, ValueError) as error:
        raise UserError(
            f"this EXR cannot be read ({error})", file=path, hint="Write it with one float channel"
        ) from error


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (OSError, ValueError, EOFError) as error:
        raise UserError("this is not an array of numbers (NPY)", file=path, hint="Write it with numpy.save") from error


def _read_png(path: Path) -> np.ndarray:
    millimetres = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if millimetres is None or millimetres.dtype != np.uint16 or millimetres.ndim != 2:
        raise UserError("this is not a 16-bit grey PNG", file=path, hint=f"Give {KINDS}")
    return millimetres / 1000.0
