"""The tools of the 3D viewport's toolbar that select splats, and the keys and clicks that are theirs."""

import bpy

# While one of the tools is active Blender's keys for objects mean splats: of the selected objects, if there are any.
KEYS = (
    ("select_all_splats", {"type": "A"}, {"action": "SELECT"}),
    ("select_all_splats", {"type": "A", "alt": True}, {"action": "DESELECT"}),
    ("select_all_splats", {"type": "I", "ctrl": True}, {"action": "INVERT"}),
    ("hide_splats", {"type": "H"}, {"unselected": False}),
    ("hide_splats", {"type": "H", "shift": True}, {"unselected": True}),
    ("reveal_splats", {"type": "H", "alt": True}, {}),
    ("delete_splats", {"type": "X"}, {"unselected": False}),
    ("delete_splats", {"type": "DEL"}, {"unselected": False}),
    ("separate_splats", {"type": "P"}, {}),
)


def tool_keys(operator):
    """Keymap of a tool that selects with the left button, alone, with Shift and with Ctrl."""
    presses = [(operator, {"type": "LEFTMOUSE", **key}, {}) for key in ({}, {"shift": True}, {"ctrl": True})]
    return tuple(
        (f"skyworld.{name}", {"value": "PRESS", **key}, {"properties": list(values.items())})
        for name, key, values in (*presses, *KEYS)
    )


class SplatTool:
    bl_space_type = "VIEW_3D"
    bl_context_mode = "OBJECT"


class LassoTool(SplatTool, bpy.types.WorkSpaceTool):
    bl_idname = "skyworld.lasso_tool"
    bl_label = "Lasso Select Splats"
    bl_description = "Draw around splats to select them. Shift extends, Ctrl takes away"
    bl_icon = "ops.generic.select_lasso"
    bl_keymap = tool_keys("select_splats_lasso")


class BoxTool(SplatTool, bpy.types.WorkSpaceTool):
    bl_idname = "skyworld.box_tool"
    bl_label = "Box Select Splats"
    bl_description = "Draw a rectangle over splats to select them. Shift extends, Ctrl takes away"
    bl_icon = "ops.generic.select_box"
    bl_keymap = tool_keys("select_splats_box")


class BrushTool(SplatTool, bpy.types.WorkSpaceTool):
    bl_idname = "skyworld.brush_tool"
    bl_label = "Brush Select Splats"
    bl_description = "Paint over splats to select them. Shift extends, Ctrl takes away"
    bl_icon = "ops.generic.select_circle"
    bl_keymap = tool_keys("select_splats_brush")

    @staticmethod
    def draw_settings(_context, layout, tool):
        layout.prop(tool.operator_properties("skyworld.select_splats_brush"), "radius")


TOOLS = (LassoTool, BoxTool, BrushTool)
_keys = []


def register():
    """After the operators, whose settings the keys hold."""
    bpy.utils.register_tool(LassoTool, separator=True, group=True)
    bpy.utils.register_tool(BoxTool, after={LassoTool.bl_idname})
    bpy.utils.register_tool(BrushTool, after={BoxTool.bl_idname})
    _add_keys()


def _add_keys():
    """Clicks select splat objects: wherever Blender's own click does in a 3D view, ours comes before."""
    keyconfigs = bpy.context.window_manager.keyconfigs
    if keyconfigs.addon is None or keyconfigs.default is None:  # without a window
        return
    builtin = keyconfigs.default.keymaps.get("3D View")
    keymap = keyconfigs.addon.keymaps.new("3D View", space_type="VIEW_3D")
    for item in builtin.keymap_items if builtin else ():
        if item.idname == "view3d.select" and not (item.ctrl or item.alt) and item.type != "NONE":
            own = keymap.keymap_items.new("skyworld.pick_splats", item.type, item.value, shift=bool(item.shift))
            own.properties.extend = bool(item.shift)
            _keys.append((keymap, own))


def unregister():
    for keymap, item in _keys:
        keymap.keymap_items.remove(item)
    _keys.clear()
    for tool in reversed(TOOLS):
        bpy.utils.unregister_tool(tool)
