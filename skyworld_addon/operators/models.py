"""Checkpoints of the backend: what there is, what of it is here, and getting more of it."""

import bpy
from bpy.props import StringProperty

from .. import preferences
from ..errors import UserError, reports_errors
from ..jobs import ENDED, session

DOWNLOAD = "download"


class Catalogue:
    """What GET /models told last; `found` is None until then."""

    def __init__(self):
        self.found = None

    def refresh(self):
        """Asks in a thread."""
        if session.client is None:
            raise UserError("The backend is not running", hint="Press Start in the SkyWorld panel", fix="start")
        client = session.client
        session.background(lambda: client.ask("GET", "/models"), self._told, DOWNLOAD)

    def _told(self, found):
        self.found = found

    def profile(self, name):
        """The checkpoints of a profile, in its order."""
        wanted = next((p["checkpoints"] for p in self.found["profiles"] if p["name"] == name), [])
        known = {checkpoint["name"]: checkpoint for checkpoint in self.found["checkpoints"]}
        return [known[each] for each in wanted]

    def checkpoints(self, model):
        """Those of a profile, or the one of that name."""
        return self.profile(model) or [c for c in self.found["checkpoints"] if c["name"] == model]


catalogue = Catalogue()


def downloading():
    """The download that runs or waits, or None."""
    job = session.active()
    return job if job and job["kind"] == DOWNLOAD else None


class RefreshModels(bpy.types.Operator):
    """Ask the backend which models there are and which of them are downloaded"""

    bl_idname = "skyworld.refresh_models"
    bl_label = "Show Models"

    @reports_errors
    def execute(self, _context):
        if session.state in ("off", "lost"):
            session.connect(DOWNLOAD)
        else:
            catalogue.refresh()
        return {"FINISHED"}


class DownloadModels(bpy.types.Operator):
    """Download what is missing. It goes on where it stopped, and Blender stays usable meanwhile"""

    bl_idname = "skyworld.download_models"
    bl_label = "Download Models"

    model: StringProperty(
        name="Model",
        description="A profile or a checkpoint. Empty: the profile of the preferences",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context):
        if catalogue.found is None or session.state != "on":
            cls.poll_message_set("The backend is not running")
            return False
        if session.active():
            cls.poll_message_set("A job is running; wait for it or cancel it")
            return False
        if preferences.get().backend == "LOCAL" and not bpy.app.online_access:
            cls.poll_message_set(
                "Blender may not use the network: switch on Preferences > System > Allow Online Access"
            )
            return False
        return True

    def invoke(self, context, _event):
        self.model = self.model or preferences.get().profile
        return context.window_manager.invoke_props_dialog(
            self, width=520, title="Accept the Licences and Download?", confirm_text="Accept and Download"
        )

    def draw(self, _context):
        """What comes and under which licence, before one agrees."""
        missing = [each for each in catalogue.checkpoints(self.model) if each["state"] != "complete"]
        column = self.layout.column()
        for each in missing:
            row = column.split(factor=0.62)
            row.label(text=each["id"])
            row.label(text=f"{each['download_gb']:.1f} GB, {licence(each)}")
        size = sum(each["download_gb"] for each in missing)
        free = catalogue.found["free_bytes"] / 1e9
        column.label(text=f"About {size:.1f} GB into {catalogue.found['cache']}; {free:.1f} GB are free")
        for each in missing:
            row = column.row()
            row.alignment = "LEFT"
            row.operator("wm.url_open", text=each["licence_url"], emboss=False, icon="URL").url = each["licence_url"]

    @reports_errors
    def execute(self, _context):
        model = self.model or preferences.get().profile
        if not catalogue.checkpoints(model):
            raise UserError("There is no model {name}", name=model)
        session.submit(DOWNLOAD, {"model": model, "accept": True})
        return {"FINISHED"}


def licence(checkpoint):
    """Its licence and what is special about it, in a few words."""
    limits = [] if checkpoint["commercial"] else ["not for commercial work"]
    return ", ".join([checkpoint["licence"], *limits, *(["gated"] if checkpoint["gated"] else [])])


def _connected_or_downloaded():
    """Asks when the backend comes up, and again after each download, however it ended."""
    ended = [j["id"] for j in session.jobs.values() if j["kind"] == DOWNLOAD and j["state"] in ENDED]
    now = (session.client, tuple(ended))
    if session.state == "on" and session.client and now != _asked["for"]:
        _asked["for"] = now
        catalogue.refresh()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()


_asked = {"for": None}
CLASSES = (RefreshModels, DownloadModels)


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_change.append(_connected_or_downloaded)


def unregister():
    if _connected_or_downloaded in session.on_change:
        session.on_change.remove(_connected_or_downloaded)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    catalogue.found, _asked["for"] = None, None
