"""A height map as a picture: shaded from the north-west, coloured by height."""

import cv2
import numpy as np

# Low to high, sRGB: meadow, dry grass, rock, snow.
_COLOURS = np.array([(70, 104, 84), (132, 150, 98), (196, 182, 128), (180, 140, 104), (214, 202, 192), (250, 250, 250)])
_LIGHT = np.array((-0.5, 0.5, 0.8)) / np.linalg.norm((-0.5, 0.5, 0.8))  # towards the sun: east, north, up
_UNKNOWN = (40, 40, 48)


def relief(up: np.ndarray, cell: float, limits: tuple[float, float] | None = None) -> np.ndarray:
    """[H, W] metres, NaN unknown -> [H, W, 3] uint8.  limits: heights of the first and the last colour."""
    known = np.isfinite(up)
    if not known.any():
        return np.full((*up.shape, 3), _UNKNOWN, np.uint8)
    low, high = limits or np.percentile(up[known], (1, 99))
    filled = np.where(known, up, low).astype(np.float64)
    down, across = np.gradient(filled, cell)
    normal = np.stack([-across, down, np.ones_like(filled)], -1)
    shade = np.clip((normal @ _LIGHT) / np.linalg.norm(normal, axis=-1), 0, 1)
    place = np.clip((filled - low) / max(high - low, 1e-6), 0, 1) * (len(_COLOURS) - 1)
    colour = np.stack([np.interp(place, np.arange(len(_COLOURS)), band) for band in _COLOURS.T], -1)
    picture = colour * (0.35 + 0.85 * shade[..., None])
    return np.where(known[..., None], np.clip(picture, 0, 255), _UNKNOWN).astype(np.uint8)


def write_jpeg(path, picture: np.ndarray, quality: int = 88) -> None:
    """[H, W, 3] uint8."""
    from skyworld.world.files import atomic_write

    with atomic_write(path) as temporary:
        data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        temporary.write_bytes(data.tobytes())
