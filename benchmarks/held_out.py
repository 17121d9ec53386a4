"""Stage 1 on real images: does fitting show an image better that neither the heights nor the fit have seen?

    skyworld satellite prepare IMAGES... -o SCENE --hold-out NAME
    skyworld satellite height SCENE -o SCENE/dsm.tif
    .venv/bin/python benchmarks/held_out.py SCENE --reference HEIGHTS.tif --device cuda --json held_out.json

Prints for the sheet and for what is fitted from it: PSNR in dB of the held-out images once their tone is matched, where
they show what two others show too; of the images that were fitted; and how their heights from above meet the reference
(registered, nothing masked).
SCENE/height.npz stands in for the GeoTIFF where rasterio is missing, as does an .npz of heights for the reference.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

from skyworld.evaluate.dsm import score_dsm
from skyworld.satellite import fitting
from skyworld.satellite.export import from_above
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import SatelliteScene, read_scene
from skyworld.splats import Gaussians


def judged(gaussians: Gaussians, sights: dict, scene: SatelliteScene, reference: HeightMap | None) -> dict:
    row = {"count": len(gaussians)}
    for name, group in sights.items():
        row[f"{name}_db"] = round(float(np.mean([fitting.toned_psnr(gaussians, sight) for sight in group])), 2)
    if reference is not None:
        heights = from_above(gaussians, scene.box, reference.cell)[1]
        row |= compared(heights, reference)
    return row


def compared(heights: HeightMap, reference: HeightMap) -> dict:
    score = score_dsm(heights.sample(*reference.centres()), reference.up, reference.cell)
    return {"median": round(score.median, 3), "mae": round(score.mae, 3), "within_1": round(score.within_1, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--coarseness", type=float, default=fitting.FULL.coarseness)
    parser.add_argument("--rate", type=float, default=fitting.FULL.rate)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    scene = read_scene(a.scene)
    kept = next(path for path in (a.scene / "height.npz", a.scene / "dsm.tif") if path.is_file())
    height_map = HeightMap.read(kept, scene.georeference)
    reference = HeightMap.read(a.reference, scene.georeference) if a.reference else None
    rows = []

    def tell(name: str, row: dict) -> None:
        rows.append({"row": name} | row)
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)

    if reference is not None:
        tell("height map", compared(height_map, reference))
    settings = fitting.Settings(steps=a.steps, coarseness=a.coarseness, rate=a.rate, appearance=False)
    started = time.perf_counter()
    sights = list(fitting.sights(scene, fitting.tones(scene, height_map)))
    start = fitting.prepared(height_map, sights, settings.coarseness * scene.pixel, a.device)
    seconds = round(time.perf_counter() - started, 1)
    held_out = [fitting.sight_of(image, scene) for image in scene.held_out]
    judging = {"held_out": [fitting.shared(start.sheet, sight) for sight in held_out], "fitted": sights}
    tell("sheet", {"seconds": seconds} | judged(start.sheet, judging, scene, reference))
    started = time.perf_counter()
    steps = fitting.fitted(start, height_map, settings, held_out=held_out)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            fit = end.value
            break
    tell("fitted", {"seconds": round(time.perf_counter() - started, 1)} | judged(fit, judging, scene, reference))
    if a.json:
        device = torch.cuda.get_device_name() if a.device == "cuda" else platform.processor() or "CPU"
        kept = {"command": " ".join(["python", *sys.argv]), "device": device, "torch": torch.__version__}
        a.json.write_text(json.dumps(kept | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
