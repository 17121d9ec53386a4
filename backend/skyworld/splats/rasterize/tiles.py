"""Which Gaussians each tile of the picture has to draw, nearest first (numba, all cores)."""

import numpy as np
from numba import njit, prange

from skyworld.splats.rasterize.projection import CHUNKS

_DIGITS = 11  # bits; three passes sort float32


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def order_by_depth(depths, counts):
    """Places int32 [n] of the records, nearest first; stable (radix sort over the bits of positive float32).

    depths: [N], of which chunk c, which begins at N c // CHUNKS, has counts[c].
    """
    total = counts.sum()
    keys, order = np.empty(total, np.uint32), np.empty(total, np.int32)
    for chunk in prange(CHUNKS):
        source, target = depths.shape[0] * chunk // CHUNKS, counts[:chunk].sum()
        for i in range(counts[chunk]):
            keys[target + i], order[target + i] = depths[source + i : source + i + 1].view(np.uint32)[0], source + i
    keys_after, order_after = np.empty_like(keys), np.empty_like(order)
    mask = np.uint32((1 << _DIGITS) - 1)
    for shift in range(0, 32, _DIGITS):
        starts = np.zeros((CHUNKS, 1 << _DIGITS), np.int64)
        for chunk in prange(CHUNKS):
            for i in range(total * chunk // CHUNKS, total * (chunk + 1) // CHUNKS):
                starts[chunk, (keys[i] >> np.uint32(shift)) & mask] += 1
        place = 0
        for digit in range(1 << _DIGITS):
            for chunk in range(CHUNKS):
                here = starts[chunk, digit]
                starts[chunk, digit] = place
                place += here
        for chunk in prange(CHUNKS):
            for i in range(total * chunk // CHUNKS, total * (chunk + 1) // CHUNKS):
                digit = (keys[i] >> np.uint32(shift)) & mask
                at = starts[chunk, digit]
                starts[chunk, digit] = at + 1
                keys_after[at], order_after[at] = keys[i], order[i]
        keys, keys_after = keys_after, keys
        order, order_after = order_after, order
    return order


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def bin_tiles(order, boxes, counts, columns, rows):
    """The lists of all tiles, one after the other: tile t has the pairs starts[t] to starts[t + 1].

    Returns starts [tiles + 1], pairs [M] (the place of a record), slots [M] (the row for its gradients) and first
    [N]: the record at a place has the rows from first[place] on, one for each tile of its box [N, 4].
    """
    count, n, tiles = boxes.shape[0], order.shape[0], columns * rows
    first, before = np.empty(count, np.int64), np.zeros(CHUNKS + 1, np.int64)
    per_chunk = np.zeros((CHUNKS, tiles), np.int64)
    for chunk in prange(CHUNKS):
        begin, touched = count * chunk // CHUNKS, 0
        for place in range(begin, begin + counts[chunk]):
            first[place] = touched
            touched += (boxes[place, 1] - boxes[place, 0]) * (boxes[place, 3] - boxes[place, 2])
        before[chunk + 1] = touched
        for rank in range(n * chunk // CHUNKS, n * (chunk + 1) // CHUNKS):
            box = boxes[order[rank]]
            for y in range(box[2], box[3]):
                for x in range(box[0], box[1]):
                    per_chunk[chunk, y * columns + x] += 1
    for chunk in range(CHUNKS):
        before[chunk + 1] += before[chunk]
    starts, total = np.empty(tiles + 1, np.int64), 0
    for tile in range(tiles):
        starts[tile] = total
        for chunk in range(CHUNKS):
            here = per_chunk[chunk, tile]
            per_chunk[chunk, tile] = total
            total += here
    starts[tiles] = total
    for chunk in prange(CHUNKS):
        begin = count * chunk // CHUNKS
        for place in range(begin, begin + counts[chunk]):
            first[place] += before[chunk]
    pairs, slots = np.empty(total, np.int32), np.empty(total, np.int32)
    for chunk in prange(CHUNKS):
        for rank in range(n * chunk // CHUNKS, n * (chunk + 1) // CHUNKS):
            place = order[rank]
            box, slot = boxes[place], first[place]
            for y in range(box[2], box[3]):
                for x in range(box[0], box[1]):
                    at = per_chunk[chunk, y * columns + x]
                    per_chunk[chunk, y * columns + x] = at + 1
                    pairs[at], slots[at] = place, slot
                    slot += 1
    return starts, pairs, slots, first
