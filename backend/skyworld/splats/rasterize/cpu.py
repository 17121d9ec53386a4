"""Rasterization of CPU tensors with our own kernels."""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import composite, tiles
from skyworld.splats.rasterize.lenses import Lens, lens_of
from skyworld.splats.rasterize.options import Footprints, Options
from skyworld.splats.rasterize.projection import CHUNKS, RECORD, TILE, Rules, project, project_backward

# One kernel at a time: each takes all cores, and numba's fallback threading layer dies when two Python
# threads enter it at once.
_LOCK = threading.Lock()
_ANYWHERE = np.empty((0, 0), np.float32)


def draw(gaussians: Gaussians, cameras: Sequence[Camera], options: Options) -> tuple[Tensor, Tensor, Footprints | None]:
    """Image [C, H, W, 4 or 7] (premultiplied colour, accumulated depth, normal), alpha [C, H, W]; differentiable."""
    count = (len(cameras), len(gaussians))
    footprints = None
    if options.footprints:
        footprints = Footprints(torch.zeros(count), torch.zeros(*count, 2), torch.zeros(*count, 2))
    images, alphas = [], []
    for c, camera in enumerate(cameras):
        view = torch.from_numpy(camera.world_to_camera)
        if options.world_to_camera is not None:
            view = options.world_to_camera[c].double()
        colours = options.colours_of(c)
        image, alpha = _Draw.apply(
            gaussians.means,
            gaussians.log_scales,
            gaussians.quats,
            gaussians.logit_opacities,
            gaussians.sh if colours is None else colours[:, None],
            view,
            -view[:3, :3].T @ view[:3, 3],
            lens_of(camera),
            _rules(options, colours is not None),
            None if footprints is None else footprints.of_camera(c),
        )
        images.append(image)
        alphas.append(alpha)
    return torch.stack(images), torch.stack(alphas), footprints


def draw_split(gaussians: Gaussians, camera: Camera, options: Options, depth: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Image [1, H, W, 4] and alpha [1, H, W] of the Gaussians nearer than depth [H, W], then of the others."""
    view = camera.world_to_camera
    shown = gaussians.sh if options.colours is None else options.colours[:, None]
    columns = (gaussians.means, gaussians.log_scales, gaussians.quats, gaussians.logit_opacities, shown)
    columns, lens, rules = [_array(c) for c in columns], lens_of(camera), _rules(options, options.colours is not None)
    pictures = []
    with _LOCK:
        records, _, _, _, (starts, pairs, _, _) = _project(columns, (view, camera.position.copy()), lens, rules)
        for front in (True, False):
            size = lens.width, lens.height
            image, transmittance, _ = composite.forward_split(records, starts, pairs, *size, _array(depth), front)
            pictures.append((torch.from_numpy(image)[None], torch.from_numpy(1 - transmittance)[None]))
    return pictures


def _project(columns, pose, lens: Lens, rules: Rules):
    """Records with their boxes, rows and counts, and the lists of the tiles."""
    records = _aligned(len(columns[0]))
    depths, boxes, rows, counts = project(*columns, *pose, lens, rules, records)
    order = tiles.order_by_depth(depths, counts)
    wide, tall = -(-lens.width // TILE), -(-lens.height // TILE)
    return records, boxes, rows, counts, tiles.bin_tiles(order, boxes, counts, wide, tall)


def _rules(options: Options, coloured: bool) -> Rules:
    degree = -1 if coloured else options.sh_degree
    return Rules(degree, options.antialiased, options.surfels, options.normals, float(options.eps2d))


class _Draw(torch.autograd.Function):
    """The whole way of one camera, so that nothing is copied between its steps."""

    @staticmethod
    def forward(ctx, means, log_scales, quats, logits, sh, view, position, lens: Lens, rules: Rules, footprints):
        columns = [_array(column) for column in (means, log_scales, quats, logits, sh)]
        pose = [np.ascontiguousarray(tensor.detach().numpy()) for tensor in (view, position)]
        with _LOCK:
            records, boxes, rows, counts, (starts, pairs, slots, first) = _project(columns, pose, lens, rules)
            draw_tiles = composite.forward[rules.normals]
            image, transmittance, last = draw_tiles(records, starts, pairs, lens.width, lens.height, _ANYWHERE, True)
        if footprints is not None:
            _fill_radii(footprints.radii.numpy(), records, rows, counts)
        ctx.projected = (*columns, *pose, lens, rules, records, boxes, rows, counts, first)
        ctx.composed = (records, starts, pairs, slots, transmittance, last)
        ctx.footprints = footprints
        return torch.from_numpy(image), torch.from_numpy(1 - transmittance)

    @staticmethod
    def backward(ctx, v_image, v_alpha):
        columns, rules, footprints = ctx.projected[:5], ctx.projected[8], ctx.footprints
        full = rules.normals or footprints is not None
        if full and not rules.normals:
            v_image = torch.nn.functional.pad(v_image, (0, 3))
        wanted = zip(columns, ctx.needs_input_grad, strict=False)
        found = [np.zeros(column.shape if want else (0, *column.shape[1:]), np.float32) for column, want in wanted]
        seen = [np.zeros((0, 2), np.float32)] * 2
        if footprints is not None:
            seen = [footprints.gradient.numpy(), footprints.absolute.numpy()]
        with _LOCK:
            gradients = composite.backward[full](*ctx.composed, _array(v_image), _array(v_alpha))
            v_view, v_position = project_backward(*ctx.projected, gradients, *found, *seen)
        kept = [
            torch.from_numpy(column) if want else None
            for column, want in zip(found, ctx.needs_input_grad, strict=False)
        ]
        return *kept, torch.from_numpy(v_view), torch.from_numpy(v_position), None, None, None


def _fill_radii(radii: np.ndarray, records: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> None:
    """Three sigmas of the longer axis, px: its variance is the larger eigenvalue of the conic over the determinant."""
    begins = len(records) * np.arange(CHUNKS) // CHUNKS
    places = np.concatenate([np.arange(begin, begin + count) for begin, count in zip(begins, counts, strict=True)])
    xx, xy, yy, determinant = records[places, 2:6].T.astype(np.float64)
    larger = 0.5 * (xx + yy) + np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)
    radii[rows[places]] = 3 * np.sqrt(larger / determinant)


def _aligned(count: int) -> np.ndarray:
    """Room for so many records, each on a cache line of its own."""
    memory = np.empty(count * RECORD + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + count * RECORD].reshape(count, RECORD)


def _array(tensor: Tensor) -> np.ndarray:
    """Always C-contiguous float32: the kernels are compiled for that layout and no other."""
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)
