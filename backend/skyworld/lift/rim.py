"""The rim of a hole in a rendered view: its far side is what goes on behind the near one."""

import cv2
import numpy as np

# How much nearer than the farthest around it a pixel of the rim may be and still belong to the far side.
SAME = 1.15


def far_side(inverse: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Known pixels (bool [h, w]) that are among the farthest about them, by inverse depth [h, w].

    About: across the hole, wherever they lie at its rim; else within 3 px.
    """
    inverse = np.where(hole, np.float32(1e9), inverse).astype(np.float32)
    far = ~hole & (inverse / SAME <= cv2.erode(inverse, np.ones((7, 7), np.uint8)))
    inside = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    rim = np.where(~hole & (cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0), inverse, np.float32(1e9))
    radius = 4
    while radius <= inside.max():
        wide = (inside >= radius).astype(np.uint8)
        beside = cv2.dilate(wide, np.ones((4 * radius + 5,) * 2, np.uint8)) > 0
        farthest = cv2.erode(rim, np.ones((8 * radius + 5,) * 2, np.uint8))
        # A wider hole has more of the far surface's own slope at its rim.
        far &= ~beside | (inverse / (SAME + 0.04 * radius**0.5) <= farthest)
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
