"""Buildings, trees, cars and ground of the city beside this file: quads by material, in a frame of their own.

Lengths are metres, Z is up. A footprint is a polygon [n, 2], counter-clockwise, of right angles.
"""

import bmesh
import bpy
import numpy as np
from mathutils import Matrix
from nature import box, material, mesh, turned_matrix

FLOOR = 3.2


def _clean(name, dark, light, scale, **more):
    return material(name, dark, light, scale, **{"roughness": 0.85, **more})


class Palette:
    """The materials of a city; buildings of one material differ a little from each other."""

    def __init__(self):
        self.walls = [
            _clean("brick", (0.23, 0.085, 0.055), (0.36, 0.16, 0.1), 3, varied=0.25),
            _clean("concrete", (0.36, 0.35, 0.33), (0.47, 0.46, 0.43), 0.5, varied=0.2),
            _clean("plaster", (0.6, 0.53, 0.4), (0.7, 0.63, 0.5), 0.6, varied=0.22),
            _clean("white", (0.68, 0.67, 0.63), (0.78, 0.77, 0.74), 0.6, varied=0.1),
            _clean("ochre", (0.5, 0.33, 0.16), (0.6, 0.42, 0.22), 0.6, varied=0.25),
        ]
        self.tiles = [
            _clean("clay", (0.3, 0.1, 0.05), (0.45, 0.2, 0.12), 1.6, varied=0.2),
            _clean("slate", (0.07, 0.075, 0.085), (0.15, 0.155, 0.17), 1.4, varied=0.2),
            _clean("brown", (0.14, 0.085, 0.06), (0.24, 0.16, 0.11), 1.6, varied=0.2),
        ]
        self.flats = [
            _clean("gravel", (0.32, 0.31, 0.29), (0.46, 0.45, 0.42), 0.9, varied=0.3),
            _clean("tar", (0.07, 0.07, 0.075), (0.15, 0.15, 0.15), 0.35, varied=0.3),
            _clean("membrane", (0.6, 0.61, 0.62), (0.74, 0.74, 0.73), 0.3, varied=0.12),
            _clean("green roof", (0.1, 0.17, 0.05), (0.24, 0.27, 0.12), 0.8, varied=0.2),
        ]
        self.glass = material("glass", (0.02, 0.03, 0.045), (0.07, 0.1, 0.13), 0.35, roughness=0.2, islands=0.5)
        self.trim = _clean("trim", (0.5, 0.49, 0.46), (0.62, 0.61, 0.58), 1)
        self.metal = material("metal", (0.42, 0.44, 0.46), (0.6, 0.61, 0.63), 0.6, roughness=0.5, varied=0.25)
        self.asphalt = _clean("asphalt", (0.075, 0.075, 0.08), (0.13, 0.13, 0.13), 0.18)
        self.paving = _clean("paving", (0.34, 0.32, 0.29), (0.46, 0.44, 0.4), 0.5)
        self.lines = _clean("lines", (0.6, 0.6, 0.57), (0.78, 0.78, 0.75), 1.5)
        self.grass = _clean("grass", (0.055, 0.115, 0.025), (0.19, 0.23, 0.07), 0.22)
        self.soil = _clean("yard", (0.24, 0.2, 0.14), (0.37, 0.33, 0.25), 0.3)
        self.bark = _clean("bark", (0.08, 0.06, 0.04), (0.17, 0.13, 0.09), 5)
        leafy = dict(islands=0.0, varied=0.35, bump=0.6, bump_scale=3.0)
        self.leaves = [
            _clean("leaf", (0.02, 0.06, 0.012), (0.13, 0.21, 0.045), 1.1, **leafy),
            _clean("olive", (0.045, 0.07, 0.02), (0.19, 0.2, 0.07), 1.1, **leafy),
        ]
        paints = [(0.7, 0.7, 0.7), (0.03, 0.03, 0.035), (0.3, 0.31, 0.33), (0.42, 0.03, 0.03), (0.05, 0.1, 0.3)]
        self.paints = [material("paint", p, tuple(1.1 * c for c in p), 1, roughness=0.35) for p in paints]


class Quads:
    """Quads [n, 4, 3] by material; `made` turns them into one object, so that its materials vary together."""

    def __init__(self):
        self.corners, self.slots, self.surfaces = [], [], []

    def add(self, surface, corners) -> None:
        if surface not in self.surfaces:
            self.surfaces.append(surface)
        corners = np.asarray(corners, float).reshape(-1, 4, 3)
        self.corners.append(corners)
        self.slots += [self.surfaces.index(surface)] * len(corners)

    def flat(self, surface, x0, x1, y0, y1, z) -> None:
        self.add(surface, [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)])

    def block(self, surface, x0, x1, y0, y1, z0, z1, top=None) -> None:
        """A box without its floor."""
        corners = rectangle(x0, x1, y0, y1)
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
            self.add(surface, [(ax, ay, z0), (bx, by, z0), (bx, by, z1), (ax, ay, z1)])
        self.flat(top or surface, x0, x1, y0, y1, z1)

    def made(self, name: str, at: Matrix) -> bpy.types.Object:
        corners = np.concatenate(self.corners)
        faces = np.arange(4 * len(corners)).reshape(-1, 4)
        return mesh(name, corners.reshape(-1, 3), faces, self.surfaces, self.slots, smooth=False, at=at)


def facade(quads: Quads, palette: Palette, wall, a, b, z0, z1, style: str, rng) -> None:
    """The wall from a to b [2] (outside on the right hand) with its windows: `house`, `office` or `curtain`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    length = np.linalg.norm(b - a)
    along = (b - a) / length
    out = np.array([along[1], -along[0]])

    def panel(surface, u0, u1, v0, v1, proud):
        p, q = (a + along * u + out * proud for u in (u0, u1))
        quads.add(surface, [(*p, v0), (*q, v0), (*q, v1), (*p, v1)])

    panel(wall, 0, length, z0, z1, 0)
    floors = max(1, int((z1 - z0) // FLOOR))
    for floor in range(floors):
        low = z0 + floor * FLOOR
        if style == "curtain":
            panel(palette.glass, 0.4, length - 0.4, low + 0.7, low + FLOOR - 0.2, 0.04)
            for u in np.arange(0.4, length, 3.0):
                panel(palette.trim, u - 0.08, u + 0.08, low, low + FLOOR, 0.08)
            continue
        if style == "office" and floor == 0:
            for u in np.arange(0.6, length - 3.2, 3.8):
                panel(palette.glass, u, u + 3.0, low + 0.3, low + 2.7, 0.04)
            panel(palette.trim, 0, length, low + FLOOR - 0.3, low + FLOOR, 0.12)
            continue
        wide, apart = (1.7, 2.9) if style == "office" else (1.1, 2.6)
        count = int((length - 0.8) // apart)
        first = (length - count * apart) / 2 + (apart - wide) / 2
        for k in range(count):
            u = first + k * apart
            if floor == 0 and k == count // 2 and style == "house":
                panel(palette.trim, u, u + wide, low, low + 2.2, 0.06)
                continue
            panel(palette.trim, u - 0.15, u + wide + 0.15, low + 0.75, low + 0.9, 0.1)
            panel(palette.glass, u, u + wide, low + 0.9, low + 2.4, 0.04)


def walls(quads, palette, wall, footprint, z0, z1, style, rng) -> None:
    for a, b in zip(footprint, np.roll(footprint, -1, 0), strict=True):
        facade(quads, palette, wall, a, b, z0, z1, style, rng)


def flat_top(quads, palette, wall, surface, rectangles, z, rng, clutter: int) -> None:
    """Roofs of rectangles (x0, x1, y0, y1) that touch, a parapet around each, and machines on them."""
    for x0, x1, y0, y1 in rectangles:
        quads.flat(surface, x0, x1, y0, y1, z)
        t, h = 0.35, 0.7
        for part in (
            (x0, x1, y0, y0 + t),
            (x0, x1, y1 - t, y1),
            (x0, x0 + t, y0 + t, y1 - t),
            (x1 - t, x1, y0 + t, y1 - t),
        ):
            quads.block(wall, *part, z - 0.05, z + h, palette.trim)
        for _ in range(clutter):
            w, d, h = rng.uniform(1, 3.2), rng.uniform(1, 2.6), rng.uniform(0.7, 1.9)
            if x1 - x0 < w + 3 or y1 - y0 < d + 3:
                continue
            x, y = rng.uniform(x0 + 1.2, x1 - w - 1.2), rng.uniform(y0 + 1.2, y1 - d - 1.2)
            quads.block(palette.metal, x, x + w, y, y + d, z, z + h, rng.choice([palette.metal, palette.flats[1]]))
        if x1 - x0 > 10 and y1 - y0 > 10:
            x, y = rng.uniform(x0 + 2, x1 - 6), rng.uniform(y0 + 2, y1 - 6)
            quads.block(wall, x, x + 3.6, y, y + 3, z, z + 2.6, palette.flats[0])


def pitched(quads, palette, wall, tile, x0, x1, y0, y1, z, rise, hip: float) -> None:
    """Gable (hip 0) or hipped roof over a rectangle, its ridge along x; gables are walls."""
    o = 0.45
    drop = rise * o / ((y1 - y0) / 2)
    ym, xa, xb = (y0 + y1) / 2, x0 - o, x1 + o
    ra, rb = xa + hip * (y1 - y0) / 2, xb - hip * (y1 - y0) / 2
    low, top = z - drop, z + rise
    quads.add(tile, [(xa, y0 - o, low), (xb, y0 - o, low), (rb, ym, top), (ra, ym, top)])
    quads.add(tile, [(xb, y1 + o, low), (xa, y1 + o, low), (ra, ym, top), (rb, ym, top)])
    if hip:
        quads.add(tile, [(xb, y0 - o, low), (xb, y1 + o, low), (rb, ym, top), (rb, ym, top - 0.001)])
        quads.add(tile, [(xa, y1 + o, low), (xa, y0 - o, low), (ra, ym, top), (ra, ym, top - 0.001)])
    else:
        quads.add(wall, [(x1, y0, z), (x1, y1, z), (x1, ym, top - 0.02), (x1, ym, top - 0.03)])
        quads.add(wall, [(x0, y1, z), (x0, y0, z), (x0, ym, top - 0.02), (x0, ym, top - 0.03)])
    quads.block(palette.walls[0], x0 + 1.5, x0 + 2.3, ym + 0.4, ym + 1.2, z, top + 0.9)


def rectangle(x0, x1, y0, y1) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def house(palette, rng, lot, at) -> None:
    """A pitched roof on one to three floors, with its garden."""
    x0, x1, y0, y1 = lot
    garden = Quads()
    garden.flat(palette.grass, *lot, 0.14)
    w, d = rng.uniform(0.55, 0.72) * (x1 - x0), rng.uniform(0.5, 0.62) * (y1 - y0)
    w, d = min(w, 16.0), min(d, 12.0)
    x, y = x0 + rng.uniform(1.5, max(1.6, x1 - x0 - w - 1.5)), y0 + 2.0
    garden.flat(palette.paving, x + 0.4 * w, x + 0.4 * w + 1.6, y0 - 0.1, y, 0.16)
    wall, tile = palette.walls[rng.integers(5)], palette.tiles[rng.integers(3)]
    height = FLOOR * rng.integers(1, 4) + 0.3
    wing = rng.random() < 0.35 and d < 10
    quads = Quads()
    hip = 1.0 if rng.random() < 0.4 else 0.0
    turned = d > w
    a, b = (d, w) if turned else (w, d)
    plan = rectangle(0, a, 0, b)
    walls(quads, palette, wall, plan, 0, height, "house", rng)
    pitched(quads, palette, wall, tile, 0, a, 0, b, height, rng.uniform(0.3, 0.45) * b, hip)
    if wing:
        low = min(height, FLOOR + 0.3)
        side = rectangle(a, a + 4.0, 0.8, b - 0.8)
        walls(quads, palette, wall, side, 0, low, "house", rng)
        flat_top(quads, palette, wall, palette.flats[1], [(a, a + 4.0, 0.8, b - 0.8)], low, rng, 0)
    frame = at @ (turned_matrix(x + w, y, 0, np.pi / 2) if turned else turned_matrix(x, y, 0, 0))
    quads.made("house", frame)
    garden.made("garden", at)


def office(palette, rng, lot, at, floors: int) -> None:
    """A flat roof over most of the lot; L-shaped where there is room."""
    x0, x1, y0, y1 = (lot[0] + 1, lot[1] - 1, lot[2] + 1, lot[3] - 1)
    quads, ground = Quads(), Quads()
    ground.flat(palette.paving, *lot, 0.13)
    wall, height = palette.walls[rng.integers(5)], FLOOR * floors + 0.4
    style = "office" if rng.random() < 0.7 else "curtain"
    if rng.random() < 0.5 and x1 - x0 > 16 and y1 - y0 > 16:
        xm, ym = x0 + rng.uniform(0.4, 0.6) * (x1 - x0), y0 + rng.uniform(0.4, 0.6) * (y1 - y0)
        plan = np.array([(x0, y0), (x1, y0), (x1, ym), (xm, ym), (xm, y1), (x0, y1)], float)
        parts = [(x0, x1, y0, ym), (x0, xm, ym, y1)]
        ground.flat(palette.grass, xm + 1, lot[1] - 1, ym + 1, lot[3] - 1, 0.16)
    else:
        plan, parts = rectangle(x0, x1, y0, y1), [(x0, x1, y0, y1)]
    walls(quads, palette, wall, plan, 0, height, style, rng)
    flat_top(quads, palette, wall, palette.flats[rng.choice(4, p=(0.35, 0.3, 0.2, 0.15))], parts, height, rng, 4)
    quads.made("office", at)
    ground.made("forecourt", at)


def tower(palette, rng, lot, at, floors: int) -> None:
    """A slender tower on a podium of two floors."""
    x0, x1, y0, y1 = (lot[0] + 1, lot[1] - 1, lot[2] + 1, lot[3] - 1)
    quads, ground = Quads(), Quads()
    ground.flat(palette.paving, *lot, 0.13)
    wall, low, high = palette.walls[rng.choice((1, 3))], 2 * FLOOR + 0.4, floors * FLOOR + 0.4
    walls(quads, palette, wall, rectangle(x0, x1, y0, y1), 0, low, "office", rng)
    flat_top(quads, palette, wall, palette.flats[0], [(x0, x1, y0, y1)], low, rng, 1)
    w, d = min(0.6 * (x1 - x0), 17.0), min(0.6 * (y1 - y0), 17.0)
    x, y = x0 + 0.5 * (x1 - x0 - w), y0 + 0.5 * (y1 - y0 - d)
    style = "curtain" if rng.random() < 0.7 else "office"
    walls(quads, palette, wall, rectangle(x, x + w, y, y + d), low, high, style, rng)
    flat_top(quads, palette, wall, palette.flats[rng.integers(3)], [(x, x + w, y, y + d)], high, rng, 3)
    quads.made("tower", at)
    ground.made("plaza", at)


class Trees:
    """A few crowns shared by many objects."""

    def __init__(self, palette, rng):
        self.rng, self.kinds = rng, []
        for index in range(6):
            ball = bmesh.new()
            bmesh.ops.create_icosphere(ball, subdivisions=4, radius=1.0)
            points = np.array([v.co[:] for v in ball.verts])
            faces = [[v.index for v in f.verts] for f in ball.faces]
            ball.free()
            for frequency, depth in ((1.6, 0.3), (3.6, 0.2), (9.0, 0.2)):
                wave, phase = rng.normal(0, frequency, (3, 8)), rng.uniform(0, 6.28, 8)
                points = points * (1 + depth * np.sin(points @ wave + phase).mean(1, keepdims=True))
            points = points * (1, 1, 0.95) + (0, 0, 1.45)
            crown = mesh("crown", points, faces, palette.leaves[index % 2])
            trunk = box("trunk", (0.12, 0.12, 1.2), (0, 0, 0.6), palette.bark, bevel=0)
            self.kinds.append((crown.data, trunk.data))
            for each in (crown, trunk):
                bpy.data.objects.remove(each)

    def plant(self, places, at, low=1.6, high=3.2) -> None:
        """places [n, 2]; low, high: radius of the crown."""
        for x, y in places:
            size = self.rng.uniform(low, high)
            for data in self.kinds[self.rng.integers(len(self.kinds))]:
                made = bpy.data.objects.new(data.name, data)
                bpy.context.scene.collection.objects.link(made)
                made.matrix_world = at @ turned_matrix(x, y, 0.1, self.rng.uniform(0, 6.28))
                made.scale = (size, size, size)


def car(palette, rng, x, y, turn, at) -> None:
    frame = at @ turned_matrix(x, y, 0.05, turn)
    paint = palette.paints[rng.choice(5, p=(0.35, 0.2, 0.25, 0.1, 0.1))]
    quads = Quads()
    quads.block(paint, -2.1, 2.1, -0.88, 0.88, 0.2, 0.85)
    quads.block(palette.glass, -1.2, 0.9, -0.75, 0.75, 0.85, 1.4, paint)
    quads.made("car", frame)
