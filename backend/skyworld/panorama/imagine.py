"""Worlds from a sentence: a first view, or with a panoramic model the whole sphere at once."""

import cv2
import numpy as np

from skyworld.models.roles import Photograph, TextToImage
from skyworld.panorama.photograph import analyse
from skyworld.panorama.schedule import SIDE

FIELD = 85.0  # degrees of the first view, those of the horizon's views
SEAM = 3.0  # degrees on either side of the ends of an imagined panorama, which need not meet


def first_view(text_to_image: TextToImage, prompt: str, seed: int, negative: str = "") -> Photograph:
    """The picture that the sentence makes, taken for a photograph of 85 degrees."""
    picture = text_to_image.imagine(prompt, SIDE, SIDE, seed=seed, negative=negative)
    return analyse(picture, fov_degrees=FIELD)


def whole_sphere(text_to_image: TextToImage, prompt: str, width: int, seed: int, negative: str = "") -> np.ndarray:
    """[width / 2, width, 3] of a panoramic model, at its own 2048 x 1024 or less, resized around the wrap."""
    side = min(width, 2 * SIDE)
    picture = np.asarray(text_to_image.imagine(prompt, side, side // 2, seed=seed, negative=negative), np.float32)
    times = width // side
    if times == 1:
        return picture.clip(0, 1)
    wrapped = np.concatenate([picture[:, -4:], picture, picture[:, :4]], 1)
    large = cv2.resize(wrapped, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    return large[:, 4 * times : -4 * times].clip(0, 1)


def seam(width: int) -> np.ndarray:
    """bool [width / 2, width]: the strip where the ends meet."""
    columns = (np.arange(width) + 0.5) / width * 360 - 180
    return np.broadcast_to(180 - np.abs(columns) < SEAM, (width // 2, width))
