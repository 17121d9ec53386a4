"""Measures of equirectangular panoramas: float [H, 2H, 3], 0 to 1, row 0 at the zenith, column 0 beside the last."""

import numpy as np

from skyworld.evaluate.full_reference import RGB_TO_LUMA, decibels, same_size, ssim_map
from skyworld.evaluate.registry import Models, UnfitError


def row_weights(height: int) -> np.ndarray:
    """cos(latitude) [H] of each row's middle: its solid angle, up to a factor (Sun et al. 2017, equation 6)."""
    return np.cos((np.arange(height) + 0.5) / height * np.pi - np.pi / 2)


def seam_ratio(panorama: np.ndarray, models: Models | None = None) -> float:
    """Mean absolute step of RGB across the 360 degree seam over that between interior columns; 1 when nothing shows."""
    inside = np.abs(np.diff(panorama, axis=1)).mean()
    return float(np.abs(panorama[:, 0] - panorama[:, -1]).mean() / max(inside, 1e-6))


def pole_stretch(panorama: np.ndarray, models: Models | None = None) -> float:
    """How much more (or less) detail runs around the poles than towards them, in octaves; 0 when none is stretched.

    Our own measure. Per radian on the sphere, mean absolute luma step along parallels over that along meridians, for
    the caps (latitude beyond 60 degrees), divided by the same for the band within 30 degrees; |log2| of it. Streaks
    that radiate from a pole, the trace of stretched content, raise it; so does blur along parallels.
    """
    grey = np.asarray(panorama, np.float64) @ RGB_TO_LUMA
    height, width = grey.shape
    latitude = np.abs((np.arange(height - 1) + 1) / height * 180 - 90)  # between the two rows of each vertical step
    # the area weight cos(latitude) cancels the 1 / cos(latitude) of steps along a parallel
    around = np.abs(np.roll(grey, -1, 1) - grey).mean(1) * width / (2 * np.pi)
    around = (around[1:] + around[:-1]) / 2
    along = np.abs(np.diff(grey, axis=0)).mean(1) * height / np.pi * np.cos(np.radians(latitude))
    sums = [[steps[part].sum() for steps in (around, along)] for part in (latitude > 60, latitude < 30)]
    if min(map(min, sums)) == 0:
        raise UnfitError("pole stretch needs detail both in the caps and about the horizon")
    (cap_around, cap_along), (band_around, band_along) = sums
    return float(np.abs(np.log2(cap_around / cap_along * band_along / band_around)))


def laplacian_energy(panorama: np.ndarray, models: Models | None = None) -> float:
    """Mean squared 4-neighbour Laplacian of luma 0 to 255, wrapped across the seam, weighted by solid angle."""
    grey = np.asarray(panorama, np.float64) @ RGB_TO_LUMA * 255
    vertical = np.pad(grey, ((1, 1), (0, 0)), mode="edge")
    laplacian = vertical[2:] + vertical[:-2] + np.roll(grey, 1, 1) + np.roll(grey, -1, 1) - 4 * grey
    return float(np.average((laplacian**2).mean(1), weights=row_weights(len(grey))))


def ws_psnr(panorama: np.ndarray, reference: np.ndarray, models: Models | None = None) -> float:
    """PSNR of RGB, peak 1, with the squared error weighted by solid angle (Sun et al. 2017)."""
    same_size(panorama, reference)
    error = ((np.asarray(panorama, np.float64) - reference) ** 2).mean((1, 2))
    return decibels(np.average(error, weights=row_weights(len(error))))


def ws_ssim(panorama: np.ndarray, reference: np.ndarray, models: Models | None = None) -> float:
    """SSIM of RGB with each window weighted by the cosine of its middle's latitude (Zhou et al. 2018).

    Windows reach across the seam; the five rows at either pole, where none fits, are left out.
    """
    wrapped = [np.pad(x, ((0, 0), (5, 5), (0, 0)), mode="wrap") for x in (panorama, reference)]
    similarity = ssim_map(*wrapped, 1.0)
    return float(np.average(similarity.mean((1, 2)), weights=row_weights(len(panorama))[5:-5]))
