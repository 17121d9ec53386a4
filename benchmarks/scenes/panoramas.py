"""Panoramas with known distance: village, street, park and room, each from a seed, rendered with Cycles on the CPU.

    .venv/bin/python benchmarks/scenes/panoramas.py OUT --seeds 1 2 --scenes village street park room

Writes OUT/<scene>_<seed>.jpg and .npy, float32 metres along the ray (sky: inf). Seeds 1 to 9 are for tuning the
distance model, 10 and above for judging it.
"""

import argparse
import math
from pathlib import Path

import bpy
import nature
import numpy as np
import rendering
from houses import Masonry, door, windows
from nature import box, fbm, material, mesh, scatter, turned_matrix
from PIL import Image

EYE_HEIGHT = 1.6
HAZE = 2500.0


def level(x, y):
    return np.zeros(np.broadcast(np.atleast_1d(x), y).shape)


def spots(rng, count: int, near: float, far: float, apart: float, taken: list) -> list:
    """Up to `count` random places (x, y) between two radii, `apart` from each other; added to those `taken`."""
    found = []
    for _ in range(60 * count):
        r, a = math.sqrt(rng.uniform(near**2, far**2)), rng.uniform(0, 2 * math.pi)
        place = (r * math.cos(a), r * math.sin(a))
        if len(found) < count and all(math.dist(place, (x, y)) > apart + size for x, y, size in taken):
            found.append(place)
            taken.append((*place, apart))
    return found


class Plants:
    """Trees and shrubs of a scene, a few meshes shared by many objects."""

    def __init__(self, rng):
        self.rng = rng
        bark = material("bark", (0.1, 0.075, 0.05), (0.24, 0.19, 0.14), 11, bump=0.9, bump_scale=25, haze=HAZE)
        leafy = dict(islands=0.33, haze=HAZE)
        fresh = material("fresh", (0.07, 0.15, 0.02), (0.2, 0.3, 0.06), 2, translucent=0.3, **leafy)
        dull = material("dull", (0.1, 0.13, 0.05), (0.27, 0.3, 0.14), 2, translucent=0.3, **leafy)
        dark = material("dark", (0.02, 0.05, 0.015), (0.07, 0.12, 0.035), 3, translucent=0.15, **leafy)
        crown = dict(leaves=9000, size=0.13)
        self.trees = [
            nature.broadleaf("tree", bark, leaf, rng, height=h, spread=s, **crown)
            for leaf, h, s in ((fresh, 6.5, 2.6), (dull, 5.0, 2.3), (fresh, 8.5, 3.2))
        ]
        self.trees.append(nature.cypress("cypress", bark, dark, rng, height=8.5, leaves=9000, size=0.1))
        self.shrubs = [nature.bush("shrub", leaf, rng, radius=0.6, leaves=3500, size=0.05) for leaf in (fresh, dull)]
        for each in self.trees + self.shrubs:
            bpy.context.scene.collection.objects.unlink(each)

    def place(self, kinds, places, low: float = 0.75, high: float = 1.25) -> None:
        for x, y in places:
            source = kinds[self.rng.integers(len(kinds))]
            made = bpy.data.objects.new(source.name, source.data)
            bpy.context.scene.collection.objects.link(made)
            made.matrix_world = turned_matrix(x, y, 0, self.rng.uniform(0, 6)) @ made.matrix_world
            made.scale = [self.rng.uniform(low, high)] * 3


def plane(surface, size: float = 4000.0) -> None:
    corners = [(-size, -size, 0), (size, -size, 0), (size, size, 0), (-size, size, 0)]
    mesh("ground", corners, [(0, 1, 2, 3)], surface, smooth=False)


def hills(rng) -> None:
    surface = material("hills", (0.05, 0.1, 0.03), (0.2, 0.2, 0.08), 0.02, haze=HAZE)
    angle, radius = np.linspace(0, 2 * np.pi, 181), np.linspace(220, 900, 30)
    x, y = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
    rise = np.sin(np.linspace(0, np.pi, 30))[:, None] ** 1.2
    z = rise * (45 + 60 * fbm(x / 180, y / 180, int(rng.integers(1000)))) - 3
    corner = (np.arange(29)[:, None] * 181 + np.arange(180)).ravel()
    faces = np.stack([corner, corner + 181, corner + 182, corner + 1], 1)
    mesh("hills", np.stack([x, y, z], -1).reshape(-1, 3), faces, surface)


def lawn(rng, count: int = 9000, reach: float = 14.0, clear=lambda x, y: False) -> None:
    blade = material("blade", (0.06, 0.13, 0.015), (0.17, 0.25, 0.04), 3, varied=0.3, translucent=0.35)
    tufts = nature.library("tufts", [nature.tuft("t", blade, rng, height=h) for h in (0.05, 0.07, 0.09)])
    r, a = reach * rng.random(count) ** 0.6, rng.uniform(0, 2 * np.pi, count)
    at = np.stack([r * np.cos(a), r * np.sin(a), 0 * r], 1)
    at = at[[not clear(x, y) for x, y, _ in at]]
    scatter("lawn", tufts, at, rng.uniform(0, 6.28, at.shape) * [0, 0, 1], rng.uniform(0.7, 1.4, len(at)), rng)


def village(rng) -> None:
    nature.sky(bpy.context.scene, elevation=rng.uniform(18, 45), azimuth=rng.uniform(0, 360), strength=0.14, clouds=0.5)
    plane(material("meadow", (0.07, 0.11, 0.025), (0.2, 0.19, 0.09), 0.8, bump=0.4, haze=HAZE))
    hills(rng)
    lawn(rng)
    masonry, taken = Masonry(rng, level, HAZE), [(0, 0, 1.5)]
    for k, (x, y) in enumerate(spots(rng, 7, 10, 38, 6.5, taken)):
        turn = math.atan2(y, x) + math.pi / 2 + math.pi + rng.uniform(-0.9, 0.9)  # fronts look about at the camera
        wide, high = rng.uniform(6.5, 9), rng.uniform(3.4, 5.6)
        openings = door(0.0) + windows("front", (-2, 2), (0.9,)) + windows("right", (0.5,), (0.9,))
        openings += windows("front", (-2, 2), (3.0,)) if high > 4.4 else []
        masonry.house(
            x, y, turn, wide, rng.uniform(5, 6.5), high, 1.7, openings, plaster=(None, 0, 1, 2)[k % 4], paint=k % 2
        )
    plants = Plants(rng)
    plants.place(plants.trees, spots(rng, 11, 6, 40, 1.8, taken))
    plants.place(plants.shrubs, spots(rng, 10, 4, 20, 0.7, taken))


def car(rng, paint, glass, rubber, x: float, y: float, turn: float) -> None:
    frame = turned_matrix(x, y, 0, turn)
    box("body", (1.75, 4.2, 0.62), (0, 0, 0.61), paint, frame, 0.16)
    box("cabin", (1.5, 2.1, 0.56), (0, -0.2, 1.16), glass, frame, 0.2)
    box("roof", (1.36, 1.6, 0.06), (0, -0.2, 1.45), paint, frame, 0.02)
    for side in (-0.8, 0.8):
        for along in (-1.3, 1.3):
            box("wheel", (0.2, 0.62, 0.62), (side, along, 0.31), rubber, frame, 0.18)


def street(rng) -> None:
    nature.sky(bpy.context.scene, elevation=rng.uniform(25, 60), azimuth=rng.uniform(0, 360), strength=0.14, clouds=0.4)
    plane(material("asphalt", (0.06, 0.06, 0.065), (0.11, 0.11, 0.11), 3, bump=0.3, haze=HAZE))
    hills(rng)
    kerb = material("pavement", (0.22, 0.21, 0.2), (0.33, 0.32, 0.3), 4, bump=0.2, haze=HAZE)
    for side in (-1, 1):
        box("pavement", (2.2, 140, 0.12), (side * 6.4, 0, 0.06), kerb)
    masonry = Masonry(rng, level, HAZE)
    for side in (-1, 1):
        y = -58.0
        while y < 58:
            wide, high = rng.uniform(7, 11), rng.uniform(5.5, 11)
            front = side * rng.uniform(7.5, 7.9)
            columns = np.arange(-wide / 2 + 1.5, wide / 2 - 1, 2.4)
            openings = windows("front", columns[1:], (0.9,)) + door(columns[0])
            for floor in np.arange(3.3, high - 1.4, 2.7):
                openings += windows("front", columns, (floor,))
            far = abs(y + wide / 2) > 34
            masonry.house(
                front + side * 3.5, y + wide / 2, -side * math.pi / 2, wide, 7, high, 1.6, [] if far else openings,
                plaster=int(rng.integers(3)), paint=int(rng.integers(2)),
            )  # fmt: skip
            y += wide
    glass = material("windscreen", (0.02, 0.025, 0.03), (0.05, 0.055, 0.06), 1, roughness=0.05)
    rubber = material("rubber", (0.015, 0.015, 0.015), (0.03, 0.03, 0.03), 9)
    colours = ((0.45, 0.02, 0.02), (0.03, 0.08, 0.3), (0.5, 0.5, 0.5), (0.02, 0.02, 0.025), (0.6, 0.55, 0.4))
    for side in (-1, 1):
        for y in rng.choice(np.arange(-27, 28, 6.0), 4, replace=False):
            base = colours[rng.integers(len(colours))]
            paint = material("paint", base, tuple(1.15 * c for c in base), 1, roughness=0.25)
            car(rng, paint, glass, rubber, side * 4.3, y + rng.uniform(-0.7, 0.7), rng.choice((0, math.pi)))
    plants = Plants(rng)
    plants.place(plants.trees[:2], [(side * 6.3, y) for side in (-1, 1) for y in rng.uniform(-30, 30, 3)], 0.7, 0.95)


def park(rng) -> None:
    nature.sky(bpy.context.scene, elevation=rng.uniform(15, 50), azimuth=rng.uniform(0, 360), strength=0.14, clouds=0.5)
    heading = rng.uniform(0, math.pi)

    def on_path(x, y):
        return abs(-x * math.sin(heading) + y * math.cos(heading) - 2) < 1.1

    plane(material("lawn", (0.06, 0.12, 0.02), (0.15, 0.21, 0.05), 1.4, bump=0.4, haze=HAZE))
    gravel = material("gravel", (0.3, 0.26, 0.2), (0.45, 0.4, 0.32), 14, bump=0.5, haze=HAZE)
    box("path", (140, 2.0, 0.02), (0, 2, 0.0), gravel, turned_matrix(0, 0, 0, heading), 0)
    hills(rng)
    lawn(rng, clear=on_path)
    plants, taken = Plants(rng), [(0, 0, 2.5)]
    plants.place(plants.trees, spots(rng, 24, 5, 55, 2.2, taken), 0.7, 1.3)
    plants.place(plants.shrubs, spots(rng, 14, 3, 30, 0.8, taken), 0.7, 1.8)
    granite = material("granite", (0.2, 0.2, 0.2), (0.42, 0.4, 0.37), 4, bump=0.6, haze=HAZE)
    rocks = nature.stones("rock", granite, rng, squareness=3)
    at = np.array([(x, y, 0.2) for x, y in spots(rng, 8, 2.5, 16, 0.6, taken)])
    scatter("rocks", rocks, at, rng.uniform(0, 6, at.shape), rng.uniform(0.5, 1.5, len(at)), rng)
    wood = material("bench", (0.2, 0.1, 0.05), (0.3, 0.17, 0.08), 6, haze=HAZE)
    for x, y in spots(rng, 3, 4, 12, 1.2, taken):
        frame = turned_matrix(x, y, 0, rng.uniform(0, 6))
        for size, centre in (((1.6, 0.45, 0.06), (0, 0, 0.45)), ((1.6, 0.06, 0.4), (0, 0.22, 0.72)),
                             ((0.08, 0.4, 0.45), (-0.7, 0, 0.22)), ((0.08, 0.4, 0.45), (0.7, 0, 0.22))):  # fmt: skip
            box("bench", size, centre, wood, frame)


def room(rng) -> None:
    wide, deep, high = rng.uniform(3.4, 5.5), rng.uniform(4.2, 6.5), rng.uniform(2.4, 2.9)
    x, y = rng.uniform(-0.5, 0.5), rng.uniform(-0.8, 0.8)
    frame = turned_matrix(0, 0, 0, rng.uniform(-0.5, 0.5))
    base = np.array([(0.5, 0.5, 0.42), (0.36, 0.42, 0.46), (0.55, 0.45, 0.36)][rng.integers(3)])
    wall = material("wall", tuple(base * 0.93), tuple(base), 2, bump=0.1)
    floor = material("floor", (0.2, 0.11, 0.05), (0.33, 0.2, 0.1), 2.5, roughness=0.5)
    white = material("white", (0.7, 0.7, 0.68), (0.78, 0.78, 0.76), 1)
    cloth = material(
        "cloth", *[((0.14, 0.2, 0.25), (0.2, 0.28, 0.34)), ((0.35, 0.3, 0.2), (0.45, 0.4, 0.3))][rng.integers(2)], 30
    )
    dark = material("walnut", (0.09, 0.05, 0.03), (0.17, 0.1, 0.06), 6)
    pale = material("oak", (0.42, 0.3, 0.17), (0.55, 0.41, 0.25), 6)

    def put(size, centre, surface, bevel=0.02):
        box("part", size, (centre[0] + x, centre[1] + y, centre[2]), surface, frame, bevel)

    put((wide, deep, 0.1), (0, 0, -0.05), floor, 0)
    put((wide, deep, 0.1), (0, 0, high + 0.05), white, 0)
    for side in (-1, 1):
        put((0.1, deep, high), (side * (wide / 2 + 0.05), 0, high / 2), wall, 0)
        put((wide, 0.1, high), (0, side * (deep / 2 + 0.05), high / 2), wall, 0)
        put((0.02, deep, 0.1), (side * (wide / 2 - 0.01), 0, 0.05), white, 0)
        put((wide, 0.02, 0.1), (0, side * (deep / 2 - 0.01), 0.05), white, 0)
    put((0.9, 0.05, 2.05), (rng.uniform(-1, 1) * (wide / 2 - 0.8), -deep / 2 + 0.02, 1.02), pale)
    for along in (-0.25, 0.25):
        put((0.03, 0.9, 0.65), (-wide / 2 + 0.02, along * deep, 1.55), dark)
        put((0.04, 0.8, 0.55), (-wide / 2 + 0.02, along * deep, 1.55), white)
    sofa = rng.uniform(-0.6, 0.6)
    for size, centre in (((0.85, 1.9, 0.42), (0.43, 0, 0.21)), ((0.25, 1.9, 0.85), (0.13, 0, 0.42)),
                         ((0.85, 0.2, 0.6), (0.43, -0.95, 0.3)), ((0.85, 0.2, 0.6), (0.43, 0.95, 0.3))):  # fmt: skip
        put(size, (-wide / 2 + centre[0], centre[1] + sofa, centre[2]), cloth, 0.06)
    put((0.45, rng.uniform(1.2, 1.8), 0.75), (wide / 2 - 0.23, rng.uniform(-1, 1), 0.38), pale)
    put((1.3, 0.45, rng.uniform(1.7, 2.1)), (rng.uniform(-0.5, 0.5), deep / 2 - 0.23, 1.0), dark)
    table = (rng.uniform(-0.3, 0.3) + 0.2, rng.choice((-1, 1)) * rng.uniform(1.3, 1.6))
    put((0.9, 0.6, 0.04), (*table, 0.45), pale)
    for sx in (-0.4, 0.4):
        for sy in (-0.25, 0.25):
            put((0.06, 0.06, 0.43), (table[0] + sx, table[1] + sy, 0.215), pale)
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "AREA"))
    bpy.context.scene.collection.objects.link(lamp)
    lamp.matrix_world = frame @ turned_matrix(x, y, high - 0.06, 0)
    lamp.data.size, lamp.data.energy = 1.6, 75
    world = bpy.data.worlds.new("dim")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.0


SCENES = {"village": village, "street": street, "park": park, "room": room}


def render(name: str, seed: int, width: int, samples: int) -> tuple[Image.Image, np.ndarray]:
    """The picture and its distance [H, W] float32, inf where the sky is."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    SCENES[name](np.random.default_rng(1000 * list(SCENES).index(name) + seed))
    camera = rendering.prepare(scene, width, width // 2, samples=samples, bounces=6 if name == "room" else 3)
    camera.location, camera.rotation_euler = (0, 0, EYE_HEIGHT), (math.pi / 2, 0, 0)
    camera.data.type, camera.data.panorama_type = "PANO", "EQUIRECTANGULAR"
    return rendering.shoot(scene)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--samples", type=int, default=12)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for seed in asked.seeds:
        for name in asked.scenes:
            picture, distance = render(name, seed, asked.width, asked.samples)
            picture.save(asked.out / f"{name}_{seed}.jpg", quality=90)
            np.save(asked.out / f"{name}_{seed}.npy", distance)
