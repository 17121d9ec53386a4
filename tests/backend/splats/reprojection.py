"""Whether posed pictures with depth tell of one and the same scene."""

from dataclasses import dataclass

import cv2
import numpy as np

from skyworld.splats.dataset import Dataset


@dataclass(frozen=True)
class Agreement:
    """Of the pixels of one view that fall into another one.

    share:  how many there are, of all that have a depth.
    seen:   of those, how many lie within 3 % of the other's depth; the rest is hidden or at an edge.
    depth:  median relative difference of depth of those that are seen.
    colour: median absolute difference of colour of those that are seen, 0 to 1.
    """

    share: float
    seen: float
    depth: float
    colour: float


def agreement(dataset: Dataset, first: int, second: int, nudge=(0.0, 0.0, 0.0)) -> Agreement:
    """Pixels of `first` lifted by its depth and looked up in `second`; nudge: metres, moves the first camera."""
    here, there = dataset.cameras[first], dataset.cameras[second]
    depth = dataset.depths[first]
    rays = here.rays()
    distance = depth / (rays @ here.rotation[:, 2])
    known = np.isfinite(depth)
    pixels, z = there.project(here.position + nudge + rays * np.where(known, distance, 1)[..., None])
    inside = known & (z > 0.05) & (pixels > 0.5).all(-1) & (pixels < (there.width - 0.5, there.height - 0.5)).all(-1)
    places = np.where(inside[..., None], pixels - 0.5, 0).astype(np.float32)
    other = cv2.remap(dataset.depths[second], places[..., 0], places[..., 1], cv2.INTER_NEAREST)
    apart = np.where(inside, np.abs(other - z) / np.abs(z), np.inf)
    seen = apart < 0.03
    looked_up = cv2.remap(dataset.pictures[second], places[..., 0], places[..., 1], cv2.INTER_LINEAR)
    colour = np.abs(looked_up - dataset.pictures[first])[seen]
    if not seen.any():
        return Agreement(inside.sum() / known.sum(), 0.0, np.inf, np.inf)
    shares = inside.sum() / known.sum(), seen.sum() / inside.sum()
    return Agreement(*shares, float(np.median(apart[seen])), float(np.median(colour)))


def times_seen(dataset: Dataset, stride: int = 4) -> np.ndarray:
    """For pixels with a depth of all the views, how many of the views see the same surface, themselves included."""
    counts = []
    for camera, depth in zip(dataset.cameras, dataset.depths, strict=True):
        part = depth[::stride, ::stride]
        known = np.isfinite(part) & (part < 100)
        rays = camera.rays()[::stride, ::stride][known]
        points = camera.position + rays * (part[known] / (rays @ camera.rotation[:, 2]))[:, None]
        count = np.zeros(len(points), int)
        for other, other_depth in zip(dataset.cameras, dataset.depths, strict=True):
            pixels, z = other.project(points)
            inside = (z > 0.05) & (pixels >= 0).all(1) & (pixels < (other.width, other.height)).all(1)
            column, row = np.floor(pixels[inside]).astype(int).T
            count[inside] += np.abs(other_depth[row, column] - z[inside]) < 0.05 * z[inside]
        counts.append(count)
    return np.concatenate(counts)
