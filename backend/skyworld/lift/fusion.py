"""The scale of one depth model with the edges of another."""

from collections.abc import Callable

import numpy as np

from skyworld.camera import Camera
from skyworld.models.roles import DepthEstimate, DepthEstimator, Provenance

LOW, HIGH = 0.2, 0.8  # quantiles whose spread is compared (Recipe section 2.6)
FLAT = 0.05  # spread over median below which a picture is too flat for that


def median_ratio(metric: np.ndarray, sharp: np.ndarray) -> float:
    """By how much `sharp` [n] is multiplied: the median of the ratios at each pixel."""
    return float(np.exp(np.median(np.log(metric) - np.log(sharp))))


def spread_ratio(metric: np.ndarray, sharp: np.ndarray) -> float:
    """The Recipe's: the ratio of the spreads between the quantiles 0.2 and 0.8; of flat pictures `median_ratio`.

    Soft edges make the metric model's spread too small, and the result with it: benchmarks/recipe.py shows by how much.
    """
    low, high = np.quantile([metric, sharp], (LOW, HIGH), axis=1)
    if (high - low < FLAT * np.median([metric, sharp], axis=1)).any():
        return median_ratio(metric, sharp)
    metres, shape = high - low
    return float(metres / shape)


class FusedDepth:
    """Implements roles.DepthEstimator: the sharp model's depth, brought to the metric model's metres by one factor.

    ratio: finds the factor from both depths [n] where both are known.
    """

    metric = True

    def __init__(
        self,
        metric: DepthEstimator,
        sharp: DepthEstimator,
        ratio: Callable[[np.ndarray, np.ndarray], float] = median_ratio,
    ):
        self._metric, self._sharp, self._ratio = metric, sharp, ratio
        one, other = metric.provenance, sharp.provenance
        licence = " and ".join(dict.fromkeys((other.licence, one.licence)))
        version = " / ".join(filter(None, (other.version, one.version)))
        self.provenance = Provenance("depth", f"{other.name} to the scale of {one.name}", version, licence, False)

    def estimate(self, picture: np.ndarray, camera: Camera) -> DepthEstimate:
        """Where the sharp model knows nothing, neither does this."""
        scale, shape = self._metric.estimate(picture, camera), self._sharp.estimate(picture, camera)
        both = scale.valid & shape.valid
        if not both.any():
            return scale
        return DepthEstimate(shape.depth * np.float32(self._ratio(scale.depth[both], shape.depth[both])), shape.valid)
