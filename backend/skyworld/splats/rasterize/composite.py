"""Alpha compositing of records, tile by tile, forward and backward (numba, all cores).

A tile is drawn by one thread, record after record, nearest first. Its pixels lie in memory as bands of 4 rows, a band
as blocks of 4 x 4 pixels, so that the pixels of a record, few for most, are whole runs of 16 numbers that vector
instructions work through without a branch: for each band the ellipse is solved for its leftmost and rightmost block.
What a pixel shows is that of the reference and of gsplat: pixel centres at +0.5, alpha = min(0.999, opacity
exp(-sigma)), alpha below 1/255 skipped, a pixel done when its transmittance would fall to 1e-4.

Both passes give the same bits on every run and with any number of threads: the gradients of a record are first summed
per tile into a row of their own and the rows are then added in order.
"""

import math

import numpy as np
from numba import njit, prange
from numpy.polynomial import Chebyshev, Polynomial

from skyworld.splats.rasterize.projection import RECORD, TILE

ALPHA_MAX = np.float32(0.999)
TRANSMITTANCE_MIN = np.float32(1e-4)
_BLOCK, _BANDS, _LANES = 4, TILE // 4, 4 * TILE
_RUN, _SHIFT = np.uint64(_BLOCK * _BLOCK), np.int32(2)
_BATCH = 64  # records that a tile fetches at once: the processor waits for memory once, not for each
_0, _1, _HALF, _2, _UP = (np.float32(value) for value in (0.0, 1.0, 0.5, 2.0, _BLOCK - 1))

_EXP = tuple(Chebyshev.interpolate(np.exp, 7, [-1.4, 0]).convert(kind=Polynomial).coef.astype(np.float32))

# Layers of a tile's memory [band, layer, lane]: transmittance, the pixel's centre in the tile, the last record that it
# shows, backward what lies behind, and the image, backward its gradient.
_T, _X, _Y, _LAST, _BEHIND, _IMAGE = 0, 1, 2, 3, 4, 5


@njit(fastmath=True, error_model="numpy")
def _exp_minus(s):
    """exp(-s) for s in [0, 5.6], error below 3e-7: a polynomial of -s / 4, then two squarings."""
    x = s * np.float32(-0.25)
    square = x * x
    low = (_EXP[3] * x + _EXP[2]) * square + (_EXP[1] * x + _EXP[0])
    high = (_EXP[7] * x + _EXP[6]) * square + (_EXP[5] * x + _EXP[4])
    p = high * (square * square) + low
    p = p * p
    return p * p


@njit(fastmath=True, error_model="numpy")
def _sigma(a, b, c, dx, dy):
    """-log of the falloff at an offset from the mean; below 0 only by rounding."""
    return max((_HALF * a * dx + b * dy) * dx + _HALF * c * dy * dy, _0)


@njit(fastmath=True, error_model="numpy")
def _fetch(batch, records, pairs, start, stop):
    """Copies the records of so many pairs."""
    for i in range(start, stop):
        for k in range(RECORD):
            batch[i - start, k] = records[pairs[i], k]


@njit(fastmath=True, error_model="numpy")
def _bands(record, x_mean, y_mean, tall, wide, spans):
    """First and past-last band of the tile where the ellipse may show; fills their first and past-last blocks.

    x_mean, y_mean: of the record, in the tile.  spans: [2 * bands].
    """
    a, b, c, det = record[2], record[3], record[4], record[5]
    scale = _2 * record[7] * a
    y_reach = math.sqrt(scale / det)
    # How far below the mean the ellipse's rightmost point lies.
    y_right = -b * math.sqrt(_2 * record[7] / (det * c))
    tilt, inverse = b / a, _1 / a
    for band in range(np.uint64(_BANDS)):
        low = np.float32(np.int32(band) * _BLOCK) + _HALF - y_mean
        high = min(low + np.float32(_BLOCK - 1), y_reach)
        low = max(low, -y_reach)
        y = min(max(-y_right, low), high)
        left = x_mean - tilt * y - math.sqrt(max(scale - det * y * y, _0)) * inverse
        y = min(max(y_right, low), high)
        right = x_mean - tilt * y + math.sqrt(max(scale - det * y * y, _0)) * inverse
        # Clamped as floats: an enormous ellipse must not overflow an integer.
        begin = np.int32(min(max(left + _HALF, _0), wide)) >> _SHIFT
        spans[band] = begin
        spans[band + np.uint64(_BANDS)] = max(begin, np.int32(min(max(right + _HALF, _0), wide) + _UP) >> _SHIFT)
    first = np.int32(min(max(y_mean - y_reach + _HALF, _0), tall)) >> _SHIFT
    last = (np.int32(min(max(y_mean + y_reach + _HALF, _0), tall)) + np.int32(_BLOCK - 1)) >> _SHIFT
    return np.uint64(first), np.uint64(max(last, first))


@njit
def _lane(y, x):
    """Band and lane of a pixel of the tile."""
    return y // 4, x // 4 * 16 + y % 4 * 4 + x % 4


@njit
def _blank(layers):
    """A tile's memory [bands, layers, lanes], all done: pixels outside of the picture stay so."""
    tile = np.zeros((_BANDS, layers, _LANES), np.float32)
    for y in range(TILE):
        for x in range(TILE):
            band, lane = _lane(y, x)
            tile[band, _X, lane], tile[band, _Y, lane] = x + 0.5, y + 0.5
            tile[band, _T, lane], tile[band, _LAST, lane] = -1, -1
    return tile


@njit
def _any_open(tile):
    for band in range(_BANDS):
        for lane in range(_LANES):
            if tile[band, _T, lane] > 0:
                return True
    return False


@njit
def _tile(index, tiles, width, height):
    """Which tile comes at a place in line, and its top, left, rows and columns.

    A permutation that gives every thread tiles from all over the picture, so that none waits for another.
    """
    t = np.int64(index) * 1009 % tiles if tiles % 1009 else np.int64(index)
    columns = (width + TILE - 1) // TILE
    top, left = t // columns * TILE, t % columns * TILE
    return t, top, left, min(TILE, height - top), min(TILE, width - left)


@njit
def _origin(top, left, picture):
    """The tile's corner as the records count: from the middle of the picture."""
    return np.float32(left - 0.5 * picture.shape[1]), np.float32(top - 0.5 * picture.shape[0])


def _tile_forward(normals, split=False):
    channels = 7 if normals else 4
    limit = _IMAGE + channels
    layers = limit + 1 if split else limit

    @njit(nogil=True, fastmath=True, error_model="numpy")
    def draw_tile(records, starts, pairs, t, top, left, tall, wide, image, transmittance, last, depths, front):
        tile = _blank(layers)
        x_origin, y_origin = _origin(top, left, transmittance)
        for y in range(tall):
            for x in range(wide):
                band, lane = _lane(y, x)
                tile[band, _T, lane] = 1
                if split:
                    tile[band, limit, lane] = depths[top + y, left + x]
        batch, spans = np.empty((_BATCH, RECORD), np.float32), np.zeros(2 * _BANDS, np.int32)
        for start in range(starts[t], starts[t + 1], _BATCH):
            if not _any_open(tile):
                break
            stop = min(start + _BATCH, starts[t + 1])
            _fetch(batch, records, pairs, start, stop)
            for i in range(start, stop):
                record = batch[i - start]
                place = np.float32(i - starts[t])  # exact up to 16 million
                a, b, c, opacity, reach = record[2], record[3], record[4], record[6], record[7]
                red, green, blue, depth = record[8], record[9], record[10], record[11]
                n0, n1, n2 = record[12], record[13], record[14]
                x_mean, y_mean = record[0] - x_origin, record[1] - y_origin
                first, past = _bands(record, x_mean, y_mean, np.float32(tall), np.float32(wide), spans)
                for band in range(first, past):
                    for lane in range(np.uint64(spans[band]) * _RUN, np.uint64(spans[band + np.uint64(_BANDS)]) * _RUN):
                        sigma = _sigma(a, b, c, tile[band, _X, lane] - x_mean, tile[band, _Y, lane] - y_mean)
                        strength = min(ALPHA_MAX, opacity * _exp_minus(min(sigma, np.float32(6))))
                        # A pixel that is done has its transmittance below zero, and so has what follows from it.
                        before = tile[band, _T, lane]
                        after = before * (_1 - strength)
                        inside = sigma <= reach
                        if split:
                            inside = inside and (depth < tile[band, limit, lane]) == front
                        shown = inside and after > TRANSMITTANCE_MIN
                        weight = strength * before if shown else _0
                        tile[band, _IMAGE, lane] += weight * red
                        tile[band, _IMAGE + 1, lane] += weight * green
                        tile[band, _IMAGE + 2, lane] += weight * blue
                        tile[band, _IMAGE + 3, lane] += weight * depth
                        if normals:
                            tile[band, _IMAGE + 4, lane] += weight * n0
                            tile[band, _IMAGE + 5, lane] += weight * n1
                            tile[band, _IMAGE + 6, lane] += weight * n2
                        done = -abs(before) if inside else before
                        tile[band, _T, lane] = after if shown else done
                        latest = tile[band, _LAST, lane]
                        tile[band, _LAST, lane] = place if shown else latest
        for y in range(tall):
            for x in range(wide):
                band, lane = _lane(y, x)
                for k in range(channels):
                    image[top + y, left + x, k] = tile[band, _IMAGE + k, lane]
                transmittance[top + y, left + x] = abs(tile[band, _T, lane])
                last[top + y, left + x] = np.int32(tile[band, _LAST, lane])

    return draw_tile


# numba finds a kernel in its cache again by what it encloses: by numbers it does, by another kernel it never would.
_draw_tile, _draw_tile_normals, _draw_tile_split = _tile_forward(False), _tile_forward(True), _tile_forward(False, True)


def _make_forward(normals, split=False):
    channels = 7 if normals else 4

    @njit(parallel=True, cache=True, nogil=True, fastmath=True, error_model="numpy")
    def forward(records, starts, pairs, width, height, depths, front):
        """Image [H, W, 4 or 7] (premultiplied colour, accumulated depth, normal), transmittance, last [H, W].

        depths [H, W], front: a split kernel draws the records nearer than a pixel's depth, or the others; without
        split they are not read.
        last: place in its tile's list of the last record that a pixel shows, -1 for none.
        """
        image = np.empty((height, width, channels), np.float32)
        transmittance, last = np.empty((height, width), np.float32), np.empty((height, width), np.int32)
        for index in prange(starts.shape[0] - 1):
            t, top, left, tall, wide = _tile(index, starts.shape[0] - 1, width, height)
            place = (t, top, left, tall, wide)
            if split:
                _draw_tile_split(records, starts, pairs, *place, image, transmittance, last, depths, front)
            elif normals:
                _draw_tile_normals(records, starts, pairs, *place, image, transmittance, last, depths, front)
            else:
                _draw_tile(records, starts, pairs, *place, image, transmittance, last, depths, front)
        return image, transmittance, last

    return forward


def _tile_backward(full):
    channels = 7 if full else 4

    @njit(nogil=True, fastmath=True, error_model="numpy")
    def tile_backward(
        records, starts, pairs, slots, transmittance, last, v_image, v_alpha, t, top, left, tall, wide, gradients
    ):
        tile = _blank(_IMAGE + channels)
        x_origin, y_origin = _origin(top, left, transmittance)
        furthest = -1
        for y in range(tall):
            for x in range(wide):
                band, lane = _lane(y, x)
                tile[band, _T, lane] = transmittance[top + y, left + x]
                # Less transmittance, more alpha: alpha's gradient counts as if it lay behind everything.
                tile[band, _BEHIND, lane] = -transmittance[top + y, left + x] * v_alpha[top + y, left + x]
                tile[band, _LAST, lane] = last[top + y, left + x]
                furthest = max(furthest, last[top + y, left + x])
                for k in range(channels):
                    tile[band, _IMAGE + k, lane] = v_image[top + y, left + x, k]
        batch, spans = np.empty((_BATCH, RECORD), np.float32), np.zeros(2 * _BANDS, np.int32)
        end = starts[t] + furthest + 1
        for stop in range(end, starts[t], -_BATCH):
            start = max(stop - _BATCH, starts[t])
            _fetch(batch, records, pairs, start, stop)
            for i in range(stop - 1, start - 1, -1):
                record = batch[i - start]
                place = np.float32(i - starts[t])
                a, b, c, opacity, reach = record[2], record[3], record[4], record[6], record[7]
                red, green, blue, depth = record[8], record[9], record[10], record[11]
                n0, n1, n2 = record[12], record[13], record[14]
                x_mean, y_mean = record[0] - x_origin, record[1] - y_origin
                s_x, s_y, s_xx, s_xy, s_yy, s_all = _0, _0, _0, _0, _0, _0
                s_red, s_green, s_blue, s_depth = _0, _0, _0, _0
                s_0, s_1, s_2, s_abs_x, s_abs_y = _0, _0, _0, _0, _0
                first, past = _bands(record, x_mean, y_mean, np.float32(tall), np.float32(wide), spans)
                for band in range(first, past):
                    for lane in range(np.uint64(spans[band]) * _RUN, np.uint64(spans[band + np.uint64(_BANDS)]) * _RUN):
                        dx, dy = tile[band, _X, lane] - x_mean, tile[band, _Y, lane] - y_mean
                        sigma = _sigma(a, b, c, dx, dy)
                        raw = opacity * _exp_minus(min(sigma, np.float32(6)))
                        strength = min(ALPHA_MAX, raw)
                        latest = tile[band, _LAST, lane]
                        shown = sigma <= reach and place <= latest
                        inverse = _1 / (_1 - strength)
                        after = tile[band, _T, lane]
                        before = after * inverse
                        weight = strength * before if shown else _0
                        v_red, v_green = tile[band, _IMAGE, lane], tile[band, _IMAGE + 1, lane]
                        v_blue, v_depth = tile[band, _IMAGE + 2, lane], tile[band, _IMAGE + 3, lane]
                        dot = red * v_red + green * v_green + blue * v_blue + depth * v_depth
                        if full:
                            v_0, v_1 = tile[band, _IMAGE + 4, lane], tile[band, _IMAGE + 5, lane]
                            v_2 = tile[band, _IMAGE + 6, lane]
                            dot += n0 * v_0 + n1 * v_1 + n2 * v_2
                            s_0 += weight * v_0
                            s_1 += weight * v_1
                            s_2 += weight * v_2
                        behind = tile[band, _BEHIND, lane]
                        slope = before * dot - behind * inverse
                        tile[band, _BEHIND, lane] = behind + weight * dot
                        tile[band, _T, lane] = before if shown else after
                        fall = raw * slope if shown and raw <= ALPHA_MAX else _0  # -d loss / d sigma
                        s_red += weight * v_red
                        s_green += weight * v_green
                        s_blue += weight * v_blue
                        s_depth += weight * v_depth
                        v_x, v_y = fall * (a * dx + b * dy), fall * (b * dx + c * dy)
                        s_x += v_x
                        s_y += v_y
                        if full:
                            s_abs_x += abs(v_x)
                            s_abs_y += abs(v_y)
                        s_all += fall
                        s_xx += fall * dx * dx
                        s_xy += fall * dx * dy
                        s_yy += fall * dy * dy
                row = gradients[slots[i]]
                row[0], row[1], row[2], row[3], row[4] = s_x, s_y, -_HALF * s_xx, -s_xy, -_HALF * s_yy
                row[5], row[6], row[7], row[8], row[9] = s_all / opacity, s_red, s_green, s_blue, s_depth
                if full:
                    row[10], row[11], row[12], row[13], row[14] = s_0, s_1, s_2, s_abs_x, s_abs_y

    return tile_backward


_walk_tile, _walk_tile_full = _tile_backward(False), _tile_backward(True)


def _make_backward(full):
    channels = 7 if full else 4
    width_of_row = 6 + channels + 2 if full else 6 + channels

    @njit(parallel=True, cache=True, nogil=True, fastmath=True, error_model="numpy")
    def backward(records, starts, pairs, slots, transmittance, last, v_image, v_alpha):
        """Gradients [M, 10] of every pair, from those of the image [H, W, 4 or 7] and of alpha [H, W].

        A row: mean x, y; conic xx, xy, yy; opacity; features; then the sums of the absolute gradients of mean x, y.
        Walks each list from the back; the transmittance in front of a record is that behind it divided by
        (1 - alpha), and what lies behind a pixel is kept as one number: its image times v_image.
        """
        height, width = transmittance.shape
        gradients = np.zeros((pairs.shape[0], width_of_row), np.float32)
        for index in prange(starts.shape[0] - 1):
            t, top, left, tall, wide = _tile(index, starts.shape[0] - 1, width, height)
            place = (t, top, left, tall, wide)
            if full:
                _walk_tile_full(records, starts, pairs, slots, transmittance, last, v_image, v_alpha, *place, gradients)
            else:
                _walk_tile(records, starts, pairs, slots, transmittance, last, v_image, v_alpha, *place, gradients)
        return gradients

    return backward


# With normals; the backward pass then sums the absolute gradients too. Two kernels each, for the plain one is faster.
forward = {normals: _make_forward(normals) for normals in (False, True)}
forward_split = _make_forward(False, split=True)
backward = {full: _make_backward(full) for full in (False, True)}
