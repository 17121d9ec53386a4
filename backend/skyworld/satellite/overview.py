"""The images of a scene on the ground, from above: which outline is whose, and what is taken."""

from collections.abc import Mapping

import cv2
import numpy as np

from skyworld.satellite.area import Rectangle
from skyworld.satellite.views import Project

_SIZE = 640  # pixels of the longer side
_MARGIN = 0.04
_GROUND = (28, 30, 36)
_AREA = (255, 190, 60)
# sRGB of the outlines, in turn.
_OUTLINES = ((90, 200, 250), (250, 110, 130), (140, 230, 130), (200, 150, 250), (240, 230, 110), (110, 230, 210))


def draw_overview(
    outlines: Mapping[str, np.ndarray], area: Rectangle, picture: np.ndarray, project: Project, up: float
) -> np.ndarray:
    """[h, w, 3] uint8, north up.

    outlines: of each image on the ground, [K, 2] metres east and north.  picture: [H, W, 3] uint8 of one image, and how
    places come to lie in exactly that part of it; up: metres, of the level ground that they lie on.
    """
    edges = list(outlines.values())
    low, high = np.min(np.concatenate(edges), 0), np.max(np.concatenate(edges), 0)
    low, high = low - _MARGIN * (high - low), high + _MARGIN * (high - low)
    step = float(max(high - low) / _SIZE)
    width, height = (max(1, int(side / step)) for side in high - low)
    east, north = np.meshgrid(low[0] + (np.arange(width) + 0.5) * step, high[1] - (np.arange(height) + 0.5) * step)
    pixels = project(np.stack([east, north, np.full_like(east, up)], -1)) - 0.5
    fine = cv2.blur(picture, (3, 3)) if picture.shape[0] > 2 * height else picture
    canvas = cv2.remap(
        fine, *np.moveaxis(pixels, -1, 0).astype(np.float32), cv2.INTER_AREA, borderValue=_GROUND
    )  # fmt: skip

    def drawn(places: np.ndarray, colour, thickness: int) -> None:
        corners = np.stack([(places[:, 0] - low[0]) / step, (high[1] - places[:, 1]) / step], -1)
        cv2.polylines(canvas, [np.round(corners * 16).astype(np.int32)], True, colour, thickness, cv2.LINE_AA, 4)

    for index, (name, edge) in enumerate(outlines.items()):
        colour = _OUTLINES[index % len(_OUTLINES)]
        drawn(edge, colour, 2)
        place = (10, 22 + 18 * index)
        cv2.putText(canvas, name[:40], place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    west, south, right, top = area
    drawn(np.array([(west, south), (right, south), (right, top), (west, top)]), _AREA, 2)
    return canvas
