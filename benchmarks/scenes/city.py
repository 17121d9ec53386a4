"""A city from satellites: off-nadir images of several dates, its exact height map, and views down to 17 degrees.

    .venv/bin/python benchmarks/scenes/city.py OUT --size 256 --pixel 0.4 --views 12
    .venv/bin/python benchmarks/scenes/city.py OUT --size 48 --pixel 0.5 --views 6 --truth 96 --azimuths 1

Writes a scene as `skyworld satellite prepare` does (images, transforms, points3D.txt, scene.json), and what only the
maker can know:
    truth/dsm.npz           exact heights at the centres of 0.5 m cells (`HeightMap`)
    truth/views.json        cameras on rings of elevation 80, 65, 45, 30, 17 degrees, in the light of the first date
    truth/<name>.jpg|png    what they see
    truth/<name>_mask.png   which pixels show the area itself, and not what lies around it or the sky
The images are parallel views with the pinhole of a satellite 600 km away, which differs from them by less than 0.05 px.
Every date has its own sun, haze, tone and cars; the last image is held out.
"""

import argparse
import json
import math
from itertools import pairwise
from pathlib import Path

import bpy
import numpy as np
import rendering
from blocks import Palette, Quads, Trees, car, house, office, tower
from mathutils import Matrix
from mathutils.bvhtree import BVHTree
from PIL import Image

from skyworld.camera import Camera, look_at
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box, SatelliteImage, SatelliteScene, write_picture, write_scene
from skyworld.world.georeference import Georeference

ELEVATIONS = (80, 65, 45, 30, 17)
ALTITUDE = 600_000.0  # metres from the satellite to the city
CELL = 0.5  # metres, of the height map
STREET, WALK = 9.0, 2.6
TURN = math.radians(11)  # of the streets to the north: no wall lies along a row of pixels
ORIGIN = Georeference.at(43.6043, 1.4437, 190.0)


# ---- the city -------------------------------------------------------------------------------------------------------


class City:
    """Built from a seed; `half` is half the side of the area that is seen and judged, metres."""

    def __init__(self, size: float, seed: int):
        self.rng, self.half = np.random.default_rng(seed), size / 2
        self.at = Matrix.Rotation(-TURN, 4, "Z")
        self.palette = Palette()
        self.trees = Trees(self.palette, self.rng)
        self.streets = [self._lines(), self._lines()]
        self._ground()
        xs, ys = ([(a + STREET / 2, b - STREET / 2) for a, b in pairwise(s)] for s in self.streets)
        blocks = [(*x, *y) for x in xs for y in ys]
        middle = min(range(len(blocks)), key=lambda i: math.hypot(sum(blocks[i][:2]), sum(blocks[i][2:])))
        for index, block in enumerate(blocks):
            kind = self.rng.choice(["houses", "offices", "mixed", "park"], p=(0.36, 0.3, 0.24, 0.1))
            if index == middle:
                kind = "centre" if size > 100 else "mixed"
            self._block(block, kind)
        self.parked: list[bpy.types.Object] = []

    def _lines(self) -> np.ndarray:
        """Middles of parallel streets, beyond the area on both sides."""
        reach, low = self.half * 1.3 + 30, 40 if self.half < 40 else 52
        lines = [self.rng.uniform(-0.7, -0.3) * low]
        while lines[-1] < reach:
            lines.append(lines[-1] + self.rng.uniform(low, 1.35 * low))
        while lines[0] > -reach:
            lines.insert(0, lines[0] - self.rng.uniform(low, 1.35 * low))
        return np.array(lines)

    def _ground(self) -> None:
        quads, p = Quads(), self.palette
        reach = 4 * self.half + 300
        quads.flat(p.grass, -reach, reach, -reach, reach, -0.12)
        low, high = (min(s[0] for s in self.streets), max(s[-1] for s in self.streets))
        quads.flat(p.asphalt, low, high, low, high, 0.0)
        for axis, lines in enumerate(self.streets):
            other = self.streets[1 - axis]
            for line in lines:
                marks = np.arange(low, high, 6.0)
                marks = [m for m in marks if np.abs(other - m).min() > STREET]
                self._stripes(quads, axis, [(line - 0.09, line + 0.09, m, m + 2.6) for m in marks])
                for crossing in other:
                    for side in (-1, 1):
                        y = crossing + side * (STREET / 2 + 1.6)
                        self._stripes(
                            quads, axis, [(x, x + 0.55, y - 1.3, y + 1.3) for x in line + np.arange(-3.6, 3.6, 1.1)]
                        )
        quads.made("ground", self.at)

    def _stripes(self, quads, axis, stripes) -> None:
        for x0, x1, y0, y1 in stripes:
            quads.flat(self.palette.lines, *((x0, x1, y0, y1) if axis == 0 else (y0, y1, x0, x1)), 0.02)

    def _block(self, block, kind: str) -> None:
        x0, x1, y0, y1 = block
        rng, p = self.rng, self.palette
        quads = Quads()
        quads.block(p.paving, x0, x1, y0, y1, 0, 0.1)
        inner = (x0 + WALK, x1 - WALK, y0 + WALK, y1 - WALK)
        quads.flat(p.grass if kind != "offices" else p.soil, *inner, 0.12)
        quads.made("block", self.at)
        self._street_trees(block)
        if kind == "park":
            return self._park(inner)
        for lot in _lots(inner, 17.0 if kind == "houses" else 26.0, rng):
            wide = min(lot[1] - lot[0], lot[3] - lot[2])
            draw = rng.random()
            if kind == "houses" or (kind == "mixed" and draw < 0.35 and wide < 24):
                house(p, rng, lot, self.at)
                self.trees.plant(_scattered(rng, lot, rng.integers(0, 3), edge=1.4), self.at, 1.1, 2.0)
            elif kind == "centre" and draw < 0.55:
                tower(p, rng, lot, self.at, int(rng.integers(7, 13)))
            elif kind != "centre" and draw > 0.88:
                self._lot_of_cars(lot)
            else:
                office(p, rng, lot, self.at, int(rng.integers(2, 7)))

    def _street_trees(self, block) -> None:
        x0, x1, y0, y1 = block
        along = [(x, y) for x in (x0 + 1.2, x1 - 1.2) for y in np.arange(y0 + 5, y1 - 4, 8.5)]
        along += [(x, y) for y in (y0 + 1.2, y1 - 1.2) for x in np.arange(x0 + 5, x1 - 4, 8.5)]
        keep = self.rng.random(len(along)) < 0.5
        places = np.array(along)[keep] + self.rng.normal(0, 0.3, (keep.sum(), 2))
        self.trees.plant(places, self.at, 1.2, 2.0)

    def _park(self, inner) -> None:
        x0, x1, y0, y1 = inner
        quads, xm, ym = Quads(), (x0 + x1) / 2, (y0 + y1) / 2
        quads.flat(self.palette.soil, x0, x1, ym - 1.2, ym + 1.2, 0.14)
        quads.flat(self.palette.soil, xm - 1.2, xm + 1.2, y0, y1, 0.145)
        quads.flat(self.palette.paving, xm - 5, xm + 5, ym - 5, ym + 5, 0.15)
        quads.block(self.palette.trim, xm - 1.5, xm + 1.5, ym - 1.5, ym + 1.5, 0.1, 1.4)
        quads.made("park", self.at)
        places = _scattered(self.rng, inner, int((x1 - x0) * (y1 - y0) / 45), edge=2)
        away = np.hypot(*(places - (xm, ym)).T) > 8
        self.trees.plant(places[away], self.at, 1.8, 3.6)

    def _lot_of_cars(self, lot) -> None:
        x0, x1, y0, y1 = lot
        quads = Quads()
        quads.flat(self.palette.asphalt, *lot, 0.13)
        for y in (y0 + 5.2, y1 - 5.2):
            low = y - 4.8 if y < (y0 + y1) / 2 else y
            for x in np.arange(x0 + 0.5, x1, 2.7):
                quads.flat(self.palette.lines, x, x + 0.12, low, low + 4.8, 0.15)
        quads.made("parking", self.at)

    def park_cars(self, seed: int) -> None:
        """Other cars: those of a date."""
        for each in self.parked:
            bpy.data.objects.remove(each)
        rng, before = np.random.default_rng(seed), set(bpy.data.objects)
        for axis, lines in enumerate(self.streets):
            for line in lines:
                for along in np.arange(-1.4 * self.half - 30, 1.4 * self.half + 30, 6.0):
                    side = rng.choice((-1, 1))
                    if rng.random() > 0.42 or np.abs(self.streets[1 - axis] - along).min() < STREET:
                        continue
                    across = line + side * (STREET / 2 - 1.1 if rng.random() < 0.75 else 1.7)
                    x, y = (across, along) if axis == 0 else (along, across)
                    car(self.palette, rng, x, y, math.pi / 2 * (1 - axis) + rng.normal(0, 0.03), self.at)
        self.parked = [each for each in bpy.data.objects if each not in before]


def _lots(rectangle, most: float, rng) -> list:
    """Cut in two until no side is longer than `most` metres (and not shorter than 11)."""
    x0, x1, y0, y1 = rectangle
    if max(x1 - x0, y1 - y0) <= most:
        return [rectangle]
    cut = rng.uniform(0.42, 0.58)
    if x1 - x0 > y1 - y0:
        xm = x0 + cut * (x1 - x0)
        halves = (x0, xm, y0, y1), (xm, x1, y0, y1)
    else:
        ym = y0 + cut * (y1 - y0)
        halves = (x0, x1, y0, ym), (x0, x1, ym, y1)
    return [lot for half in halves for lot in _lots(half, most, rng)]


def _scattered(rng, lot, count: int, edge: float) -> np.ndarray:
    x0, x1, y0, y1 = lot
    return rng.uniform((x0 + edge, y0 + edge), (x1 - edge, y1 - edge), (count, 2))


# ---- light ----------------------------------------------------------------------------------------------------------


def light(scene, azimuth: float, elevation: float, haze: float) -> None:
    """A sun (degrees, clockwise from north) and a sky that is bluer the less haze there is."""
    for each in [o for o in scene.objects if o.type == "LIGHT"]:
        bpy.data.objects.remove(each)
    lamp = bpy.data.lights.new("sun", "SUN")
    lamp.energy, lamp.angle, lamp.color = 3.6 * (1 - 0.5 * haze), math.radians(0.6 + 4 * haze), (1.0, 0.94, 0.85)
    sun = bpy.data.objects.new("sun", lamp)
    scene.collection.objects.link(sun)
    sun.matrix_world = Matrix.Rotation(-math.radians(azimuth), 4, "Z") @ Matrix.Rotation(
        -(math.pi / 2 - math.radians(elevation)), 4, "X"
    )
    world = scene.world or bpy.data.worlds.new("sky")
    scene.world = world
    world.use_nodes = True
    sky = world.node_tree.nodes["Background"]
    sky.inputs["Color"].default_value = (0.45 + 0.3 * haze, 0.6 + 0.2 * haze, 0.9, 1)
    sky.inputs["Strength"].default_value = 0.75 + 0.3 * haze


def dates(count: int, seed: int) -> list[dict]:
    """Sun, tone and season of so many dates; the first is plain, so that it serves as reference."""
    rng = np.random.default_rng(seed + 1)
    found = []
    for index in range(count):
        found.append(
            {
                "date": f"2024-{1 + (4 + 5 * index) % 12:02d}-{3 + (11 * index) % 25:02d}T10:4{index % 10}:00Z",
                "sun": (float(rng.uniform(128, 172)), float(rng.uniform(38, 66))),
                "haze": float(rng.uniform(0, 0.35)) if index else 0.08,
                "gain": (rng.uniform(0.78, 1.22) * rng.uniform(0.93, 1.07, 3) if index else np.ones(3)).tolist(),
                "gamma": float(rng.uniform(0.88, 1.14)) if index else 1.0,
            }
        )
    return found


def toned(picture: Image.Image, date: dict) -> np.ndarray:
    """[H, W, 3] uint8 as the sensor of that date and its maker's colour table show it."""
    encoded = np.asarray(picture, np.float32) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    veil = 0.12 * date["haze"] * np.array((0.75, 0.9, 1.1))
    linear = np.clip((linear * (1 - 0.25 * date["haze"]) + veil) * date["gain"], 0, 1) ** date["gamma"]
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.clip(np.round(encoded * 255), 1, 255).astype(np.uint8)  # pure black says: no data


# ---- cameras --------------------------------------------------------------------------------------------------------


def _direction(azimuth: float, elevation: float) -> np.ndarray:
    """From the city to the camera, degrees clockwise from north and up."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), math.cos(a) * math.cos(e), math.sin(e)])


def satellite(azimuth: float, elevation: float, box: Box, pixel: float) -> tuple[Camera, Camera]:
    """The parallel camera that shows the whole box, north at the top, and the satellite's pinhole that equals it."""
    centre, towards = box.centre, _direction(azimuth, elevation)
    pose = look_at(centre + towards * 1000, centre, up=(0, 1, 0))
    corners = (box.grid(2) - centre) @ pose[:3, :2]
    low, high = corners.min(0) / pixel, corners.max(0) / pixel
    width, height = (math.ceil(size) + 4 for size in high - low)
    cx, cy = (width - low[0] - high[0]) / 2, (height - low[1] - high[1]) / 2
    parallel = Camera(pose, np.array([[1 / pixel, 0, cx], [0, 1 / pixel, cy], [0, 0, 1]]), width, height, "ortho")
    far = pose.copy()
    far[:3, 3] = centre + towards * ALTITUDE
    f = ALTITUDE / pixel
    return parallel, Camera(far, np.array([[f, 0, cx], [0, f, cy], [0, 0, 1]]), width, height)


def passes(count: int, seed: int) -> list[tuple[float, float]]:
    """(azimuth, elevation) of so many satellite views: all around, from 84 down to 60 degrees."""
    rng = np.random.default_rng(seed + 2)
    elevations = np.linspace(60, 84, count)[rng.permutation(count)]
    return [(float((137.5 * k + rng.uniform(-15, 15)) % 360), float(e)) for k, e in enumerate(elevations)]


def rings(size: float, azimuths: int, pixels: int) -> list[dict]:
    """Cameras with 20 degrees of view around the middle, as Skyfall-GS is judged (wider where the area is small)."""
    found = []
    radius = max(1.35 * size, 90.0)
    fov = 2 * math.atan(0.5 * 0.47 * size / radius)
    for ring, elevation in enumerate(ELEVATIONS):
        for k in range(azimuths):
            azimuth = 360 * k / azimuths + 25 + 40 * ring
            target = np.array((0, 0, 4.0))
            pose = look_at(target + radius * _direction(azimuth, elevation), target)
            camera = Camera.pinhole(pose, fov, pixels, pixels)
            found.append({"name": f"e{elevation}_{k}", "elevation": elevation, "camera": camera})
    return found


def set_camera(lens, scene, camera: Camera) -> None:
    """Blender's camera as ours: square pixels, the principal point anywhere."""
    lens.matrix_world = Matrix(camera.camera_to_world @ np.diag([1.0, -1, -1, 1]))
    width, height = camera.width, camera.height
    scene.render.resolution_x, scene.render.resolution_y = width, height
    longer = max(width, height)
    lens.data.clip_start, lens.data.sensor_fit = 1.0, "AUTO"
    if camera.model == "ortho":
        lens.data.type, lens.data.ortho_scale = "ORTHO", longer / camera.K[0, 0]
    else:
        lens.data.type, lens.data.angle = "PERSP", 2 * math.atan(longer / 2 / camera.K[0, 0])
    lens.data.shift_x = (width / 2 - camera.K[0, 2]) / longer
    lens.data.shift_y = (camera.K[1, 2] - height / 2) / longer


# ---- what only the maker knows --------------------------------------------------------------------------------------


def surface() -> BVHTree:
    """Every face of the scene but those of cars and lamps, in the world."""
    bpy.context.view_layer.update()  # until then an object that was scaled after it was placed has its old matrix
    vertices, faces = [], []
    for each in bpy.context.scene.objects:
        if each.type != "MESH" or each.name.startswith("car"):
            continue
        data, first = each.data, len(vertices)
        places = np.empty(3 * len(data.vertices))
        data.vertices.foreach_get("co", places)
        matrix = np.array(each.matrix_world)
        vertices += (places.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]).tolist()
        faces += [[first + index for index in face.vertices] for face in data.polygons]
    return BVHTree.FromPolygons(vertices, faces)


def height_map(tree: BVHTree, box: Box) -> HeightMap:
    """Highest surface at the centres of cells."""

    def highest(east, north):
        hits = [tree.ray_cast((x, y, 500.0), (0, 0, -1))[0] for x, y in zip(east.ravel(), north.ravel(), strict=True)]
        return np.array([hit.z for hit in hits]).reshape(east.shape)

    return HeightMap.over(box.east[0], box.north[0], box.east[1], box.north[1], CELL, highest)


def seen_places(camera: Camera, depth: np.ndarray) -> np.ndarray:
    """World places [H, W, 3] of a picture's depth along the camera's z, inf where there is none."""
    rays = camera.rays()
    if camera.model == "ortho":
        u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
        local = np.stack([(u - camera.K[0, 2]) / camera.K[0, 0], (v - camera.K[1, 2]) / camera.K[1, 1], depth], -1)
        return local @ camera.rotation.T + camera.position
    return camera.position + rays * (depth / (rays @ camera.rotation[:, 2]))[..., None]


def inside(places: np.ndarray, box: Box) -> np.ndarray:
    (w, e), (s, n) = box.east, box.north
    x, y = places[..., 0], places[..., 1]
    return (x > w) & (x < e) & (y > s) & (y < n) & np.isfinite(places).all(-1)


def tie_points(picture: np.ndarray, places: np.ndarray, within: np.ndarray, count: int, rng) -> tuple:
    """As matching gives them: at corners of the picture, two decimetres off."""
    grey = picture.astype(np.float32).mean(-1)
    strength = np.hypot(*np.gradient(grey)) * within
    chosen = rng.choice(strength.size, count, replace=False, p=(strength / strength.sum()).ravel())
    xyz = places.reshape(-1, 3)[chosen] + rng.normal(0, 0.2, (count, 3))
    return xyz, picture.reshape(-1, 3)[chosen] / np.float32(255)


# ---- all of it ------------------------------------------------------------------------------------------------------


def make(folder: Path, size: float, pixel: float, views: int, samples: int, truth: int, azimuths: int, seed: int):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    city = City(size, seed)
    tree = surface()
    flat = Box((-size / 2, size / 2), (-size / 2, size / 2), (-1.0, 1.0))
    dsm = height_map(tree, flat)
    box = Box(flat.east, flat.north, (-2.0, float(math.ceil(np.nanmax(dsm.up) + 2))))
    dsm.write(folder / "truth" / "dsm.npz")
    lens = rendering.prepare(scene, 64, 64, samples=samples, bounces=3, transform="Standard")
    rng, images, points = np.random.default_rng(seed + 3), [], []
    lights = dates(views, seed)
    for index, ((azimuth, elevation), date) in enumerate(zip(passes(views, seed), lights, strict=True)):
        city.park_cars(seed + 100 + index)
        light(scene, *date["sun"], date["haze"])
        parallel, pinhole = satellite(azimuth, elevation, box, pixel)
        set_camera(lens, scene, parallel)
        picture, depth = rendering.shoot(scene)
        picture = toned(picture, date)
        image = SatelliteImage(
            f"view{index:02d}", pinhole, folder / "images" / f"view{index:02d}.png", date=date["date"], sun=date["sun"]
        )
        write_picture(image.picture, picture)
        images.append(image)
        if index < views - 1:
            places = seen_places(parallel, depth)
            points.append(tie_points(picture, places, inside(places, box), int(size * size / 4 / views), rng))
        print(f"{image.name}  azimuth {azimuth:.0f}  elevation {elevation:.0f}  {picture.shape}", flush=True)
    xyz, rgb = (np.concatenate(column) for column in zip(*points, strict=True))
    write_scene(SatelliteScene(folder, images[:-1], xyz, rgb, box, ORIGIN, images[-1:]))
    _truth(folder / "truth", city, lens, lights[0], box, rings(size, azimuths, truth), seed)


def _truth(folder: Path, city: City, lens, date: dict, box: Box, views: list[dict], seed: int) -> None:
    scene = bpy.context.scene
    city.park_cars(seed + 100)
    light(scene, *date["sun"], date["haze"])
    folder.mkdir(parents=True, exist_ok=True)
    for view in views:
        set_camera(lens, scene, view["camera"])
        picture, depth = rendering.shoot(scene)
        Image.fromarray(toned(picture, date)).save(folder / f"{view['name']}.jpg", quality=95, subsampling=0)
        mask = inside(seen_places(view["camera"], depth.astype(np.float64)), box)
        Image.fromarray(mask).save(folder / f"{view['name']}_mask.png", optimize=True)
        print(view["name"], f"{mask.mean():.2f}", flush=True)
    told = [view | {"camera": view["camera"].to_json()} for view in views]
    (folder / "views.json").write_text(json.dumps(told) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=float, default=128, help="metres")
    parser.add_argument("--pixel", type=float, default=0.4, help="metres on the ground")
    parser.add_argument("--views", type=int, default=6, help="the last one is held out")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--truth", type=int, default=512, help="pixels of the views on rings")
    parser.add_argument("--azimuths", type=int, default=4, help="views on each ring")
    parser.add_argument("--seed", type=int, default=7)
    a = parser.parse_args()
    make(a.folder, a.size, a.pixel, a.views, a.samples, a.truth, a.azimuths, a.seed)


if __name__ == "__main__":
    main()
