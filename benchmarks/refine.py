"""One episode of refining a city: seconds of its render, edits and fit, GPU memory, and what the views gain.

    .venv/bin/python benchmarks/refine.py CITY --json benchmarks/results/refine_h200.json
    .venv/bin/python benchmarks/refine.py CITY --by restorer
    .venv/bin/python benchmarks/refine.py CITY --by bent                  (two edits of each view that do not agree)
    .venv/bin/python benchmarks/refine.py CITY --by bent --distortion     (one, and the Recipe's distortion field)
    .venv/bin/python benchmarks/refine.py CITY --block 128                (views from nearer, memory of a block)
    .venv/bin/python benchmarks/refine.py CITY --device cpu --curriculum preview --steps 100   (whether it runs)

CITY is a folder of benchmarks/scenes/city.py with the height.npz of `skyworld satellite height`; where the backend is
not installed, PYTHONPATH=backend finds it, and rasterio is not needed. The city is reconstructed first (`--steps`) and
goes through the last episode of a curriculum as published: 54 views of 1024 px, two edits of each, 10,000 steps.

By itself the editor changes nothing, so that `edit` is what an episode costs around its model: prompts, files,
previews. Seconds of a model are what benchmarks/editor.py measures, and come on top 108 times. PSNR is of the rings of
views that benchmarks/satellite.py judges by, before and after: what an episode does to the truth, whoever edits.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import satellite  # the benchmark beside this one
import torch
from scipy.ndimage import gaussian_filter

from skyworld.models.roles import Provenance
from skyworld.parameters import SatelliteRefineParameters
from skyworld.satellite import curriculum as curricula
from skyworld.satellite import fitting, refine
from skyworld.satellite.district import districts
from skyworld.satellite.export import DRAWING
from skyworld.satellite.repaint import Piece, Repainter
from skyworld.splats.formats.ply import read_ply, write_ply
from skyworld.world import World

BENT = 0.004  # of a picture's side that `bent` moves things by (standard deviation): 4 px of 1024
# The first report of a part of an episode begins with one of these words.
PARTS = {"looking": "render", "0": "edit", "fitting": "fit"}


def nothing(repainter: Repainter, piece: Piece) -> np.ndarray:
    """What an editor answers that finds nothing to change."""
    return piece.picture


def bent(repainter: Repainter, piece: Piece) -> np.ndarray:
    """What an editor answers that moves things a little, each time elsewhere, as editors do."""
    rows, columns = piece.picture.shape[:2]
    flow = gaussian_filter(
        np.random.default_rng(piece.seed).standard_normal((rows, columns, 2)), (rows / 16, columns / 16, 0)
    )
    flow *= BENT * columns / flow.std()
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1) + flow
    return cv2.remap(piece.picture, grid.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


EDITORS = {"nothing": nothing, "bent": bent}


def city_of(city: satellite.City, folder: Path, steps: int) -> World:
    """A world with a reconstructed city; one that is there is taken."""
    world = World.create(folder)
    if not world.path(refine.SPLATS).is_file():
        settings = replace(fitting.FULL, steps=steps, appearance=False)
        write_ply(world.path(refine.SPLATS), satellite.ours(city, settings).to("cpu"))
        world.record("satellite", {"scene": str(city.scene.folder.resolve())})
    return world


def episode(world: World, parameters: SatelliteRefineParameters, device: str) -> dict:
    """Runs the job; seconds and peak GiB of its parts, in the order in which they begin."""
    found, part, began = {}, None, time.perf_counter()
    _settle(device)

    def close() -> None:
        if part:
            _settle(device, found, part)
            found[f"{part}_seconds"] = round(found.get(f"{part}_seconds", 0) + time.perf_counter() - began, 1)

    for report in refine.refine(parameters):
        word = report.message.split(": ")[-1].partition(" ")[0]  # after the name of the block
        if word in PARTS and PARTS[word] != part:
            close()
            part, began = PARTS[word], time.perf_counter()
            print(f"{part}: {report.message}", flush=True)
    close()
    found["seconds"] = round(sum(value for name, value in found.items() if name.endswith("_seconds")), 1)
    return found


def _settle(device: str, found: dict | None = None, part: str = "") -> None:
    if device == "cuda":
        torch.cuda.synchronize()
        if found is not None:
            peak = round(torch.cuda.max_memory_allocated() / 2**30, 2)
            found[f"{part}_peak_gib"] = max(found.get(f"{part}_peak_gib", 0), peak)
        torch.cuda.reset_peak_memory_stats()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("city", type=Path)
    parser.add_argument("--world", type=Path, help="where the city is, or will be made; a temporary folder if left out")
    parser.add_argument("--by", choices=(*EDITORS, "restorer"), default="nothing", help="who edits")
    parser.add_argument("--distortion", action="store_true", help="one edit of each view, bent back while fitting")
    parser.add_argument("--curriculum", default="jax_v1", help="preset or JSON file; `--number` says which episode")
    parser.add_argument("--number", type=int, default=5, help="of the episode; those before it are left out")
    parser.add_argument("--block", type=float, default=0.0, help="metres of a block's side; 0 for all at once")
    parser.add_argument("--steps", type=int, default=3_000, help="of the reconstruction")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for pictures before and after, truth above")
    a = parser.parse_args()
    city = satellite.City(a.city, a.device)
    with tempfile.TemporaryDirectory() as scratch:
        world = city_of(city, a.world or Path(scratch) / "world", a.steps)
        whole = curricula.chosen(a.curriculum, districts(city.scene, a.block)[0].side)
        chosen = replace(whole, episodes=whole.episodes[a.number - 1 :][:1] or whole.episodes[-1:])
        curricula.write(Path(scratch) / "episode.json", chosen)
        before = read_ply(world.path(refine.SPLATS))
        parameters = SatelliteRefineParameters(
            world=world.root,
            curriculum=str(Path(scratch) / "episode.json"),
            by="restorer",
            distortion=a.distortion,
            block=a.block,
            device=a.device,
        )
        if a.by in EDITORS:
            editor = Repainter("editor", device=a.device), Provenance("editor", a.by, "1", "", builtin=True)
            refine._repainter, refine.repaint = lambda *_: editor, EDITORS[a.by]
        row = {"row": a.by, "elevation": chosen.episodes[0].elevation, "views": chosen.views, "pixels": chosen.pixels}
        edits = 1 if a.distortion or a.by == "restorer" else chosen.samples
        row |= {
            "edits": edits,
            "distortion": a.distortion,
            "block": a.block,
            "steps": chosen.iterations,
            "before": len(before),
        }
        row |= episode(world, parameters, a.device)
        after = read_ply(world.path(refine.SPLATS))
        row["after"] = len(after)
        print(json.dumps(row), flush=True)
        both = {name: gaussians.to(a.device) for name, gaussians in (("before", before), ("after", after))}
        judged = {name: city.judge(gaussians, DRAWING) for name, gaussians in both.items()}
        for name, scores in judged.items():
            print(name, "  ".join(f"{key} {value}" for key, value in scores.items()), flush=True)
            if a.pictures:
                city.show(both[name], DRAWING, a.pictures / f"{a.by}_{name}.jpg")
        if a.json:
            device = torch.cuda.get_device_name() if a.device == "cuda" else platform.processor() or "CPU"
            kept = {"command": " ".join(["python", *sys.argv]), "device": device, "torch": torch.__version__}
            a.json.write_text(json.dumps(kept | {"episode": row, **judged}, indent=1) + "\n")


if __name__ == "__main__":
    main()
