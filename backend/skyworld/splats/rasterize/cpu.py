"""Rasterization of CPU tensors with our own kernels."""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats import spherical_harmonics
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import kernels, projection
from skyworld.splats.rasterize.options import Footprints, Options

# One kernel at a time: each takes all cores, and numba's fallback threading layer dies when two Python
# threads enter it at once.
_LOCK = threading.Lock()


def draw(gaussians: Gaussians, cameras: Sequence[Camera], options: Options) -> tuple[Tensor, Tensor, Footprints | None]:
    """Image [C, H, W, 4] (premultiplied colour, accumulated depth), alpha [C, H, W]; differentiable."""
    if cameras[0].model != "pinhole":
        raise UserError(
            f"a camera of the model {cameras[0].model!r} cannot be rendered", hint="Use pinhole or equirect"
        )
    if options.surfels or options.normals or options.world_to_camera is not None or options.footprints:
        raise UserError("surfels, normals, poses and footprints cannot be rendered on the CPU")
    views = [_pinhole_view(gaussians, camera, options, options.colours_of(c)) for c, camera in enumerate(cameras)]
    return torch.stack([image for image, _ in views]), torch.stack([alpha for _, alpha in views]), None


def _pinhole_view(gaussians: Gaussians, camera: Camera, options: Options, colours: Tensor | None):
    with _LOCK:
        seen = projection.visible(_array(gaussians.means), _array(gaussians.log_scales), *_pinhole(camera))
    columns = (gaussians.means, gaussians.log_scales, gaussians.quats, gaussians.logit_opacities, gaussians.sh)
    means, log_scales, quats, logits, sh = (_Take.apply(column, seen) for column in columns)
    means2d, conics, determinants, depths, compensations = _Project.apply(means, quats, log_scales.exp(), camera)
    opacities = logits.sigmoid() * compensations if options.antialiased else logits.sigmoid()
    position = torch.from_numpy(camera.position).to(means)
    if colours is None:
        colours = spherical_harmonics.colours(sh, means - position, options.sh_degree)
    else:
        colours = _Take.apply(colours, seen)
    features = torch.cat([colours, depths[:, None]], 1)
    return _Composite.apply(means2d, conics, determinants, opacities, features, camera.width, camera.height)


class _Take(torch.autograd.Function):
    """Rows of a column [N, ...]; every row at most once, which makes the way back a copy."""

    @staticmethod
    def forward(ctx, column, rows):
        ctx.rows, ctx.shape = rows, column.shape
        with _LOCK:
            taken = projection.take(_array(column).reshape(len(column), -1), rows)
        return torch.from_numpy(taken).reshape(len(rows), *column.shape[1:])

    @staticmethod
    def backward(ctx, gradient):
        with _LOCK:
            table = projection.put(_array(gradient).reshape(len(gradient), -1), ctx.rows, ctx.shape[0])
        return torch.from_numpy(table).reshape(ctx.shape), None


class _Project(torch.autograd.Function):
    """Gaussians in front of a pinhole -> means2d [n, 2], conics [n, 3], determinants, depths, compensations [n]."""

    @staticmethod
    def forward(ctx, means, quats, scales, camera):
        ctx.kept = (*(_array(tensor) for tensor in (means, quats, scales)), *_pinhole(camera))
        with _LOCK:
            ellipses = torch.from_numpy(projection.project(*ctx.kept))
        determinants = ellipses[:, 5].contiguous()
        ctx.mark_non_differentiable(determinants)
        return ellipses[:, :2], ellipses[:, 2:5], determinants, ellipses[:, 6], ellipses[:, 7]

    @staticmethod
    def backward(ctx, v_means2d, v_conics, _, v_depths, v_compensations):
        columns = [
            v_means2d,
            v_conics,
            torch.zeros_like(v_depths)[:, None],
            v_depths[:, None],
            v_compensations[:, None],
        ]
        v_ellipses = _array(torch.cat(columns, 1))
        with _LOCK:
            v_means, v_quats, v_scales = projection.project_backward(*ctx.kept, v_ellipses)
        return torch.from_numpy(v_means), torch.from_numpy(v_quats), torch.from_numpy(v_scales), None


class _Composite(torch.autograd.Function):
    """Ellipses over each other, nearest first. The determinants only bound the ellipses: no gradient."""

    @staticmethod
    def forward(ctx, means2d, conics, determinants, opacities, features, width, height):
        columns, rows = -(-width // kernels.TILE), -(-height // kernels.TILE)
        arrays = [_array(tensor) for tensor in (means2d, conics, determinants, opacities, features)]
        with _LOCK:
            order = kernels.order_by_depth(np.ascontiguousarray(arrays[4][:, 3]))
            records = kernels.pack(*arrays, order)
            starts, ranks, first, slots = kernels.bin_tiles(records, columns, rows)
            image, transmittance, last = kernels.forward(records, starts, ranks, width, height, columns, rows)
        ctx.kept = (records, starts, ranks, transmittance, last, first, slots, order, columns, rows)
        return torch.from_numpy(image), torch.from_numpy(1 - transmittance)

    @staticmethod
    def backward(ctx, v_image, v_alpha):
        records, starts, ranks, transmittance, last, first, slots, order, columns, rows = ctx.kept
        v_image, v_alpha = _array(v_image), _array(v_alpha)
        with _LOCK:
            pairs = kernels.backward(records, starts, ranks, transmittance, last, v_image, v_alpha, columns, rows)
            total = torch.from_numpy(kernels.gather(pairs, first, slots, order))
        return total[:, :2], total[:, 2:5], None, total[:, 5], total[:, 6:], None, None


def _array(tensor: Tensor) -> np.ndarray:
    """Always C-contiguous float32: the kernels are compiled for that layout and no other."""
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)


def _pinhole(camera: Camera) -> tuple[np.ndarray, np.ndarray, int, int]:
    return np.ascontiguousarray(camera.world_to_camera), np.ascontiguousarray(camera.K), camera.width, camera.height
