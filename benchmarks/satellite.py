"""Stage 1 on the synthetic city against its exact truth: plain 3DGS, the sheet, and what each term of the fit adds.

    .venv/bin/python benchmarks/scenes/city.py CITY --size 256 --pixel 0.4 --views 13 --azimuths 3 --samples 16
    .venv/bin/python -m skyworld satellite height CITY -o CITY/dsm.tif
    .venv/bin/python benchmarks/satellite.py CITY --device cuda --json satellite.json --pictures pictures

Prints a table: DSM mean absolute and median error in metres against the exact heights (no registration, no masking),
PSNR in dB of the views on rings of elevation 80 to 17 degrees, where their pixels show the area itself, and of the
held-out image once its tone is matched; seconds and peak VRAM of the fit. "matched" PSNR: a gain and an offset a
channel are fitted to each view first, so that a light of its own does not count.

Plain 3DGS begins with the tie points and has the numbers and the strategy of gsplat's default trainer; the height map
is what `skyworld satellite height` finds in the same images.
"""

import argparse
import json
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from skyworld.camera import Camera
from skyworld.satellite import fitting
from skyworld.satellite.export import DRAWING, from_above
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import read_scene
from skyworld.satellite.tone import tone
from skyworld.splats import Gaussians, losses, rasterize
from skyworld.splats.densify import GradientRule
from skyworld.splats.points import gaussians_of_points
from skyworld.splats.train import Schedule, View, fit

# What is added to the fit, row by row; each has what those before it have.
BARE = {"appearance": False, "entropy": 0.0, "shape": 0.0, "anchor": 0.0, "even": 0.0}
ABLATION = (
    ("fitted to the images", BARE),
    ("+ anchor", {"anchor": fitting.FULL.anchor}),
    ("+ appearance", {"appearance": True}),
    ("+ even walls", {"even": fitting.FULL.even}),
    ("+ opacity entropy", {"entropy": 0.01}),
    ("+ pseudo depth", {"shape": 0.05}),
)
_GSPLAT_STEPS = 30_000  # that the numbers of 3DGS are made for


class City:
    """A scene, its height map as found and its truth, on one device."""

    def __init__(self, folder: Path, device: str):
        self.scene, self.device = read_scene(folder), device
        self.heights = HeightMap.read(folder / "height.npz")
        self.exact = HeightMap.read(folder / "truth" / "dsm.npz")
        self.held_out = [fitting.sight_of(image, self.scene) for image in self.scene.held_out]
        self.rings = []
        for view in json.loads((folder / "truth" / "views.json").read_text()):
            file = folder / "truth" / f"{view['name']}.jpg"
            picture = torch.from_numpy(np.asarray(Image.open(file), np.float32) / 255).to(device)
            mask = torch.from_numpy(np.asarray(Image.open(file.with_name(f"{view['name']}_mask.png"))) > 0).to(device)
            self.rings.append((view["elevation"], Camera.from_json(view["camera"]), picture, mask))

    @torch.no_grad()
    def judge(self, gaussians: Gaussians, drawing: dict) -> dict:
        found: dict[str, list] = {}
        for elevation, camera, picture, mask in self.rings:
            render = rasterize(gaussians, [camera], **drawing).colour[0].clamp(0, 1)[mask]
            found.setdefault(f"psnr_{elevation}", []).append(losses.psnr(render, picture[mask]))
            matched = _matched(render.cpu().numpy(), picture[mask].cpu().numpy())
            found.setdefault(f"matched_{elevation}", []).append(matched)
        row = {name: round(float(np.mean(values)), 2) for name, values in found.items()}
        row["held_out"] = round(float(np.mean([fitting.toned_psnr(gaussians, sight) for sight in self.held_out])), 2)
        _, heights = from_above(gaussians, self.scene.box, self.exact.cell)
        return row | _errors(heights.up, self.exact.up) | {"count": len(gaussians)}

    def show(self, gaussians: Gaussians, drawing: dict, path: Path) -> None:
        """Truth over render: one view of each ring."""
        rows, seen = [], set()
        for elevation, camera, picture, _ in self.rings:
            if elevation not in seen:
                with torch.no_grad():
                    rows.append(torch.cat([picture, rasterize(gaussians, [camera], **drawing).colour[0].clamp(0, 1)]))
            seen.add(elevation)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((torch.cat(rows, 1) * 255).byte().cpu().numpy()).save(path, quality=90)


def _errors(up: np.ndarray, exact: np.ndarray) -> dict:
    error = np.abs(up - exact)
    numbers = {"dsm_mae": np.nanmean(error), "dsm_median": np.nanmedian(error), "dsm_known": np.isfinite(up).mean()}
    return {name: round(float(value), 3) for name, value in numbers.items()}


def _matched(render: np.ndarray, picture: np.ndarray) -> float:
    gain, offset = tone(render, picture, np.ones(len(render)))
    pair = (np.clip(render * gain + offset, 0, 1).astype(np.float32), picture)
    return losses.psnr(*map(torch.from_numpy, pair))


def plain(city: City, steps: int) -> Gaussians:
    """3DGS as gsplat's default trainer has it, from the tie points; its numbers scaled to `steps`."""
    scene = city.scene
    # Cameras 600 km away say nothing about the size of a scene: half its side, as Skyfall-GS fixes it.
    extent = (scene.box.east[1] - scene.box.east[0]) / 2
    views = []
    for image in scene.images:
        sight = fitting.sight_of(image, scene)
        picture, weight = (torch.from_numpy(a).to(city.device) for a in (sight.picture, sight.valid.astype(np.float32)))
        views.append(View(sight.camera, picture, weight))
    share = steps / _GSPLAT_STEPS
    rule = replace(GradientRule(extent, absolute=False).scaled(share), every=max(round(100 * share), 10))
    rates = {"means": (1.6e-4 * extent, 1.6e-6 * extent), "log_scales": 0.005, "quats": 0.001}
    rates |= {"logit_opacities": 0.05, "sh": 0.0025}
    schedule = Schedule(steps, rates, sh_every=max(round(1000 * share), 1))
    return _end(fit(gaussians_of_points(scene.xyz, scene.rgb).to(city.device), views, schedule, strategy=rule))


def ours(city: City, settings: fitting.Settings, preview: bool = False) -> Gaussians:
    """The whole of stage 1 for an area of one block, or its sheet alone."""
    tones = fitting.tones(city.scene, city.heights)
    sights = list(fitting.sights(city.scene, tones))
    spacing = settings.coarseness * city.scene.pixel
    start = fitting.prepared(city.heights, sights, spacing, city.device, settings.width)
    if preview:
        return fitting.finished(start.sheet, None, 0)
    return _end(fitting.fitted(start, city.heights, settings, held_out=city.held_out))


def _end(steps) -> Gaussians:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _timed(city: City, make) -> tuple[Gaussians, dict]:
    if city.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    gaussians = make()
    if city.device == "cuda":
        torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() / 2**30 if city.device == "cuda" else 0.0
    return gaussians, {"seconds": round(time.perf_counter() - started, 1), "peak_gib": round(peak, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("city", type=Path)
    parser.add_argument("--steps", type=int, default=7_000, help="of the rows of the ablation")
    parser.add_argument("--plain", type=int, default=_GSPLAT_STEPS, help="steps of plain 3DGS; 0 leaves it out")
    parser.add_argument("--full", type=int, default=0, help="steps of one more row with all terms; 0 leaves it out")
    parser.add_argument("--variant", action="append", default=[], help="a further row, such as growth=1.5,rate=0.01")
    parser.add_argument("--no-ablation", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="where the rows are kept")
    parser.add_argument("--pictures", type=Path, help="folder for pictures, truth over render")
    a = parser.parse_args()
    city = City(a.city, a.device)
    x, y = city.exact.centres()
    measured = _errors(city.heights.sample(x, y), city.exact.up)
    print("height map as found ", "  ".join(f"{name} {value}" for name, value in measured.items()), flush=True)
    settings = fitting.Settings(steps=a.steps)
    plan = [("plain 3DGS", {}, lambda: plain(city, a.plain))] if a.plain else []
    plan.append(("sheet, not fitted", DRAWING, lambda: ours(city, settings, preview=True)))
    grown = replace(settings, **BARE)
    for name, change in () if a.no_ablation else ABLATION:
        grown = replace(grown, **change)
        plan.append((name, DRAWING, lambda chosen=grown: ours(city, chosen)))
    for text in a.variant:
        change = {name: type(getattr(settings, name))(float(value)) for name, value in _pairs(text)}
        varied = replace(settings, **change)
        plan.append((text, DRAWING, lambda chosen=varied: ours(city, chosen)))
    if a.full:
        plan.append((f"full, {a.full:,} steps", DRAWING, lambda: ours(city, replace(settings, steps=a.full))))
    rows = [{"row": "height map as found"} | measured]
    for name, drawing, make in plan:
        gaussians, cost = _timed(city, make)
        rows.append({"row": name} | cost | city.judge(gaussians, drawing))
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        if a.pictures:
            city.show(gaussians, drawing, a.pictures / f"{len(rows):02d}.jpg")
        if a.json:
            device = torch.cuda.get_device_name() if a.device == "cuda" else platform.processor() or "CPU"
            kept = {"command": " ".join(["python", *sys.argv]), "device": device, "torch": torch.__version__}
            a.json.write_text(json.dumps(kept | {"rows": rows}, indent=1) + "\n")
    _table(rows)


def _pairs(text: str):
    return [part.split("=") for part in text.split(",")]


def _table(rows: list[dict]) -> None:
    columns = ["dsm_mae", "dsm_median", "psnr_80", "psnr_65", "psnr_45", "psnr_30", "psnr_17", "matched_45"]
    columns += ["matched_17", "held_out", "seconds", "peak_gib", "count"]
    print("| row | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for row in rows:
        print(f"| {row['row']} | " + " | ".join(str(row.get(column, "")) for column in columns) + " |")


if __name__ == "__main__":
    main()
