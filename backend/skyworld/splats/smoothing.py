"""The 3D smoothing filter of Mip-Splatting (arXiv 2311.16493): no Gaussian finer than the finest view can tell.

The filter is part of what is drawn and fitted, not of the columns: they stay as they are, beside the
column `filter_3d` with its widths. `folded` puts it in, for files that open anywhere.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.splats.gaussians import Gaussians

COLUMN = "filter_3d"
_VARIANCE = 0.2  # of the filter, in squared pixels of the finest view
_MARGIN, _NEAR = 0.15, 0.2  # share of the picture beyond its border, and metres, that still count as seen


@torch.no_grad()
def widths(means: Tensor, cameras: Sequence[Camera]) -> Tensor:
    """Standard deviation [N] of the filter, metres: distance of the nearest camera that sees a mean / focal length.

    Means that no camera sees take the largest distance. In float64: satellites stand hundreds of kilometres away.
    """
    points = means.double()
    nearest = torch.full((len(means),), torch.inf, dtype=torch.float64, device=means.device)
    for camera in cameras:
        view, K = (torch.from_numpy(array).to(points) for array in (camera.world_to_camera, camera.K))
        x, y, z = (points @ view[:3, :3].T + view[:3, 3]).unbind(1)
        depth = torch.ones_like(z) if camera.model == "ortho" else z
        u, v = K[0, 0] * x / depth + K[0, 2], K[1, 1] * y / depth + K[1, 2]
        seen = (z > _NEAR) & _within(u, camera.width) & _within(v, camera.height)
        # Per pixel: depth over this camera's own focal length, so that cameras may differ.
        nearest = torch.where(seen, torch.minimum(nearest, depth / K[0, 0]), nearest)
    finite = torch.isfinite(nearest)
    farthest = nearest[finite].max() if bool(finite.any()) else nearest.new_zeros(())
    return (torch.where(finite, nearest, farthest) * _VARIANCE**0.5).float()


def filtered(gaussians: Gaussians, width: Tensor) -> Gaussians:
    """As they are drawn: scales sqrt(s^2 + width^2), opacities thinned by the volume they gain; differentiable."""
    squares = (2 * gaussians.log_scales).exp()
    wider = squares + width.square()[:, None]
    thinning = (squares / wider).prod(1).sqrt()
    opacities = (gaussians.logit_opacities.sigmoid() * thinning).clamp(1e-7, 1 - 1e-6)
    return replace(gaussians, log_scales=0.5 * wider.log(), logit_opacities=torch.logit(opacities))


def folded(gaussians: Gaussians) -> Gaussians:
    """With the filter in the columns and `filter_3d` gone; the same Gaussians where there is none."""
    if COLUMN not in gaussians.extra:
        return gaussians
    rest = {name: column for name, column in gaussians.extra.items() if name != COLUMN}
    return replace(filtered(gaussians, gaussians.extra[COLUMN]), extra=rest)


def _within(pixels: Tensor, size: int) -> Tensor:
    return (pixels >= -_MARGIN * size) & (pixels <= (1 + _MARGIN) * size)
