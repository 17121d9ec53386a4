"""Satellite: a city from satellite images, and further refining of one."""

from pathlib import Path

import bpy

from .. import parameters
from ..jobs import session
from ..operators.generate import CITY, SATELLITE
from ..operators.satellite import CLASSES as OPERATORS
from ..operators.satellite import city_of, default_city_output, images_of, last_export, last_overview, shared_area
from ..translations import said
from . import preview
from .first_run import needs_installation
from .progress import PREVIEW_SCALE, draw_ends, draw_header, draw_other, draw_running, draw_start
from .tab import Sidebar

PLACES = (*SATELLITE, *(cls.bl_idname for cls in OPERATORS))  # whose errors are shown here
SHOWN = ("images", "area", "output")  # drawn apart
SHARES = (25, 50, 100)


class SatellitePanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_satellite"
    bl_label = "Satellite"
    bl_order = 10
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context):
        return not needs_installation()

    def draw_header_preset(self, _context):
        draw_header(self.layout, PLACES)

    def draw(self, context):
        layout = self.layout
        group = context.scene.skyworld_city
        draw_images(layout, group)
        layout.use_property_split = True
        layout.use_property_decorate = False
        draw_area(layout, group)
        column = layout.column()
        column.prop(group, "output", placeholder=str(default_city_output(group) or said("Chosen by itself")))
        parameters.draw(column, group, CITY, advanced=False, skip=SHOWN)
        header, body = layout.panel("skyworld_city_advanced", default_closed=True)
        header.label(text="Advanced")
        if body:
            parameters.draw(body.column(), group, CITY, advanced=True)
        job = session.active()
        if job and job["kind"] in SATELLITE:
            draw_running(layout, context, job)
        else:
            draw_other(layout, PLACES)
            draw_start(layout, context, "skyworld.generate_city", icon="city")
            if city_of(context):
                draw_city(layout)
        draw_ends(layout, context, PLACES)


def draw_images(layout, group):
    """One line an image, with a cross to take it off."""
    box = layout.box().column(align=True)
    for index, path in enumerate(images_of(group)):
        row = box.row()
        icon = "FILE_FOLDER" if Path(path).is_dir() else "IMAGE_DATA"
        row.label(text=Path(path).name, icon=icon, translate=False)
        row.operator("skyworld.remove_satellite_image", text="", icon="X", emboss=False).index = index
    row = box.row(align=True)
    row.operator("skyworld.add_satellite_images", icon="ADD")
    row.operator("skyworld.choose_satellite_scene", text="Scene Folder", icon="FILE_FOLDER")


def draw_area(layout, group):
    """What is taken: its picture from above, and its limits in degrees."""
    made = last_overview(group)
    picture = preview.icon(made["id"]) if made else 0
    if picture:
        layout.box().template_icon(picture, scale=PREVIEW_SCALE)
    layout.operator("skyworld.show_satellite_area", icon="VIEW_ORTHO")
    if shared_area(group):
        row = layout.row(align=True)
        for percent in SHARES:
            row.operator("skyworld.take_satellite_middle", text=f"{percent} %").percent = percent
    layout.prop(group, "use_area", text=said("Area in Degrees"))
    if group.use_area:
        column = layout.column(align=True)
        for index, name in enumerate((said("South"), said("West"), said("North"), said("East"))):
            column.prop(group, "area", index=index, text=name)


def draw_city(layout):
    """What can be done with the city that is in the scene; and where the last file of it went."""
    layout.operator("skyworld.refine_city", icon="MOD_SUBSURF")
    column = layout.column(align=True)
    column.operator("skyworld.add_city_mesh", icon="MESH_DATA")
    row = column.row(align=True)
    row.operator("skyworld.export_city", text="Mesh", icon="EXPORT").content = "MESH"
    row.operator("skyworld.export_city", text="Heights", icon="EXPORT").content = "HEIGHTS"
    row.operator("skyworld.export_city", text="Ortho", icon="EXPORT").content = "ORTHO"
    done = last_export()
    if done:
        row = layout.row()
        row.label(text=done.name, icon="CHECKMARK", translate=False)
        row.operator("wm.path_open", text="", icon="FILE_FOLDER", emboss=False).filepath = str(done.parent)


CLASSES = (SatellitePanel,)
