"""Draws the splat objects of a 3D viewport, in front of and behind what else stands there."""

import bpy
import gpu
import numpy as np
from bpy.app.handlers import persistent

from ..scene import splats
from .gaussians import Drawing, lay_over

AGAIN = 0.02  # seconds after which a view is drawn again when its order was still being sorted

_state = {"handle": None, "canvas": None}
_drawings = {}  # session_uid of a point cloud -> (amount, Drawing)


def shown_in(context):
    return [
        obj
        for obj in context.visible_objects
        if obj.type == "POINTCLOUD" and obj.skyworld.display == "SPLATS" and splats.is_splats(obj)
    ]


def drawing_of(obj):
    """What the GPU holds of an object's splats; made once, and anew when they change."""
    uid, fraction = obj.data.session_uid, obj.skyworld.fraction
    held = _drawings.get(uid)
    if held is None or held[0] != fraction:
        cloud = splats.from_point_cloud(obj.data)
        _drawings[uid] = held = (fraction, Drawing(cloud, max(1, round(fraction * len(cloud)))))
    return held[1]


def draw():
    context = bpy.context
    objects = shown_in(context)
    if not objects:
        return
    region, data = context.region, context.region_data
    size = region.width, region.height
    depth = _scene_depth(size) if _others(context, objects) else None
    canvas = _canvas(size)
    ready = True
    with canvas.bind():
        gpu.state.active_framebuffer_get().clear(color=(0, 0, 0, 0))
        for obj in sorted(objects, key=lambda obj: -_distance(data.view_matrix, obj)):
            view = data.view_matrix @ obj.matrix_world
            ready &= drawing_of(obj).draw(view, data.window_matrix, *size, depth=depth)
    lay_over(canvas.texture_color)
    if not ready and not bpy.app.timers.is_registered(_redraw):
        bpy.app.timers.register(_redraw, first_interval=AGAIN)


def _others(context, objects):
    """Whether anything else may stand before the splats."""
    solid = ("MESH", "CURVE", "SURFACE", "META", "FONT", "VOLUME", "GREASEPENCIL", "CURVES", "POINTCLOUD")
    return any(obj.type in solid and obj not in objects for obj in context.visible_objects)


def _scene_depth(size):
    """Depth of what Blender has drawn, 0 near to 1 far, as a texture."""
    found = gpu.state.active_framebuffer_get().read_depth(0, 0, *size)
    found.dimensions = size[0] * size[1]
    return gpu.types.GPUTexture(size, format="R32F", data=found)


def _canvas(size):
    canvas = _state["canvas"]
    if canvas is None or (canvas.width, canvas.height) != size:
        if canvas is not None:
            canvas.free()
        canvas = _state["canvas"] = gpu.types.GPUOffScreen(*size, format="RGBA16F")
    return canvas


def _distance(view, obj):
    """Of the middle of the object's box from the camera, metres."""
    matrix = np.array(view @ obj.matrix_world)
    return float(np.linalg.norm(matrix[:3, :3] @ np.array(obj.bound_box).mean(0) + matrix[:3, 3]))


def _redraw():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


@persistent
def forget_changed(_scene, depsgraph):
    for update in depsgraph.updates:
        if isinstance(update.id, bpy.types.PointCloud) and update.is_updated_geometry:
            _drawings.pop(update.id.original.session_uid, None)


@persistent
def forget_all(*_):
    _drawings.clear()


def register():
    bpy.app.handlers.depsgraph_update_post.append(forget_changed)
    bpy.app.handlers.load_pre.append(forget_all)
    if not bpy.app.background:
        _state["handle"] = bpy.types.SpaceView3D.draw_handler_add(draw, (), "WINDOW", "POST_VIEW")


def unregister():
    if _state["handle"]:
        bpy.types.SpaceView3D.draw_handler_remove(_state["handle"], "WINDOW")
    if bpy.app.timers.is_registered(_redraw):
        bpy.app.timers.unregister(_redraw)
    if _state["canvas"] is not None:
        _state["canvas"].free()
    _state.update(handle=None, canvas=None)
    _drawings.clear()
    bpy.app.handlers.load_pre.remove(forget_all)
    bpy.app.handlers.depsgraph_update_post.remove(forget_changed)
