"""Render Shot as an artist presses it, Blender alive meanwhile."""

import time
from pathlib import Path

import bpy
import scene_of_splats
import window
from bl_ext.user_default.skyworld.scene import ply, splats

FRAMES = 4


def steps(gui):
    backend = window.connected()
    scene = bpy.context.scene
    splats.add("street", scene_of_splats.make(ply, 2000), scene.collection)
    yield from gui.open_sidebar("SkyWorld")
    with gui.override():
        bpy.ops.skyworld.add_flythrough(frames=FRAMES)
    render = scene.render
    render.resolution_x, render.resolution_y, render.engine = 160, 90, "BLENDER_WORKBENCH"
    with gui.override():
        bpy.ops.skyworld.render_shot("INVOKE_DEFAULT", directory="/io", shot_name="take")
    film, end = Path("/io/take.mp4"), time.monotonic() + 120
    while not film.is_file() or len(bpy.data.scenes) > 1:
        assert time.monotonic() < end, (list(Path("/io/take").glob("*")), list(bpy.data.scenes))
        yield 0.2
    assert len(list(Path("/io/take").glob("*.png"))) == len(backend.frames) == FRAMES
    assert film.stat().st_size > 1000
    assert (render.engine, len(bpy.data.scenes)) == ("BLENDER_WORKBENCH", 1)
    backend.close()
