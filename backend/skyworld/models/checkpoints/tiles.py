"""Work on large pictures in overlapping tiles."""

import itertools
import math
from collections.abc import Callable

import numpy as np


def in_tiles(
    picture: np.ndarray, work: Callable[[np.ndarray, int], np.ndarray], size: int, overlap: int, *, around: bool = False
) -> np.ndarray:
    """`work`(tile [h, w, 3], number) of all tiles, faded into one another: [f H, f W, 3] where work enlarges by f.

    size: of a tile at most.  overlap: pixels shared with the next tile.  around: the left edge goes on at the right.
    """
    height, width = picture.shape[:2]
    total, weights, factor = None, None, 1
    tiles = [(y, x) for y in _spans(height, size, overlap, False) for x in _spans(width, size, overlap, around)]
    for number, ((top, bottom), (left, right)) in enumerate(tiles):
        done = work(np.ascontiguousarray(picture[top:bottom, np.arange(left, right) % width]), number)
        if total is None:
            factor = done.shape[0] // (bottom - top)
            beyond = overlap if around else 0
            total = np.zeros((factor * height, factor * (width + beyond), 3), np.float32)
            weights = np.zeros((*total.shape[:2], 1), np.float32)
        share = np.multiply.outer(
            _fade(factor * (bottom - top), factor * overlap, top > 0, bottom < height),
            _fade(factor * (right - left), factor * overlap, around or left > 0, around or right < width),
        )[..., None]
        here = np.s_[factor * top : factor * bottom, factor * left : factor * right]
        total[here] += done * share
        weights[here] += share
    if around:
        for each in (total, weights):
            each[:, : factor * overlap] += each[:, factor * width :]
    return (total / weights)[:, : factor * width]


def _spans(length: int, size: int, overlap: int, around: bool) -> list[tuple[int, int]]:
    """Begin and end of the tiles along one side, all of one length as near as can be."""
    if length <= size and not around:
        return [(0, length)]
    whole = length if around else length - overlap
    count = max(1, math.ceil(whole / (size - overlap)))
    edges = [round(i * whole / count) for i in range(count + 1)]
    return [(a, b + overlap) for a, b in itertools.pairwise(edges)]


def _fade(length: int, overlap: int, begin: bool, end: bool) -> np.ndarray:
    """1, rising from and falling to nearly 0 over the overlap where there is a neighbour."""
    share = np.ones(length, np.float32)
    ramp = np.sin(np.pi / 2 * (np.arange(overlap, dtype=np.float32) + 0.5) / overlap) ** 2
    if begin:
        share[:overlap] = ramp
    if end:
        share[-overlap:] = np.minimum(share[-overlap:], ramp[::-1])
    return share
