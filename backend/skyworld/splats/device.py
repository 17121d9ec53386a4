"""Where tensors are computed."""

import torch

from skyworld.errors import UserError


def pick_device(wish: str) -> torch.device:
    """`auto` takes the GPU where there is one. Raises UserError where `cuda` is asked for in vain."""
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    if wish == "cuda" and not torch.cuda.is_available():
        hint = "Choose the device `cpu` or `auto`"
        raise UserError("there is no CUDA GPU that PyTorch can use", hint=hint, fix="device")
    return torch.device(wish)
