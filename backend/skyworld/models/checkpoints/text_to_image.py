"""Makes pictures from words, and goes over pictures once more, with a text-to-image pipeline of diffusers."""

import contextlib
import math

import numpy as np

from skyworld.models.checkpoints.architectures import TEXT_TO_IMAGE
from skyworld.models.checkpoints.around import closed_decoding, rolled
from skyworld.models.checkpoints.diffusion import Diffusion, of_same_parts
from skyworld.models.checkpoints.tiles import in_tiles

OVERLAP = 128  # px that tiles of a refinement share


class DiffusionTextToImage(Diffusion):
    """Role TextToImage."""

    architectures = TEXT_TO_IMAGE

    def __init__(self, pipe, architecture, *rest, panoramic: bool = False):
        super().__init__(pipe, architecture, *rest, panoramic=panoramic)
        self._refiner = of_same_parts(architecture.refine, pipe)
        if panoramic and not architecture.flow:
            pipe.scheduler = _without_memory(pipe.scheduler)

    def imagine(self, prompt: str, width: int, height: int, *, seed: int, negative: str = "") -> np.ndarray:
        """[height, width, 3]. Where `panoramic`, the left and the right edge meet."""
        cell = self.architecture.cell
        rows, columns = math.ceil(height / cell), math.ceil(width / cell)
        asked = {"width": columns * cell, "height": rows * cell, "num_inference_steps": self.step_count}
        closing = contextlib.nullcontext()
        if self.panoramic:
            asked["callback_on_step_end"] = rolled(columns)
            closing = closed_decoding(self.pipe.vae)
        with closing:
            picture = self.run(self.pipe, self.words(prompt, negative), seed, **asked)
        return picture[:height, :width]

    def refine(self, picture: np.ndarray, prompt: str, *, strength: float, seed: int, negative: str = "") -> np.ndarray:
        """[H, W, 3]. Pictures twice as wide as high are taken to go all the way around; large ones go in tiles."""
        height, width = picture.shape[:2]
        if strength <= 0:
            return picture
        words = self.words(prompt, negative)

        def once(tile: np.ndarray, number: int) -> np.ndarray:
            return self._refined(tile, words, strength, seed + number)

        side = math.isqrt(self.architecture.most)
        around = self.panoramic or width == 2 * height
        return in_tiles(picture, once, side, min(OVERLAP, min(height, width) // 4), around=around)

    def _refined(self, tile: np.ndarray, words: dict, strength: float, seed: int) -> np.ndarray:
        cell = self.architecture.cell
        height, width = tile.shape[:2]
        padded = np.pad(tile, ((0, -height % cell), (0, -width % cell), (0, 0)), "edge")
        asked = {"image": self.given(padded.clip(0, 1)), **self.architecture.denoising(self.step_count, strength)}
        if self.architecture.refine.endswith("InpaintPipeline"):
            asked["mask_image"] = self.given(np.ones(padded.shape[:2], np.float32))
        if self.architecture.flow:
            asked |= {"width": padded.shape[1], "height": padded.shape[0]}
        return self.run(self._refiner, words, seed, **asked)[:height, :width]


def _without_memory(scheduler):
    """A scheduler that does not mix in earlier steps, which lay elsewhere on the circle."""
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler.from_config(scheduler.config)
