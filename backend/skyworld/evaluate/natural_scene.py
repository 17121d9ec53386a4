"""NIQE and BRISQUE: natural-scene statistics of locally normalised luma, as in the MATLAB releases of LIVE, UT Austin.

A model file from the user carries what was learned: the pristine Gaussian of NIQE, the regression of BRISQUE.
"""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy.ndimage import correlate1d
from scipy.special import gamma, gammaln

from skyworld.errors import UserError
from skyworld.evaluate.full_reference import luma
from skyworld.evaluate.registry import BRISQUE_MODEL, BRISQUE_RANGE, NIQE_MODEL, Models, UnfitError

SHAPES = np.arange(200, 10001) / 1000  # the releases' grid of alpha
AGGD_RATIO = np.exp(2 * gammaln(2 / SHAPES) - gammaln(1 / SHAPES) - gammaln(3 / SHAPES))  # rises with alpha
SHIFTS = ((0, 1), (1, 0), (1, 1))


def mscn(grey: np.ndarray, border: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean-subtracted contrast-normalised [H, W] of luma 0 to 255, and its local deviation: 7x7 Gaussian, sigma 7/6.

    border: scipy's name; "nearest" for NIQE, "constant" (zeros) for BRISQUE, as their releases have it.
    """
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()

    def blur(x: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(x, window, 0, mode=border), window, 1, mode=border)

    mean = blur(grey)
    deviation = np.sqrt(np.abs(blur(grey**2) - mean**2))
    return (grey - mean) / (deviation + 1), deviation


def halved(grey: np.ndarray) -> np.ndarray:
    """MATLAB's imresize(grey, 0.5): antialiased bicubic (a = -0.5), eight taps, symmetric border, ceil(n/2) pixels."""
    d = np.abs(np.arange(-3.5, 4)) / 2
    taps = np.where(d <= 1, 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2)
    taps /= taps.sum()
    for axis in (0, 1):
        n = grey.shape[axis]
        # origin -1 centres the even window between pixels 2i and 2i + 1; scipy's "reflect" is the symmetric border
        grey = np.take(correlate1d(grey, taps, axis, mode="reflect", origin=-1), np.arange(0, n, 2), axis)
    return grey


def _nearest_shape(ratio: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Alpha of the table's (ascending) nearest entry; not-a-number takes the first, as MATLAB's min does."""
    right = np.searchsorted(table, ratio).clip(1, len(table) - 1)
    nearest = np.where(ratio - table[right - 1] <= table[right] - ratio, right - 1, right)
    return SHAPES[np.where(np.isnan(ratio), 0, nearest)]


def ggd(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape alpha and variance of the generalised Gaussian matched in moments to the last axis of x (Sharifi 1995)."""
    square = (x**2).mean(-1)
    return _nearest_shape(np.abs(x).mean(-1) ** 2 / square, AGGD_RATIO), square


def aggd(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shape alpha, left and right deviation of the asymmetric generalised Gaussian of x's last axis (Lasmar 2009)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = (np.sqrt(np.where(side, x**2, 0).sum(-1) / side.sum(-1)) for side in (x < 0, x > 0))
        g = left / right
        ratio = np.abs(x).mean(-1) ** 2 / (x**2).mean(-1) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    return _nearest_shape(ratio, AGGD_RATIO), left, right


def neighbour_products(x: np.ndarray, last: tuple[int, int]) -> list[np.ndarray]:
    """Products with the neighbour in four directions, circular in [..., h, w], flattened to [..., h*w]."""
    return [(x * np.roll(x, shift, (-2, -1))).reshape(*x.shape[:-2], -1) for shift in (*SHIFTS, last)]


def niqe_features(grey: np.ndarray, block: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, 36] of the whole 96-pixel blocks of luma 0 to 255, both scales, and their sharpness [n]."""
    rows, columns = grey.shape[0] // block, grey.shape[1] // block
    grey = grey[: rows * block, : columns * block]
    scales, sharpness = [], None
    for size in (block, block // 2):
        normalised, deviation = mscn(grey, "nearest")
        blocks, deviations = (
            x.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(-1, size, size) for x in (normalised, deviation)
        )
        sharpness = deviations.mean((1, 2)) if sharpness is None else sharpness
        alpha, left, right = aggd(blocks.reshape(len(blocks), -1))
        scale = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
        features = [alpha, (left + right) / 2 * scale]
        for product in neighbour_products(blocks, (1, -1)):
            alpha, left, right = aggd(product)
            scale = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
            mean = (right - left) * scale * gamma(2 / alpha) / gamma(1 / alpha)
            features += [alpha, mean, left * scale, right * scale]
        scales.append(np.stack(features, -1))
        grey = halved(grey)
    return np.concatenate(scales, -1), sharpness


def _gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over what is a number, covariance over the rows without gaps (MATLAB's nanmean and nancov)."""
    whole = features[~np.isnan(features).any(1)]
    if len(whole) < 2:
        raise UnfitError("NIQE needs at least two textured blocks of 96 x 96 pixels")
    return np.nanmean(features, 0), np.cov(whole, rowvar=False)


def fit_pristine(pictures: list[np.ndarray], sharpest: float = 0.75) -> dict[str, np.ndarray]:
    """The Gaussian of good pictures: `np.savez(file, **fit_pristine(pictures))` makes a model file for NIQE.

    Of each picture the blocks count whose sharpness exceeds `sharpest` of its sharpest block (Mittal et al. 2013).
    Values against such a model compare with each other only, not with published ones.
    """
    kept = []
    for picture in pictures:
        features, sharpness = niqe_features(luma(picture))
        kept.append(features[sharpness > sharpest * sharpness.max()])
    mean, covariance = _gaussian(np.concatenate(kept))
    return {"mu_prisparam": mean, "cov_prisparam": covariance}


def niqe(picture: np.ndarray, models: Models) -> float:
    """Natural Image Quality Evaluator (Mittal et al. 2013) of 8-bit luma: distance of the Gaussian of all its 96-pixel
    blocks from the pristine one, sqrt(d' ((S_1 + S_2) / 2)^+ d)."""
    if min(picture.shape[:2]) < 96:
        raise UnfitError("NIQE needs at least 96 pixels on each side")
    pristine_mean, pristine_covariance = models.load(_pristine, NIQE_MODEL)
    mean, covariance = _gaussian(niqe_features(luma(picture))[0])
    d = pristine_mean - mean
    return float(np.sqrt(d @ np.linalg.pinv((pristine_covariance + covariance) / 2) @ d))


def _pristine(path: Path, device: str) -> tuple[np.ndarray, np.ndarray]:
    """From the release's .mat, or an .npz of the same content (told apart by content, not by name)."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        with path.open("rb") as file:
            content = np.load(path) if file.read(2) == b"PK" else loadmat(path)
        found = {name[:3]: np.asarray(content[name], np.float64) for name in content if "pris" in name}
        return found["mu_"].reshape(36), found["cov"].reshape(36, 36)
    except (OSError, ValueError, KeyError, NotImplementedError, MatReadError, BadZipFile) as error:
        raise UserError("this is no NIQE model: a mean of 36 and a covariance are missing", file=path) from error


def brisque_features(grey: np.ndarray) -> np.ndarray:
    """The 36 features of luma 0 to 255: of each of two scales 2 of the coefficients, 4 of each neighbour product."""
    features = []
    for _ in range(2):
        normalised, _ = mscn(grey, "constant")
        features += ggd(normalised.ravel())
        for product in neighbour_products(normalised, (-1, 1)):
            alpha, left, right = aggd(product)
            mean = (right - left) * np.exp(gammaln(2 / alpha) - (gammaln(1 / alpha) + gammaln(3 / alpha)) / 2)
            features += [alpha, mean, left**2, right**2]
        grey = halved(grey)
    return np.array(features)


def brisque(picture: np.ndarray, models: Models) -> float:
    """Blind/Referenceless Image Spatial Quality Evaluator (Mittal et al. 2012), 8-bit luma, 0 good to about 100 bad."""
    grey = luma(picture)
    if min(grey.shape) < 32:
        raise UnfitError("BRISQUE needs at least 32 pixels on each side")
    if grey.std() == 0:
        raise UnfitError("BRISQUE is not defined for a picture of one colour")
    low, high, least, most = models.load(_ranges, BRISQUE_RANGE)
    gamma_, rho, coefficients, vectors = models.load(_regression, BRISQUE_MODEL)
    x = low + (high - low) * (brisque_features(grey) - least) / (most - least)
    return float(coefficients @ np.exp(-gamma_ * ((vectors - x) ** 2).sum(1)) - rho)


def _ranges(path: Path, device: str) -> tuple[float, float, np.ndarray, np.ndarray]:
    """libsvm's range file: "x", the limits, then number, least and most of each feature."""
    try:
        _, limits, *rows = path.read_text().strip().splitlines()
        table = np.array([row.split() for row in rows], np.float64)
        low, high = map(float, limits.split())
        return low, high, *table[:, 1:].reshape(36, 2).T
    except (ValueError, IndexError, OSError) as error:
        raise UserError("this is no range file of libsvm for 36 features", file=path) from error


def _regression(path: Path, device: str) -> tuple[float, float, np.ndarray, np.ndarray]:
    """gamma, rho, coefficients [n] and support vectors [n, 36] of a libsvm epsilon-SVR with RBF kernel."""
    try:
        head, body = path.read_text().split("\nSV\n")
        entries = dict(line.split(maxsplit=1) for line in head.splitlines())
        if (entries["svm_type"], entries["kernel_type"]) != ("epsilon_svr", "rbf"):
            raise ValueError("another kind of SVM")
        rows = [line.split() for line in body.strip().splitlines()]
        vectors = np.zeros((len(rows), 36))
        for vector, row in zip(vectors, rows, strict=True):
            for entry in row[1:]:
                index, value = entry.split(":")
                vector[int(index) - 1] = float(value)
        return float(entries["gamma"]), float(entries["rho"]), np.array([float(row[0]) for row in rows]), vectors
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise UserError("this is no epsilon-SVR of libsvm with RBF kernel and 36 features", file=path) from error
