"""Splats and points as coloured round dots in every shading mode of the viewport.

A dot is as large as its splat's disc and hides what is behind it: no sorting, no transparency. Buffers
are made once for a point cloud and thrown away when Blender says that it has changed. Selected splats are tinted.
"""

import bpy
import gpu
import numpy as np
from bpy.app.handlers import persistent
from gpu_extras.batch import batch_for_shader

from ..scene import selection, splats
from .gaussians import TINT

MOST = 4_000_000  # dots of one object; more are thinned out
LARGEST = 48.0  # pixels

VERTEX = """
void main()
{
  gl_Position = ModelViewProjectionMatrix * vec4(position, 1.0);
  gl_PointSize = clamp(radius * pixels / gl_Position.w, 1.5, largest);
  dot_colour = colour;
}
"""
FRAGMENT = """
void main()
{
  vec2 from_centre = gl_PointCoord * 2.0 - 1.0;
  if (dot(from_centre, from_centre) > 1.0) {
    discard;
  }
  fragColor = vec4(pow(dot_colour, vec3(2.2)), 1.0);
}
"""

_state = {"shader": None, "handle": None}
_batches = {}  # session_uid of a point cloud, or of an object with modifiers in a tuple -> (amount, batch)


def _shader():
    if _state["shader"] is None:
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "ModelViewProjectionMatrix")
        info.push_constant("FLOAT", "pixels")
        info.push_constant("FLOAT", "largest")
        info.vertex_in(0, "VEC3", "position")
        info.vertex_in(1, "VEC3", "colour")
        info.vertex_in(2, "FLOAT", "radius")
        interface = gpu.types.GPUStageInterfaceInfo("skyworld_dot")
        interface.smooth("VEC3", "dot_colour")
        info.vertex_out(interface)
        info.fragment_out(0, "VEC4", "fragColor")
        info.vertex_source(VERTEX)
        info.fragment_source(FRAGMENT)
        _state["shader"] = gpu.shader.create_from_info(info)
    return _state["shader"]


def _batch(obj):
    changed = any(modifier.show_viewport for modifier in obj.modifiers)
    data = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data if changed else obj.data
    key, fraction = (obj.session_uid,) if changed else data.session_uid, obj.skyworld.fraction
    held = _batches.get(key)
    if held is None or held[0] != fraction:
        _batches[key] = held = (fraction, batch_for_shader(_shader(), "POINTS", dots(data, fraction)))
    return held[1]


def dots(data, fraction):
    """{"position", "colour", "radius"} of an evenly drawn share of a point cloud, never more than MOST."""
    N = len(data.attributes["position"].data)
    position, colour = np.empty((N, 3), np.float32), np.empty((N, 4), np.float32)
    data.attributes["position"].data.foreach_get("vector", position.reshape(-1))
    data.attributes["Color"].data.foreach_get("color_srgb", colour.reshape(-1))
    radius = np.full(N, 0.01, np.float32)
    if "radius" in data.attributes:
        data.attributes["radius"].data.foreach_get("value", radius)
    selected, hidden = selection.get(data), selection.get(data, selection.HIDDEN)
    colour[selected, :3] += 0.65 * (np.array(TINT, np.float32) - colour[selected, :3])
    if hidden.any():
        position, colour, radius = position[~hidden], colour[~hidden], radius[~hidden]
        N = len(position)
    wanted = min(N, max(1, min(MOST, round(N * fraction))))
    if wanted < N:
        chosen = np.sort(np.random.default_rng(0).choice(N, wanted, replace=False))
        # fewer dots are drawn larger, so that what they show stays closed
        position, colour, radius = position[chosen], colour[chosen], radius[chosen] * (N / wanted) ** 0.5
    return {
        "position": np.ascontiguousarray(position),
        "colour": np.ascontiguousarray(colour[:, :3]),
        "radius": np.ascontiguousarray(radius),
    }


def draw():
    context = bpy.context
    shown = [
        obj
        for obj in context.visible_objects
        if obj.type == "POINTCLOUD" and obj.skyworld.display == "POINTS" and splats.is_coloured(obj)
    ]
    if not shown:
        return
    view = context.region_data
    shader = _shader()
    shader.bind()
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(True)
    gpu.state.program_point_size_set(True)
    # pixels that one metre at one metre covers; the projection's [1][1] is 2 / (height at distance 1)
    pixels = view.window_matrix[1][1] * context.region.height
    shader.uniform_float("largest", LARGEST)
    for obj in shown:
        matrix = obj.matrix_world
        shader.uniform_float("ModelViewProjectionMatrix", view.perspective_matrix @ matrix)
        shader.uniform_float("pixels", pixels * obj.skyworld.size * max(matrix.to_scale()))
        _batch(obj).draw(shader)
    gpu.state.program_point_size_set(False)
    gpu.state.depth_mask_set(False)
    gpu.state.depth_test_set("NONE")


@persistent
def forget_changed(_scene, depsgraph):
    for update in depsgraph.updates:
        if isinstance(update.id, bpy.types.PointCloud):
            _batches.pop(update.id.original.session_uid, None)
        elif isinstance(update.id, bpy.types.Object) and update.is_updated_geometry:
            _batches.pop((update.id.original.session_uid,), None)


@persistent
def forget_all(*_):
    _batches.clear()


def register():
    bpy.app.handlers.depsgraph_update_post.append(forget_changed)
    bpy.app.handlers.load_pre.append(forget_all)
    if not bpy.app.background:
        _state["handle"] = bpy.types.SpaceView3D.draw_handler_add(draw, (), "WINDOW", "POST_VIEW")


def unregister():
    if _state["handle"]:
        bpy.types.SpaceView3D.draw_handler_remove(_state["handle"], "WINDOW")
    _state.update(shader=None, handle=None)
    _batches.clear()
    bpy.app.handlers.load_pre.remove(forget_all)
    bpy.app.handlers.depsgraph_update_post.remove(forget_changed)
