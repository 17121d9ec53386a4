"""A small photograph-like picture, and one small world made from it that the tests share."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image


def paint_photograph(width: int = 480, height: int = 320) -> np.ndarray:
    """[h, w, 3] uint8: sky over hills, a house, trees, textured ground. Deterministic."""
    noise = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    picture = np.stack([0.45 + 0.4 * y, 0.6 + 0.3 * y, 0.95 - 0.1 * y], -1)
    hills = y > 0.46 - 0.05 * np.sin(7 * x) - 0.03 * np.sin(17 * x + 1)
    picture[hills] = (0.35, 0.45, 0.4)
    ground = y > 0.52
    grain = sum(
        cv2.resize(noise.standard_normal((height // k, width // k)), (width, height)) * k**0.5 for k in (2, 5, 13)
    )
    grass = np.array([0.35, 0.42, 0.2]) * (1 + 0.1 * grain[..., None])
    picture[ground] = grass[ground]
    u, v = (x * width).astype(int), (y * height).astype(int)
    wall = (u > 300) & (u < 400) & (v > 110) & (v < 190)
    picture[wall] = (np.array([0.7, 0.55, 0.4]) * (0.9 + 0.1 * ((u // 8 + v // 6) % 2))[..., None])[wall]
    roof = (v > 80) & (v <= 110) & (np.abs(u - 350) < 50 + (v - 80))
    picture[roof] = (0.5, 0.2, 0.12)
    for centre in (90, 150, 235):
        crown = np.hypot(u - centre, (v - 130) * 0.8) < 26 + 3 * grain
        picture[crown] = (0.12, 0.28, 0.1)
        picture[(np.abs(u - centre) < 4) & (v > 140) & (v < 185)] = (0.25, 0.17, 0.1)
    return (np.clip(picture + 0.01 * noise.standard_normal(picture.shape), 0, 1) * 255).astype(np.uint8)


@pytest.fixture(scope="session")
def skyworld():
    """The command line in a process of its own: skyworld("world", photo, ...) -> CompletedProcess."""

    def run(*arguments) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "skyworld", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=280)

    return run


@pytest.fixture(scope="session")
def photo(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("photo") / "village.jpg"
    Image.fromarray(paint_photograph()).save(file, quality=92)
    return file


@pytest.fixture(scope="session")
def made_world(photo, skyworld, tmp_path_factory) -> Path:
    """A draft world; read it, do not change it."""
    folder = tmp_path_factory.mktemp("worlds") / "village"
    run = skyworld("world", photo, "-o", folder, "--quality", "draft", "--panorama-width", "1024", "--device", "cpu")
    assert run.returncode == 0, run.stderr
    return folder
