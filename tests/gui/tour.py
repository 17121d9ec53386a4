"""Run inside Blender's window: an artist's two minutes, from an empty scene to the rendered shot, picture by picture.

docs/sample/tour.py runs it and keeps the pictures. BG_PASS_URL, BG_PASS_TOKEN: a running backend. BG_PASS_PHOTO,
BG_PASS_OUTPUT: visible inside under the same path. What is pressed here are the panel's operators.
"""

import os
import subprocess
import time
from pathlib import Path

import bpy
import numpy as np
from bl_ext.user_default.skyworld import jobs, preferences
from bl_ext.user_default.skyworld.scene import splats
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Euler, Vector

session = jobs.session
SETTLE = float(os.environ.get("BG_PASS_SETTLE", "6"))  # seconds: all is drawn by the processor
AHEAD = Euler((np.radians(88), 0, 0))


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (session.state, session.error, session.jobs)
        yield 0.1


def look(gui, location, distance, turn):
    region = gui.area.spaces.active.region_3d
    region.view_perspective = "PERSP"
    region.view_location, region.view_distance = Vector(location), distance
    region.view_rotation = Euler(turn).to_quaternion()


def first_run(gui):
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    bpy.context.preferences.system.use_online_access = True
    yield from gui.open_sidebar("SkyWorld")
    yield 3
    gui.shot("01-first-run")


def choose_photograph(gui):
    settings = preferences.get()
    settings.backend = "REMOTE"
    settings.url, settings.token = os.environ["BG_PASS_URL"], os.environ["BG_PASS_TOKEN"]
    world = bpy.context.scene.skyworld
    world.photo, world.output = os.environ["BG_PASS_PHOTO"], os.environ["BG_PASS_OUTPUT"]
    world.quality, world.panorama_width = os.environ.get("BG_PASS_QUALITY", "draft"), "2048"
    gui.region("UI").tag_redraw()
    yield 3
    gui.shot("02-photograph")


def generate(gui):
    with gui.override():
        bpy.ops.skyworld.generate_world()
    yield from until(lambda: session.previews and (session.active() or {}).get("state") == "running", 300)
    yield from until(lambda: ((session.active() or {}).get("progress") or {}).get("fraction", 1) > 0.12, 200)
    yield 4
    gui.shot("03-generating")
    yield from until(lambda: bpy.context.scene.camera, 580)
    yield from until(lambda: not session.active(), 60)


def world_as_splats(gui):
    world = next(obj for obj in bpy.data.objects if splats.is_splats(obj))
    world.skyworld.display = "SPLATS"
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield 2 * SETTLE
    gui.shot("04-through-the-camera")
    look(gui, (0, 9, 2), 16.0, (np.radians(72), 0, np.radians(20)))
    yield 4 * SETTLE
    gui.shot("05-the-world")
    return world


def place_cube(gui):
    look(gui, (0, 3.2, 1.5), 3.2, AHEAD)
    with gui.override():
        bpy.ops.mesh.primitive_cube_add(size=1.1, location=(0.5, 5.0, 0.5), rotation=(0, 0, 0.5))
    cube = bpy.context.object
    cube.name = "Cube"
    material = bpy.data.materials.new("Red")
    material.diffuse_color = (0.7, 0.08, 0.04, 1)
    if not material.node_tree:  # always there from Blender 5 on
        material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = material.diffuse_color
    cube.data.materials.append(material)
    with gui.override():
        bpy.ops.object.light_add(type="SUN", location=(4, 0, 8), rotation=(0.6, 0.3, 0.5))
    bpy.context.object.data.energy = 3.0
    yield 2 * SETTLE
    gui.shot("06-a-cube-among-the-splats")


def edit(gui, world):
    """A lasso round what shall go."""
    for obj in bpy.context.selected_objects:
        obj.select_set(False)
    world.select_set(True)
    bpy.context.view_layer.objects.active = world
    region = gui.region("WINDOW")
    at = location_3d_to_region_2d(region, gui.area.spaces.active.region_3d, Vector((-1.6, 6, 1.1)))
    ring = [(at.x + 150 * np.cos(a), at.y + 110 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 22)]
    ring = [(region.x + x, gui.window.height - region.y - y) for x, y in ring]
    with gui.override():
        bpy.ops.skyworld.select_splats_lasso("INVOKE_DEFAULT")
    yield 0.5
    gui.move(*ring[0])
    yield 0.3
    subprocess.run(["xdotool", "mousedown", "1"], check=True)
    for point in ring[1:]:
        gui.move(*point)
        yield 0.1
    subprocess.run(["xdotool", "mouseup", "1"], check=True)
    yield 2 * SETTLE
    gui.shot("07-a-lasso")
    with gui.override():
        bpy.ops.skyworld.select_all_splats(action="DESELECT")
    yield 1


def author_camera(gui, world):
    for location, turn in (
        ((-0.7, 0.2, 1.5), (np.radians(87), 0, np.radians(-14))),
        ((0.0, 1.0, 1.6), (np.radians(86), 0, np.radians(-4))),
        ((0.9, 1.6, 1.7), (np.radians(84), 0, np.radians(16))),
    ):
        look(gui, Vector(location) + Euler(turn).to_matrix() @ Vector((0, 0, -2)), 2.0, turn)
        yield 1
        with gui.override():
            bpy.ops.skyworld.add_view()
    with gui.override():
        bpy.ops.skyworld.fly_through_views(frames=96)
    world.skyworld.display = "POINTS"  # the path stands out better
    look(gui, (0.1, 1.4, 1.4), 3.6, (np.radians(66), 0, np.radians(32)))
    yield 2 * SETTLE
    gui.shot("08-fly-through")
    world.skyworld.display = "SPLATS"


def preview(gui):
    """Played, then stopped: on this processor a moving view shows few splats, and all when it stands still."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 1280, 720
    scene.frame_set(40)
    with gui.override():
        bpy.ops.skyworld.preview_shot()
    yield SETTLE
    with gui.override():
        bpy.ops.screen.animation_cancel(restore_frame=False)
    yield 2 * SETTLE
    gui.shot("09-preview")


def final_frame(gui):
    """With the SkyWorld engine and Blender's own objects in it."""
    scene = bpy.context.scene
    scene.frame_set(60)
    scene.render.filepath = str(Path(os.environ["BG_PASS_OUTPUT"]) / "shots/tour.png")
    bpy.ops.render.render(write_still=True)
    window, area = gui.window, gui.area
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = bpy.data.images["Render Result"]
    yield 2
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all(fit_view=True)
    yield 2
    gui.shot("10-final-frame")


def steps(gui):
    yield from first_run(gui)
    yield from choose_photograph(gui)
    yield from generate(gui)
    world = yield from world_as_splats(gui)
    yield from place_cube(gui)
    yield from edit(gui, world)
    yield from author_camera(gui, world)
    yield from preview(gui)
    yield from final_frame(gui)
