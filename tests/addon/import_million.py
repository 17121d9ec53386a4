"""Brings 1,000,000 splats of SH degree 3 into a scene and prints the processor's seconds and the memory that it took.

python tests/addon/import_million.py [MILLIONS [FOLDER]]

With a folder the .blend is saved there and opened again.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy
import numpy as np

import skyworld_addon
from skyworld_addon.scene import ply, splats

N, K, ROWS = 1_000_000 * int((sys.argv[1:] or [1])[0]), 15, 50_000


def write(path):
    """A file of N splats, block by block: making it must not set the peak of memory."""
    rng = np.random.default_rng(0)
    blank = [np.zeros(shape, np.float32) for shape in ((1, 3), (1, 3), (1, 4), (1,), (1, 3), (K, 1, 3))]
    head = bytes(ply.encode(ply.Splats(*blank))).partition(b"end_header\n")[0] + b"end_header\n"
    with open(path, "wb") as file:
        file.write(head.replace(b"vertex 1\n", b"vertex %d\n" % N))
        for _ in range(N // ROWS):
            file.write(rng.standard_normal((ROWS, 17 + 3 * K), np.float32).tobytes())


def main():
    skyworld_addon.register()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "city.ply"
        write(path)
        start = time.process_time(), time.monotonic()
        cloud = ply.read(path)
        read = time.process_time()
        splats.add("city", cloud, bpy.context.scene.collection)
        end = time.process_time(), time.monotonic()
        del cloud
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    said = {"read_seconds": read - start[0], "scene_seconds": end[0] - read, "peak_gib": peak}
    said["clock_seconds"] = end[1] - start[1]
    if sys.argv[2:]:
        file = Path(sys.argv[2]) / "city.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(file), compress=False)
        bpy.ops.wm.open_mainfile(filepath=str(file))
        said["opened"] = len(splats.positions(bpy.data.objects["city"].data))
        said["gigabytes"] = file.stat().st_size / 1e9
    print(json.dumps(said), flush=True)
    skyworld_addon.unregister()


main()
