"""Scenes that others made (Skyfall-GS, COLMAP), and one ortho photo with its heights, as a scene folder."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from skyworld.camera import Camera, look_at
from skyworld.errors import UserError
from skyworld.parameters import SatellitePrepareParameters
from skyworld.progress import Progress
from skyworld.satellite import area as areas
from skyworld.satellite.height_map import HeightMap, resample
from skyworld.satellite.rasters import MOST_PIXELS, opened, tone_curve
from skyworld.satellite.scene import (
    TRAIN,
    Box,
    SatelliteImage,
    SatelliteScene,
    read_scene,
    write_picture,
    write_scene,
)
from skyworld.splats.dataset import Dataset, read_dataset
from skyworld.world.files import atomic_write, mendable
from skyworld.world.georeference import Georeference

HEIGHTS = "height.npz"  # of a scene whose heights are known
_UPRIGHT = 15.0  # degrees that a COLMAP model may lean before it is turned upright
_FAR = 600_000.0  # metres above an ortho photo that its camera stands: parallel rays to a fiftieth of a pixel
_POINTS = 20_000  # tie points that are taken from a height map


def import_folder(folder: Path, parameters: SatellitePrepareParameters) -> Iterator[Progress]:
    """A Skyfall-GS data set, or what `skyworld fit` reads: COLMAP's text model, transforms.json."""
    if Path(parameters.output).resolve() == folder.resolve():
        raise UserError("the scene would be written over what it is made from", file=folder, hint="Choose another -o")
    if parameters.area or parameters.dsm:
        raise UserError("is posed already: it takes no area and no height map", file=folder, hint="Leave them out")
    yield Progress(0.0, "reading the posed images")
    scene = read_scene(folder) if (folder / TRAIN).is_file() else _of_dataset(read_dataset(folder), folder, parameters)
    yield from _copied(_held_out(scene, parameters.hold_out), Path(parameters.output))


def _held_out(scene: SatelliteScene, names: list[str]) -> SatelliteScene:
    known = [image.name for image in scene.images]
    unknown = next((name for name in names if name not in known), None)
    if unknown:
        raise UserError(f"there is no image {unknown} to hold out", hint=f"Their names are {', '.join(known[:12])}")
    held = [image for image in scene.images if image.name in names]
    kept = [image for image in scene.images if image.name not in names]
    if not kept:
        raise UserError("no image is left to make a scene of", hint="Hold out fewer")
    return replace(scene, images=kept, held_out=[*scene.held_out, *held])


def _copied(scene: SatelliteScene, folder: Path) -> Iterator[Progress]:
    images = [*scene.images, *scene.held_out]
    moved = {}
    for index, image in enumerate(images):
        yield Progress(0.1 + 0.8 * index / len(images), f"copying {image.name}")
        picture, valid = image.read()
        name = image.picture.name if image.picture.suffix.lower() == ".png" else f"{image.name}.png"
        target = folder / "images" / name
        if target.suffix == image.picture.suffix:
            with atomic_write(target) as temporary:
                shutil.copyfile(image.picture, temporary)
        else:
            write_picture(target, picture)
        mask = _write_mask(folder, image.name, valid)
        moved[image.name] = replace(image, picture=target, mask=mask)
    kept, held = ([moved[image.name] for image in part] for part in (scene.images, scene.held_out))
    write_scene(replace(scene, folder=folder, images=kept, held_out=held))
    yield Progress(1.0, f"{len(images)} posed images", preview=kept[0].picture)


def _write_mask(folder: Path, name: str, valid: np.ndarray) -> Path:
    mask = folder / "masks" / f"{name}.npy"
    with atomic_write(mask) as temporary:
        np.save(temporary, valid.astype(np.uint8))
    return mask


def _of_dataset(data: Dataset, folder: Path, parameters) -> SatelliteScene:
    """A structure-from-motion model, turned upright where its z axis is not up. Its units stay as they are."""
    if data.points is None:
        raise UserError("holds no points", file=folder, hint="Export the whole model, with points3D.txt")
    turn = _upright(data.cameras)
    xyz = data.points[0].astype(np.float64) @ turn.T
    centre = np.median(xyz, 0)
    stems = [Path(name).stem for name in data.names]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice:
        raise UserError(f"two pictures are named {twice}", file=folder, hint="Give every picture a name of its own")
    images = []
    masks = data.masks or [None] * len(stems)
    for stem, camera, values, valid in zip(stems, data.cameras, data.pictures, masks, strict=True):
        pose = camera.camera_to_world.copy()
        pose[:3, :3] = turn @ pose[:3, :3]
        pose[:3, 3] = turn @ pose[:3, 3] - centre
        picture = Path(parameters.output) / "images" / f"{stem}.png"
        write_picture(picture, values)
        mask = None if valid is None else _write_mask(Path(parameters.output), stem, valid)
        images.append(SatelliteImage(stem, replace(camera, camera_to_world=pose), picture, mask))
    xyz = xyz - centre
    return SatelliteScene(folder, images, xyz, data.points[1], Box.around(xyz))


def _upright(cameras: list[Camera]) -> np.ndarray:
    """[3, 3] that turns the mean upward direction of cameras that look down from all sides to z."""
    up = np.mean([-camera.rotation[:, 1] - camera.rotation[:, 2] for camera in cameras], 0)
    length = np.linalg.norm(up)
    if length < 1e-3:
        raise UserError("its cameras look in all directions, none of them down", hint="Give aerial images of one place")
    up = up / length
    if up[2] > np.cos(np.radians(_UPRIGHT)):
        return np.eye(3)
    axis = np.cross(up, (0, 0, 1))
    if np.linalg.norm(axis) < 1e-9:
        return np.diag([1.0, -1, -1])
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + up[2])


# ---- an ortho photo and its heights ---------------------------------------------------------------------------------


def import_ortho(photo: Path, dsm: Path, parameters: SatellitePrepareParameters) -> Iterator[Progress]:
    """An ortho photo seen from far above, over the heights of a GeoTIFF in whatever coordinate system."""
    yield Progress(0.0, "reading the ortho photo")
    rectangle, place = _ortho_area(photo, parameters)
    heights = HeightMap.read(dsm, place)
    heights = _cropped(heights, rectangle, dsm)
    low, high = np.nanpercentile(heights.up, (0, 100))
    origin = replace(place, altitude=float(np.floor(place.altitude + low)))
    heights = replace(heights, up=heights.up - np.float32(origin.altitude - place.altitude))
    sunk = origin.altitude - place.altitude
    box = Box(rectangle[::2], rectangle[1::2], (float(low - sunk), float(high - sunk + 10)))
    yield Progress(0.3, "placing the ortho photo")
    values, valid, cell = _on_ground(photo, origin, rectangle, heights)
    folder = Path(parameters.output)
    with mendable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    shown = tone_curve([values], [valid]) if values.max() > 255 else lambda image: _eight_bits(image)
    picture = folder / "images" / f"{photo.stem}.png"
    write_picture(picture, shown(values))
    mask = _write_mask(folder, photo.stem, valid)
    image = SatelliteImage(photo.stem, _camera_above(rectangle, cell, valid.shape, box.centre[2]), picture, mask)
    xyz, rgb = _points(heights, image.camera, shown(values))
    heights.write(folder / HEIGHTS)
    write_scene(SatelliteScene(folder, [image], xyz, rgb, box, origin), {"heights": str(dsm.name)})
    yield Progress(1.0, f"{heights.shape[1]} x {heights.shape[0]} heights under one photo", preview=picture)


def _eight_bits(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, 2).astype(np.uint8) if image.shape[2] == 1 else image.astype(np.uint8)


def _ortho_area(photo: Path, parameters) -> tuple[areas.Rectangle, Georeference]:
    """The rectangle that is wanted of the photo, around an origin in its middle at altitude 0."""
    from rasterio.warp import transform_bounds

    with opened(photo) as raster:
        if raster.crs is None:
            hint = "An ortho photo lies on a map already; give images with RPC without --dsm"
            raise UserError("has no coordinate system", file=photo, hint=hint)
        west, south, east, north = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
    area = (south, west, north, east)
    if parameters.area:
        areas.check_degrees(parameters.area)
        asked = parameters.area
        if not (asked[0] < north and asked[2] > south and asked[1] < east and asked[3] > west):
            swapped = asked[1] < north and asked[3] > south and asked[0] < east and asked[2] > west
            hint = "Latitude comes first: south west north east" if swapped else "Give an area on the photo"
            raise UserError("does not show the area", file=photo, hint=hint)
        area = (max(south, asked[0]), max(west, asked[1]), min(north, asked[2]), min(east, asked[3]))
    place = Georeference.at((area[0] + area[2]) / 2, (area[1] + area[3]) / 2, 0.0)
    return areas.of_degrees(area, place, 0.0), place


def _cropped(heights: HeightMap, rectangle: areas.Rectangle, dsm: Path) -> HeightMap:
    west, south, east, north = rectangle
    part = HeightMap.over(west, south, east, north, heights.cell, heights.sample)
    if not np.isfinite(part.up).any():
        raise UserError("holds no heights where the photo lies", file=dsm, hint="Give the height map of that place")
    return part


def _on_ground(photo: Path, place: Georeference, rectangle: areas.Rectangle, heights: HeightMap):
    """The photo [H, W, bands] on a regular grid of the scene's frame, which of it counts, and the cell in metres."""
    import rasterio
    from pyproj import Transformer

    west, south, east, north = rectangle
    with opened(photo) as raster:
        colours = {1: (1,), 2: (1,), 3: (1, 2, 3), 4: (1, 2, 3)}.get(raster.count)
        if colours is None:
            raise UserError(f"has {raster.count} bands", file=photo, hint="Give a grey or RGB ortho photo")
        degrees = Transformer.from_crs(raster.crs, 4326, always_xy=True)
        corners = np.array([(west, north, 0), (east, north, 0), (west, south, 0), (east, south, 0)], np.float64)
        latitude, longitude, _ = place.geodetic(corners)
        x, y = degrees.transform(longitude, latitude, direction="INVERSE")
        columns, rows = _pixels(raster, x, y)
        left, top = int(np.floor(columns.min())) - 2, int(np.floor(rows.min())) - 2
        width, height = int(np.ceil(columns.max())) + 2 - left, int(np.ceil(rows.max())) + 2 - top
        if width * height > MOST_PIXELS:
            problem = f"the area is too large: {width} x {height} pixels"
            raise UserError(problem, file=photo, hint="Give a smaller one with --area")
        part = rasterio.windows.Window(left, top, width, height)
        read = np.moveaxis(raster.read(colours, window=part, boundless=True).astype(np.float32), 0, -1)
        valid = raster.read_masks(1, window=part, boundless=True) > 0
        cell = float(np.sqrt((east - west) * (north - south) / (np.ptp(columns) * np.ptp(rows))))
        across, down = round((east - west) / cell), round((north - south) / cell)
        e, n = np.meshgrid(west + (np.arange(across) + 0.5) * cell, north - (np.arange(down) + 0.5) * cell)
        up = np.nan_to_num(heights.sample(e, n))
        latitude, longitude, _ = place.geodetic(np.stack([e, n, up], -1))
        x, y = degrees.transform(longitude, latitude, direction="INVERSE")
        columns, rows = _pixels(raster, x, y)
    places = columns - left - 0.5, rows - top - 0.5
    counted = resample(valid.astype(np.float32), *places) > 0.99
    if not counted.any():
        raise UserError("holds no data in this area", file=photo, hint="Choose another area")
    values = np.stack([resample(band, *places) for band in np.moveaxis(read, -1, 0)], -1)
    values = np.clip(np.nan_to_num(values), read.min(), read.max())
    return np.where(counted[..., None], values, 0).astype(np.float32), counted, cell


def _pixels(raster, x, y) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of map coordinates; the first pixel's centre is at 0.5."""
    back = ~raster.transform
    return back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f


def _camera_above(rectangle: areas.Rectangle, cell: float, shape: tuple[int, int], level: float) -> Camera:
    """Looks straight down on the middle; a cell at height `level` [metres] is a pixel."""
    west, south, east, north = rectangle
    centre = np.array([(west + east) / 2, (south + north) / 2, level])
    f = _FAR / cell
    K = np.array([[f, 0, shape[1] / 2], [0, f, shape[0] / 2], [0, 0, 1]])
    return Camera(look_at(centre + np.array((0, 0, _FAR)), centre), K, shape[1], shape[0])


def _points(heights: HeightMap, camera: Camera, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some of the cells as coloured points."""
    places = heights.points().reshape(-1, 3)
    places = places[np.isfinite(places[:, 2])]
    places = places[:: max(1, len(places) // _POINTS)]
    pixels = np.floor(camera.project(places)[0]).astype(int)
    column, row = np.clip(pixels, 0, (camera.width - 1, camera.height - 1)).T
    return places, picture[row, column].astype(np.float32) / 255
