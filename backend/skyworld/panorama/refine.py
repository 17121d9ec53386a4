"""The last part of the denoising over the finished panorama (Recipe section 2.5), one perspective view at a time."""

from collections.abc import Iterator

import cv2
import numpy as np

from skyworld.models.roles import TextToImage
from skyworld.panorama.answers import Answers
from skyworld.panorama.prompts import Prompts
from skyworld.panorama.schedule import SIDE, icosahedron
from skyworld.panorama.views import border_distance, onto, see
from skyworld.progress import Progress

BLUR = 3.0  # degrees over which the refinement sets in beside the photograph
CENTRED = 6  # power of a pixel's distance from its view's border: a view counts where it looks straight


def refine(
    picture: np.ndarray,
    keep: np.ndarray,
    text_to_image: TextToImage,
    prompts: Prompts,
    *,
    strength: float,
    seed: int,
    answers: Answers,
    side: int = SIDE,
) -> Iterator[Progress]:
    """Yields progress, returns the panorama [H, W, 3]; `keep` (bool [H, W], the photograph) stays as it is.

    What a view changes is added, not the view itself: resampling costs nothing, and where the model changes nothing
    every pixel stays. Views overlap without a seam, as each weighs less towards its border.
    """
    change, total = np.zeros_like(picture), np.full(keep.shape, 1e-9, np.float32)
    looks = icosahedron()
    for index, look in enumerate(looks):
        camera, words = look.camera(side), prompts.of(look.region)
        seen = see(picture, None, camera)[0]
        asked = {"strength": strength, "seed": seed + 1000 + index, "negative": prompts.negative}
        answer = answers.ask(
            text_to_image,
            ("refine", seen, words, asked),
            lambda seen=seen, words=words, asked=asked: text_to_image.refine(seen, words, **asked),
        )
        weight = (border_distance(camera.height, camera.width) / (camera.width / 2)) ** CENTRED
        layers = np.concatenate([(answer - seen) * weight[..., None], weight[..., None]], -1)
        for place, laid, inside in onto(layers, camera, picture.shape[1]):
            change[place] += laid[..., :3] * inside[..., None]
            total[place] += laid[..., 3] * inside
        yield Progress((index + 1) / len(looks), "Refining")
    change *= (fade_in(keep) / total)[..., None]
    return (picture + change).clip(0, 1)


def fade_in(keep: np.ndarray) -> np.ndarray:
    """[H, W] float32: 0 in `keep`, rising to 1 within BLUR degrees of it on the panorama's grid; wraps."""
    if not keep.any():
        return np.ones(keep.shape, np.float32)
    reach = BLUR / 360 * keep.shape[1]
    pad = int(reach) + 1
    away = cv2.distanceTransform(np.pad(~keep, ((0, 0), (pad, pad)), mode="wrap").astype(np.uint8), cv2.DIST_L2, 5)
    rise = (away[:, pad:-pad] / reach).clip(0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)
