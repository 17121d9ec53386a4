"""Which Gaussians each tile draws, on the GPU: exact to the ellipse, with no synchronisation (Triton).

gsplat's own intersection takes the rectangle around each ellipse and waits for the number of pairs. Here a pair
is made only where alpha reaches 1/255 at a pixel centre of the tile (Speedy-Splat, arXiv 2412.00578), the Gaussians are
sorted by depth before pairs are made, so that pairs need sorting by tile alone, and the lists have room for
`capacity` pairs, so that a CUDA graph can replay the step. A row of tiles below the picture takes what is left over.
"""

import torch
import triton
import triton.language as tl

TILE = tl.constexpr(16)


def intersect(means2d, conics, opacities, radii, depths, width: int, height: int, capacity: int | None = None):
    """Pairs of one picture, sorted by tile and depth.

    means2d [N, 2], conics [N, 3], opacities [N], radii [N, 2] int32 (0: not drawn), depths [N].
    capacity: how many pairs there is room for; None counts them, which waits for the GPU.

    Returns Gaussians [capacity] int32; offsets [rows + 1, columns] int32 into them, by tile; and the number of
    pairs, a tensor [1] on the GPU: where it exceeds `capacity`, the farthest are missing.
    """
    columns, rows = -(-width // 16), -(-height // 16)
    count = len(depths)
    drawn = (radii > 0).all(-1)
    ranked = torch.where(drawn, depths, torch.inf).argsort().int()
    touched = torch.empty(count, dtype=torch.int32, device=depths.device)
    grid = (triton.cdiv(count, 128),)
    _count[grid](means2d, conics, opacities, radii, ranked, touched, count, width, height, columns, rows, 128)
    ends = touched.cumsum(0, dtype=torch.int32)
    capacity = int(ends[-1]) if capacity is None else capacity
    tiles = torch.empty(
        max(capacity, 1), dtype=torch.int16 if rows * columns < 2**15 else torch.int32, device=depths.device
    )
    owners = torch.empty(max(capacity, 1), dtype=torch.int32, device=depths.device)
    grid = (triton.cdiv(max(capacity, 1), 128),)
    _fill[grid](
        means2d,
        conics,
        opacities,
        ranked,
        ends,
        tiles,
        owners,
        count,
        max(capacity, 1),
        width,
        height,
        columns,
        rows,
        128,
    )
    tiles, places = tiles.sort(stable=True)
    first = torch.arange((rows + 1) * columns, dtype=tiles.dtype, device=depths.device)
    offsets = torch.searchsorted(tiles, first, out_int32=True).reshape(rows + 1, columns)
    return owners[places], offsets, ends[-1:]


@triton.jit
def _ellipse(means2d_at, conics_at, opacities_at, g, here):
    """Centre, conic and the largest sigma that shows; opacities that never show give a negative sigma."""
    mx = tl.load(means2d_at + 2 * g, mask=here, other=0.0)
    my = tl.load(means2d_at + 2 * g + 1, mask=here, other=0.0)
    a = tl.load(conics_at + 3 * g, mask=here, other=1.0)
    b = tl.load(conics_at + 3 * g + 1, mask=here, other=0.0)
    c = tl.load(conics_at + 3 * g + 2, mask=here, other=1.0)
    opacity = tl.load(opacities_at + g, mask=here, other=0.0)
    # A little more than 1/255 needs: the GPU's exponential is not exact.
    sigma = tl.log(tl.maximum(opacity, 1e-12) * 255.0) + 1e-3
    return mx, my, a, b, c, sigma


@triton.jit
def _row_range(my, a, b, c, sigma, height):
    """First and past-last row of tiles with a pixel centre inside the ellipse's height."""
    det = a * c - b * b
    reach = tl.sqrt(tl.maximum(2 * sigma * a / tl.maximum(det, 1e-30), 0.0))
    low = tl.maximum(tl.ceil(my - reach - 0.5), 0.0)
    high = tl.minimum(tl.floor(my + reach - 0.5), height - 1.0)
    some = (sigma > 0) & (det > 0) & (low <= high)
    first = tl.where(some, low, 0.0).to(tl.int32) // TILE
    return first, tl.where(some, tl.where(some, high, 0.0).to(tl.int32) // TILE + 1, first)


@triton.jit
def _column_range(row, mx, my, a, b, c, sigma, width, height):
    """First and past-last column of tiles that the ellipse touches in a row of tiles."""
    det = tl.maximum(a * c - b * b, 1e-30)
    reach_y = tl.sqrt(2 * sigma * a / det)
    reach_x = tl.sqrt(2 * sigma * c / det)
    top = row * TILE + 0.5 - my
    bottom = tl.minimum((row + 1) * TILE, height) - 0.5 - my
    top = tl.maximum(top, -reach_y)
    bottom = tl.maximum(tl.minimum(bottom, reach_y), top)
    # Left and right ends are where the ellipse is widest, or as near to there as this row comes.
    widest = b / c * reach_x
    y = tl.minimum(tl.maximum(widest, top), bottom)
    left = (-b * y - tl.sqrt(tl.maximum(2 * a * sigma - det * y * y, 0.0))) / a
    y = tl.minimum(tl.maximum(-widest, top), bottom)
    right = (-b * y + tl.sqrt(tl.maximum(2 * a * sigma - det * y * y, 0.0))) / a
    low = tl.maximum(tl.ceil(mx + left - 0.5), 0.0)
    high = tl.minimum(tl.floor(mx + right - 0.5), width - 1.0)
    some = low <= high
    first = tl.where(some, low, 0.0).to(tl.int32) // TILE
    return first, tl.where(some, tl.where(some, high, 0.0).to(tl.int32) // TILE + 1, first)


@triton.jit
def _count(
    means2d_at, conics_at, opacities_at, radii_at, ranked_at, touched_at, count, width, height, columns, rows,
    BLOCK: tl.constexpr,
):  # fmt: skip
    rank = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = rank < count
    g = tl.load(ranked_at + rank, mask=here, other=0)
    drawn = here & (tl.load(radii_at + 2 * g, mask=here, other=0) > 0)
    drawn = drawn & (tl.load(radii_at + 2 * g + 1, mask=here, other=0) > 0)
    mx, my, a, b, c, sigma = _ellipse(means2d_at, conics_at, opacities_at, g, drawn)
    first, last = _row_range(my, a, b, c, sigma, height)
    total = tl.zeros([BLOCK], tl.int32)
    for i in range(0, tl.max(tl.where(drawn, last - first, 0), axis=0)):
        low, high = _column_range(first + i, mx, my, a, b, c, sigma, width, height)
        total += tl.where(drawn & (first + i < last), high - low, 0)
    tl.store(touched_at + rank, total, mask=here)


@triton.jit
def _fill(
    means2d_at, conics_at, opacities_at, ranked_at, ends_at, tiles_at, owners_at, count, capacity, width, height,
    columns, rows, BLOCK: tl.constexpr,
):  # fmt: skip
    slot = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = slot < capacity
    used = here & (slot < tl.load(ends_at + count - 1))
    low = tl.zeros([BLOCK], tl.int32)
    high = low + count - 1
    while tl.max(high - low, axis=0) > 0:  # the first rank whose end lies beyond the slot
        middle = (low + high) // 2
        beyond = tl.load(ends_at + middle) > slot
        high = tl.where(beyond, middle, high)
        low = tl.where(beyond, low, tl.minimum(middle + 1, high))
    g = tl.load(ranked_at + low, mask=used, other=0)
    start = tl.load(ends_at + low - 1, mask=used & (low > 0), other=0)
    left = slot - start
    mx, my, a, b, c, sigma = _ellipse(means2d_at, conics_at, opacities_at, g, used)
    first, last = _row_range(my, a, b, c, sigma, height)
    tile = tl.zeros([BLOCK], tl.int32) + rows * columns
    for i in range(0, tl.max(tl.where(used, last - first, 0), axis=0)):
        from_column, to_column = _column_range(first + i, mx, my, a, b, c, sigma, width, height)
        wide = tl.where(first + i < last, to_column - from_column, 0)
        tile = tl.where(used & (left >= 0) & (left < wide), (first + i) * columns + from_column + left, tile)
        left -= wide
    tl.store(tiles_at + slot, tile.to(tiles_at.dtype.element_ty), mask=here)
    tl.store(owners_at + slot, g, mask=here)
