"""Clouds beyond the photograph: what its sky has over the smooth model, continued over a dome."""

import cv2
import numpy as np
from scipy.special import ndtr, ndtri

from skyworld.models.builtin.cap import Cap

BEND = 0.25  # of the dome, see `Cap`: clouds shrink towards the horizon, but never to nothing
LEAST = 0.045  # standard deviation in log colour below which a sky is clean
TRIES = 48  # places of the photograph's sky tried for a piece of the dome
BINS = 64


def cloud_layer(picture: np.ndarray, seen: np.ndarray, model: np.ndarray, seed: int) -> np.ndarray | None:
    """Log colour [H/2, W, 3] to add to the smooth sky `model` [H, W, 3] above the horizon; None for a clean sky.

    picture [H, W, 3] shows the sky where seen (float [H, W]) is 1. Pieces of it are laid on a dome with
    soft overlaps that keep variance, as scores of a normal distribution, and turned back into the colours
    that were seen: histogram-preserving blending (Heitz and Neyret 2018) along one axis of colour.
    """
    height, width = seen.shape
    sure = seen > 0.97
    left_over = np.where(sure[..., None], np.log(picture + 0.02) - np.log(model + 0.02), 0).astype(np.float32)
    dome = Cap(width // 2, Cap(1, 1.0, 1, BEND).elevation_radius(0), 1, BEND)
    valid = cv2.erode((dome.look(seen) > 0.97).astype(np.uint8), np.ones((5, 5))) > 0
    shown = dome.look(left_over)
    valid = _clear_of_roofs(shown, valid)
    samples = shown[valid]
    if len(samples) < 0.002 * valid.size:
        return None
    axis = np.linalg.eigh(np.cov(samples.T))[1][:, -1]
    along = shown @ (axis * np.sign(axis.sum())).astype(np.float32)
    if _structure(along, valid) < LEAST:
        return None
    order = np.argsort(along[valid], kind="stable")
    ranks = (np.arange(BINS) + 0.5) / BINS
    colours = np.stack([part.mean(0) for part in np.array_split(samples[order], BINS)])
    steps = along[valid][order][:: max(1, len(order) // 2048)]
    scores = ndtri(np.interp(along, steps, np.linspace(0.003, 0.997, len(steps)))).astype(np.float32)
    scores[~valid] = 0
    rank = ndtr(_laid(scores, valid, seed))
    clouds = np.stack([np.interp(rank, ranks, channel) for channel in colours.T], -1).astype(np.float32)
    clouds = dome.onto(clouds - colours.mean(0), width, slice(0, height // 2))
    elevation = np.pi * (0.5 - (np.arange(height // 2) + 0.5) / height)
    top = np.percentile(elevation[np.nonzero(sure[: height // 2])[0]], 98)
    fade = 1 - 0.65 * np.clip((elevation - top) / (np.pi / 2 - top), 0, 1) ** 0.7
    return clouds * fade[:, None, None].astype(np.float32)


def _structure(along: np.ndarray, valid: np.ndarray) -> float:
    """Standard deviation of `along` [n, n] where `valid`, of what is coarser than noise and finer than a gradient."""
    fine, broad = (
        cv2.GaussianBlur(along * valid, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(valid * 1.0, (0, 0), sigma), 0.1)
        for sigma in (0.002 * len(valid), 0.02 * len(valid))
    )
    return float((fine - broad)[valid].std())


def _clear_of_roofs(left_over: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """`valid` without what stands before the sky after all: much darker than it, or of another hue."""
    middle = np.median(left_over[valid], 0) if valid.any() else np.zeros(3)
    spread = 1.5 * np.median(np.abs(left_over[valid] - middle), 0) + 0.02 if valid.any() else np.ones(3)
    off = cv2.blur(left_over, (3, 3)) - middle
    strange = (off < -2.5 * spread).any(-1) | (off > 6 * spread).any(-1)
    return valid & (cv2.dilate(strange.astype(np.uint8), np.ones((9, 9))) == 0)


def _laid(scores: np.ndarray, valid: np.ndarray, seed: int) -> np.ndarray:
    """Normal scores [n, n] all over the dome from those known where `valid`."""
    size, rng = len(scores), np.random.default_rng(seed)
    patch = int(np.clip(0.8 * np.sqrt(valid.sum()), size // 16, size // 5)) // 2 * 2
    window = np.hanning(patch + 2)[1:-1].astype(np.float32)
    window = window[:, None] * window
    inner = cv2.distanceTransform(np.pad(valid, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    trust = np.clip(inner / (0.12 * patch), 0, 1).astype(np.float32)
    share = cv2.boxFilter(trust, -1, (patch, patch), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    share = share[: size - patch, : size - patch]
    rows, columns = np.nonzero(share > 0.8 * share.max())
    total, power = np.zeros((2, size + 2 * patch, size + 2 * patch), np.float32)
    known, is_known = np.pad(scores, patch), np.pad(trust, patch)
    for top in range(0, size + patch, patch // 2):
        for left in range(0, size + patch, patch // 2):
            at = np.s_[top : top + patch, left : left + patch]
            overlap = is_known[at].sum() > 0.03 * patch * patch
            best = np.inf
            for k in rng.integers(len(rows), size=TRIES if overlap else 1):
                source = np.s_[rows[k] : rows[k] + patch, columns[k] : columns[k] + patch]
                flip = rng.integers(4)
                piece, weight = (x[source][:: 1 - 2 * (flip & 1), :: 1 - (flip & 2)] for x in (scores, trust))
                both = (weight * is_known[at])[::4, ::4]
                cost = (both * (piece - known[at])[::4, ::4] ** 2).sum() / (both.sum() + 1)
                if cost < best:
                    best, chosen = cost, (piece, weight * window)
            total[at] += chosen[0] * chosen[1]
            power[at] += chosen[1] ** 2
    return (total / np.sqrt(power + 0.05))[patch:-patch, patch:-patch]
