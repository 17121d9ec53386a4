"""Backend: how it is, and its switches."""

import bpy

from .. import preferences
from ..jobs import session
from ..translations import said
from .fix import draw_fix
from .tab import Sidebar
from .text import wrapped


class BackendPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_backend"
    bl_label = "Backend"
    bl_order = 90
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        worker = session.health.get("worker") or {}
        states = {
            "off": "Not running",
            "starting": "Starting…",
            "on": said("Running, version {version}", version=session.health.get("version", "?")),
            "lost": "Lost",
        }
        icons = {"off": "RADIOBUT_OFF", "starting": "TIME", "on": "RADIOBUT_ON", "lost": "ERROR"}
        column = layout.column()
        state = column.row()
        state.alert = session.state == "lost"
        state.label(text=states[session.state], icon=icons[session.state])
        if session.state == "on":
            texts = {None: "Device not known yet", "cpu": "Computes on the processor"}
            device = worker.get("device")
            column.label(text=texts.get(device, device), icon="MEMORY")
        elif session.error:
            wrapped(column, context, session.error, alert=True)
            draw_fix(layout, session.fix)
        row = layout.row(align=True)
        if session.state == "off":
            row.operator("skyworld.start_backend", text="Start", icon="PLAY")
        else:
            row.operator("skyworld.stop_backend", text="Stop", icon="SNAP_FACE")
            row.operator("skyworld.restart_backend", text="Restart", icon="FILE_REFRESH")
        row.operator("preferences.addon_show", text="", icon="PREFERENCES").module = preferences.PACKAGE


CLASSES = (BackendPanel,)
