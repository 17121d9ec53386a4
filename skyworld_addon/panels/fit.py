"""From Posed Pictures: splats fitted to photographs whose cameras are known."""

import bpy

from .. import parameters
from ..jobs import session
from ..operators.generate import FIT, default_fit_output
from ..translations import said
from .first_run import needs_installation
from .progress import draw_ends, draw_header, draw_other, draw_running, draw_start
from .tab import Sidebar

PLACES = (FIT, "skyworld.fit_pictures")  # whose errors are shown here


class FitPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_fit"
    bl_label = "From Posed Pictures"
    bl_parent_id = "SKYWORLD_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context):
        return not needs_installation()

    def draw_header_preset(self, _context):
        draw_header(self.layout, PLACES)

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        group = context.scene.skyworld_fit
        column = layout.column()
        column.prop(group, "pictures", placeholder="Choose a folder")
        where = default_fit_output(bpy.path.abspath(group.pictures)) if group.pictures else said("Chosen by itself")
        column.prop(group, "output", placeholder=str(where))
        parameters.draw(layout.column(), group, FIT, advanced=False, skip=("pictures", "output"))
        header, body = layout.panel("skyworld_fit_advanced", default_closed=True)
        header.label(text="Advanced")
        if body:
            parameters.draw(body.column(), group, FIT, advanced=True)
        job = session.active()
        if job and job["kind"] == FIT:
            draw_running(layout, context, job)
        else:
            draw_other(layout, PLACES)
            draw_start(layout, context, "skyworld.fit_pictures", icon="fit")
        draw_ends(layout, context, PLACES)


CLASSES = (FitPanel,)
