"""The viewport's own drawing against the backend's rasterizer, and what it costs the main thread.

    python benchmarks/viewport.py WORLD/splats.ply --backend .venv/bin/python [--count 100000] [--pictures FOLDER]

Run with a Python that has Blender's module of 5.2 or newer, which draws without a window; --backend is a Python with
the backend. Both draw the same splats through the same cameras: the PSNR is of premultiplied colours without a
background. Times are the best of several; on a busy machine they are still too long.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy
import gpu
import numpy as np

import skyworld_addon
from skyworld_addon.scene import ply, splats
from skyworld_addon.viewport import gaussians, sorting

WIDTH, HEIGHT, F = 960, 640, 620.0
NEAR, FAR = 0.01, 1000.0
REFERENCE = """
import json, sys
import numpy as np
from skyworld.camera import Camera
from skyworld.splats import formats, rasterize
scene, cameras, out = sys.argv[1:]
given = json.loads(open(cameras).read())
K = np.array([[given["f"], 0, given["width"] / 2], [0, given["f"], given["height"] / 2], [0, 0, 1.0]])
poses = [np.array(pose) @ np.diag([1.0, -1, -1, 1]) for pose in given["poses"]]
gaussians = formats.read(scene)
drawn = [rasterize(gaussians, [Camera(pose, K, given["width"], given["height"])]) for pose in poses]
np.save(out, np.stack([np.concatenate([r.colour[0].numpy(), r.alpha[0].numpy().reshape(*r.colour.shape[1:3], 1)], -1)
                       for r in drawn]))
"""


def projection():
    P = np.zeros((4, 4))
    P[0, 0], P[1, 1], P[3, 2] = 2 * F / WIDTH, 2 * F / HEIGHT, -1
    P[2, 2], P[2, 3] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
    return P


def poses(eye, count=4):
    """[4, 4] camera to world, looking along -z: around the eye, a little beside it."""
    found = []
    for turn in np.linspace(0, 2 * np.pi, count, endpoint=False):
        c, s = np.cos(turn), np.sin(turn)
        pose = np.eye(4)
        pose[:3, :3] = np.array([[c, 0, -s], [s, 0, c], [0, 1, 0]]).round(12)
        pose[:3, 3] = np.array(eye) + 0.2 * np.array([c, s, 0])
        found.append(pose)
    return found


def draw(drawing, view, pose, P):
    """[H, W, 4] premultiplied as encoded, row 0 at the top: in half floats, as in the window."""
    canvas = gpu.types.GPUOffScreen(WIDTH, HEIGHT, format="RGBA16F")
    with canvas.bind():
        target = gpu.state.active_framebuffer_get()
        target.clear(color=(0, 0, 0, 0))
        here = [gaussians.Placement(np.linalg.inv(pose))]
        drawing.sort(view, here, P, wait=True)
        drawing.draw(view, here, P, WIDTH, HEIGHT)
        found = target.read_color(0, 0, WIDTH, HEIGHT, 4, 0, "FLOAT")
    found.dimensions = WIDTH * HEIGHT * 4
    canvas.free()
    return np.array(found, np.float32).reshape(HEIGHT, WIDTH, 4)[::-1]


def reference(python, cloud, cameras):
    with tempfile.TemporaryDirectory() as folder:
        scene, given, out = (Path(folder) / name for name in ("part.ply", "cameras.json", "out.npy"))
        ply.write(scene, cloud)
        given.write_text(json.dumps({"f": F, "width": WIDTH, "height": HEIGHT, "poses": [p.tolist() for p in cameras]}))
        subprocess.run([python, "-c", REFERENCE, scene, given, out], check=True)
        return np.load(out)


def psnr(a, b):
    return float(-10 * np.log10(((np.clip(a, 0, 1) - np.clip(b, 0, 1)) ** 2).mean()))


class Nothing:
    """In place of the quad: so that only Python's part of a frame is timed."""

    def draw_instanced(self, *_, **__):
        pass


def main_thread(drawing, P, turns=30):
    """Milliseconds of the main thread: (a frame with its order at hand, a frame that takes a new order)."""
    steady, fresh, view = [], [], gaussians.View()
    real, gaussians._quads["splats"] = gaussians._quads["splats"], Nothing()
    canvas = gpu.types.GPUOffScreen(WIDTH, HEIGHT, format="RGBA16F")
    try:
        with canvas.bind():
            for turn in np.linspace(0, np.pi, turns):
                c, s = np.cos(turn), np.sin(turn)
                pose = np.eye(4)
                pose[:3, :3] = [[c, 0, -s], [s, 0, c], [0, 1, 0]]
                here = [gaussians.Placement(np.linalg.inv(pose))]
                drawing.sort(view, here, P)
                while view.sorter._thread is not None and view.sorter._thread.is_alive():
                    time.sleep(0.002)
                for times in (fresh, steady):
                    started = time.perf_counter()
                    drawing.sort(view, here, P)
                    drawing.draw(view, here, P, WIDTH, HEIGHT)
                    times.append(1e3 * (time.perf_counter() - started))
    finally:
        gaussians._quads["splats"] = real
    canvas.free()
    return min(steady), min(fresh)


def resort(count=1_000_000):
    """Milliseconds of sorting that many in the thread, all of them in view: (by the clock, of the processor)."""
    rng = np.random.default_rng(0)
    means = rng.uniform(-1, 1, (3, count)).astype(np.float32)
    pose = np.eye(4)
    pose[2, 3] = -4
    piece = sorting.Piece(means, np.full(count, 0.01, np.float32), 0, pose)
    clock, processor = [], []
    for _ in range(12):
        started = time.perf_counter(), time.thread_time()
        (found, _, _), _ = sorting.sorted_view([piece], projection(), count)
        clock.append(1e3 * (time.perf_counter() - started[0]))
        processor.append(1e3 * (time.thread_time() - started[1]))
    assert found == count
    return round(min(clock), 1), round(min(processor), 1)


def million(cloud):
    """A million splats: `cloud` several times, each a little beside the last."""
    copies = -(-1_000_000 // len(cloud))
    rng = np.random.default_rng(1)
    parts = [cloud] + [splats.transformed(cloud, shifted(rng.normal(size=3) * 0.3)) for _ in range(copies - 1)]
    return splats.masked(splats.joined(parts), slice(0, 1_000_000))


def shifted(by):
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix


def save(path, picture):
    height, width = picture.shape[:2]
    image = bpy.data.images.new(path.stem, width, height)
    image.pixels.foreach_set(np.ascontiguousarray(np.clip(picture[::-1], 0, 1), np.float32).reshape(-1))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splats", type=Path)
    parser.add_argument("--backend", required=True, help="a Python with the backend")
    parser.add_argument("--count", type=int, default=100_000, help="splats that are compared, drawn by lot")
    parser.add_argument("--eye", type=float, nargs=3, default=(0, 0, 1.6))
    parser.add_argument("--pictures", type=Path, help="a folder for what both have drawn")
    arguments = parser.parse_args()
    skyworld_addon.register()
    gpu.init()
    cloud = ply.read(arguments.splats)
    chosen = np.sort(np.random.default_rng(0).permutation(len(cloud))[: arguments.count])
    part, cameras, P = splats.masked(cloud, chosen), poses(arguments.eye), projection()
    started = time.perf_counter()
    drawing, view = gaussians.Drawing([part]), gaussians.View()
    made = time.perf_counter() - started
    ours = [draw(drawing, view, pose, P) for pose in cameras]
    theirs = reference(arguments.backend, part, cameras)
    large = gaussians.Drawing([million(part)])
    steady, fresh = main_thread(large, P)
    print(
        json.dumps(
            {
                "splats": len(part),
                "degree": drawing.degree,
                "psnr_db": [round(psnr(a, b), 1) for a, b in zip(ours, theirs, strict=True)],
                "store_seconds": round(made, 2),
                "resort_of_a_million_ms": dict(zip(("clock", "processor"), resort(), strict=True)),
                "main_thread_ms": {"order_at_hand": round(steady, 2), "new_order_of_a_million": round(fresh, 2)},
                "gpu": gpu.platform.renderer_get(),
            },
            indent=1,
        ),
        flush=True,
    )
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            save(arguments.pictures / f"viewport_{i}.png", a)
            save(arguments.pictures / f"reference_{i}.png", b)
    skyworld_addon.unregister()


if __name__ == "__main__":
    main()
