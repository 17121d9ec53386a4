"""The pictures of docs/panorama.md: in which order the heuristics complete a panorama, and one that is mended.

    .venv/bin/python benchmarks/panorama_pictures.py PANORAMA.png --order ORDER.jpg --mended MENDED.jpg

PANORAMA is any finished 360 picture (2:1), such as the panorama.png of a world. In the first picture the inpainter
paints what is there, tinted by its turn: dark blue first, red last. For the second a tripod's hole and a zenith that
was not photographed are cut out, and the built-in model mends them.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from skyworld.camera import Camera, directions, resample_view, turned
from skyworld.models.builtin.panorama import BuiltinInpainter
from skyworld.models.roles import Photograph, Provenance
from skyworld.panorama.generate import generate, repair
from skyworld.panorama.schedule import HEURISTICS
from skyworld.world.pictures import load_picture

WIDTH = 1024
VIEWS = [(0, -90, 100), (40, -50, 90), (0, 90, 100)]  # yaw, pitch, field of view in degrees


class TurnPainter:
    """Implements roles.Inpainter: the panorama [H, W, 3] tinted by how many of `turns` views were asked before."""

    provenance = Provenance("inpainter", "turn painter", "1", "GPL-3.0-or-later", False)
    schedule = "anchored"

    def __init__(self, panorama: np.ndarray, turns: int):
        self.panorama, self.turns, self.views = panorama, turns, 0

    def begin(self, photograph: Photograph) -> None:
        """It knows the panorama."""

    def inpaint(self, view) -> np.ndarray:
        shade = np.uint8([[30 + 200 * self.views / max(self.turns - 1, 1)]])  # the ends of the scale are both dark
        tint = cv2.applyColorMap(shade, cv2.COLORMAP_TURBO)[0, 0, ::-1] / 255
        self.views += 1
        return 0.45 * resample_view(self.panorama, view.camera) + 0.55 * tint


def finished(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def order(panorama: np.ndarray) -> np.ndarray:
    camera = Camera.pinhole(turned((0, 0, 0)), np.radians(65), 768, 512)
    photograph = Photograph(resample_view(panorama, camera), camera, False, np.zeros((512, 768), np.float32))
    rows = []
    for name in HEURISTICS:
        count = TurnPainter(panorama, 100)
        finished(generate(photograph, count, width=WIDTH, heuristic=name))
        made = finished(generate(photograph, TurnPainter(panorama, count.views), width=WIDTH, heuristic=name))
        rows.append(labelled(made.picture, f"{name}: {count.views} view{'s' * (count.views > 1)}"))
    return np.vstack(rows)


def mended(panorama: np.ndarray) -> np.ndarray:
    rays = directions(*panorama.shape[1::-1])
    yaw = np.arctan2(rays[..., 0], rays[..., 1])
    elevation = np.degrees(np.arcsin(rays[..., 2]))
    holes = (elevation < -66 + 3 * np.sin(3 * yaw)) | (elevation > 72)
    picture = np.where(holes[..., None], 0, panorama).astype(np.float32)
    made = finished(repair(picture, holes, BuiltinInpainter())).picture
    rows = []
    for name, each in (("stitched", picture), ("mended", made)):
        cameras = [
            Camera.pinhole(turned((0, 0, 0), np.radians(yaw), np.radians(pitch)), np.radians(fov), 480, 480)
            for yaw, pitch, fov in VIEWS
        ]
        rows.append(labelled(np.hstack([resample_view(each, camera) for camera in cameras]), name))
    return np.vstack(rows)


def labelled(picture: np.ndarray, text: str) -> np.ndarray:
    """[H, W, 3] uint8."""
    image = Image.fromarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.text((12, 8), text, "white", ImageFont.load_default(26), stroke_width=3, stroke_fill="black")
    return np.asarray(image)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("panorama", type=Path)
    parser.add_argument("--order", type=Path, help="picture to write (.jpg)")
    parser.add_argument("--mended", type=Path, help="picture to write (.jpg)")
    asked = parser.parse_args()
    panorama = load_picture(asked.panorama)[0]
    for path, make in ((asked.order, order), (asked.mended, mended)):
        if path:
            Image.fromarray(make(panorama)).save(path, "JPEG", quality=86)


if __name__ == "__main__":
    main()
