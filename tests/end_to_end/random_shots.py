"""Run with Blender's module: cameras as Blender has them, in a camera path, and where Blender sees a point with each.

python random_shots.py SEED COUNT PATH.json SEEN.json
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Matrix, Vector

import skyworld_addon
from skyworld_addon.scene import cameras

seed, count, path, seen = sys.argv[1:]
skyworld_addon.register()
rng, scene = np.random.default_rng(int(seed)), bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y = 160, 112
data = bpy.data.cameras.new("shot")
data.sensor_fit = str(rng.choice(["AUTO", "HORIZONTAL", "VERTICAL"]))
data.shift_x, data.shift_y = rng.uniform(-0.3, 0.3, 2)
scene.camera = bpy.data.objects.new("shot", data)
scene.collection.objects.link(scene.camera)
frames = np.arange(1, int(count) + 1)
scene.frame_start, scene.frame_end = 1, int(count)
turns = [Euler(rng.uniform(-3, 3, 3)) for _ in frames]
cameras.bake(scene.camera, frames, np.array([Matrix.LocRotScale(rng.uniform(-5, 5, 3), t, None) for t in turns]))
cameras.keyframes(data, "lens", frames, rng.uniform(20, 60, len(frames)))
told = []
for frame in frames:
    scene.frame_set(int(frame))
    left, top = rng.uniform(0.25, 0.75, 2)
    corners = [Vector(corner) for corner in data.view_frame(scene=scene)]  # right top, right bottom, left ...
    ray = corners[2].lerp(corners[1], left).lerp(corners[3].lerp(corners[0], left), top)
    point = scene.camera.matrix_world @ (ray * (rng.uniform(2, 6) / -ray.z))
    place = world_to_camera_view(scene, scene.camera, point)
    told.append({"point": list(point), "pixel": [place.x * 160, (1 - place.y) * 112]})
bpy.ops.skyworld.export_cameras(filepath=path)
Path(seen).write_text(json.dumps(told))
skyworld_addon.unregister()
