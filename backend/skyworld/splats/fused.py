"""What torch does in dozens of launches a training step, in one or two: SSIM, Adam and MCMC's noise in Triton (CUDA).

SSIM: with mu, s the means of a, b and of a^2, b^2, a b under the Gaussian window, it is
m = (2 mu_a mu_b + C1) / (mu_a^2 + mu_b^2 + C1) * (2 cov + C2) / (var_a + var_b + C2), cov = s_ab - mu_a mu_b.
Its gradient is G(dm/dmu_a) + 2 a G(dm/ds_aa) + b G(dm/ds_ab), G the same window. Both passes blur rows first,
then columns; everything else happens in the second pass.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 512


def ssim_map(render: Tensor, picture: Tensor, window: Tensor) -> Tensor:
    """SSIM [H, W, 3] of two CUDA pictures [H, W, 3], black beyond the border; differentiable in `render`.

    window: [11] float32 weights, on the same device.
    """
    return _Ssim.apply(render.contiguous(), picture.contiguous(), window)


def adam_step(column, gradient, first, second, seen, lead: int, numbers: Tensor) -> None:
    """One step of Adam in place; see `skyworld.splats.fitted` for the arguments."""
    each = column[0].numel()
    grid = (triton.cdiv(column.numel(), 1024),)
    with torch.cuda.device(column.device):
        _adam[grid](
            column, gradient, first, second, column if seen is None else seen,
            numbers, column.numel(), each, lead, seen is not None, 1024,
        )  # fmt: skip


def disturb(means, quats, log_scales, logits, amount: float, faint: float, seed: int) -> None:
    """Noise on the means [N, 3] in place; see `skyworld.splats.densify.disturb`."""
    with torch.cuda.device(means.device):
        _disturb[(triton.cdiv(len(means), 256),)](
            means, quats, log_scales, logits, amount, faint, seed, len(means), 256
        )


class _Ssim(torch.autograd.Function):
    @staticmethod
    def forward(ctx, render, picture, window):
        size = render.shape
        grid = (triton.cdiv(render.numel(), _BLOCK),)
        rows = render.new_empty(5, render.numel())
        result, slopes = torch.empty_like(render), render.new_empty(3, render.numel())
        with torch.cuda.device(render.device):
            _blur_rows[grid](render, picture, rows, window, *size, _BLOCK)
            _similarity[grid](rows, result, slopes, window, *size, _BLOCK)
        ctx.save_for_backward(render, picture, slopes, window)
        return result

    @staticmethod
    def backward(ctx, upstream):
        render, picture, slopes, window = ctx.saved_tensors
        rows, gradient = torch.empty_like(slopes), torch.empty_like(render)
        grid = (triton.cdiv(render.numel(), _BLOCK),)
        with torch.cuda.device(render.device):
            _blur_slope_rows[grid](slopes, upstream.contiguous(), rows, window, *render.shape, _BLOCK)
            _gradient[grid](rows, render, picture, gradient, window, *render.shape, _BLOCK)
        return gradient, None, None


@triton.jit
def _blur_rows(a_at, b_at, rows_at, window_at, H, W, C, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = H * W * C
    x = (at // C) % W
    mean_a = tl.zeros([BLOCK], tl.float32)
    mean_b, aa, bb, ab = mean_a, mean_a, mean_a, mean_a
    for k in tl.static_range(11):
        inside = (at < total) & (x + (k - 5) >= 0) & (x + (k - 5) < W)
        a = tl.load(a_at + at + (k - 5) * C, mask=inside, other=0.0)
        b = tl.load(b_at + at + (k - 5) * C, mask=inside, other=0.0)
        weight = tl.load(window_at + k)
        mean_a += weight * a
        mean_b += weight * b
        aa += weight * a * a
        bb += weight * b * b
        ab += weight * a * b
    here = at < total
    tl.store(rows_at + at, mean_a, mask=here)
    tl.store(rows_at + total + at, mean_b, mask=here)
    tl.store(rows_at + 2 * total + at, aa, mask=here)
    tl.store(rows_at + 3 * total + at, bb, mask=here)
    tl.store(rows_at + 4 * total + at, ab, mask=here)


@triton.jit
def _similarity(rows_at, map_at, slopes_at, window_at, H, W, C, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = H * W * C
    stride = W * C
    y = at // stride
    mean_a = tl.zeros([BLOCK], tl.float32)
    mean_b, aa, bb, ab = mean_a, mean_a, mean_a, mean_a
    for k in tl.static_range(11):
        inside = (at < total) & (y + (k - 5) >= 0) & (y + (k - 5) < H)
        there = rows_at + at + (k - 5) * stride
        weight = tl.load(window_at + k)
        mean_a += weight * tl.load(there, mask=inside, other=0.0)
        mean_b += weight * tl.load(there + total, mask=inside, other=0.0)
        aa += weight * tl.load(there + 2 * total, mask=inside, other=0.0)
        bb += weight * tl.load(there + 3 * total, mask=inside, other=0.0)
        ab += weight * tl.load(there + 4 * total, mask=inside, other=0.0)
    C1 = 0.0001
    C2 = 0.0009
    below_l = mean_a * mean_a + mean_b * mean_b + C1
    below_s = aa - mean_a * mean_a + bb - mean_b * mean_b + C2
    luminance = (2 * mean_a * mean_b + C1) / below_l
    structure = (2 * (ab - mean_a * mean_b) + C2) / below_s
    by_ab = 2 * luminance / below_s
    by_aa = -luminance * structure / below_s
    by_mean = structure * 2 * (mean_b - luminance * mean_a) / below_l - by_ab * mean_b - 2 * by_aa * mean_a
    here = at < total
    tl.store(map_at + at, luminance * structure, mask=here)
    tl.store(slopes_at + at, by_mean, mask=here)
    tl.store(slopes_at + total + at, by_aa, mask=here)
    tl.store(slopes_at + 2 * total + at, by_ab, mask=here)


@triton.jit
def _blur_slope_rows(slopes_at, upstream_at, rows_at, window_at, H, W, C, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = H * W * C
    x = (at // C) % W
    by_mean = tl.zeros([BLOCK], tl.float32)
    by_aa, by_ab = by_mean, by_mean
    for k in tl.static_range(11):
        inside = (at < total) & (x + (k - 5) >= 0) & (x + (k - 5) < W)
        there = at + (k - 5) * C
        weight = tl.load(window_at + k) * tl.load(upstream_at + there, mask=inside, other=0.0)
        by_mean += weight * tl.load(slopes_at + there, mask=inside, other=0.0)
        by_aa += weight * tl.load(slopes_at + total + there, mask=inside, other=0.0)
        by_ab += weight * tl.load(slopes_at + 2 * total + there, mask=inside, other=0.0)
    here = at < total
    tl.store(rows_at + at, by_mean, mask=here)
    tl.store(rows_at + total + at, by_aa, mask=here)
    tl.store(rows_at + 2 * total + at, by_ab, mask=here)


@triton.jit
def _gradient(rows_at, a_at, b_at, gradient_at, window_at, H, W, C, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = H * W * C
    stride = W * C
    y = at // stride
    by_mean = tl.zeros([BLOCK], tl.float32)
    by_aa, by_ab = by_mean, by_mean
    for k in tl.static_range(11):
        inside = (at < total) & (y + (k - 5) >= 0) & (y + (k - 5) < H)
        there = rows_at + at + (k - 5) * stride
        weight = tl.load(window_at + k)
        by_mean += weight * tl.load(there, mask=inside, other=0.0)
        by_aa += weight * tl.load(there + total, mask=inside, other=0.0)
        by_ab += weight * tl.load(there + 2 * total, mask=inside, other=0.0)
    here = at < total
    a = tl.load(a_at + at, mask=here, other=0.0)
    b = tl.load(b_at + at, mask=here, other=0.0)
    tl.store(gradient_at + at, by_mean + 2 * a * by_aa + b * by_ab, mask=here)


@triton.jit
def _adam(
    column_at, gradient_at, first_at, second_at, seen_at, numbers_at, total, each, lead,
    SELECTIVE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    rate_lead, rate_rest = tl.load(numbers_at), tl.load(numbers_at + 1)
    bias_first, bias_second = tl.load(numbers_at + 2), tl.load(numbers_at + 3)
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = at < total
    if SELECTIVE:
        here = here & (tl.load(seen_at + at // each, mask=here, other=0) != 0)
    gradient = tl.load(gradient_at + at, mask=here, other=0.0)
    first = 0.9 * tl.load(first_at + at, mask=here, other=0.0) + 0.1 * gradient
    second = 0.999 * tl.load(second_at + at, mask=here, other=0.0) + 0.001 * gradient * gradient
    rate = tl.where(at % each < lead, rate_lead, rate_rest)
    value = tl.load(column_at + at, mask=here, other=0.0)
    value -= rate * bias_first * first / (tl.sqrt(second) * bias_second + 1e-15)
    tl.store(column_at + at, value, mask=here)
    tl.store(first_at + at, first, mask=here)
    tl.store(second_at + at, second, mask=here)


@triton.jit
def _disturb(means_at, quats_at, log_scales_at, logits_at, amount, faint, seed, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = at < count
    w = tl.load(quats_at + 4 * at, mask=here, other=1.0)
    x = tl.load(quats_at + 4 * at + 1, mask=here, other=0.0)
    y = tl.load(quats_at + 4 * at + 2, mask=here, other=0.0)
    z = tl.load(quats_at + 4 * at + 3, mask=here, other=0.0)
    shorter = 1 / tl.maximum(tl.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    w, x, y, z = w * shorter, x * shorter, y * shorter, z * shorter
    opacity = tl.sigmoid(tl.load(logits_at + at, mask=here, other=0.0))
    strength = amount * tl.sigmoid(100 * (faint - opacity))
    n0 = tl.randn(seed, 3 * at) * strength
    n1 = tl.randn(seed, 3 * at + 1) * strength
    n2 = tl.randn(seed, 3 * at + 2) * strength
    r00, r01, r02 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    r10, r11, r12 = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    r20, r21, r22 = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    # The covariance is R S^2 R^T.
    a0 = (r00 * n0 + r10 * n1 + r20 * n2) * tl.exp(2 * tl.load(log_scales_at + 3 * at, mask=here, other=0.0))
    a1 = (r01 * n0 + r11 * n1 + r21 * n2) * tl.exp(2 * tl.load(log_scales_at + 3 * at + 1, mask=here, other=0.0))
    a2 = (r02 * n0 + r12 * n1 + r22 * n2) * tl.exp(2 * tl.load(log_scales_at + 3 * at + 2, mask=here, other=0.0))
    m0 = tl.load(means_at + 3 * at, mask=here, other=0.0) + r00 * a0 + r01 * a1 + r02 * a2
    m1 = tl.load(means_at + 3 * at + 1, mask=here, other=0.0) + r10 * a0 + r11 * a1 + r12 * a2
    m2 = tl.load(means_at + 3 * at + 2, mask=here, other=0.0) + r20 * a0 + r21 * a1 + r22 * a2
    tl.store(means_at + 3 * at, m0, mask=here)
    tl.store(means_at + 3 * at + 1, m1, mask=here)
    tl.store(means_at + 3 * at + 2, m2, mask=here)
