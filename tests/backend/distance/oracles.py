"""Depth models that know the truth, and are wrong in a chosen way."""

import numpy as np

from skyworld.camera import resample_view
from skyworld.models.roles import DepthEstimate, Provenance


class Oracle:
    """Crops of a panorama of true distance [H, W] (inf: sky). noise: standard deviation of each view's log factor;
    tilt: of a log factor that grows from the view's top to its bottom."""

    def __init__(self, truth, metric=True, noise=0.0, tilt=0.0):
        self.provenance = Provenance("depth", "oracle", "1", "none", False)
        self.truth, self.metric, self.noise, self.tilt = truth.astype(np.float32), metric, noise, tilt
        self.random, self.pictures = np.random.default_rng(0), []

    def estimate(self, picture, camera):
        self.pictures.append(picture)
        distance = resample_view(self.truth, camera, 0)
        depth = distance * (camera.rays() @ camera.rotation[:, 2])
        slope = self.tilt * np.linspace(-1, 1, camera.height)[:, None]
        factor = np.exp(self.random.normal(0, 1) * self.noise + self.random.normal(0, 1) * slope)
        valid = np.isfinite(depth)
        return DepthEstimate(np.where(valid, depth * factor, 1).astype(np.float32), valid)
