"""Models in the preferences: a profile's checkpoints, their sizes and licences, and a button to get them."""

import bpy

from ..jobs import session
from ..operators.models import DOWNLOAD, catalogue, downloading, licence
from ..translations import said
from .first_run import draw_offline
from .progress import draw_errors, draw_failure, draw_running

STATES = {
    "complete": ("CHECKMARK", "Downloaded"),
    "partial": ("TIME", "Downloaded in part"),
    "absent": ("BLANK1", ""),
}


def draw(layout, context, settings):
    """The section; before the backend runs only how to start it."""
    if settings.backend == "LOCAL":
        layout.prop(settings, "models_folder", placeholder="The cache of the Hugging Face hub")
    draw_errors(layout, context)
    if settings.backend == "LOCAL" and not bpy.app.online_access:
        draw_offline(layout, context)
    if catalogue.found is None:
        layout.operator("skyworld.refresh_models", icon="FILE_REFRESH", text=_waiting())
        return
    layout.row().prop(settings, "profile", expand=True)
    checkpoints = catalogue.profile(settings.profile)
    box = layout.box()
    for checkpoint in checkpoints:
        draw_checkpoint(box, checkpoint)
    missing = [each for each in checkpoints if each["state"] != "complete"]
    free = catalogue.found["free_bytes"] / 1e9
    row = layout.row()
    if missing:
        size = sum(each["download_gb"] for each in missing)
        row.label(text=said("About {size:.1f} GB are missing, {free:.1f} GB are free", size=size, free=free))
        row.operator("skyworld.download_models", text="Download All", icon="IMPORT").model = settings.profile
    else:
        row.label(text="All of it is here", icon="CHECKMARK")
    job, last = downloading(), session.last_failure()
    if job:
        draw_running(layout, context, job)
    elif last and last["kind"] == DOWNLOAD:
        draw_failure(layout, context, last)
    header, body = layout.panel("skyworld_other_models", default_closed=True)
    header.label(text="Other Models")
    if body:
        shown = {each["name"] for each in checkpoints}
        for checkpoint in catalogue.found["checkpoints"]:
            if checkpoint["name"] not in shown:
                draw_checkpoint(body, checkpoint)
                row = body.row()
                row.enabled = False
                row.label(text=_purpose(checkpoint), icon="BLANK1")


def draw_checkpoint(layout, checkpoint):
    """One line: state, name, size, licence, button."""
    icon, said = STATES[checkpoint["state"]]
    line = layout.split(factor=0.46)
    line.label(text=checkpoint["id"], icon=icon)
    rest = line.row()
    rest.label(text=checkpoint["roles"][0].replace("_", " ").capitalize())
    rest.label(text=f"{checkpoint['download_gb']:.1f} GB")
    rest.label(text=licence(checkpoint))
    if checkpoint["state"] == "complete":
        rest.label(text=said)
    else:
        text = "Resume" if checkpoint["state"] == "partial" else "Download"
        rest.operator("skyworld.download_models", text=text).model = checkpoint["name"]


def _purpose(checkpoint):
    return said("For {purpose}", purpose=checkpoint["good_for"])


def _waiting():
    return "Starting the Backend…" if session.state == "starting" else "Show Models"
