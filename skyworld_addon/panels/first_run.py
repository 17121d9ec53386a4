"""The first time: two ways to a backend, and what each costs."""

import sys

import bpy

from .. import preferences
from ..jobs import session
from ..translations import said
from . import icons
from .fix import draw_fix
from .text import wrapped

ALONE = "Importing and exporting splats and cameras works without a backend."
BUILT_IN = (
    ("Makes", "worlds from a photograph; splats from posed pictures"),
    ("Needs", "any computer; no GPU"),
    ("Download", "0.5 GB, once"),
    ("On disk", "3 GB"),
    ("A world", "1 to 2 minutes on two cores"),
    ("Licence", "GPL; what you make is yours"),
)
GPU = (
    ("Makes", "the same, and worlds from a prompt; invents what no photograph shows"),
    ("Needs", "an NVIDIA GPU of 8 GB or more"),
    ("Download", "3 GB, then models of your choice: 23 to 61 GB"),
    ("On disk", "8 GB and the models"),
    ("A world", "under a minute on a large GPU"),
    ("Licence", "Apache-2.0, MIT; each model's is shown before its download"),
)


def needs_installation():
    return preferences.get().backend == "LOCAL" and session.state != "on" and not preferences.installed()


def draw_installation(layout, context):
    installer = session.installer
    if installer and installer.state == "running":
        draw_progress(layout, context, installer)
        return
    wrapped(layout, context, "Worlds are made by a backend, a program of its own beside Blender. Choose one.")
    if installer and installer.error:
        wrapped(layout.box(), context, installer.error, icon="ERROR", alert=True)
    if not bpy.app.online_access:
        draw_offline(layout, context)
    draw_choice(layout, context, "Use Built-in Models", "CPU", BUILT_IN)
    if sys.platform != "darwin":  # where there is no CUDA
        draw_choice(layout, context, "Set Up the GPU Backend", "CUDA", GPU)
    wrapped(layout, context, ALONE)
    layout.operator("preferences.addon_show", text="I Have a Backend", icon="PREFERENCES").module = preferences.PACKAGE


def draw_choice(layout, context, title, device, costs):
    """A box: the large button, and line by line what it makes and costs."""
    box = layout.box()
    button = box.row()
    button.scale_y = 1.6
    own = {"icon_value": icons.icon("world", context)} if device == "CPU" else {"icon": "SHADERFX"}
    button.operator("skyworld.install_backend", text=title, **own).device = device
    for name, text in costs:
        line = box.split(factor=0.26)
        line.label(text=name)
        wrapped(line, context, text, share=0.74)


def draw_progress(layout, context, installer):
    box = layout.box()
    box.label(text="Installing the Backend")
    bar = box.row(align=True)
    bar.progress(factor=installer.fraction, text=f"{installer.fraction:.0%}")
    bar.operator("skyworld.cancel_install", text="", icon="CANCEL")
    wrapped(box, context, installer.line)


def draw_offline(layout, context):
    """Blender's own switch stands before every download."""
    box = layout.box()
    wrapped(box, context, "Blender may not use the network, so nothing can be downloaded", icon="ERROR", alert=True)
    draw_fix(box, "online")


def draw_next_step(layout, context):
    """After the GPU's backend has been installed: models are not there yet."""
    installer = session.installer
    if installer and installer.state == "done" and installer.device == "CUDA":
        box = layout.box()
        text = said("The backend is installed. Download models for your GPU in the preferences, or begin at once")
        wrapped(box, context, text, icon="CHECKMARK")
        box.operator("preferences.addon_show", text="Choose Models", icon="PREFERENCES").module = preferences.PACKAGE
