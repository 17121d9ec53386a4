"""The scale of one depth model with the edges of another."""

import numpy as np

from skyworld.camera import Camera
from skyworld.models.roles import DepthEstimate, DepthEstimator, Provenance

LOW, HIGH = 0.2, 0.8  # quantiles whose spread is compared (Recipe section 2.6)
FLAT = 0.05  # spread over median below which a picture is too flat for it: medians are compared


class FusedDepth:
    """Implements roles.DepthEstimator: the sharp model's depth, brought to the metric model's metres."""

    metric = True

    def __init__(self, metric: DepthEstimator, sharp: DepthEstimator):
        self._metric, self._sharp = metric, sharp
        one, other = metric.provenance, sharp.provenance
        licence = " and ".join(dict.fromkeys((other.licence, one.licence)))
        version = " / ".join(filter(None, (other.version, one.version)))
        self.provenance = Provenance("depth", f"{other.name} to the scale of {one.name}", version, licence, False)

    def estimate(self, picture: np.ndarray, camera: Camera) -> DepthEstimate:
        """The sharp depth times one factor a picture; where the sharp model knows nothing, neither does this."""
        scale, shape = self._metric.estimate(picture, camera), self._sharp.estimate(picture, camera)
        both = scale.valid & shape.valid
        if not both.any():
            return scale
        return DepthEstimate(shape.depth * np.float32(factor(scale.depth[both], shape.depth[both])), shape.valid)


def factor(metric: np.ndarray, sharp: np.ndarray) -> float:
    """By how much `sharp` [n] is multiplied: the ratio of the spreads between the quantiles 0.2 and 0.8."""
    low, high = np.quantile([metric, sharp], (LOW, HIGH), axis=1)
    spread, middle = high - low, np.median([metric, sharp], axis=1)
    metres, shape = middle if (spread < FLAT * middle).any() else spread
    return float(metres / shape)
