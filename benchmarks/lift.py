"""Panorama and distance -> Gaussians: seconds of each part, peak VRAM, and what the centre sees afterwards.

    skyworld world docs/sample/hill_village.jpg -o WORLD --quality draft --panorama-width 4096
    python benchmarks/lift.py WORLD --quality high full --json OUT --pictures FOLDER

WORLD is a world folder: its panorama.png, distance.exr and sky.png are lifted again. PSNR is that of views of the
panorama between those that were fitted, and `open` the share of pixels that the level views from the cube's 14
positions leave transparent. --width lifts a smaller panorama, --steps fits shorter: for a CPU.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from skyworld.camera import Camera, resample_view, turned
from skyworld.camera.paths import cube_positions
from skyworld.lift.distance import read_distance
from skyworld.lift.lift import QUALITIES, lift
from skyworld.splats import Gaussians, losses, rasterize

# What a message begins or ends with tells which part is at work.
PARTS = {"looking around for holes": "holes", "Gaussians behind": "hidden", "step": "fit", "views": "views"}


def read_world(folder: Path, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Panorama [H, W, 3], distance [H, W] metres and sky (bool [H, W]), at most `width` px wide; its place [3]."""
    place = np.array(json.loads((folder / "world.json").read_text())["panorama"]["position"])
    picture = np.asarray(Image.open(folder / "panorama.png").convert("RGB"), np.float32) / 255
    sky = np.asarray(Image.open(folder / "sky.png")) > 127
    width = min(width, picture.shape[1])
    size = (width, width // 2)
    distance = read_distance(folder / "distance.exr", *size)
    sky = cv2.resize(sky.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), distance, sky, place


def timed(panorama, distance, sky, centre, quality: str, device: str, cube: float) -> tuple[dict, Gaussians]:
    """Seconds by part, the number of completed views, peak VRAM in GiB; and the Gaussians."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    begun = last = time.perf_counter()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        steps = lift(
            panorama, distance, sky, None,
            eye_height=centre[2], quality=quality, cube=cube, device=device, seed=0, scratch=Path(scratch),
        )  # fmt: skip
        while True:
            try:
                report = next(steps)
            except StopIteration as end:
                gaussians = end.value
                break
            now = time.perf_counter()
            part = next((name for mark, name in PARTS.items() if mark in report.message), "visible")
            seconds[part], last = seconds.get(part, 0.0) + now - last, now
        views = len(list(Path(scratch).glob("view_*.npz")))
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    parts = {name: round(value, 2) for name, value in seconds.items()}
    total = round(time.perf_counter() - begun, 2)
    return {
        "seconds": total,
        **parts,
        "completed": views,
        "peak_gib": round(peak, 2),
        "count": len(gaussians),
    }, gaussians


@torch.no_grad()
def judged(gaussians: Gaussians, panorama: np.ndarray, centre: np.ndarray, cube: float) -> dict:
    """Of views between the fitted ones: PSNR and SSIM; share of transparent pixels from around."""
    size, found = panorama.shape[1] // 6, []
    for yaw, pitch in [(yaw, pitch) for pitch in (0, 40, -40) for yaw in range(20, 360, 60)]:
        camera = Camera.pinhole(turned(centre, np.radians(yaw), np.radians(pitch)), np.radians(60), size, size)
        picture = torch.from_numpy(resample_view(panorama, camera)).to(gaussians.device)
        render = rasterize(gaussians, [camera]).colour[0].clamp(0, 1)
        found.append((losses.psnr(render, picture), float(losses.ssim(render, picture))))
    psnr, ssim = np.mean(found, 0)
    views = [(position, yaw) for position in cube_positions(centre, cube) for yaw in range(0, 360, 90)]
    alphas = [float((rasterize(gaussians, [_around(*view, 128)]).alpha < 0.9).float().mean()) for view in views]
    return {"psnr": round(float(psnr), 2), "ssim": round(float(ssim), 4), "open": round(float(np.mean(alphas)), 5)}


def _around(position: np.ndarray, yaw: float, size: int) -> Camera:
    return Camera.pinhole(turned(position, np.radians(yaw)), np.pi / 2, size, size)


@torch.no_grad()
def sheet(gaussians: Gaussians, centre: np.ndarray, cube: float, size: int = 512) -> Image.Image:
    """Views from around: the cube's right, left, back and front faces, and two corners."""
    positions = cube_positions(centre, cube)
    places = [(1, 0), (0, 60), (2, 180), (3, 300), (6, 45), (13, 225)]
    pictures = [rasterize(gaussians, [_around(positions[i], yaw, size)]).colour[0].clamp(0, 1) for i, yaw in places]
    rows = [torch.cat(pictures[:3], 1), torch.cat(pictures[3:], 1)]
    return Image.fromarray((torch.cat(rows) * 255).byte().cpu().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--quality", nargs="+", default=["high", "full"], choices=QUALITIES)
    parser.add_argument("--width", type=int, default=4096, help="of the panorama that is lifted, at most")
    parser.add_argument("--steps", type=int, help="of the fit of quality full")
    parser.add_argument("--views", type=int, help="px of the views that quality full completes")
    parser.add_argument("--cube", type=float, default=2.0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    full = QUALITIES["full"]
    steps = full.steps if arguments.steps is None else (arguments.steps,) * 2
    QUALITIES["full"] = replace(full, steps=steps, completed=arguments.views or full.completed)
    panorama, distance, sky, centre = read_world(arguments.world, arguments.width)
    rows = []
    for quality in arguments.quality:
        row, gaussians = timed(panorama, distance, sky, centre, quality, arguments.device, arguments.cube)
        gaussians = gaussians.to(arguments.device)
        rows.append(
            {
                "quality": quality,
                "width": panorama.shape[1],
                **row,
                **judged(gaussians, panorama, centre, arguments.cube),
            }
        )
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        if arguments.pictures:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            sheet(gaussians, centre, arguments.cube).save(arguments.pictures / f"{arguments.world.name}_{quality}.png")
    if arguments.json:
        device = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
        kept = {"command": " ".join(["python", *sys.argv]), "device": device, "torch": torch.__version__, "rows": rows}
        arguments.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
