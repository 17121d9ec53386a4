"""Camera: moves, keyed views, what may be done to a path, files in and out."""

import bpy

from ..translations import CONTEXT
from . import icons
from .tab import Sidebar


class CameraPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_camera"
    bl_label = "Camera"
    bl_order = 30

    def draw(self, context):
        layout = self.layout
        grid = layout.grid_flow(columns=2, even_columns=True, row_major=True, align=True)
        icon = icons.icon("fly_through", context)
        grid.operator("skyworld.add_flythrough", text="Fly-through", icon_value=icon)
        grid.operator("skyworld.add_orbit", text="Orbit", icon="MESH_CIRCLE")
        grid.operator("skyworld.add_move", text="Dolly, Crane", icon="EMPTY_SINGLE_ARROW")
        grid.operator("skyworld.add_walk", text="Walk", text_ctxt=CONTEXT, icon="MOD_CURVE")
        grid.operator("skyworld.add_view", icon="ADD")
        grid.operator("skyworld.fly_through_views", text="Fly Through", icon="ANIM")
        camera = context.scene.camera
        if camera:
            column = layout.column()
            column.use_property_split = True
            column.use_property_decorate = False
            column.prop(context.scene, "camera", text="Active")
            column.prop(camera.data, "angle", text="Field of View", text_ctxt=CONTEXT)
        grid = layout.grid_flow(columns=2, even_columns=True, row_major=True, align=True)
        grid.operator("skyworld.look_at_target", text="Look at Target", icon="CON_TRACKTO")
        grid.operator("skyworld.focal_zoom", text="Focal Zoom", icon="VIEW_PERSPECTIVE")
        grid.operator("skyworld.bank_path", icon="DRIVER_ROTATIONAL_DIFFERENCE")
        grid.operator("skyworld.keep_clear", icon="MOD_SHRINKWRAP")
        column = layout.column(align=True)
        playing = context.screen is not None and context.screen.is_animation_playing
        column.operator("skyworld.preview_shot", icon="PAUSE" if playing else "PLAY")
        column.operator("skyworld.bake_camera", text="Bake to Keyframes", text_ctxt=CONTEXT, icon="KEYFRAME_HLT")
        row = column.row(align=True)
        row.operator("skyworld.import_cameras", text="Import Path", icon="IMPORT")
        row.operator("skyworld.export_cameras", text="Export", icon="EXPORT")


CLASSES = (CameraPanel,)
