"""The pictures of docs/panel.md and editing.md: panels around a real world, named by BG_PASS_WORLD, and a fake backend.

docs/sample/panel_pictures.py runs it with `several.py` and keeps them.
"""

import os
from pathlib import Path

import bpy
import numpy as np
import window
from bl_ext.user_default.skyworld import jobs
from bl_ext.user_default.skyworld.scene import splats
from editing import Mouse, take_tool
from viewport import look

HOUSE = np.array((-1.5, 6, 1.2))  # of the village, from its left


def steps(gui):
    session, scene = jobs.session, bpy.context.scene
    world = Path(os.environ["BG_PASS_WORLD"])
    home = window.home() / "village"
    home.symlink_to(world)
    backend = window.connected()
    scene.skyworld.photo, scene.skyworld.output = str(window.photograph()), str(home)
    yield from window.open_panels(gui, "generate", "world", "camera", "shot")
    with gui.override():
        bpy.ops.skyworld.generate_world()
    yield from window.until(lambda: backend.jobs)
    job = backend.jobs[0]
    backend.pictures[job["id"]] = (world / "panorama.png").read_bytes()
    backend.move(job, "running")
    backend.progress(
        job, stage="panorama", fraction=0.37, elapsed=24.0, remaining=41.0, preview=True, message="ground, view 3 of 8"
    )
    yield from window.until(lambda: job["id"] in session.previews)
    yield from window.shot(gui, "running")
    backend.move(job, "done", result={"output": str(home)})
    yield from window.until(lambda: scene.camera, 120)
    cloud = next(obj for obj in bpy.data.objects if splats.is_splats(obj))
    cloud.skyworld.display = "SPLATS"
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield from window.shot(gui, "world")
    yield from window.shot(gui, "world-window", region=None)
    bpy.ops.mesh.primitive_cube_add(location=(0, 6, 0.5))
    scene.camera.data.dof.use_dof = True
    yield from window.open_panels(gui, "camera", "shot")
    yield from window.shot(gui, "shot")
    for other in bpy.context.selected_objects:
        other.select_set(False)
    cloud.select_set(True)
    bpy.context.view_layer.objects.active = cloud
    bpy.ops.skyworld.select_splats_by("EXEC_DEFAULT", by="STRAY")
    yield from window.open_panels(gui, "edit", "world")
    yield from window.shot(gui, "edit")
    bpy.ops.skyworld.select_all_splats(action="DESELECT")
    look(gui, (0, 6, 1.4), 6.0, 86, 0, 8)
    cube = bpy.data.objects["Cube"]
    cube.location, cube.scale = (0.3, 7.5, 0.4), (0.6, 0.6, 0.6)
    yield from window.shot(gui, "cube-window", region=None)
    bpy.data.objects.remove(cube)
    yield from take_tool(gui, "skyworld.lasso_tool")
    turn = np.linspace(0, 2 * np.pi, 22)
    yield from Mouse(gui).drag(HOUSE + np.stack([1.1 * np.cos(turn), 0 * turn, 0.9 * np.sin(turn)], -1))
    yield from window.shot(gui, "lasso-window", region=None)
    bpy.ops.skyworld.select_all_splats(action="DESELECT")
    with gui.override():
        bpy.ops.skyworld.add_crop(shape="BOX", share=0.5)
    box = bpy.context.object
    box.location, box.scale, box.rotation_euler.z = (-1.5, 8, 2.4), (3.5, 4, 2.6), 0.2
    look(gui, (0.5, 7, 1.5), 17.0, 72, 0, 12)
    yield from window.shot(gui, "crop-window", region=None)
    backend.close()
