"""Warping pictures with depth to other poses, and back (Recipe, arXiv 2503.16611, section 3.2).

A picture that is warped forward to another view lies there as its depth and the poses say, and where these are wrong
it lies wrong: a model trained on such pairs learns to move things. Warped forward and back again it has the holes
that the other view would see in it, but what is left lies exactly where it was.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from skyworld.camera import Camera

# Of two points in one pixel the one behind is hidden; this close they are one surface, and both are seen.
SAME_SURFACE = 1.06


@dataclass(frozen=True)
class Warped:
    """picture: [H, W, 3] float32, 0 where nothing lies.  known: bool [H, W].  depth: [H, W] float32, 0 likewise."""

    picture: np.ndarray
    known: np.ndarray
    depth: np.ndarray


def forward(picture: np.ndarray, depth: np.ndarray, camera: Camera, target: Camera) -> Warped:
    """The pixels of `camera` ([H, W, 3], camera z [H, W] metres, not finite or 0: nothing) as points seen by `target`.

    Each point takes the pixels within 3/4 of the size that its own pixel has there (at most 2 px to each side): a
    surface that is nearer or tilted has no pores. The nearest point wins.
    """
    at, z, size = _moved(depth, camera, target)
    drawn, buffer = _splat(picture.astype(np.float32), at, z, size, target.height, target.width)
    known = np.isfinite(buffer)
    return Warped(drawn, known, np.where(known, buffer, 0).astype(np.float32))


def forward_backward(picture: np.ndarray, depth: np.ndarray, camera: Camera, novel: Camera) -> Warped:
    """What of `camera`'s own pixels the view `novel` sees too: they stay exactly where they are, the rest is a hole.

    Points that fall outside of `novel` or behind another surface there are not known.
    """
    at, z, size = _moved(depth, camera, novel)
    _, buffer = _splat(picture.astype(np.float32), at, z, size, novel.height, novel.width)
    known = _survives(at, z, buffer)
    return Warped(
        np.where(known[..., None], picture, 0).astype(np.float32), known, np.where(known, depth, 0).astype(np.float32)
    )


def _moved(depth: np.ndarray, camera: Camera, target: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every pixel: its place in `target` (x, y) [H, W, 2], its depth there (0: none) and half its size there, px."""
    valid = np.isfinite(depth) & (depth > 0)
    z = np.where(valid, depth, 1).astype(np.float64)
    rays = camera.rays()
    points = camera.position + rays * (z / (rays @ camera.rotation[:, 2]))[..., None]
    at, there = target.project(points)
    valid &= there > 1e-6
    grown = target.K[0, 0] / camera.K[0, 0] * z / np.where(valid, there, 1)
    there = np.where(valid, there, 0)
    return np.nan_to_num(at, nan=-1e6).astype(np.float32), there.astype(np.float32), np.clip(0.75 * grown, 0.5, 2)


@njit(cache=True)
def _splat(picture, at, z, size, height, width):
    """The nearest point of each pixel: colours [height, width, 3] and depths, inf where there is none."""
    colours = np.zeros((height, width, 3), np.float32)
    buffer = np.full((height, width), np.float32(np.inf), np.float32)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            depth = z[i, j]
            if depth <= 0:
                continue
            half = size[i, j] - 0.5
            x, y = at[i, j, 0], at[i, j, 1]
            if x < -3 or y < -3 or x > width + 3 or y > height + 3:
                continue
            for row in range(int(np.floor(y - half)), int(np.floor(y + half)) + 1):
                for column in range(int(np.floor(x - half)), int(np.floor(x + half)) + 1):
                    if 0 <= row < height and 0 <= column < width and depth < buffer[row, column]:
                        buffer[row, column] = depth
                        for c in range(3):
                            colours[row, column, c] = picture[i, j, c]
    return colours, buffer


@njit(cache=True)
def _survives(at, z, buffer):
    """Which points [H, W] are within SAME_SURFACE of the nearest in their pixel."""
    height, width = buffer.shape
    seen = np.zeros(z.shape, np.bool_)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            row, column = int(np.floor(at[i, j, 1])), int(np.floor(at[i, j, 0]))
            if z[i, j] > 0 and 0 <= row < height and 0 <= column < width:
                seen[i, j] = z[i, j] <= SAME_SURFACE * buffer[row, column]
    return seen
