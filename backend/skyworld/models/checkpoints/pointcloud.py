"""Completes renders of point clouds and Gaussians with a ControlNet that `skyworld train` made."""

from typing import Literal

import cv2
import numpy as np
import torch

from skyworld.errors import UserError
from skyworld.models.checkpoints import Checkpoint
from skyworld.models.pointcloud import components
from skyworld.models.pointcloud.sampling import sampled
from skyworld.models.roles import InpaintView, Photograph
from skyworld.models.settings import Settings

STEPS, GUIDANCE = 30, 7.5
# Pixels of the longest side that a base of 512 px still holds together.
LARGEST = 1024


class PointCloudInpainter:
    """Role Inpainter, for views whose picture is a render: what it shows where nothing is wanted is the condition."""

    schedule: Literal["anchored"] = "anchored"

    def __init__(self, checkpoint: Checkpoint, model: components.Components, settings: Settings, device: torch.device):
        self.provenance = checkpoint.provenance
        self.model, self.device = model, device
        self.steps = settings.steps or STEPS
        self.guidance = GUIDANCE if settings.guidance is None else settings.guidance
        dtype = getattr(torch, settings.precision) if device.type == "cuda" else torch.float32
        for module in model.modules:
            module.requires_grad_(False).eval().to(device, dtype)
        if settings.tiled and model.vae is not None:
            model.vae.enable_tiling()
        self.footprint = sum(p.numel() * p.element_size() for module in model.modules for p in module.parameters())

    @classmethod
    def load(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device) -> "PointCloudInpainter":
        return cls(checkpoint, components.load(checkpoint.folder, checkpoint.local_only), settings, device)

    def begin(self, photograph: Photograph) -> None:
        """Nothing of it is kept: every view tells what it needs."""

    def inpaint(self, view: InpaintView) -> np.ndarray:
        """[H, W, 3]: the view's own where it is known."""
        if not view.unknown.any():
            return view.picture
        height, width = view.unknown.shape
        size = self._size(height, width)
        picture = np.clip(np.nan_to_num(view.picture), 0, 1).astype(np.float32)
        small = _resized(picture, size)
        known = 1 - (_resized(view.unknown.astype(np.float32), size) > 0)
        condition = np.concatenate([small * known[..., None], known[..., None]], -1)
        condition, guess = (_batch(each, self.device) for each in (condition, small))
        made = sampled(
            self.model, condition, [view.prompt], steps=self.steps, guidance=self.guidance, seed=view.seed,
            negative=view.negative, strength=view.strength, guess=guess,
        )  # fmt: skip
        if not torch.isfinite(made).all():
            raise UserError(
                f"{self.provenance.name} gave a picture that is not finite", hint="Choose another precision"
            )
        made = _resized(made[0].permute(1, 2, 0).float().cpu().numpy(), (height, width)).clip(0, 1)
        return np.where(view.unknown[..., None], made, view.picture).astype(np.float32)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """What it works at: whole latents of whole blocks, at most LARGEST; a model of pixels at its own size."""
        cell = self.model.shrink * 2 ** (len(self.model.unet.config.block_out_channels) - 1)
        largest = LARGEST if self.model.vae is not None else self.model.unet.config.sample_size
        scale = min(1.0, largest / max(height, width))
        return tuple(max(cell, round(side * scale / cell) * cell) for side in (height, width))


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if picture.shape[:2] == size:
        return picture
    smaller = size[0] < picture.shape[0]
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _batch(picture: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))[None].to(device)
