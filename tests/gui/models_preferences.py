"""The add-on's preferences with the models of a fake backend, before and while one comes."""

import tomllib

import bpy
import window
from bl_ext.user_default.skyworld import jobs
from bl_ext.user_default.skyworld.operators import models


def inventory():
    """As GET /models tells, of the real profiles; some of it downloaded."""
    document = tomllib.loads((window.REPOSITORY / "backend/skyworld/models/profiles.toml").read_text(encoding="utf-8"))
    here = {"zoedepth": "complete", "depth-anything-v2-outdoor-small": "complete", "qwen3-vl-2b": "partial"}
    checkpoints = [
        {**entry, "name": name, "state": here.get(name, "absent")} for name, entry in document["checkpoints"].items()
    ]
    profiles = []
    for name, entry in document["profiles"].items():
        used = [each[key] for each in entry["roles"].values() for key in ("checkpoint", "with") if key in each]
        profiles.append({"name": name, "checkpoints": list(dict.fromkeys(used))})
    cache = "/home/ada/.cache/huggingface/hub"
    return {"cache": cache, "free_bytes": 71.7e9, "profiles": profiles, "checkpoints": checkpoints}


def steps(gui):
    session = jobs.session
    models.catalogue.found = None
    backend = window.connected()
    backend.models = inventory()
    area = gui.area
    area.type = "PREFERENCES"
    try:
        yield from in_preferences(gui, area, session, backend)
    finally:
        area.type = "VIEW_3D"
        backend.close()


def in_preferences(gui, area, session, backend):
    def picture(name):
        yield 1.5
        gui.shot(f"models-{name}")

    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "SkyWorld"
    with bpy.context.temp_override(area=area):
        bpy.ops.preferences.addon_expand(module="bl_ext.user_default.skyworld")
    yield from picture("first")
    bpy.ops.skyworld.refresh_models()
    yield from window.until(lambda: models.catalogue.found)
    yield from picture("listed")
    bpy.ops.skyworld.download_models("EXEC_DEFAULT", model="8gb")
    yield from window.until(lambda: backend.jobs)
    job = backend.jobs[0]
    backend.move(job, "running")
    message = "black-forest-labs/FLUX.2-klein-4B: 5.92 of 22.79 GB, 43 MB/s"
    backend.progress(job, stage="download", fraction=0.26, elapsed=131.0, remaining=391.0, message=message)
    yield from window.until(lambda: (session.active() or {}).get("progress"))
    yield from picture("running")
    backend.move(job, "cancelled")
    yield from window.until(lambda: session.active() is None)
    with bpy.context.temp_override(area=area):
        bpy.ops.skyworld.download_models("INVOKE_DEFAULT", model="16gb")
    yield from picture("licences")
    gui.key("Escape")
    yield 0.5
