"""Cheapest cuts between overlapping pictures, by dynamic programming."""

import numpy as np
from numba import njit


@njit(cache=True)
def vertical_seam(cost: np.ndarray) -> np.ndarray:
    """cost [H, W] -> the column of the cheapest top-to-bottom cut in every row, int32 [H].

    Minimum error boundary cut of Efros and Freeman 2001; steps of up to two columns a row, at a
    small charge so that a cut does not wander where nothing is to be gained.
    """
    height, width = cost.shape
    total = cost.copy()
    back = np.zeros((height, width), np.int8)
    for y in range(1, height):
        for x in range(width):
            least = total[y - 1, x]
            step = 0
            for k in (-2, -1, 1, 2):
                if 0 <= x + k < width and total[y - 1, x + k] + 0.01 < least:
                    least = total[y - 1, x + k] + 0.01
                    step = k
            total[y, x] += least
            back[y, x] = step
    seam = np.empty(height, np.int32)
    x = np.argmin(total[height - 1])
    seam[height - 1] = x
    for y in range(height - 1, 0, -1):
        x = x + back[y, x]
        seam[y - 1] = x
    return seam
