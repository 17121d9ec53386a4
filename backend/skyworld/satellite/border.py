"""Where a city ends: beside, with a straight cut and closed walls, and below, with the ground.

From above neither shows. A camera at 17 degrees sees what hangs out of the border as rags, houses that the border cuts
through as hollow, and what a wrong match has sunk as pits with walls tens of metres deep.
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    distance_transform_edt,
    label,
    mean,
    minimum_filter,
)

from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box
from skyworld.splats.gaussians import Gaussians, rotation_matrices

# Ground is what remains of patches of so many metres when hollows of less than so many square metres are filled. A cell
# is a pit where it lies so many metres below all ground within so many, unless the pit is as sure as that.
_PATCH, _HOLLOW, _BELOW, _AROUND, _SURE = 2.0, 400.0, 2.0, 25.0, 0.6
_HOUSE = 3.0  # metres above the ground around from which the border cuts through a house
_CLOSED = 3  # cells: narrower gaps between Gaussians are no border
_STDS = 2.0  # standard deviations of a Gaussian that the border cuts off: what it draws beyond is hardly seen
_LEAST = 0.3  # how much narrower one may become; what still hangs out then goes


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
    size = max(1, round(_PATCH / height_map.cell))
    patches = _patches(height_map.up, size)
    middle = np.nanmedian(np.where(np.isfinite(patches).any(-1, keepdims=True), patches, np.inf), -1)
    ground = minimum_filter(_without_hollows(middle, _HOLLOW / _PATCH**2), 2 * round(_AROUND / _PATCH) + 1)
    rows, columns = height_map.shape
    return np.repeat(np.repeat(ground, size, 0), size, 1)[:rows, :columns]


def closed(height_map: HeightMap) -> HeightMap:
    """With a ring of one more cell as low as the ground around it, wherever the border is higher than that.

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
    ground = np.pad(_ground(height_map), 1, mode="edge")[tuple(nearest)]
    low = np.where(beside - ground > _HOUSE, ground, beside)
    return replace(wide, up=np.where(ring, low, wide.up).astype(np.float32))


def wider(box: Box, cell: float) -> Box:
    """As `closed` heights reach."""
    return replace(box, east=(box.east[0] - cell, box.east[1] + cell), north=(box.north[0] - cell, box.north[1] + cell))


def _patches(values: np.ndarray, size: int) -> np.ndarray:
    """[ceil(H / size), ceil(W / size), size * size], NaN beyond the edge."""
    rows, columns = (-(-side // size) for side in values.shape)
    whole = np.full((rows * size, columns * size), np.nan)
    whole[: values.shape[0], : values.shape[1]] = values
    return whole.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(rows, columns, -1)


@torch.no_grad()
def straight(gaussians: Gaussians, height_map: HeightMap) -> Gaussians:
    """Cut along the border of the known heights: those beyond go, those that reach over it become narrower."""
    known = binary_fill_holes(binary_closing(np.pad(np.isfinite(height_map.up), 2), np.ones((_CLOSED, _CLOSED))))
    away, nearest = distance_transform_edt(known, return_indices=True)
    means = gaussians.means.cpu().numpy().astype(np.float64)
    column = np.floor((means[:, 0] - height_map.west) / height_map.cell).astype(int) + 2
    row = np.floor((height_map.north - means[:, 1]) / height_map.cell).astype(int) + 2
    inside = (row >= 0) & (column >= 0) & (row < known.shape[0]) & (column < known.shape[1])
    row, column = np.where(inside, row, 0), np.where(inside, column, 0)
    inside &= known[row, column]
    # From the Gaussian to the near edge of the nearest unknown cell.
    far = np.stack([nearest[1][row, column] - column, row - nearest[0][row, column]], -1).astype(np.float64)
    out = far / np.maximum(np.linalg.norm(far, axis=-1, keepdims=True), 1e-9)
    room = (away[row, column] - 0.5) * height_map.cell
    # How each axis of the Gaussian runs towards the border: only what does grows narrower, the rim stays whole.
    along = (out[:, :, None] * rotation_matrices(gaussians.quats).cpu().numpy()[:, :2]).sum(1)
    reach = _STDS * np.linalg.norm(along * gaussians.log_scales.exp().cpu().numpy(), axis=-1)
    narrower = np.clip(room / np.maximum(reach, 1e-9), None, 1)
    kept = torch.from_numpy(inside & (narrower >= _LEAST)).to(gaussians.device)
    shrink = np.log(narrower.clip(_LEAST))[:, None] * along**2
    shrink = torch.from_numpy(shrink.astype(np.float32)).to(gaussians.device)
    return replace(gaussians, log_scales=gaussians.log_scales + shrink)[kept]
