"""The artist's own panorama: read, brought to size, and where it has holes."""

from pathlib import Path

import cv2
import numpy as np

from skyworld.errors import UserError
from skyworld.panorama.repair import black, rimmed, transparent
from skyworld.world.pictures import load_picture


def read_own(path: Path, width: int, *, with_holes: bool, mask: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The picture [width / 2, width, 3], and bool: what is black or transparent, or white in the picture `mask`.

    Nothing is a hole, unless `with_holes`. UserError where it is no full 360 panorama, or nothing but a hole.
    """
    picture = _full(path)
    columns = picture.shape[1]
    size = (width, width // 2)
    unknown = np.zeros((width // 2, width), bool)
    if with_holes:
        clear = transparent(path)
        holes = black(picture) if clear is None else black(picture) | rimmed(clear)
        unknown = cv2.resize(holes.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        if mask:
            unknown |= cv2.resize(_full(mask).mean(-1), size, interpolation=cv2.INTER_AREA) > 0.5
        if unknown.mean() > 0.95:
            raise UserError(
                "nothing is left of this panorama but what is to be completed", file=path, hint="Choose another"
            )
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if columns > width else cv2.INTER_CUBIC)
    return np.clip(picture, 0, 1), unknown


def _full(path: Path) -> np.ndarray:
    """A picture of the whole sphere, [H, 2 H, 3]."""
    picture, _, _ = load_picture(path)
    height, columns = picture.shape[:2]
    if columns != 2 * height:
        raise UserError(
            f"a 360 panorama is twice as wide as high, not {columns} x {height}",
            file=path,
            hint="Export it as a full equirectangular picture (2:1)",
        )
    return picture
