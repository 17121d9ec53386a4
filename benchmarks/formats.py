"""How fast each format of splats is read and written, how large the file is, and how much memory it takes beside them.

    .venv/bin/python benchmarks/formats.py [--count 1000000] [--degree 3] [--runs 3] [--only .ply .spz] [--json FILE]

Random Gaussians, the hardest case for what compresses. Seconds, by the wall and of all cores together, are the best of
`runs`, the disk's cache warm; memory is the most that the process held beyond the Gaussians themselves (Linux).
"""

import argparse
import ctypes
import gc
import json
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from skyworld.splats import formats
from skyworld.splats.gaussians import Gaussians

VARIANTS = {".spz": {}, ".4.spz": {"version": 4}}  # of formats that are written in more than one way


def random_scene(count: int, degree: int, seed: int = 0) -> Gaussians:
    random = torch.Generator().manual_seed(seed)

    def noise(*shape: int, size: float = 1.0) -> torch.Tensor:
        return torch.randn(*shape, generator=random).mul_(size)

    sh = noise(count, (degree + 1) ** 2, 3, size=0.1)
    sh[:, 0] *= 8
    return Gaussians(noise(count, 3, size=8), noise(count, 3, size=0.8) - 4, noise(count, 4), noise(count), sh)


def held() -> int:
    """Bytes of anonymous memory of this process: what it allocated, without the pages of mapped files."""
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) * 1024


def peak_memory(action: Callable) -> tuple[object, int]:
    """What `action` returns, and the most bytes that were held while it ran beyond those before."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed is not to be taken for what is needed
    before = most = held()
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.005):
            most = max(most, held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = action()
    finally:
        done.set()
        watcher.join()
    return result, max(most, held()) - before


def best(action: Callable, runs: int) -> tuple[float, float]:
    """Seconds of the fastest run by the clock on the wall, and by that of the processor over all cores."""
    walls, cores = [], []
    for _ in range(runs):
        start, worked = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - start)
        cores.append(time.process_time() - worked)
    return min(walls), min(cores)


def measure(folder: Path, suffix: str, gaussians: Gaussians, runs: int) -> dict:
    path, options = folder / f"scene{suffix}", VARIANTS.get(suffix, {})

    def write() -> None:
        path.unlink(missing_ok=True)
        formats.write(path, gaussians, **options)

    _, writing = peak_memory(write)
    again, reading = peak_memory(lambda: formats.read(path))
    reading -= again.nbytes
    del again
    (wrote, write_cpu), (took, read_cpu) = best(write, runs), best(lambda: formats.read(path), runs)
    megabytes = path.stat().st_size / 1e6
    path.unlink()
    return {
        "format": suffix,
        "write_seconds": round(wrote, 3),
        "write_cpu_seconds": round(write_cpu, 3),
        "read_seconds": round(took, 3),
        "read_cpu_seconds": round(read_cpu, 3),
        "megabytes": round(megabytes, 1),
        "write_extra_megabytes": round(writing / 1e6, 1),
        "read_extra_megabytes": round(reading / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--degree", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="suffixes")
    parser.add_argument("--json", type=Path, help="write the results here")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", formats.FormatLoss)
    gaussians = random_scene(asked.count, asked.degree)
    print(
        f"{asked.count:,} Gaussians of degree {asked.degree}, {gaussians.nbytes / 1e6:.0f} MB, {os.cpu_count()} cores"
    )
    print(f"{'format':16}{'write s':>9}{'cpu':>6}{'read s':>9}{'cpu':>6}{'MB':>9}{'extra MB: write':>17}{'read':>7}")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in asked.only or dict.fromkeys([form.suffix for form in formats.FORMATS] + list(VARIANTS)):
            results.append(row := measure(Path(folder), suffix, gaussians, asked.runs))
            print("{:16}{:9.2f}{:6.2f}{:9.2f}{:6.2f}{:9.1f}{:17.1f}{:7.1f}".format(*row.values()), flush=True)
    if asked.json:
        command = " ".join(["python benchmarks/formats.py", *sys.argv[1:]])
        content = {"command": command, "cores": os.cpu_count(), "count": asked.count, "degree": asked.degree}
        asked.json.write_text(json.dumps(content | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
