"""Run with Blender's module: a glowing cube among splats, drawn by F12 with a running backend.

Arguments: URL, token, file of splats, output (.exr); writes camera and cube beside it as JSON.
"""

import json
import os
import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
import skyworld_addon
from skyworld_addon import engine, preferences

url, token, file, output = sys.argv[1:]
bpy.ops.wm.read_homefile(app_template="", use_factory_startup=True, use_empty=True)
skyworld_addon.register()
settings = preferences.get()
settings.backend, settings.url, settings.token = "REMOTE", url, token
scene, data = bpy.context.scene, bpy.data
bpy.ops.skyworld.import_splats(filepath=file)
scene.camera = data.objects.new("camera", data.cameras.new("camera"))
scene.collection.objects.link(scene.camera)
scene.camera.rotation_euler = np.pi / 2, 0, 0
bpy.ops.mesh.primitive_cube_add(size=0.9, location=(0.2, 3, 0), rotation=(0.4, 0.3, 0.7))
cube = bpy.context.object
material = data.materials.new("glow")
material.use_nodes = True
material.node_tree.nodes.clear()
glow, end = (material.node_tree.nodes.new(f"Shader{kind}") for kind in ("NodeEmission", "NodeOutputMaterial"))
glow.inputs["Color"].default_value = 0.7, 0.25, 0.05, 1
material.node_tree.links.new(glow.outputs[0], end.inputs[0])
cube.data.materials.append(material)
render = scene.render
render.engine, render.film_transparent, render.resolution_x, render.resolution_y = "SKYWORLD", True, 120, 80
scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = 64, False, False
render.image_settings.file_format, render.image_settings.color_depth = "OPEN_EXR", "32"
render.image_settings.color_mode, render.image_settings.exr_codec, render.filepath = "RGBA", "ZIP", output
scene.view_settings.view_transform = "Standard"
seen = {}


def keep(engine_, camera, depsgraph, _framed=engine.framed_camera):
    seen["camera"] = _framed(engine_, camera, depsgraph)[0]
    return seen["camera"], (slice(None), slice(None))


engine.framed_camera = keep
bpy.ops.render.render(write_still=True)
seen["cube"] = [list(row) for row in cube.matrix_world]
Path(output).with_suffix(".json").write_text(json.dumps(seen))
skyworld_addon.unregister()
sys.stdout.flush()
os._exit(0)  # Blender as a module may wait forever in its own end
