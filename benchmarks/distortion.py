"""What the trainable distortion field is worth: pictures under known smooth warps, fitted with it and without.

    python benchmarks/distortion.py SCENES/room SCENES/street SCENES/landscape --json OUT

Every training picture but each eighth is warped by a smooth random field of up to 4 px at 512 px of width
(`warped`); those that stay straight fix the gauge, as the panorama's own views do in a world. Judged are the
held-out views, which nobody warped: PSNR, and sharpness, which is the mean gradient relative to the truth's.
SCENES are folders of posed pictures (benchmarks/scenes/views.py).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from skyworld.splats import Gaussians, losses, rasterize
from skyworld.splats.dataset import Dataset, read_dataset
from skyworld.splats.distortion import Distortion
from skyworld.splats.points import gaussians_of_points
from skyworld.splats.presets import preset
from skyworld.splats.reconstruct import extent_of, views_of
from skyworld.splats.train import View, fit

LARGEST, AT_WIDTH = 4.0, 512
STRAIGHT = 8  # every so many-th training picture is left as it is


def smooth_field(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Shift [height, width, 2] px: noise of a quarter of the picture's width, LARGEST px at AT_WIDTH at its peak."""
    noise = cv2.GaussianBlur(rng.normal(size=(2 * height, 2 * width, 2)), (0, 0), width / 8)
    field = noise[height // 2 : height // 2 + height, width // 2 : width // 2 + width]
    return (field * (LARGEST * width / AT_WIDTH) / np.linalg.norm(field, axis=-1).max()).astype(np.float32)


def warped(pictures: Sequence[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """Each picture [H, W, 3] seen through a field of its own, but every STRAIGHT-th, which stays."""
    rng, result = np.random.default_rng(seed), []
    for index, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        if index % STRAIGHT:
            x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
            field = smooth_field(rng, width, height)
            at = (x + field[..., 0], y + field[..., 1])
            picture = cv2.remap(picture, *at, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101).clip(0, 1)
        result.append(picture)
    return result


def straight(count: int) -> frozenset[int]:
    return frozenset(range(0, count, STRAIGHT))


@torch.no_grad()
def judged(gaussians: Gaussians, views: Sequence[View]) -> dict:
    """Mean PSNR (dB), SSIM and sharpness of held-out views."""
    rows = []
    for view in views:
        render, picture = rasterize(gaussians, [view.camera]).colour[0].clamp(0, 1), view.picture.float() / 255
        sharpness = _gradient(render) / _gradient(picture)
        rows.append((losses.psnr(render, picture), float(losses.ssim(render, picture)), float(sharpness)))
    return dict(zip(("psnr", "ssim", "sharpness"), np.round(np.mean(rows, 0), 4).tolist(), strict=True))


def _gradient(picture: torch.Tensor) -> torch.Tensor:
    return sum(picture.diff(dim=d).abs().mean() for d in (0, 1))


def ablation(dataset: Dataset, device: str, steps: int = 0, grid: int = 128) -> Iterator[tuple[dict, Gaussians]]:
    """Rows and Gaussians of three fits: straight pictures, warped ones without the field, warped ones with it."""
    train, test = dataset.split(8)
    bent = replace(train, pictures=warped(train.pictures))
    pixels = max(camera.width * camera.height for camera in train.cameras)
    chosen = preset("quick", extent_of(train.cameras), pixels)
    schedule, strategy = chosen.schedule, chosen.strategy
    if steps:
        strategy = strategy.scaled(steps / schedule.steps)
        schedule = replace(schedule, steps=steps, sh_every=max(1, steps // 20))
    held = views_of(test, device)
    for name, pictures, field in (
        ("straight", train, None),
        ("off", bent, None),
        ("on", bent, Distortion(len(train), frozen=straight(len(train)), grid=grid)),
    ):
        start = gaussians_of_points(*train.points, opacity=chosen.opacity, size=chosen.size).to(device)
        begun = time.perf_counter()
        fitting = fit(start, views_of(pictures, device), schedule, strategy=strategy, distortion=field)
        gaussians = _returned(fitting)
        seconds = round(time.perf_counter() - begun, 1)
        yield {"field": name, **judged(gaussians, held), "count": len(gaussians), "seconds": seconds}, gaussians


def _returned(steps: Iterator):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def table(folders: Sequence[Path], device: str, steps: int = 0, pictures: Path | None = None) -> list[dict]:
    """Prints and returns the rows of all scenes."""
    rows = []
    for folder in folders:
        dataset = read_dataset(folder)
        held, shown = views_of(dataset.split(8)[1], device)[1], []
        for row, gaussians in ablation(dataset, device, steps):
            rows.append({"scene": folder.name, **row})
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
            with torch.no_grad():
                shown.append(rasterize(gaussians, [held.camera]).colour[0].clamp(0, 1).cpu())
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            beside = torch.cat([*shown, held.picture.cpu().float() / 255], 1)
            Image.fromarray((beside * 255).byte().numpy()).save(pictures / f"distortion_{folder.name}.png")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=0, help="of each fit; 0 for those of the preset `quick`")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="where the rows are kept")
    parser.add_argument("--pictures", type=Path, help="folder: a held-out view straight, off, on and as it is")
    arguments = parser.parse_args()
    rows = table(arguments.scenes, arguments.device, arguments.steps, arguments.pictures)
    if arguments.json:
        device = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
        kept = {"command": " ".join(["python", *sys.argv]), "device": device, "torch": torch.__version__, "rows": rows}
        arguments.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
