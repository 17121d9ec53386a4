"""A depth model's answer, brought to the metres of what is rendered."""

import cv2
import numpy as np

from skyworld.lift.rim import nearest
from skyworld.models.roles import DepthEstimate

ROUNDS, PAIRS = 5, 4000


def aligned(estimate: DepthEstimate, inverse: np.ndarray, sure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse depth [h, w] per metre, and where it is to be believed (bool [h, w]).

    inverse: [h, w] of the render.  sure: bool [h, w], where the render shows what has been seen.
    Scale and shift of inverse depth: the median over pairs of pixels (Theil and Sen), then least squares reweighted
    with Cauchy's function (c = 2.385 x the median residual x 1.4826), so that what the model and the render see
    differently has no say. What is left at the nearest sure pixels is added: the new surface meets the old one.
    Nowhere to be believed where too little is sure.
    """
    told = 1 / np.maximum(estimate.depth, 1e-6)
    used = sure & estimate.valid
    if used.sum() < 100:
        return inverse, np.zeros_like(sure)
    x, y = told[used].astype(np.float64), inverse[used].astype(np.float64)
    scale, shift = _through_pairs(x, y)
    for _ in range(ROUNDS):
        off = np.abs(scale * x + shift - y) / np.maximum(y, 1e-6)  # relative: far things count as near ones do
        width = max(2.385 * 1.4826 * float(np.median(off)), 1e-4)
        scale, shift = _line(x, y, 1 / (1 + (off / width) ** 2) / np.maximum(y, 1e-6) ** 2)
    if scale <= 0:
        return inverse, np.zeros_like(sure)
    there = np.maximum(scale * told + shift, 1e-5)
    ratio = np.where(used, np.log(np.maximum(inverse, 1e-6) / there), 0)
    ratio = np.where(np.abs(ratio) < 0.2, ratio, 0).astype(np.float32)
    rows, columns = nearest(used)
    left = cv2.GaussianBlur(ratio[rows, columns], (0, 0), max(1.0, 0.01 * sure.shape[1]))
    return (there * np.exp(left)).astype(np.float32), estimate.valid


def _through_pairs(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    first, second = np.random.default_rng(0).integers(0, len(x), (2, PAIRS))
    apart = np.abs(x[first] - x[second]) > 1e-3 * np.ptp(x)
    if not apart.any():
        return float(np.median(y) / np.median(x)), 0.0
    first, second = first[apart], second[apart]
    scale = float(np.median((y[first] - y[second]) / (x[first] - x[second])))
    return scale, float(np.median(y - scale * x))


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Scale and shift of the weighted least squares y = scale x + shift; no shift where all x are alike."""
    total = weight.sum()
    mx, my = (weight * x).sum() / total, (weight * y).sum() / total
    spread = (weight * (x - mx) ** 2).sum() / total
    if spread < 1e-8 * mx**2:
        return my / mx, 0.0
    scale = (weight * (x - mx) * (y - my)).sum() / total / spread
    return scale, my - scale * mx
