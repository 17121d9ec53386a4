"""How thriftily a checkpoint is held on the GPU."""

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the service reads profiles and does without torch
    import torch

STEPS = ("none", "model", "group")


@dataclass(frozen=True)
class Settings:
    """precision: of the weights and the arithmetic.

    quantisation: "fp8" keeps the weights of the denoiser and the text encoder in 8 bits, which are multiplied so where
             the card can, else widened layer by layer.
    offload: what waits in the computer's memory: "none", "model" (all but the part at work), "group" (all but the
             layers at work, the next ones on their way meanwhile).
    tiled:   the VAE works in tiles and slices.
    steps, guidance: of the denoising; None for the checkpoint's own.
    """

    precision: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    quantisation: Literal["none", "fp8"] = "none"
    offload: Literal["none", "model", "group"] = "none"
    tiled: bool = False
    steps: int | None = None
    guidance: float | None = None

    def thriftier(self) -> "Settings | None":
        """The next setting that needs less VRAM, or None."""
        if not self.tiled:
            return replace(self, tiled=True, offload=STEPS[max(1, STEPS.index(self.offload))])
        if self.offload != "group":
            return replace(self, offload="group")
        if self.quantisation == "none":
            return replace(self, quantisation="fp8")
        return None

    def fitting(self, device: "torch.device") -> "Settings":
        """These settings where the device can keep them; a warning says what it cannot."""
        if device.type != "cpu":
            return self
        able = replace(self, precision="float32", quantisation="none", offload="none")
        if able != self:
            warnings.warn("on the CPU, checkpoints work in float32 and are not off-loaded", stacklevel=3)
        return able

    @property
    def dtype(self) -> "torch.dtype":
        import torch

        return getattr(torch, self.precision)
