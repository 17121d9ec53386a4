"""How well a height map meets a reference: registered by a shift east, north and up, then error by error.

Both on one grid, row 0 in the north, metres, NaN where nothing is known. As DSM papers do it: the share within a
metre counts all cells that the reference knows, so that leaving cells out does not pay.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

from skyworld.errors import UserError

_TRUNCATED = 3.0  # metres: a larger difference counts as this much while registering
_FINEST = 0.0625  # metres of the last step
STEEP = 45.0  # degrees


@dataclass(frozen=True)
class Registration:
    """What has to be added to a place on the map to come to the same place of the reference, metres."""

    east: float
    north: float
    up: float


@dataclass(frozen=True)
class DsmScore:
    """Metres, and shares of the cells that the reference knows.

    known: share where the map has a height at all.  within_1, within_2: share that is known and as near.
    steep: the same scores without `steep`, where the reference is steeper than 45 degrees; None where it never is.
    """

    median: float
    mae: float
    rmse: float
    known: float
    within_1: float
    within_2: float
    cells: int
    registration: Registration
    steep: "DsmScore | None" = None

    def to_json(self) -> dict:
        return asdict(self)


def score_dsm(heights: np.ndarray, reference: np.ndarray, cell: float, reach: float = 4.0) -> DsmScore:
    """heights, reference: [H, W] metres.  cell: metres.  reach: metres that they may lie apart.

    Raises UserError where the two have next to nothing in common.
    """
    if heights.shape != reference.shape:
        raise UserError(f"heights of {heights.shape} cells are not on the reference's grid of {reference.shape}")
    if (np.isfinite(heights) & np.isfinite(reference)).sum() < 100:
        raise UserError("the height map and the reference have no ground in common")
    found = register(heights, reference, cell, reach)
    difference = shifted(heights, found.east / cell, found.north / cell) + found.up - reference
    wanted = np.isfinite(reference)
    steep = wanted & (slope(reference, cell) > STEEP)
    return _score(difference, wanted, found, _score(difference, steep, found) if steep.any() else None)


def _score(difference, wanted: np.ndarray, registration: Registration, steep=None) -> DsmScore:
    error = np.abs(difference[wanted])
    known = error[np.isfinite(error)]
    if not known.size:
        return DsmScore(*[float("nan")] * 3, 0.0, 0.0, 0.0, int(wanted.sum()), registration, steep)
    shares = (float((known < metres).sum() / error.size) for metres in (1, 2))
    middle = (float(np.median(known)), float(known.mean()), float(np.sqrt((known**2).mean())))
    return DsmScore(*middle, float(known.size / error.size), *shares, int(error.size), registration, steep)


def register(heights: np.ndarray, reference: np.ndarray, cell: float, reach: float = 4.0) -> Registration:
    """The shift that brings the truncated mean difference down: a grid search, finer and finer around the best."""
    best, step = (np.inf, 0.0, 0.0, 0.0), reach / 4
    centre, count = (0.0, 0.0), 4
    while True:
        for i in range(-count, count + 1):
            for j in range(-count, count + 1):
                east, north = centre[0] + i * step, centre[1] + j * step
                difference = (reference - shifted(heights, east / cell, north / cell))[::2, ::2]
                difference = difference[np.isfinite(difference)]
                if difference.size < 25:
                    continue
                up = float(np.median(difference))
                cost = float(np.minimum(np.abs(difference - up), _TRUNCATED).mean())
                if cost < best[0]:
                    best = (cost, east, north, up)
        centre = best[1:3]
        if step <= _FINEST:
            break
        step, count = step / 2, 1
    difference = reference - shifted(heights, best[1] / cell, best[2] / cell)
    return Registration(best[1], best[2], float(np.nanmedian(difference)))


def shifted(values: np.ndarray, east: float, north: float) -> np.ndarray:
    """Values [H, W] moved by fractions of a cell, linear between cells; NaN where one of them is not known."""
    if east == 0 and north == 0:
        return values
    rows, columns = np.mgrid[0 : values.shape[0], 0 : values.shape[1]].astype(np.float64)
    return map_coordinates(values, [rows + north, columns - east], order=1, mode="constant", cval=np.nan)


def slope(heights: np.ndarray, cell: float) -> np.ndarray:
    """[H, W] degrees from the level; unknown cells are taken to be as high as the nearest known one."""
    nearest = distance_transform_edt(~np.isfinite(heights), return_distances=False, return_indices=True)
    down, across = np.gradient(heights[tuple(nearest)].astype(np.float64), cell)
    return np.degrees(np.arctan(np.hypot(down, across)))


def on_grid_of(path, reference_path) -> tuple[np.ndarray, np.ndarray, float]:
    """Two GeoTIFFs of heights -> heights and reference [H, W] on the reference's grid, and its cell in metres."""
    import rasterio
    from rasterio.warp import Resampling, reproject

    with rasterio.open(reference_path) as file:
        reference = file.read(1, masked=True).astype(np.float32).filled(np.nan)
        transform, crs = file.transform, file.crs
    heights = np.full(reference.shape, np.nan, np.float32)
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, 1), heights, dst_transform=transform, dst_crs=crs, dst_nodata=np.nan,
            src_nodata=file.nodata, resampling=Resampling.bilinear,
        )  # fmt: skip
    return heights, reference, float(abs(transform.a))
