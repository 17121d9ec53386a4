"""A furnished living room with daylight from two windows, rich in texture from the floor to the ceiling."""

import math

import bpy
import nature
import numpy as np
from mathutils import Matrix
from nature import box, fbm, lathe, material, mesh, mosaic, turned_matrix

WIDE, DEEP, HIGH = 6.0, 7.0, 2.8
VASE = [(0.05, 0), (0.1, 0.06), (0.12, 0.16), (0.07, 0.28), (0.05, 0.33), (0.065, 0.36), (0.045, 0.36), (0.04, 0.3)]
BOWL = [(0.06, 0), (0.07, 0.02), (0.2, 0.1), (0.22, 0.12), (0.2, 0.12), (0.05, 0.04)]
POT = [(0.16, 0), (0.22, 0.36), (0.25, 0.36), (0.25, 0.42), (0.2, 0.42), (0.18, 0.36), (0.0, 0.34)]
SHADE = [(0.24, 1.45), (0.15, 1.8), (0.14, 1.8), (0.23, 1.45)]


class Palette:
    """The surfaces that things in the room share."""

    def __init__(self):
        self.wall = material("wall", (0.5, 0.46, 0.38), (0.58, 0.54, 0.46), 3, bump=0.15, bump_scale=60)
        self.brick = material("brick", (0.34, 0.12, 0.07), (0.5, 0.24, 0.14), 5, varied=0.2, islands=0.28, bump=0.4)
        self.mortar = material("mortar", (0.45, 0.42, 0.38), (0.55, 0.52, 0.48), 20, bump=0.4)
        self.white = material("white", (0.68, 0.67, 0.64), (0.76, 0.75, 0.72), 2, bump=0.1)
        self.plank = material("plank", (0.24, 0.13, 0.06), (0.4, 0.24, 0.12), 9, roughness=0.55, islands=0.3, bump=0.15)
        self.walnut = material("walnut", (0.09, 0.05, 0.03), (0.19, 0.11, 0.06), 14, roughness=0.5, bump=0.1)
        self.oak = material("oak", (0.38, 0.26, 0.14), (0.55, 0.4, 0.24), 16, roughness=0.6, bump=0.1)
        self.blue = material("blue cloth", (0.05, 0.1, 0.17), (0.13, 0.22, 0.32), 40, bump=0.4, bump_scale=160)
        self.rust = material("rust cloth", (0.34, 0.12, 0.05), (0.52, 0.22, 0.1), 40, bump=0.4, bump_scale=160)
        self.iron = material("iron", (0.03, 0.03, 0.03), (0.07, 0.065, 0.06), 9, roughness=0.4)
        self.clay = material("clay", (0.4, 0.18, 0.09), (0.55, 0.29, 0.16), 9, bump=0.3)
        tones = ((0.5, 0.05, 0.04), (0.06, 0.16, 0.34), (0.07, 0.24, 0.14), (0.62, 0.42, 0.1), (0.66, 0.6, 0.5),
                 (0.12, 0.08, 0.07), (0.4, 0.22, 0.34), (0.1, 0.32, 0.36))  # fmt: skip
        self.dyes = [material("dye", tuple(0.75 * c for c in tone), tone, 30, islands=0.1) for tone in tones]


def furnished_room(seed: int) -> None:
    rng, palette = np.random.default_rng(seed), Palette()
    shell(palette)
    brick_wall(palette, rng)
    seats(palette)
    textiles(palette, rng)
    books(palette, rng)
    dining(palette)
    paintings(palette, rng)
    plants(palette, rng)
    daylight()


def shell(p: Palette) -> None:
    rows, columns = 46, 6
    mosaic("floor", [p.plank], np.zeros((rows, columns), int), (WIDE, DEEP), turned_matrix(0, 0, 0, 0))
    box("ceiling", (WIDE, DEEP, 0.1), (0, 0, HIGH + 0.05), p.white, bevel=0)
    for y in np.arange(-3, 3.1, 1.2):
        box("beam", (WIDE, 0.16, 0.18), (0, y, HIGH - 0.09), p.walnut)
    for side in (-1, 1):
        box(
            "wall",
            (WIDE, 0.1, HIGH),
            (0, side * (DEEP / 2 + 0.05), HIGH / 2),
            p.wall if side < 0 else p.mortar,
            bevel=0,
        )
        box("skirting", (0.03, DEEP, 0.12), (side * (WIDE / 2 - 0.015), 0, 0.06), p.white)
    box("skirting", (WIDE, 0.03, 0.12), (0, -DEEP / 2 + 0.015, 0.06), p.white)
    box("wall", (0.1, DEEP, HIGH), (-WIDE / 2 - 0.05, 0, HIGH / 2), p.wall, bevel=0)
    x = WIDE / 2 + 0.1
    box("below", (0.2, DEEP, 0.8), (x, 0, 0.4), p.wall, bevel=0)
    box("above", (0.2, DEEP, HIGH - 2.3), (x, 0, (HIGH + 2.3) / 2), p.wall, bevel=0)
    for y, wide in ((-2.95, 1.1), (0, 1.6), (2.95, 1.1)):
        box("pier", (0.2, wide, 1.5), (x, y, 1.55), p.wall, bevel=0)
    for y in (-1.6, 1.6):
        box("sill", (0.32, 1.7, 0.05), (x - 0.08, y, 0.8), p.oak)
        for shift in (-0.77, 0, 0.77):
            box("frame", (0.06, 0.06, 1.5), (x, y + shift, 1.55), p.white)
        for z in (0.83, 1.8, 2.27):
            box("frame", (0.06, 1.6, 0.06), (x, y, z), p.white)
        for side in (-1, 1):
            curtain(p.rust, y + side * 1.02)
    box("door", (0.95, 0.06, 2.1), (1.8, -DEEP / 2 + 0.03, 1.05), p.oak)
    for lift in (0.55, 1.5):
        box("panel", (0.65, 0.03, 0.75), (1.8, -DEEP / 2 + 0.07, lift), p.oak, bevel=0.03)
    box("handle", (0.14, 0.06, 0.03), (1.45, -DEEP / 2 + 0.1, 1.05), p.iron)


def curtain(cloth, y: float) -> None:
    across, up = np.meshgrid(np.linspace(-0.24, 0.24, 60), np.linspace(0.05, 2.5, 8))
    wave = 0.05 * np.sin(across * 70) + 0.015 * np.sin(across * 31 + 2 * up)
    vertices = np.stack([WIDE / 2 - 0.14 + wave, y + across * (1 - 0.06 * up), up], -1).reshape(-1, 3)
    corner = (np.arange(7)[:, None] * 60 + np.arange(59)).ravel()
    mesh("curtain", vertices, np.stack([corner, corner + 1, corner + 61, corner + 60], 1), cloth)


def brick_wall(p: Palette, rng) -> None:
    """Real bricks on the far wall."""
    boxes = []
    for row, z in enumerate(np.arange(0.045, HIGH, 0.085)):
        for x in np.arange(-WIDE / 2 + 0.12 * (row % 2), WIDE / 2 - 0.05, 0.24):
            boxes.append((x + 0.115, DEEP / 2 + rng.normal(0, 0.004), z))
    blocks("bricks", np.array(boxes), np.full((len(boxes), 3), (0.225, 0.05, 0.073)), [p.brick])


def blocks(name: str, centres, sizes, surfaces, slots=None, at: Matrix | None = None) -> bpy.types.Object:
    """Many plain boxes as one mesh; slots [N]: which surface each has."""
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    faces = np.array([(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    centres, sizes = np.asarray(centres), np.asarray(sizes)
    vertices = (centres[:, None] + signs * sizes[:, None]).reshape(-1, 3)
    quads = (faces + 8 * np.arange(len(centres))[:, None, None]).reshape(-1, 4)
    return mesh(name, vertices, quads, surfaces, None if slots is None else np.repeat(slots, 6), smooth=False, at=at)


def seat(p_cloth, p_leg, at: Matrix, wide: float) -> None:
    """A sofa or an armchair, its back towards its own -x."""
    for size, centre in (
        ((0.9, wide, 0.25), (0.45, 0, 0.3)), ((0.24, wide, 0.75), (0.12, 0, 0.5)),
        ((0.9, 0.18, 0.5), (0.45, -wide / 2, 0.37)), ((0.9, 0.18, 0.5), (0.45, wide / 2, 0.37)),
    ):  # fmt: skip
        box("seat", size, centre, p_cloth, at, 0.07)
    cushions = max(1, round(wide / 0.8))
    for k in range(cushions):
        y = (k + 0.5 - cushions / 2) * (wide - 0.2) / cushions
        box("cushion", (0.66, (wide - 0.24) / cushions, 0.16), (0.56, y, 0.47), p_cloth, at, 0.06)
    for x in (0.08, 0.82):
        for y in (-wide / 2, wide / 2):
            box("leg", (0.06, 0.06, 0.18), (x, y, 0.09), p_leg, at)


def seats(p: Palette) -> None:
    seat(p.blue, p.walnut, turned_matrix(-2.95, 0.7, 0, 0), 2.1)
    seat(p.rust, p.walnut, turned_matrix(0.75, 2.45, 0, math.pi + 0.6), 0.85)
    for k, (y, dye) in enumerate(((-0.1, 3), (0.35, 4), (1.45, 0))):
        tilt = Matrix.Rotation(-0.35, 4, "Y") @ Matrix.Rotation(0.2 * (k - 1), 4, "X")
        box("pillow", (0.14, 0.42, 0.42), (0, 0, 0), p.dyes[dye], turned_matrix(-2.58, y, 0.76, 0) @ tilt, 0.06)
    box("top", (0.7, 1.2, 0.05), (-1.25, 0.7, 0.42), p.oak)
    box("shelf", (0.6, 1.05, 0.03), (-1.25, 0.7, 0.18), p.oak)
    for sx in (-0.3, 0.3):
        for sy in (-0.54, 0.54):
            box("leg", (0.06, 0.06, 0.4), (-1.25 + sx, 0.7 + sy, 0.2), p.oak)
    for k, dye in enumerate((1, 4, 0)):
        place = turned_matrix(-1.2, 0.95, 0.46 + 0.035 * k, 0.2 * k)
        box("book", (0.2, 0.28, 0.034), (0, 0, 0), p.dyes[dye], place, 0.004)
    lathe("bowl", BOWL, p.dyes[7], turned_matrix(-1.3, 0.42, 0.445, 0))
    lathe("foot", [(0.16, 0), (0.16, 0.03), (0.015, 0.05), (0.015, 1.6)], p.iron, turned_matrix(-2.55, 2.4, 0, 0))
    lathe("shade", SHADE, p.dyes[4], turned_matrix(-2.55, 2.4, 0, 0))


def textiles(p: Palette, rng) -> None:
    """Rugs woven in rows of small tiles."""
    rows, columns = np.mgrid[0:60, 0:44]
    diamonds = (np.abs(rows % 20 - 10) + np.abs(columns % 22 - 11)) // 3
    pattern = np.array([0, 4, 1, 3, 0, 5, 4, 7])[diamonds % 8]
    edge = np.minimum(np.minimum(rows, 59 - rows), np.minimum(columns, 43 - columns))
    pattern = np.where(edge < 4, np.array([5, 3, 0, 3])[np.clip(edge, 0, 3)], pattern)
    mosaic("rug", p.dyes, pattern, (2.3, 3.1), turned_matrix(-1.05, 0.7, 0.012, 0.0))
    stripes = np.repeat(rng.choice((1, 4, 7, 4, 5, 6), 40)[:, None], 24, 1)
    mosaic("runner", p.dyes, stripes, (1.5, 0.7), turned_matrix(1.8, -2.95, 0.012, 0.05))


def books(p: Palette, rng) -> None:
    """A shelf on the brick wall."""
    left, right, front = -2.3, 0.3, DEEP / 2 - 0.2
    for x in (left, (left + right) / 2, right):
        box("side", (0.04, 0.32, 2.2), (x, front, 1.1), p.walnut)
    centres, sizes, slots = [], [], []
    for z in np.arange(0.08, 2.3, 0.42):
        box("board", (right - left, 0.32, 0.035), ((left + right) / 2, front, z), p.walnut)
        x = left + 0.05
        while x < right - 0.08 and z < 2.1:
            thick, tall, deep = rng.uniform(0.02, 0.055), rng.uniform(0.2, 0.33), rng.uniform(0.17, 0.24)
            if rng.random() < 0.06:
                x += rng.uniform(0.06, 0.2)
            elif abs(x - (left + right) / 2) > 0.06:
                centres.append((x + thick / 2, front - 0.14 + deep / 2, z + 0.02 + tall / 2))
                sizes.append((thick * 0.95, deep, tall))
                slots.append(rng.integers(len(p.dyes)))
            x += thick
    blocks("books", centres, sizes, p.dyes, slots)


def dining(p: Palette) -> None:
    at = turned_matrix(0.7, -1.75, 0, 0.12)
    box("top", (1.6, 0.9, 0.05), (0, 0, 0.74), p.walnut, at)
    for x in (-0.72, 0.72):
        for y in (-0.37, 0.37):
            box("leg", (0.07, 0.07, 0.72), (x, y, 0.36), p.walnut, at)
    for x, y, turn in ((-0.4, -0.62, 0), (0.4, -0.66, 0.15), (-0.4, 0.64, math.pi), (0.42, 0.6, math.pi - 0.2)):
        chair = at @ turned_matrix(x, y, 0, turn)
        box("seat", (0.42, 0.42, 0.05), (0, 0, 0.45), p.oak, chair)
        for k in (-0.15, -0.05, 0.05, 0.15):
            box("slat", (0.05, 0.03, 0.44), (k, -0.2, 0.68), p.oak, chair)
        box("rail", (0.42, 0.035, 0.06), (0, -0.2, 0.9), p.oak, chair)
        for sx in (-0.18, 0.18):
            for sy in (-0.18, 0.18):
                box("leg", (0.04, 0.04, 0.44), (sx, sy, 0.22), p.oak, chair)
    lathe("vase", VASE, p.dyes[1], at @ turned_matrix(0.2, 0.05, 0.765, 0))
    lathe("bowl", BOWL, p.clay, at @ turned_matrix(-0.35, 0, 0.765, 0))
    fruit = [(0, 0), (0.028, 0.004), (0.04, 0.03), (0.036, 0.055), (0.015, 0.075), (0, 0.07)]
    for k, dye in enumerate((0, 3, 2, 3, 0)):
        x, y = 0.07 * math.cos(1.3 * k), 0.07 * math.sin(1.3 * k)
        lathe("fruit", fruit, p.dyes[dye], at @ turned_matrix(-0.35 + x, y, 0.83 + 0.01 * k, 0), 14)
    box("sideboard", (1.9, 0.42, 0.7), (-1.2, -DEEP / 2 + 0.25, 0.4), p.oak)
    for x in (-1.65, -0.75):
        box("leaf", (0.84, 0.02, 0.56), (x, -DEEP / 2 + 0.47, 0.4), p.walnut)
    lathe("vase", [(1.3 * r, 1.2 * z) for r, z in VASE], p.dyes[7], turned_matrix(-1.8, -DEEP / 2 + 0.25, 0.75, 0))
    lathe("bowl", BOWL, p.dyes[3], turned_matrix(-0.75, -DEEP / 2 + 0.25, 0.75, 0))


def paintings(p: Palette, rng) -> None:
    """Landscapes in flat colours, framed."""
    quarter, facing = math.pi / 2, Matrix.Rotation(math.pi / 2, 4, "X")
    for x, y, z, turn, wide, tall in (
        (-2.96, 0.0, 1.65, quarter, 1.0, 0.75), (-2.96, 1.3, 1.7, quarter, 0.7, 0.9),
        (-2.96, -1.8, 1.55, quarter, 1.2, 0.85), (-1.2, -3.46, 1.65, math.pi, 1.3, 0.8),
        (0.5, -3.46, 1.6, math.pi, 0.55, 0.7), (1.5, 3.44, 1.6, 0.0, 0.9, 0.7), (2.93, 0, 1.6, -quarter, 0.7, 0.9),
    ):  # fmt: skip
        v, u = np.mgrid[0:48, 0:64] / 64
        height = v / 0.75 + 0.6 * fbm(u * 2 + 9 * rng.random(), v * 3, int(rng.integers(1000)), 4)
        pattern = rng.permutation(len(p.dyes))[np.clip((height * 6).astype(int), 0, len(p.dyes) - 1)]
        at = turned_matrix(x, y, z, turn)
        mosaic("canvas", p.dyes, pattern, (wide, tall), at @ turned_matrix(0, -0.015, 0, 0) @ facing)
        for sx, sz, size in ((0, 1, (wide + 0.1, 0.05, 0.05)), (0, -1, (wide + 0.1, 0.05, 0.05)),
                             (1, 0, (0.05, 0.05, tall)), (-1, 0, (0.05, 0.05, tall))):  # fmt: skip
            box("frame", size, (sx * (wide + 0.05) / 2, -0.01, sz * (tall + 0.05) / 2), p.walnut, at)


def plants(p: Palette, rng) -> None:
    bark = material("bark", (0.12, 0.09, 0.06), (0.24, 0.19, 0.14), 11)
    leaf = material("fig leaf", (0.03, 0.1, 0.02), (0.12, 0.26, 0.06), 6, roughness=0.5, islands=0.3, translucent=0.25)
    for x, y, tall in ((2.35, 3.0, 1.75), (2.45, -2.9, 1.4), (-2.6, -2.9, 1.2)):
        lathe("pot", POT, p.clay, turned_matrix(x, y, 0, 0))
        small = dict(height=tall, spread=0.42, leaves=420, size=0.085, levels=3)
        tree = nature.broadleaf("fig", bark, leaf, rng, **small)
        tree.matrix_world = turned_matrix(x, y, 0.32, rng.uniform(0, 6))


def daylight() -> None:
    """Sun through the windows, sky light from them and from the white ceiling."""
    scene = bpy.context.scene
    world = bpy.data.worlds.new("sky")
    scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.68, 0.8, 1.0, 1)
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.8
    meadow = material("meadow", (0.1, 0.2, 0.04), (0.3, 0.4, 0.12), 0.6)
    mesh("meadow", [(3.3, -60, -0.6), (90, -60, -0.6), (90, 60, -0.6), (3.3, 60, -0.6)], [(0, 1, 2, 3)], meadow)
    hedge = material("hedge", (0.04, 0.1, 0.02), (0.18, 0.3, 0.08), 3, bump=0.8, bump_scale=6)
    box("hedge", (1.5, 60, 2.0), (14, 0, 0.4), hedge, bevel=0.3)
    sun = lamp("sun", "SUN", 4.0, Matrix.Rotation(math.radians(22), 4, "Z") @ Matrix.Rotation(math.radians(55), 4, "Y"))
    sun.data.angle, sun.data.color = math.radians(1.5), (1, 0.9, 0.74)
    for y in (-1.6, 1.6):
        window = lamp(
            "window", "AREA", 95, turned_matrix(WIDE / 2 + 0.25, y, 1.55, 0) @ Matrix.Rotation(math.pi / 2, 4, "Y")
        )
        window.data.shape, window.data.size, window.data.size_y = "RECTANGLE", 1.5, 1.6
        window.data.color = (0.85, 0.93, 1.0)
    top = lamp("ceiling", "AREA", 130, turned_matrix(-0.4, 0, HIGH - 0.25, 0))
    top.data.size, top.data.color = 3.0, (1, 0.95, 0.88)


def lamp(name: str, kind: str, power: float, at: Matrix) -> bpy.types.Object:
    """Light that no camera sees; power in watts, of a sun in W/m^2; it shines along its own -z."""
    made = bpy.data.objects.new(name, bpy.data.lights.new(name, kind))
    bpy.context.scene.collection.objects.link(made)
    made.data.energy, made.visible_camera, made.matrix_world = power, False, at
    return made
