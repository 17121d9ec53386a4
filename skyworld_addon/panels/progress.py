"""Jobs in the panels: the button that starts one, how it goes, how it ended."""

from ..jobs import session
from ..operators.generate import EXPORT
from ..translations import said
from . import icons, preview
from .fix import draw_fix
from .text import duration, wrapped

ICONS = {"queued": "TIME", "running": "PLAY", "done": "CHECKMARK", "failed": "ERROR", "cancelled": "CANCEL"}
NAMES = {  # of jobs, by their kind
    "world": "World",
    "choices": "Choices",
    "fit": "Fit",
    "satellite_overview": "Overview",
    "satellite_city": "City",
    "satellite_refine": "Refinement",
    "satellite_export": "Export",
    "proxy": "Proxy",
    "download": "Download",
}
PREVIEW_SCALE = 11.0


def draw_start(layout, context, operator, *, icon):
    """The large button with one of the add-on's own icons; while the backend comes up it says so."""
    button = layout.row()
    button.scale_y = 1.6
    button.operator(
        operator,
        icon_value=icons.icon(icon, context),
        **({"text": "Starting the Backend…"} if session.waiting() else {}),
    )


def draw_running(layout, context, job):
    """The job that runs: stage, bar, times, picture, Cancel."""
    box = layout.box()
    progress = job.get("progress") or {}
    cancelling = job["id"] in session.cancelling
    head = box.row()
    # A job of one piece names no stage of its own.
    begun = NAMES.get(job["kind"]) if progress else "Starting"
    stage = (progress.get("stage") or ("Waiting" if job["state"] == "queued" else begun)).capitalize()
    head.label(text=said("Cancelling…") if cancelling else said(stage), translate=False)
    times = head.row()
    times.alignment = "RIGHT"
    times.label(text=_times(progress))
    bar = box.row(align=True)
    fraction = fraction_of(job)
    bar.progress(factor=fraction, text=f"{fraction:.0%}")
    stop = bar.row(align=True)
    stop.enabled = not cancelling
    stop.operator("skyworld.cancel_job", text="", icon="CANCEL").job = job["id"]
    if progress.get("message"):
        wrapped(box, context, progress["message"])
    picture = preview.icon(job["id"])
    if picture:
        box.template_icon(picture, scale=PREVIEW_SCALE)


def fraction_of(job):
    return min(max((job.get("progress") or {}).get("fraction") or 0.0, 0.0), 1.0)


def _times(progress):
    elapsed = progress.get("elapsed")
    if elapsed is None:
        return ""
    remaining = progress.get("remaining")
    if remaining is None:
        return duration(elapsed)
    return said("{elapsed} / about {whole}", elapsed=duration(elapsed), whole=duration(elapsed + remaining))


class Elsewhere:
    """All places but those of the other panels, for the panel that shows whatever no other does."""

    def __init__(self, *others):
        self._others = others

    def __contains__(self, place):
        return not any(place in other for other in self._others)


def draw_header(layout, places):
    """How it stands with what was begun at these places (kinds of jobs, operators): the panel may be closed."""
    job, last = session.active(), session.last_failure()
    if job and job["kind"] in places:
        layout.label(text=f"{fraction_of(job):.0%}")
    elif session.error and session.place in places:
        layout.label(text="", icon="ERROR")
    elif last and last["kind"] in places:
        layout.label(text="", icon=ICONS[last["state"]])


def draw_ends(layout, context, places):
    """What went wrong with a button of these places, and with the last job if it is of them."""
    if session.place in places:
        draw_errors(layout, context)
    last = session.last_failure()
    if last and last["kind"] in places:
        draw_failure(layout, context, last)


def draw_other(layout, places):
    """Why the buttons wait: a job of another panel runs."""
    job = session.active()
    if job and job["kind"] not in places:
        name = said(NAMES.get(job["kind"], job["kind"]))
        text = said("{job} is running: {share}", job=name, share=f"{fraction_of(job):.0%}")
        layout.label(text=text, icon="TIME", translate=False)


def draw_failure(layout, context, job):
    """How a job ended, in its own sentence, and a button to go on with it."""
    box = layout.box()
    failed = job["state"] == "failed"
    text = job.get("error") or ("The job failed" if failed else "Cancelled; what was finished is kept")
    wrapped(box, context, text, icon=ICONS[job["state"]], alert=failed)
    if job.get("fix") and not (job["fix"] == "output" and job["kind"] == EXPORT):  # which is exported anew
        # which of the two folders, the world's or the fit's
        draw_fix(box, job["fix"], **({"kind": job["kind"]} if job["fix"] == "output" else {}))
    box.operator("skyworld.retry_job", text="Retry", icon="FILE_REFRESH").job = job["id"]


def draw_errors(layout, context):
    """What went wrong between here and the backend, in red, with what can be done about it."""
    if session.error:
        box = layout.box()
        wrapped(box, context, session.error, icon="ERROR", alert=True)
        draw_fix(box, session.fix or ("restart" if session.state == "lost" else ""))
