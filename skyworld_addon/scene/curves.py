"""Camera paths that stay editable: a curve, a camera that follows it, an empty that it looks at."""

import math

import bpy
import numpy as np
from mathutils import Vector

from . import cameras

FOV = math.radians(65)
FOLLOW = "Follow Path"
PASSES = [(-0.3, -0.95, -0.05), (0.5, -0.45, 0.05), (0.0, 0.0, 0.1), (-0.5, 0.45, 0.1), (0.1, 0.95, 0.0)]
CIRCLE = 4 / 3 * math.tan(math.pi / 8)  # handle length of the best circle of four Bezier segments


def flythrough_points(centre, reach):
    """[5, 3] a glide from behind `centre` past it along +Y, swaying; within `reach` metres along each axis."""
    return np.asarray(centre, float) + reach * np.array(PASSES)


def add_path(name, points, collection):
    """An open Bezier curve through points [N, 3] with automatic handles."""
    curve = _curve(name, len(points))
    spline = curve.splines[0]
    for bezier, point in zip(spline.bezier_points, points, strict=True):
        bezier.co = point
        bezier.handle_left_type = bezier.handle_right_type = "AUTO"
    return _link(name, curve, collection)


def add_circle(name, centre, radius, collection, tilt=0.0):
    """A closed circle about `centre`, anticlockwise from -Y; tilt: radians that it leans toward +Y."""
    curve = _curve(name, 4)
    spline = curve.splines[0]
    spline.use_cyclic_u = True
    for k, bezier in enumerate(spline.bezier_points):
        angle = k * math.pi / 2 - math.pi / 2
        out = np.array([math.cos(angle), math.sin(angle), 0]) * radius
        along = np.array([-math.sin(angle), math.cos(angle), 0]) * radius * CIRCLE
        bezier.handle_left_type = bezier.handle_right_type = "ALIGNED"
        bezier.co, bezier.handle_left, bezier.handle_right = out, out - along, out + along
    obj = _link(name, curve, collection)
    obj.location = centre
    obj.rotation_euler.x = tilt
    return obj


def add_target(name, location, collection):
    target = bpy.data.objects.new(name, None)
    target.empty_display_type, target.empty_display_size = "SPHERE", 0.15
    target.location = location
    collection.objects.link(target)
    return target


def add_camera(name, path, frames, collection, *, target=None, outward=False, turn=None, ease=False, fov=FOV):
    """A camera that goes along the curve `path` over frames (first, last) and looks at `target`.

    Without target it keeps the rotation `turn` (a quaternion), or looks along the path, or away from its centre if
    `outward`. The curve, the target and the animation of the constraint's offset stay editable. The speed is even:
    the offset counts length.
    """
    data = bpy.data.cameras.new(name)
    data.sensor_fit, data.angle = "HORIZONTAL", fov
    data.clip_start, data.clip_end = 0.01, 10_000
    camera = bpy.data.objects.new(name, data)
    collection.objects.link(camera)
    follow = camera.constraints.new("FOLLOW_PATH")
    follow.name, follow.target, follow.use_fixed_location = FOLLOW, path, True
    if target:
        look = camera.constraints.new("TRACK_TO")
        look.target, look.track_axis, look.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"
    elif turn is not None:
        camera.rotation_mode, camera.rotation_quaternion = "QUATERNION", turn
    else:
        follow.use_curve_follow, follow.forward_axis, follow.up_axis = True, "FORWARD_Y", "UP_Z"
        camera.rotation_euler = (math.pi / 2, 0, -math.pi / 2 if outward else 0)
    first, last = frames
    # a closed path comes back to where it began one frame after the last: the loop has no doubled frame
    end = last + 1 if path.data.splines[0].use_cyclic_u else last
    offset = f'constraints["{FOLLOW}"].offset_factor'
    cameras.keyframes(camera, offset, [first, end], [0.0, 1.0], cameras.BEZIER if ease else cameras.LINEAR)
    if ease:
        _soften(camera.animation_data.action.fcurve_ensure_for_datablock(camera, offset), 0.15)
    return camera


def sampled(path, steps=32):
    """World-space points [N, 3] along a curve object's first spline, and the lengths [N] up to each of them, metres.

    Bezier splines have `steps` points a segment, polygons their own points, NURBS those that Blender draws.
    """
    spline = path.data.splines[0]
    if spline.type == "BEZIER":
        keys = [np.array([key.handle_left, key.co, key.handle_right]) for key in spline.bezier_points]
        pairs = list(zip(keys, keys[1:] + keys[:1] * spline.use_cyclic_u, strict=False))
        t = np.linspace(0, 1, steps, endpoint=False)[:, None]
        pieces = [_bezier(a[1], a[2], b[0], b[1], t) for a, b in pairs]
        points = np.concatenate([*pieces, pairs[-1][1][1:2]]) if pairs else keys[0][1:2]
    elif spline.type == "NURBS":
        points = _drawn(path)
    else:
        points = np.array([point.co[:3] for point in spline.points])
        points = np.concatenate([points, points[:1]]) if spline.use_cyclic_u else points
    matrix = np.array(path.matrix_world)
    points = points @ matrix[:3, :3].T + matrix[:3, 3]
    return points, np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]


def _drawn(path):
    """[N, 3] of a curve's first spline as Blender draws it, in the curve's own space; without its bevel."""
    curve = path.data.copy()
    curve.bevel_depth, curve.extrude = 0.0, 0.0
    bare = bpy.data.objects.new("bare", curve)
    mesh = bare.to_mesh()
    edges = {tuple(edge.vertices) for edge in mesh.edges}
    count = 1
    while (count - 1, count) in edges:
        count += 1
    points = [tuple(vertex.co) for vertex in mesh.vertices[:count]]
    points += points[:1] if curve.splines[0].use_cyclic_u else []
    bare.to_mesh_clear()
    bpy.data.objects.remove(bare)
    bpy.data.curves.remove(curve)
    return np.array(points)


def evenly(path, spacing):
    """Points [N, 3] along a curve object, about `spacing` metres apart; the last of a closed one is not its first."""
    points, lengths = sampled(path)
    count = max(2, round(lengths[-1] / spacing) + 1)
    where = np.linspace(0, lengths[-1], count)
    places = np.stack([np.interp(where, lengths, column) for column in points.T], 1)
    return places[:-1] if path.data.splines[0].use_cyclic_u and count > 3 else places


def rebuild(path, places):
    """The curve object through places [N, 3] in world space, its handles automatic; closed if it was."""
    curve = path.data
    closed = curve.splines[0].use_cyclic_u
    curve.splines.clear()
    spline = curve.splines.new("BEZIER")
    spline.bezier_points.add(len(places) - 1)
    spline.use_cyclic_u = closed
    inverse = path.matrix_world.inverted()
    for bezier, place in zip(spline.bezier_points, places, strict=True):
        bezier.co = inverse @ Vector(place)
        bezier.handle_left_type = bezier.handle_right_type = "AUTO"


def bank(path, amount):
    """Tilts the curve into its bends, seen from above, for cameras that look along it: radians = amount x bend.

    The bend at a point is the turn of the heading from one neighbour to the next, for each metre between them.
    """
    spline = path.data.splines[0]
    keys = spline.bezier_points if spline.type == "BEZIER" else spline.points
    places = np.array([(path.matrix_world @ Vector(key.co[:3]))[:] for key in keys])
    before, after = np.roll(places, 1, 0), np.roll(places, -1, 0)
    if not spline.use_cyclic_u:
        before[0], after[-1] = places[0], places[-1]
    come, go = (places - before)[:, :2], (after - places)[:, :2]
    turn = np.arctan2(come[:, 0] * go[:, 1] - come[:, 1] * go[:, 0], (come * go).sum(1))
    length = 0.5 * (np.linalg.norm(come, axis=1) + np.linalg.norm(go, axis=1))
    tilts = np.clip(-amount * turn / np.maximum(length, 1e-6), -math.pi / 3, math.pi / 3)
    for key, tilt in zip(keys, tilts, strict=True):
        key.tilt = tilt


def _bezier(a, b, c, d, t):
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def _soften(curve, share):
    """Level handles: a soft start and stop, constant speed between."""
    first, last = curve.keyframe_points
    for key, side in ((first, 1), (last, -1)):
        key.handle_left_type = key.handle_right_type = "FREE"
        reach = side * share * (last.co.x - first.co.x)
        key.handle_left = (key.co.x - reach, key.co.y)
        key.handle_right = (key.co.x + reach, key.co.y)
    curve.update()


def _curve(name, count):
    curve = bpy.data.curves.new(name, "CURVE")
    curve.dimensions = "3D"
    spline = curve.splines.new("BEZIER")
    spline.bezier_points.add(count - 1)
    curve.use_path = True
    curve.resolution_u = 32
    curve.twist_mode = "Z_UP"  # who looks along it stands upright
    return curve


def _link(name, curve, collection):
    obj = bpy.data.objects.new(name, curve)
    collection.objects.link(obj)
    return obj
