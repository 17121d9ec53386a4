"""Run inside Blender's window: the panel in German, and on a light theme, where its icons must be read as well.

BG_PASS_REPOSITORY is the repository, visible inside under the same path.
"""

import os
import sys
from pathlib import Path

import bpy

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
sys.path[:0] = [str(REPOSITORY / "tests/addon"), str(REPOSITORY / "tests/gui")]

import fake_backend  # noqa: E402
import panel  # noqa: E402
from bl_ext.user_default.skyworld import jobs, preferences  # noqa: E402
from bl_ext.user_default.skyworld.translations import said  # noqa: E402
from bl_ext.user_default.skyworld.viewport import show  # noqa: E402


def steps(gui):
    bpy.context.preferences.system.use_online_access = True
    yield from panel.open_all(gui)
    gui.shot("first-dark", region="UI")
    backend = fake_backend.FakeBackend()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", backend.url, fake_backend.TOKEN
    bpy.ops.skyworld.import_world(directory=str(panel.world_folder()))
    bpy.context.scene.skyworld.photo = "//hill_village.jpg"
    jobs.session.connect()
    yield from panel.until(lambda: jobs.session.state == "on")
    job = backend.submit("world", {"output": "/worlds/hill_village"})
    backend.move(job, "running")
    sentence = "black-forest-labs/FLUX.2-klein-4B is not downloaded. Press Download in the preferences."
    backend.move(job, "failed", error=sentence, fix="download:flux2-klein-4b")
    yield from panel.until(lambda: jobs.session.last_failure())
    gui.shot("dark", region="UI")
    themes = Path(bpy.utils.preset_paths("interface_theme")[0])
    bpy.ops.script.execute_preset(
        filepath=str(themes / "Blender_Light.xml"), menu_idname="USERPREF_MT_interface_theme_presets"
    )
    yield panel.SETTLE
    gui.shot("light", region="UI")
    view = bpy.context.preferences.view
    view.language = "de_DE"
    view.use_translate_interface = view.use_translate_tooltips = view.use_translate_reports = True
    yield panel.SETTLE
    assert said("Fly-through") == "Flug" and said("{count} frames imported", count=3) == "3 Frames importiert"
    gui.shot("german", region="UI")
    settings.backend, settings.python = "LOCAL", "/nowhere/python"
    jobs.session.disconnect()
    gui.region("UI").tag_redraw()
    yield panel.SETTLE
    gui.shot("german-first", region="UI")
    view.language = "en_US"
    module = "bl_ext.user_default.skyworld"
    assert show._state["handle"], "splats are drawn in this window"
    bpy.ops.preferences.addon_disable(module=module)
    assert show._state["handle"] is None and not bpy.app.timers.is_registered(jobs.tick)
    bpy.ops.preferences.addon_enable(module=module)
    yield panel.SETTLE
    assert show._state["handle"] and bpy.app.timers.is_registered(jobs.tick)
    gui.shot("enabled-again", region="UI")
    backend.close()
