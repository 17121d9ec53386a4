"""The ceiling of a room: smooth, coloured by what the photograph shows of it."""

import cv2
import numpy as np

from skyworld.models.builtin.appearance import clusters, like_bottom
from skyworld.models.builtin.cap import Cap
from skyworld.models.builtin.ground import lay_in, smooth_fill
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
    square = smooth_fill(around, near if near.any() else ~unseen, seed, 0.003)
    yield 0.8
    # Where the rim is ceiling the fill runs on from it; where it is wall, their border is the wall's upper edge.
    return lay_in(panorama, cap, square, cv2.GaussianBlur(unseen.astype(np.float32), (0, 0), 1.5), hole, untouched)


def _ceiling_coloured(around: np.ndarray, photograph: Photograph) -> np.ndarray:
    like = like_bottom(np.ascontiguousarray(photograph.picture[::-1]), np.zeros_like(photograph.sky), 0.5)[::-1]
    if not (like > 0.9).any():
        return np.ones(around.shape[:2], bool)
    # A ceiling is lit unevenly: its colour is a handful of colours.
    lab = cv2.cvtColor(photograph.picture[like > 0.9][None], cv2.COLOR_RGB2LAB)[0]
    colours = clusters(lab[:: max(1, len(lab) // 4000)], 5)
    lab = cv2.cvtColor(around.astype(np.float32), cv2.COLOR_RGB2LAB)
    return np.min([np.abs(lab - colour).sum(-1) for colour in colours], 0) < 11
