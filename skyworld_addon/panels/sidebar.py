"""The panels, from the photograph at the top to the backend at the bottom."""

from pathlib import Path

import bpy

from .. import parameters, preferences
from ..connection import install
from ..jobs import ENDED, session
from ..operators.generate import CHOICES, FIT, KIND, WORLD_FILES, default_fit_output, default_world_output
from ..scene import splats, world
from . import preview
from .progress import ICONS, PREVIEW_SCALE, draw_failure, draw_running, draw_start, fraction_of, last_failure
from .text import wrapped

SHOWN_JOBS = 8


class Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "SkyWorld"


class GeneratePanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_generate"
    bl_label = "New World"
    bl_order = 0

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if _needs_installation():
            draw_installation(layout, context)
            return
        group = context.scene.skyworld
        column = layout.column()
        column.prop(group, "photo", placeholder="Choose a picture")
        column.prop(group, "prompt", placeholder="What is all around" if group.photo else "or say what to make")
        column.prop(group, "output", placeholder=str(default_world_output(group) or "Chosen by itself"))
        if group.prompt and group.profile == "builtin":
            wrapped(column, context, "The built-in models do not read prompts; choose other Models", icon="INFO")
        column = layout.column()
        parameters.draw(column, group, KIND, advanced=False, skip=("photo", "prompt", "output"))
        header, body = layout.panel("skyworld_advanced", default_closed=True)
        header.label(text="Advanced")
        if body:
            parameters.draw(body.column(), group, KIND, advanced=True)
        job = session.active()
        if job and job["kind"] != FIT:
            draw_running(layout, context, job)
        else:
            draw_start(layout, "skyworld.generate_world", icon="WORLD")
            layout.operator("skyworld.offer_seeds", icon="IMGDISPLAY")
            draw_choices(layout, group)
        draw_errors(layout, context)
        last = last_failure()
        if last and last["kind"] != FIT:
            draw_failure(layout, context, last)


class FitPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_fit"
    bl_label = "From Posed Pictures"
    bl_parent_id = "SKYWORLD_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context):
        return not _needs_installation()

    def draw_header_preset(self, _context):
        """How it stands, for the panel may be closed."""
        job, last = session.active(), last_failure()
        if job and job["kind"] == FIT:
            self.layout.label(text=f"{fraction_of(job):.0%}")
        elif last and last["kind"] == FIT:
            self.layout.label(text="", icon=ICONS[last["state"]])

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        group = context.scene.skyworld_fit
        column = layout.column()
        column.prop(group, "pictures", placeholder="Choose a folder")
        where = default_fit_output(bpy.path.abspath(group.pictures)) if group.pictures else "Chosen by itself"
        column.prop(group, "output", placeholder=str(where))
        parameters.draw(layout.column(), group, FIT, advanced=False, skip=("pictures", "output"))
        header, body = layout.panel("skyworld_fit_advanced", default_closed=True)
        header.label(text="Advanced")
        if body:
            parameters.draw(body.column(), group, FIT, advanced=True)
        job, last = session.active(), last_failure()
        if job and job["kind"] == FIT:
            draw_running(layout, context, job)
        else:
            draw_start(layout, "skyworld.fit_pictures", icon="OUTLINER_OB_POINTCLOUD")
        if last and last["kind"] == FIT:
            draw_failure(layout, context, last)


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


def draw_errors(layout, context):
    """What went wrong between here and the backend, in red, with what can be done about it."""
    if session.error:
        box = layout.box()
        wrapped(box, context, session.error, icon="ERROR", alert=True)
        if session.state == "lost":
            box.operator("skyworld.restart_backend", icon="FILE_REFRESH")


def _needs_installation():
    return preferences.get().backend == "LOCAL" and session.state != "on" and not preferences.installed()


def draw_installation(layout, context):
    """First time: what the backend is, what it costs, how to get it."""
    installer = session.installer
    if installer and installer.state == "running":
        box = layout.box()
        box.label(text="Installing the Backend")
        bar = box.row(align=True)
        bar.progress(factor=installer.fraction, text=f"{installer.fraction:.0%}")
        bar.operator("skyworld.cancel_install", text="", icon="CANCEL")
        wrapped(box, context, installer.line)
        return
    wrapped(
        layout,
        context,
        "Worlds are made by a backend with its own Python packages, apart from Blender. "
        f"{install.NEEDS}. Importing and exporting splats and cameras works without it.",
    )
    column = layout.column()
    column.use_property_split = False
    column.row().prop(preferences.get(), "device", expand=True)
    button = column.row()
    button.scale_y = 1.6
    button.operator("skyworld.install_backend", icon="IMPORT")
    column.operator("preferences.addon_show", text="Preferences", icon="PREFERENCES").module = preferences.PACKAGE
    if not bpy.app.online_access:
        text = "Blender may not use the network: switch on Preferences > System > Allow Online Access."
        wrapped(layout.box(), context, text, icon="ERROR", alert=True)
    if installer and installer.error:
        wrapped(layout.box(), context, installer.error, icon="ERROR", alert=True)


class WorldPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_world"
    bl_label = "World"
    bl_order = 1

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
            if collection.skyworld.models:
                wrapped(layout, context, f"Made by {collection.skyworld.models}")
            if collection.skyworld.held_out:
                wrapped(layout, context, collection.skyworld.held_out)
        if obj:
            count = len(obj.data.attributes["position"].data)
            layout.label(
                text=f"{count:,} {'splats' if splats.is_splats(obj) else 'points'}", icon="OUTLINER_OB_POINTCLOUD"
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


def _shown_cloud(context, collection):
    candidates = [context.object] if context.object else []
    candidates += list(collection.all_objects) if collection else []
    return next((obj for obj in candidates if splats.is_coloured(obj)), None)


class CameraPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_camera"
    bl_label = "Camera"
    bl_order = 2

    def draw(self, context):
        layout = self.layout
        grid = layout.grid_flow(columns=2, even_columns=True, row_major=True, align=True)
        grid.operator("skyworld.add_flythrough", text="Fly-through", icon="CURVE_PATH")
        grid.operator("skyworld.add_orbit", text="Orbit", icon="MESH_CIRCLE")
        grid.operator("skyworld.add_move", text="Dolly, Crane", icon="EMPTY_SINGLE_ARROW")
        grid.operator("skyworld.add_walk", text="Walk", icon="MOD_CURVE")
        grid.operator("skyworld.add_view", icon="ADD")
        grid.operator("skyworld.fly_through_views", text="Fly Through", icon="ANIM")
        camera = context.scene.camera
        if camera:
            column = layout.column()
            column.use_property_split = True
            column.use_property_decorate = False
            column.prop(context.scene, "camera", text="Active")
            column.prop(camera.data, "angle", text="Field of View")
        grid = layout.grid_flow(columns=2, even_columns=True, row_major=True, align=True)
        grid.operator("skyworld.look_at_target", text="Look at Target", icon="CON_TRACKTO")
        grid.operator("skyworld.focal_zoom", text="Focal Zoom", icon="VIEW_PERSPECTIVE")
        grid.operator("skyworld.bank_path", icon="DRIVER_ROTATIONAL_DIFFERENCE")
        grid.operator("skyworld.keep_clear", icon="MOD_SHRINKWRAP")
        column = layout.column(align=True)
        playing = context.screen is not None and context.screen.is_animation_playing
        column.operator("skyworld.preview_shot", icon="PAUSE" if playing else "PLAY")
        column.operator("skyworld.bake_camera", text="Bake to Keyframes", icon="KEYFRAME_HLT")
        row = column.row(align=True)
        row.operator("skyworld.import_cameras", text="Import Path", icon="IMPORT")
        row.operator("skyworld.export_cameras", text="Export", icon="EXPORT")


class ShotPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_shot"
    bl_label = "Shot"
    bl_order = 3

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
        button = layout.row()
        button.scale_y = 1.6
        button.operator("skyworld.render_shot", icon="RENDER_ANIMATION")


class JobsPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_jobs"
    bl_label = "Jobs"
    bl_order = 4
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context):
        return bool(session.jobs)

    def draw(self, _context):
        column = self.layout.column()
        for job in list(reversed(session.jobs.values()))[:SHOWN_JOBS]:
            row = column.row(align=True)
            row.label(text=_title(job), icon=ICONS[job["state"]])
            folder = (job.get("result") or {}).get("output")
            if job["state"] == "done" and job["kind"] in WORLD_FILES and folder:
                row.operator("skyworld.import_world", text="", icon="IMPORT").directory = folder
            elif job["state"] in ENDED and job["state"] != "done":
                row.operator("skyworld.retry_job", text="", icon="FILE_REFRESH").job = job["id"]
            elif job["state"] not in ENDED:
                row.operator("skyworld.cancel_job", text="", icon="CANCEL").job = job["id"]


def _title(job):
    name = job["parameters"].get("output") or job["parameters"].get("world") or ""
    return f"{Path(name).name or job['kind']} ({job['kind']})"


class BackendPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_backend"
    bl_label = "Backend"
    bl_order = 5
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        worker = session.health.get("worker") or {}
        texts = {
            "off": "Not running",
            "starting": "Starting…",
            "on": f"Running, version {session.health.get('version', '?')}",
            "lost": "Lost",
        }
        icons = {"off": "RADIOBUT_OFF", "starting": "TIME", "on": "RADIOBUT_ON", "lost": "ERROR"}
        column = layout.column()
        state = column.row()
        state.alert = session.state == "lost"
        state.label(text=texts[session.state], icon=icons[session.state])
        if session.state == "on":
            column.label(text=f"{worker.get('device') or 'Device not known yet'}", icon="MEMORY")
        elif session.error:
            wrapped(column, context, session.error, alert=True)
        row = layout.row(align=True)
        if session.state == "off":
            row.operator("skyworld.start_backend", icon="PLAY")
        else:
            row.operator("skyworld.stop_backend", icon="SNAP_FACE")
            row.operator("skyworld.restart_backend", icon="FILE_REFRESH")
        row.operator("preferences.addon_show", text="", icon="PREFERENCES").module = preferences.PACKAGE


CLASSES = (
    GeneratePanel,
    FitPanel,
    WorldPanel,
    CameraPanel,
    ShotPanel,
    JobsPanel,
    BackendPanel,
)


def redraw():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def register():
    preview.register()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_change.append(redraw)


def unregister():
    if redraw in session.on_change:
        session.on_change.remove(redraw)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    preview.unregister()
