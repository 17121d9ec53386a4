"""An artist picks, selects, deletes and crops splats with the mouse and the keys, and takes it back.

BG_PASS_SPLATS may name a .ply to show instead of the drawn street.
"""

import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import scene_of_splats
import window
from bl_ext.user_default.skyworld.scene import crop, ply, selection, splats
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector
from viewport import look

TREE, RADIUS = np.array((5, 12, 3.2)), 1.95


class Mouse:
    """Real events of the X server, at places of the world."""

    def __init__(self, gui):
        self.gui = gui

    def pixel(self, place):
        """Of a place in the world, from the top left of the window."""
        region, view = self.gui.region("WINDOW"), self.gui.area.spaces.active.region_3d
        at = location_3d_to_region_2d(region, view, Vector(place))
        return region.x + at.x, self.gui.window.height - region.y - at.y

    def drag(self, places, key=None):
        points = [self.pixel(place) for place in places]
        self.gui.move(*points[0])
        yield 0.2
        for command in (["keydown", key] if key else [], ["mousedown", "1"]):
            if command:
                subprocess.run(["xdotool", *command], check=True)
        yield from window.until(lambda: self.gui.window.modal_operators)  # each xdotool is a client: order is not sure
        for point in points[1:]:
            self.gui.move(*point)
            yield 0.06
        yield 0.2
        subprocess.run(["xdotool", "mouseup", "1"], check=True)
        yield from window.until(lambda: not self.gui.window.modal_operators)
        if key:
            subprocess.run(["xdotool", "keyup", key], check=True)

    def key(self, name, over=TREE):
        self.gui.move(*self.pixel(over))
        yield 0.2
        self.gui.key(name)


def take_tool(gui, name):
    with gui.override():
        bpy.ops.wm.tool_set_by_id(name=name)
    yield 0.3


def steps(gui):
    file = os.environ.get("BG_PASS_SPLATS")
    cloud = ply.read(Path(file)) if file else scene_of_splats.make(ply, N=12_000)
    world = splats.add("street", cloud, bpy.context.scene.collection)
    world.skyworld.display = "SPLATS"
    yield from gui.open_sidebar("SkyWorld")
    look(gui, (5, 9, 1.6), 14.0, 78, 0, 6)
    yield from window.settled(gui)
    mouse = Mouse(gui)

    assert not world.select_get()
    yield from take_tool(gui, "builtin.select_box")
    gui.click(*mouse.pixel(TREE))  # on splats, where Blender sees nothing
    yield from window.until(lambda: world.select_get() and bpy.context.view_layer.objects.active == world)
    yield from window.shot(gui, "editing-picked", region=None)

    yield from take_tool(gui, "skyworld.lasso_tool")
    ring = [Vector(TREE) + 2.3 * Vector((np.cos(a), 0, np.sin(a))) for a in np.linspace(0, 2 * np.pi, 14)]
    yield from mouse.drag(ring)
    chosen = selection.get(world.data)
    in_tree = np.linalg.norm(cloud.means - TREE, axis=1) < RADIUS
    assert chosen[in_tree].mean() > 0.98 and chosen.sum() < 0.5 * len(cloud), (chosen[in_tree].mean(), chosen.sum())
    yield from window.shot(gui, "editing-lasso", region=None)
    yield from mouse.key("x")  # the splats, not the object
    yield from window.until(lambda: selection.count(bpy.data.objects["street"].data) == (~chosen).sum())
    yield from window.shot(gui, "editing-deleted", region=None)
    yield from mouse.key("ctrl+z")
    yield from window.until(lambda: selection.count(bpy.data.objects["street"].data) == len(cloud))
    world = bpy.data.objects["street"]
    assert (selection.get(world.data) == chosen).all(), "and what was selected"

    yield from take_tool(gui, "skyworld.box_tool")
    wall = np.abs(cloud.means - (-4.5, 10, 2.5)).max(1) < 0.4
    corners = [(-5.2, 10, 1.8), (-4.5, 10, 2.5), (-3.8, 10, 3.2)]
    yield from mouse.drag(corners, key="shift")
    both = selection.get(world.data)
    assert both[chosen].all() and both[wall].all(), "Shift extends by what the rectangle holds"
    yield from mouse.key("alt+a")
    yield from window.until(lambda: not selection.get(world.data).any())

    yield from take_tool(gui, "skyworld.brush_tool")
    yield from mouse.drag([(-5, 10, 2), (-4.5, 10, 2.5), (-4, 10, 3)])
    painted = selection.get(world.data)
    middle = np.linalg.norm(cloud.means - (-4.5, 10.05, 2.5), axis=1) < 0.2
    assert painted[middle].mean() > 0.9 and painted.sum() < 0.2 * len(cloud), (painted[middle].mean(), painted.sum())
    yield from window.shot(gui, "editing-brush", region=None)

    with gui.override():
        bpy.ops.skyworld.select_all_splats(action="DESELECT")
        assert bpy.ops.skyworld.add_crop(shape="BOX", share=0.6) == {"FINISHED"}
    bpy.context.view_layer.objects.active.rotation_euler.z = 0.3
    yield from window.shot(gui, "editing-crop", region=None)
    kept = crop.kept(world).sum()
    with gui.override():
        assert bpy.ops.skyworld.apply_crop() == {"FINISHED"}
    yield from window.settled(gui)
    assert selection.count(world.data) == kept < len(cloud)
    yield from take_tool(gui, "builtin.select_box")
