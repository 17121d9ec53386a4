"""What lies at the viewer's feet: the photograph's ground, laid flat and quilted where nothing was seen."""

import cv2
import numpy as np

from skyworld.models.builtin.appearance import foreshortening, like_bottom, most_common
from skyworld.models.builtin.cap import Cap
from skyworld.models.builtin.pyramid import broad_blur, pull_push
from skyworld.models.builtin.quilting import Exemplar, fill_disc, quilt
from skyworld.models.roles import Photograph

BOWL = 0.25  # the curvature on which ground is quilted; see `Cap`


def fill_ground(panorama: np.ndarray, known: np.ndarray, photograph: Photograph, untouched: np.ndarray, seed: int):
    """Fills the unknown pixels below the horizon of panorama [H, W, 3]; `untouched` [H, W] stays as it is.

    A generator: yields the share done, returns the panorama.
    """
    height, width = known.shape
    hole = ~known
    hole[: height // 2] = False
    if not hole.any():
        return panorama
    edge = np.pi * (np.nonzero(hole.any(1))[0][0] / height - 0.5)
    mask = like_bottom(photograph.picture, photograph.sky, 0.25 if photograph.outdoor else 0.9)
    if photograph.outdoor:
        mask = mask * most_common(photograph.picture, mask)
    in_picture, on_ground = foreshortening(photograph.picture, mask, photograph.camera)
    conformal = photograph.outdoor and abs(in_picture) < 0.25 * abs(on_ground)
    yield 0.1
    cap = ground_cap(edge, width, 1.0 if conformal else BOWL)
    around = cap.look(panorama)
    unseen = cap.look(hole.astype(np.float32)) > 0.01
    exemplars = _exemplars(photograph, mask, cap, edge, conformal)
    patch = _patch_size(exemplars, cap.size)
    texture, needed = None, cv2.dilate(unseen.astype(np.uint8), np.ones((3, 3)), iterations=cap.size // 10) > 0
    while exemplars and texture is None and patch > 16:
        target = (around, ~unseen) if photograph.outdoor else (None, None)
        texture = yield from _scaled(quilt(exemplars, cap.size, patch, seed, needed, *target), 0.1, 0.8)
        patch = int(patch * 0.75)
    if texture is None:
        square, share = smooth_fill(around, ~unseen, seed), unseen.astype(np.float32)
    else:
        square, share = fill_disc(around, unseen, texture, cap.size // 10)
    yield 0.9
    return lay_in(panorama, cap, square, share, hole, untouched)


def ground_cap(edge: float, width: int, curvature: float) -> Cap:
    """A cap that shows the hole below `edge` radians under the horizon, and a rim around it."""
    edge = max(edge, np.radians(8))
    radius = Cap(1, 1.0, -1, curvature).elevation_radius(edge * 0.72)
    size = int(np.clip(radius * 2 * (1 + curvature) * 0.75 * width / (2 * np.pi), 320, width / 2))
    return Cap(size // 8 * 8, radius, -1, curvature)


def smooth_fill(around: np.ndarray, known: np.ndarray, seed: int, grain: float = 0.006) -> np.ndarray:
    """Where there is nothing to learn from: the surroundings' colours, run into one another, with a breath of grain."""
    size = around.shape[0]
    filled, weight = pull_push(around, known), known[..., None].astype(np.float32) + 0.05
    for sigma in (0.075, 0.04, 0.02):
        soft = broad_blur(filled * weight, sigma * size) / broad_blur(weight, sigma * size)
        filled = np.where(known[..., None], filled, soft)
    filled = np.where(known[..., None], filled, broad_blur(filled, 0.012 * size))
    return filled + np.random.default_rng(seed).standard_normal((size, size, 1)).astype(np.float32) * grain


def lay_in(panorama, cap: Cap, square, share, hole, untouched) -> np.ndarray:
    """The panorama with the square where there is a hole or the square has its share, save in `untouched`."""
    rows = slice(hole.shape[0] // 2, None) if cap.up < 0 else slice(0, hole.shape[0] // 2)
    width = panorama.shape[1]
    part = np.where(hole[rows], 1, cap.onto(share, width, rows))
    part = np.where(untouched[rows], 0, part)[..., None]
    out = panorama.copy()
    out[rows] += part * (cap.onto(square.clip(0, 1), width, rows) - out[rows])
    return out


def _exemplars(photograph: Photograph, mask: np.ndarray, cap: Cap, edge: float, conformal: bool) -> list[Exemplar]:
    camera = photograph.camera
    if mask.mean() < 0.02:
        return []
    if conformal:
        per_pixel = cap.size / (2 * cap.radius) / 2 / camera.K[0, 0]
        if (mask[: -camera.height // 8] > 0.5).mean() < 0.01:
            return []
        picture = cv2.resize(photograph.picture, None, fx=per_pixel, fy=per_pixel, interpolation=cv2.INTER_AREA)
        allowed = cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.9
        views = [(picture, allowed), (picture[:, ::-1], allowed[:, ::-1])]
    else:
        picture, inside = cap.photograph(np.concatenate([photograph.picture, mask[..., None]], -1), camera)
        depression = np.arcsin(np.abs(cap.directions()[..., 2]).clip(0, 1))
        allowed = inside & (picture[..., 3] > 0.6)
        if not allowed.any():
            return []
        # Far ground is only blur when it is laid at the feet.
        near = max(0.62 * edge, 0.5 * depression[allowed].max())
        allowed &= depression > (near if (allowed & (depression > near)).sum() > 6000 else 0.62 * edge)
        if allowed.sum() < 400:
            return []
        rows, columns = (np.nonzero(allowed.any(axis))[0] for axis in (1, 0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        picture, allowed = picture[box][..., :3], allowed[box]
        views = [(np.rot90(picture, k), np.rot90(allowed, k)) for k in range(4)] + [
            (picture[:, ::-1], allowed[:, ::-1])
        ]
    return [Exemplar(np.ascontiguousarray(p), np.ascontiguousarray(m)) for p, m in views]


def _patch_size(exemplars: list[Exemplar], size: int) -> int:
    area = exemplars[0].mask.sum() if exemplars else 0
    return int(np.clip(0.4 * np.sqrt(area), size // 16, size // 5))


def _scaled(steps, low: float, high: float):
    """Hands on a generator's share done, squeezed into low..high."""
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            return end.value
        yield low + (high - low) * share
