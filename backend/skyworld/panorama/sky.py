"""Where a panorama shows sky, as a segmenter finds it in perspective views."""

import cv2
import numpy as np

from skyworld.camera import resample_view
from skyworld.models.roles import Segmenter
from skyworld.panorama.schedule import icosahedron
from skyworld.panorama.views import border_distance, onto

SIDE = 768  # px of a view
STEEPEST = np.sin(np.radians(-40))  # views that look lower show no sky


def segmented_sky(panorama: np.ndarray, segmenter: Segmenter) -> np.ndarray:
    """bool [H, W]: the views' opinions, each counting more where it looks straighter."""
    height, width = panorama.shape[:2]
    votes, total = np.zeros((height, width), np.float32), np.full((height, width), 1e-9, np.float32)
    for look in icosahedron():
        if np.sin(np.radians(look.pitch)) < STEEPEST:
            continue
        camera = look.camera(SIDE)
        sky = segmenter.segment(resample_view(panorama, camera), ("sky",))[0]
        weight = border_distance(SIDE, SIDE) ** 2
        for place, laid, inside in onto(np.stack([sky * weight, weight], -1), camera, width):
            votes[place] += laid[..., 0] * inside
            total[place] += laid[..., 1] * inside
    sky = votes / total > 0.5
    return cv2.medianBlur(sky.astype(np.uint8), 3) > 0
