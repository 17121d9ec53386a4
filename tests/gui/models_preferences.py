"""Run inside Blender's window: the add-on's preferences with the models of a fake backend, before and while one comes.

BG_PASS_REPOSITORY is the repository, visible inside under the same path.
"""

import os
import sys
import tomllib
from pathlib import Path

import bpy

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
sys.path[:0] = [str(REPOSITORY / "tests/addon"), str(REPOSITORY / "tests/gui")]

import fake_backend  # noqa: E402
import panel  # noqa: E402
from bl_ext.user_default.skyworld import jobs, preferences  # noqa: E402
from bl_ext.user_default.skyworld.operators import models  # noqa: E402


def inventory():
    """As GET /models tells, of the real profiles; some of it downloaded."""
    document = tomllib.loads((REPOSITORY / "backend/skyworld/models/profiles.toml").read_text(encoding="utf-8"))
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
    backend = fake_backend.FakeBackend()
    backend.models = inventory()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", backend.url, fake_backend.TOKEN
    area = gui.area
    area.type = "PREFERENCES"
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "SkyWorld"
    with bpy.context.temp_override(area=area):
        bpy.ops.preferences.addon_expand(module="bl_ext.user_default.skyworld")
    yield panel.SETTLE
    gui.shot("first")
    bpy.ops.skyworld.refresh_models()
    yield from panel.until(lambda: models.catalogue.found)
    gui.shot("listed")
    bpy.ops.skyworld.download_models("EXEC_DEFAULT", model="8gb")
    yield from panel.until(lambda: backend.jobs)
    job = backend.jobs[0]
    backend.move(job, "running")
    message = "black-forest-labs/FLUX.2-klein-4B: 5.92 of 22.79 GB, 43 MB/s"
    backend.progress(job, stage="download", fraction=0.26, elapsed=131.0, remaining=391.0, message=message)
    yield from panel.until(lambda: (session.active() or {}).get("progress"))
    gui.shot("running")
    backend.move(job, "cancelled")
    yield from panel.until(lambda: session.active() is None)
    with bpy.context.temp_override(area=area):
        bpy.ops.skyworld.download_models("INVOKE_DEFAULT", model="16gb")
    yield panel.SETTLE
    gui.shot("licences")
