"""Times a final frame: the backend's own milliseconds, and what Blender's call adds until the passes are filled.

    python benchmarks/frame.py                   with Blender's module beside the backend in one Python
    python benchmarks/frame.py --backend-only    the backend alone, on CUDA where there is a GPU

Options: --splats 1000000 --width 1920 --height 1080 --frames 5 --split (a cube among the splats).
Prints the least of the frames after the first, which reads or uploads the splats.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
HEAD = "ply\nformat binary_little_endian 1.0\nelement vertex {}\n{}element face {}\nproperty list uchar int rows\n"


def splats(count):
    """The bytes of a PLY: Gaussians of a street's size, in a shell 2 to 12 m around the origin, SH degree 1."""
    random = np.random.default_rng(0)
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *(f"f_rest_{i}" for i in range(9))]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    table = np.zeros((count, len(names)), "<f4")
    directions = random.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    table[:, :3] = directions * random.uniform(2, 12, (count, 1))
    table[:, 6:18] = random.normal(size=(count, 12)) * 0.3
    table[:, 18], table[:, 19:22] = random.normal(1, 1, count), random.normal(-4.2, 0.5, (count, 3))
    table[:, 22:] = random.normal(size=(count, 4))
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\n"
    return (head + "".join(f"property float {name}\n" for name in names) + "end_header\n").encode() + table.tobytes()


def cube():
    """The bytes of a PLY: a cube of 1 m, 4 m ahead."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (3.5, 4.5) for z in (-0.5, 0.5)], "<f4")
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    faces = [row for a, b, c, d in quads for row in ((a, b, c), (a, c, d))]
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    body = b"".join(b"\3" + np.array(face, "<i4").tobytes() for face in faces)
    return (HEAD.format(8, properties, 12) + "end_header\n").encode() + corners.tobytes() + body


def backend_alone(options, folder):
    from skyworld.camera import Camera, turned
    from skyworld.service.frames import FrameRenderer

    (folder / "splats.ply").write_bytes(splats(options.splats))
    (folder / "cube.ply").write_bytes(cube())
    renderer, seconds = FrameRenderer(), []
    for frame in range(options.frames + 1):
        camera = Camera.pinhole(turned((0, 0, 0), 0.02 * frame), 1.2, options.width, options.height)
        view = {"camera": camera.to_json(), "matrices": [np.eye(4).ravel().tolist()]}
        view["occluders"] = str(folder / "cube.ply") if options.split else None
        layers = ["front", "back", "depth"] if options.split else ["combined", "depth"]
        order = {"splats": [str(folder / "splats.ply")], "views": [view], "layers": layers, "background": [0, 0, 0]}
        seconds.append(renderer.render({**order, "output": str(folder / "frame")})["seconds"])
    return {"device": renderer.device, "backend_ms": round(1000 * min(seconds[1:]), 1)}


def with_blender(options, folder):
    sys.path.insert(0, str(ROOT))
    import bpy

    import skyworld_addon
    from skyworld_addon import engine, preferences
    from skyworld_addon.connection import client

    command = [sys.executable, "-m", "skyworld.service", "--state", str(folder / "state")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "backend")}
    service = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    shake = json.loads(service.stdout.readline())
    bpy.ops.wm.read_homefile(app_template="", use_factory_startup=True, use_empty=True)
    skyworld_addon.register()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", shake["url"], shake["token"]
    (folder / "splats.ply").write_bytes(splats(options.splats))
    bpy.ops.skyworld.import_splats(filepath=str(folder / "splats.ply"))
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("view", bpy.data.cameras.new("view"))
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.skyworld_render.objects = "SKYWORLD", "LAYERS" if options.split else "NONE"
    scene.render.resolution_x, scene.render.resolution_y = options.width, options.height
    if options.split:
        bpy.ops.mesh.primitive_cube_add(size=1, location=(0, 4, 0))
    scene.view_layers[0].use_pass_z = True
    calls, drawn = [], []
    render, result = engine.SkyWorldRenderEngine.render, client.PendingFrame.result

    def timed(self, depsgraph):
        started = time.perf_counter()
        render(self, depsgraph)
        calls.append(time.perf_counter() - started)

    def watched(self, *arguments):
        frame = result(self, *arguments)
        drawn.append(frame.seconds)
        return frame

    engine.SkyWorldRenderEngine.render, client.PendingFrame.result = timed, watched
    for frame in range(options.frames + 1):
        scene.camera.rotation_euler = np.pi / 2, 0, 0.02 * frame
        bpy.ops.render.render()
    added = [call - seconds for call, seconds in zip(calls[1:], drawn[1:], strict=True)]
    skyworld_addon.unregister()
    service.stdin.close()
    service.wait(10)
    return {"backend_ms": round(1000 * min(drawn[1:]), 1), "overhead_ms": round(1000 * min(added), 1)}


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("splats", 1_000_000), ("width", 1920), ("height", 1080), ("frames", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--backend-only", action="store_true")
    parser.add_argument("--split", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = (backend_alone if options.backend_only else with_blender)(options, Path(folder))
    print(json.dumps({**vars(options), **measured}), flush=True)
    os._exit(0)  # Blender as a module may wait forever in its own end


if __name__ == "__main__":
    main()
