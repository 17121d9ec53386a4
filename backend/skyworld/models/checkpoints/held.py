"""What models of transformers have in common here: how one is loaded, where it waits, how a picture goes in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn.functional import interpolate

from skyworld.errors import UserError
from skyworld.models.checkpoints import Checkpoint
from skyworld.models.checkpoints.places import told
from skyworld.models.settings import Settings

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def load_model(auto: type, folder, name: str, settings: Settings, device: torch.device, **more) -> torch.nn.Module:
    """A model by one of transformers' Auto classes. UserError where weights are damaged or not all there."""
    with told(name):
        model, found = auto.from_pretrained(
            folder, local_files_only=True, dtype=settings.dtype, output_loading_info=True, **more
        )
    if found["missing_keys"]:
        lacks = ", ".join(sorted(found["missing_keys"])[:2])
        raise UserError(
            f"{name} lacks {len(found['missing_keys'])} of its weights ({lacks}, ...)", hint="Download the model again"
        )
    return model.eval().requires_grad_(False).to(device if settings.offload == "none" else "cpu")


class Held:
    """An adapter over models that are on the GPU while they work, and in memory meanwhile if that is to be saved."""

    def __init__(self, checkpoint: Checkpoint, settings: Settings, device: torch.device, *models: torch.nn.Module):
        self.provenance = checkpoint.provenance
        self.footprint = sum(p.numel() * p.element_size() for model in models for p in model.parameters())
        self._models, self._settings, self._device = models, settings, device

    @contextmanager
    def at_work(self) -> Iterator[tuple[torch.nn.Module, ...]]:
        """The models on the device."""
        waits = self._settings.offload != "none"
        try:
            with torch.inference_mode():
                yield tuple(model.to(self._device) for model in self._models) if waits else self._models
        finally:
            if waits:
                for model in self._models:
                    model.to("cpu")

    def pixels(
        self, picture: np.ndarray, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]
    ) -> torch.Tensor:
        """[H, W, 3], 0 to 1 -> [1, 3, height, width] of `size`, normalised, on the device in the weights' precision."""
        picture = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)[None]
        resized = interpolate(picture, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
        mean, std = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (mean, std))
        return ((resized - mean) / std).to(self._device, self._settings.dtype)

    def finite(self, values: torch.Tensor, what: str) -> torch.Tensor:
        """The same in float32. UserError where one is not a number."""
        if torch.isnan(values).any():
            raise UserError(
                f"{self.provenance.name} gave {what} that is not a number",
                hint="Its weights may be damaged: run `skyworld models verify`, or choose another model",
            )
        return values.float()
