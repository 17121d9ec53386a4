"""Completes views with an inpainting or editing pipeline of diffusers."""

from typing import Literal

import cv2
import numpy as np

from skyworld.models.builtin.pyramid import pull_push
from skyworld.models.checkpoints.architectures import INPAINT
from skyworld.models.checkpoints.around import margins_alike
from skyworld.models.checkpoints.diffusion import Diffusion
from skyworld.models.roles import InpaintView, Photograph

MARGIN = 4  # cells of the other side shown beyond each edge of a view all the way around


class DiffusionInpainter(Diffusion):
    """Role Inpainter. Equirectangular views are taken too; they are what a checkpoint is trained for if `panoramic`."""

    schedule: Literal["anchored"] = "anchored"
    architectures = INPAINT

    def begin(self, photograph: Photograph) -> None:
        """Nothing of it is kept: every view tells what it needs."""

    def inpaint(self, view: InpaintView) -> np.ndarray:
        """[H, W, 3]: exactly the view's own where it is known."""
        picture, unknown = np.asarray(view.picture, np.float32), view.unknown
        if not unknown.any():
            return picture
        shown = np.nan_to_num(picture).clip(0, 1)
        if view.strength == 1:
            shown = _filled(shown, unknown)
        canvas, wanted, place, asked = self._laid(shown, unknown, around=self._closes(view))
        image = self.given(canvas)
        answer = self.run(
            self.pipe,
            self.words(view.prompt, view.negative, image),
            view.seed,
            image=image,
            mask_image=self.given(wanted.astype(np.float32)),
            **self._size(wanted),
            **self.architecture.denoising(self.step_count, view.strength),
            **asked,
        )
        answer = _resized(answer, canvas.shape[:2])[place]
        return np.where(unknown[..., None], _resized(answer, unknown.shape).clip(0, 1), picture)

    def _closes(self, view: InpaintView) -> bool:
        """Whether the view goes all the way around and the pipeline keeps the size that it is given."""
        return view.camera.model == "equirect" and not self.architecture.exact

    def _size(self, canvas: np.ndarray) -> dict:
        return {} if self.architecture.exact else {"width": canvas.shape[1], "height": canvas.shape[0]}

    def _laid(self, shown: np.ndarray, unknown: np.ndarray, *, around: bool):
        """On a canvas of whole cells: picture, what is wanted (by whole cells), where the view lies, more arguments."""
        cell = self.architecture.cell
        margin = MARGIN * cell if around else 0
        height, width = self.architecture.working_size(*unknown.shape, margin)
        if around:
            width = max(1, width // cell) * cell
        shown = _resized(shown, (height, width))
        unknown = _resized(unknown.astype(np.float32), (height, width)) > 0
        below, right = -height % cell, -width % cell
        sides = ((0, 0), (margin, margin + right))
        shown = np.pad(shown, (*sides, (0, 0)), "wrap" if around else "edge")
        shown = np.pad(shown, ((0, below), (0, 0), (0, 0)), "edge")
        unknown = np.pad(np.pad(unknown, sides, "wrap") if around else np.pad(unknown, sides), ((0, below), (0, 0)))
        wanted = unknown.reshape(-1, cell, unknown.shape[1] // cell, cell).any((1, 3)).repeat(cell, 0).repeat(cell, 1)
        columns = unknown.shape[1] // cell
        asked = {"callback_on_step_end": margins_alike(columns, MARGIN)} if around else {}
        return shown, wanted, np.s_[:height, margin : margin + width], asked


def _filled(picture: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Smoothly continued from what is known; at a quarter of the size, for it is smooth."""
    height, width = unknown.shape
    size = (max(1, width // 4), max(1, height // 4))
    known = cv2.resize((~unknown).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
    if not known.any():
        return pull_push(picture, ~unknown)
    small = pull_push(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), known)
    return np.where(unknown[..., None], cv2.resize(small, (width, height)), picture)


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if picture.shape[:2] == size:
        return picture
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
