"""Where satellite images lie, before anything is made of them (job kind `satellite_overview`)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.parameters import SatelliteOverviewParameters
from skyworld.progress import Progress
from skyworld.satellite import area as areas
from skyworld.satellite.overview import draw_overview
from skyworld.satellite.prepare import OVERVIEW, plausible_altitudes, rough_frame
from skyworld.satellite.rasters import Raster, open_raster, opened, tone_curve
from skyworld.satellite.relief import write_jpeg
from skyworld.satellite.scene import SatelliteScene, read_scene
from skyworld.satellite.views import by_rpc
from skyworld.world.files import atomic_write, mendable
from skyworld.world.georeference import Georeference

FOOTPRINTS = "footprints.json"
_SIDE = 1024  # pixels that an image is read at
_GROUND = 10  # percentile of the tie points' heights that the outlines of a scene are drawn at


def survey(parameters: SatelliteOverviewParameters) -> Iterator[Progress]:
    """Writes overview.jpg (north up) and footprints.json into `parameters.output`.

    The heights are not known yet: outlines are those on a level ground in the middle of the altitudes that the RPCs
    are for, and may lie some pixels off. A folder of a scene is posed already: its outlines are those of its cameras.
    """
    yield Progress(0.0, "looking where the images lie")
    folder = next((path for path in parameters.images if path.is_dir()), None)
    with mendable(parameters.output):
        parameters.output.mkdir(parents=True, exist_ok=True)
    if folder:
        yield _of_scene(read_scene(folder), parameters.output)
        return
    rasters = [open_raster(path) for path in parameters.images]
    altitude = sum(plausible_altitudes(rasters)) / 2
    frame = rough_frame(rasters, altitude)
    shared = areas.overlap(rasters, frame, altitude)
    taken = shared
    if parameters.area:
        areas.check_degrees(parameters.area)
        taken = areas.of_degrees(parameters.area, frame, altitude)
        areas.check_area(parameters.area, taken, rasters, frame, altitude)
    yield Progress(0.3, f"reading {rasters[0].name}")
    values, valid, rpc = _small(rasters[0])
    outlines = {raster.name: areas.outline(raster, frame, altitude) for raster in rasters}
    shown, up = tone_curve([values], [valid])(values), altitude - frame.altitude
    write_jpeg(parameters.output / OVERVIEW, draw_overview(outlines, taken, shown, by_rpc(rpc, frame), up))
    limits = {"shared": _limits(shared, frame, altitude), "taken": _limits(taken, frame, altitude)}
    _tell(parameters.output, limits, outlines, frame, altitude)
    west, south, east, north = taken
    message = f"{len(rasters)} images; {east - west:.0f} x {north - south:.0f} m are taken"
    yield Progress(1.0, message, preview=parameters.output / OVERVIEW)


def _of_scene(scene: SatelliteScene, output: Path) -> Progress:
    """The same of a scene; footprints.json only where it knows its place on Earth. Its area is taken as a whole."""
    up = float(np.percentile(scene.xyz[:, 2], _GROUND))
    images, box = [*scene.images, *scene.held_out], scene.box
    outlines = {image.name: _outline(image.camera, up) for image in images}
    first = images[0]
    picture = np.round(first.read()[0] * 255).astype(np.uint8)
    taken = (box.east[0], box.north[0], box.east[1], box.north[1])
    canvas = draw_overview(outlines, taken, picture, lambda places: first.camera.project(places)[0], up)
    write_jpeg(output / OVERVIEW, canvas)
    if scene.georeference:
        altitude = up + scene.georeference.altitude
        limits = {"taken": _limits(taken, scene.georeference, altitude)}
        _tell(output, limits, outlines, scene.georeference, altitude)
    size = f"{np.ptp(box.east):.0f} x {np.ptp(box.north):.0f} m"
    return Progress(1.0, f"{len(images)} posed images of {size}", preview=output / OVERVIEW)


def _outline(camera: Camera, up: float) -> np.ndarray:
    """[4, 2] east, north where the corners of a picture meet the ground, `up` metres high."""
    width, height = camera.width, camera.height
    corners = np.array([(0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)], np.float64)
    rays = corners @ np.linalg.inv(camera.K).T @ camera.rotation.T
    if (rays[:, 2] > -1e-6).any():
        raise UserError("an image looks at the horizon, so it has no outline on the ground", hint="Give aerial images")
    return camera.position[:2] + rays[:, :2] * ((up - camera.position[2]) / rays[:, 2])[:, None]


def _tell(output: Path, limits: dict, outlines: dict[str, np.ndarray], frame: Georeference, altitude: float) -> None:
    """footprints.json: all in degrees."""
    told = limits | {"outlines": {name: _degrees(edge, frame, altitude) for name, edge in outlines.items()}}
    with atomic_write(output / FOOTPRINTS) as temporary:
        temporary.write_text(json.dumps(told, indent=1), encoding="utf-8")


def _small(raster: Raster):
    """The whole image, at most _SIDE pixels wide or high: values [h, w, bands], valid [h, w], and its RPC."""
    scale = min(1.0, _SIDE / max(raster.width, raster.height))
    width, height = max(1, round(scale * raster.width)), max(1, round(scale * raster.height))
    with opened(raster.path) as dataset:
        values = dataset.read(raster.bands, out_shape=(len(raster.bands), height, width)).astype(np.float32)
    values = np.nan_to_num(np.moveaxis(values, 0, -1))
    valid = (values != (0 if raster.nodata is None else raster.nodata)).any(-1)
    across, down, rpc = width / raster.width, height / raster.height, raster.rpc
    small = replace(
        rpc,
        samp_off=rpc.samp_off * across,
        samp_scale=rpc.samp_scale * across,
        line_off=rpc.line_off * down,
        line_scale=rpc.line_scale * down,
    )
    return values, valid, small


def _degrees(places: np.ndarray, frame: Georeference, altitude: float) -> list[list[float]]:
    """[K, 2] east, north -> latitude, longitude of each."""
    level = np.full(len(places), altitude - frame.altitude)
    latitude, longitude, _ = frame.geodetic(np.column_stack([places, level]))
    return np.stack([latitude, longitude], -1).round(8).tolist()


def _limits(rectangle: areas.Rectangle, frame: Georeference, altitude: float) -> list[float]:
    """south, west, north, east in degrees of a rectangle's middle lines."""
    west, south, east, north = rectangle
    x, y = (west + east) / 2, (south + north) / 2
    sides = _degrees(np.array([(x, south), (west, y), (x, north), (east, y)]), frame, altitude)
    return [sides[0][0], sides[1][1], sides[2][0], sides[3][1]]
