"""The project's sample picture: a lane of a hill village in low sun, rendered with Cycles on the CPU.

    .venv/bin/python benchmarks/scenes/sample.py docs/sample/hill_village.jpg

--draft renders 480 x 320 with few samples, for looking while the scene is changed.
"""

import argparse
import math
from pathlib import Path

import bpy
import nature
import numpy as np
import rendering
from houses import Masonry, door, windows
from nature import bush, fbm, lathe, material, mesh, scatter, stones, tuft, turned_matrix
from PIL import Image

FOCAL_LENGTH_35MM = 26  # 69.4 degrees across
EYE_HEIGHT = 1.65
HAZE = 1500.0
LANE = 1.3  # half its width
POTS = ((-3.85, 10.0, 1.15), (-3.8, 11.2, 0.9), (-3.9, 14.6, 1.1), (-3.75, 9.2, 0.8), (-2.55, 22.5, 1.2))
CYPRESSES = (
    (4.6, 17.2, 8.6), (4.9, 29.0, 10.0), (4.9, 33.5, 8.0), (13.6, 30.0, 10.0), (-10.6, 20.0, 9.5), (15.5, 27.0, 8.0)
)  # fmt: skip
SHRUBS = (
    (3.6, 12.4), (4.3, 13.8), (6.6, 15.3), (-4.4, 18.6), (-4.9, 19.8), (7.6, 17.4), (3.5, 19.6), (-9.5, 8.0),
    (5.2, 5.4), (-7.2, 7.6), (8.9, 10.2),
)  # fmt: skip


def lane(y):
    """x of the lane's middle at y."""
    return 0.15 + 1.5 * np.sin((np.asarray(y) - 1.0) / 11.0) * np.clip(np.asarray(y) / 12, 0, 1)


def terrain(x, y):
    """Height of the ground: level near the camera, a dip beyond the village, then hills and mountains."""
    r = np.hypot(x, y)

    def step(near, far):
        t = np.clip((r - near) / (far - near), 0, 1)
        return t * t * (3 - 2 * t)

    hills = 48 + 85 * fbm(x / 420 + 3.3, y / 420 + 0.2, 5, 6)
    mountains = 330 + 380 * fbm(x / 1500 + 1.9, y / 1500, 9, 7)
    return 0.05 * fbm(x / 3, y / 3, 1, 3) - 9 * step(70, 190) + hills * step(150, 800) + mountains * step(1300, 3600)


def ground(rng):
    soil = material("soil", (0.07, 0.07, 0.025), (0.1, 0.14, 0.035), 1.2, bump=0.6, bump_scale=30, haze=HAZE)
    field = material("field", (0.10, 0.16, 0.04), (0.36, 0.31, 0.13), 0.02, haze=HAZE)
    radii = np.concatenate([np.linspace(0.3, 45, 150), np.geomspace(46, 5200, 260)])
    angle = np.radians(np.linspace(-85, 85, 420))
    x, y = radii[:, None] * np.sin(angle), radii[:, None] * np.cos(angle)
    rows, columns = x.shape
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.stack([corner, corner + columns, corner + columns + 1, corner + 1], 1)
    far = np.repeat(radii[:-1] > 70, columns - 1)
    mesh("terrain", np.stack([x, y, terrain(x, y)], -1).reshape(-1, 3), faces, [soil, field], far)


def paving(rng):
    cobble = material(
        "cobble",
        (0.19, 0.165, 0.135),
        (0.36, 0.31, 0.25),
        9,
        roughness=0.75,
        bump=0.5,
        bump_scale=60,
        varied=0.28,
        haze=HAZE,
    )
    sources = stones("cobble", cobble, rng, squareness=4, count=10)
    gap_x, gap_y = 0.205, 0.165
    rows = np.arange(0.4, 62, gap_y)
    points = []
    for k, y in enumerate(rows):
        x = np.arange(-LANE - 0.12, LANE + 0.12, gap_x) + (k % 2) * gap_x / 2
        points.append(np.stack([lane(y) + x, np.full_like(x, y), np.zeros_like(x)], 1))
    points = np.concatenate(points) + rng.normal(0, [0.014, 0.014, 0.006], (len(np.concatenate(points)), 3))
    edge = np.abs(points[:, 0] - lane(points[:, 1]))
    points = points[(edge < LANE - 0.1) | (rng.random(len(points)) < 0.55)]
    points[:, 2] += terrain(points[:, 0], points[:, 1]) * 0.4 + 0.005
    turns = rng.normal(0, [0.05, 0.05, 0.16], points.shape)
    scatter("cobbles", sources, points, turns, rng.uniform(0.9, 1.1, points.shape) * [0.2, 0.16, 0.11], rng)


def grass(rng):
    blade = material("blade", (0.06, 0.14, 0.015), (0.17, 0.26, 0.04), 3, varied=0.3, translucent=0.35, haze=HAZE)
    straw = material("straw", (0.3, 0.25, 0.1), (0.45, 0.38, 0.18), 3, varied=0.2, translucent=0.3, haze=HAZE)
    lavender = material("lavender", (0.16, 0.09, 0.36), (0.32, 0.2, 0.55), 6, varied=0.2, islands=0.2, haze=HAZE)
    petal = material("petal", (0.75, 0.7, 0.6), (0.85, 0.62, 0.1), 9, varied=0.2, haze=HAZE)
    tufts = [
        tuft("tuft", blade, rng, height=h, tip=t) for h, t in ((0.13, None), (0.1, None), (0.17, None), (0.2, straw))
    ]
    tufts.append(tuft("tuft", blade, rng, blades=14, height=0.19, tip=petal))
    sources = nature.library("tufts", tufts)
    depth = 1.3 + 46 * rng.random(70000) ** 1.9
    points = np.stack([rng.uniform(-1, 1, depth.size) * (2 + 0.95 * depth), depth, 0 * depth], 1)
    edge = np.abs(points[:, 0] - lane(points[:, 1])) - LANE
    patchy = fbm(points[:, 0] / 1.7, points[:, 1] / 1.7, 3) > -0.38
    points = points[(edge > -0.08) & patchy & ((edge > 0.15) | (rng.random(len(points)) < 0.6))]
    joints = np.stack([rng.uniform(-1, 1, 900), rng.uniform(1.5, 30, 900), np.full(900, 0.0)], 1)
    joints[:, 0] = lane(joints[:, 1]) + joints[:, 0] * LANE
    size = np.r_[rng.uniform(0.6, 1.35, len(points)) * (1 + points[:, 1] / 40), rng.uniform(0.25, 0.45, 900)]
    points = np.r_[points, joints]
    points[:, 2] = terrain(points[:, 0], points[:, 1]) - 0.01
    turns = np.c_[np.zeros((len(points), 2)), rng.uniform(0, 6.28, len(points))]
    scatter("grass", sources, points, turns, size, rng)
    source = nature.library(
        "lavenders", [tuft("l", blade, rng, blades=90, height=0.5, reach=0.13, tip=lavender) for _ in range(4)]
    )
    y = rng.uniform(4.5, 12.2, 90)
    spots = np.stack([lane(y) + LANE + rng.uniform(0.22, 0.75, 90), y, 0 * y], 1)
    scatter("lavender", source, spots, np.c_[np.zeros((90, 2)), rng.uniform(0, 6, 90)], rng.uniform(0.8, 1.25, 90), rng)


def village(rng):
    m = Masonry(rng, terrain, HAZE)
    quarter = math.pi / 2
    m.house(
        -7.6, 13.2, quarter - 0.04, 9.0, 6.4, 4.7, 1.9,
        windows("front", (-2.7, 2.8), (0.9, 3.1)) + windows("front", (0.1,), (3.1,)) + door(0.1)
        + windows("left", (1.7,), (0.9, 3.0)),
    )  # fmt: skip
    m.house(
        -6.2, 25.5, quarter + 0.1, 9.5, 6.0, 6.2, 1.7,
        windows("front", (-2.6,), (0.9, 3.9)) + windows("front", (0.3,), (3.9,)) + door(0.3)
        + windows("left", (0.8,), (1.0, 3.9)),
        plaster=0, paint=1,
    )  # fmt: skip
    m.house(
        9.2, 22.0, 0.16, 7.5, 6.5, 4.6, 1.8,
        windows("front", (-2.2,), (0.9, 3.0)) + windows("front", (0.4,), (3.0,)) + windows("front", (2.4,), (0.9,))
        + door(0.4) + windows("left", (0.4,), (3.0,)) + windows("left", (-1.4,), (0.9,)),
        plaster=1,
    )  # fmt: skip
    upstairs = windows("front", (-2.2, 1.4), (3.2,)) + windows("front", (1.4,), (0.9,))
    m.house(10.0, 40.0, -0.35, 8.0, 6.5, 5.2, 1.8, upstairs, plaster=2, paint=1)
    m.house(-9.5, 50.0, 0.3, 8.5, 7.0, 5.4, 2.0, upstairs, paint=1)
    m.house(-5.6, 78.0, 0.1, 4.6, 4.6, 14.5, 1.6, windows("front", (0.0,), (11.2,), 1.2, 2.0))
    m.house(24.0, 58.0, -0.2, 11.0, 7.0, 4.6, 1.8, plaster=0)
    m.house(-27.0, 52.0, 0.4, 11.0, 7.0, 4.4, 1.8, plaster=1)
    m.dry_wall(lane, 3.2, 13.5, 2.35, 0.62)
    pots(m, rng)
    climber(rng)


def pots(m: Masonry, rng):
    leaf = material("geranium leaf", (0.05, 0.12, 0.03), (0.14, 0.24, 0.06), 9, islands=0.3, translucent=0.25)
    red = material("geranium", (0.65, 0.02, 0.03), (0.85, 0.09, 0.1), 5, islands=0.2, translucent=0.2)
    pink = material("pink", (0.6, 0.03, 0.25), (0.8, 0.1, 0.4), 4, islands=0.25, translucent=0.35)
    profile = [(0.13, 0.0), (0.19, 0.3), (0.22, 0.3), (0.22, 0.36), (0.18, 0.36), (0.16, 0.3)]
    for k, (x, y, size) in enumerate(POTS):
        sized = [(size * r, size * z) for r, z in profile]
        pot = lathe("pot", sized, m.clay, turned_matrix(x, y, 0.02, k), 24)
        bloom = dict(flowers=red if k % 2 else pink, share=0.3)
        plant = bush("plant", leaf, rng, radius=0.3 * size, leaves=1300, size=0.035, **bloom)
        plant.matrix_world = pot.matrix_world @ turned_matrix(0, 0, 0.3 * size, 0)


def climber(rng):
    """Bougainvillea on the wall of the first house."""
    leaf = material("climber leaf", (0.05, 0.12, 0.03), (0.14, 0.24, 0.06), 9, islands=0.3, translucent=0.25)
    pink = material("bougainvillea", (0.6, 0.03, 0.25), (0.8, 0.1, 0.4), 4, islands=0.25, translucent=0.35)
    y, z = rng.uniform(8.6, 13.0, 15000), rng.uniform(0.2, 4.6, 15000)
    grown = fbm(y / 1.1, z / 1.1, 8, 4) + 0.55 > np.abs(y - 9.6 - 0.35 * z) / 1.3
    window = (y > 10.0) & (y < 11.1) & (np.abs(z - 1.5) < 0.75)
    y, z = y[grown & ~window], z[grown & ~window]
    at = np.stack([-4.4 + rng.gamma(2, 0.07, len(y)) + 0.04 * (13.2 - y), y, z], 1)
    normals = rng.normal(size=at.shape) * 0.7 + [1, -0.2, 0.4]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    vertices, quads = nature.leaf_quads(at, normals, 0.055, rng)
    bloom = (fbm(y / 0.35, z / 0.35, 6, 3) > 0.0) & (rng.random(len(y)) < 0.75)
    mesh("climber", vertices, quads, [leaf, pink], bloom)


def trees(rng):
    bark = material("bark", (0.1, 0.075, 0.05), (0.24, 0.19, 0.14), 11, bump=0.9, bump_scale=25, haze=HAZE)
    green = dict(islands=0.33, haze=HAZE)
    olive = material("olive", (0.1, 0.14, 0.05), (0.27, 0.32, 0.16), 2, translucent=0.3, **green)
    dark = material("cypress leaf", (0.02, 0.05, 0.015), (0.07, 0.12, 0.035), 3, translucent=0.15, **green)
    fresh = material("fresh", (0.09, 0.17, 0.03), (0.2, 0.29, 0.06), 2, translucent=0.35, **green)

    def turns(count):
        return rng.uniform(0, 6.28, (count, 3)) * [0, 0, 1]

    for x, y, leaf, height, spread, leaves, size in (
        (5.6, 8.6, olive, 5.6, 2.7, 26000, 0.055), (10.8, 12.5, olive, 5.0, 2.4, 18000, 0.06),
        (-12.5, 8.5, fresh, 7.5, 3.0, 18000, 0.09), (13.5, 17.5, fresh, 6.5, 2.6, 14000, 0.1),
        (-4.4, 36.5, fresh, 6.0, 2.4, 14000, 0.1),
    ):  # fmt: skip
        tree = nature.broadleaf("tree", bark, leaf, rng, height=height, spread=spread, leaves=leaves, size=size)
        tree.matrix_world = turned_matrix(x, y, 0, rng.uniform(0, 6))
    for x, y, height in CYPRESSES:
        tree = nature.cypress("cypress", bark, dark, rng, height=height, radius=height * 0.085)
        tree.matrix_world = turned_matrix(x, y, 0, x)
    shrubs = nature.library("shrubs", [bush("s", fresh, rng, radius=0.5, leaves=3500, size=0.035) for _ in range(3)])
    at = np.array([(x, y, 0.0) for x, y in SHRUBS])
    scatter("shrubs", shrubs, at, turns(len(at)), rng.uniform(0.7, 1.5, len(at)), rng)
    small = dict(height=7, spread=3.2, leaves=1500, size=0.4, levels=3)
    kinds = [nature.broadleaf("far", bark, leaf, rng, **small) for leaf in (fresh, olive, fresh)]
    kinds.append(nature.cypress("far", bark, dark, rng, height=10, radius=1.1, leaves=900, size=0.35))
    wood = nature.library("wood", kinds)
    r, a = 70 * (1900 / 70) ** rng.random(26000) ** 0.8, np.radians(rng.uniform(-48, 48, 26000))
    x, y = r * np.sin(a), r * np.cos(a)
    keep = (fbm(x / 130, y / 130, 12, 4) > 0.06 - 0.00004 * r) | (rng.random(r.size) < 0.02)
    at = np.stack([x, y, terrain(x, y) - 0.3], 1)[keep]
    scatter("woods", wood, at, turns(len(at)), rng.uniform(0.7, 1.5, len(at)), rng)


def hill_village(scene) -> None:
    """The whole scene in an empty file; one sees it from the lane, looking along +Y."""
    rng = np.random.default_rng(20)
    for build in (ground, paving, grass, village, trees):
        build(rng)
    nature.sky(scene, elevation=18, azimuth=122, strength=0.14, clouds=0.62, seed=3)


def render(path: Path, draft: bool, samples: int) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    hill_village(scene)
    width, height = (480, 320) if draft else (1536, 1024)
    camera = rendering.prepare(scene, width, height, samples=samples, bounces=3, exposure=0.45)
    camera.location, camera.rotation_euler = (0, 0, EYE_HEIGHT), (math.radians(90.5), 0, 0)
    camera.data.sensor_width, camera.data.lens = 36, FOCAL_LENGTH_35MM
    scene.cycles.diffuse_bounces, scene.cycles.sample_clamp_indirect = 2, 6
    scene.cycles.adaptive_threshold, scene.cycles.adaptive_min_samples = 0.04, 8
    picture, _ = rendering.shoot(scene)
    exif = Image.Exif()
    exif[0x010E] = "Hill village (rendered)"
    exif.get_ifd(0x8769)[0xA405] = FOCAL_LENGTH_35MM
    picture.save(path, quality=88, exif=exif, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--draft", action="store_true")
    parser.add_argument("--samples", type=int, default=None)
    asked = parser.parse_args()
    render(asked.path, asked.draft, asked.samples or (8 if asked.draft else 20))
