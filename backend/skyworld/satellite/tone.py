"""Images of several dates in the tone of one: a gain and an offset for each channel, from what both of them show."""

import numpy as np

# Rounds of reweighting, the residual (of 0 to 1) beyond which a pair counts less, and pairs that are too few to tell.
_ROUNDS, _FAR, _FEWEST = 10, 0.08, 200
_GAIN = (0.3, 3.0)


def tone(own: np.ndarray, wanted: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain [3] and offset [3] that bring colours [N, 3] to those wanted [N, 3], as a robust line through the pairs.

    weight [N]: 0 for pairs that do not count. Too few pairs, or a gain that no sensor has, give 1 and 0.
    """
    known = weight > 0
    if known.sum() < _FEWEST:
        return np.ones(3), np.zeros(3)
    lines = [_line(own[known, c].astype(np.float64), wanted[known, c].astype(np.float64)) for c in range(3)]
    gain, offset = (np.array(column) for column in zip(*lines, strict=True))
    if (gain < _GAIN[0]).any() or (gain > _GAIN[1]).any():
        return np.ones(3), np.zeros(3)
    return gain, offset


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Least squares, reweighted (Cauchy): shadows and cars, that one date alone has, hardly count."""
    weight = np.ones_like(x)
    for _ in range(_ROUNDS):
        total = weight.sum()
        mx, my = (weight * x).sum() / total, (weight * y).sum() / total
        spread = (weight * (x - mx) ** 2).sum()
        if spread < 1e-9 * total:
            return 1.0, 0.0
        gain = (weight * (x - mx) * (y - my)).sum() / spread
        residual = y - my - gain * (x - mx)
        weight = 1 / (1 + (residual / _FAR) ** 2)
    return float(gain), float(my - gain * mx)
