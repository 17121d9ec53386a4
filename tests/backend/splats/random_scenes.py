"""Small scenes that the tests of this folder share."""

import numpy as np
import torch

from skyworld.camera import Camera, turned
from skyworld.splats import Gaussians

CAMERA = Camera(turned((0.1, -0.2, 0.05), 0.1, -0.05, 0.2), np.array([[50.0, 0, 35], [0, 52, 30], [0, 0, 1]]), 70, 64)


def random_gaussians(seed: int, count: int = 300, degree: int = 0) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    means = normal(count, 3)
    means[:, 1] = means[:, 1].abs() * 2 + 2
    scales = torch.rand(count, 3, generator=generator) * 0.12 + 0.02
    return Gaussians(
        means, scales.log(), normal(count, 4), normal(count) * 2, normal(count, (degree + 1) ** 2, 3) * 0.3
    )


def one_gaussian(position=(0.0, 2.0, 0.0), sigma=0.1, opacity=0.9, colour=0.8) -> Gaussians:
    return Gaussians(
        torch.tensor([position]),
        torch.full((1, 3), float(np.log(sigma))),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.logit(torch.tensor([opacity])),
        torch.full((1, 1, 3), (colour - 0.5) / 0.28209479177387814),
    )
