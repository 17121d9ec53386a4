"""Splats drawn as they are rendered, a cube half among them, and the camera moves.

BG_PASS_SPLATS may name a .ply to show instead of the drawn street.
"""

import os
from pathlib import Path

import bpy
import numpy as np
import scene_of_splats
import window
from bl_ext.user_default.skyworld.scene import ply, splats
from mathutils import Euler, Vector


def look(gui, location, distance, *degrees):
    region = gui.area.spaces.active.region_3d
    region.view_perspective = "PERSP"
    region.view_location, region.view_distance = Vector(location), distance
    region.view_rotation = Euler(np.radians(degrees)).to_quaternion()


def steps(gui):
    file = os.environ.get("BG_PASS_SPLATS")
    cloud = ply.read(Path(file)) if file else scene_of_splats.make(ply, 20_000)
    world = splats.add("street", cloud, bpy.context.scene.collection)
    yield from gui.open_sidebar("SkyWorld")
    assert world.skyworld.display == "POINTS", "this window is drawn by the processor"
    world.skyworld.display = "SPLATS"
    look(gui, (0, 6, 1.4), 6.0, 86, 0, 8)
    yield from window.shot(gui, "viewport-splats", region=None)
    with gui.override():
        bpy.ops.mesh.primitive_cube_add(size=1.5, location=(0.6, 8.0, 0.5))
    yield from window.shot(gui, "viewport-cube", region=None)
    with gui.override():
        assert bpy.ops.skyworld.add_view() == {"FINISHED"}
    look(gui, (2.5, 8, 1.8), 6.0, 80, 0, -25)
    yield 0.5
    with gui.override():
        assert bpy.ops.skyworld.add_view() == {"FINISHED"}
        bpy.context.view_layer.update()
        assert bpy.ops.skyworld.fly_through_views(frames=48) == {"FINISHED"}
    look(gui, (1, 5, 1.5), 16.0, 55, 0, 30)
    yield from window.shot(gui, "viewport-path", region=None)
    world.location.z = 1.0
    world.hide_set(True)
    yield from window.shot(gui, "viewport-hidden", region=None)
