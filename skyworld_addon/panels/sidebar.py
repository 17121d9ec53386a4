"""The panels, from the photograph at the top to the backend at the bottom."""

from pathlib import Path

import bpy

from .. import parameters, preferences
from ..connection import install
from ..jobs import ENDED, session
from ..operators.generate import CHOICES, KIND, default_output
from ..scene import splats, world
from . import preview
from .text import duration, wrapped

ICONS = {"queued": "TIME", "running": "PLAY", "done": "CHECKMARK", "failed": "ERROR", "cancelled": "CANCEL"}
SHOWN_JOBS = 8
PREVIEW_SCALE = 11.0


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
        where = default_output(bpy.path.abspath(group.photo)) if group.photo else "Chosen by itself"
        column.prop(group, "output", placeholder=str(where))
        column = layout.column()
        parameters.draw(column, group, KIND, advanced=False, skip=("photo", "output"))
        header, body = layout.panel("skyworld_advanced", default_closed=True)
        header.label(text="Advanced")
        if body:
            parameters.draw(body.column(), group, KIND, advanced=True)
        job = session.active()
        if job:
            draw_running(layout, context, job)
        else:
            button = layout.row()
            button.scale_y = 1.6
            text = "Starting the Backend…" if session.waiting() else "Generate World"
            button.operator("skyworld.generate_world", text=text, icon="WORLD")
            layout.operator("skyworld.offer_seeds", icon="IMGDISPLAY")
            draw_choices(layout, group)
        draw_errors(layout, context)


def draw_running(layout, context, job):
    """The job that runs: stage, bar, times, picture, Cancel."""
    box = layout.box()
    progress = job.get("progress") or {}
    cancelling = job["id"] in session.cancelling
    head = box.row()
    stage = (progress.get("stage") or ("Waiting" if job["state"] == "queued" else "Starting")).capitalize()
    head.label(text="Cancelling…" if cancelling else stage)
    times = head.row()
    times.alignment = "RIGHT"
    times.label(text=_times(job, progress))
    bar = box.row(align=True)
    fraction = min(max(progress.get("fraction") or 0.0, 0.0), 1.0)
    bar.progress(factor=fraction, text=f"{fraction:.0%}")
    stop = bar.row(align=True)
    stop.enabled = not cancelling
    stop.operator("skyworld.cancel_job", text="", icon="CANCEL").job = job["id"]
    if progress.get("message"):
        wrapped(box, context, progress["message"])
    picture = preview.icon(job["id"])
    if picture:
        box.template_icon(picture, scale=PREVIEW_SCALE)


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


def _times(job, progress):
    elapsed = progress.get("elapsed")
    if elapsed is None:
        return ""
    remaining = progress.get("remaining")
    return duration(elapsed) + (f" / about {duration(elapsed + remaining)}" if remaining is not None else "")


def draw_errors(layout, context):
    """What went wrong last, in red, with what can be done about it."""
    if session.error:
        box = layout.box()
        wrapped(box, context, session.error, icon="ERROR", alert=True)
        if session.state == "lost":
            box.operator("skyworld.restart_backend", icon="FILE_REFRESH")
    last = next(reversed(session.jobs.values()), None)
    if last and last["state"] in ("failed", "cancelled") and not session.active():
        box = layout.box()
        failed = last["state"] == "failed"
        text = last.get("error") or ("The job failed" if failed else "Cancelled; what was finished is kept")
        wrapped(box, context, text, icon=ICONS[last["state"]], alert=failed)
        box.operator("skyworld.retry_job", icon="FILE_REFRESH").job = last["id"]


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
        if obj:
            count = len(obj.data.attributes["position"].data)
            layout.label(
                text=f"{count:,} {'splats' if splats.is_splats(obj) else 'points'}", icon="OUTLINER_OB_POINTCLOUD"
            )
            column = layout.column()
            column.prop(obj.skyworld, "display")
            detail = column.column()
            detail.active = obj.skyworld.display == "POINTS"
            detail.prop(obj.skyworld, "fraction", slider=True)
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
        row = layout.row(align=True)
        row.operator("skyworld.add_flythrough", text="Fly-through", icon="CURVE_PATH")
        row.operator("skyworld.add_orbit", text="Orbit", icon="MESH_CIRCLE")
        camera = context.scene.camera
        if camera:
            column = layout.column()
            column.use_property_split = True
            column.use_property_decorate = False
            column.prop(context.scene, "camera", text="Active")
            column.prop(camera.data, "angle", text="Field of View")
        column = layout.column(align=True)
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
            if job["state"] == "done" and job["kind"] == KIND and folder:
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
