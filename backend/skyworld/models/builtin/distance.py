"""The built-in distance model: needs no download and two CPU cores."""

import cv2
import numpy as np

from skyworld.models.builtin.popup import popup
from skyworld.models.builtin.room import room
from skyworld.models.builtin.segmentation import segment_ground, segment_sky
from skyworld.models.builtin.silhouettes import upsample
from skyworld.models.roles import DistanceEstimate, Provenance

WORKING_WIDTH = 1024
SKY_FACTOR, SKY_LIMITS = 4.0, (100.0, 1000.0)  # sky's shell: times the farthest content, eye heights


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
            small_sky = cv2.morphologyEx(small_sky.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))) > 0  # no cracks
        if small_sky is None or not small_sky.any():
            distance = upsample(room(small, eye_height), small, panorama)
            return DistanceEstimate(distance, np.zeros((height, width), bool))
        distance = popup(small, small_sky, segment_ground(small, small_sky), eye_height)
        shell = np.float32(
            np.clip(SKY_FACTOR * distance[~small_sky].max(initial=0), *(limit * eye_height for limit in SKY_LIMITS))
        )
        large = upsample(np.where(small_sky, shell, distance), small, panorama)
        if sky is None:
            return DistanceEstimate(large, large >= shell)
        near_sky = cv2.dilate(small_sky.astype(np.uint8), np.ones((3, 3)))
        large_sky = sky & (cv2.resize(near_sky, (width, height), interpolation=cv2.INTER_NEAREST) > 0)
        return DistanceEstimate(_with_sky(large, large_sky, shell), large_sky)


def _with_sky(distance: np.ndarray, sky: np.ndarray, shell: np.float32) -> np.ndarray:
    """Puts the sky on its shell; what is not sky, but took the shell, takes the distance of what is next below it."""
    filled = np.where(sky, shell, distance)
    for row in range(len(filled) - 2, -1, -1):
        lost = (filled[row] >= shell) & ~sky[row]
        filled[row, lost] = filled[row + 1, lost]
    return filled.astype(np.float32)


def compile_kernels() -> None:
    """Runs every kernel once, on a small street and a small room, so that numba's cache holds them."""
    rows = np.linspace(0, 1, 64, dtype=np.float32)[:, None, None]
    street = np.broadcast_to(np.where(rows < 0.5, (0.5, 0.7, 0.95), (0.4, 0.4, 0.3)), (64, 128, 3)).astype(np.float32)
    street[20:40, 30:60] = 0.6, 0.3, 0.2
    sky = np.broadcast_to(rows[..., 0] < 0.5, (64, 128)).copy()
    sky[20:40, 30:60] = False
    estimator = BuiltinDistance()
    estimator.estimate(street, eye_height=1.6, sky=sky)
    estimator.estimate(np.full_like(street, 0.7), eye_height=1.6, sky=np.zeros_like(sky))
