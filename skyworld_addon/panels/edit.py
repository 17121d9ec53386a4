"""The panel Edit: what can be done to the splats of the selected objects."""

import bpy

from ..operators.edit_splats import cropped
from ..operators.select_splats import targets
from ..scene import crop, selection
from ..translations import CONTEXT, said
from .tab import Sidebar


class EditPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_edit"
    bl_label = "Edit"
    bl_order = 25
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        found = targets(context)
        if not found:
            layout.label(text="Select a splat object", icon="INFO")
        draw_selection(layout, found)
        layout.separator()
        draw_crop(layout, context)
        layout.separator()
        column = layout.column(align=True)
        column.operator("skyworld.apply_splat_transform", text="Apply Transform", icon="CHECKMARK")
        column.operator("skyworld.merge_splats", text="Merge Objects", icon="AUTOMERGE_ON")
        row = column.row(align=True)
        row.operator("skyworld.points_to_splats", text="Points to Splats", icon="OUTLINER_OB_POINTCLOUD")
        row.operator("skyworld.splats_to_points", text="To Points", icon="POINTCLOUD_POINT")


def draw_selection(layout, found):
    tagged = [obj for obj in found if selection.SELECTION in obj.data.attributes]
    if tagged:
        count = sum(int(selection.get(obj.data).sum()) for obj in tagged)
        layout.label(text=said("{count:,} splats selected", count=count), icon="RESTRICT_SELECT_OFF")
    column = layout.column(align=True)
    row = column.row(align=True)
    for action, text in (("SELECT", "All"), ("DESELECT", "None"), ("INVERT", "Invert")):
        row.operator("skyworld.select_all_splats", text=text).action = action
    row = column.row(align=True)
    row.operator("skyworld.select_splats_box", text="Box", text_ctxt=CONTEXT)
    row.operator("skyworld.select_splats_lasso", text="Lasso")
    row.operator("skyworld.select_splats_brush", text="Brush")
    row = column.row(align=True)
    row.operator("skyworld.select_splats_in_volume", text="Volume", icon="MESH_CUBE")
    by = row.row(align=True)
    by.enabled = bool(found)  # a menu asks no operator's poll
    by.operator_menu_enum("skyworld.select_splats_by", "by", text="Select By", icon="FILTER")
    column = layout.column(align=True)
    row = column.row(align=True)
    row.operator("skyworld.hide_splats", text="Hide").unselected = False
    row.operator("skyworld.hide_splats", text="Others").unselected = True
    row.operator("skyworld.reveal_splats", text="Reveal")
    row = column.row(align=True)
    row.operator("skyworld.delete_splats", text="Delete", icon="TRASH").unselected = False
    row.operator("skyworld.delete_splats", text="Keep Only").unselected = True
    row.operator("skyworld.separate_splats", text="Separate", icon="MOD_EXPLODE")


def draw_crop(layout, context):
    column = layout.column(align=True)
    row = column.row(align=True)
    row.operator("skyworld.add_crop", text="Crop Box", icon="MESH_CUBE").shape = "BOX"
    row.operator("skyworld.add_crop", text="Crop Ball", icon="MESH_UVSPHERE").shape = "BALL"
    for obj in cropped(context):
        for modifier in crop.of(obj):
            row = column.row(align=True)
            volume = crop.get_input(modifier, "Volume")
            row.label(text=volume.name if volume else modifier.name, icon="MOD_BOOLEAN")
            row.prop(modifier, "show_viewport", text="")
            row.prop(modifier, "show_render", text="")
    row = column.row(align=True)
    row.operator("skyworld.invert_crop", text="Invert")
    row.operator("skyworld.apply_crop", text="Apply")
    row.operator("skyworld.remove_crop", text="Remove")


CLASSES = (EditPanel,)
