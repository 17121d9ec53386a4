"""Coloured points such as structure from motion would give: on texture, noisy in depth, some of them wrong."""

import cv2
import numpy as np

from skyworld.camera import Camera

DEPTH_NOISE = 0.015  # standard deviation, of the depth
OUTLIERS = 0.02
FARTHEST = 400.0  # metres; parallax does not tell what lies beyond


def initial_points(
    views: list[tuple[Camera, np.ndarray, np.ndarray]], most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """xyz [P, 3] float32 metres and rgb [P, 3] uint8 with P <= most.

    views: camera, picture [H, W, 3] uint8, depth [H, W] camera z with inf for the sky.
    """
    taken = [_textured(*view, 6 * most // len(views), rng) for view in views]
    eye, offset, rgb = (np.concatenate(part) for part in zip(*taken, strict=True))
    order = rng.permutation(len(eye))
    edge = 0.005
    while len(order) > most:
        edge *= 1.1
        cells = np.floor((eye[order] + offset[order]) / edge).astype(np.int64)
        order = order[np.sort(np.unique(cells, axis=0, return_index=True)[1])]
    # What is wrong stands alone in its voxel: made before the thinning, it would be more than its share.
    scale = 1 + DEPTH_NOISE * rng.normal(size=len(order))
    wrong = rng.random(len(order)) < OUTLIERS
    scale[wrong] *= np.exp(rng.uniform(-1.2, 0.7, wrong.sum()))
    return (eye[order] + offset[order] * scale[:, None]).astype(np.float32), rgb[order]


def _textured(camera: Camera, picture, depth, count: int, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eyes, ways from there to points and colours, [N, 3] each, at pixels drawn by the strength of their gradient."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    strength = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    # Square root: corners first, and yet something on every surface.
    weight = np.where(depth < FARTHEST, np.sqrt(np.maximum(strength - 8, 0)), 0).ravel()
    count = min(count, np.count_nonzero(weight))
    at = rng.choice(weight.size, count, replace=False, p=weight / weight.sum())
    rays = camera.rays().reshape(-1, 3)[at]
    offset = rays * (depth.ravel()[at] / (rays @ camera.rotation[:, 2]))[:, None]
    return np.broadcast_to(camera.position, offset.shape), offset, picture.reshape(-1, 3)[at]
