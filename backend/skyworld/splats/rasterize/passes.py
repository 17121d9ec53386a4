"""Scenes larger than the memory of the device that draws them: slab after slab, nearest first."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import Render, rasterize

CHUNK = 1_000_000  # Gaussians culled at once
# Bytes that drawing takes for each Gaussian, over those of its columns: projection, sorting, the lists of the tiles.
_WORK = 400
_OPEN = 1e-4  # transmittance below which a pixel is done


def drawer(gaussians: Gaussians, device: torch.device, free: int | None = None) -> tuple[Callable, str]:
    """A function that draws these Gaussians for a camera on `device` as `rasterize` does, and how, in a few words.

    They move there where they fit; else they stay, and every picture is drawn in passes.
    free: bytes of memory on the device; found out for CUDA if None.
    """
    if device.type == "cuda" and free is None:
        free = torch.cuda.mem_get_info(device)[0]
    if not fits(gaussians, device, free):
        options = {"device": device, "budget_bytes": int(0.6 * free)}
        told = f"in passes: {len(gaussians):,} Gaussians are more than fits {free / 2**30:.1f} GiB"
        return partial(rasterize_in_passes, gaussians, **options), told
    there = gaussians.to(device)
    return lambda camera, **options: rasterize(there, [camera], **options), "in one pass"


def fits(gaussians: Gaussians, device: torch.device, free: int | None = None) -> bool:
    """Whether these Gaussians, and what drawing them takes, fit the memory that is free on the device."""
    if device.type == "cuda" and free is None:
        free = torch.cuda.mem_get_info(device)[0]
    there = gaussians.device.type == device.type == "cuda"
    return free is None or there or len(gaussians) * _row(gaussians) <= 0.8 * free


@torch.no_grad()
def rasterize_in_passes(
    gaussians: Gaussians, camera: Camera, *, device: torch.device | str, budget_bytes: int, background=None, **options
) -> Render:
    """What `rasterize(gaussians, [camera], **options)` shows, with at most `budget_bytes` of Gaussians on `device`.

    The Gaussians stay where they are. Those that the camera may see are cut into slabs of camera depth that fit
    the budget, drawn nearest first and laid over each other, until every pixel is opaque. The same picture as in one
    pass, save that a pixel which one pass leaves before it is quite opaque is filled by the next.
    No gradients and no footprints. Raises UserError for a budget that holds nothing and for panorama cameras.
    """
    if camera.model == "equirect":
        raise UserError("a panorama is not rendered in passes", hint="Render the six faces of its cube")
    refused = {"footprints", "world_to_camera", "colours"} & options.keys()
    if refused:
        raise ValueError(f"rendering in passes knows no {', '.join(sorted(refused))}")
    row = _row(gaussians)
    if budget_bytes < row:
        raise UserError(f"{budget_bytes:,} bytes hold no Gaussian, which takes {row:,}", hint="Allow more memory")
    rows, depths = _seen(gaussians, camera)
    rows = rows[torch.argsort(depths, stable=True)]
    slabs = rows.split(max(budget_bytes // row, 1)) or [rows]
    total = None
    for slab in slabs:
        seen = rasterize(gaussians[slab].to(device), [camera], **options)
        layers = [seen.colour[0], seen.accumulated_depth[0, ..., None], seen.alpha[0, ..., None]]
        layers = torch.cat([*layers, *([seen.normal[0]] if seen.normal is not None else [])], -1)
        total = layers if total is None else total + (1 - total[..., 4:5]) * layers
        if bool((1 - total[..., 4] <= _OPEN).all()):
            break
    return _render(total[None], background)


def _row(gaussians: Gaussians) -> int:
    """Bytes that one Gaussian takes while it is drawn."""
    return gaussians.nbytes // max(len(gaussians), 1) + _WORK


def _seen(gaussians: Gaussians, camera: Camera) -> tuple[Tensor, Tensor]:
    """Rows of the Gaussians whose spheres of 3.4 sigmas may touch the picture, and their camera depths."""
    view = torch.from_numpy(camera.world_to_camera).to(gaussians.device)
    rows, depths = [], []
    for start in range(0, len(gaussians), CHUNK):
        means = gaussians.means[start : start + CHUNK].double()
        local = means @ view[:3, :3].T + view[:3, 3]
        reach = 3.4 * gaussians.log_scales[start : start + CHUNK].amax(1).double().exp()
        kept = local[:, 2] > 0
        for normal, offset in _sides(camera):
            kept &= local @ torch.from_numpy(normal).to(local) + offset > -reach
        found = kept.nonzero()[:, 0]
        rows.append(found + start)
        depths.append(local[found, 2])
    if not rows:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    return torch.cat(rows), torch.cat(depths)


def _sides(camera: Camera) -> list[tuple[np.ndarray, float]]:
    """Inward planes (normal, offset) of the frustum, 16 px wider than the picture; none for a fisheye.

    A pinhole's normals are shortened by the slope at which the Jacobian is taken at most: an ellipse reaches that
    much further than its sphere.
    """
    if camera.model == "fisheye":
        return []
    (fx, _, cx), (_, fy, cy), _ = camera.K
    low = (-(cx + 16) / fx, -(cy + 16) / fy)
    high = ((camera.width - cx + 16) / fx, (camera.height - cy + 16) / fy)
    if camera.model == "ortho":
        return [
            *((np.eye(3)[axis], -low[axis]) for axis in (0, 1)),
            *((-np.eye(3)[axis], high[axis]) for axis in (0, 1)),
        ]
    steepest = max(-low[0], -low[1], *high) + 0.15 * max(camera.width / fx, camera.height / fy)
    length = math.sqrt(1 + steepest * steepest)
    sides = [np.array(side) for side in ((1, 0, -low[0]), (-1, 0, high[0]), (0, 1, -low[1]), (0, -1, high[1]))]
    return [(side / length, 0.0) for side in sides]


def _render(layers: Tensor, background) -> Render:
    colour, accumulated, alpha = layers[..., :3], layers[..., 3], layers[..., 4]
    if background is not None:
        colour = colour + (1 - alpha)[..., None] * torch.as_tensor(background).to(colour)
    seen = alpha > 0
    depth = torch.where(seen, accumulated / torch.where(seen, alpha, 1.0), 0.0)
    return Render(colour, alpha, depth, accumulated, layers[..., 5:] if layers.shape[-1] > 5 else None)
