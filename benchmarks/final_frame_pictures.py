"""The pictures of docs/final-frame.md, drawn by F12 with a running backend.

Run with a Python that has Blender's module:

    python benchmarks/final_frame_pictures.py URL TOKEN WORLD OUTPUT [still blur focus engines panorama]
"""

import math
import os
import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import skyworld_addon
from skyworld_addon import preferences
from skyworld_addon.operators import proxy
from skyworld_addon.scene import crop, splats, world

SIZE = 640, 360


def material(name, colour, metallic=0.0, roughness=0.4):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Metallic"].default_value, shader.inputs["Roughness"].default_value = metallic, roughness
    return made


def scene_of(folder):
    """The world with its proxy, a sun, and a camera at the viewpoint."""
    bpy.ops.wm.read_homefile(app_template="", use_factory_startup=True, use_empty=True)
    bpy.ops.skyworld.import_world(directory=str(folder))
    scene = bpy.context.scene
    collection = world.of(bpy.context)
    if (folder / "proxy.ply").is_file():
        proxy.add(collection, *proxy.decode((folder / "proxy.ply").read_bytes()))
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.data.angle, sun.rotation_euler = 4, 0.02, (math.radians(48), 0, math.radians(-60))
    scene.collection.objects.link(sun)
    scene.world = bpy.data.worlds.new("sky")
    scene.world.color = 0.25, 0.3, 0.4
    camera = bpy.data.objects.new("view", bpy.data.cameras.new("view"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.location, camera.rotation_euler = (0, 0, 1.6), (math.radians(86), 0, 0)
    camera.data.lens, camera.data.clip_start = 28, 0.01
    render = scene.render
    render.engine = "SKYWORLD"
    render.resolution_x, render.resolution_y, render.resolution_percentage = *SIZE, 100
    scene.cycles.samples, scene.cycles.use_denoising = 24, False
    scene.view_settings.view_transform = "Standard"
    render.image_settings.file_format, render.image_settings.quality = "JPEG", 90
    return scene


def put(mesh, size, x, y, surface, turn=0.5, sunk=0.0):
    """Stands on the world's ground, z = 0, or is sunk in it."""
    add = bpy.ops.mesh.primitive_monkey_add if mesh == "monkey" else bpy.ops.mesh.primitive_cube_add
    add(size=size, location=(x, y, size / 2 - sunk), rotation=(0, 0, turn))
    obj = bpy.context.object
    obj.data.materials.append(surface)
    return obj


def dusk(scene):
    """The world's splats as far as 38 m, and behind them an evening sky of Blender's."""
    (obj,) = [obj for obj in scene.objects if splats.is_splats(obj)]
    reach = crop.add_volume("reach", (-38,) * 3, (38,) * 3, np.eye(4), scene.collection, ball=True)
    crop.add(obj, reach)
    scene.world.use_nodes = True
    tree = scene.world.node_tree
    names = ("TexCoord", "SeparateXYZ", "ValToRGB")
    where, axes, ramp = (tree.nodes.new(f"ShaderNode{name}") for name in names)
    shader = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBackground")
    tree.links.new(where.outputs["Generated"], axes.inputs[0])
    tree.links.new(axes.outputs["Z"], ramp.inputs[0])
    tree.links.new(ramp.outputs[0], shader.inputs["Color"])
    low, high = ramp.color_ramp.elements
    low.color, high.position, high.color = (1.0, 0.42, 0.12, 1), 0.6, (0.02, 0.04, 0.2, 1)
    ramp.color_ramp.elements.new(0.2).color = 0.6, 0.22, 0.3, 1


def shoot(scene, file):
    scene.render.filepath = str(file)
    bpy.ops.render.render(write_still=True)


url, token, folder, output, *names = sys.argv[1:]
names = names or ["still", "blur", "focus", "engines", "panorama"]
skyworld_addon.register()
settings = preferences.get()
settings.backend, settings.url, settings.token = "REMOTE", url, token
folder, output = Path(folder).resolve(), Path(output).resolve()
scene = scene_of(folder)
red, gold = material("red", (0.7, 0.06, 0.04)), material("gold", (0.9, 0.6, 0.2), 1.0, 0.25)
box = put("cube", 0.8, -0.9, 5.4, red, sunk=0.15)
head = put("monkey", 0.8, 0.45, 4.9, gold, turn=-0.4)
if "still" in names:
    shoot(scene, output / "cube_between_splats.jpg")
if "blur" in names:
    box.keyframe_insert("location", frame=1)
    box.location.x += 0.9
    box.keyframe_insert("location", frame=4)
    scene.camera.keyframe_insert("location", frame=1)
    scene.camera.location.x += 0.15
    scene.camera.keyframe_insert("location", frame=4)
    scene.render.use_motion_blur, scene.skyworld_render.samples = True, 16
    scene.frame_set(2)
    shoot(scene, output / "motion_blur.jpg")
    scene.render.use_motion_blur = False
    scene.frame_set(1)
if "focus" in names:
    dof = scene.camera.data.dof
    dof.use_dof, dof.focus_object, dof.aperture_fstop, scene.camera.data.lens = True, head, 0.5, 35
    scene.camera.rotation_euler[0] = math.radians(80)
    scene.skyworld_render.samples = 32
    shoot(scene, output / "depth_of_field.jpg")
    dof.use_dof = False
if "engines" in names:
    dusk(scene)
    eevee = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
    for kind in ("SKYWORLD", "CYCLES", eevee):
        scene.render.engine = kind
        if kind == "CYCLES":
            bpy.ops.skyworld.set_up_compositing()
        shoot(scene, output / f"engine_{kind.lower()}.jpg")
    scene.render.engine = "SKYWORLD"
if "panorama" in names:
    camera = scene.camera.data
    camera.type, camera.panorama_type = "PANO", "EQUIRECTANGULAR"
    camera.stereo.use_spherical_stereo, camera.stereo.convergence_mode = True, "PARALLEL"
    scene.camera.rotation_euler = math.pi / 2, 0, 0
    render = scene.render
    render.use_multiview, render.views_format = True, "STEREO_3D"
    render.image_settings.views_format = "STEREO_3D"
    render.image_settings.stereo_3d_format.display_mode = "TOPBOTTOM"
    render.resolution_x, render.resolution_y = 768, 384
    shoot(scene, output / "stereo_panorama.jpg")
print(np.round(box.location, 2))
skyworld_addon.unregister()
sys.stdout.flush()
os._exit(0)  # Blender as a module may wait forever in its own end
