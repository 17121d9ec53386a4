"""Group normalisation of pictures that lie channels last, in Triton.

PyTorch's reads such a picture into the other order and writes it back, which takes most of a VAE's time.
"""

import torch
import triton
import triton.language as tl

LARGE = 1 << 21  # values from which on it is worth the launches
TILE, PROGRAMS = 8192, 1024  # values that a program takes at a time; programs a picture, at most


class GroupNorm(torch.nn.GroupNorm):
    """As PyTorch's: statistics and arithmetic in float32, the answer in the values' type and order."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        flat = values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last)
        if not (flat and values.is_cuda and values.numel() >= LARGE) or torch.is_grad_enabled():
            return super().forward(values)
        return group_norm(values, self.num_groups, self.weight, self.bias, self.eps)


def group_norm(values: torch.Tensor, groups: int, weight, bias, eps: float) -> torch.Tensor:
    """values [N, C, H, W], channels last, on CUDA; weight, bias [C], both or None. No gradients."""
    count, channels, height, width = values.shape
    pixels, wide, each = height * width, triton.next_power_of_2(channels), channels // groups
    rows = max(TILE // wide, 1)
    tiles = triton.cdiv(triton.cdiv(pixels, rows), PROGRAMS)
    programs = triton.cdiv(pixels, rows * tiles)
    sums = torch.empty((count, programs, 2, channels), dtype=torch.float32, device=values.device)
    scale, shift = torch.empty((2, count, channels), dtype=torch.float32, device=values.device)
    answer = torch.empty_like(values)  # keeps the order
    sizes = dict(CHANNELS=channels, WIDE=wide, ROWS=rows)
    with torch.cuda.device(values.device):
        _sums[(programs, count)](values, sums, pixels, tiles, **sizes)
        _scales[(groups, count)](
            sums, scale if weight is None else weight, shift if bias is None else bias, scale, shift, programs,
            pixels * each, eps, CHANNELS=channels, EACH=each, WIDE=triton.next_power_of_2(each), ROWS=64,
            AFFINE=weight is not None,
        )  # fmt: skip
        _scaled[(programs, count)](values, answer, scale, shift, pixels, tiles, **sizes)
    return answer


@triton.jit
def _sums(values, sums, pixels, tiles, CHANNELS: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr):
    """Sums and sums of squares of each channel over the pixels of this program."""
    picture = tl.program_id(1).to(tl.int64)
    columns = tl.arange(0, WIDE)
    total = tl.zeros([WIDE], tl.float32)
    squares = tl.zeros([WIDE], tl.float32)
    for tile in range(tiles):
        rows = (tl.program_id(0) * tiles + tile) * ROWS + tl.arange(0, ROWS)
        inside = (rows < pixels)[:, None] & (columns < CHANNELS)[None]
        places = (picture * pixels + rows)[:, None] * CHANNELS + columns[None]
        read = tl.load(values + places, mask=inside, other=0).to(tl.float32)
        total += tl.sum(read, 0)
        squares += tl.sum(read * read, 0)
    out = sums + ((picture * tl.num_programs(0) + tl.program_id(0)) * 2) * CHANNELS + columns
    tl.store(out, total, mask=columns < CHANNELS)
    tl.store(out + CHANNELS, squares, mask=columns < CHANNELS)


@triton.jit
def _scales(
    sums, weight, bias, scale, shift, programs, size, eps,
    CHANNELS: tl.constexpr, EACH: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr, AFFINE: tl.constexpr,
):  # fmt: skip
    """What the channels of one group are multiplied by, and what is added.

    The mean's square is taken off in float64: of large pictures it is a small difference of large numbers.
    """
    picture, columns = tl.program_id(1), tl.arange(0, WIDE)
    channels = tl.program_id(0) * EACH + columns
    total = tl.zeros([WIDE], tl.float64)
    squares = tl.zeros([WIDE], tl.float64)
    for first in range(0, programs, ROWS):
        rows = first + tl.arange(0, ROWS)
        inside = (rows < programs)[:, None] & (columns < EACH)[None]
        places = ((picture * programs + rows) * 2)[:, None] * CHANNELS + channels[None]
        total += tl.sum(tl.load(sums + places, mask=inside, other=0).to(tl.float64), 0)
        squares += tl.sum(tl.load(sums + places + CHANNELS, mask=inside, other=0).to(tl.float64), 0)
    mean = tl.sum(total, 0) / size
    variance = tl.maximum(tl.sum(squares, 0) / size - mean * mean, 0.0)
    factor = tl.zeros([WIDE], tl.float32) + (1 / tl.sqrt(variance + eps)).to(tl.float32)
    if AFFINE:
        factor *= tl.load(weight + channels, mask=columns < EACH, other=0).to(tl.float32)
    added = -mean.to(tl.float32) * factor
    if AFFINE:
        added += tl.load(bias + channels, mask=columns < EACH, other=0).to(tl.float32)
    at = picture * CHANNELS + channels
    tl.store(scale + at, factor, mask=columns < EACH)
    tl.store(shift + at, added, mask=columns < EACH)


@triton.jit
def _scaled(
    values,
    answer,
    scale,
    shift,
    pixels,
    tiles,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
    ROWS: tl.constexpr,
):
    picture = tl.program_id(1).to(tl.int64)
    columns = tl.arange(0, WIDE)
    a = tl.load(scale + picture * CHANNELS + columns, mask=columns < CHANNELS, other=0)
    b = tl.load(shift + picture * CHANNELS + columns, mask=columns < CHANNELS, other=0)
    for tile in range(tiles):
        rows = (tl.program_id(0) * tiles + tile) * ROWS + tl.arange(0, ROWS)
        inside = (rows < pixels)[:, None] & (columns < CHANNELS)[None]
        places = (picture * pixels + rows)[:, None] * CHANNELS + columns[None]
        read = tl.load(values + places, mask=inside, other=0).to(tl.float32)
        tl.store(answer + places, (read * a[None] + b[None]).to(answer.dtype.element_ty), mask=inside)
