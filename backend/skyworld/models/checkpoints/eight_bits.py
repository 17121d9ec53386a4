"""Layers whose weights are kept in 8 bits (e4m3), each row of a weight with a scale of its own.

Where the card multiplies in 8 bits (Ada, Hopper, Blackwell), a Linear's values are narrowed too, row by row as they
come, and the product takes about half the time of one in 16 bits. Elsewhere the weight is widened while it works.
"""

from functools import cache
from importlib.util import find_spec

import torch
from torch.nn.functional import ScalingType, linear, scaled_mm

EIGHT_BITS = torch.float8_e4m3fn
LARGEST = torch.finfo(EIGHT_BITS).max
_LEAST = 1e-12  # a row of nothing has a scale too
_FEW = 64  # rows of values below which widening costs less than it harms: modulations, that all of a picture hangs on
_WHOLE = 16  # what both sides of a weight must be multiples of


class _Narrow:
    """What is the same for Linear and Conv2d. wide: the type that the layer works in."""

    wide: torch.dtype

    def narrow(self, wide: torch.dtype) -> None:
        flat, scale = rows_in_8_bits(self.weight.data.flatten(1))
        self.weight.requires_grad_(False).data = flat.view_as(self.weight)
        self.register_buffer("scale", scale.view(-1, *[1] * (self.weight.ndim - 1)))
        self.wide = wide

    def widened(self) -> torch.Tensor:
        return self.weight.to(self.wide).mul_(self.scale)


class NarrowLinear(_Narrow, torch.nn.Linear):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        rows = values.numel() // self.in_features
        whole = self.in_features % _WHOLE == 0 == self.out_features % _WHOLE
        if rows < _FEW or not whole or not multiplies(values.device):
            return linear(values, self.widened(), self.bias)
        narrow, scale = _quickly(values.reshape(rows, self.in_features))
        product = _product(narrow, scale, self.weight, self.scale, self.bias, self.wide)
        return product.view(*values.shape[:-1], self.out_features)


class NarrowConv2d(_Narrow, torch.nn.Conv2d):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(values, self.widened(), self.bias)


NARROW = {torch.nn.Linear: NarrowLinear, torch.nn.Conv2d: NarrowConv2d}


def narrow(layer: torch.nn.Module, wide: torch.dtype) -> None:
    """Keeps the weight of a Linear or a Conv2d in 8 bits from now on."""
    layer.__class__ = NARROW[type(layer)]
    layer.narrow(wide)


def rows_in_8_bits(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """values [N, K] -> the same in 8 bits [N, K], and what each row is to be multiplied by [N, 1] float32."""
    values = values.float()
    scale = values.abs().amax(1, keepdim=True).clamp_min(_LEAST) / LARGEST
    return (values / scale).to(EIGHT_BITS), scale


def _quickly(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`rows_in_8_bits`, on a card that multiplies in 8 bits."""
    if not (values.is_cuda and find_spec("triton")):
        return rows_in_8_bits(values)
    from skyworld.models.checkpoints import eight_bits_triton

    return eight_bits_triton.rows_in_8_bits(values.contiguous(), LARGEST, _LEAST)


@cache
def multiplies(device: torch.device) -> bool:
    """Whether the device is a card that multiplies rows in 8 bits: tried once, for no list of cards says it for every
    PyTorch."""
    if device.type != "cuda":
        return False
    rows = torch.ones(_WHOLE, _WHOLE, device=device).to(EIGHT_BITS)
    scale = torch.ones(_WHOLE, 1, device=device)
    try:
        return bool((_product(rows, scale, rows, scale, None, torch.bfloat16) == _WHOLE).all())
    except RuntimeError:
        return False


def _product(values, scale, weight, weight_scale, bias, wide: torch.dtype) -> torch.Tensor:
    """[N, out] in `wide`; the kernels of all cards answer in bfloat16 alone."""
    by_rows = ScalingType.RowWise
    bias = None if bias is None else bias.to(torch.bfloat16)
    product = scaled_mm(
        values, weight.t(), scale, by_rows, weight_scale.t(), by_rows,
        bias=bias, output_dtype=torch.bfloat16, use_fast_accum=True,
    )  # fmt: skip
    return product.to(wide)
