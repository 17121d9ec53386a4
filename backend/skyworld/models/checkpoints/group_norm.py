"""Group normalisation of pictures that lie channels last, in Triton.

PyTorch's reads such a picture into the other order and writes it back, which takes most of a VAE's time.
"""

import torch
import triton
import triton.language as tl

TILE, PROGRAMS = 8192, 1024  # values that a program takes at a time; programs a picture, at most


class GroupNorm(torch.nn.GroupNorm):
    """As PyTorch's: statistics and arithmetic in float32, the answer in the values' type and order."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        flat = values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last)
        if not (flat and values.is_cuda) or torch.is_grad_enabled():
            return super().forward(values)
        return group_norm(values, self.num_groups, self.weight, self.bias, self.eps)


def group_norm(values: torch.Tensor, groups: int, weight, bias, eps: float) -> torch.Tensor:
    """values [N, C, H, W], channels last, on CUDA; weight, bias [C] or None. No gradients."""
    count, channels, height, width = values.shape
    pixels, wide = height * width, triton.next_power_of_2(channels)
    rows = max(TILE // wide, 1)
    tiles = triton.cdiv(pixels, rows)
    each = triton.cdiv(tiles, PROGRAMS)
    programs = (triton.cdiv(tiles, each), count)
    sums = values.new_empty((count, programs[0], 2, channels), dtype=torch.float32)
    sizes = dict(CHANNELS=channels, WIDE=wide, ROWS=rows)
    with torch.cuda.device(values.device):
        _sums[programs](values, sums, pixels, each, **sizes)
    # Small numbers of large pictures: the mean's square is taken off in float64.
    total, squares = sums.view(count, -1, 2, groups, channels // groups).sum((1, 4), dtype=torch.float64).unbind(1)
    size = pixels * (channels // groups)
    mean = total / size
    deviation = (squares / size - mean.square()).clamp_min(0).add(eps).rsqrt()
    scale, shift = (
        of_group.float().repeat_interleave(channels // groups, 1) for of_group in (deviation, -mean * deviation)
    )
    if weight is not None:
        scale, shift = scale * weight.float(), shift * weight.float()
    if bias is not None:
        shift = shift + bias.float()
    answer = torch.empty_like(values)  # keeps the order
    with torch.cuda.device(values.device):
        _scaled[programs](values, answer, scale, shift, pixels, each, **sizes)
    return answer


@triton.jit
def _sums(values, sums, pixels, each, CHANNELS: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr):
    """Sums and sums of squares of each channel over the pixels of this program."""
    picture = tl.program_id(1).to(tl.int64)
    columns = tl.arange(0, WIDE)
    total = tl.zeros([WIDE], tl.float32)
    squares = tl.zeros([WIDE], tl.float32)
    for tile in range(each):
        rows = (tl.program_id(0) * each + tile) * ROWS + tl.arange(0, ROWS)
        inside = (rows < pixels)[:, None] & (columns < CHANNELS)[None]
        places = (picture * pixels + rows)[:, None] * CHANNELS + columns[None]
        read = tl.load(values + places, mask=inside, other=0).to(tl.float32)
        total += tl.sum(read, 0)
        squares += tl.sum(read * read, 0)
    out = sums + ((picture * tl.num_programs(0) + tl.program_id(0)) * 2) * CHANNELS + columns
    tl.store(out, total, mask=columns < CHANNELS)
    tl.store(out + CHANNELS, squares, mask=columns < CHANNELS)


@triton.jit
def _scaled(
    values,
    answer,
    scale,
    shift,
    pixels,
    each,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
    ROWS: tl.constexpr,
):
    picture = tl.program_id(1).to(tl.int64)
    columns = tl.arange(0, WIDE)
    a = tl.load(scale + picture * CHANNELS + columns, mask=columns < CHANNELS, other=0)
    b = tl.load(shift + picture * CHANNELS + columns, mask=columns < CHANNELS, other=0)
    for tile in range(each):
        rows = (tl.program_id(0) * each + tile) * ROWS + tl.arange(0, ROWS)
        inside = (rows < pixels)[:, None] & (columns < CHANNELS)[None]
        places = (picture * pixels + rows)[:, None] * CHANNELS + columns[None]
        read = tl.load(values + places, mask=inside, other=0).to(tl.float32)
        tl.store(answer + places, (read * a[None] + b[None]).to(answer.dtype.element_ty), mask=inside)
