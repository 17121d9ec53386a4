"""Bringing a distance map to full size without blending across a silhouette."""

import cv2
import numpy as np
from numba import njit


def upsample(distance: np.ndarray, small: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Joint nearest upsampling: distance [h, w] of the picture `small` -> [H, W] float32 of the picture `large`.

    On one surface it interpolates; where the four surrounding pixels differ by more than 10 % it takes, of the 3 x 3
    nearest, the one whose colour is that of the large picture's pixel, so that edges follow the large picture.
    """
    height, width = large.shape[:2]
    if distance.shape == (height, width):
        return distance.astype(np.float32)
    return _upsample(distance.astype(np.float32), _bytes(small), _bytes(large))


def _bytes(picture: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(np.ascontiguousarray(picture, np.float32), alpha=255)


@njit(cache=True)
def _upsample(distance, small, large):
    rows, columns = distance.shape
    height, width = large.shape[:2]
    out = np.empty((height, width), np.float32)
    for y in range(height):
        v = (y + 0.5) * rows / height - 0.5
        top = min(max(int(np.floor(v)), 0), rows - 1)
        bottom, fy = min(top + 1, rows - 1), min(max(v - top, 0.0), 1.0)
        middle_row = min(int(v + 0.5), rows - 1)
        for x in range(width):
            u = (x + 0.5) * columns / width - 0.5
            left = int(np.floor(u))
            fx = u - left
            a, b = distance[top, left % columns], distance[top, (left + 1) % columns]
            c, d = distance[bottom, left % columns], distance[bottom, (left + 1) % columns]
            if max(max(a, b), max(c, d)) < 1.1 * min(min(a, b), min(c, d)):
                out[y, x] = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy
                continue
            middle_column = int(np.floor(u + 0.5))
            best = np.float32(1e9)
            for j in range(-1, 2):
                row = min(max(middle_row + j, 0), rows - 1)
                for i in range(-1, 2):
                    column = (middle_column + i) % columns
                    away = (row - v) ** 2 + (middle_column + i - u) ** 2
                    cost = np.float32(12 * away)
                    for k in range(3):
                        cost += abs(np.float32(small[row, column, k]) - np.float32(large[y, x, k]))
                    if cost < best:
                        best = cost
                        out[y, x] = distance[row, column]
    return out
