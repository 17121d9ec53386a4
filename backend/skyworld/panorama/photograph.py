"""From a picture to a photograph that knows where it looks."""

import cv2
import numpy as np

from skyworld.camera import Camera, turned
from skyworld.models.roles import Photograph
from skyworld.panorama.sky_matte import could_be_ceiling, sky_matte, straight_edged
from skyworld.panorama.vanishing import field_of_view, find_segments, pitch_of

USUAL_FOV = 60.0  # degrees
STEEPEST = np.radians(35)  # no horizon is believed that would need a steeper camera


def analyse(
    picture: np.ndarray,
    *,
    fov_degrees: float | None = None,
    pitch_degrees: float | None = None,
    exif_fov: float | None = None,
) -> Photograph:
    """Camera and sky of a picture [h, w, 3].

    The horizontal field of view is the one given (None or 0: not given), else the one from EXIF, else
    what vanishing lines tell, else 60 degrees. The pitch is the one given, else outdoors from the
    lowest reach of the sky, indoors from upright lines, else level. The camera stands at the origin.
    """
    picture = np.ascontiguousarray(picture, np.float32)
    height, width = picture.shape[:2]
    sky = sky_matte(picture)
    segments = find_segments(picture)
    seen_fov = field_of_view(segments)
    if sky is not None and could_be_ceiling(picture, sky) and (seen_fov or straight_edged(sky)):
        sky = None
    fov = np.radians(fov_degrees or exif_fov or 0) or seen_fov or np.radians(USUAL_FOV)
    if pitch_degrees is not None:
        pitch = np.radians(pitch_degrees)
    elif sky is not None:
        pitch = horizon_pitch(sky, fov)
    else:
        pitch = pitch_of(segments, fov) or 0.0
    camera = Camera.pinhole(turned((0, 0, 0), pitch=pitch), fov, width, height)
    outdoor = sky is not None
    return Photograph(picture, camera, outdoor, sky if outdoor else np.zeros((height, width), np.float32))


def horizon_pitch(sky: np.ndarray, fov: float) -> float:
    """Pitch in radians if the lowest reach of the sky [h, w] is the horizon; fov in radians."""
    height, width = sky.shape
    small = cv2.resize(sky, (128, 128), interpolation=cv2.INTER_AREA) > 0.5
    lowest = 127 - np.argmax(small[::-1], 0)[small.any(0)]
    if not lowest.size:
        return 0.0
    row = np.percentile(lowest, 90) / 128 + 0.01
    focal = width / 2 / np.tan(fov / 2)
    return float(np.clip(np.arctan2((row - 0.5) * height, focal), -STEEPEST, STEEPEST))
