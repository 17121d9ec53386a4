"""Run inside Blender's window: a scene of satellite images becomes a city, and is refined, with the real backend.

BG_PASS_URL, BG_PASS_TOKEN: a running backend.  BG_PASS_SCENE, BG_PASS_CURRICULUM, BG_PASS_OUTPUT: visible inside under
the same path.
"""

import json
import os
import time
from pathlib import Path

import bpy
import numpy as np
from bl_ext.user_default.skyworld import jobs, preferences
from bl_ext.user_default.skyworld.panels import generate, satellite
from bl_ext.user_default.skyworld.scene import splats

session = jobs.session


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (session.state, session.error, session.jobs)
        failed = [job for job in session.jobs.values() if job["state"] == "failed"]
        assert not failed, failed
        yield 0.1
    yield 3


def last():
    return list(session.jobs.values())[-1]


def cities():
    return [obj for obj in bpy.data.objects if splats.is_splats(obj)]


def steps(gui):
    # Panels cannot be opened or closed by a script: these are, before they are drawn for the first time
    for cls, options in ((satellite.SatellitePanel, set()), (generate.GeneratePanel, {"DEFAULT_CLOSED"})):
        bpy.utils.unregister_class(cls)
        cls.bl_options = options
        bpy.utils.register_class(cls)
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    settings = preferences.get()
    settings.backend = "REMOTE"
    settings.url, settings.token = os.environ["BG_PASS_URL"], os.environ["BG_PASS_TOKEN"]
    scene, output = bpy.context.scene, Path(os.environ["BG_PASS_OUTPUT"])
    yield from gui.open_sidebar("SkyWorld")
    yield 3
    bpy.ops.skyworld.choose_satellite_scene(directory=os.environ["BG_PASS_SCENE"])
    with gui.override():
        bpy.ops.skyworld.show_satellite_area()
    yield from until(lambda: session.jobs and last()["state"] == "done", 120)
    gui.shot("overview", region="UI")
    group = scene.skyworld_city
    group.output, group.curriculum, group.steps = str(output), os.environ["BG_PASS_CURRICULUM"], 150
    with gui.override():
        bpy.ops.skyworld.generate_city()
    yield from until(lambda: last()["kind"] == "satellite_city" and last()["id"] in session.previews, 500)
    gui.shot("running", region="UI")
    yield from until(lambda: scene.camera and not session.active(), 900)
    assert scene["SRID"].startswith("EPSG:326")
    (city,) = cities()
    assert len(city.data.points if hasattr(city.data, "points") else city.data.vertices) > 1000
    city.skyworld.display = "SPLATS"
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield 15
    gui.shot("city")
    with gui.override():
        bpy.ops.skyworld.add_city_mesh()
    yield from until(lambda: city.hide_viewport, 60)
    (mesh,) = (obj for obj in bpy.data.objects if obj.type == "MESH")
    assert len(mesh.data.polygons) > 1000 and mesh["SRID"] == scene["SRID"]
    splats_up, mesh_up = (np.array(obj.bound_box)[:, 2] for obj in (city, mesh))
    assert abs(mesh_up.max() - splats_up.max()) < 4 and mesh.matrix_world == city.matrix_world
    assert gui.area.spaces.active.shading.color_type == "TEXTURE"
    gui.shot("mesh")
    told = json.loads((output / "world.json").read_text())
    with gui.override():
        bpy.ops.skyworld.refine_city()
    yield from until(lambda: last()["kind"] == "satellite_refine" and not session.active(), 900)
    again = json.loads((output / "world.json").read_text())
    assert again["refined"]["result"] != told["refined"]["result"], "it went on from the refined city"
    yield 15
    gui.shot("refined")
