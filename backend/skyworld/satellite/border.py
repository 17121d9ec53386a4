"""Where a city ends: beside, with a straight cut and closed walls, and below, with the ground.

From above neither shows. A camera at 17 degrees sees what hangs out of the border as rags, houses that the border cuts
through as hollow, and what a wrong match has sunk as pits with walls tens of metres deep.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    distance_transform_edt,
    grey_opening,
    label,
    maximum_filter,
    mean,
    minimum_filter,
    uniform_filter,
)
from scipy.spatial import cKDTree

from skyworld.satellite.height_map import HeightMap, continued
from skyworld.satellite.scene import Box, SatelliteImage
from skyworld.satellite.sheet import WALL, sheet, upright
from skyworld.splats.gaussians import Gaussians, rotation_matrices

# Ground is what remains of patches of so many metres when hollows of less than so many square metres are filled. A cell
# is a pit where it lies so many metres below all ground within so many, unless the pit is as sure as that.
_PATCH, _HOLLOW, _BELOW, _AROUND, _SURE = 2.0, 400.0, 2.0, 25.0, 0.6
# Heights are measured where the mean confidence over so many metres is more than that.
_MEASURED, _HARDLY = 10.0, 0.3
_HOUSE = 3.0  # metres above the ground around from which the border cuts through a house
_CLOSED = 3  # cells: narrower gaps between Gaussians are no border
_STDS = 2.0  # standard deviations of a Gaussian that the border cuts off: what it draws beyond is hardly seen
_RIM, _EDGE, _ALIKE = 1.6, 0.5, 100  # of a wall in the cut: cells from the border, metres at both ends, neighbours
_LEAST = 0.3  # how much narrower one may become; what still hangs out then goes
_WIDE = 0.65  # of a cell: standard deviation of the Gaussians of a wall in the cut, which no fit closes


def shown(height_map: HeightMap, images: Sequence[SatelliteImage]) -> HeightMap:
    """Unknown where no image looks: heights go on there, but nobody knows what it looks like. As it is where they show
    nothing at all.

    Where fewer than two look, and near there, heights are often wrong ones: what is not sure ends with it, and
    takes the nearest sure height in the rim that is left. In the midst it stays, a cloud that was masked too.
    """
    looking = _looking(height_map, images)
    if not looking.any():
        return height_map
    sure = uniform_filter(height_map.confidence, max(1, round(_MEASURED / height_map.cell))) > _HARDLY
    enough = binary_fill_holes(looking >= min(2, len(images)))
    amid = distance_transform_edt(np.pad(enough, 1, mode="edge"))[1:-1, 1:-1] * height_map.cell > _AROUND
    parts, count = label(binary_fill_holes((looking > 0) & sure | enough & (amid | enough.all())))
    large = np.bincount(parts.ravel(), minlength=count + 1) * height_map.cell**2 > _HOLLOW
    large[0] = False
    kept = large[parts] if large.any() else parts > 0
    rim = distance_transform_edt(np.pad(kept, 1, mode="edge"))[1:-1, 1:-1] * height_map.cell < _MEASURED
    unsure = uniform_filter(height_map.confidence, 3) < _HARDLY
    wrong = rim & ~kept.all() & binary_dilation(unsure, np.ones((5, 5)))
    up = height_map.up if wrong[kept].all() else continued(np.where(wrong, np.nan, height_map.up))
    known = kept & np.isfinite(height_map.up)
    return replace(height_map, up=np.where(known, up, np.nan).astype(np.float32))


def _looking(height_map: HeightMap, images: Sequence[SatelliteImage]) -> np.ndarray:
    """[H, W]: how many images look at each cell, whatever stands before it."""
    places = replace(height_map, up=continued(height_map.up)).points().reshape(-1, 3)
    found = np.zeros(len(places), int)
    for image in images:
        counts = image.read()[1]
        pixels, depth = image.camera.project(places)
        inside = (depth > 0) & (pixels >= 0).all(-1) & (pixels < counts.shape[::-1]).all(-1)
        column, row = np.where(inside[:, None], pixels, 0).astype(int).T
        found += inside & counts[row, column]
    return found.reshape(height_map.shape)


def grounded(height_map: HeightMap) -> HeightMap:
    """Without pits: small and unsure hollows below all ground around are filled from their rim, with confidence 0.

    A courtyard is none, for the street before the house lies as low.
    """
    known = np.isfinite(height_map.up)
    if not known.any():
        return height_map
    pits, count = label(known & (height_map.up < _ground(height_map) - _BELOW))
    sure = mean(height_map.confidence, pits, np.arange(count + 1)) > _SURE
    sure[0] = True
    pit = ~sure[pits]
    if not pit.any():
        return height_map
    # The rim of a pit leans into it: a cell around goes with it.
    pit = binary_dilation(pit, np.ones((3, 3))) & known
    nearest = distance_transform_edt(pit | ~known, return_distances=False, return_indices=True)
    up = np.where(pit, height_map.up[tuple(nearest)], height_map.up)
    return replace(height_map, up=up, confidence=np.where(pit, 0, height_map.confidence).astype(np.float32))


def _without_hollows(up: np.ndarray, area: float) -> np.ndarray:
    """[H, W] area closing: hollows of fewer than `area` cells filled, in steps of _BELOW. inf where not known."""
    known, filled = np.isfinite(up), up.copy()
    for level in np.arange(up[known].min(), up[known].max(), _BELOW):
        low, count = label(up < level)
        small = np.bincount(low.ravel(), minlength=count + 1) < area
        small[0] = False
        filled = np.where(small[low], np.maximum(filled, level), filled)
    return filled


def _ground(height_map: HeightMap) -> np.ndarray:
    """[H, W] metres: the lowest ground around each cell, small hollows filled; inf where none is known."""
    return _by_patches(height_map, lambda middle: minimum_filter(middle, 2 * round(_AROUND / _PATCH) + 1))


def _bare(height_map: HeightMap) -> np.ndarray:
    """[H, W] metres: without what is narrower than twice _AROUND in any direction. Slopes and terraces stay, also where
    they rise to the border."""

    def opened(middle: np.ndarray) -> np.ndarray:
        beyond = 2 * round(_AROUND / _PATCH)
        wide = np.pad(continued(middle), beyond, mode="edge")
        return grey_opening(wide, (beyond + 1, beyond + 1))[beyond:-beyond, beyond:-beyond]

    return _by_patches(height_map, opened)


def _by_patches(height_map: HeightMap, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """[H, W]: what `of` makes of the medians of patches, small hollows filled, inf where none is known."""
    size = max(1, round(_PATCH / height_map.cell))
    patches = _patches(height_map.up, size)
    middle = np.nanmedian(np.where(np.isfinite(patches).any(-1, keepdims=True), patches, np.inf), -1)
    found = of(_without_hollows(middle, _HOLLOW / _PATCH**2))
    rows, columns = height_map.shape
    return np.repeat(np.repeat(found, size, 0), size, 1)[:rows, :columns]


def closed(height_map: HeightMap) -> HeightMap:
    """With a ring of one more cell as low as the bare ground there, wherever the border is higher than that.

    A house that the border cuts through then has a wall there.
    """
    wide = HeightMap(
        np.pad(height_map.up, 1, constant_values=np.nan),
        np.pad(height_map.confidence, 1),
        height_map.west - height_map.cell,
        height_map.north + height_map.cell,
        height_map.cell,
    )
    known = np.isfinite(wide.up)
    if not known.any():
        return wide
    ring = binary_dilation(known, np.ones((3, 3))) & ~known
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    beside = wide.up[tuple(nearest)]
    ground = np.pad(_bare(height_map), 1, mode="edge")[tuple(nearest)]
    low = np.where(beside - ground > _HOUSE, ground, beside)
    return replace(wide, up=np.where(ring, low, wide.up).astype(np.float32))


def wider(part: Box, whole: Box, cell: float) -> Box:
    """A part of the area, a cell wider where it ends with the area: as far as `closed` heights reach."""

    def side(name: str) -> tuple[float, float]:
        (low, high), (least, most) = getattr(part, name), getattr(whole, name)
        return (low - cell if low <= least else low), (high + cell if high >= most else high)

    return replace(part, east=side("east"), north=side("north"))


def _patches(values: np.ndarray, size: int) -> np.ndarray:
    """[ceil(H / size), ceil(W / size), size * size], NaN beyond the edge."""
    rows, columns = (-(-side // size) for side in values.shape)
    whole = np.full((rows * size, columns * size), np.nan)
    whole[: values.shape[0], : values.shape[1]] = values
    return whole.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(rows, columns, -1)


@torch.no_grad()
def straight(gaussians: Gaussians, height_map: HeightMap) -> Gaussians:
    """Cut along the border of the known heights: those beyond go, those that reach over it become narrower.

    Walls in the cut, which only `closed` heights have, are made anew in the mean colours of what stood there: images
    show there what the border cut away, and a fit made rags of them.
    """
    rim = _Rim(gaussians, height_map)
    # How each axis of the Gaussian runs towards the border: only what does grows narrower, the rim stays whole.
    along = (rim.out[:, :, None] * rotation_matrices(gaussians.quats).cpu().numpy()[:, :2]).sum(1)
    reach = _STDS * np.linalg.norm(along * gaussians.log_scales.exp().cpu().numpy(), axis=-1)
    narrower = np.clip(rim.room / np.maximum(reach, 1e-9), None, 1)
    shrink = (np.log(narrower.clip(_LEAST))[:, None] * along**2).astype(np.float32)
    narrowed = replace(gaussians, log_scales=gaussians.log_scales + torch.from_numpy(shrink).to(gaussians.device))
    fresh = _walls(height_map, gaussians.device)
    walls = rim.in_wall(height_map)
    walls[walls] = _beside(fresh, gaussians.means[torch.from_numpy(walls).to(gaussians.device)], 1.5 * height_map.cell)
    kept = rim.inside & (narrower >= _LEAST) & ~walls
    fresh = _coloured(fresh, gaussians[torch.from_numpy(walls).to(gaussians.device)])
    return Gaussians.concatenate([narrowed[torch.from_numpy(kept).to(gaussians.device)], fresh])


class _Rim:
    """Where Gaussians stand to the border: in the known cells (`inside` [N]), metres from the border (`room` [N]), and
    which way it is (`out` [N, 2])."""

    def __init__(self, gaussians: Gaussians, height_map: HeightMap):
        known = binary_fill_holes(binary_closing(np.pad(np.isfinite(height_map.up), 2), np.ones((_CLOSED, _CLOSED))))
        away, nearest = distance_transform_edt(known, return_indices=True)
        means = gaussians.means.cpu().numpy().astype(np.float64)
        column = np.floor((means[:, 0] - height_map.west) / height_map.cell).astype(int) + 2
        row = np.floor((height_map.north - means[:, 1]) / height_map.cell).astype(int) + 2
        inside = (row >= 0) & (column >= 0) & (row < known.shape[0]) & (column < known.shape[1])
        row, column = np.where(inside, row, 0), np.where(inside, column, 0)
        self.inside = inside & known[row, column]
        # From the Gaussian to the near edge of the nearest unknown cell.
        far = np.stack([nearest[1][row, column] - column, row - nearest[0][row, column]], -1).astype(np.float64)
        self.out = far / np.maximum(np.linalg.norm(far, axis=-1, keepdims=True), 1e-9)
        self.room = (away[row, column] - 0.5) * height_map.cell
        self.row, self.column, self.up = row - 2, column - 2, means[:, 2]

    def in_wall(self, height_map: HeightMap) -> np.ndarray:
        """[N] bool: in the cut, between the ground and the roof there."""
        up = height_map.up
        low = minimum_filter(np.where(np.isfinite(up), up, np.inf), 3)
        high = maximum_filter(np.where(np.isfinite(up), up, -np.inf), 3)
        row, column = (np.clip(at, 0, side - 1) for at, side in zip((self.row, self.column), up.shape, strict=True))
        between = (self.up > low[row, column] + _EDGE) & (self.up < high[row, column] - _EDGE)
        return self.inside & between & (self.room <= _RIM * height_map.cell)


def _walls(height_map: HeightMap, device) -> Gaussians:
    """Those of the sheet in the cut."""
    whole = sheet(upright(height_map), height_map.cell, device, _WIDE)
    chosen = (whole.extra[WALL] > 0).cpu().numpy() & (_Rim(whole, height_map).room <= _RIM * height_map.cell)
    return whole[torch.from_numpy(chosen).to(device)]


def _beside(walls: Gaussians, means: torch.Tensor, reach: float) -> np.ndarray:
    """[N] bool: places [N, 3] with one of the walls within so many metres, seen from above."""
    if not len(walls) or not len(means):
        return np.zeros(len(means), bool)
    return cKDTree(walls.means[:, :2].cpu().numpy()).query(means[:, :2].cpu().numpy())[0] < reach


def _coloured(walls: Gaussians, before: Gaussians) -> Gaussians:
    """Walls in the mean colours of what was there before; none where nothing was."""
    if not len(before) or not len(walls):
        return before[:0]
    old = before.means.cpu().numpy()
    near = cKDTree(old).query(walls.means.cpu().numpy(), k=min(_ALIKE, len(old)))[1].reshape(len(walls), -1)
    sh = torch.zeros(len(walls), *before.sh.shape[1:], device=before.device)
    sh[:, 0] = before.sh[:, 0][torch.from_numpy(near).to(before.device)].mean(1)
    extra = {name: column[:1].expand(len(walls), *column.shape[1:]).clone() for name, column in before.extra.items()}
    return replace(walls, sh=sh, extra=extra)
