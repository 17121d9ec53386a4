"""What maps need from Gaussians: their heights and their picture as seen straight from above."""

import numpy as np
import torch

from skyworld.camera import Camera
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import rasterize

# Mip-Splatting's 2D filter, as Skyfall-GS has it: what is thinner than a cell does not grow to one.
DRAWING = {"antialiased": True, "eps2d": 0.1}
# Pixels of a side that are drawn at once; what covers less than so much of a cell has no height.
_TILE, _LEAST_ALPHA = 2048, 0.5


@torch.no_grad()
def from_above(gaussians: Gaussians, box: Box, cell: float) -> tuple[np.ndarray, HeightMap]:
    """Ortho image [H, W, 3] 0 to 1 and heights of the box, north at the top, drawn in tiles.

    A parallel camera looks straight down: no perspective, no look-at that degenerates at 90 degrees. Heights are the
    expected depth, their confidence the alpha; NaN where less than half of a cell is covered.
    """
    columns, rows = (max(1, round((side[1] - side[0]) / cell)) for side in (box.east, box.north))
    top = max(float(gaussians.means[:, 2].max()) if len(gaussians) else 0.0, box.up[1]) + 100
    colour, up = np.zeros((rows, columns, 3), np.float32), np.full((rows, columns), np.nan, np.float32)
    alpha = np.zeros((rows, columns), np.float32)
    for row in range(0, rows, _TILE):
        for column in range(0, columns, _TILE):
            height, width = min(_TILE, rows - row), min(_TILE, columns - column)
            camera = _above(box.east[0] + column * cell, box.north[1] - row * cell, top, cell, width, height)
            drawn = rasterize(gaussians, [camera], **DRAWING)
            part = np.s_[row : row + height, column : column + width]
            colour[part] = drawn.colour[0].clamp(0, 1).cpu().numpy()
            alpha[part] = drawn.alpha[0].cpu().numpy()
            up[part] = top - drawn.depth[0].cpu().numpy()
    up[alpha < _LEAST_ALPHA] = np.nan
    return colour, HeightMap(up, alpha, box.east[0], box.north[1], cell)


def _above(west: float, north: float, top: float, cell: float, width: int, height: int) -> Camera:
    pose = np.array([[1.0, 0, 0, west], [0, -1, 0, north], [0, 0, -1, top], [0, 0, 0, 1]])
    return Camera(pose, np.array([[1 / cell, 0, 0], [0, 1 / cell, 0], [0, 0, 1]]), width, height, "ortho")
