"""A stitched panorama with holes: where they are, and which views complete them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from skyworld.camera import directions, resample_view, turned
from skyworld.models.roles import Photograph
from skyworld.panorama.photograph import analyse
from skyworld.panorama.schedule import SIDE, Look, horizon, poles, zenith_and_nadir

SMALLEST = 1e-5  # share of the panorama: fewer black pixels in one piece are a dark spot, not a hole
SPECK = 12  # pixels, at any size
RIM = 3 / 2048  # of the width: how far the stitcher's and the codec's dark rim reaches out of a hole
GRID = (256, 128)  # on which views are chosen
WHOLE = 0.85  # a hole counts for a view if it lies within this share of it
CONTEXT = 0.2  # share of a view that should be known


def transparent(path: Path | str) -> np.ndarray | None:
    """bool [h, w]: where a picture file is not opaque; None where it has no transparency. As upright as it is seen."""
    with Image.open(path) as image:
        if not image.has_transparency_data:
            return None
        return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3] < 255


def black(picture: np.ndarray) -> np.ndarray:
    """bool [H, W]: exactly black pixels of [H, W, 3] in pieces of some size, and the dark rim around them."""
    height, width = picture.shape[:2]
    dark = (picture == 0).all(-1).astype(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
    large = statistics[:, cv2.CC_STAT_AREA] >= max(SPECK, SMALLEST * height * width)
    large[0] = False
    return rimmed(large[labels])


def rimmed(holes: np.ndarray) -> np.ndarray:
    """The holes [H, W] and a rim around each, as wide near the poles as elsewhere on the sphere; wraps."""
    height, width = holes.shape
    if not holes.any():
        return holes
    reach = max(1, round(RIM * width))
    rows = np.flatnonzero(cv2.dilate(holes.astype(np.uint8), np.ones((2 * reach + 1, 1))).any(1))
    out = cv2.dilate(holes.astype(np.uint8), np.ones((2 * reach + 1, 1)))
    for row in rows:
        wide = min(width // 2 - 1, round(reach / max(np.sin((row + 0.5) / height * np.pi), 1e-3)))
        line = np.pad(out[row], wide, mode="wrap")[None]
        out[row] = cv2.dilate(line, np.ones((1, 2 * wide + 1)))[0, wide:-wide]
    return out > 0


def repair_plan(unknown: np.ndarray) -> tuple[Look, ...]:
    """Few views, chosen greedily, that see all unknown pixels (bool [H, W]): first those that see most holes whole."""
    left = cv2.resize(unknown.astype(np.float32), GRID, interpolation=cv2.INTER_AREA) > 0
    rays = directions(*GRID)
    area = np.sqrt(1 - rays[..., 2] ** 2)
    looks = [*zenith_and_nadir(), *horizon(), *poles()]
    # 0 in a view's middle, 1 on its border
    reach = [2 * np.abs(np.nan_to_num(look.camera().project(rays)[0], nan=1e9) / SIDE - 0.5).max(-1) for look in looks]
    plan = []
    while left.any():
        holes = _pieces(left)
        gains = [sum(area[hole].sum() for hole in holes if (away[hole] < WHOLE).all()) for away in reach]
        if not any(gains):  # larger than any view: from its rim inward
            seen = [left[away < 0.99] for away in reach]
            gains = [inside.mean() * (1 if inside.mean() < 1 - CONTEXT else 1e-3) for inside in seen]
        best = int(np.argmax(gains))
        plan.append(looks[best])
        left &= reach[best] >= 0.99
    return tuple(plan)


def _pieces(holes: np.ndarray) -> list[np.ndarray]:
    """The connected pieces of bool [h, w], around the wrap and over the poles, each as bool [h, w]."""
    count, labels = cv2.connectedComponents(holes.astype(np.uint8))
    touching = [set(labels[:, (0, -1)][row]) - {0} for row in range(len(labels))]
    touching += [set(labels[row]) - {0} for row in (0, -1)]
    name = np.arange(count)
    for together in touching:
        first = min((name[label] for label in together), default=0)
        name[np.isin(name, [name[label] for label in together])] = first
    return [name[labels] == piece for piece in np.unique(name[1:])]


def stand_in(panorama: np.ndarray, unknown: np.ndarray) -> Photograph:
    """The view of 85 degrees at the horizon that has the fewest unknown pixels, for models that begin with one."""
    looks = [Look(45.0 * k, 0.0, 85.0, "horizon") for k in (0, 1, 7, 2, 6, 3, 5, 4)]
    missing = [resample_view(unknown.astype(np.float32), look.camera(128)).mean() for look in looks]
    look = looks[int(np.argmin(missing))]
    seen = analyse(resample_view(panorama, look.camera(768)), fov_degrees=look.fov, pitch_degrees=0.0)
    return replace(seen, camera=replace(seen.camera, camera_to_world=turned((0, 0, 0), np.radians(look.yaw))))
