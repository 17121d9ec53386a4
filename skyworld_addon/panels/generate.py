"""New World: from a photograph, a prompt or an own panorama."""

import bpy

from .. import parameters
from ..jobs import session
from ..operators.generate import CHOICES, KIND, default_world_output
from ..translations import said
from . import fit, preview, satellite, shot, world
from .first_run import draw_installation, draw_next_step, needs_installation
from .progress import PREVIEW_SCALE, Elsewhere, draw_ends, draw_other, draw_running, draw_start
from .tab import Sidebar
from .text import wrapped

PLACES = Elsewhere(fit.PLACES, satellite.PLACES, shot.PLACES, world.PLACES)  # so that no error is lost


class GeneratePanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_generate"
    bl_label = "New World"
    bl_order = 0

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if needs_installation():
            draw_installation(layout, context)
            return
        draw_next_step(layout, context)
        group = context.scene.skyworld
        column = layout.column()
        column.prop(group, "photo", placeholder="Choose a picture")
        column.prop(group, "prompt", placeholder="What is all around" if group.photo else "or say what to make")
        column.prop(group, "output", placeholder=str(default_world_output(group) or said("Chosen by itself")))
        if group.prompt and group.profile == "builtin":
            wrapped(column, context, "The built-in models do not read prompts; choose other Models", icon="INFO")
        column = layout.column()
        parameters.draw(column, group, KIND, advanced=False, skip=("photo", "prompt", "output"))
        header, body = layout.panel("skyworld_advanced", default_closed=True)
        header.label(text="Advanced")
        if body:
            parameters.draw(body.column(), group, KIND, advanced=True)
        job = session.active()
        if job and job["kind"] in PLACES:
            draw_running(layout, context, job)
        else:
            draw_other(layout, PLACES)
            draw_start(layout, context, "skyworld.generate_world", icon="world")
            layout.operator("skyworld.offer_seeds", icon="IMGDISPLAY")
            draw_choices(layout, group)
        draw_ends(layout, context, PLACES)


def draw_choices(layout, group):
    """The last sheet of seeds, and a button for each of them; until another photograph is chosen."""
    sheets = [job for job in session.jobs.values() if job["kind"] == CHOICES and job["state"] == "done"]
    if not sheets or sheets[-1]["parameters"]["photo"] != bpy.path.abspath(group.photo):
        return
    wish = sheets[-1]["parameters"]
    picture = preview.icon(sheets[-1]["id"])
    if picture:
        box = layout.box()
        box.template_icon(picture, scale=PREVIEW_SCALE)
        row = box.row(align=True)
        for seed in range(wish["seed"], wish["seed"] + wish["count"]):
            row.operator("skyworld.use_seed", text=str(seed), depress=seed == group.seed).seed = seed


CLASSES = (GeneratePanel,)
