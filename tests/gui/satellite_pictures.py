"""The window's pictures of docs/satellite.md: a real city, which BG_PASS_WORLD names, and the real backend.

docs/sample/satellite_pictures.py runs it and keeps them. BG_PASS_URL, BG_PASS_TOKEN: a running backend. BG_PASS_SCENE:
the scene that the city was made of.
"""

import os

import bpy
import window
from bl_ext.user_default.skyworld import jobs, preferences
from bl_ext.user_default.skyworld.scene import splats
from viewport import look

session = jobs.session


def steps(gui):
    settings = preferences.get()
    settings.backend = "REMOTE"
    settings.url, settings.token = os.environ["BG_PASS_URL"], os.environ["BG_PASS_TOKEN"]
    yield from window.open_panels(gui, "satellite", "world")
    bpy.ops.skyworld.choose_satellite_scene(directory=os.environ["BG_PASS_SCENE"])
    with gui.override():
        bpy.ops.skyworld.show_satellite_area()
    yield from window.until(lambda: session.previews and not session.active(), 120)
    bpy.ops.skyworld.import_world(directory=os.environ["BG_PASS_WORLD"])
    (city,) = (obj for obj in bpy.data.objects if splats.is_splats(obj))
    city.skyworld.display = "SPLATS"
    with gui.override():
        bpy.ops.view3d.view_camera()
    gui.area.spaces.active.region_3d.view_camera_zoom = 18
    yield from window.shot(gui, "city", region=None)
    with gui.override():
        bpy.ops.skyworld.add_city_mesh()
    yield from window.until(lambda: city.hide_viewport, 200)
    bpy.context.object.select_set(False)
    gui.area.spaces.active.shading.light = "FLAT"
    gui.area.spaces.active.overlay.show_relationship_lines = False
    look(gui, (14, 0, 8), 105.0, 60, 0, 30)
    yield from window.shot(gui, "mesh", region=None)
