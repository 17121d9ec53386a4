"""What fitting brings down: how far a render is from its view, and what Gaussians should not be like.

Pictures are [H, W, 3], depths and weights [H, W]; everything is differentiable in the render and the Gaussians.
A loss is a list of `Term`s, which is data: its name in TERMS, its weight, when it counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec

import cv2
import numpy as np
import torch
from torch import Tensor

from skyworld.splats.gaussians import Gaussians
from skyworld.splats.spherical_harmonics import C0

_WINDOW, _SIGMA = 11, 1.5  # of the Gaussian window, Wang et al. 2004
_C1, _C2 = 0.01**2, 0.03**2
_KERNEL = cv2.getGaussianKernel(_WINDOW, _SIGMA).astype(np.float32)[:, 0]


def l1(render: Tensor, picture: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference, weighted by pixel."""
    if weight is None:
        return torch.nn.functional.l1_loss(render, picture)
    return _mean((render - picture).abs().mean(-1), weight)


def ssim(render: Tensor, picture: Tensor, weight: Tensor | None = None) -> Tensor:
    """Structural similarity (Wang et al. 2004), 11 px Gaussian window, mean over channels, weighted by window centre.

    Both pictures are multiplied with the mask weight > 0 first, so that nothing outside of it takes part.
    """
    if weight is not None:
        inside = (weight > 0)[..., None]
        render, picture = render * inside, picture * inside
    if render.device.type == "cuda" and find_spec("triton"):
        from skyworld.splats.fused import ssim_map

        similarity = ssim_map(render, picture, _window(render.device))
        return similarity.mean() if weight is None else _mean(similarity.mean(-1), weight)
    a, b = render.permute(2, 0, 1), picture.permute(2, 0, 1)
    mean_a, mean_b, square_a, square_b, product = _blurred(torch.stack([a, b, a * a, b * b, a * b])).unbind(0)
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return _mean((luminance * structure).mean(0), weight)


def psnr(render: Tensor, picture: Tensor, weight: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB, for values from 0 to 1."""
    return float(-10 * torch.log10(_mean((render - picture).square().mean(-1), weight).clamp_min(1e-12)))


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    return values.mean() if weight is None else (values * weight).sum() / weight.sum().clamp_min(1e-6)


def _blurred(layers: Tensor) -> Tensor:
    """[..., H, W] under the Gaussian window, black beyond the border: there the blur is its own transpose."""
    if layers.device.type == "cpu":
        return _CpuBlur.apply(layers)
    kernel = _window(layers.device)
    flat = layers.flatten(0, -3)[:, None]
    flat = torch.nn.functional.conv2d(flat, kernel[None, None, :, None], padding=(_WINDOW // 2, 0))
    flat = torch.nn.functional.conv2d(flat, kernel[None, None, None, :], padding=(0, _WINDOW // 2))
    return flat.reshape(layers.shape)


@cache
def _window(device: torch.device) -> Tensor:
    return torch.from_numpy(_KERNEL).to(device)


class _CpuBlur(torch.autograd.Function):
    """OpenCV's separable filter: forty times as fast as a convolution with one channel in torch."""

    @staticmethod
    def forward(_, layers):
        planes = layers.detach().numpy().reshape(-1, *layers.shape[-2:])
        blurred = [cv2.sepFilter2D(plane, -1, _KERNEL, _KERNEL, borderType=cv2.BORDER_CONSTANT) for plane in planes]
        return torch.from_numpy(np.stack(blurred)).reshape(layers.shape)

    @staticmethod
    def backward(_, gradient):
        return _CpuBlur.apply(gradient)


# ---- terms ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Term:
    """One summand of the loss: `weight` x TERMS[name](sight, **options).

    begin, end: the share of the steps, 0 to 1, between which it counts.  every: only each so many steps.
    ramp: share of the steps over which its weight rises from 0 after `begin`.
    """

    name: str
    weight: float
    begin: float = 0.0
    end: float = 1.0
    every: int = 1
    ramp: float = 0.0
    options: Mapping[str, float | Tensor] = field(default_factory=dict)

    def weight_at(self, step: int, steps: int) -> float:
        """0 where it does not count at this step of so many."""
        if not self.begin * steps <= step < max(self.end * steps, self.begin * steps + 1) or step % self.every:
            return 0.0
        return (
            self.weight * min(1.0, (step - self.begin * steps + 1) / (self.ramp * steps)) if self.ramp else self.weight
        )


@dataclass(frozen=True)
class Sight:
    """What a term may look at: one view, what is drawn of it, and the Gaussians that were drawn.

    colour [H, W, 3], alpha [H, W], depth [H, W] (expected), normal [H, W, 3] (world, premultiplied) are the render's,
    depth and normal only where a term NEEDS them; the picture and the targets are the view's, None where it has none.
    """

    gaussians: Gaussians
    colour: Tensor
    alpha: Tensor
    picture: Tensor | None
    weight: Tensor | None = None
    depth: Tensor | None = None
    normal: Tensor | None = None
    target_depth: Tensor | None = None
    target_normal: Tensor | None = None
    target_alpha: Tensor | None = None


def total(terms: Sequence[tuple[Term, float]], sight: Sight) -> Tensor:
    """Weighted sum of (term, weight at this step)."""
    return sum(weight * TERMS[term.name](sight, **term.options) for term, weight in terms)


def _l1(sight: Sight) -> Tensor:
    return l1(sight.colour, sight.picture, sight.weight)


def _dssim(sight: Sight) -> Tensor:
    return 1 - ssim(sight.colour, sight.picture, sight.weight)


def _depths(sight: Sight) -> tuple[Tensor, Tensor]:
    """Rendered and wanted depth [n] where both mean something: a finite target, weight, alpha of at least a half."""
    sure = torch.isfinite(sight.target_depth) & (sight.target_depth > 0) & (sight.alpha >= 0.5)
    if sight.weight is not None:
        sure &= sight.weight > 0
    return sight.depth[sure], sight.target_depth[sure]


def depth_l1(sight: Sight) -> Tensor:
    """Mean absolute difference of depth, metres."""
    depth, target = _depths(sight)
    return (depth - target).abs().sum() / max(len(depth), 1)


def depth_pearson(sight: Sight) -> Tensor:
    """1 - correlation of rendered and wanted depth: blind to scale and shift (Skyfall-GS, arXiv 2510.15869)."""
    depth, target = _depths(sight)
    if len(depth) < 2:
        return sight.depth.sum() * 0
    a, b = depth - depth.mean(), target - target.mean()
    return 1 - (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt().clamp_min(1e-12)


def depth_scale_invariant(sight: Sight, balance: float = 0.85) -> Tensor:
    """Mean square of the log ratio less `balance` x its squared mean (Eigen et al. 2014): blind to scale if 1."""
    depth, target = _depths(sight)
    ratio = depth.clamp_min(1e-6).log() - target.log()
    count = max(len(ratio), 1)
    return ratio.square().sum() / count - balance * (ratio.sum() / count).square()


def normal(sight: Sight) -> Tensor:
    """1 - cosine of the rendered and the wanted normal, by alpha; pixels without a target (0, 0, 0) are left out."""
    wanted = sight.target_normal.norm(dim=-1) > 0.5
    weight = wanted * (1.0 if sight.weight is None else sight.weight)
    return _mean(sight.alpha - (sight.normal * sight.target_normal).sum(-1), weight)


def alpha_l1(sight: Sight) -> Tensor:
    """Mean absolute difference of alpha. What is dark looks the same over black whether it is there or not: without
    this, a fit over black makes it transparent."""
    return _mean((sight.alpha - sight.target_alpha).abs(), sight.weight)


def opacity_entropy(sight: Sight) -> Tensor:
    """Binary entropy of the opacities, clamped to 0.001 .. 0.999 (Skyfall-GS): drives them to 0 or 1."""
    opacities = sight.gaussians.logit_opacities.sigmoid().clamp(1e-3, 1 - 1e-3)
    return torch.nn.functional.binary_cross_entropy(opacities, opacities)


def opacity_sparsity(sight: Sight) -> Tensor:
    """Mean opacity (MCMC, arXiv 2404.09591; EOGS): lets what is not needed fade."""
    return sight.gaussians.logit_opacities.sigmoid().mean()


def scale(sight: Sight) -> Tensor:
    """Mean standard deviation, metres (MCMC)."""
    return sight.gaussians.log_scales.exp().mean()


def anisotropy(sight: Sight, ratio: float = 10.0) -> Tensor:
    """How far the longest axis exceeds `ratio` times the second (PhysGaussian, arXiv 2311.12198): no needles.

    The second, not the shortest: what is flat is not punished.
    """
    longest, second = sight.gaussians.log_scales.topk(2, dim=1).values.unbind(1)
    return ((longest - second).exp() - ratio).clamp_min(0).mean()


def anchor(sight: Sight, reach: float = 1.0) -> Tensor:
    """Mean of (distance from the column `home` / `reach` metres)^2, times how sure that place is, the column `sure`.

    Beyond `reach` it grows as the distance does (Huber): what the pictures pull away in earnest is let go.
    """
    extra = sight.gaussians.extra
    distance = (sight.gaussians.means - extra["home"]).norm(dim=1) / reach
    pull = torch.where(distance < 1, 0.5 * distance.square(), distance - 0.5)
    return (extra["sure"] * pull).mean()


def evenness(sight: Sight, rows: Tensor, near: Tensor) -> Tensor:
    """Mean square of how far the plain colours (degree 0) of the Gaussians `rows` [n] are from the mean of those beside
    them, `near` [n, K], which count as they stand.

    What few pixels show of many Gaussians is anyone's guess one by one; together they are known.
    """
    colours = C0 * sight.gaussians.sh[:, 0]
    return (colours.index_select(0, rows) - colours.detach()[near].mean(1)).square().mean()


TERMS = {
    "l1": _l1,
    "dssim": _dssim,
    "depth_l1": depth_l1,
    "depth_pearson": depth_pearson,
    "depth_scale_invariant": depth_scale_invariant,
    "normal": normal,
    "alpha_l1": alpha_l1,
    "opacity_entropy": opacity_entropy,
    "opacity_sparsity": opacity_sparsity,
    "scale": scale,
    "anisotropy": anisotropy,
    "anchor": anchor,
    "evenness": evenness,
}
NEEDS_PICTURE = {"l1", "dssim"}
NEEDS_DEPTH = {"depth_l1", "depth_pearson", "depth_scale_invariant"}
NEEDS_NORMAL = {"normal"}
NEEDS_ALPHA = {"alpha_l1"}


def applies(term: Term, view) -> bool:
    """Whether a view (`train.View`) has what the term compares with: those of depth need not be in every view."""
    if term.name in NEEDS_PICTURE:
        return view.picture is not None
    if term.name in NEEDS_DEPTH:
        return view.depth is not None
    if term.name in NEEDS_ALPHA:
        return view.alpha is not None
    return term.name not in NEEDS_NORMAL or view.normal is not None


PHOTOMETRIC = (Term("l1", 0.8), Term("dssim", 0.2))
