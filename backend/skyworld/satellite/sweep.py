"""Plane sweep: how well the images agree if the ground lies at a height, for every cell of a grid and every height.

A surface (a base height for each cell) is moved up and down; each image is looked up where the surface comes to lie
in it, and windows of the looked-up images are compared by normalised cross-correlation, which does not mind that one
image is brighter than another. Windows that follow the base surface are slanted where it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numba import njit, prange
from scipy.ndimage import map_coordinates, spline_filter

from skyworld.satellite.views import View

_NODE = 16  # cells between the places where cameras are asked; between them they are interpolated
_NOISE = 0.005  # of the mean brightness: variation below it is no texture
# Of `refined`: cells (sigma) of its windows, px that it looks up and down, and that a cell may move.
_FINE_WINDOW, _PROBES, _FARTHEST = 1.0, np.float32([-0.4, -0.2, 0, 0.2, 0.4]), 0.6
_LIKELY = 0.3  # correlation below which a pair has no say
# Of each pair, and of three at least: curvature of a correlation by px², as if the surface had been measured before.
_HELD = 0.2


@dataclass(frozen=True, eq=False)
class Rig:
    """Images over a grid of cells.

    splines: of each view [h, w] float32, B-spline coefficients of its standardised values.  valid: [h, w] uint8.
    paths:   of each view [H, W, 6] float32: pixel (column, row; first centre at 0) of a cell at height up is
             a + t (b + t c) with t = (up - middle) / half; a, b, c each for column and row.
    floors:  of each view, the variance below which there is no texture.
    """

    splines: list[np.ndarray]
    valid: list[np.ndarray]
    paths: list[np.ndarray]
    middle: float
    half: float
    floors: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.paths[0].shape[:2]

    def look_up(self, view: int, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values [H, W] float32 of a view under the surface `up` [H, W], and where it shows it [H, W] bool."""
        values = np.empty(self.shape, np.float32)
        t = ((up - self.middle) / self.half).astype(np.float32)
        _look_up(self.splines[view], self.valid[view], self.paths[view], t, values)
        seen = ~np.isnan(values)
        return np.where(seen, values, 0), seen


def make_rig(views: Sequence[View], east: np.ndarray, north: np.ndarray, low: float, high: float) -> Rig:
    """east [W], north [H]: of the cells' centres.  low, high: heights between which the surface may lie."""
    middle, half = (low + high) / 2, max((high - low) / 2, 1.0)
    means = np.array([view.values[view.valid].mean() for view in views], np.float64)
    spreads = np.array([max(view.values[view.valid].std(), 1e-6) for view in views], np.float64)
    splines = [
        spline_filter(((view.values - mean) / spread).astype(np.float32), 3, np.float32)
        for view, mean, spread in zip(views, means, spreads, strict=True)
    ]
    paths = [_path(view, east, north, (middle - half, middle, middle + half)) for view in views]
    valid = [np.ascontiguousarray(view.valid, np.uint8) for view in views]
    floors = (_NOISE * means / spreads) ** 2
    return Rig(splines, valid, paths, middle, half, floors)


def _path(view: View, east: np.ndarray, north: np.ndarray, heights) -> np.ndarray:
    """[H, W, 6]: exact at three heights on a coarse grid, and cubic between."""
    nodes = [np.linspace(axis[0], axis[-1], max(4, len(axis) // _NODE + 1)) for axis in (north, east)]
    n, e = np.meshgrid(*nodes, indexing="ij")
    low, middle, high = (view.project(np.stack([e, n, np.full_like(e, up)], -1)) - 0.5 for up in heights)
    coefficients = np.concatenate([middle, (high - low) / 2, (high + low) / 2 - middle], -1)
    counts = [(len(node) - 1, len(axis)) for node, axis in zip(nodes, (north, east), strict=True)]
    places = np.meshgrid(*(np.linspace(0, last, count) for last, count in counts), indexing="ij")
    columns = [map_coordinates(values, places, order=3, mode="nearest") for values in np.moveaxis(coefficients, -1, 0)]
    return np.stack(columns, -1).astype(np.float32)


@njit(parallel=True, fastmath=True, cache=True)
def _look_up(spline, valid, path, t, out):
    height, width = spline.shape
    for y in prange(path.shape[0]):
        for x in range(path.shape[1]):
            s = t[y, x]
            column = path[y, x, 0] + s * (path[y, x, 2] + s * path[y, x, 4])
            row = path[y, x, 1] + s * (path[y, x, 3] + s * path[y, x, 5])
            out[y, x] = sample(spline, valid, column, row, width, height)


@njit(fastmath={"contract", "arcp"}, cache=True, inline="always")
def sample(spline, valid, column, row, width, height):
    """Value of a cubic B-spline; NaN outside the image and beside pixels that do not count."""
    if not (column >= 1 and row >= 1 and column < width - 3 and row < height - 3):
        return np.float32(np.nan)
    x0, y0 = int(column), int(row)
    if not (valid[y0, x0] and valid[y0, x0 + 1] and valid[y0 + 1, x0] and valid[y0 + 1, x0 + 1]):
        return np.float32(np.nan)
    fx, fy = np.float32(column - x0), np.float32(row - y0)
    one, sixth, third2 = np.float32(1), np.float32(1 / 6), np.float32(2 / 3)
    half = np.float32(0.5)
    gx, gy = one - fx, one - fy
    wx0, wx3 = gx * gx * gx * sixth, fx * fx * fx * sixth
    wx1, wx2 = third2 - half * fx * fx * (np.float32(2) - fx), third2 - half * gx * gx * (np.float32(2) - gx)
    wy0, wy3 = gy * gy * gy * sixth, fy * fy * fy * sixth
    wy1, wy2 = third2 - half * fy * fy * (np.float32(2) - fy), third2 - half * gy * gy * (np.float32(2) - gy)
    total = np.float32(0)
    for j in range(4):
        line = spline[y0 - 1 + j]
        across = line[x0 - 1] * wx0 + line[x0] * wx1 + line[x0 + 1] * wx2 + line[x0 + 2] * wx3
        total += across * (wy0 if j == 0 else wy1 if j == 1 else wy2 if j == 2 else wy3)
    return total


def cost_volume(
    rig: Rig, pairs, base: np.ndarray, offsets: np.ndarray, window: int, volume: np.ndarray, census: float = 0.0
) -> None:
    """Fills volume [H, W, D] uint8: disagreement of the images at heights base [H, W] + offsets [D]; 0 is agreement.

    census: weight of the census transform beside the correlation, 0 to 1.
    """
    used = sorted({view for pair in pairs for view in pair})
    for index, offset in enumerate(offsets):
        looks = {view: rig.look_up(view, base + np.float32(offset)) for view in used}
        agreement = correlations(rig, pairs, looks, box(window))
        if census:
            agreement = (1 - census) * agreement + census * order_agreement(rig, pairs, looks)
        _robust(agreement, volume, index)


def box(window: int) -> Callable[[np.ndarray], np.ndarray]:
    """Means over square windows of so many cells."""
    return partial(cv2.boxFilter, ddepth=-1, ksize=(window, window), borderType=cv2.BORDER_REFLECT)


def correlations(rig: Rig, pairs, looks: dict, mean: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """[P, H, W] float32 0 to 1: of each pair of views over windows; NaN where one is blind. Negative ones are 0.

    looks: what `Rig.look_up` gives for each view.  mean: over each cell's window.
    """
    means = {view: mean(values) for view, (values, _) in looks.items()}
    spreads = {view: np.maximum(mean(values * values) - means[view] ** 2, 0) for view, (values, _) in looks.items()}
    found = np.empty((len(pairs), *rig.shape), np.float32)
    for index, (a, b) in enumerate(pairs):
        together = mean(looks[a][0] * looks[b][0]) - means[a] * means[b]
        floor = np.float32(rig.floors[a] * rig.floors[b])
        found[index] = np.maximum(together / np.sqrt(spreads[a] * spreads[b] + floor), 0)
        found[index][~(looks[a][1] & looks[b][1])] = np.nan
    return found


def refined(rig: Rig, pairs, up: np.ndarray, pixel_height: float) -> np.ndarray:
    """The surface `up` [H, W] moved to where small windows agree best: one damped step of Gauss-Newton.

    Layers and the smoothness of semi-global matching leave a tenth of a pixel. Around the surface the correlation of
    each pair is a parabola; their sum, each weighed by its square, and a prior that holds the surface where it is
    (Levenberg 1944) are at their best at the height that is returned. Where windows show little, it stays.
    """
    used = sorted({view for pair in pairs for view in pair})
    mean = partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=_FINE_WINDOW, borderType=cv2.BORDER_REFLECT)

    def agreement(offset: float) -> np.ndarray:
        looks = {view: rig.look_up(view, up + np.float32(offset * pixel_height)) for view in used}
        return np.nan_to_num(correlations(rig, pairs, looks, mean))

    here = agreement(0.0)
    weights = np.where(here > _LIKELY, here**2, 0)
    _, to_slope, to_curve = np.linalg.pinv(np.vander(_PROBES, 3, increasing=True)).astype(np.float32)
    slope, curve = np.zeros_like(here[0]), np.zeros_like(here[0])
    for offset, for_slope, for_curve in zip(_PROBES, to_slope, to_curve, strict=True):
        total = (weights * agreement(offset)).sum(0)
        slope += for_slope * total
        curve += for_curve * total
    step = np.where(curve < 0, slope / (2 * (_HELD * max(len(pairs), 3) - np.minimum(curve, 0))), 0)
    return up + np.float32(pixel_height) * np.clip(step, -_FARTHEST, _FARTHEST)


def order_agreement(rig: Rig, pairs, looks: dict) -> np.ndarray:
    """[P, H, W] float32 from 1 (alike) to 0 (no more alike than by chance): of the census transforms of each pair.

    Which of the 24 neighbours are brighter (Zabih and Woodfill 1994): does not mind how much, so that one bright
    pixel in a window does not outvote it. Averaged over 3 x 3 cells.
    """
    words = {}
    for view, (values, _) in looks.items():
        words[view] = np.empty(rig.shape, np.uint32)
        _census(values, words[view])
    found = np.empty((len(pairs), *rig.shape), np.float32)
    for index, (a, b) in enumerate(pairs):
        _unlike(words[a], words[b], found[index])
        found[index] = np.maximum(1 - cv2.blur(found[index], (3, 3)) / 12, 0)
        found[index][~(looks[a][1] & looks[b][1])] = np.nan
    return found


@njit(parallel=True, cache=True)
def _census(values, words):
    height, width = values.shape
    for y in prange(height):
        for x in range(width):
            word = np.uint32(0)
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    if dy != 0 or dx != 0:
                        near = values[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
                        word = np.uint32(word << np.uint32(1)) | np.uint32(near > values[y, x])
            words[y, x] = word


@njit(parallel=True, cache=True)
def _unlike(a, b, count):
    """Bits that differ."""
    for y in prange(a.shape[0]):
        for x in range(a.shape[1]):
            v = np.uint64(a[y, x] ^ b[y, x])
            v = v - ((v >> np.uint64(1)) & np.uint64(0x55555555))
            v = (v & np.uint64(0x33333333)) + ((v >> np.uint64(2)) & np.uint64(0x33333333))
            v = (v + (v >> np.uint64(4))) & np.uint64(0x0F0F0F0F)
            count[y, x] = ((v * np.uint64(0x01010101)) & np.uint64(0xFFFFFFFF)) >> np.uint64(24)


@njit(parallel=True, cache=True)
def _robust(correlation, volume, layer):
    """What one image does not see (occlusion) or shows otherwise (a car, the shadow of another day) shall not outvote
    the rest: only the third of the pairs that agree best count, and one more. Of six pairs and fewer all count half,
    for a few that agree may do so by chance. Blind pairs do not vote."""
    pairs, height, width = correlation.shape
    for y in prange(height):
        votes = np.empty(pairs, np.float32)
        for x in range(width):
            count, total = 0, 0.0
            for p in range(pairs):
                count += not np.isnan(correlation[p, y, x])
            better = max(count // 3 + 1, min(count, 2))
            held = 0
            for p in range(pairs):
                value = correlation[p, y, x]
                if np.isnan(value):
                    continue
                total += value
                if held == better and value <= votes[held - 1]:
                    continue
                held = min(held + 1, better)
                place = held - 1
                while place > 0 and votes[place - 1] < value:
                    votes[place] = votes[place - 1]
                    place -= 1
                votes[place] = value
            best = 0.0
            for p in range(held):
                best += votes[p]
            share = 0.5 if count <= 6 else 0.0
            agreement = share * total / count + (1 - share) * best / better if count else -1.0
            volume[y, x, layer] = np.uint8(min(max((1.0 - agreement) * 127.5, 0.0), 255.0))
