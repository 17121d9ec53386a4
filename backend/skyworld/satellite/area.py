"""Which piece of ground: the latitude and longitude that someone gave, or what the images have in common."""

from collections.abc import Sequence

import numpy as np

from skyworld.errors import UserError
from skyworld.satellite.rasters import MOST_PIXELS, Raster, Window
from skyworld.world.georeference import Georeference

Rectangle = tuple[float, float, float, float]  # west, south, east, north in metres of a frame
_SAMPLES = 256  # cells along the longer side of the grid that finds the overlap
_MARGIN = 4  # px around what a window has to show


def check_degrees(area: tuple[float, float, float, float]) -> None:
    """south, west, north, east. Raises UserError for what is no rectangle on Earth."""
    south, west, north, east = area
    if not (-90 <= south <= 90 and -90 <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        swapped = -90 <= west <= 90 and -90 <= east <= 90
        hint = "Latitude comes first: south west north east" if swapped else "Latitudes go to 90, longitudes to 180"
        raise UserError(f"the area {_told(area)} lies nowhere on Earth", hint=hint)
    if not (south < north and west < east):
        raise UserError(f"the area {_told(area)} is turned over", hint="Give south west north east, in degrees")


def _told(area) -> str:
    return " ".join(f"{degrees:g}" for degrees in area)


def of_degrees(area: tuple[float, float, float, float], frame: Georeference, altitude: float) -> Rectangle:
    """The rectangle in the frame that encloses an area."""
    south, west, north, east = area
    corners = frame.enu([south, south, north, north], [west, east, west, east], altitude)
    return (*corners[:, :2].min(0).tolist(), *corners[:, :2].max(0).tolist())


def outline(raster: Raster, frame: Georeference, altitude: float) -> np.ndarray:
    """[32, 2] east, north of the raster's edge on the ground at an altitude.

    Raises UserError where the lines of sight do not get there: the RPC is broken or another sensor's.
    """
    t = np.linspace(0, 1, 9)[:-1]
    corners = np.array([(0, 0), (raster.width, 0), (raster.width, raster.height), (0, raster.height)], np.float64)
    edge = np.concatenate([a + t[:, None] * (b - a) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
    latitude, longitude = raster.rpc.localize(edge, altitude)
    if not np.isfinite(latitude).all():
        raise UserError(
            f"its RPC does not say where it looks at {altitude:.0f} m",
            file=raster.path,
            hint="It is damaged, or belongs to another image",
        )
    return frame.enu(latitude, longitude, altitude)[:, :2]


def seen(rasters: Sequence[Raster], frame: Georeference, altitude: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grid over all footprints at an altitude: east [W], north [H], and which rasters see each cell [N, H, W]."""
    edges = np.concatenate([outline(raster, frame, altitude) for raster in rasters])
    (west, south), (east, north) = edges.min(0), edges.max(0)
    step = max(east - west, north - south) / _SAMPLES
    across, up = np.arange(west + step / 2, east, step), np.arange(south + step / 2, north, step)
    level = altitude - frame.altitude
    places = np.stack([*np.meshgrid(across, up), np.full((len(up), len(across)), level)], -1)
    latitude, longitude, height = frame.geodetic(places)
    inside = []
    for raster in rasters:
        pixels = raster.rpc.project(latitude, longitude, height)
        inside.append(((pixels > 0) & (pixels < (raster.width, raster.height))).all(-1))
    return across, up, np.stack(inside)


def overlap(rasters: Sequence[Raster], frame: Georeference, altitude: float) -> Rectangle:
    """The rectangle around the ground that every image shows. Raises UserError where there is none."""
    across, up, inside = seen(rasters, frame, altitude)
    common = inside.all(0)
    if not common.any():
        _tell_apart(rasters, inside)
    rows, columns = np.nonzero(common.any(1))[0], np.nonzero(common.any(0))[0]
    half = (across[1] - across[0]) / 2
    return across[columns[0]] - half, up[rows[0]] - half, across[columns[-1]] + half, up[rows[-1]] + half


def _tell_apart(rasters: Sequence[Raster], inside: np.ndarray) -> None:
    shared = [(inside[index] & np.delete(inside, index, 0).any(0)).sum() for index in range(len(rasters))]
    loner = rasters[int(np.argmin(shared))]
    raise UserError(
        "the images do not overlap" if len(rasters) == 2 else f"the images do not all overlap; {loner.name} lies apart",
        hint="Give images of one place; an RPC of another image has the same effect",
    )


def check_area(area, rectangle: Rectangle, rasters: Sequence[Raster], frame: Georeference, altitude: float) -> None:
    """Raises UserError where an image does not show the area that was asked for, and tells if it was given swapped."""
    across, up, inside = seen(rasters, frame, altitude)
    west, south, east, north = rectangle
    within = ((across >= west) & (across <= east))[None, :] & ((up >= south) & (up <= north))[:, None]
    middle = np.array([[(west + east) / 2, (south + north) / 2, altitude - frame.altitude]])
    for raster, shown in zip(rasters, inside, strict=True):
        pixel = raster.rpc.project(*frame.geodetic(middle))[0]
        if (shown & within).any() or ((pixel > 0) & (pixel < (raster.width, raster.height))).all():
            continue
        south_, west_, north_, east_ = area
        other = raster.rpc.project(
            *(np.array([value]) for value in ((west_ + east_) / 2, (south_ + north_) / 2, altitude))
        )
        if ((other > 0) & (other < (raster.width, raster.height))).all():
            raise UserError(
                f"the area {_told(area)} has latitude and longitude swapped", hint="Give south west north east"
            )
        raise UserError(f"does not show the area {_told(area)}", file=raster.path, hint=_where(raster, altitude))


def _where(raster: Raster, altitude: float) -> str:
    corners = np.array([(0, 0), (raster.width, raster.height), (raster.width, 0), (0, raster.height)], np.float64)
    latitude, longitude = raster.rpc.localize(corners, altitude)
    return (
        f"It shows {latitude.min():.4f} {longitude.min():.4f} {latitude.max():.4f} {longitude.max():.4f} "
        "(south west north east)"
    )


def window(raster: Raster, frame: Georeference, corners: np.ndarray, bias=(0.0, 0.0)) -> Window:
    """The part of an image that shows a volume, given by its corners [K, 3] in the frame.

    Raises UserError for a part that is too large to be worked on.
    """
    pixels = raster.rpc.project(*frame.geodetic(corners)) + np.asarray(bias)
    low = np.maximum(np.floor(pixels.min(0)).astype(int) - _MARGIN, 0)
    high = np.minimum(np.ceil(pixels.max(0)).astype(int) + _MARGIN, (raster.width, raster.height))
    width, height = (int(side) for side in high - low)
    if width <= 0 or height <= 0:
        raise UserError("does not show the area", file=raster.path, hint="Leave it out, or choose another area")
    if width * height > MOST_PIXELS:
        metres = np.ptp(corners[:, :2], axis=0)
        raise UserError(
            f"the area is too large: {metres[0] / 1000:.1f} x {metres[1] / 1000:.1f} km are {width} x {height} pixels",
            file=raster.path,
            hint=f"Give a smaller one with --area: up to {MOST_PIXELS // 1_000_000} megapixels",
        )
    return int(low[0]), int(low[1]), width, height
