"""Compiles every numba kernel into its cache, so that no artist waits for it: `python -m skyworld.compile`."""

import json
import time

from skyworld.models.builtin import distance, panorama
from skyworld.splats import rasterize

PARTS = {
    "rasterizer": rasterize.compile_kernels,
    "panorama": panorama.compile_kernels,
    "distance": distance.compile_kernels,
}


def main() -> None:
    start = time.monotonic()
    for done, (name, compile_kernels) in enumerate(PARTS.items()):
        print(json.dumps({"fraction": done / len(PARTS), "message": name}), flush=True)
        compile_kernels()
    print(f"compiled in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
