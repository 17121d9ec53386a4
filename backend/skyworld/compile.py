"""Compiles every numba kernel into its cache, so that no artist waits for it: `python -m skyworld.compile`."""

import importlib
import json
import time

# Each has a function `compile_kernels` that runs its kernels once on tiny inputs.
PARTS = (
    "skyworld.splats.rasterize",
    "skyworld.models.builtin.panorama",
    "skyworld.models.builtin.distance",
    "skyworld.lift.disocclusion",
)


def main() -> None:
    start = time.monotonic()
    for done, name in enumerate(PARTS):
        print(json.dumps({"fraction": done / len(PARTS), "message": name}), flush=True)
        importlib.import_module(name).compile_kernels()
    print(f"compiled in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
