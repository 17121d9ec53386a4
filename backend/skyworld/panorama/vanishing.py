"""Field of view and pitch of a photograph from the straight lines in it.

Among upright walls the segments of a picture run towards three vanishing points at right angles
("Manhattan world", Coughlan and Yuille 1999): one hypothesis of focal length, pitch and heading says
where they lie, and the hypothesis that most segment length agrees with wins.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 1000  # px: the longer side at which segments are looked for
SHORTEST = 40  # px
SHARPNESS = 0.02  # radians: how exactly a segment must run towards its vanishing point
FOVS = np.radians(np.arange(40, 111, 5))
PITCHES = np.radians(np.arange(-24, 24.1, 2))
HEADINGS = np.radians(np.arange(-45, 45, 2))


@dataclass(frozen=True)
class Segments:
    """middle [n, 2] from the picture's centre, direction [n, 2] (unit), length [n]; y downward, unit the width."""

    middle: np.ndarray
    direction: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        return len(self.length)

    def where(self, keep: np.ndarray) -> "Segments":
        return Segments(self.middle[keep], self.direction[keep], self.length[keep])

    def towards(self, point: np.ndarray) -> np.ndarray:
        """[..., n], 0 to 1: how well each segment runs towards homogeneous image points [..., 3]."""
        way = point[..., None, :2] - point[..., None, 2:] * self.middle
        cross = way[..., 0] * self.direction[:, 1] - way[..., 1] * self.direction[:, 0]
        off = cross / np.maximum(np.hypot(way[..., 0], way[..., 1]), 1e-9)
        return np.exp(-((off / SHARPNESS) ** 2))


def find_segments(picture: np.ndarray) -> Segments:
    """Straight edges of a picture [h, w, 3] (Line Segment Detector, von Gioi et al. 2010), the longest 200."""
    scale = SIDE / max(picture.shape[:2])
    small = cv2.resize(
        picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    grey = (cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) * 255).astype(np.uint8)
    lines = cv2.createLineSegmentDetector().detect(grey)[0]
    lines = np.zeros((0, 4)) if lines is None else lines.reshape(-1, 4).astype(np.float64)
    along = lines[:, 2:] - lines[:, :2]
    length = np.hypot(along[:, 0], along[:, 1])
    keep = np.argsort(-length, kind="stable")[:200]
    keep = keep[length[keep] > SHORTEST]
    lines, along, length = lines[keep], along[keep], length[keep]
    height, width = grey.shape
    middle = (lines[:, :2] + lines[:, 2:]) / 2 + 0.5 - (width / 2, height / 2)
    return Segments(middle / width, along / length[:, None], length / width)


def pitch_of(segments: Segments, fov: float) -> float | None:
    """Pitch in radians from the vertical vanishing point; None with too few upright segments to tell."""
    upright = segments.where(np.abs(segments.direction[:, 0]) < 0.35 * np.abs(segments.direction[:, 1]))
    if len(upright) < 16:
        return None
    pitches = np.radians(np.arange(-35, 35.1, 0.5))
    agreement = upright.towards(_vertical(0.5 / np.tan(fov / 2), pitches)) @ upright.length
    return float(pitches[np.argmax(agreement * (1 - 0.3 * np.abs(pitches)))])


def field_of_view(segments: Segments) -> float | None:
    """Horizontal field of view in radians; None where the lines do not tell it clearly."""
    if len(segments) < 24:
        return None
    score = np.array([_best_agreement(segments, fov) for fov in FOVS])
    best = int(np.argmax(score))
    share = score[best] / segments.length.sum()
    unlike = score[np.abs(np.arange(len(FOVS)) - best) >= 3]
    if share < 0.45 or score[best] < 1.08 * unlike.max() or best in (0, len(FOVS) - 1):
        return None
    left, middle, right = score[best - 1 : best + 2]
    shift = 0.5 * (left - right) / min(left - 2 * middle + right, -1e-9)
    return float(FOVS[best] + np.clip(shift, -0.5, 0.5) * (FOVS[1] - FOVS[0]))


def _best_agreement(segments: Segments, fov: float) -> float:
    """Segment length in agreement with the best pitch and heading; both horizontal axes must have their share."""
    f = 0.5 / np.tan(fov / 2)
    pitch, heading = np.meshgrid(PITCHES, HEADINGS, indexing="ij")
    up = segments.towards(_vertical(f, PITCHES))[:, None]
    one, other = (segments.towards(_horizontal(f, pitch, heading + turn)) for turn in (0, np.pi / 2))
    along = np.maximum(np.maximum(up, one), other)
    total = along @ segments.length
    weaker = np.minimum(
        np.where(one >= along, one, 0) @ segments.length, np.where(other >= along, other, 0) @ segments.length
    )
    return float((total * (weaker > 0.05 * segments.length.sum())).max())


def _vertical(f: float, pitch: np.ndarray) -> np.ndarray:
    """Homogeneous image point [n, 3] (y downward) of the world's vertical for a camera that looks up by `pitch`."""
    return np.stack([0 * pitch, -f * np.cos(pitch), np.sin(pitch)], -1)


def _horizontal(f: float, pitch: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Homogeneous image point [..., 3] of a level direction at `heading` to the right."""
    ahead = np.cos(heading)
    return np.stack([f * np.sin(heading), f * np.sin(pitch) * ahead, np.cos(pitch) * ahead], -1)
