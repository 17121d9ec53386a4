"""The rim of a hole in a rendered view: its far side is what goes on behind the near one."""

import cv2
import numpy as np

# How much nearer than the farthest within 3 px a pixel of the rim may be and still belong to the far side; how much
# farther than the nearest across the hole it must be.
SAME, APART = 1.15, 1.3


def far_side(inverse: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Pixels within 3 px of the hole (bool [h, w]) that lie behind what else is around it, by inverse depth [h, w].

    Where all around it is about as far, all of them.
    """
    within = cv2.dilate(hole.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    lowest = np.where(~hole, inverse, np.float32(1e9)).astype(np.float32)
    far = within & ~hole & (lowest <= SAME * cv2.erode(lowest, np.ones((7, 7), np.uint8)))
    rim = within & ~hole
    lowest, highest = np.where(rim, inverse, 1e9).astype(np.float32), np.where(rim, inverse, 0).astype(np.float32)
    inside = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    radius = 2
    while radius <= inside.max():  # holes of this half width, and up to twice as wide
        beside = cv2.dilate((inside >= radius).astype(np.uint8), np.ones((4 * radius + 9,) * 2, np.uint8)) > 0
        window = np.ones((8 * radius + 9,) * 2, np.uint8)
        first, last = cv2.dilate(highest, window), cv2.erode(lowest, window)
        far &= ~beside | (APART * inverse <= first) | (first <= APART * last)
        radius *= 2
    return far


def nearest(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column [h, w] of the known pixel that is nearest to each pixel."""
    unknown = (~known).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros((labels.max() + 1, 2), np.int64)
    places[labels[known]] = np.argwhere(known)
    return places[labels, 0], places[labels, 1]


def continued(inverse: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Inverse depth [h, w], in the hole that of the far side of its rim; smoothed there, but not across a step."""
    far = far_side(inverse, hole)
    if not far.any():
        return inverse
    rows, columns = nearest(far)
    filled = np.where(hole, inverse[rows, columns], inverse).astype(np.float32)
    sigma = max(1.0, 0.01 * hole.shape[1])
    weight = (hole | far).astype(np.float32)
    smooth = cv2.GaussianBlur(filled * weight, (0, 0), sigma) / np.maximum(
        cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6
    )
    smooth = np.clip(smooth, filled / SAME, filled * SAME)
    return np.where(hole, smooth, inverse).astype(np.float32)
