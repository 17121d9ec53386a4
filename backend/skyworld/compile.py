"""Compiles every numba kernel into its cache, so that no artist waits for it: `python -m skyworld.compile`."""

import importlib
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

# Each has a function `compile_kernels` that runs its kernels once on tiny inputs; the longest first.
PARTS = (
    "skyworld.models.builtin.panorama",
    "skyworld.splats.rasterize",
    "skyworld.models.builtin.distance",
    "skyworld.lift.disocclusion",
    "skyworld.models.builtin.completion",
    "skyworld.splats.fitted",
    "skyworld.satellite.height",
    "skyworld.satellite.outline",
    "skyworld.satellite.roofs",
)


def compile_part(name: str) -> str:
    importlib.import_module(name).compile_kernels()
    return name


def main() -> None:
    start = time.monotonic()
    # A compiler runs on one core: two parts at a time halve the wait.
    with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
        parts = [pool.submit(compile_part, name) for name in PARTS]
        for done, part in enumerate(as_completed(parts), 1):
            print(json.dumps({"fraction": done / len(PARTS), "message": part.result()}), flush=True)
    print(f"compiled in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
