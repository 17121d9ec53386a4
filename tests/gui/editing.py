"""Run inside Blender's window: an artist picks, crops, selects by lasso and brush, deletes and takes it back."""

import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import numpy as np

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
sys.path[:0] = [str(REPOSITORY / "tests/gui")]

import scene_of_splats  # noqa: E402
from bl_ext.user_default.skyworld.scene import crop, ply, selection, splats  # noqa: E402
from bpy_extras.view3d_utils import location_3d_to_region_2d  # noqa: E402
from mathutils import Euler, Vector  # noqa: E402

SETTLE = 0.8


def steps(gui):
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    yield from gui.open_sidebar("SkyWorld")
    file = os.environ.get("BG_PASS_SPLATS")
    cloud = ply.read(Path(file)) if file else scene_of_splats.make(ply, N=12_000)
    world = splats.add("street", cloud, bpy.context.scene.collection)
    world.skyworld.display = "SPLATS"
    region_3d = gui.area.spaces.active.region_3d
    region_3d.view_perspective = "PERSP"
    region_3d.view_location, region_3d.view_distance = Vector((5, 9, 1.6)), 14.0
    region_3d.view_rotation = Euler((np.radians(78), 0, np.radians(6))).to_quaternion()
    yield SETTLE

    def pixel(place):
        """Of a place in the world, from the top left of the window."""
        region = gui.region("WINDOW")
        at = location_3d_to_region_2d(region, region_3d, Vector(place))
        return region.x + at.x, gui.window.height - region.y - at.y

    def drag(places):
        points = [pixel(place) for place in places]
        gui.move(*points[0])
        yield 0.2
        subprocess.run(["xdotool", "mousedown", "1"], check=True)
        for point in points[1:]:
            gui.move(*point)
            yield 0.1
        subprocess.run(["xdotool", "mouseup", "1"], check=True)
        yield SETTLE

    tree = (5, 12, 3.2)
    assert not world.select_get()
    gui.click(*pixel(tree))
    yield SETTLE
    assert world.select_get() and bpy.context.view_layer.objects.active == world, "a click on splats selects them"
    gui.shot("picked")

    with gui.override():
        bpy.ops.skyworld.select_splats_lasso("INVOKE_DEFAULT")
    yield 0.2
    ring = [Vector(tree) + 2.3 * Vector((np.cos(a), 0, np.sin(a))) for a in np.linspace(0, 2 * np.pi, 14)]
    yield from drag(ring)
    chosen = selection.get(world.data)
    in_tree = np.linalg.norm(cloud.means - tree, axis=1) < 1.95
    assert chosen[in_tree].mean() > 0.98 and chosen.sum() < 0.5 * len(cloud), (chosen[in_tree].mean(), chosen.sum())
    gui.shot("lasso")
    with gui.override():
        assert bpy.ops.skyworld.delete_splats() == {"FINISHED"}
        bpy.ops.ed.undo_push(message="Delete Splats")
    yield SETTLE
    assert selection.count(world.data) == (~chosen).sum()
    gui.shot("deleted")
    with gui.override():
        bpy.ops.ed.undo()
    world = bpy.data.objects["street"]
    yield SETTLE
    assert selection.count(world.data) == len(cloud), "undo brings the splats back"
    assert (selection.get(world.data) == chosen).all(), "and what was selected"

    with gui.override():
        bpy.ops.skyworld.select_splats_brush("INVOKE_DEFAULT", radius=60)
    yield 0.2
    yield from drag([(-5, 10, 2), (-4.5, 10, 2.5), (-4, 10, 3)])
    gui.key("Return")
    yield SETTLE
    painted = selection.get(world.data)
    wall = np.abs(cloud.means - (-4.5, 10, 2.5)).max(1) < 0.3
    assert painted[wall].mean() > 0.9 and painted.sum() < 0.2 * len(cloud), (painted[wall].mean(), painted.sum())
    gui.shot("brush")

    with gui.override():
        bpy.ops.skyworld.select_all_splats(action="DESELECT")
        assert bpy.ops.skyworld.add_crop(shape="BOX", share=0.6) == {"FINISHED"}
    volume = bpy.context.view_layer.objects.active
    volume.rotation_euler.z = 0.3
    yield SETTLE
    gui.shot("crop")
    kept = crop.kept(world).sum()
    with gui.override():
        assert bpy.ops.skyworld.apply_crop() == {"FINISHED"}
    started = time.monotonic()
    yield SETTLE
    assert selection.count(world.data) == kept < len(cloud), time.monotonic() - started
