"""Semi-global matching (Hirschmueller 2008): the surface that is cheapest along eight directions, steps included."""

import numpy as np
from numba import njit, prange


def semi_global(volume: np.ndarray, small: int, large: int, gap: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """volume: [H, W, D] uint8 costs.  small, large: price of a step of one layer, and of any other (truncated linear:
    a step of n layers costs n times small, at most large).

    Returns the cheapest layer [H, W] float32, between layers by a parabola; its own cost [H, W] uint8; and how much
    dearer the next best layer is that lies more than `gap` layers away, [H, W] float32, in units of the cost.
    """
    total = np.zeros(volume.shape, np.uint16)
    for direction in (1, -1):
        _along_rows(volume, total, direction, small, large)
    for down in (1, -1):
        for across in (-1, 0, 1):
            _along_columns(volume, total, down, across, small, large)
    layer, cost = np.empty(volume.shape[:2], np.float32), np.empty(volume.shape[:2], np.uint8)
    margin = np.empty(volume.shape[:2], np.float32)
    _cheapest(total, volume, layer, cost, margin, gap)
    return layer, cost, margin


@njit(fastmath=True, cache=True)
def _step(before, cost, after, total, small, large, scratch):
    layers = len(before)
    least = before[0]
    for d in range(1, layers):
        least = min(least, before[d])
    cap = least + large
    for d in range(layers):
        scratch[d] = min(before[d], cap)
    for d in range(1, layers):
        scratch[d] = min(scratch[d], scratch[d - 1] + small)
    for d in range(layers - 2, -1, -1):
        scratch[d] = min(scratch[d], scratch[d + 1] + small)
    for d in range(layers):
        after[d] = cost[d] + scratch[d] - least
        total[d] += after[d]


@njit(parallel=True, cache=True)
def _along_rows(volume, total, direction, small, large):
    height, width, layers = volume.shape
    for y in prange(height):
        before, after = np.zeros(layers, np.int32), np.zeros(layers, np.int32)
        scratch = np.zeros(layers, np.int32)
        for i in range(width):
            x = i if direction > 0 else width - 1 - i
            _step(before, volume[y, x], after, total[y, x], small, large, scratch)
            before, after = after, before


@njit(parallel=True, cache=True)
def _along_columns(volume, total, down, across, small, large):
    height, width, layers = volume.shape
    before, after = np.zeros((width, layers), np.int32), np.zeros((width, layers), np.int32)
    scratch, none = np.zeros((width, layers), np.int32), np.zeros(layers, np.int32)
    for i in range(height):
        y = i if down > 0 else height - 1 - i
        for x in prange(width):
            start = x - across
            if 0 <= start < width:
                _step(before[start], volume[y, x], after[x], total[y, x], small, large, scratch[x])
            else:
                _step(none, volume[y, x], after[x], total[y, x], small, large, scratch[x])
        before, after = after, before


@njit(parallel=True, cache=True)
def _cheapest(total, volume, layer, cost, margin, gap):
    height, width, layers = total.shape
    for y in prange(height):
        for x in range(width):
            best = 0
            for d in range(1, layers):
                if total[y, x, d] < total[y, x, best]:
                    best = d
            least = float(total[y, x, best])
            layer[y, x] = best
            if 0 < best < layers - 1:
                left, right = float(total[y, x, best - 1]), float(total[y, x, best + 1])
                bend = left - 2 * least + right
                if bend > 0:
                    layer[y, x] = best + 0.5 * (left - right) / bend
            cost[y, x] = volume[y, x, best]
            other = 65535.0
            for d in range(layers):
                if (d < best - gap or d > best + gap) and total[y, x, d] < other:
                    other = float(total[y, x, d])
            margin[y, x] = (other - least) / 8


@njit(cache=True)
def _segments(values, step):
    """[H, W] int32: neighbours that differ by less than `step` have one label; NaN is -1. And the labels' sizes."""
    height, width = values.shape
    label = np.full((height, width), -1, np.int32)
    stack = np.empty(height * width, np.int64)
    sizes = np.zeros(height * width, np.int64)
    count = 0
    for seed in range(height * width):
        if label[seed // width, seed % width] >= 0 or np.isnan(values[seed // width, seed % width]):
            continue
        label[seed // width, seed % width] = count
        stack[0], top = seed, 1
        while top > 0:
            top -= 1
            y, x = stack[top] // width, stack[top] % width
            sizes[count] += 1
            for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                v, u = y + dy, x + dx
                if 0 <= v < height and 0 <= u < width and label[v, u] < 0 and abs(values[v, u] - values[y, x]) < step:
                    label[v, u] = count
                    stack[top] = v * width + u
                    top += 1
        count += 1
    return label, sizes[:count]


def without_speckles(values: np.ndarray, step: float, fewest: int) -> np.ndarray:
    """Values [H, W], NaN where fewer than `fewest` neighbours hang together without a jump of `step`."""
    label, sizes = _segments(values, step)
    small = np.append(sizes < fewest, True)[label]
    return np.where(small, np.nan, values)
