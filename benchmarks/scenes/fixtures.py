"""Panoramas with truth, small enough to lie beside the tests.

    .venv/bin/python benchmarks/scenes/panoramas.py OUT --seeds 11 --samples 5
    .venv/bin/python benchmarks/scenes/fixtures.py OUT tests/data/panoramas

Each becomes a JPEG of 1024 x 512 and a 16-bit PNG of 512 x 256 holding 1 + 6000 log(metres / 0.1), 0 for the sky.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

STEPS = 6000


def pack(folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.npy")):
        picture = cv2.imread(str(path.with_suffix(".jpg")))
        cv2.imwrite(str(out / f"{path.stem}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
        truth = cv2.resize(np.load(path), (512, 256), interpolation=cv2.INTER_NEAREST)
        seen = np.isfinite(truth)
        packed = np.where(seen, 1 + STEPS * np.log(np.where(seen, truth, 1) / 0.1), 0)
        cv2.imwrite(str(out / f"{path.stem}.png"), np.round(packed).astype(np.uint16), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
