"""Brings 1,000,000 splats of SH degree 3 into a scene and prints the processor's seconds and the memory that it took.

python tests/addon/import_million.py
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

N, K, ROWS = 1_000_000, 15, 50_000


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
        start = time.process_time()
        cloud = ply.read(path)
        read = time.process_time()
        splats.add("city", cloud, bpy.context.scene.collection)
        end = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"read_seconds": read - start, "scene_seconds": end - read, "peak_gib": peak}), flush=True)
    skyworld_addon.unregister()


main()
