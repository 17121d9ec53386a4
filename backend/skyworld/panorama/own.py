"""The artist's own panorama: read, brought to size, and where it has holes."""

from pathlib import Path

import cv2
import numpy as np

from skyworld.errors import UserError
from skyworld.panorama.repair import black, rimmed, transparent
from skyworld.world.pictures import load_picture


def read_own(path: Path, width: int, *, with_holes: bool) -> tuple[np.ndarray, np.ndarray]:
    """The picture [width / 2, width, 3], and bool: what is black or transparent (nothing, unless `with_holes`).

    UserError where it is no full 360 panorama, or nothing but a hole.
    """
    picture, _, _ = load_picture(path)
    height, columns = picture.shape[:2]
    if columns != 2 * height:
        raise UserError(
            f"a 360 panorama is twice as wide as high, not {columns} x {height}",
            file=path,
            hint="Export it as a full equirectangular picture (2:1)",
        )
    size = (width, width // 2)
    unknown = np.zeros((width // 2, width), bool)
    if with_holes:
        clear = transparent(path)
        holes = black(picture) if clear is None else black(picture) | rimmed(clear)
        unknown = cv2.resize(holes.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        if unknown.mean() > 0.95:
            raise UserError(
                "there is nothing in this panorama but black or transparent pixels", file=path, hint="Choose another"
            )
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if columns > width else cv2.INTER_CUBIC)
    return np.clip(picture, 0, 1), unknown
