"""A height map as Gaussians: a sheet of flat ones over the ground and the roofs, and walls where the heights step.

The sheet is what fitting begins with and what holds it in place where no image tells better; its walls are the prior
that what stands between a roof and the ground is vertical (as in Orbit2Ground, arXiv 2512.07527). Colours come from
the images that see each Gaussian, found by drawing the sheet itself as each image sees it: the nearest surface wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, maximum_filter, median_filter, minimum_filter
from scipy.spatial import cKDTree
from torch import Tensor

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.satellite.height_map import HeightMap, continued
from skyworld.satellite.scene import ground_pixel
from skyworld.splats.gaussians import Gaussians, quaternion
from skyworld.splats.rasterize import rasterize
from skyworld.splats.spherical_harmonics import C0

# Columns of the Gaussians that a sheet is made of: how sure its place is, 0 to 1, whether it belongs to a wall, and,
# once it has colours, how many images show it.
SURE, WALL, SEEN = "sure", "wall", "seen"
# Of the spacing: standard deviation along the surface and across it. Where no fit, or a short one, closes what shows
# between the Gaussians, they are wider: dots are gone, and edges softer.
WIDTH, _ACROSS = 0.58, 0.12
_OPACITY = 0.95
# Heights that differ by more than so many spacings (and metres) between neighbours are a wall.
_STEP, _STEP_METRES = 1.5, 1.0
# Spacings that a wall stands behind its border, on the higher side: from above it has a width of its own, which would
# make every building larger.
_INWARD = 0.75
_STEEPEST = 4.0  # rise over run that the surface may have within a cell
# Rise over run beyond which a ramp stands for a wall (64 degrees: no roof and hardly any ground), and how many cells
# of it go up or down.
_CLIFF, _ROUNDS = 2.0, 4
# A Gaussian is seen where nothing lies more than so many spacings, or pixels, in front of it.
_TOLERANCE = 2.0
_GRAZING = 0.05  # cosine to a surface below which it is not seen
# Beside a step in depth a pixel holds both surfaces, and the step itself is known to a cell only.
_EDGE = 0.05
# What no image sees is filled from what is near and faces the same way, walls from walls: metres that a turn by 60
# degrees and being no wall are worth, and how much a metre up counts (walls are alike along their length more than
# along their height). So many of the most alike are asked, for so many Gaussians at once.
_TURN, _OTHER, _UPWARD = 3.0, 10.0, 3.0
_ALIKE, _AT_ONCE = 64, 1 << 16


@dataclass(frozen=True)
class Sight:
    """An image for colouring: what `camera` (that can be drawn) saw, [H, W, 3] 0 to 1, and where it counts [H, W]."""

    camera: Camera
    picture: np.ndarray
    valid: np.ndarray


def upright(height_map: HeightMap) -> HeightMap:
    """With walls where a sweep leaves ramps: what is too steep for ground or roofs goes to the height above it or below
    it, whichever is nearer (toggle mapping, repeated), so that the ramp becomes a step at half of its height."""
    known = np.isfinite(height_map.up)
    up = continued(height_map.up).astype(np.float32)
    steps = [np.pad(np.abs(np.diff(up, axis=axis)), [(0, int(axis == 0)), (0, int(axis == 1))]) for axis in (0, 1)]
    ramp = maximum_filter(np.maximum(*steps) > _CLIFF * height_map.cell, 3)
    for _ in range(_ROUNDS):
        above, below = maximum_filter(up, 3), minimum_filter(up, 3)
        up = np.where(ramp, np.where(above - up < up - below, above, below), up)
    # Where the ramp ends among its like (a lone peak, a tree) this would only make noise: a median calms it.
    up = np.where(ramp, median_filter(up, 3), up)
    return replace(height_map, up=np.where(known, up, np.nan).astype(np.float32))


def sheet(height_map: HeightMap, spacing: float, device="cpu", width: float = WIDTH) -> Gaussians:
    """Grey Gaussians of degree 0 about `spacing` metres apart, with the columns `sure` and `wall` [N]; width: their
    standard deviation along the surface, in spacings.

    A place between the cells lies on its cell's own plane, never between two planes: edges stay sharp.
    Raises UserError where no height is known.
    """
    if not np.isfinite(height_map.up).any():
        raise UserError("the height map holds no height at all", hint="Make it again, with: skyworld satellite height")
    slopes = _slopes(height_map)
    parts = [_surface(height_map, slopes, spacing, width), _walls(height_map, slopes, spacing, width)]
    means, normals, scales, sure, wall = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _gaussians(means, normals, scales, sure, wall).to(device)


def _slopes(height_map: HeightMap) -> np.ndarray:
    """[2, H, W] rise a metre to the east and to the north within each cell: the smaller one of both sides, 0 where
    they disagree (minmod), so that the foot and the edge of a wall stay level."""
    up = height_map.up.astype(np.float64)
    found = []
    for axis, sign in ((1, 1), (0, -1)):
        step = sign * np.diff(up, axis=axis) / height_map.cell
        step = np.nan_to_num(step)
        pad = [(0, 0), (0, 0)]
        pad[axis] = (1, 0)
        before = np.pad(step, pad)
        pad[axis] = (0, 1)
        after = np.pad(step, pad)
        smaller = np.where(np.abs(before) < np.abs(after), before, after)
        found.append(np.clip(np.where(before * after > 0, smaller, 0), -_STEEPEST, _STEEPEST))
    return np.stack(found)


def _surface(height_map: HeightMap, slopes: np.ndarray, spacing: float, width: float):
    rows, columns = height_map.shape
    count = [max(1, round(side * height_map.cell / spacing)) for side in (columns, rows)]
    east = (np.arange(count[0]) + 0.5) * columns * height_map.cell / count[0]
    south = (np.arange(count[1]) + 0.5) * rows * height_map.cell / count[1]
    column, row = ((along / height_map.cell).astype(int) for along in (east, south))
    row, column = (index.ravel() for index in np.meshgrid(row, column, indexing="ij"))
    south, east = (along.ravel() for along in np.meshgrid(south, east, indexing="ij"))
    right = east - (column + 0.5) * height_map.cell
    ahead = (row + 0.5) * height_map.cell - south
    slope = slopes[:, row, column]
    up = height_map.up[row, column] + slope[0] * right + slope[1] * ahead
    known = np.isfinite(up)
    means = np.stack([height_map.west + east, height_map.north - south, up], -1)[known]
    slope = slope[:, known]
    steepness = np.hypot(*slope)
    length = np.sqrt(1 + steepness**2)
    normals = np.stack([-slope[0], -slope[1], np.ones_like(length)], -1) / length[:, None]
    scales = spacing * np.stack([width * length, np.full_like(length, width), np.full_like(length, _ACROSS)], -1)
    return means, normals, scales, height_map.confidence[row, column][known], np.zeros(len(means), np.float32)


def _walls(height_map: HeightMap, slopes: np.ndarray, spacing: float, width: float):
    """Stacks of upright Gaussians on the borders between cells whose planes do not meet.

    They stand square to the slope of the smoothed heights, not to the grid, for walls seldom run along it.
    """
    up, cell = height_map.up.astype(np.float64), height_map.cell
    smooth = gaussian_filter(continued(up), 1.5)
    north_south, west_east = np.gradient(smooth, cell)
    downhill = np.stack([-west_east, north_south], -1)
    least = max(_STEP * spacing, _STEP_METRES)
    parts = []
    for axis, (dx, dy) in ((1, (1.0, 0.0)), (0, (0.0, -1.0))):
        first = (slice(None), slice(None, -1)) if axis else (slice(None, -1), slice(None))
        second = (slice(None), slice(1, None)) if axis else (slice(1, None), slice(None))
        half = 0.5 * cell * (1 if axis else -1)
        a, b = (up[part] + sign * half * slopes[1 - axis][part] for part, sign in ((first, 1), (second, -1)))
        row, column = np.nonzero(np.nan_to_num(np.abs(a - b)) > least)
        low, high = np.minimum(a, b)[row, column], np.maximum(a, b)[row, column]
        count = np.maximum(1, np.round((high - low) / spacing)).astype(int)
        each = np.repeat(np.arange(len(row)), count)
        level = np.arange(len(each)) - np.repeat(np.cumsum(count) - count, count)
        height = low[each] + (level + 0.5) * ((high - low) / count)[each]
        east = height_map.west + (column + (1.0 if axis else 0.5)) * cell
        north = height_map.north - (row + (0.5 if axis else 1.0)) * cell
        # The sheet's own border faces from the higher cell to the lower one, where the smoothed heights are level.
        own = np.sign(a - b)[row, column, None] * np.array((dx, dy))
        out = downhill[first][row, column] + downhill[second][row, column] + 1e-3 * own
        out /= np.linalg.norm(out, axis=-1, keepdims=True)
        normals = np.c_[out, np.zeros(len(out))][each]
        means = np.stack([east[each], north[each], height], -1) - _INWARD * spacing * normals
        wide = np.full(len(means), width * max(cell, spacing))
        scales = np.stack([np.full(len(means), width * spacing), wide, np.full(len(means), _ACROSS * spacing)], -1)
        sure = np.minimum(height_map.confidence[first], height_map.confidence[second])[row, column][each]
        parts.append((means, normals, scales, sure, np.ones(len(means), np.float32)))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _gaussians(means, normals, scales, sure, wall) -> Gaussians:
    """scales [N, 3]: along the steepest way, level, across the surface."""
    level = np.stack([-normals[:, 1], normals[:, 0], np.zeros(len(means))], -1)
    length = np.linalg.norm(level, axis=-1, keepdims=True)
    level = np.where(length > 1e-6, level / np.maximum(length, 1e-6), (0.0, 1.0, 0.0))
    steepest = np.cross(level, normals)
    quats = quaternion(np.stack([steepest, level, normals], -1))
    columns = (means, np.log(scales), quats, np.full(len(means), np.log(_OPACITY / (1 - _OPACITY))))
    extra = {SURE: sure, WALL: wall}
    return Gaussians(
        *(torch.from_numpy(np.asarray(column, np.float32)) for column in columns),
        torch.zeros(len(means), 1, 3),
        {name: torch.from_numpy(np.asarray(column, np.float32)) for name, column in extra.items()},
    )


# ---- colours --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def seen_colours(gaussians: Gaussians, sight: Sight, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Of each Gaussian its colour in one image [N, 3], and how well it shows there [N]: 0 where it does not, else the
    cosine to its surface."""
    camera = sight.camera
    pixels, depth = camera.project(gaussians.means.cpu().numpy())
    front = rasterize(gaussians, [camera])
    nearest = torch.where(front.alpha[0] > 0.3, front.depth[0], torch.inf).cpu().numpy()
    picture = np.ascontiguousarray(sight.picture, np.float32)
    colours = _bilinear(picture, pixels)
    inside = np.isfinite(pixels).all(-1) & (pixels > 0.5).all(-1)
    inside &= (pixels < np.array((camera.width, camera.height)) - 0.5).all(-1)
    column, row = np.where(inside[:, None], pixels, 0).astype(int).T
    # A little slack for the slope of the surface within a pixel.
    coarsest = max(spacing, ground_pixel(camera, gaussians.means.mean(0).cpu().numpy()))
    hidden = depth > nearest[row, column] + _TOLERANCE * coarsest
    facing = (_normals(gaussians) * _towards(gaussians, camera)).sum(-1)
    weight = np.where(inside & ~hidden & sight.valid[row, column] & (facing > _GRAZING), facing, 0)
    return colours, np.where(_beside_steps(nearest, coarsest)[row, column], _EDGE * weight, weight).astype(np.float32)


def _beside_steps(depth: np.ndarray, spacing: float) -> np.ndarray:
    """[H, W]: a step in depth runs through the pixel or its neighbours."""
    known = np.where(np.isfinite(depth), depth, 0.0)
    return maximum_filter(known, 3) - minimum_filter(known, 3) > 2 * _STEP * spacing + _STEP_METRES


def coloured(gaussians: Gaussians, colours: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> Gaussians:
    """With the weighted median over the images [K, N, 3], [K, N]: what one date alone shows (a car, a shadow, a cloud)
    does not tint. What no image sees takes the usual colour of what is near it and faces the same way. Adds `seen`."""
    stack, weight = np.stack(colours), np.stack(weights)
    found = np.stack([_median(stack[..., channel], weight) for channel in range(3)], -1)
    seen = weight.max(0) > 0
    if not seen.any():
        raise UserError("no image shows any of the height map", hint="Check that both are of one area")
    if not seen.all():
        alike = np.c_[_alike(gaussians), _OTHER * gaussians.extra[WALL].cpu().numpy()]
        found[~seen] = _usual(alike[seen], found[seen], alike[~seen])
    sh = torch.from_numpy((found[:, None].astype(np.float32) - 0.5) / C0).to(gaussians.device)
    shown = torch.from_numpy((weight > 0).sum(0, dtype=np.float32)).to(gaussians.device)
    return replace(gaussians, sh=sh, extra=gaussians.extra | {SEEN: shown})


def _alike(gaussians: Gaussians) -> np.ndarray:
    """[N, 6]: the nearer to each other here, the more alike in colour."""
    return np.c_[gaussians.means.cpu().numpy() * (1, 1, _UPWARD), _TURN * _normals(gaussians)]


def beside(gaussians: Gaussians, count: int) -> tuple[Tensor, Tensor]:
    """The Gaussians of walls [n], and of each the `count` others of walls, or as many as there are, that are near and
    face the same way, rather along the wall than up it [n, count]. Both are indices."""
    walls = torch.nonzero(gaussians.extra[WALL])[:, 0]
    places = _alike(gaussians)[walls.cpu().numpy()]
    count = min(count, len(places) - 1)
    if count < 1:
        return walls, walls[:, None]
    # The nearest is each itself.
    near = cKDTree(places).query(places, k=count + 1, workers=-1)[1][:, 1:]
    return walls, walls[torch.from_numpy(near).to(walls.device)]


def _usual(places: np.ndarray, colours: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """[n, 3]: mean of the colours [N, 3] of the places [N, D] nearest to those asked [n, D]. A single one may be a
    window, or a leaf before the wall: side by side they would be a blotch each."""
    tree, count = cKDTree(places), min(_ALIKE, len(places))
    parts = np.array_split(asked, -(-len(asked) // _AT_ONCE))
    near = (tree.query(part, k=count, workers=-1)[1].reshape(len(part), count) for part in parts)
    return np.concatenate([colours[rows].mean(1) for rows in near])


def _median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted median over the first axis of [K, N]."""
    order = values.argsort(0)
    values, weights = (np.take_along_axis(array, order, 0) for array in (values, weights))
    reached = weights.cumsum(0) >= 0.5 * weights.sum(0) - 1e-9
    return np.take_along_axis(values, reached.argmax(0)[None], 0)[0]


def _bilinear(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """[N, 3] at pixel coordinates [N, 2], centres at one half."""
    import cv2

    # OpenCV remaps tables of at most 32767 rows; its centres lie at whole numbers.
    wide = 4096
    count = -(-len(pixels) // wide) * wide
    table = np.zeros((count, 2), np.float32)
    table[: len(pixels)] = np.nan_to_num(pixels - 0.5)
    table = table.reshape(-1, wide, 2)
    parts = [cv2.remap(picture, part, None, cv2.INTER_LINEAR) for part in np.array_split(table, -(-len(table) // 8192))]
    return np.concatenate(parts).reshape(-1, 3)[: len(pixels)]


def _normals(gaussians: Gaussians) -> np.ndarray:
    """[N, 3]: the third axis of each."""
    from skyworld.splats.gaussians import rotation_matrices

    return rotation_matrices(gaussians.quats)[..., 2].cpu().numpy()


def _towards(gaussians: Gaussians, camera: Camera) -> np.ndarray:
    """[N, 3] unit vectors to the camera."""
    if camera.model == "ortho":
        return np.broadcast_to(-camera.rotation[:, 2], (len(gaussians), 3))
    away = camera.position - gaussians.means.cpu().numpy()
    return away / np.linalg.norm(away, axis=-1, keepdims=True)
