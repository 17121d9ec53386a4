"""Edges of houses and trees: near a step of the surface, every cell chooses its height anew.

A sweep compares windows. Beside a roof they hold its edge, which all images show alike, so that roofs come out wider
than they are, and gaps between them close. So a cell near a step chooses among the heights of the cells around it and
the ground below, and is asked otherwise: only images count that see the cell at that height, which the surface itself
tells; in a window only counts what looks like its middle (adaptive support weights, Yoon and Kweon 2006); and all pairs
of images have a voice, for none is hidden. Neighbours that choose different heights pay for it, as in a sweep.
"""

import cv2
import numpy as np
from numba import njit, prange

from skyworld.satellite.sweep import Rig, sample

REACH = 8  # cells from which a height is offered
_RADII = (2, 4, REACH)
_STEP = 3.0  # heights of a pixel between neighbours that make an edge
_MOST = 6  # heights that a cell chooses among
_GROUND = 62  # cells that nothing but ground is as wide as
_NEAR = 2.5  # cells around a cell that do not hide it: it may be they that are wrong
_HALF = 2  # cells beside the middle of a window
_LIKE = 4.0  # spreads of an image that two values differ by, times this: e times less weight
HIDDEN = 100.0  # cost of a height at which fewer than _FEWEST images see the cell: nearly that of chance
_FEWEST = 2
_SMALL, _LARGE = 4.0, 90.0  # price of a step of a pixel's height, and of any


def ground_below(up: np.ndarray) -> np.ndarray:
    """[H, W]: what is left of a surface when everything narrower than _GROUND cells is taken off it (opening)."""
    size = _GROUND + 1
    opened = cv2.morphologyEx(
        cv2.medianBlur(up.astype(np.float32), 5), cv2.MORPH_OPEN, np.ones((size, size), np.uint8),
        borderType=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return cv2.blur(opened, (size // 2, size // 2), borderType=cv2.BORDER_REPLICATE)


def at_edges(
    rig: Rig, up: np.ndarray, ground: np.ndarray, rows: slice, pixel_height: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """up, ground: [H, W] of all the area; rows: those of `rig`, which are done.

    Returns of these rows [h, W] the height, its own cost (0 to 127.5 agreement to chance, `HIDDEN` where it was not
    seen), and how much dearer the next best height is, in units of the cost; cost and margin are NaN where nothing
    was there to choose.
    """
    heights, counts = _offered(up, ground, rows, pixel_height)
    sizes = np.array([spline.shape for spline in rig.splines])
    first = np.concatenate([[0], np.cumsum(sizes.prod(1))[:-1]])
    splines, valid = (np.concatenate([image.ravel() for image in images]) for images in (rig.splines, rig.valid))
    paths = np.stack(rig.paths)
    horizons = np.empty(paths.shape[:3], np.float32)
    _horizons(up.astype(np.float32), rows.start, paths, np.float32(rig.half), np.float32(np.ptp(up)), horizons)
    cost = np.zeros(heights.shape, np.float32)
    _ask(
        splines, valid, first, sizes, paths, rig.floors.astype(np.float32), np.float32(rig.middle),
        np.float32(rig.half), horizons - np.float32(0.5 * pixel_height), heights, counts, cost,
    )  # fmt: skip
    total = np.zeros(heights.shape, np.float32)
    _along_eight_directions(heights, counts, cost, np.float32(_SMALL / pixel_height), np.float32(_LARGE), total)
    total[np.arange(_MOST) >= counts[..., None]] = np.inf
    order = np.argsort(total, 2)[..., :2]
    found, own = (np.take_along_axis(values, order[..., :1], 2)[..., 0] for values in (heights, cost))
    best, next_best = np.moveaxis(np.take_along_axis(total, order, 2), 2, 0)
    alone = counts == 1
    margin = np.where(alone, np.nan, next_best - best) / 8
    return found, np.where(alone, np.nan, own).astype(np.float32), margin.astype(np.float32)


def _offered(up: np.ndarray, ground: np.ndarray, rows: slice, pixel_height: float) -> tuple[np.ndarray, np.ndarray]:
    """Heights [h, W, _MOST] of which the first `counts` [h, W] differ by more than a pixel; the first is the cell's."""
    turns = np.arange(8) * np.pi / 4
    around = [np.round([r * np.sin(turn), r * np.cos(turn)]) for r in _RADII for turn in turns]
    heights = np.zeros((rows.stop - rows.start, up.shape[1], _MOST), np.float32)
    counts = np.ones(heights.shape[:2], np.int64)
    kernel = np.ones((3, 3), np.uint8)
    median = cv2.medianBlur(up.astype(np.float32), 3)
    steps = (cv2.dilate(median, kernel) - cv2.erode(median, kernel)) > _STEP * pixel_height
    near = cv2.dilate(steps.astype(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
    _offer(
        up.astype(np.float32),
        ground,
        near,
        rows.start,
        np.array(around, np.int64),
        np.float32(pixel_height),
        heights,
        counts,
    )
    return heights, counts


@njit(parallel=True, cache=True)
def _offer(up, ground, near, first, around, least, heights, counts):
    rows, columns = counts.shape
    for row in prange(rows):
        y = row + first
        for x in range(columns):
            heights[row, x, 0], n = up[y, x], 1
            if not near[y, x]:
                continue
            if up[y, x] - ground[y, x] > 3 * least:
                heights[row, x, 1], n = ground[y, x], 2
            for i in range(len(around)):
                v, u = y + around[i, 0], x + around[i, 1]
                if v < 0 or u < 0 or v >= up.shape[0] or u >= columns:
                    continue
                new = n < heights.shape[2]
                for k in range(n):
                    new = new and abs(heights[row, x, k] - up[v, u]) >= least
                if new:
                    heights[row, x, n] = up[v, u]
                    n += 1
            counts[row, x] = n


@njit(parallel=True, cache=True)
def _horizons(up, first, paths, half, span, found):
    """[V, h, W]: height at which a cell comes into sight of each view, over what stands between (-inf: nothing)."""
    views, rows, columns = found.shape
    for row in prange(rows):
        for view in range(views):
            path = paths[view]
            above, below = max(row - 1, 0), min(row + 1, rows - 1)
            for x in range(columns):
                left, right = max(x - 1, 0), min(x + 1, columns - 1)
                # Pixels a cell to the right and down, and a metre up: cells that a metre up looks like.
                a = (path[row, right, 0] - path[row, left, 0]) / (right - left)
                b = (path[below, x, 0] - path[above, x, 0]) / (below - above)
                c = (path[row, right, 1] - path[row, left, 1]) / (right - left)
                d = (path[below, x, 1] - path[above, x, 1]) / (below - above)
                e, f = path[row, x, 2] / half, path[row, x, 3] / half
                across = (d * e - b * f) / (a * d - b * c)
                down = (a * f - c * e) / (a * d - b * c)
                length = np.sqrt(across * across + down * down)
                highest, away = -np.inf, _NEAR
                while away <= span * length:
                    metres = away / length
                    u, v = round(x - across * metres), round(row + first - down * metres)
                    if u < 0 or v < 0 or u >= columns or v >= up.shape[0]:
                        break
                    highest = max(highest, up[v, u] - metres)
                    away += 0.5
                found[view, row, x] = highest


@njit(parallel=True, fastmath={"contract", "arcp", "reassoc"}, cache=True)
def _ask(splines, valid, first, sizes, paths, floors, middle, half, horizons, heights, counts, cost):
    """Cost of each offered height: 127.5 times one minus the mean correlation of the pairs of views that see it."""
    views, rows, columns = horizons.shape
    size = (2 * _HALF + 1) ** 2
    for y in prange(rows):
        values, weights = np.empty((views, size), np.float32), np.empty((views, size), np.float32)
        seen = np.empty(views, np.bool_)
        for x in range(columns):
            if counts[y, x] == 1:
                continue
            for k in range(counts[y, x]):
                t, count = (heights[y, x, k] - middle) / half, 0
                for view in range(views):
                    seen[view] = heights[y, x, k] >= horizons[view, y, x]
                    if not seen[view]:
                        continue
                    tall, wide = sizes[view]
                    here = slice(first[view], first[view] + tall * wide)
                    spline, counted = splines[here].reshape(tall, wide), valid[here].reshape(tall, wide)
                    i = 0
                    for dy in range(-_HALF, _HALF + 1):
                        for dx in range(-_HALF, _HALF + 1):
                            path = paths[view, min(max(y + dy, 0), rows - 1), min(max(x + dx, 0), columns - 1)]
                            column = path[0] + t * (path[2] + t * path[4])
                            row = path[1] + t * (path[3] + t * path[5])
                            values[view, i] = sample(spline, counted, column, row, wide, tall)
                            seen[view] = seen[view] and not np.isnan(values[view, i])
                            i += 1
                    if not seen[view]:
                        continue
                    own = values[view, size // 2]
                    for i in range(size):
                        values[view, i] -= own
                        weights[view, i] = np.exp(-np.float32(_LIKE) * abs(values[view, i]))
                    count += 1
                if count < _FEWEST:
                    cost[y, x, k] = HIDDEN
                    continue
                total = np.float32(0)
                for a in range(views):
                    for b in range(a + 1, views):
                        if seen[a] and seen[b]:
                            total += _alike(values[a], values[b], weights[a], weights[b], floors[a], floors[b])
                cost[y, x, k] = np.float32(127.5) * (1 - total / (count * (count - 1) // 2))


@njit(fastmath={"contract", "arcp", "reassoc"}, cache=True, inline="always")
def _alike(p, q, p_weights, q_weights, p_floor, q_floor):
    """Correlation of two windows under the product of their weights, at least 0."""
    zero = np.float32(0)
    whole, sp, sq, spp, sqq, spq = zero, zero, zero, zero, zero, zero
    for i in range(len(p)):
        weight = p_weights[i] * q_weights[i]
        wp, wq = weight * p[i], weight * q[i]
        whole += weight
        sp += wp
        sq += wq
        spp += wp * p[i]
        sqq += wq * q[i]
        spq += wp * q[i]
    sp /= whole
    sq /= whole
    variances = (max(spp / whole - sp * sp, zero) + p_floor) * (max(sqq / whole - sq * sq, zero) + q_floor)
    return max((spq / whole - sp * sq) / np.sqrt(variances), zero)


@njit(parallel=True, cache=True)
def _along_eight_directions(heights, counts, cost, small, large, total):
    """Semi-global matching where each cell has heights of its own: a step costs `small` a metre, at most `large`."""
    rows, columns, most = heights.shape
    for direction in (1, -1):
        for y in prange(rows):
            lines = np.zeros((2, most), np.float32)
            for i in range(columns):
                x = i if direction > 0 else columns - 1 - i
                start = x - direction if i > 0 else -1
                _step(heights, counts, cost, small, large, total, y, x, y, start, lines[(i + 1) % 2], lines[i % 2])
    for down in (1, -1):
        for across in (-1, 0, 1):
            lines = np.zeros((2, columns, most), np.float32)
            for i in range(rows):
                y = i if down > 0 else rows - 1 - i
                for x in prange(columns):
                    start = x - across if i > 0 and 0 <= x - across < columns else -1
                    before = lines[(i + 1) % 2, max(start, 0)]
                    _step(heights, counts, cost, small, large, total, y, x, y - down, start, before, lines[i % 2, x])


@njit(cache=True, inline="always")
def _step(heights, counts, cost, small, large, total, y, x, v, u, before, after):
    """u: -1 where the path begins."""
    for k in range(counts[y, x]):
        way, least = np.float32(0), np.float32(0)
        if u >= 0:
            way, least = np.float32(np.inf), before[0]
            for j in range(counts[v, u]):
                rise = abs(heights[y, x, k] - heights[v, u, j])
                way, least = min(way, before[j] + min(small * rise, large)), min(least, before[j])
        after[k] = cost[y, x, k] + way - least
        total[y, x, k] += after[k]
