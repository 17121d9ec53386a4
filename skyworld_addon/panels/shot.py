"""Shot: size, length and the large button."""

import bpy

from ..jobs import session
from ..operators import proxy
from ..scene import exposure
from ..scene.world import ENGINE
from . import icons
from .progress import draw_ends, draw_header, draw_running
from .tab import Sidebar

# Whose errors are shown here; of the engine itself, too
PLACES = (ENGINE, proxy.KIND, "skyworld.render_shot", "skyworld.set_up_compositing", "skyworld.add_proxy")


class ShotPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_shot"
    bl_label = "Shot"
    bl_order = 40

    def draw_header_preset(self, _context):
        draw_header(self.layout, PLACES)

    def draw(self, context):
        layout = self.layout
        scene = context.scene
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        size = column.column(align=True)
        size.prop(scene.render, "resolution_x", text="Resolution X")
        size.prop(scene.render, "resolution_y", text="Y")
        size.prop(scene.render, "resolution_percentage", text="%")
        frames = column.column(align=True)
        frames.prop(scene, "frame_start", text="Frame Start")
        frames.prop(scene, "frame_end", text="End")
        column.prop(scene.render, "film_transparent", text="Transparent")
        column.prop(scene.render, "use_motion_blur")
        if scene.camera:
            column.prop(scene.camera.data.dof, "use_dof", text="Depth of Field")
            if exposure.has_samples(scene, scene.camera.data):
                column.prop(scene.skyworld_render, "samples")
        if scene.render.engine == ENGINE:
            column.prop(scene.skyworld_render, "objects")
        else:
            layout.operator("skyworld.set_up_compositing", icon="NODE_COMPOSITING")
        job = session.active()
        if job and job["kind"] == proxy.KIND:
            draw_running(layout, context, job)
        else:
            layout.operator("skyworld.add_proxy", icon="MOD_REMESH")
        button = layout.row()
        button.scale_y = 1.6
        button.operator("skyworld.render_shot", icon_value=icons.icon("shot", context))
        draw_ends(layout, context, PLACES)


CLASSES = (ShotPanel,)
