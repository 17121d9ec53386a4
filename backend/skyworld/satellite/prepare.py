"""Satellite images -> a scene: one frame in metres, cameras without skew, tie points (job kind `satellite_prepare`).

RPCs -> what all images show -> tie points -> shift of each RPC, altitudes of the ground -> frame and box -> pinholes
-> pictures, masks and the raw values for matching. A scene that others made (Skyfall-GS, COLMAP) and one ortho photo
with its heights become the same folder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.parameters import SatellitePrepareParameters
from skyworld.progress import Progress
from skyworld.satellite import area as areas
from skyworld.satellite.overview import draw_overview
from skyworld.satellite.pinhole import GOOD, GRID, check_fit, fit_pinhole, unsheared
from skyworld.satellite.rasters import Raster, grey, open_raster, tone_curve
from skyworld.satellite.raw import write_raw
from skyworld.satellite.relief import write_jpeg
from skyworld.satellite.scene import Box, SatelliteImage, SatelliteScene, write_picture, write_scene
from skyworld.satellite.tie_points import TiePoints, find_tie_points
from skyworld.satellite.views import View, by_rpc
from skyworld.world.files import atomic_write, mendable
from skyworld.world.georeference import Georeference

OVERVIEW = "overview.jpg"
_ON_EARTH = (-500.0, 9000.0)  # metres that ground lies at
_HEADROOM = 10.0  # metres that the box goes beyond the tie points, at least; above them stand roofs and trees
_PERCENTILES = (0.3, 99.7)  # of the tie points' heights: the rest are blunders


def prepare(parameters: SatellitePrepareParameters) -> Iterator[Progress]:
    """Yields progress; the scene lies in `parameters.output`. UserError for everything that cannot become one."""
    from skyworld.satellite.imports import import_folder, import_ortho

    given = parameters.images
    folders = [path for path in given if path.is_dir()]
    if folders and len(given) > 1:
        raise UserError("is a folder beside other images", file=folders[0], hint="Give images, or one folder alone")
    if folders:
        yield from import_folder(given[0], parameters)
    elif parameters.dsm:
        if len(given) > 1:
            raise UserError(f"a height map belongs to one ortho photo, not to {len(given)}", hint="Give one image")
        yield from import_ortho(given[0], parameters.dsm, parameters)
    else:
        yield from _of_images([open_raster(path) for path in given], parameters)


def _of_images(rasters: list[Raster], parameters: SatellitePrepareParameters) -> Iterator[Progress]:
    _check_set(rasters, parameters)
    low, high = parameters.altitudes or plausible_altitudes(rasters)
    frame = rough_frame(rasters, (low + high) / 2)
    yield Progress(0.0, "looking where the images lie")
    rectangle = _rectangle(rasters, parameters, frame, (low + high) / 2)
    volume = _corners(rectangle, low, high)
    views = []
    for index, raster in enumerate(rasters):
        yield Progress(0.05 + 0.15 * index / len(rasters), f"reading {raster.name}")
        views.append(_view(raster, frame, areas.window(raster, frame, volume)))
    yield Progress(0.2, "finding points that the images share")
    ties = find_tie_points(views, volume)
    low, high = parameters.altitudes or _measured(ties)
    # Where the footprints lie depends on how high the ground is; now that is known.
    rectangle = _rectangle(rasters, parameters, frame, float(np.median(ties.places[:, 2])))
    ground = _Ground.of(frame, rectangle, low, high)
    yield from _write(ground, rasters, ties, frame, parameters)


def _check_set(rasters: Sequence[Raster], parameters: SatellitePrepareParameters) -> None:
    if len(rasters) - len(parameters.hold_out) < 2:
        hint = "Give two or more of the same place, or this one as an ortho photo with --dsm"
        raise UserError("one image alone shows no heights", file=rasters[0].path, hint=hint)
    names = [raster.name for raster in rasters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"two images are named {twice}", hint="Give every image a name of its own")
    unknown = next((name for name in parameters.hold_out if name not in names), None)
    if unknown:
        raise UserError(f"there is no image {unknown} to hold out", hint=f"Their names are {', '.join(names)}")
    grey_ones = [raster for raster in rasters if len(raster.bands) == 1]
    if grey_ones and len(grey_ones) < len(rasters):
        raise UserError(
            "is panchromatic, and other images have colours",
            file=grey_ones[0].path,
            hint="Give images of one kind: sharpen the colours with the panchromatic band first",
        )


def plausible_altitudes(rasters: Sequence[Raster]) -> tuple[float, float]:
    """Metres above the ellipsoid that all RPCs were made for."""
    low = max(max(raster.rpc.altitudes[0] for raster in rasters), _ON_EARTH[0])
    high = min(min(raster.rpc.altitudes[1] for raster in rasters), _ON_EARTH[1])
    if high - low < 1:
        raise UserError("the RPCs of the images are for altitudes that do not meet", hint="Give images of one place")
    return low, high


def rough_frame(rasters: Sequence[Raster], altitude: float) -> Georeference:
    """Somewhere in the middle of the first image, at altitude 0."""
    first = rasters[0]
    latitude, longitude = first.rpc.localize(np.array([first.width / 2, first.height / 2]), altitude)
    if not np.isfinite(latitude):
        raise UserError(
            f"its RPC does not say where it looks at {altitude:.0f} m", file=first.path, hint="Is it whole?"
        )
    return Georeference.at(float(latitude), float(longitude), 0.0)


def _rectangle(rasters, parameters, frame: Georeference, altitude: float) -> areas.Rectangle:
    if parameters.area is None:
        return areas.overlap(rasters, frame, altitude)
    areas.check_degrees(parameters.area)
    rectangle = areas.of_degrees(parameters.area, frame, altitude)
    areas.check_area(parameters.area, rectangle, rasters, frame, altitude)
    return rectangle


def _corners(rectangle: areas.Rectangle, low: float, high: float) -> np.ndarray:
    """[27, 3] corners, and the middles between them."""
    west, south, east, north = rectangle
    return Box((west, east), (south, north), (low, high)).grid(3)


def _view(raster: Raster, frame: Georeference, window) -> View:
    values, valid = raster.read(window)
    if not valid.any():
        raise UserError("holds no data in this area", file=raster.path, hint="Leave it out, or choose another area")
    return View(raster.name, grey(values), valid, by_rpc(raster.rpc.moved(-window[0], -window[1]), frame))


def _measured(ties: TiePoints) -> tuple[float, float]:
    """Altitudes that hold the ground and what stands on it."""
    sure = ties.counts >= 3
    heights = ties.places[sure if sure.sum() > 200 else slice(None), 2]
    low, high = np.percentile(heights, _PERCENTILES)
    margin = max(_HEADROOM, 0.05 * (high - low))
    return float(low - margin), float(high + margin)


@dataclass(frozen=True)
class _Ground:
    """The scene's own frame, its origin in the middle of the area at the lowest altitude, and its box."""

    georeference: Georeference
    box: Box

    @classmethod
    def of(cls, frame: Georeference, rectangle: areas.Rectangle, low: float, high: float) -> "_Ground":
        west, south, east, north = rectangle
        middle = np.array([(west + east) / 2, (south + north) / 2, low])
        latitude, longitude, _ = frame.geodetic(middle)
        origin = Georeference.at(float(latitude), float(longitude), float(np.floor(low)))
        half = (east - west) / 2, (north - south) / 2
        box = Box((-half[0], half[0]), (-half[1], half[1]), (low - origin.altitude, high - origin.altitude))
        return cls(origin, box)


def _write(ground: _Ground, rasters, ties: TiePoints, frame: Georeference, parameters) -> Iterator[Progress]:
    folder, box, here = Path(parameters.output), ground.box, ground.georeference
    with mendable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    volume, reads = box.grid(GRID), []
    for index, raster in enumerate(rasters):
        yield Progress(0.6 + 0.1 * index / len(rasters), f"cutting {raster.name}")
        window = areas.window(raster, here, box.grid(3), ties.bias[index])
        values, valid = raster.read(window)
        rpc = raster.rpc.moved(*ties.bias[index]).moved(-window[0], -window[1])
        reads.append((values, valid, rpc, window))
    shown = tone_curve([values for values, *_ in reads], [valid for _, valid, *_ in reads])
    first = next(index for index, raster in enumerate(rasters) if raster.name not in parameters.hold_out)
    rectangle = (box.east[0], box.north[0], box.east[1], box.north[1])
    level = here.altitude + float(np.median(here.enu(*frame.geodetic(ties.places))[:, 2]))
    outlines = {raster.name: areas.outline(raster, here, level) for raster in rasters}
    project = by_rpc(reads[first][2], here)
    canvas = draw_overview(outlines, rectangle, shown(reads[first][0]), project, level - here.altitude)
    write_jpeg(folder / OVERVIEW, canvas)
    yield Progress(0.7, "where the images lie", preview=folder / OVERVIEW)
    kept_reads = [read for raster, read in zip(rasters, reads, strict=True) if raster.name not in parameters.hold_out]
    xyz, rgb = _coloured_points(ties, frame, here, box, kept_reads, shown)
    images = []
    for index, (raster, (values, valid, rpc, _)) in enumerate(zip(rasters, reads, strict=True)):
        yield Progress(0.7 + 0.25 * index / len(rasters), f"writing {raster.name}")
        write_raw(folder, raster.name, values, valid, rpc)
        fit = fit_pinhole(by_rpc(rpc, here), volume, valid.shape[1], valid.shape[0])
        check_fit(fit, raster.name, max(np.ptp(box.east), np.ptp(box.north)))
        picture, mask = folder / "images" / f"{raster.name}.png", folder / "masks" / f"{raster.name}.npy"
        moved, counted = unsheared(values, valid, fit)
        write_picture(picture, shown(moved))
        with atomic_write(mask) as temporary:
            np.save(temporary, counted.astype(np.uint8))
        bias = tuple(float(shift) for shift in ties.bias[index])
        images.append(
            SatelliteImage(raster.name, fit.camera, picture, mask, raster.date, raster.sun, bias, round(fit.error, 4))
        )
    held = [image for image in images if image.name in parameters.hold_out]
    kept = [image for image in images if image.name not in parameters.hold_out]
    scene = SatelliteScene(folder, kept, xyz, rgb, box, here, held)
    write_scene(scene, {"tie_points": _facts(ties), "altitudes": [here.altitude + side for side in box.up]})
    yield Progress(1.0, _summary(ties, images), preview=folder / OVERVIEW)


def _coloured_points(ties: TiePoints, frame, here: Georeference, box: Box, reads, shown):
    """Tie points in the scene's box and frame, [T, 3], and their colours [T, 3] float32 from the pictures."""
    xyz = here.enu(*frame.geodetic(ties.places))
    colours, counts = np.zeros_like(xyz), np.zeros(len(xyz))
    for values, _, rpc, _ in reads:
        column, row = np.floor(by_rpc(rpc, here)(xyz)).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < values.shape[1]) & (row < values.shape[0])
        colours[inside] += shown(values[row[inside], column[inside]][None])[0] / 255
        counts += inside
    low, high = (np.array(side) for side in zip(box.east, box.north, box.up, strict=True))
    chosen = ((xyz >= low) & (xyz <= high)).all(1) & (counts > 0)
    if not chosen.any():
        raise UserError("no tie point lies in the area", hint="Choose a larger area, or one with more detail")
    return xyz[chosen], (colours[chosen] / counts[chosen, None]).astype(np.float32)


def _facts(ties: TiePoints) -> dict:
    return {
        "used": ties.used,
        "found": ties.found,
        "residual_px": round(ties.residual, 4),
        "per_image_px": [round(float(value), 4) for value in ties.per_image],
    }


def _summary(ties: TiePoints, images: Sequence[SatelliteImage]) -> str:
    worst = max(image.misfit for image in images)
    told = f"{ties.used} tie points, {ties.residual:.2f} px; cameras within {worst:.2f} px of the RPCs"
    return told if worst <= GOOD else f"{told} (a smaller area would be more exact)"
