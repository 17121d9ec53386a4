"""The first time: what the backend is, what it costs, how to get it."""

import bpy

from .. import preferences
from ..connection import install
from ..jobs import session
from .text import wrapped


def needs_installation():
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
