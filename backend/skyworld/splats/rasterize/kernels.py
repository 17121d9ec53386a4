"""Tile-based alpha compositing of projected Gaussians on the CPU, forward and backward (numba, all cores).

The image is cut into square tiles. Every tile has a list of the Gaussians that touch it, nearest
first. A tile is drawn by one thread: Gaussian after Gaussian, row after row, over just the pixels of the
row where alpha reaches 1/255 (the ellipse is solved for x), without a branch, so that the compiler can
use vector instructions. What a pixel shows is that of the reference and of gsplat: pixel centres at
+0.5, alpha = min(0.999, opacity exp(-sigma)), alpha below 1/255 skipped, a pixel done when its
transmittance would fall to 1e-4.

Both passes give the same bits on every run and with any number of threads: the gradient of a Gaussian
is first summed per tile into a slot of its own and the slots are then added in order of the tiles.

Records: float32 [N, 12], one row a Gaussian, nearest first:
mean x, mean y, conic xx, xy, yy (inverse covariance, px^-2), determinant of the conic, opacity,
largest sigma that still shows, red, green, blue, depth.
"""

import math

import numpy as np
from numba import njit, prange

TILE = 32
CHANNELS = 4
ALPHA_MIN = np.float32(1 / 255)
ALPHA_MAX = np.float32(0.999)
TRANSMITTANCE_MIN = np.float32(1e-4)
GRADIENTS = 10  # mean x, y; conic xx, xy, yy; opacity; red, green, blue, depth
_CHUNKS = 16  # fixed, not the number of threads: the lists are the same on every machine

_0, _1, _HALF, _2 = (np.float32(value) for value in (0.0, 1.0, 0.5, 2.0))


@njit(inline="always", fastmath=True)
def _exp_minus(s):
    """exp(-s) for s in [0, 5.55], absolute error below 3e-7: a polynomial of -s / 8, then three squarings."""
    x = s * np.float32(-0.125)
    p = np.float32(1 / 5040)
    p = p * x + np.float32(1 / 720)
    p = p * x + np.float32(1 / 120)
    p = p * x + np.float32(1 / 24)
    p = p * x + np.float32(1 / 6)
    p = p * x + np.float32(0.5)
    p = p * x + _1
    p = p * x + _1
    p = p * p
    p = p * p
    return p * p


@njit(cache=True, nogil=True)
def order_by_depth(depths):
    """Indices [N] that sort positive float32 depths [N] upward; stable (radix sort over their bits)."""
    count = depths.shape[0]
    keys, order = depths.view(np.uint32).copy(), np.arange(count).astype(np.int32)
    keys_after, order_after = np.empty_like(keys), np.empty_like(order)
    for shift in (0, 11, 22):
        starts = np.zeros(2049, np.int64)
        for i in range(count):
            starts[((keys[i] >> np.uint32(shift)) & np.uint32(2047)) + 1] += 1
        for i in range(2048):
            starts[i + 1] += starts[i]
        for i in range(count):
            digit = (keys[i] >> np.uint32(shift)) & np.uint32(2047)
            at = starts[digit]
            starts[digit] += 1
            keys_after[at], order_after[at] = keys[i], order[i]
        keys, keys_after = keys_after, keys
        order, order_after = order_after, order
    return order


@njit(parallel=True, cache=True, nogil=True, fastmath=True)
def pack(means2d, conics, determinants, opacities, features, order):
    """Records [N, 12] in the order given. determinants: of the conics."""
    count = order.shape[0]
    records = np.empty((count, 12), np.float32)
    for rank in prange(count):
        g = order[rank]
        records[rank, 0], records[rank, 1] = means2d[g, 0], means2d[g, 1]
        records[rank, 2], records[rank, 3], records[rank, 4] = conics[g, 0], conics[g, 1], conics[g, 2]
        records[rank, 5] = determinants[g]
        records[rank, 6] = opacities[g]
        records[rank, 7] = math.log(max(opacities[g], ALPHA_MIN) / ALPHA_MIN)
        for c in range(CHANNELS):
            records[rank, 8 + c] = features[g, c]
    return records


@njit(inline="always", fastmath=True)
def _tiles(record, columns, rows):
    """First and past-last tile column and row that a record touches; empty where it shows nowhere."""
    sigma, det = record[7], record[5]
    if sigma <= 0 or det <= 0:
        return 0, 0, 0, 0
    x_reach = math.sqrt(_2 * sigma * record[4] / det)
    y_reach = math.sqrt(_2 * sigma * record[2] / det)
    limit_x, limit_y = np.float32(columns * TILE), np.float32(rows * TILE)
    # Clamped as floats: an enormous ellipse must not overflow an integer.
    x0 = int(min(max(record[0] - x_reach, _0), limit_x)) // TILE
    x1 = int(min(max(record[0] + x_reach + TILE, _0), limit_x)) // TILE
    y0 = int(min(max(record[1] - y_reach, _0), limit_y)) // TILE
    y1 = int(min(max(record[1] + y_reach + TILE, _0), limit_y)) // TILE
    return x0, x1, y0, y1


@njit(parallel=True, cache=True, nogil=True, fastmath=True)
def bin_tiles(records, columns, rows):
    """Which Gaussians each tile has to draw.

    Returns starts [tiles + 1] and ranks [M]: tile t draws records ranks[starts[t]:starts[t + 1]], nearest
    first; and first [N + 1], slots [M]: record r lies at places slots[first[r]:first[r + 1]] of `ranks`.
    """
    count, tiles = records.shape[0], columns * rows
    boxes, touched = np.empty((count, 4), np.int32), np.zeros(count + 1, np.int64)
    per_chunk = np.zeros((_CHUNKS, tiles), np.int64)
    for chunk in prange(_CHUNKS):
        for rank in range(count * chunk // _CHUNKS, count * (chunk + 1) // _CHUNKS):
            x0, x1, y0, y1 = _tiles(records[rank], columns, rows)
            boxes[rank, 0], boxes[rank, 1], boxes[rank, 2], boxes[rank, 3] = x0, x1, y0, y1
            touched[rank + 1] = max(x1 - x0, 0) * max(y1 - y0, 0)
            for y in range(y0, y1):
                for x in range(x0, x1):
                    per_chunk[chunk, y * columns + x] += 1
    for rank in range(count):
        touched[rank + 1] += touched[rank]
    starts, total = np.empty(tiles + 1, np.int64), 0
    for tile in range(tiles):
        starts[tile] = total
        for chunk in range(_CHUNKS):
            here = per_chunk[chunk, tile]
            per_chunk[chunk, tile] = total
            total += here
    starts[tiles] = total
    ranks, slots = np.empty(total, np.int32), np.empty(total, np.int32)
    for chunk in prange(_CHUNKS):
        for rank in range(count * chunk // _CHUNKS, count * (chunk + 1) // _CHUNKS):
            slot = touched[rank]
            for y in range(boxes[rank, 2], boxes[rank, 3]):
                for x in range(boxes[rank, 0], boxes[rank, 1]):
                    at = per_chunk[chunk, y * columns + x]
                    per_chunk[chunk, y * columns + x] = at + 1
                    ranks[at], slots[slot] = rank, at
                    slot += 1
    return starts, ranks, touched, slots


@njit(inline="always", fastmath=True)
def _rows(record, top, height):
    """First and past-last row of the tile that begins at `top` where the ellipse may show."""
    reach = math.sqrt(_2 * record[7] * record[2] / record[5])
    low = np.float32(top) + _HALF
    first = max(math.ceil(record[1] - reach - low), _0)
    last = min(math.floor(record[1] + reach - low) + _1, np.float32(height))
    return int(first), int(max(last, first))


@njit(inline="always", fastmath=True)
def _span(record, dy, left, width):
    """First and past-last column of the tile's row, dy below the mean, where alpha reaches 1/255."""
    a, b = record[2], record[3]
    root = _2 * a * record[7] - record[5] * dy * dy
    if root <= 0:
        return 0, 0
    root = math.sqrt(root)
    low = np.float32(left) + _HALF
    first = max(math.ceil(record[0] + (-b * dy - root) / a - low), _0)
    last = min(math.floor(record[0] + (-b * dy + root) / a - low) + _1, np.float32(width))
    return int(first), int(max(last, first))


@njit(parallel=True, cache=True, nogil=True, fastmath=True)
def forward(records, starts, ranks, width, height, columns, rows):
    """Image [H, W, 4] (premultiplied colour, accumulated depth), transmittance [H, W], last [H, W].

    last: place in `ranks` of the last Gaussian that the pixel shows, -1 for none.
    """
    image = np.empty((height, width, CHANNELS), np.float32)
    transmittance = np.empty((height, width), np.float32)
    last = np.empty((height, width), np.int32)
    for tile in prange(columns * rows):
        top, left = tile // columns * TILE, tile % columns * TILE
        tall, wide = min(TILE, height - top), min(TILE, width - left)
        T, alive = np.ones((TILE, TILE), np.float32), np.ones((TILE, TILE), np.float32)
        red, green = np.zeros((TILE, TILE), np.float32), np.zeros((TILE, TILE), np.float32)
        blue, depth = np.zeros((TILE, TILE), np.float32), np.zeros((TILE, TILE), np.float32)
        latest = np.full((TILE, TILE), -1, np.int32)
        for i in range(starts[tile], starts[tile + 1]):
            if (i - starts[tile]) % 64 == 63 and not alive[:tall, :wide].any():
                break
            record = records[ranks[i]]
            a, b, c, opacity = record[2], record[3], record[4], record[6]
            r0, g0, b0, d0 = record[8], record[9], record[10], record[11]
            y0, y1 = _rows(record, top, tall)
            for y in range(y0, y1):
                dy = np.float32(top + y) + _HALF - record[1]
                x0, x1 = _span(record, dy, left, wide)
                half_c, b_dy, x_low = _HALF * c * dy * dy, b * dy, np.float32(left) + _HALF - record[0]
                for x in range(x0, x1):
                    dx = np.float32(x) + x_low
                    sigma = max((_HALF * a * dx + b_dy) * dx + half_c, _0)
                    alpha = min(ALPHA_MAX, opacity * _exp_minus(sigma))
                    after = T[y, x] * (_1 - alpha)
                    live = alive[y, x] if after > TRANSMITTANCE_MIN else _0
                    weight = live * alpha * T[y, x]
                    red[y, x] += weight * r0
                    green[y, x] += weight * g0
                    blue[y, x] += weight * b0
                    depth[y, x] += weight * d0
                    T[y, x] = after if live > 0 else T[y, x]
                    latest[y, x] = np.int32(i) if live > 0 else latest[y, x]
                    alive[y, x] = live
        for y in range(tall):
            for x in range(wide):
                image[top + y, left + x, 0] = red[y, x]
                image[top + y, left + x, 1] = green[y, x]
                image[top + y, left + x, 2] = blue[y, x]
                image[top + y, left + x, 3] = depth[y, x]
                transmittance[top + y, left + x] = T[y, x]
                last[top + y, left + x] = latest[y, x]
    return image, transmittance, last


@njit(parallel=True, cache=True, nogil=True, fastmath=True)
def backward(records, starts, ranks, transmittance, last, v_image, v_alpha, columns, rows):
    """Gradients [M, 10] of every (tile, Gaussian) pair, from those of the image [H, W, 4] and alpha [H, W].

    Walks each tile's list from the back; the transmittance in front of a Gaussian is that behind it
    divided by (1 - alpha), and what lies behind a pixel is kept as one number: its colour times v_image.
    """
    height, width = transmittance.shape
    gradients = np.zeros((ranks.shape[0], GRADIENTS), np.float32)
    for tile in prange(columns * rows):
        top, left = tile // columns * TILE, tile % columns * TILE
        tall, wide = min(TILE, height - top), min(TILE, width - left)
        T, alpha_part = np.ones((TILE, TILE), np.float32), np.zeros((TILE, TILE), np.float32)
        v_red, v_green = np.zeros((TILE, TILE), np.float32), np.zeros((TILE, TILE), np.float32)
        v_blue, v_depth = np.zeros((TILE, TILE), np.float32), np.zeros((TILE, TILE), np.float32)
        behind, latest = np.zeros((TILE, TILE), np.float32), np.full((TILE, TILE), -1, np.int32)
        furthest = np.int32(-1)
        for y in range(tall):
            for x in range(wide):
                T[y, x] = transmittance[top + y, left + x]
                alpha_part[y, x] = T[y, x] * v_alpha[top + y, left + x]
                v_red[y, x] = v_image[top + y, left + x, 0]
                v_green[y, x] = v_image[top + y, left + x, 1]
                v_blue[y, x] = v_image[top + y, left + x, 2]
                v_depth[y, x] = v_image[top + y, left + x, 3]
                latest[y, x] = last[top + y, left + x]
                furthest = max(furthest, latest[y, x])
        for i in range(furthest, starts[tile] - 1, -1):
            record = records[ranks[i]]
            a, b, c, opacity = record[2], record[3], record[4], record[6]
            r0, g0, b0, d0 = record[8], record[9], record[10], record[11]
            s_x, s_y, s_a, s_b, s_c, s_o, s_r, s_g, s_bl, s_d = _0, _0, _0, _0, _0, _0, _0, _0, _0, _0
            y0, y1 = _rows(record, top, tall)
            for y in range(y0, y1):
                dy = np.float32(top + y) + _HALF - record[1]
                x0, x1 = _span(record, dy, left, wide)
                half_c, b_dy, x_low = _HALF * c * dy * dy, b * dy, np.float32(left) + _HALF - record[0]
                for x in range(x0, x1):
                    dx = np.float32(x) + x_low
                    sigma = max((_HALF * a * dx + b_dy) * dx + half_c, _0)
                    falloff = _exp_minus(sigma)
                    alpha = min(ALPHA_MAX, opacity * falloff)
                    shown = np.int32(i) <= latest[y, x]
                    inverse = _1 / (_1 - alpha)
                    before = T[y, x] * inverse
                    weight = alpha * before if shown else _0
                    dot = r0 * v_red[y, x] + g0 * v_green[y, x] + b0 * v_blue[y, x] + d0 * v_depth[y, x]
                    slope = before * dot + (alpha_part[y, x] - behind[y, x]) * inverse
                    slope = slope if (shown and opacity * falloff <= ALPHA_MAX) else _0
                    behind[y, x] += weight * dot
                    T[y, x] = before if shown else T[y, x]
                    s_r += weight * v_red[y, x]
                    s_g += weight * v_green[y, x]
                    s_bl += weight * v_blue[y, x]
                    s_d += weight * v_depth[y, x]
                    s_o += falloff * slope
                    v_sigma = -opacity * falloff * slope
                    s_a += v_sigma * dx * dx
                    s_b += v_sigma * dx * dy
                    s_c += v_sigma * dy * dy
                    s_x -= v_sigma * (a * dx + b_dy)
                    s_y -= v_sigma * (b * dx + c * dy)
            slot = gradients[i]
            slot[0], slot[1], slot[2], slot[3], slot[4] = s_x, s_y, _HALF * s_a, s_b, _HALF * s_c
            slot[5], slot[6], slot[7], slot[8], slot[9] = s_o, s_r, s_g, s_bl, s_d
    return gradients


@njit(parallel=True, cache=True, nogil=True)
def gather(gradients, first, slots, order):
    """Sums the gradients [M, 10] of the tiles for each Gaussian; [N, 10] in the order before sorting."""
    count = order.shape[0]
    total = np.zeros((count, GRADIENTS), np.float32)
    for rank in prange(count):
        row = total[order[rank]]
        for slot in range(first[rank], first[rank + 1]):
            for k in range(GRADIENTS):
                row[k] += gradients[slots[slot], k]
    return total
