"""Enlarges pictures with Swin2SR, and sharpens them by enlarging them made small."""

import cv2
import numpy as np
import torch

from skyworld.errors import UserError
from skyworld.models.checkpoints.places import told
from skyworld.models.checkpoints.tiles import in_tiles
from skyworld.models.checkpoints.vram import footprint
from skyworld.models.roles import RestoreView
from skyworld.models.settings import Settings

TILE, TILE_WHEN_TILED, OVERLAP = 512, 256, 32  # px of the small picture


class Swin2SRUpscaler:
    """Role Upscaler."""

    def __init__(self, model, provenance, settings: Settings, device: torch.device):
        self.provenance, self.footprint, self.factor = provenance, footprint(model), model.config.upscale
        self._model, self._device = model.eval().to(device), device
        self._tile = TILE_WHEN_TILED if settings.tiled else TILE

    @classmethod
    def load(cls, checkpoint, settings: Settings, device: torch.device):
        from transformers import Swin2SRForImageSuperResolution

        with told(checkpoint.name):
            model = Swin2SRForImageSuperResolution.from_pretrained(
                checkpoint.folder, dtype=settings.dtype, local_files_only=True, use_safetensors=True
            )
        return cls(model, checkpoint.provenance, settings, device)

    def upscale(self, picture: np.ndarray) -> np.ndarray:
        """[H, W, 3] -> [factor H, factor W, 3]. Pictures twice as wide as high are taken to go all the way around."""
        return self._in_tiles(picture, around=picture.shape[1] == 2 * picture.shape[0])

    def _in_tiles(self, picture: np.ndarray, around: bool) -> np.ndarray:
        return in_tiles(picture, self._enlarged, self._tile, min(OVERLAP, min(picture.shape[:2]) // 2), around=around)

    @torch.no_grad()
    def _enlarged(self, tile: np.ndarray, number: int) -> np.ndarray:
        (height, width), window = tile.shape[:2], self._model.config.window_size
        whole = np.pad(tile, ((0, -height % window), (0, -width % window), (0, 0)), "symmetric")
        pixels = torch.from_numpy(whole).permute(2, 0, 1)[None].to(self._device, self._model.dtype)
        large = self._model(pixels).reconstruction[0].permute(1, 2, 0).float().cpu().numpy()
        large = large[: self.factor * height, : self.factor * width]
        if not np.isfinite(large).all():
            raise UserError(
                f"{self.provenance.name} broke down: its picture has values that are not numbers",
                hint="Hold it in float32, or choose another upscaler",
            )
        return large.clip(0, 1)


class Swin2SRRestorer(Swin2SRUpscaler):
    """Role Restorer: what a render is blurred by goes with the making small, and comes back as the model has learnt.

    Needs nothing but the picture; holes stay.
    """

    def restore(self, view: RestoreView) -> np.ndarray:
        """[H, W, 3]."""
        height, width = view.picture.shape[:2]
        shrink = max(1, self.factor // 2)
        size = (max(1, width // shrink), max(1, height // shrink))
        small = cv2.resize(view.picture.astype(np.float32), size, interpolation=cv2.INTER_AREA).clip(0, 1)
        large = self._in_tiles(small, around=False)
        return cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
