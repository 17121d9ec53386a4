"""Run by `blender -b`: saves a small shot as a farm gets it. Arguments: file, CYCLES (with layers) or SKYWORLD."""

import sys
from pathlib import Path

import bpy

file, engine = sys.argv[sys.argv.index("--") + 1 :]
sys.path.append(str(Path(__file__).parent))
import scene_of_splats  # noqa: E402
from bl_ext.user_default.skyworld.scene import ply, splats  # noqa: E402

scene = bpy.context.scene
splats.add("street", scene_of_splats.make(ply, 300), scene.collection)
scene.render.engine, scene.cycles.samples, scene.frame_end = engine, 1, 2
scene.render.resolution_x, scene.render.resolution_y, scene.render.image_settings.file_format = 32, 18, "PNG"
if engine == "CYCLES":
    assert bpy.ops.skyworld.set_up_compositing() == {"FINISHED"}
bpy.ops.wm.save_as_mainfile(filepath=file)
