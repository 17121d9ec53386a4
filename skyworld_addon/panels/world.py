"""World: what is in the scene, how its splats are shown, and files in and out."""

import bpy

from ..scene import splats, world
from ..translations import said
from .progress import draw_ends
from .tab import Sidebar
from .text import wrapped

# Whose errors are shown here
PLACES = ("skyworld.import_world", "skyworld.import_splats", "skyworld.export_splats", "skyworld.mark_world_asset")


class WorldPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_world"
    bl_label = "World"
    bl_order = 20

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        collection = world.of(context)
        obj = _shown_cloud(context, collection)
        if collection:
            row = layout.row()
            row.label(text=collection.name, icon="OUTLINER_COLLECTION")
            row.operator(
                "wm.path_open", text="", icon="FILE_FOLDER", emboss=False
            ).filepath = collection.skyworld.folder
            row.operator("skyworld.mark_world_asset", text="", icon="ASSET_MANAGER", emboss=False)
            if collection.skyworld.models:
                wrapped(layout, context, said("Made by {models}", models=collection.skyworld.models))
            if collection.skyworld.held_out:
                wrapped(layout, context, collection.skyworld.held_out)
        if obj:
            count = len(obj.data.attributes["position"].data)
            layout.label(
                text=said("{count:,} splats" if splats.is_splats(obj) else "{count:,} points", count=count),
                icon="OUTLINER_OB_POINTCLOUD",
            )
            column = layout.column()
            column.prop(obj.skyworld, "display")
            detail = column.column()
            detail.active = obj.skyworld.display in ("SPLATS", "POINTS")
            detail.prop(obj.skyworld, "fraction", slider=True)
            if obj.skyworld.display == "POINTS":
                detail.prop(obj.skyworld, "size", slider=True)
        column = layout.column(align=True)
        column.operator("skyworld.import_world", icon="WORLD")
        row = column.row(align=True)
        row.operator("skyworld.import_splats", text="Import Splats", icon="IMPORT")
        row.operator("skyworld.export_splats", text="Export", icon="EXPORT")
        draw_ends(layout, context, PLACES)


def _shown_cloud(context, collection):
    candidates = [context.object] if context.object else []
    candidates += list(collection.all_objects) if collection else []
    return next((obj for obj in candidates if splats.is_coloured(obj)), None)


CLASSES = (WorldPanel,)
