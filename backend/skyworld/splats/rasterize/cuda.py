"""Rasterization of CUDA tensors: gsplat's kernels (1.5), called without the layers between.

One autograd function holds the whole way, so that a training step is a few dozen launches and one
synchronisation (gsplat's intersection count). Traps of gsplat 1.5.3 that are kept out here: its packed mode, which
fails with batches and backgrounds (not used); backgrounds (laid under the picture by the caller, the same
way on both devices); a scene without Gaussians (never comes here).
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians, rotation_matrices
from skyworld.splats.rasterize.options import Footprints, Options

NEAR, FAR = 0.01, 1e10  # metres
TILE = 16
_CHANNELS = (3, 4, 8)  # that gsplat has kernels for


@cache
def _gsplat():
    """The compiled kernels. Raises UserError where they cannot be had."""
    # gsplat starts a compiler where it finds one, even without a GPU.
    if not torch.cuda.is_available():
        hint = "Choose the device `cpu` or `auto`"
        raise UserError("there is no CUDA GPU that PyTorch can use", hint=hint, fix="device")
    try:
        from gsplat.cuda._backend import _C
    except ImportError as error:
        raise UserError(
            f"gsplat, which draws on the GPU, cannot be loaded ({error})",
            hint="Install it with `pip install 'gsplat>=1.5.3,<1.6'`, or choose the device `cpu`",
        ) from error
    if _C is None:
        raise UserError(
            "gsplat could not compile its kernels: there is no CUDA toolkit (nvcc) on this machine",
            hint="Install the CUDA toolkit, or choose the device `cpu`",
        )
    return _C


def draw(gaussians: Gaussians, cameras: Sequence[Camera], options: Options) -> tuple[Tensor, Tensor, Footprints | None]:
    """Image [C, H, W, 3, 4 or 7] (premultiplied colour, accumulated depth, normal), alpha [C, H, W]; differentiable.

    Without `options.depth` and normals the image is the colour alone.
    """
    _gsplat()
    device = gaussians.device
    if options.standing is not None:
        K, views, positions = options.standing.K, options.standing.world_to_camera, options.standing.position
    else:
        each = [matrices(camera, device) for camera in cameras]
        K, views, positions = (torch.stack(parts) for parts in zip(*each, strict=True))
    if options.world_to_camera is not None:
        views = options.world_to_camera.contiguous()
        positions = -(views[:, :3, :3].transpose(1, 2) @ views[:, :3, 3:])[..., 0]
    extra = _normals(gaussians, positions, views, cameras[0].model, options.surfels) if options.normals else None
    footprints = None
    if options.footprints:
        empty = torch.zeros(len(cameras), len(gaussians), 5, device=device)
        footprints = Footprints(empty[..., 0], empty[..., 1:3], empty[..., 3:])
    with torch.cuda.device(device):
        image, alpha = _Draw.apply(
            gaussians.means,
            gaussians.quats,
            gaussians.log_scales,
            gaussians.logit_opacities,
            gaussians.sh if options.colours is None else options.colours,
            extra,
            views,
            positions,
            K,
            cameras[0],
            options,
            footprints,
        )
    return image, alpha, footprints


@torch.no_grad()
def draw_split(gaussians: Gaussians, camera: Camera, options: Options, depth: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Image [1, H, W, 4] and alpha [1, H, W] of the Gaussians nearer than depth [H, W], then of the others."""
    if not find_spec("triton"):
        raise UserError("objects among splats need Triton on the GPU", hint="Install it: `pip install triton`")
    from skyworld.splats.rasterize.intersect import intersect
    from skyworld.splats.rasterize.split import draw_tiles

    C, size = _gsplat(), (camera.width, camera.height)
    K, view, position = (part[None] for part in matrices(camera, gaussians.device))
    means, opacities = gaussians.means.contiguous(), gaussians.logit_opacities.sigmoid()
    with torch.cuda.device(gaussians.device):
        radii, means2d, depths, conics, thinned = C.projection_ewa_3dgs_fused_fwd(
            means, None, gaussians.quats.contiguous(), gaussians.log_scales.exp(), opacities, view, K, *size,
            options.eps2d, NEAR, FAR, 0.0, options.antialiased, getattr(C.CameraModelType, camera.model.upper()),
        )  # fmt: skip
        shown = opacities * thinned[0] if options.antialiased else opacities
        rgb = options.colours
        if rgb is None:
            seen, sh = (radii[0] > 0).all(-1), gaussians.sh.contiguous()
            rgb = C.spherical_harmonics_fwd(options.sh_degree, means - position, sh, seen).add_(0.5).clamp_min_(0.0)
        order, offsets, _ = intersect(means2d[0], conics[0], shown, radii[0], depths[0], *size)
        layers = draw_tiles(means2d[0], conics[0], shown, rgb.contiguous(), depths[0], offsets, order, depth)
    return [(layer[None, ..., :4], layer[None, ..., 4]) for layer in layers]


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, means, quats, log_scales, logits, colours, extra, views, positions, K, camera, options, footprints
    ):
        C = _gsplat()
        scales, opacities = log_scales.exp(), logits.sigmoid()
        if options.surfels:
            scales[:, 2] = 0
        model = getattr(C.CameraModelType, camera.model.upper())
        size = (camera.width, camera.height)
        means, quats = means.contiguous(), quats.contiguous()
        radii, means2d, depths, conics, compensations = C.projection_ewa_3dgs_fused_fwd(
            means, None, quats, scales, opacities, views, K, *size,
            options.eps2d, NEAR, FAR, 0.0, options.antialiased, model,
        )  # fmt: skip
        seen = (radii > 0).all(-1)
        shown = opacities.expand(len(views), -1)
        shown = shown * compensations if options.antialiased else shown.contiguous()
        directions = None
        if options.colours is None:
            colours = colours.contiguous()
            directions = means - positions[:, None]
            rgb = torch.stack(
                [
                    C.spherical_harmonics_fwd(options.sh_degree, towards, colours, mask)
                    for towards, mask in zip(directions, seen, strict=True)
                ]
            )
            rgb.add_(0.5).clamp_min_(0.0)
        else:
            rgb = colours.expand(len(views), -1, -1)
        features = [rgb, *([depths[..., None]] if options.depth or options.normals else []), extra]
        features = torch.cat([part for part in features if part is not None], -1)
        kept = features.shape[-1]
        wide = next(count for count in _CHANNELS if count >= kept)
        features = torch.nn.functional.pad(features, (0, wide - kept)) if wide > kept else features.contiguous()
        offsets, order, tiles = _pairs(means2d, conics, shown, radii, depths, size, options)
        image, alpha, last = C.rasterize_to_pixels_3dgs_fwd(
            means2d, conics, features, shown, None, tiles, *size, TILE, offsets, order
        )
        if footprints is not None:
            _radii(conics, seen, footprints.radii)
        ctx.save_for_backward(
            means, quats, scales, opacities, colours, views, K, radii, means2d, conics,
            compensations, seen, shown, directions, features, offsets, order, tiles, alpha, last,
        )  # fmt: skip
        ctx.size, ctx.model, ctx.options, ctx.footprints = size, model, options, footprints
        return image[..., :kept], alpha[..., 0].float()

    @staticmethod
    def backward(ctx, v_image, v_alpha):
        C, options = _gsplat(), ctx.options
        (
            means, quats, scales, opacities, colours, views, K, radii, means2d, conics,
            compensations, seen, shown, directions, features, offsets, order, tiles, alpha, last,
        ) = ctx.saved_tensors  # fmt: skip
        kept = v_image.shape[-1]
        if kept < features.shape[-1]:
            v_image = torch.nn.functional.pad(v_image, (0, features.shape[-1] - kept))
        v_absolute, v_means2d, v_conics, v_features, v_shown = C.rasterize_to_pixels_3dgs_bwd(
            means2d, conics, features, shown, None, tiles, *ctx.size, TILE, offsets, order, alpha, last,
            v_image.contiguous(), v_alpha[..., None].contiguous(), ctx.footprints is not None,
        )  # fmt: skip
        if ctx.footprints is not None:
            ctx.footprints.gradient.copy_(v_means2d)
            ctx.footprints.absolute.copy_(v_absolute)
        v_rgb, v_positions = v_features[..., :3], None
        if options.colours is None:
            v_rgb = v_rgb * (features[..., :3] > 0)
            turned = options.sh_degree > 0
            parts = [
                C.spherical_harmonics_bwd(colours.shape[1], options.sh_degree, towards, colours, mask, upstream, turned)
                for towards, mask, upstream in zip(directions, seen, v_rgb, strict=True)
            ]
            v_colours = sum(part[0] for part in parts) if len(parts) > 1 else parts[0][0]
        else:
            v_colours = v_rgb.sum(0) if colours.ndim == 2 else v_rgb
        has_depth = kept > 3
        v_depths = v_features[..., 3].contiguous() if has_depth else torch.zeros_like(shown)
        v_opacities, v_compensations = v_shown, None
        if options.antialiased:
            v_opacities, v_compensations = v_shown * compensations, v_shown * opacities
        v_means, _, v_quats, v_scales, v_views = C.projection_ewa_3dgs_fused_bwd(
            means, None, quats, scales, views, K, *ctx.size, options.eps2d, ctx.model, radii, conics,
            compensations if options.antialiased else None, v_means2d, v_depths, v_conics, v_compensations,
            ctx.needs_input_grad[6],
        )  # fmt: skip
        if options.colours is None and turned:
            v_directions = torch.stack([part[1] for part in parts]) if len(parts) > 1 else parts[0][1][None]
            v_means = v_means + v_directions.sum(0)
            v_positions = -v_directions.sum(1) if ctx.needs_input_grad[7] else None
        v_logits = v_opacities.sum(0) * opacities * (1 - opacities)
        v_extra = v_features[..., 4:7] if ctx.needs_input_grad[5] else None
        v_views = v_views if ctx.needs_input_grad[6] else None
        return v_means, v_quats, v_scales * scales, v_logits, v_colours, v_extra, v_views, v_positions, *[None] * 4


def _pairs(means2d, conics, opacities, radii, depths, size, options) -> tuple[Tensor, Tensor, Tensor | None]:
    """Offsets [C, rows, columns] of the tiles' lists, the lists, and which tiles to draw (None: all)."""
    columns, rows = -(-size[0] // TILE), -(-size[1] // TILE)
    if len(depths) == 1 and find_spec("triton"):
        from skyworld.splats.rasterize.intersect import intersect

        standing = options.standing
        order, offsets, needed = intersect(
            means2d[0], conics[0], opacities[0], radii[0], depths[0], *size, standing.capacity if standing else None
        )
        if standing is not None:
            torch.maximum(standing.tally, needed, out=standing.tally)
        return offsets[None], order, _inside(rows, columns, depths.device)
    C = _gsplat()
    count = len(depths)
    _, pairs, order = C.intersect_tile(means2d, radii, depths, None, None, count, TILE, columns, rows, True, False)
    return C.intersect_offset(pairs, count, columns, rows).reshape(count, rows, columns), order, None


@cache
def _inside(rows: int, columns: int, device: torch.device) -> Tensor:
    """[1, rows + 1, columns] bool: all rows of tiles but the one below the picture."""
    inside = torch.ones(1, rows + 1, columns, dtype=torch.bool, device=device)
    inside[:, -1] = False
    return inside


@lru_cache(maxsize=4096)
def matrices(camera: Camera, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """K, world to camera and position on the GPU: fitting comes back to the same cameras thousands of times."""
    arrays = (camera.K, camera.world_to_camera, camera.position)
    return tuple(torch.from_numpy(array.astype(np.float32)).to(device) for array in arrays)


def _normals(gaussians: Gaussians, positions: Tensor, views: Tensor, model: str, surfels: bool) -> Tensor:
    """[C, N, 3]: the shortest axis (of a surfel the third) in the world, turned towards each camera."""
    rotations = rotation_matrices(gaussians.quats)
    if surfels:
        axes = rotations[..., 2]
    else:
        shortest = gaussians.log_scales.detach().argmin(1)
        axes = rotations.gather(2, shortest[:, None, None].expand(-1, 3, 1))[..., 0]
    if model == "ortho":
        towards = -views[:, None, 2, :3].detach().expand(-1, len(gaussians), -1)
    else:
        towards = (positions[:, None] - gaussians.means).detach()
    away = (axes.detach() * towards).sum(-1, keepdim=True) < 0
    return torch.where(away, -axes, axes)


def _radii(conics: Tensor, seen: Tensor, out: Tensor) -> None:
    """Three sigmas of the longer axis, px: the smaller eigenvalue of the conic is one over its variance."""
    xx, xy, yy = conics.unbind(-1)
    smaller = 0.5 * (xx + yy) - (0.25 * (xx - yy).square() + xy.square()).sqrt()
    out.copy_(torch.where(seen, 3 * smaller.clamp_min(1e-12).rsqrt(), 0.0))
