"""The ceiling of a room: smooth, coloured by what the photograph shows of it."""

import cv2
import numpy as np

from skyworld.models.builtin.appearance import like_bottom
from skyworld.models.builtin.cap import Cap
from skyworld.models.builtin.ground import lay_in, smooth_fill
from skyworld.models.builtin.quilting import fill_disc
from skyworld.models.roles import Photograph


def fill_ceiling(panorama: np.ndarray, known: np.ndarray, photograph: Photograph, untouched: np.ndarray, seed: int):
    """Fills the unknown pixels above the horizon. A generator: yields the share done, returns the panorama."""
    height, width = known.shape
    hole = ~known
    hole[height // 2 :] = False
    if not hole.any():
        return panorama
    edge = max(np.pi * (0.5 - np.nonzero(hole.any(1))[0][-1] / height), np.radians(8))
    cap = Cap(int(0.4 * width) // 8 * 8, Cap(1, 1.0, 1).elevation_radius(edge * 0.8), 1)
    around = cap.look(panorama)
    unseen = cap.look(hole.astype(np.float32)) > 0.01
    yield 0.3
    near = ~unseen & _ceiling_coloured(around, photograph)
    square = smooth_fill(around, near if near.any() else ~unseen, seed, 0.004)
    yield 0.7
    square, share = fill_disc(around, unseen, square, cap.size // 12)
    yield 0.9
    return lay_in(panorama, cap, square, share, hole, untouched)


def _ceiling_coloured(around: np.ndarray, photograph: Photograph) -> np.ndarray:
    like = like_bottom(np.ascontiguousarray(photograph.picture[::-1]), np.zeros_like(photograph.sky), 0.5)[::-1]
    if not (like > 0.9).any():
        return np.ones(around.shape[:2], bool)
    lab = cv2.cvtColor(around.astype(np.float32), cv2.COLOR_RGB2LAB)
    colour = np.median(cv2.cvtColor(photograph.picture[like > 0.9][None], cv2.COLOR_RGB2LAB)[0], 0)
    return np.abs(lab - colour).sum(-1) < 14
