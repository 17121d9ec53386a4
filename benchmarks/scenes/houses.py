"""Gable houses of stones, shutters and single roof tiles."""

import math

import bpy
import nature
import numpy as np
from mathutils import Euler, Matrix, Vector
from nature import box, fbm, material, mesh, scatter, stones, turned_matrix

Opening = tuple[str, float, float, float, float, str]  # side, u along the wall, z, width, height, "window" | "door"


def windows(side: str, us, zs, wide: float = 0.85, tall: float = 1.1) -> list[Opening]:
    """Windows at every u and z of a wall."""
    return [(side, u, z, wide, tall, "window") for z in zs for u in us]


def door(u: float, side: str = "front") -> list[Opening]:
    return [(side, u, 0.0, 1.1, 2.12, "door")]


class Masonry:
    """Materials and parts that all houses of a scene share; `terrain(x, y)` is the height they stand on."""

    def __init__(self, rng: np.random.Generator, terrain, haze: float):
        self.rng, self.terrain = rng, terrain
        rough = dict(bump=0.25, bump_scale=9, haze=haze)
        paint = dict(roughness=0.6, haze=haze)
        limestone = material(
            "limestone", (0.36, 0.29, 0.2), (0.6, 0.5, 0.37), 6,
            roughness=0.85, bump=0.45, bump_scale=35, varied=0.22, haze=haze,
        )  # fmt: skip
        self.stone = limestone
        self.stones = stones("stone", limestone, rng, squareness=7)
        self.mortar = material("mortar", (0.3, 0.25, 0.18), (0.4, 0.33, 0.24), 12, bump=0.5, haze=haze)
        self.plaster = [
            material("ochre", (0.62, 0.4, 0.18), (0.74, 0.52, 0.27), 0.9, **rough),
            material("cream", (0.62, 0.52, 0.38), (0.76, 0.67, 0.52), 0.8, **rough),
            material("rose", (0.6, 0.34, 0.24), (0.7, 0.46, 0.34), 0.8, **rough),
        ]
        self.clay = material("clay", (0.36, 0.13, 0.06), (0.56, 0.26, 0.13), 4, varied=0.3, bump=0.3, haze=haze)
        self.board = material("board", (0.2, 0.08, 0.04), (0.3, 0.13, 0.07), 5, haze=haze)
        self.wood = material("wood", (0.13, 0.075, 0.04), (0.24, 0.15, 0.085), 14, bump=0.4, haze=haze)
        self.paint = [
            material("green", (0.05, 0.13, 0.1), (0.085, 0.2, 0.15), 7, **paint),
            material("blue", (0.09, 0.17, 0.26), (0.14, 0.24, 0.34), 7, **paint),
        ]
        self.glass = material("glass", (0.012, 0.015, 0.02), (0.03, 0.035, 0.045), 2, roughness=0.08, haze=haze)
        self.tiles = nature.library("tile", [self._tile()])

    def _tile(self) -> bpy.types.Object:
        """A tapered half pipe, 0.42 long, along its own y."""
        bend, low = np.linspace(0, np.pi, 7), np.arange(6)
        rims = [
            np.stack([r * np.cos(bend), 0 * bend + y, r * np.sin(bend) * 0.9], 1)
            for r, y in ((0.1, -0.21), (0.08, 0.21))
        ]
        inner = [rim * [0.84, 1, 0.8] for rim in rims]
        faces = np.r_[np.stack([low, low + 1, low + 8, low + 7], 1), np.stack([low, low + 14, low + 15, low + 1], 1)]
        return mesh("tile", np.concatenate(rims + inner), faces, self.clay)

    def house(self, x, y, turn, width, depth, height, rise, openings=(), *, plaster=None, paint=0) -> None:
        """Gable house: ridge along its own x, front towards its own -y; plaster: which one, None for bare stone."""
        frame = turned_matrix(x, y, self.terrain(x, y).item(), turn)
        w, d = width / 2, depth / 2
        outline = [(-d, -0.4), (d, -0.4), (d, height), (0, height + rise), (-d, height)]
        vertices = [(sx * w, v, z) for sx in (-1, 1) for v, z in outline]
        skin = self.mortar if plaster is None else self.plaster[plaster]
        quads = [(0, 1, 6, 5), (1, 2, 7, 6), (2, 3, 8, 7), (3, 4, 9, 8), (4, 0, 5, 9)]
        mesh("body", vertices, quads, skin, smooth=False, at=frame)
        for gable in (vertices[:5], vertices[:4:-1]):
            mesh("gable", gable, [(0, 4, 3, 2, 1)], skin, smooth=False, at=frame)

        def eave(u):
            return height

        def verge(u):
            return height + rise * (1 - abs(u) / d) - 0.1

        for side, middle, heading, length, top in (
            ("front", (0, -d), 0.0, width, eave),
            ("right", (w, 0), math.pi / 2, depth, verge),
            ("left", (-w, 0), -math.pi / 2, depth, verge),
        ):
            wall = frame @ turned_matrix(*middle, 0, heading)
            here = [opening[1:] for opening in openings if opening[0] == side]
            self._stonework(wall, turn + heading, length, top, here, corners=plaster is not None)
            for u, z, wide, tall, kind in here:
                (self._door if kind == "door" else self._window)(wall, u, z, wide, tall, self.paint[paint])
        self._roof(frame, turn, w, d, height, rise)

    def _stonework(self, wall: Matrix, heading, length, top, openings, corners: bool) -> None:
        """Courses of stones on a wall below top(u), around the openings; only its two ends if `corners`."""
        rng, at, size, z = self.rng, [], [], -0.1

        def covers(u, v, wide, tall):
            return any(
                abs(u - a) <= (wide + ow) / 2 - 0.06 and b - tall / 2 < v < b + oh + tall / 2
                for a, b, ow, oh, _ in openings
            )

        while z < top(0.0):
            tall = rng.uniform(0.15, 0.29)
            u = -length / 2 - rng.uniform(0, 0.06)
            while u < length / 2:
                wide = min(rng.uniform(0.2, 0.58), length / 2 + 0.05 - u) if not corners else rng.uniform(0.3, 0.5)
                if corners and u > -length / 2 + 0.1 and u < length / 2 - 0.5:
                    u = length / 2 - wide
                middle = (u + wide / 2, z + tall / 2)
                if wide > 0.08 and middle[1] + tall / 2 < top(middle[0]) and not covers(*middle, wide, tall):
                    at.append((middle[0], rng.uniform(-0.01, 0.02), middle[1]))
                    size.append((wide * 1.03, 0.2, tall * 1.03))
                u += wide
            z += tall
        points = np.array([wall @ Vector(p) for p in at])
        turns = np.array([0, 0, heading]) + rng.normal(0, 0.025, points.shape)
        scatter("masonry", self.stones, points, turns, np.array(size), rng)

    def _lintel(self, wall, u, z, wide):
        box("lintel", (wide + 0.36, 0.24, 0.2), (u, -0.02, z + 0.1), self.stone, wall)

    def _door(self, wall, u, z, wide, tall, paint):
        self._lintel(wall, u, z + tall, wide)
        for k in range(5):
            plank = (u - wide / 2 + (k + 0.5) * wide / 5, 0.0, z + tall / 2)
            box("plank", (wide / 5 - 0.008, 0.06, tall), plank, paint, wall)
        box("step", (wide + 0.5, 0.5, 0.14), (u, -0.25, 0.05), self.stone, wall)

    def _window(self, wall, u, z, wide, tall, paint):
        self._lintel(wall, u, z + tall, wide)
        box("glass", (wide, 0.02, tall), (u, 0.0, z + tall / 2), self.glass, wall)
        box("sill", (wide + 0.3, 0.3, 0.09), (u, -0.06, z - 0.04), self.stone, wall)
        for shift, lift, width, height in (
            (0, 0.5, 0.05, tall), (0, 0.62, wide, 0.04), (-0.5, 0.5, 0.07, tall), (0.5, 0.5, 0.07, tall)
        ):  # fmt: skip
            box("frame", (width, 0.07, height), (u + shift * wide, -0.02, z + lift * tall), self.wood, wall)
        for sign in (-1, 1):
            middle = u + sign * (wide * 0.77 + 0.03)
            for rail in (0.03, 0.5, 0.97):
                box("rail", (wide / 2, 0.045, 0.07), (middle, -0.13, z + rail * tall), paint, wall)
            for k in range(int(tall / 0.075)):
                box("slat", (wide / 2 - 0.04, 0.03, 0.05), (middle, -0.12, z + 0.04 + k * 0.075), paint, wall)
            for edge in (-1, 1):
                stile = (middle + edge * (wide / 4 - 0.02), -0.13, z + tall / 2)
                box("stile", (0.05, 0.045, tall), stile, paint, wall)

    def _roof(self, frame: Matrix, turn, w, d, height, rise) -> None:
        rng, slope = self.rng, math.atan2(rise, d)
        cos, sin, run = math.cos(slope), math.sin(slope), (d + 0.42) / math.cos(slope)
        across, along = (a.ravel() for a in np.meshgrid(np.arange(-w - 0.3, w + 0.3, 0.19), np.arange(0.1, run, 0.33)))
        for side in (-1, 1):
            sag = 0.05 * fbm(across / 3 + frame.translation.x * 1.37, along * cos / 3, 4, 2)
            local = np.stack([across, side * along * cos, height + rise + 0.1 - along * sin + sag], 1)
            points = np.array([frame @ Vector(p) for p in local + rng.normal(0, 0.008, local.shape)])
            turns = np.array([slope - 0.06, 0, turn + (0 if side < 0 else math.pi)])
            turns = turns + rng.normal(0, [0.02, 0.02, 0.03], points.shape)
            scatter("tiles", self.tiles, points, turns, np.ones(len(points)), rng)
            profile = [(0, 0.06), (run, 0.06), (run, -0.03), (0, -0.03)]
            board = [
                (sx * (w + 0.32), side * t * cos, height + rise - t * sin + lift)
                for sx in (-1, 1)
                for t, lift in profile
            ]
            quads = [(0, 1, 5, 4), (3, 7, 6, 2), (1, 2, 6, 5), (0, 3, 2, 1), (4, 5, 6, 7)]
            mesh("board", board, quads, self.board, smooth=False, at=frame)
            for x in np.arange(-w, w, 0.55):
                place = turned_matrix(x, side * (d + 0.16), height - 0.16, 0)
                tilt = Euler((side * -slope, 0, 0)).to_matrix().to_4x4()
                box("rafter", (0.09, 0.55, 0.11), (0, 0, 0.04), self.wood, frame @ place @ tilt)
        ridge = np.arange(-w - 0.3, w + 0.3, 0.34)
        points = np.array([frame @ Vector((x, 0, height + rise + 0.13)) for x in ridge])
        turns = np.tile([0, 0, turn + math.pi / 2], (len(points), 1))
        scatter("ridge", self.tiles, points, turns, np.full(len(points), 1.5), rng)
        box("chimney", (0.6, 0.6, 1.3), (w * 0.55, 0.3, height + rise + 0.25), self.mortar, frame, 0.03)
        box("cap", (0.75, 0.75, 0.08), (w * 0.55, 0.3, height + rise + 0.95), self.clay, frame, 0.02)

    def dry_wall(
        self, middle, y_from: float, y_to: float, offset: float, height: float, thickness: float = 0.4
    ) -> None:
        """A wall of loose stones along x = middle(y) + offset."""
        rng, at, size, z = self.rng, [], [], 0.0
        while z < height:
            tall, y = rng.uniform(0.1, 0.19), y_from
            while y < y_to:
                long = rng.uniform(0.16, 0.46)
                at.append((float(middle(y)) + offset + rng.normal(0, 0.02), y + long / 2, z + tall / 2))
                size.append((thickness * rng.uniform(0.9, 1.08), long * 1.02, tall * 1.05))
                y += long
            z += tall * 0.96
        scatter("dry wall", self.stones, np.array(at), rng.normal(0, 0.05, (len(at), 3)), np.array(size), rng)
