"""How well the built-in model tells distance, on panoramas with truth.

    .venv/bin/python benchmarks/scenes/panoramas.py OUT --seeds 11 12
    .venv/bin/python benchmarks/distance.py OUT

Prints AbsRel (mean of |estimate - truth| / truth) and the share within a factor of 1.25, weighted by solid angle, of
all pixels and of standing things alone (not on the ground; indoors: off the floor). Sky and what lies farther than
150 m is left out; nothing is rescaled.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

from skyworld.models.builtin.distance import BuiltinDistance

EYE_HEIGHT, FARTHEST = 1.6, 150.0


def read_truth(picture: Path) -> np.ndarray:
    """[H, W] metres along the ray, inf for the sky; beside the picture, as NPY or as Cycles' depth in EXR."""
    if picture.with_suffix(".npy").exists():
        return np.load(picture.with_suffix(".npy"))
    channels = OpenEXR.File(str(next(picture.parent.glob(f"{picture.stem}_*.exr"))), separate_channels=True).channels()
    depth = next(channels[name] for name in ("V", "Z", "R") if name in channels).pixels
    return np.where(depth < 5000, depth, np.inf)


def score(distance: np.ndarray, truth: np.ndarray, counted: np.ndarray) -> tuple[float, float]:
    """(AbsRel, share within 1.25) where `counted` [H, W], each pixel weighing its solid angle."""
    rows = (np.arange(len(truth)) + 0.5) / len(truth) * np.pi
    weight = np.broadcast_to(np.sin(rows)[:, None], truth.shape)[counted]
    estimate, true = distance[counted], truth[counted]
    ratio = np.maximum(estimate / true, true / estimate)
    return float(np.average(np.abs(estimate - true) / true, weights=weight)), float(
        np.average(ratio < 1.25, weights=weight)
    )


def standing_in(truth: np.ndarray, eye_height: float = EYE_HEIGHT) -> np.ndarray:
    """[H, W] bool: off the ground by more than 8 cm."""
    elevation = (0.5 - (np.arange(len(truth)) + 0.5) / len(truth)) * np.pi
    height = np.where(np.isfinite(truth), truth, 0) * np.sin(elevation)[:, None] + eye_height
    return np.abs(height) >= 0.08


def main(folder: Path, knows_sky: bool) -> None:
    model, rows = BuiltinDistance(), []
    print(f"{'scene':16s}  all: AbsRel  <1.25   standing: AbsRel  <1.25   seconds")
    for path in sorted([*folder.glob("*.jpg"), *folder.glob("*.png")]):
        picture = cv2.imread(str(path))[:, :, ::-1].astype(np.float32) / 255
        truth = read_truth(path)
        sky = ~np.isfinite(truth) if knows_sky else None
        start = time.perf_counter()
        distance = model.estimate(picture, eye_height=EYE_HEIGHT, sky=sky).distance
        seconds = time.perf_counter() - start
        near = truth < FARTHEST
        rows.append((*score(distance, truth, near), *score(distance, truth, near & standing_in(truth))))
        print(f"{path.stem:16s}  %11.3f  %5.3f   %16.3f  %5.3f   %7.1f" % (*rows[-1], seconds), flush=True)
    print(f"{'mean':16s}  %11.3f  %5.3f   %16.3f  %5.3f" % tuple(np.mean(rows, 0)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--segment-sky", action="store_true", help="let the model find the sky instead of telling it")
    asked = parser.parse_args()
    main(asked.folder, not asked.segment_sky)
