"""Where the cameras of a scene stand: smooth walks with an eye and a target that glance about on the way."""

import bpy
import numpy as np
from mathutils import Vector
from scipy.interpolate import CubicSpline

from skyworld.camera import Camera, look_at

CLEARANCE = 0.5  # metres

# Each walk is a list of (eye, target), metres; between them both glide along a cubic spline.
WALKS = {
    "room": (
        [((1.5, -0.2, 1.5), (-2.6, 0.4, 1.1)), ((1.2, 0.9, 1.6), (-2.4, -1.2, 1.1)),
         ((0.2, 1.4, 1.5), (0.2, -2.6, 0.9)), ((-1.0, 1.4, 1.6), (2.2, -1.6, 1.0)),
         ((-1.5, 0.5, 1.55), (2.6, 0.4, 1.2))],
        [((0.3, -0.6, 1.6), (-1.0, 3.4, 1.2)), ((0.9, 0.1, 1.5), (2.4, 3.2, 1.1)), ((0.6, 0.8, 1.6), (2.9, -1.0, 1.3)),
         ((-0.2, 1.0, 1.5), (1.6, -3.4, 1.1)), ((-0.8, 0.6, 1.5), (-1.2, -3.4, 1.1)),
         ((-0.6, -0.2, 1.6), (-3.0, -0.6, 1.2))],
        [((-1.6, -0.7, 1.4), (0.6, 3.2, 1.0)), ((-0.6, -1.0, 1.7), (-1.8, 3.0, 1.1)),
         ((0.6, -0.6, 1.75), (-2.8, 0.9, 0.8)), ((1.8, 0.2, 1.6), (0.2, -2.4, 0.8)),
         ((1.9, 1.2, 1.5), (-0.6, -2.0, 0.9))],
    ),
    "street": (
        [((-0.6, -15, 1.65), (-5.5, -7, 2.2)), ((0.5, -9, 1.7), (6.5, -2, 2.4)), ((0.3, -3, 1.65), (-6.5, 4, 2.2)),
         ((-0.6, 3, 1.6), (6.5, 9, 2.6)), ((0.2, 9, 1.65), (-3.0, 22, 2.2))],
        [((-2.3, 13, 1.6), (7.5, 10, 2.6)), ((-1.8, 6, 1.8), (7.5, 0, 2.4)), ((-2.4, -1, 1.7), (7.5, -4, 2.0)),
         ((-1.8, -8, 1.6), (6.0, -15, 2.4)), ((-2.2, -13, 1.7), (4.0, -24, 2.6))],
        [((2.2, -14, 1.6), (-7.5, -10, 2.6)), ((1.8, -7, 1.9), (-7.5, -3, 2.4)), ((2.3, 0, 1.7), (-7.5, 4, 2.0)),
         ((1.9, 7, 1.6), (-6.5, 13, 2.2)), ((2.2, 12, 1.7), (0.0, 26, 2.8))],
    ),
    "landscape": (
        [((0.1, 0.3, 1.65), (-2.0, 12, 2.2)), ((0.3, 4.0, 1.6), (3.5, 14, 2.2)), ((0.9, 8.0, 1.7), (-3.5, 17, 2.6)),
         ((1.4, 12.0, 1.65), (5.5, 24, 3.0)), ((1.6, 16.0, 1.7), (-1.0, 30, 4.0))],
        [((1.5, 14.0, 2.6), (-3.5, 24, 3.0)), ((0.6, 10.5, 3.0), (8.0, 21, 2.6)), ((0.0, 7.0, 2.8), (-5.0, 14, 2.4)),
         ((-0.6, 3.5, 2.4), (6.0, 12, 2.0)), ((-0.8, 0.6, 2.2), (1.0, 20, 2.6))],
        [((-2.2, 1.2, 1.3), (4.0, 12, 2.4)), ((-0.8, 2.2, 1.5), (3.0, 12, 2.0)), ((1.0, 2.6, 1.9), (-2.5, 14, 2.2)),
         ((2.3, 2.0, 1.7), (-5.0, 12, 2.6)), ((3.6, 1.2, 1.4), (-3.0, 14, 2.4))],
    ),
}  # fmt: skip


def walk(points, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """`count` pairs of eye and target [3], evenly spaced along the walk through `points`."""
    rows = np.array([np.r_[eye, target] for eye, target in points], np.float64)
    spline = CubicSpline(np.arange(len(rows)), rows)
    fine = spline(np.linspace(0, len(rows) - 1, 400))
    # The way of the eye and, at a tenth, that of the target: turning on the spot takes pictures too.
    travelled = np.r_[0, np.linalg.norm(np.diff(fine, axis=0) * [1, 1, 1, 0.1, 0.1, 0.1], axis=1).cumsum()]
    even = np.linspace(0, travelled[-1], count)
    at = np.stack([np.interp(even, travelled, column) for column in fine.T], 1)
    return [(row[:3], row[3:]) for row in at]


def cameras(name: str, count: int, fov: float, width: int, height: int) -> list[Camera]:
    """`count` cameras of the scene that is loaded, each with room about it; fov across, radians.

    They are numbered so that those with index % 8 == 0 stand within a walk and not at its ends.
    """
    walks = WALKS[name]
    shares = [len(part) for part in np.array_split(np.arange(count), len(walks))]
    pairs = [pair for points, share in zip(walks, shares, strict=True) for pair in walk(points, share)]
    pairs = pairs[-4:] + pairs[:-4]
    graph = bpy.context.evaluated_depsgraph_get()
    rng = np.random.default_rng(0)
    return [Camera.pinhole(look_at(_cleared(graph, *pair, rng), pair[1]), fov, width, height) for pair in pairs]


def _cleared(graph, eye: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The eye, moved by as little as a random search finds where something is nearer than the clearance."""
    for attempt in range(200):
        moved = eye + rng.normal(0, 0.01 * attempt, 3) * [1, 1, 0.3]
        if has_room(graph, moved, target):
            return moved
    raise ValueError(f"no place with {CLEARANCE} m of room about it near {np.round(eye, 2)}")


def has_room(graph, eye: np.ndarray, target: np.ndarray) -> bool:
    """Whether nothing stands within the clearance around the eye, nor within twice of it where it looks."""
    index = np.arange(24) + 0.5
    z, turn = 1 - 2 * index / 24, np.pi * (1 + 5**0.5) * index  # Fibonacci sphere
    around = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], 1)
    ahead = (target - eye) / np.linalg.norm(target - eye)
    cast = bpy.context.scene.ray_cast
    return not any(
        cast(graph, Vector(eye), Vector(direction), distance=CLEARANCE * reach)[0]
        for direction, reach in [(ahead, 2), *((direction, 1) for direction in around)]
    )
