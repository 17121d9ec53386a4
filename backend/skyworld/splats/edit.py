"""Cropping, merging and placing Gaussians."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians


def crop_box(gaussians: Gaussians, low: Sequence[float], high: Sequence[float], *, outside: bool = False) -> Gaussians:
    """Those whose means lie in the box low..high (world axes, metres, bounds included), or `outside` of it."""
    low, high = (torch.tensor(corner).to(gaussians.means) for corner in (low, high))
    if not bool((low <= high).all()):
        raise UserError(f"the box from {low.tolist()} to {high.tolist()} is inside out", hint="Swap its corners")
    inside = ((gaussians.means >= low) & (gaussians.means <= high)).all(1)
    return gaussians[~inside if outside else inside]


def crop_sphere(gaussians: Gaussians, centre: Sequence[float], radius: float, *, outside: bool = False) -> Gaussians:
    """Those whose means are at most `radius` metres from `centre`, or farther (`outside`)."""
    if not radius > 0:
        raise UserError(f"a sphere with the radius {radius} holds nothing", hint="Choose a radius above 0")
    inside = (gaussians.means - torch.tensor(centre).to(gaussians.means)).norm(dim=1) <= radius
    return gaussians[~inside if outside else inside]


def limited(gaussians: Gaussians, degree: int) -> Gaussians:
    """Without the harmonics above `degree`."""
    return replace(gaussians, sh=gaussians.sh[:, : (degree + 1) ** 2])


def merge(parts: Sequence[Gaussians]) -> Gaussians:
    """One after the other, as `Gaussians.concatenate`; warns about extra columns that not all of them have."""
    if len(parts) == 1:
        return parts[0]
    names = [set(part.extra) for part in parts]
    lost = sorted(set().union(*names) - set.intersection(*names)) if names else []
    if lost:
        warnings.warn(f"Not all parts have the extra columns {', '.join(lost)}: they were left out.", stacklevel=2)
    return Gaussians.concatenate(parts)


def placement(
    *,
    translate: Sequence[float] = (0, 0, 0),
    axis: Sequence[float] = (0, 0, 1),
    degrees: float = 0.0,
    scale: float = 1.0,
) -> np.ndarray:
    """Matrix [4, 4] for `Gaussians.transformed`: scaled about the origin, turned about `axis`, then moved (metres).

    The turn is right-handed (Rodrigues' formula). Raises UserError for an axis of no length or a scale of 0 or less.
    """
    direction = np.asarray(axis, np.float64)
    length = np.linalg.norm(direction)
    if length == 0 or not scale > 0:
        raise UserError(f"cannot turn about {list(axis)} or scale by {scale}", hint="Give an axis, and a scale above 0")
    x, y, z = direction / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = math.radians(degrees)
    matrix = np.eye(4)
    matrix[:3, :3] = scale * (np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross)
    matrix[:3, 3] = translate
    return matrix
