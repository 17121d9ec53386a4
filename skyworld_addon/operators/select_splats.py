"""Selecting and hiding single splats: all, by a lasso or a brush, by a volume, by what they are."""

import bpy
import gpu
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntProperty
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix, Vector

from ..errors import reports_errors
from ..scene import crop, selection, splats
from ..scene.ply import SH_DC
from ..translations import said
from ..viewport import picking, show
from ..viewport.sorting import importance

MODES = [
    ("SET", "Set", "Select these and nothing else"),
    ("ADD", "Extend", "Select these as well"),
    ("SUBTRACT", "Subtract", "Deselect these"),
]
LEAVE = ("RET", "NUMPAD_ENTER", "ESC", "RIGHTMOUSE")


def targets(context):
    """Splat objects that are edited: the selected ones, or the active one."""
    chosen = [obj for obj in context.selected_objects if splats.is_splats(obj)]
    active = context.object
    return chosen or ([active] if active and splats.is_splats(active) else [])


class OnSplats:
    """For operators on the splats of the selected objects."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        found = targets(context)
        if not found:
            cls.poll_message_set("Select a splat object")
        elif any(obj.library or obj.data.library for obj in found):
            cls.poll_message_set("The splats are linked from another file; make them local to edit them")
            found = []
        return bool(found)


class OnView(OnSplats):
    """The same with the mouse in a 3D view."""

    @classmethod
    def poll(cls, context):
        if context.area is None or context.area.type != "VIEW_3D":
            cls.poll_message_set("Only in a 3D view")
            return False
        return super().poll(context)


class OnSelection(OnSplats):
    """For operators on the selected splats."""

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if not any(selection.SELECTION in obj.data.attributes for obj in targets(context)):
            cls.poll_message_set("Select some splats first: by lasso, brush, volume or value")
            return False
        return True


def editable(obj):
    """[N] splats of an object that can be seen and so be selected: neither hidden nor cropped away."""
    mask = ~selection.get(obj.data, selection.HIDDEN)
    return mask & crop.kept(obj) if crop.of(obj) else mask


def select(operator, context, chosen_of, mode="SET"):
    """Selects in every target what `chosen_of(obj)` [N] says, of what can be seen, and reports how many that makes."""
    total = 0
    for obj in targets(context):
        mask = selection.combined(selection.get(obj.data), chosen_of(obj) & editable(obj), mode)
        selection.put(obj.data, mask)
        total += int(mask.sum())
    operator.report({"INFO"}, said("{count:,} splats selected", count=total))
    return {"FINISHED"}


class SelectAllSplats(OnSplats, bpy.types.Operator):
    """Select, deselect or invert the splats of the selected objects"""

    bl_idname = "skyworld.select_all_splats"
    bl_label = "Select All Splats"

    action: EnumProperty(
        name="Action",
        description="What becomes selected",
        items=[
            ("SELECT", "All", "Select all that are shown"),
            ("DESELECT", "None", "Deselect all"),
            ("INVERT", "Invert", "Select what is not selected"),
        ],
    )

    @reports_errors
    def execute(self, context):
        def chosen(obj):
            if self.action == "INVERT":
                return ~selection.get(obj.data)
            return np.full(selection.count(obj.data), self.action == "SELECT")

        return select(self, context, chosen)


class SelectSplatsBy(OnSplats, bpy.types.Operator):
    """Select splats by opacity, size, colour, or those that float alone"""

    bl_idname = "skyworld.select_splats_by"
    bl_label = "Select Splats By"

    by: EnumProperty(
        name="By",
        description="What splats are judged by",
        items=[
            ("OPACITY", "Opacity", "Those that are no more opaque than this"),
            ("SIZE", "Size", "Those whose longest axis is at least this"),
            ("COLOUR", "Colour", "Those that look like this colour"),
            ("STRAY", "Floaters", "Those that lie far from their neighbours for their size"),
        ],
    )
    opacity: FloatProperty(name="Up To", description="Opacity", min=0, max=1, default=0.1, subtype="FACTOR")
    size: FloatProperty(
        name="From",
        description="Standard deviation along the longest axis, in the world",
        min=0,
        default=1.0,
        unit="LENGTH",
    )
    colour: FloatVectorProperty(
        name="Colour", description="Seen from no direction in particular", subtype="COLOR_GAMMA", min=0, max=1
    )
    tolerance: FloatProperty(
        name="Tolerance", description="Largest difference in any channel", min=0, max=1, default=0.1, subtype="FACTOR"
    )
    deviations: FloatProperty(
        name="Deviations",
        description="Standard deviations above the mean from which on a splat counts as floating; fewer select more",
        min=0.0,
        soft_max=6.0,
        default=2.0,
    )
    mode: EnumProperty(name="Mode", description="What becomes of the selection so far", items=MODES)

    def invoke(self, context, _event):
        return context.window_manager.invoke_props_popup(self, _event)

    def draw(self, _context):
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "by")
        shown = {"OPACITY": ["opacity"], "SIZE": ["size"], "COLOUR": ["colour", "tolerance"], "STRAY": ["deviations"]}
        for name in shown[self.by]:
            layout.prop(self, name)
        layout.prop(self, "mode")

    @reports_errors
    def execute(self, context):
        return select(self, context, self._chosen, self.mode)

    def _chosen(self, obj):
        data = obj.data
        if self.by == "OPACITY":
            return splats.column(data, splats.BASE, 4)[:, 3] <= self.opacity
        if self.by == "COLOUR":
            colours = np.clip(0.5 + SH_DC * splats.column(data, splats.BASE, 4)[:, :3], 0, 1)
            return np.abs(colours - np.array(self.colour, np.float32)).max(1) <= self.tolerance
        scales = splats.column(data, "scale", 3)
        if self.by == "SIZE":
            return scales.max(1) * max(obj.matrix_world.to_scale()) >= self.size
        return selection.strays(splats.positions(data), scales, deviations=self.deviations)


class SelectSplatsInVolume(OnSplats, bpy.types.Operator):
    """Select the splats inside the other selected objects' boxes: empties (box or sphere) and meshes"""

    bl_idname = "skyworld.select_splats_in_volume"
    bl_label = "Select Splats in Volume"

    mode: EnumProperty(name="Mode", description="What becomes of the selection so far", items=MODES)

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if not _volumes(context):
            cls.poll_message_set("Select a cube or an empty too, which says where")
            return False
        return True

    @reports_errors
    def execute(self, context):
        volumes = _volumes(context)

        def chosen(obj):
            means = splats.positions(obj.data)
            found = np.zeros(len(means), bool)
            for volume in volumes:
                ball = volume.type == "EMPTY" and volume.empty_display_type == "SPHERE"
                found |= crop.inside(means, np.linalg.inv(_box(volume)) @ np.array(obj.matrix_world), ball=ball)
            return found

        return select(self, context, chosen, self.mode)


def _volumes(context):
    return [obj for obj in context.selected_objects if obj.type in ("EMPTY", "MESH")]


def _box(volume):
    """[4, 4] of a volume's box, from -1 to 1, to the world."""
    if volume.type == "EMPTY":
        size = volume.empty_display_size
        return np.array(volume.matrix_world @ Matrix.Diagonal((size, size, size, 1)))
    corners = np.array(volume.bound_box)
    low, high = corners.min(0), corners.max(0)
    half = np.maximum((high - low) / 2, 1e-6)
    return np.array(volume.matrix_world @ Matrix.LocRotScale(Vector((low + high) / 2), None, Vector(half)))


class HideSplats(OnSplats, bpy.types.Operator):
    """Hide the selected splats (or the others) in the viewport; renders and exports contain them"""

    bl_idname = "skyworld.hide_splats"
    bl_label = "Hide Splats"

    unselected: BoolProperty(name="Unselected", description="Hide what is not selected")

    @reports_errors
    def execute(self, context):
        for obj in targets(context):
            selected = selection.get(obj.data)
            hidden = selection.get(obj.data, selection.HIDDEN) | (~selected if self.unselected else selected)
            selection.put(obj.data, hidden, selection.HIDDEN)
            selection.put(obj.data, selected & ~hidden)
        return {"FINISHED"}


class RevealSplats(OnSplats, bpy.types.Operator):
    """Show all hidden splats again and select them"""

    bl_idname = "skyworld.reveal_splats"
    bl_label = "Reveal Hidden Splats"

    @reports_errors
    def execute(self, context):
        for obj in targets(context):
            hidden = selection.get(obj.data, selection.HIDDEN)
            if hidden.any():
                selection.put(obj.data, np.zeros_like(hidden), selection.HIDDEN)
                selection.put(obj.data, hidden)
        return {"FINISHED"}


class Stroke:
    """What a gesture in a 3D view needs to know of an object's splats: found once, for the view stands meanwhile."""

    def __init__(self, obj, region, region_data):
        self.data = obj.data
        self.editable = editable(obj)
        pose = np.array(region_data.view_matrix @ obj.matrix_world)
        P = np.array(region_data.window_matrix)
        means = splats.positions(obj.data)
        self.pixels, self.depths = picking.on_screen(means, pose, P, region.width, region.height)
        self.depths[~self.editable] = -np.inf
        self.before = selection.get(obj.data)
        self.mask = self.before.copy()
        self._pose, self._means, self._P, self._height = pose, means, P, region.height

    def prepare_sphere(self):
        """What a brush needs beyond a lasso."""
        base, scales = splats.column(self.data, splats.BASE, 4), splats.column(self.data, "scale", 3)
        size = np.sqrt(importance(scales, 1.0)) * np.cbrt(abs(np.linalg.det(self._pose[:3, :3])))
        self.spreads = size.astype(np.float32) * self._pixels_of_a_metre(np.maximum(self.depths, picking.NEAR))
        self.opacities = base[:, 3]
        self.at = self._means @ self._pose[:3, :3].T.astype(np.float32) + self._pose[:3, 3].astype(np.float32)

    def _pixels_of_a_metre(self, depth):
        f = self._P[1, 1] * self._height / 2
        return f if self._P[3, 3] > 0.5 else f / depth

    def surface(self, mouse):
        return picking.surface_depth(self.pixels, self.depths, self.spreads, self.opacities, mouse)

    def in_sphere(self, mouse, depth, radius):
        """[N] splats in a sphere about what is seen at the pixel `mouse` at `depth`, `radius` pixels wide."""
        scale = float(self._pixels_of_a_metre(depth))
        centre = (np.asarray(mouse) - self._middle()) / scale
        apart = self.at - np.array([*centre, -depth], np.float32)
        return (np.einsum("ij,ij->i", apart, apart) <= (radius / scale) ** 2) & self.editable

    def _middle(self):
        """[2] pixel of the camera's axis."""
        parallel = self._P[3, 3] > 0.5
        lens = self._P[:2, 3] if parallel else -self._P[:2, 2]
        width = self._height * self._P[1, 1] / self._P[0, 0]
        return (lens + 1) / 2 * np.array([width, self._height])


class ByOutline(OnView):
    """A gesture with the left button whose outline on the screen takes the splats behind it."""

    mode: EnumProperty(
        name="Mode", description="What becomes of the selection so far", items=MODES, options={"SKIP_SAVE"}
    )

    def invoke(self, context, event):
        self._points = []
        self._area, self._region = context.area, context.region
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        context.window.cursor_modal_set("CROSSHAIR")
        context.area.header_text_set(said(self.hint))
        context.window_manager.modal_handler_add(self)
        if event.type == "LEFTMOUSE" and event.value in ("PRESS", "CLICK_DRAG"):
            self._begin(event)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type in ("ESC", "RIGHTMOUSE"):
            self._end(context)
            return {"CANCELLED"}
        if event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._begin(event)
        elif event.type in ("MOUSEMOVE", "INBETWEEN_MOUSEMOVE") and self._points:
            self._points.append((event.mouse_region_x, event.mouse_region_y))
            self._area.tag_redraw()
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE" and self._points:
            self._points.append((event.mouse_region_x, event.mouse_region_y))
            self._end(context)
            return self._select(context) if len(self.outline()) > 2 else {"CANCELLED"}
        return {"RUNNING_MODAL"}

    def _begin(self, event):
        self._points = [(event.mouse_region_x, event.mouse_region_y)]
        if event.shift or event.ctrl:
            self.mode = "ADD" if event.shift else "SUBTRACT"

    @reports_errors
    def _select(self, context):
        region, data = self._region, context.region_data
        mask = picking.polygon_mask(self.outline(), region.width, region.height)

        def chosen(obj):
            pose = data.view_matrix @ obj.matrix_world
            seen = picking.on_screen(splats.positions(obj.data), pose, data.window_matrix, region.width, region.height)
            return picking.mask_at(mask, *seen)

        return select(self, context, chosen, self.mode)

    def _end(self, context):
        bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
        context.window.cursor_modal_restore()
        self._area.header_text_set(None)
        self._area.tag_redraw()

    def _draw(self):
        if bpy.context.region == self._region and len(self.outline()) > 1:
            draw_outline(self.outline())


class SelectSplatsLasso(ByOutline, bpy.types.Operator):
    """Draw around splats to select them, however deep they lie. Shift extends, Ctrl takes away"""

    bl_idname = "skyworld.select_splats_lasso"
    bl_label = "Lasso Select Splats"
    hint = "Draw around splats to select them    Shift: Extend    Ctrl: Subtract    Esc: Cancel"

    def outline(self):
        return self._points


class SelectSplatsBox(ByOutline, bpy.types.Operator):
    """Draw a rectangle over splats to select them, however deep they lie. Shift extends, Ctrl takes away"""

    bl_idname = "skyworld.select_splats_box"
    bl_label = "Box Select Splats"
    hint = "Draw a rectangle over splats to select them    Shift: Extend    Ctrl: Subtract    Esc: Cancel"

    def outline(self):
        (left, low), (right, high) = self._points[0], self._points[-1]
        return [(left, low), (right, low), (right, high), (left, high)] if len(self._points) > 1 else []


class SelectSplatsBrush(OnView, bpy.types.Operator):
    """Paint over splats to select them: a sphere that rolls over what is seen. Shift extends, Ctrl takes away"""

    bl_idname = "skyworld.select_splats_brush"
    bl_label = "Brush Select Splats"

    radius: IntProperty(name="Radius", description="Of the brush, on the screen", default=40, min=1, subtype="PIXEL")
    mode: EnumProperty(
        name="Mode", description="What becomes of the selection so far", items=MODES, options={"SKIP_SAVE"}
    )

    def invoke(self, context, event):
        self._area, self._region = context.area, context.region
        self._mouse = event.mouse_region_x, event.mouse_region_y
        self._strokes, self._mode = [], self.mode
        self._one = event.type == "LEFTMOUSE"  # begun by a tool's click: ends with it
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        context.area.header_text_set(
            said("Paint to select splats    Shift: Extend    Ctrl: Subtract    Wheel: Radius    Enter: Done")
        )
        context.window_manager.modal_handler_add(self)
        if self._one:
            self._begin(context, event)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        self._mouse = event.mouse_region_x, event.mouse_region_y
        self._area.tag_redraw()
        if self._strokes:
            if event.type in ("MOUSEMOVE", "INBETWEEN_MOUSEMOVE"):
                self._dab()
            elif event.type == "LEFTMOUSE" and event.value == "RELEASE":
                self._finish_stroke()
                if self._one:
                    self._end()
                    return {"FINISHED"}
                bpy.ops.ed.undo_push(message=self.bl_label)
            elif event.type == "ESC":
                self._drop_stroke()
            return {"RUNNING_MODAL"}
        if event.type in LEAVE and event.value == "PRESS":
            self._end()
            return {"CANCELLED"}  # every stroke is a step of undo already
        if event.type in ("WHEELUPMOUSE", "WHEELDOWNMOUSE") or event.type in ("LEFT_BRACKET", "RIGHT_BRACKET"):
            larger = event.type in ("WHEELUPMOUSE", "RIGHT_BRACKET")
            self.radius = max(1, round(self.radius * (1.2 if larger else 1 / 1.2)))
        elif event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._begin(context, event)
        elif event.type == "MIDDLEMOUSE":
            return {"PASS_THROUGH"}
        return {"RUNNING_MODAL"}

    def _begin(self, context, event):
        self._mode = "ADD" if event.shift else "SUBTRACT" if event.ctrl else self.mode
        self._strokes = [Stroke(obj, self._region, context.region_data) for obj in targets(context)]
        for stroke in self._strokes:
            stroke.prepare_sphere()
            if self._mode == "SET":
                stroke.mask[:] = False
        self._dab()

    def _dab(self):
        depths = [depth for depth in (stroke.surface(self._mouse) for stroke in self._strokes) if depth is not None]
        if not depths:
            return
        for stroke in self._strokes:
            touched = stroke.in_sphere(self._mouse, min(depths), self.radius)
            stroke.mask = selection.combined(stroke.mask, touched, "SUBTRACT" if self._mode == "SUBTRACT" else "ADD")
            show.show_selecting(stroke.data, stroke.mask)

    def _finish_stroke(self):
        for stroke in self._strokes:
            show.show_selecting(stroke.data, None)
            selection.put(stroke.data, stroke.mask)
        self._strokes = []

    def _drop_stroke(self):
        for stroke in self._strokes:
            show.show_selecting(stroke.data, None)
        self._strokes = []

    def _end(self):
        bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
        self._area.header_text_set(None)
        self._area.tag_redraw()

    def _draw(self):
        if bpy.context.region == self._region:
            turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
            draw_outline(np.array(self._mouse) + self.radius * np.stack([np.cos(turns), np.sin(turns)], 1))


def draw_outline(points):
    """A closed white line on a dark one, over a region's pixels."""
    closed = [tuple(map(float, point)) for point in (*points, points[0])]
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    batch = batch_for_shader(shader, "LINE_STRIP", {"pos": [(x, y, 0.0) for x, y in closed]})
    gpu.state.blend_set("ALPHA")
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    for width, colour in ((3.0, (0, 0, 0, 0.6)), (1.2, (1, 1, 1, 1))):
        shader.uniform_float("lineWidth", width)
        shader.uniform_float("color", colour)
        batch.draw(shader)
    gpu.state.blend_set("NONE")


class PickSplats(bpy.types.Operator):
    """Select the splat object under the mouse, where no other object is"""

    bl_idname = "skyworld.pick_splats"
    bl_label = "Pick Splat Object"
    bl_options = {"UNDO", "INTERNAL"}

    extend: BoolProperty(options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def poll(cls, context):
        if context.mode != "OBJECT" or context.area is None or context.area.type != "VIEW_3D":
            cls.poll_message_set("Only in a 3D view in Object Mode")
            return False
        return True

    def invoke(self, context, event):
        ours = [obj for obj in context.visible_objects if splats.is_splats(obj) and not obj.hide_select]
        shown = [obj for obj in ours if obj.skyworld.display in ("SPLATS", "POINTS")]
        if not shown:
            return {"PASS_THROUGH"}
        mouse = event.mouse_region_x, event.mouse_region_y
        if "FINISHED" in bpy.ops.view3d.select(location=mouse, toggle=self.extend):
            return {"FINISHED"}
        found = []
        for obj in shown:
            stroke = Stroke(obj, context.region, context.region_data)
            stroke.prepare_sphere()
            depth = stroke.surface(mouse)
            if depth is not None:
                found.append((depth, obj))
        if not found:
            return {"PASS_THROUGH"}
        obj = min(found, key=lambda pair: pair[0])[1]
        chosen = not (self.extend and obj.select_get() and obj == context.object)
        if not self.extend:
            for other in context.selected_objects:
                other.select_set(False)
        obj.select_set(chosen)
        context.view_layer.objects.active = obj
        return {"FINISHED"}


CLASSES = (
    SelectAllSplats,
    SelectSplatsBy,
    SelectSplatsInVolume,
    SelectSplatsLasso,
    SelectSplatsBox,
    SelectSplatsBrush,
    HideSplats,
    RevealSplats,
    PickSplats,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
