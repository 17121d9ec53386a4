"""The add-on's own icons, drawn in the colour of the theme's text, so that they are read on dark and light themes.

Each is a list of (shape, colour): signed distances [SIDE, SIDE] to the shape's edge, below zero inside, over a square
from -1 to 1 with y up; colour None is the text's.
"""

from itertools import pairwise

import bpy
import bpy.utils.previews
import numpy as np

SIDE = 64
LINE = 0.085  # half the width of a stroke
SPLAT = (0.96, 0.56, 0.15)  # reads on dark and on light grey
RECORD = (0.88, 0.22, 0.20)
Y, X = np.mgrid[0:SIDE, 0:SIDE] / (SIDE / 2) - 1 + 1 / SIDE

_state = {"collection": None, "colour": None}


def icon(name, context):
    """Icon number of one of DRAWINGS, in the colour that the theme has now."""
    colour = tuple(context.preferences.themes[0].user_interface.wcol_tool.text[:3])
    if colour != _state["colour"]:
        _state["colour"] = colour
        for known, shapes in DRAWINGS.items():
            entry = _state["collection"].get(known) or _state["collection"].new(known)
            entry.icon_size = entry.image_size = (SIDE, SIDE)
            pixels = painted(shapes(), colour).ravel()
            entry.icon_pixels_float.foreach_set(pixels)
            entry.image_pixels_float.foreach_set(pixels)
    return _state["collection"][name].icon_id


def painted(shapes, text):
    """[SIDE, SIDE, 4] of the shapes, one over the other, rows upward; not premultiplied."""
    picture = np.zeros((SIDE, SIDE, 4), np.float32)
    for distance, colour in shapes:
        alpha = np.clip(0.5 - distance * SIDE / 2, 0, 1)[..., None]
        over = alpha + picture[..., 3:] * (1 - alpha)
        rgb = np.array(colour or text) * alpha + picture[..., :3] * picture[..., 3:] * (1 - alpha)
        picture = np.concatenate([rgb / np.maximum(over, 1e-6), over], -1).astype(np.float32)
    return picture


def disc(x, y, radius):
    return np.hypot(X - x, Y - y) - radius


def stroke(*points):
    """A line through points, with round ends."""
    nearest = np.full((SIDE, SIDE), np.inf)
    for (ax, ay), (bx, by) in pairwise(points):
        dx, dy = bx - ax, by - ay
        t = np.clip(((X - ax) * dx + (Y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
        nearest = np.minimum(nearest, np.hypot(X - ax - t * dx, Y - ay - t * dy))
    return nearest - LINE


def ellipse(x, y, a, b, turn):
    """A splat: half axes a and b, turned by radians."""
    u = (X - x) * np.cos(turn) + (Y - y) * np.sin(turn)
    v = (Y - y) * np.cos(turn) - (X - x) * np.sin(turn)
    return (np.hypot(u / a, v / b) - 1) * min(a, b)


def world():
    """A globe, its ground of splats."""
    ground = [ellipse(-0.16, -0.08, 0.5, 0.16, 0.3), ellipse(0.12, -0.45, 0.5, 0.14, 0.12)]
    return [(np.abs(disc(0, 0, 0.8)) - LINE, None), *((splat, SPLAT) for splat in ground)]


def fly_through():
    """A path from key to key."""
    t = np.linspace(0, 1, 24)
    x, y = -0.75 + 1.45 * t, 0.45 * np.sin(2 * np.pi * t * 0.95) - 0.1
    line = stroke(*zip(x, y, strict=True))
    keys = [disc(x[i], y[i], 0.17) for i in (0, 6, 17)]
    return [(line, None), *((key, SPLAT) for key in keys)]


def shot():
    """A film camera that records."""
    body = np.maximum(np.abs(X + 0.2) - 0.62, np.abs(Y) - 0.42)
    lens = np.maximum.reduce([0.48 - X, X - 0.86, np.abs(Y) - 0.12 - 0.6 * (X - 0.48)])
    return [(np.abs(body) - LINE, None), (lens, None), (disc(-0.2, 0, 0.2), RECORD)]


def fit():
    """A picture, and the splats that it becomes."""
    frame = np.maximum(np.abs(X + 0.12) - 0.68, np.abs(Y - 0.1) - 0.6)
    hills = stroke((-0.7, -0.2), (-0.35, 0.25), (-0.1, -0.05), (0.15, 0.3), (0.46, -0.15))
    return [
        (np.abs(frame) - LINE, None),
        (hills, None),
        (ellipse(0.52, -0.5, 0.38, 0.2, 0.5), SPLAT),
        (ellipse(0.05, -0.66, 0.28, 0.15, -0.3), SPLAT),
    ]


def city():
    """Houses, and the satellite's view of them."""
    houses = [
        np.maximum(np.abs(X - x) - 0.17, np.abs(Y + 0.75 - h / 2) - h / 2)
        for x, h in ((-0.55, 0.5), (0, 0.85), (0.55, 0.62))
    ]
    eye = stroke((-0.8, 0.75), (0, 0.45), (0.8, 0.75))
    return [(eye, None), (disc(0, 0.8, 0.16), None), *((house, SPLAT) for house in houses)]


DRAWINGS = {"city": city, "world": world, "fly_through": fly_through, "shot": shot, "fit": fit}


def register():
    _state["collection"] = bpy.utils.previews.new()


def unregister():
    bpy.utils.previews.remove(_state["collection"])
    _state.update(collection=None, colour=None)
