"""How long the rasterizer takes: forward, backward, and without gradients.

    python benchmarks/rasterize.py [--device cuda] [--threads 2] [--json results.json]

The scene looks like a lifted panorama from near its centre: Gaussians about as wide as the gaps between
them, two to eight metres away. Prints the best of several runs; on a busy machine add --cpu-time.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import numba
import numpy as np
import torch

from skyworld.camera import Camera, turned
from skyworld.splats import Gaussians, rasterize
from skyworld.splats.rasterize import compile_kernels

SIZES = [(20_000, 512), (100_000, 512), (1_000_000, 1024)]


def scene(count: int, size: int, seed: int = 0) -> tuple[Gaussians, Camera]:
    rng = np.random.default_rng(seed)
    f = 0.78 * size
    depth = rng.uniform(2, 8, count)
    u, v = (rng.uniform(-0.08 * size, 1.08 * size, count) for _ in range(2))
    means = np.stack([(u - size / 2) / f * depth, depth, (size / 2 - v) / f * depth], 1)
    width = 0.6 * size / np.sqrt(count)
    scales = width * depth[:, None] / f * np.exp(rng.normal(0, 0.4, (count, 3)))
    tensors = (
        means,
        np.log(scales),
        rng.normal(size=(count, 4)),
        rng.normal(0, 1.5, count),
        rng.normal(size=(count, 1, 3)),
    )
    camera = Camera(turned((0, 0, 0)), np.array([[f, 0, size / 2], [0, f, size / 2], [0, 0, 1]]), size, size)
    return Gaussians(*(torch.from_numpy(array.astype(np.float32)) for array in tensors)), camera


def measure(device: str, count: int, size: int, clock, runs: int = 7) -> dict[str, float]:
    """Milliseconds, best of `runs`."""
    gaussians, camera = scene(count, size)
    gaussians = gaussians.to(device)

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return clock()

    times = {"render": [], "forward": [], "backward": []}
    for _ in range(runs):
        start = now()
        with torch.no_grad():
            rasterize(gaussians, [camera])
        times["render"].append(now() - start)
    fitted = gaussians.mapped(lambda tensor: tensor.clone().requires_grad_())
    for _ in range(runs):
        start = now()
        render = rasterize(fitted, [camera])
        loss = render.colour.square().sum() + render.alpha.sum()
        middle = now()
        loss.backward()
        times["backward"].append(now() - middle)
        times["forward"].append(middle - start)
    return {name: 1e3 * min(values) for name, values in times.items()} | {"alpha": float(render.alpha.detach().mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=numba.config.NUMBA_NUM_THREADS)
    parser.add_argument("--cpu-time", action="store_true", help="time of this process on all cores, not of the clock")
    parser.add_argument("--json", type=Path, help="keep the results, with the command and the machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    numba.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    if arguments.device == "cpu":
        compile_kernels()
    print(f"{'Gaussians':>10} {'image':>10} {'render':>9} {'forward':>9} {'backward':>9}   ms")
    results = []
    for count, size in SIZES:
        best = measure(arguments.device, count, size, clock)
        row = " ".join(f"{best[name]:9.1f}" for name in ("render", "forward", "backward"))
        print(f"{count:10,} {size:5}^2    {row}   mean alpha {best['alpha']:.2f}")
        results.append({"gaussians": count, "size": size} | {name: round(value, 2) for name, value in best.items()})
    if arguments.json:
        name = (
            torch.cuda.get_device_name() if arguments.device == "cuda" else platform.processor() or platform.machine()
        )
        kept = {"command": sys.argv, "device": name, "threads": arguments.threads, "milliseconds": results}
        arguments.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
