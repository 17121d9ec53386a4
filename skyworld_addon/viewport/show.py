"""Draws the splat objects of a 3D viewport, in front of and behind what else stands there."""

import time
from dataclasses import dataclass, field

import bpy
import gpu
import numpy as np
from bpy.app.handlers import persistent
from gpu_extras.batch import batch_for_shader

from .. import preferences
from ..scene import crop, selection, splats
from .detail import STILL, Pace
from .gaussians import CROPS, HIDDEN, MOST, SELECTED, Crop, Drawing, Placement, View, lay_over

AGAIN = 0.02  # seconds after which a view is drawn again when its order was still being sorted
# Ends of the twelve edges of the box from -1 to 1, [24, 3]: corners that differ in one coordinate.
CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
EDGES = np.array([(a, b) for a in CORNERS for b in CORNERS if tuple(a) < tuple(b) and (a != b).sum() == 1]).reshape(
    -1, 3
)
REGIONS = 8  # 3D views whose orders and pictures are kept


@dataclass
class Region:
    """What is kept for one 3D view."""

    view: View = field(default_factory=View)
    pace: Pace = field(default_factory=Pace)
    canvas: gpu.types.GPUOffScreen | None = None
    held: tuple = ()  # what the canvas shows

    def holds(self, *what):
        """Whether the canvas shows just this already; if not, it is about to."""
        store, placements, projection, size = what
        seen = [(p.cloud, p.share, np.asarray(p.to_camera).tobytes(), *map(Crop.key, p.crops)) for p in placements]
        states = store.drawing.states_written
        held = (states, self.view.orders, seen, np.asarray(projection).tobytes(), size)
        same, self.held = held == self.held, held
        return same

    def canvas_of(self, size):
        if self.canvas is None or (self.canvas.width, self.canvas.height) != size:
            self.free()
            self.canvas = gpu.types.GPUOffScreen(*size, format="RGBA16F")
        return self.canvas

    def free(self):
        if self.canvas is not None:
            self.canvas.free()
        self.canvas = None


@dataclass
class Store:
    """The drawing of all splats that are shown, and from which data (by key) they came."""

    drawing: Drawing
    keys: list
    unread: set  # keys whose selection is to be read anew


_state = {"handle": None, "store": None}
_regions = {}  # address of a RegionView3D -> Region
_selecting = {}  # key -> states of a selection that is still being made
_own = set()  # session_uid of point clouds whose next change is one of selection alone


def is_shown(obj):
    return obj.type == "POINTCLOUD" and obj.skyworld.display == "SPLATS" and splats.is_splats(obj)


def shown_in(context):
    """[(object, matrix to the world)] of the splats that a 3D view shows, instances among them."""
    visible = context.visible_objects
    found = [(obj, obj.matrix_world) for obj in visible if is_shown(obj)]
    instancers = {obj for obj in visible if obj.is_instancer}
    if instancers:
        for instance in context.evaluated_depsgraph_get().object_instances:
            if instance.is_instance and instance.parent.original in instancers and is_shown(instance.object.original):
                found.append((instance.object.original, instance.matrix_world.copy()))
    return found


def source_of(obj):
    """(key, data, crops): where an object's splats are read, and what our own crops among its modifiers leave of them.

    Crops are left to the GPU, so that their volumes can be moved freely; with any other modifier its result is read.
    """
    active = [modifier for modifier in obj.modifiers if modifier.show_viewport]
    volumes = [crop.get_input(m, "Volume") for m in crop.of(obj)] if active else []
    if set(active) <= set(crop.of(obj)) and len(active) <= CROPS and all(volumes):
        return obj.data.session_uid, obj.data, tuple(_crop(obj, modifier) for modifier in active)
    evaluated = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return f"object {obj.session_uid}", evaluated.data, ()


def _crop(obj, modifier):
    matrix = crop.into_volume(obj, crop.get_input(modifier, "Volume"))
    return Crop(matrix, crop.get_input(modifier, "Ball"), crop.get_input(modifier, "Invert"))


def draw():
    context = bpy.context
    shown = shown_in(context)
    if not shown:
        return
    region, data = context.region, context.region_data
    size = region.width, region.height
    sources = [source_of(obj) for obj, _ in shown]
    store = _store_of(sources)
    if store is None:
        return
    placements = [
        Placement(data.view_matrix @ matrix, store.keys.index(key), obj.skyworld.fraction, crops)
        for (obj, matrix), (key, _, crops) in zip(shown, sources, strict=True)
        if key in store.keys
    ]
    own = _region_of(data)
    depth = _scene_depth(size) if _others(context, [obj for obj, _ in shown]) else None
    P = data.window_matrix.copy()
    moves = own.pace.moves([[tuple(row) for row in p.to_camera] for p in placements])
    most = own.pace.most if moves and own.pace.most else MOST
    first = own.view.order is None  # rather a moment later than a view without splats in between
    ready = store.drawing.sort(own.view, placements, P, most=most, wait=first)
    if depth is not None or not own.holds(store, placements, P, size):
        timed = moves and own.pace.is_timed() and own.view.count
        started = time.perf_counter()
        with own.canvas_of(size).bind():
            target = gpu.state.active_framebuffer_get()
            target.clear(color=(0, 0, 0, 0))
            store.drawing.draw(own.view, placements, P, *size, depth=depth)
            if timed:
                target.read_color(0, 0, 1, 1, 4, 0, "FLOAT")  # which waits for the GPU
                own.pace.took(time.perf_counter() - started, own.view.count)
    lay_over(own.canvas.texture_color)
    _draw_volumes(shown)
    if not ready or moves:
        _draw_again(AGAIN if not ready else STILL)


def _draw_volumes(shown):
    """The outlines of selected crop volumes again, for the splats have been laid over them."""
    volumes = {crop.get_input(modifier, "Volume") for obj, _ in shown for modifier in crop.of(obj)} - {None}
    boxes = [np.array(volume.matrix_world) for volume in volumes if volume.select_get()]
    if not boxes:
        return
    ends = np.concatenate([EDGES @ box[:3, :3].T + box[:3, 3] for box in boxes])
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", 1.5)
    shader.uniform_float("color", (*bpy.context.preferences.themes[0].view_3d.object_active, 0.7))
    gpu.state.blend_set("ALPHA")
    batch_for_shader(shader, "LINES", {"pos": [tuple(end) for end in ends]}).draw(shader)
    gpu.state.blend_set("NONE")


def _store_of(sources):
    """What the GPU holds of these; made anew when one of them is new, changed or gone to make room."""
    store = _state["store"]
    if store is None or any(key not in store.keys for key, _, _ in sources):
        by_key = {key: data for key, data, _ in sources}
        filled = {key: data for key, data in by_key.items() if selection.count(data)}
        if not filled:
            return None
        clouds = [splats.from_point_cloud(data) for data in filled.values()]
        drawing = Drawing(clouds, preferences.get().most_splats)
        store = _state["store"] = Store(drawing, list(filled), set(filled))
        for region in _regions.values():
            region.view, region.held = View(), ()
    for key, data, _ in sources:
        if key in store.unread:
            store.unread.discard(key)
            store.drawing.set_states(store.keys.index(key), _selecting.get(key, states_of(data)))
    return store


def states_of(data, selected=None):
    """[N] of a point cloud's splats as `Drawing.set_states` takes them."""
    selected = selection.get(data) if selected is None else selected
    return selected * SELECTED + selection.get(data, selection.HIDDEN) * np.uint8(HIDDEN)


def show_selecting(data, selected):
    """Shows a selection [N] that is not in the data yet, or with None again what is."""
    key = data.session_uid
    if selected is None:
        _selecting.pop(key, None)
    else:
        _selecting[key] = states_of(data, selected)
    _read_states(data)


def _read_states(data):
    if _state["store"] is not None and data.session_uid in _state["store"].keys:
        _state["store"].unread.add(data.session_uid)
    redraw()


def selection_changed(data):
    """After a selection was written: the GPU takes it, and need not take everything else again."""
    _own.add(data.session_uid)
    bpy.context.view_layer.update()
    _own.discard(data.session_uid)
    _read_states(data)


def _others(context, objects):
    """Whether anything else may stand before the splats."""
    solid = ("MESH", "CURVE", "SURFACE", "META", "FONT", "VOLUME", "GREASEPENCIL", "CURVES", "POINTCLOUD")
    return any(obj.type in solid and obj not in objects for obj in context.visible_objects)


def _scene_depth(size):
    """Depth of what Blender has drawn, 0 near to 1 far, as a texture."""
    found = gpu.state.active_framebuffer_get().read_depth(0, 0, *size)
    found.dimensions = size[0] * size[1]
    return gpu.types.GPUTexture(size, format="R32F", data=found)


def _region_of(region_data):
    key = region_data.as_pointer()
    if key not in _regions and len(_regions) == REGIONS:
        _regions.pop(next(iter(_regions))).free()
    return _regions.setdefault(key, Region())


def _draw_again(seconds):
    if bpy.app.timers.is_registered(redraw):
        return
    bpy.app.timers.register(redraw, first_interval=seconds)


def redraw():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


@persistent
def forget_changed(_scene, depsgraph):
    store = _state["store"]
    if store is None:
        return
    for update in depsgraph.updates:
        if not update.is_updated_geometry:
            continue
        uid = update.id.original.session_uid
        if isinstance(update.id, bpy.types.PointCloud):
            changed = uid in store.keys and uid not in _own
        else:
            changed = isinstance(update.id, bpy.types.Object) and f"object {uid}" in store.keys
        if changed:
            _state["store"] = None
            return


@persistent
def forget_all(*_):
    _state["store"] = None
    _selecting.clear()
    for region in _regions.values():
        region.free()
    _regions.clear()


def register():
    bpy.app.handlers.depsgraph_update_post.append(forget_changed)
    bpy.app.handlers.load_pre.append(forget_all)
    selection.on_change.append(selection_changed)
    if not bpy.app.background:
        _state["handle"] = bpy.types.SpaceView3D.draw_handler_add(draw, (), "WINDOW", "POST_VIEW")


def unregister():
    if _state["handle"]:
        bpy.types.SpaceView3D.draw_handler_remove(_state["handle"], "WINDOW")
    _state["handle"] = None
    if bpy.app.timers.is_registered(redraw):
        bpy.app.timers.unregister(redraw)
    forget_all()
    selection.on_change.remove(selection_changed)
    bpy.app.handlers.load_pre.remove(forget_all)
    bpy.app.handlers.depsgraph_update_post.remove(forget_changed)
