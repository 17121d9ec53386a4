"""How much of the pictures each Gaussian makes up, and what a fit may therefore tell of it."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import rasterize
from skyworld.splats.train import View

COLUMNS = ("sh", "logit_opacities", "log_scales", "means")


def coverage(gaussians: Gaussians, views: Sequence[View], fixed: Gaussians | None = None) -> Tensor:
    """[N]: the pixels of all views, each by its weight, that a Gaussian makes up (its blending weights' sum).

    They are the gradient of the pictures' sum by the Gaussian's colour. fixed: drawn too, and not counted.
    """
    scene = gaussians if fixed is None else Gaussians.concatenate([gaussians, fixed])
    scene = replace(scene.detached(), extra={})
    colours = torch.ones(len(scene), 3, device=scene.device, requires_grad=True)
    with torch.enable_grad():
        for view in views:
            seen = rasterize(scene, [view.camera], colours=colours).colour[0].mean(-1)
            (seen if view.weight is None else seen * view.weight).sum().backward()
    return colours.grad.sum(1)[: len(gaussians)]


def within_evidence(start: Gaussians, fitted: Gaussians, pixels: Tensor, enough: float = 1.0) -> Gaussians:
    """Fitted Gaussians that are as they began where the pictures hardly show them.

    Adam walks at its full rate along whatever gradient there is. A Gaussian that falls between the pixels, or of which
    a view shows a corner only, ends anywhere, and is seen as a spot from elsewhere.

    pixels: [N], `coverage`; from none to `enough` what was fitted counts ever more.
    """
    share = (pixels / enough).clamp(0, 1)
    mixed = {}
    for name in COLUMNS:
        before, after = getattr(start, name), getattr(fitted, name)
        mixed[name] = torch.lerp(before, after, share.view(-1, *[1] * (before.ndim - 1)))
    return replace(fitted, **mixed)
