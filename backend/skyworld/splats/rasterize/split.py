"""Alpha compositing on the GPU in two layers, in front of and behind a depth for each pixel (Triton)."""

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE = 16


def draw_tiles(
    means2d: Tensor,
    conics: Tensor,
    opacities: Tensor,
    colours: Tensor,
    depths: Tensor,
    offsets: Tensor,
    order: Tensor,
    limit: Tensor,
) -> Tensor:
    """Layers [2, H, W, 5] (premultiplied colour, accumulated depth, alpha): nearer than limit [H, W], then the others.

    means2d [N, 2], conics [N, 3], opacities [N], colours [N, 3], depths [N]; offsets [rows + 1, columns] into
    order, the Gaussians of each tile, nearest first. The same rules as the other kernels: alpha is at most 0.999 and
    at least 1/255, and a layer of a pixel is done when its transmittance would fall to 1e-4.
    """
    height, width = limit.shape
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    layers = torch.empty(2, height, width, 5, device=limit.device)
    _draw[(rows * columns,)](
        means2d, conics, opacities, colours, depths, offsets, order, limit.contiguous(), layers, width, height, columns,
        _TILE, num_warps=4,
    )  # fmt: skip
    return layers


@triton.jit
def _draw(
    means2d_at, conics_at, opacities_at, colours_at, depths_at, offsets_at, order_at, limit_at, layers_at, width,
    height, columns, TILE: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(0)
    lane = tl.arange(0, TILE * TILE)
    column = tile % columns * TILE + lane % TILE
    row = tile // columns * TILE + lane // TILE
    here = (column < width) & (row < height)
    pixel = row * width + column
    limit = tl.load(limit_at + pixel, mask=here, other=0.0)
    x, y = column.to(tl.float32) + 0.5, row.to(tl.float32) + 0.5
    one, zero = tl.full([TILE * TILE], 1.0, tl.float32), tl.zeros([TILE * TILE], tl.float32)
    t_front, t_back = one, one
    # A layer that is done, or that can get nothing, takes no more.
    open_front, open_back = here & (limit > 0), here & (limit < float("inf"))
    r_front, g_front, b_front, d_front = zero, zero, zero, zero
    r_back, g_back, b_back, d_back = zero, zero, zero, zero
    i, end = tl.load(offsets_at + tile), tl.load(offsets_at + tile + 1)
    going = i < end
    while going:
        gaussian = tl.load(order_at + i)
        dx = tl.load(means2d_at + 2 * gaussian) - x
        dy = tl.load(means2d_at + 2 * gaussian + 1) - y
        a, b = tl.load(conics_at + 3 * gaussian), tl.load(conics_at + 3 * gaussian + 1)
        c = tl.load(conics_at + 3 * gaussian + 2)
        depth = tl.load(depths_at + gaussian)
        sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
        alpha = tl.minimum(tl.load(opacities_at + gaussian) * tl.exp(-sigma), 0.999)
        inside = (sigma >= 0) & (alpha >= 1.0 / 255.0)
        front = depth < limit
        before = tl.where(front, t_front, t_back)
        after = before * (1 - alpha)
        hit = inside & tl.where(front, open_front, open_back)
        shown = hit & (after > 1e-4)
        done = hit & (after <= 1e-4)
        weight = tl.where(shown, alpha * before, 0.0)
        near, far = tl.where(front, weight, 0.0), tl.where(front, 0.0, weight)
        red, green = tl.load(colours_at + 3 * gaussian), tl.load(colours_at + 3 * gaussian + 1)
        blue = tl.load(colours_at + 3 * gaussian + 2)
        r_front += near * red
        g_front += near * green
        b_front += near * blue
        d_front += near * depth
        r_back += far * red
        g_back += far * green
        b_back += far * blue
        d_back += far * depth
        t_front = tl.where(shown & front, after, t_front)
        t_back = tl.where(shown & (front == 0), after, t_back)
        # The list is sorted by depth: behind the limit nothing more comes in front.
        open_front = open_front & front & (done == 0)
        open_back = open_back & (front | (done == 0))
        i += 1
        going = (i < end) & (tl.max((open_front | open_back).to(tl.int32), axis=0) > 0)
    at = layers_at + 5 * pixel
    tl.store(at, r_front, mask=here)
    tl.store(at + 1, g_front, mask=here)
    tl.store(at + 2, b_front, mask=here)
    tl.store(at + 3, d_front, mask=here)
    tl.store(at + 4, 1 - t_front, mask=here)
    at += 5 * width * height
    tl.store(at, r_back, mask=here)
    tl.store(at + 1, g_back, mask=here)
    tl.store(at + 2, b_back, mask=here)
    tl.store(at + 3, d_back, mask=here)
    tl.store(at + 4, 1 - t_back, mask=here)
