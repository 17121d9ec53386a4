"""The built-in distance model: needs no download and two CPU cores."""

import cv2
import numpy as np

from skyworld.models.builtin.popup import popup
from skyworld.models.builtin.room import room
from skyworld.models.builtin.segmentation import segment_ground, segment_sky
from skyworld.models.builtin.silhouettes import upsample
from skyworld.models.roles import DistanceEstimate, Provenance

WORKING_WIDTH = 1024
SKY_FACTOR, SKY_LIMIT = 4.0, 1000.0  # sky's shell: times the farthest content, eye heights at most


class BuiltinDistance:
    """Pop-up outdoors, fitted box indoors; everything scales with the eye height."""

    provenance = Provenance("depth", "SkyWorld built-in distance", "1", "GPL-3.0-or-later", builtin=True)

    def estimate(self, panorama: np.ndarray, *, eye_height: float, sky: np.ndarray | None = None) -> DistanceEstimate:
        """panorama [H, W, 3] float32; sky bool [H, W] where known (all False: indoors); eye_height in metres."""
        height, width = panorama.shape[:2]
        size = (WORKING_WIDTH, WORKING_WIDTH // 2)
        small = cv2.resize(np.ascontiguousarray(panorama, np.float32), size, interpolation=cv2.INTER_AREA)
        if sky is None:
            small_sky = segment_sky(small)
        else:
            small_sky = cv2.resize(sky.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
            small_sky = small_sky if small_sky.any() else None
        if small_sky is None:
            distance = upsample(room(small, eye_height), small, panorama)
            return DistanceEstimate(distance, np.zeros((height, width), bool))
        ground = segment_ground(small, small_sky)
        distance = popup(small, small_sky, ground, eye_height)
        shell = min(SKY_FACTOR * distance[~small_sky].max(), SKY_LIMIT * eye_height)
        distance = np.where(small_sky, np.float32(shell), distance)
        large = upsample(distance, small, panorama)
        large_sky = large >= shell if sky is None else sky
        return DistanceEstimate(_with_sky(large, large_sky, np.float32(shell)), large_sky)


def _with_sky(distance: np.ndarray, sky: np.ndarray, shell: np.float32) -> np.ndarray:
    """Puts the sky on its shell, and gives what is not sky, but took its distance from it, that of the rows below."""
    lost = (distance >= shell) & ~sky
    filled = distance.copy()
    for _ in range(8):
        if not lost.any():
            break
        below = np.roll(filled, -1, 0)
        filled = np.where(lost, below, filled)
        lost &= filled >= shell
    filled[lost] = distance[~sky].max() if not lost.all() and (~sky & ~lost).any() else shell
    return np.where(sky, shell, filled).astype(np.float32)
