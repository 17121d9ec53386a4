"""Camera paths that stay editable: a curve, a camera that follows it, an empty that it looks at."""

import math

import bpy
import numpy as np

from . import cameras

BEZIER = 2
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


def add_camera(name, path, frames, collection, *, target=None, outward=False, ease=False, fov=FOV):
    """A camera that goes along the curve `path` over frames (first, last) and looks at `target`.

    Without target it looks along the path, or away from its centre if `outward`. The curve, the target
    and the animation of the constraint's offset stay editable.
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
    else:
        follow.use_curve_follow, follow.forward_axis, follow.up_axis = True, "FORWARD_Y", "UP_Z"
        camera.rotation_euler = (math.pi / 2, 0, -math.pi / 2 if outward else 0)
    first, last = frames
    # a closed path comes back to where it began one frame after the last: the loop has no doubled frame
    end = last + 1 if path.data.splines[0].use_cyclic_u else last
    offset = f'constraints["{FOLLOW}"].offset_factor'
    cameras.keyframes(camera, offset, [first, end], [0.0, 1.0], BEZIER if ease else cameras.LINEAR)
    if ease:
        _soften(camera.animation_data.action.fcurve_ensure_for_datablock(camera, offset), 0.15)
    return camera


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
    return curve


def _link(name, curve, collection):
    obj = bpy.data.objects.new(name, curve)
    collection.objects.link(obj)
    return obj
