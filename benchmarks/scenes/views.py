"""Scenes with posed pictures and depth, for fitting Gaussians: room, street and landscape, rendered with Cycles.

    .venv/bin/python benchmarks/scenes/views.py OUT --scenes room street landscape --size 640x480 --views 64

Writes for each scene OUT/<scene>/
    images/000.jpg       sRGB
    depth/000.exr        half floats in the channel "V": camera z in metres at the pixel's centre, inf for the sky
    transforms.json      nerfstudio's layout (camera_to_world, OpenGL axes: x right, y up, z back; world Z up, metres)
    points.ply           coloured points such as structure from motion would give, in the world frame
The reader holds out every eighth view (index % 8 == 0) for testing; points.ply knows the other views only.
"""

import argparse
import json
import math
import time
from pathlib import Path

import bpy
import numpy as np
import rendering
import walks
from dressing import dressed_street
from initial_points import initial_points
from interior import furnished_room
from mathutils import Matrix
from PIL import Image
from sample import hill_village

from skyworld.camera import Camera
from skyworld.camera.formats.nerfstudio import OPENGL
from skyworld.splats.point_cloud import write_points
from skyworld.world.exr import read_exr, write_exr
from skyworld.world.files import atomic_write

FOV = math.radians(72)
HELD_OUT = 8

# name -> builder(seed), bounces, reach of the ambient occlusion in metres, factors for balance_sky
SCENES = {
    "room": (furnished_room, 3, 2.0, None),
    "street": (dressed_street, 2, 10.0, (0.4, 1.6, 0.8)),
    "landscape": (lambda seed: hill_village(bpy.context.scene), 2, 10.0, (0.6, 1.6, 0.85)),
}


def render(name: str, folder: Path, size: tuple[int, int], views: int, samples: int, seed: int, quality: int):
    """Makes the scene's folder, save for the points; pictures and depths that lie there already are kept.

    Returns seconds spent on a picture, in the mean, and (camera, picture, depth) of the training views.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    build, bounces, reach, light = SCENES[name]
    build(seed)
    lens = rendering.prepare(scene, *size, samples=samples, bounces=bounces, transform="Standard")
    lens.data.sensor_fit, lens.data.angle = "HORIZONTAL", FOV
    cameras = walks.cameras(name, views, FOV, *size)
    files = [folder / "images" / f"{index:03d}.jpg" for index in range(views)]
    for part in ("images", "depth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    hasten(scene, reach, light)
    missing = [(file, camera) for file, camera in zip(files, cameras, strict=True) if not file.exists()]
    start = time.monotonic()
    for file, camera in missing:
        picture, _ = aimed(scene, lens, camera)
        with atomic_write(file) as temporary:
            picture.save(temporary, quality=quality, subsampling=0, optimize=True)
    seconds = (time.monotonic() - start) / max(len(missing), 1)
    one_ray_a_pixel(scene)
    for index, camera in enumerate(cameras):
        path = folder / "depth" / f"{index:03d}.exr"
        if not path.exists():
            write_exr(path, aimed(scene, lens, camera)[1].astype(np.float16))
    (folder / "transforms.json").write_text(json.dumps(transforms(cameras), indent=1))
    training = [
        (camera, np.asarray(Image.open(file)), read_exr(folder / "depth" / f"{file.stem}.exr"))
        for index, (camera, file) in enumerate(zip(cameras, files, strict=True))
        if index % HELD_OUT
    ]
    return seconds, training


def hasten(scene, reach: float, light: tuple | None) -> None:
    """Many pictures of a scene that stands still, on a small machine: ambient occlusion for the later bounces."""
    scene.render.use_persistent_data, scene.render.dither_intensity = True, 0
    scene.cycles.use_fast_gi, scene.cycles.ao_bounces_render = True, 1
    scene.world.light_settings.distance = reach
    scene.cycles.sample_clamp_indirect, scene.cycles.denoising_prefilter = 6, "FAST"
    scene.cycles.use_adaptive_sampling = False
    if light:
        balance_sky(scene.world.node_tree, *light)


def balance_sky(tree, sun: float, shade: float, seen: float) -> None:
    """Brings sun and shade within the eight bits of a picture, as a photographer's fill light does.

    sun, shade, seen: factors of the sun's light, of the sky's light and of the sky in the pictures. Clouds are
    left out of the light: it is asked for at every hit, and their noise costs more than all the rest of it.
    """
    air = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeTexSky")
    air.sun_intensity = sun / shade
    shown = tree.nodes["Background"]
    lighting, path, mix = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("Background", "LightPath", "MixShader"))
    strength = shown.inputs["Strength"].default_value
    lighting.inputs["Strength"].default_value, shown.inputs["Strength"].default_value = (
        strength * shade,
        strength * seen,
    )
    for source, target in (
        (air.outputs["Color"], lighting.inputs["Color"]),
        (path.outputs["Is Camera Ray"], mix.inputs[0]),
        (lighting.outputs[0], mix.inputs[1]),
        (shown.outputs[0], mix.inputs[2]),
        (mix.outputs[0], tree.nodes["World Output"].inputs["Surface"]),
    ):
        tree.links.new(source, target)


def aimed(scene, lens, camera: Camera):
    lens.matrix_world = Matrix((camera.camera_to_world @ OPENGL).tolist())
    return rendering.shoot(scene)


def one_ray_a_pixel(scene) -> None:
    """Through the pixel's centre: no depth at an edge is a mean of what lies before and behind it."""
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = 1, False, 0
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BLACKMAN_HARRIS", 0.01


def transforms(cameras: list[Camera]) -> dict:
    first = cameras[0]
    return {
        "camera_model": "OPENCV",
        "w": first.width, "h": first.height,
        "fl_x": first.K[0, 0], "fl_y": first.K[1, 1], "cx": first.K[0, 2], "cy": first.K[1, 2],
        "camera_angle_x": first.fov[0],
        "ply_file_path": "points.ply",
        "frames": [
            {
                "file_path": f"images/{index:03d}.jpg",
                "depth_file_path": f"depth/{index:03d}.exr",
                "transform_matrix": (camera.camera_to_world @ OPENGL).tolist(),
            }
            for index, camera in enumerate(cameras)
        ],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--size", default="640x480", help="pixels")
    parser.add_argument("--views", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8, help="of a pixel")
    parser.add_argument("--points", type=int, default=45_000, help="at most, in points.ply")
    parser.add_argument("--quality", type=int, default=95, help="of the JPEG files")
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    size = tuple(int(side) for side in asked.size.split("x"))
    for name in asked.scenes:
        folder = asked.out / name
        seconds, training = render(name, folder, size, asked.views, asked.samples, asked.seed, asked.quality)
        xyz, rgb = initial_points(training, asked.points, np.random.default_rng(asked.seed))
        write_points(folder / "points.ply", xyz, rgb / 255)
        total = sum(path.stat().st_size for path in (folder / "images").iterdir())
        print(f"{name}: {seconds:.1f} s a picture, {total / 1e6:.1f} MB of pictures, {len(xyz)} points")


if __name__ == "__main__":
    main()
