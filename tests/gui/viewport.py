"""Run inside Blender's window: splats drawn as they are rendered, a cube half among them, and the camera moves.

BG_PASS_REPOSITORY is the repository; BG_PASS_SPLATS may name a .ply to show instead of the drawn street.
"""

import os
import sys
from pathlib import Path

import bpy
import numpy as np

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
sys.path[:0] = [str(REPOSITORY / "tests/gui")]

import scene_of_splats  # noqa: E402
from bl_ext.user_default.skyworld.scene import ply, splats  # noqa: E402
from mathutils import Euler, Vector  # noqa: E402

SETTLE = 3


def steps(gui):
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    yield from gui.open_sidebar("SkyWorld")
    file = os.environ.get("BG_PASS_SPLATS")
    cloud = ply.read(Path(file)) if file else scene_of_splats.make(ply)
    world = splats.add("street", cloud, bpy.context.scene.collection)
    assert world.skyworld.display == "POINTS", "this window is drawn by the processor"
    world.skyworld.display = "SPLATS"
    region = gui.area.spaces.active.region_3d
    region.view_perspective = "PERSP"
    region.view_location, region.view_distance = Vector((0, 6, 1.4)), 6.0
    region.view_rotation = Euler((np.radians(86), 0, np.radians(8))).to_quaternion()
    yield SETTLE
    gui.shot("splats")
    with gui.override():
        bpy.ops.mesh.primitive_cube_add(size=1.5, location=(0.6, 8.0, 0.5))
    yield SETTLE
    gui.shot("cube")
    with gui.override():
        assert bpy.ops.skyworld.add_view() == {"FINISHED"}
    region.view_rotation = Euler((np.radians(80), 0, np.radians(-25))).to_quaternion()
    region.view_location = Vector((2.5, 8, 1.8))
    yield 1
    with gui.override():
        assert bpy.ops.skyworld.add_view() == {"FINISHED"}
        bpy.context.view_layer.update()
        assert bpy.ops.skyworld.fly_through_views(frames=48) == {"FINISHED"}
    region.view_location, region.view_distance = Vector((1, 5, 1.5)), 16.0
    region.view_rotation = Euler((np.radians(55), 0, np.radians(30))).to_quaternion()
    yield SETTLE
    gui.shot("path")
    world.location.z = 1.0
    world.hide_set(True)
    yield SETTLE
    gui.shot("hidden")
