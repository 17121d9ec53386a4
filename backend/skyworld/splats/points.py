"""From coloured points to the Gaussians that fitting starts with."""

import numpy as np
import torch
from scipy.spatial import cKDTree

from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.spherical_harmonics import C0


def gaussians_of_points(
    points: np.ndarray, colours: np.ndarray, *, degree: int = 3, opacity: float = 0.1, size: float = 1.0
) -> Gaussians:
    """Round Gaussians at points [P, 3] (metres) in colours [P, 3] (0 to 1), as 3DGS begins.

    Standard deviation: `size` x root of the mean squared distance to the three nearest neighbours.
    Raises UserError for fewer than four points.
    """
    if len(points) < 4:
        raise UserError(f"{len(points)} points are too few to begin with", hint="Give at least four, better thousands")
    distances = cKDTree(points).query(points, k=4, workers=-1)[0][:, 1:]
    sigma = size * np.sqrt(np.maximum((distances**2).mean(1), 1e-14))
    count = len(points)
    sh = torch.zeros(count, (degree + 1) ** 2, 3)
    sh[:, 0] = torch.from_numpy((np.asarray(colours, np.float32) - 0.5) / C0)
    quats = torch.zeros(count, 4)
    quats[:, 0] = 1
    return Gaussians(
        torch.from_numpy(np.asarray(points, np.float32)),
        torch.from_numpy(np.log(sigma).astype(np.float32))[:, None].repeat(1, 3),
        quats,
        torch.full((count,), float(np.log(opacity / (1 - opacity)))),
        sh,
    )
