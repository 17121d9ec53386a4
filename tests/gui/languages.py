"""The panel in German, and on a light theme, where its icons must be read as well; then off and on again."""

from pathlib import Path

import bpy
import window
from bl_ext.user_default.skyworld import jobs, preferences
from bl_ext.user_default.skyworld.translations import CONTEXT, de, said
from bl_ext.user_default.skyworld.viewport import show

# What Blender's own German calls Puppe, An Ansicht ausrichten, Triangulieren, Rechteck
OTHERWISE = ("Dolly", "Field of View", "Triangles", "Box")


def steps(gui):
    bpy.context.preferences.system.use_online_access = True
    backend = window.connected()
    yield from window.open_panels(gui, "generate", "world", "camera", "shot")
    bpy.ops.skyworld.import_world(directory=str(window.world_folder()))
    bpy.context.scene.skyworld.photo = str(window.photograph())
    jobs.session.connect()
    yield from window.until(lambda: jobs.session.state == "on")
    job = backend.submit("world", {"output": "/worlds/hill_village"})
    backend.move(job, "running")
    sentence = "black-forest-labs/FLUX.2-klein-4B is not downloaded. Press Download in the preferences."
    backend.move(job, "failed", error=sentence, fix="download:flux2-klein-4b")
    yield from window.until(lambda: jobs.session.last_failure())
    yield from window.shot(gui, "lang-dark")
    themes = Path(bpy.utils.preset_paths("interface_theme")[0])
    menu = "USERPREF_MT_interface_theme_presets"
    bpy.ops.script.execute_preset(filepath=str(themes / "Blender_Light.xml"), menu_idname=menu)
    yield from window.shot(gui, "lang-light")
    view = bpy.context.preferences.view
    view.language = "de_DE"
    view.use_translate_interface = view.use_translate_tooltips = view.use_translate_reports = True
    yield from window.shot(gui, "lang-german")
    assert said("Fly-through") == "Flug" and said("{count} frames imported", count=3) == "3 Frames importiert"
    for message in OTHERWISE:
        ours = de.MESSAGES[message]
        assert bpy.app.translations.pgettext_iface(message, CONTEXT) == said(message) == ours, message
    settings = preferences.get()
    settings.backend, settings.python = "LOCAL", "/nowhere/python"
    jobs.session.disconnect()
    yield from window.shot(gui, "lang-german-first")
    view.language = "en_US"
    bpy.ops.preferences.reset_default_theme()
    module = "bl_ext.user_default.skyworld"
    assert show._state["handle"], "splats are drawn in this window"
    bpy.ops.preferences.addon_disable(module=module)
    assert show._state["handle"] is None and not bpy.app.timers.is_registered(jobs.tick)
    bpy.ops.preferences.addon_enable(module=module)
    yield 0.5
    assert show._state["handle"] and bpy.app.timers.is_registered(jobs.tick)
    yield from window.shot(gui, "lang-enabled-again")
    backend.close()
