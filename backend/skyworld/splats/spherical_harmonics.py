"""Real spherical harmonics up to degree 3, in the order and with the signs of 3D Gaussian Splatting.

A colour is 0.5 + sum of coefficients times basis. The constants are those of Sloan, "Efficient Spherical
Harmonic Evaluation" (JCGT 2013), with the Condon-Shortley phase, as every 3DGS file has them.
"""

import functools
import math

import numpy as np
import torch
from torch import Tensor

DEGREE = 3
C0 = 0.28209479177387814
C1 = math.sqrt(3 / (4 * math.pi))
C2 = [math.sqrt(15 / (4 * math.pi)), math.sqrt(5 / (16 * math.pi)), math.sqrt(15 / (16 * math.pi))]
C3 = [
    math.sqrt(35 / (32 * math.pi)),
    math.sqrt(105 / (4 * math.pi)),
    math.sqrt(21 / (32 * math.pi)),
    math.sqrt(7 / (16 * math.pi)),
    math.sqrt(105 / (16 * math.pi)),
]


def degree_of(count: int) -> int:
    """Degree of `count` coefficients a channel (1, 4, 9 or 16). Raises ValueError for any other count."""
    degree = math.isqrt(count) - 1
    if (degree + 1) ** 2 != count or not 0 <= degree <= DEGREE:
        raise ValueError(f"{count} spherical harmonics coefficients are none of 1, 4, 9, 16")
    return degree


def basis(directions: Tensor, degree: int) -> Tensor:
    """Unit vectors [..., 3] -> values of the basis functions [..., (degree + 1)^2]."""
    x, y, z = directions.unbind(-1)
    values = [torch.full_like(x, C0)]
    if degree > 0:
        values += [-C1 * y, C1 * z, -C1 * x]
    if degree > 1:
        xx, yy, zz = x * x, y * y, z * z
        values += [
            C2[0] * x * y,
            -C2[0] * y * z,
            C2[1] * (2 * zz - xx - yy),
            -C2[0] * x * z,
            C2[2] * (xx - yy),
        ]
    if degree > 2:
        values += [
            -C3[0] * y * (3 * xx - yy),
            C3[1] * x * y * z,
            -C3[2] * y * (4 * zz - xx - yy),
            C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
            -C3[2] * x * (4 * zz - xx - yy),
            C3[4] * z * (xx - yy),
            -C3[0] * x * (xx - 3 * yy),
        ]
    return torch.stack(values, -1)


def colours(sh: Tensor, directions: Tensor, degree: int) -> Tensor:
    """sh [N, K, 3] seen along `directions` [N, 3] (camera to Gaussian, any length) -> colours [N, 3], not below 0."""
    if degree == 0:
        return (0.5 + C0 * sh[:, 0]).clamp_min(0.0)
    values = basis(torch.nn.functional.normalize(directions, dim=-1), degree)
    return (0.5 + torch.einsum("nk,nkc->nc", values, sh[:, : values.shape[-1]])).clamp_min(0.0)


def rotated(sh: Tensor, rotation: np.ndarray) -> Tensor:
    """Coefficients [N, K, 3] of the function turned by `rotation` [3, 3]: new(R d) = old(d).

    Each band turns within itself; its matrix follows from the band's values at a few directions.
    """
    matrix = np.zeros((sh.shape[1], sh.shape[1]))
    degree = degree_of(sh.shape[1])
    before = basis(torch.from_numpy(_SAMPLES @ rotation), degree).numpy()  # old basis at R^-1 d
    after = basis(torch.from_numpy(_SAMPLES), degree).numpy()
    for band in range(degree + 1):
        span = slice(band**2, (band + 1) ** 2)
        matrix[span, span] = np.linalg.lstsq(after[:, span], before[:, span], rcond=None)[0]
    return torch.einsum("jk,nkc->njc", torch.from_numpy(matrix).to(sh), sh)


@functools.cache
def _fibonacci(count: int) -> np.ndarray:
    """[count, 3] unit vectors spread evenly over the sphere."""
    z = 1 - (2 * np.arange(count) + 1) / count
    turn = np.arange(count) * math.pi * (3 - math.sqrt(5))
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], -1)


_SAMPLES = _fibonacci(32)
