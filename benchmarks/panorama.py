"""Photograph to panorama with the built-in model: time of each part, seam, repetition, survival of the photograph.

python benchmarks/panorama.py PHOTO... [--width 2048] [--seed 0] [--pictures DIR] > panorama.json
"""

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from skyworld.camera import Camera, resample_view, turned
from skyworld.evaluate.panorama import seam_ratio
from skyworld.models.builtin.panorama import BuiltinInpainter
from skyworld.panorama.generate import generate
from skyworld.panorama.measure import photograph_psnr, repetition, unknown_pixels
from skyworld.panorama.photograph import analyse
from skyworld.world.pictures import load_picture

VIEWS = [(0, 0), (90, 0), (180, 0), (-90, 0), (0, 60), (0, -60)]  # yaw, pitch in degrees


def run(path: Path, width: int, seed: int, pictures: Path | None) -> dict:
    """One photograph; seconds are of the wall clock, cpu_seconds of all threads together."""
    picture, exif_fov, *_ = load_picture(path)
    start, busy = time.perf_counter(), time.process_time()
    photograph = analyse(picture, exif_fov=exif_fov)
    parts = {"Analysing the photograph": time.perf_counter() - start}
    last, longest = time.perf_counter(), 0.0
    steps = generate(photograph, BuiltinInpainter(), width=width, seed=seed)
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            panorama = end.value
            break
        now = time.perf_counter()
        parts[report.message] = parts.get(report.message, 0.0) + now - last
        longest, last = max(longest, now - last), now
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    stored = (np.round(panorama.picture * 255) / 255).astype(np.float32)
    if pictures:
        write_pictures(stored, pictures / f"{path.stem}_{seed}.png")
    itself, mirrored = repetition(stored)
    return {
        "photograph": path.name,
        "width": width,
        "seed": seed,
        "fov_degrees": round(float(np.degrees(photograph.camera.fov[0])), 1),
        "pitch_degrees": round(float(np.degrees(np.arcsin(photograph.camera.rotation[2, 2]))), 1),
        "outdoor": photograph.outdoor,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(busy, 2),
        "longest_silence": round(longest, 2),
        "parts": {name: round(value, 2) for name, value in parts.items()},
        "seam_ratio": round(seam_ratio(stored), 3),
        "repetition": round(itself, 3),
        "mirror": round(mirrored, 3),
        "photograph_psnr": round(photograph_psnr(stored, photograph), 2),
        "photograph_psnr_512": round(photograph_psnr(stored, photograph, 512), 2),
        "unknown_pixels": unknown_pixels(panorama.picture),
    }


def write_pictures(panorama: np.ndarray, path: Path) -> None:
    """The panorama and, beside it, six views of 80 degrees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    views = []
    for yaw, pitch in VIEWS:
        pose = turned((0, 0, 0), np.radians(yaw), np.radians(pitch))
        views.append(resample_view(panorama, Camera.pinhole(pose, np.radians(80), 480, 360)))
    sheet = np.vstack([np.hstack(views[:3]), np.hstack(views[3:])])
    for picture, file in ((panorama, path), (sheet, path.with_name(path.stem + "_views.png"))):
        cv2.imwrite(str(file), (picture[..., ::-1].clip(0, 1) * 255 + 0.5).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", nargs="+", type=Path)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="folder for the panoramas and their views")
    arguments = parser.parse_args()
    run(arguments.photographs[0], 512, 0, None)  # compiles the kernels: the numbers are of a warm process
    results = [run(path, arguments.width, arguments.seed, arguments.pictures) for path in arguments.photographs]
    json.dump(results, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
