"""Numbers in few bits, as several splat formats share them."""

import numpy as np
import torch
from torch import Tensor

from skyworld.splats.formats.checks import slices
from skyworld.splats.spherical_harmonics import C0

# An 8-bit opacity of 0 or 1 has an infinite logit; this keeps it finite and still rounds back to the same byte.
OPACITY_MARGIN = 1e-6
HALF_SQRT2 = np.float32(0.5**0.5)
_OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])


def logits(opacities: np.ndarray) -> np.ndarray:
    """Opacities 0..1 -> finite logits."""
    clear = np.clip(opacities.astype(np.float64), OPACITY_MARGIN, 1 - OPACITY_MARGIN)
    return np.log(clear / (1 - clear))


def opacities(logits: np.ndarray) -> np.ndarray:
    """Logits -> 0..1."""
    return 0.5 + 0.5 * np.tanh(0.5 * logits)


# The 256 logits that an opacity in one byte can mean.
BYTE_LOGITS = logits(np.arange(256) / 255).astype(np.float32)


def colours(sh0: np.ndarray) -> np.ndarray:
    """DC harmonics -> sRGB-encoded colours, 0..1 where they can be shown."""
    return sh0 * np.float32(C0) + np.float32(0.5)


def from_colours(rgb: np.ndarray) -> np.ndarray:
    return (rgb - 0.5) / C0


def rounded(values: np.ndarray) -> np.ndarray:
    """Values -> nearest uint8, clamped to 0..255."""
    return (np.clip(values, 0, 255) + 0.5).astype(np.uint8)


def unit(quats: np.ndarray) -> np.ndarray:
    """Quaternions wxyz [n, 4] of any length -> unit length; the zero quaternion -> no rotation."""
    lengths = np.sqrt(np.einsum("ij,ij->i", quats, quats, dtype=np.float64))[:, None]
    return np.where(lengths > 1e-12, quats / np.maximum(lengths, 1e-12), (1, 0, 0, 0)).astype(np.float32)


def smallest_three(quats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit quaternions [n, 4] -> index [n] of the largest component, the other three [n, 3] within +-sqrt(1/2).

    q and -q are one rotation, so the sign is chosen that makes the largest component positive.
    """
    largest = np.abs(quats).argmax(1)
    rows = np.arange(len(quats))
    signs = np.where(quats[rows, largest] < 0, np.float32(-1), np.float32(1))
    return largest, quats[rows[:, None], _OTHERS[largest]] * signs[:, None]


def from_smallest_three(largest: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The inverse: unit quaternions [n, 4] in the component order that was packed."""
    quats = np.empty((len(rest), 4), np.float32)
    np.put_along_axis(quats, _OTHERS[largest], rest, 1)
    top = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", rest, rest)))
    quats[np.arange(len(rest)), largest] = top
    return quats


def morton_order(means: Tensor) -> Tensor:
    """Indices [n] that walk `means` [n, 3] along a Z-order curve of 2^21 cells an axis: neighbours stay together."""
    low, high = torch.aminmax(means, dim=0)
    scale = (2**21 - 1) / (high - low).clamp_min(1e-30)
    codes = torch.empty(len(means), dtype=torch.int64, device=means.device)
    for part in slices(len(means)):
        bits = ((means[part] - low) * scale).long()
        # Each step doubles the gaps between the bits: 21 bits end two apart.
        for shift, mask in (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ):
            bits = (bits | bits << shift) & mask
        codes[part] = bits[:, 0] | bits[:, 1] << 1 | bits[:, 2] << 2
    return torch.argsort(codes, stable=True)
