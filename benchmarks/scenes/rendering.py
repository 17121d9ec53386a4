"""How the scenes beside this file are rendered: Cycles on two threads of the CPU."""

import tempfile
from pathlib import Path

import bpy
import numpy as np
import OpenEXR
from PIL import Image

FARTHEST = 6000.0  # metres; what lies beyond is sky


def prepare(scene, width: int, height: int, *, samples: int, bounces: int, transform="AgX", exposure=0.0):
    """Sets the renderer up and gives the scene a camera object, which is returned; the sky is not touched."""
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.clip_end = 1.5 * FARTHEST
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.denoiser = samples, True, "OPENIMAGEDENOISE"
    scene.cycles.max_bounces, scene.cycles.use_light_tree = bounces, False
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.view_layers[0].use_pass_z = True
    scene.view_settings.view_transform = transform
    scene.view_settings.look = "AgX - Medium High Contrast" if transform == "AgX" else "None"
    scene.view_settings.exposure = exposure
    return camera


def shoot(scene) -> tuple[Image.Image, np.ndarray]:
    """Renders; the picture and its depth [H, W] float32: camera z, distance for a panorama; inf where the sky is."""
    with tempfile.TemporaryDirectory() as folder:
        form = scene.render.image_settings
        form.file_format, form.color_depth = "OPEN_EXR_MULTILAYER", "32"
        scene.render.filepath = str(Path(folder) / "all.exr")
        bpy.ops.render.render(write_still=True)
        depth = OpenEXR.File(scene.render.filepath, separate_channels=True).channels()["ViewLayer.Depth.Z"].pixels
        form.file_format, form.color_depth = "PNG", "8"
        bpy.data.images["Render Result"].save_render(str(Path(folder) / "picture.png"))
        picture = Image.open(Path(folder) / "picture.png").convert("RGB")
    return picture, np.where(depth < FARTHEST, depth, np.inf).astype(np.float32)
