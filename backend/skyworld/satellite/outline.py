"""Where the area stands in a view: which pixels ought to show it, whatever is drawn there yet."""

import math

import numpy as np
from numba import njit, prange
from scipy.ndimage import binary_closing, binary_fill_holes

from skyworld.camera import Camera, look_at
from skyworld.satellite.height_map import HeightMap, continued

_CLOSED = 3  # cells: narrower gaps are no border
_STRIDE = 0.7  # cells that a ray goes on at once


def over(camera: Camera, height_map: HeightMap) -> np.ndarray:
    """Bool [H, W]: pixels whose ray meets the heights from above.

    Not those that look under them where the border cuts through a hill: nothing is there to be seen.
    """
    known = binary_fill_holes(binary_closing(np.pad(np.isfinite(height_map.up), _CLOSED), np.ones((_CLOSED, _CLOSED))))
    known = known[_CLOSED:-_CLOSED, _CLOSED:-_CLOSED]
    if not known.any():
        return np.zeros((camera.height, camera.width), bool)
    up = np.where(known, continued(height_map.up), np.nan)
    # In cells from the north-western corner: right, down, and up.
    corner = np.array((height_map.west, height_map.north, 0.0))
    start = (np.broadcast_to(camera.position, 3) - corner) / height_map.cell * (1, -1, 1)
    rays = camera.rays().reshape(-1, 3) / height_map.cell * (1, -1, 1)
    found = np.zeros(len(rays), np.bool_)
    _meets(start, rays, up / height_map.cell, float(np.nanmin(up)) / height_map.cell,
           float(np.nanmax(up)) / height_map.cell, found)  # fmt: skip
    return found.reshape(camera.height, camera.width)


@njit(parallel=True, cache=True)
def _meets(start, rays, up, lowest, highest, found):
    """Follows each ray from where it comes below the highest height to where it leaves the map or has met it."""
    rows, columns = up.shape
    for index in prange(len(rays)):
        x, y, z = rays[index]
        first, last = 0.0, np.inf
        for at, way, side in ((start[0], x, columns), (start[1], y, rows)):
            if way != 0:
                near, far = -at / way, (side - at) / way
                first, last = max(first, min(near, far)), min(last, max(near, far))
            elif at < 0 or at > side:
                last = -1.0
        if z < 0:
            first, last = max(first, (highest - start[2]) / z), min(last, (lowest - 1 - start[2]) / z)
        elif start[2] > highest:
            last = -1.0
        level = math.hypot(x, y)
        if last < first:
            continue
        count, above = math.ceil((last - first) * level / _STRIDE) + 1, False
        for step in range(count + 1):
            t = first + (last - first) * step / count
            row, column = int(start[1] + t * y), int(start[0] + t * x)
            if not (0 <= row < rows and 0 <= column < columns) or np.isnan(up[row, column]):
                above = False
            elif start[2] + t * z >= up[row, column]:
                above = True
            else:
                found[index] = above
                break


def compile_kernels() -> None:
    level = HeightMap.over(-2, -2, 2, 2, 1.0, lambda east, north: 0 * east)
    over(Camera.pinhole(look_at((0, -3, 3), (0, 0, 0)), 1.0, 4, 4), level)
