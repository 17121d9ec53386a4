"""One sky over the whole sphere, learnt from what the photograph shows of it."""

import cv2
import numpy as np

from skyworld.camera import directions
from skyworld.models.builtin.clouds import cloud_layer
from skyworld.models.builtin.pyramid import pull_push

COLUMNS = 512  # the sky's colours are smooth: they are modelled on a grid this wide


def paint_sky(picture: np.ndarray, seen: np.ndarray, seed: int):
    """The sky from a panorama that shows it where seen (float [H, W]) is 1.

    A generator: yields the share done, returns [H, W, 3].
    A smooth model and the clouds on it, plus what they leave over where the sky is seen, fading out with
    the distance from there.
    """
    width = seen.shape[1]
    size = (COLUMNS, COLUMNS // 2)
    sure = (seen > 0.97).astype(np.float32)
    weight = cv2.resize(sure, size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(picture * sure[..., None], size, interpolation=cv2.INTER_AREA)
    colour /= np.maximum(weight, 1e-4)[..., None]
    sure = weight > 0.5
    if sure.sum() < 8:
        sure = weight > 0
    if not sure.any():
        raise ValueError("no sky is seen: nothing to learn from")
    model = smooth_sky(colour, sure)
    sky = enlarge(model, width)
    yield 0.2
    clouds = cloud_layer(picture, seen, sky, seed)
    if clouds is not None:
        above = slice(0, len(clouds))
        sky[above] = ((sky[above] + 0.02) * np.exp(clouds) - 0.02).clip(0, 1)
    yield 0.8
    left_over = spread(colour - cv2.resize(sky, size, interpolation=cv2.INTER_AREA), sure, reach=0.08 * COLUMNS)
    return (sky + enlarge(left_over, width)).clip(0, 1)


def smooth_sky(colour: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """[h, w, 3] from colours [h, w, 3] known where `sure`: log colour, linear in a few smooth terms.

    Terms in elevation saturate a little above the highest sky seen, terms in azimuth fade outside the
    photograph's width: nothing is extrapolated far. Ridge regression with Cauchy weights.
    """
    terms = _terms(sure)
    a, y = terms[sure], np.log(colour[sure] + 0.02)
    ridge = np.diag([1e-6, 1e-4, 4e-3, 1e-2, 3e-2, 1e-1]) * len(a)
    weight = np.ones(len(a))
    for _ in range(4):
        coefficients = np.linalg.solve((a * weight[:, None]).T @ a + ridge, (a * weight[:, None]).T @ y)
        off = np.abs(y - a @ coefficients).sum(1)
        weight = 1 / (1 + (off / (2 * np.median(off) + 1e-3)) ** 2)
    low, high = np.percentile(y, (1, 99), axis=0)
    return (np.exp(np.clip(terms @ coefficients, low - 0.25, high + 0.02)) - 0.02).astype(np.float32)


def _terms(sure: np.ndarray) -> np.ndarray:
    height, width = sure.shape
    vectors = directions(width, height)
    elevation = np.arcsin(vectors[..., 2])
    yaw = np.arctan2(vectors[..., 0], vectors[..., 1])
    top = max(np.percentile(elevation[sure], 98), np.radians(2))
    above = (elevation - top).clip(0)
    rise = np.where(elevation < top, elevation.clip(0), top + 0.3 * top * (1 - np.exp(-above / (0.3 * top)))) / top
    broad = np.sin(max(0.3, min(np.abs(yaw[sure]).max(), 1.2)))
    side = np.sin(yaw) / np.sqrt(1 + 0.7 * (np.sin(yaw) / broad) ** 2)
    outside = (np.abs(yaw) - np.abs(yaw[sure]).max()).clip(0)
    side_here = np.exp(-((outside / 0.9) ** 2)) * side * np.cos(elevation) * np.clip(1 - above / 1.2, 0, 1) ** 2
    return np.stack([np.ones_like(rise), rise, rise**2, side_here, side_here * rise, side_here * side], -1)


def spread(values: np.ndarray, sure: np.ndarray, reach: float) -> np.ndarray:
    """values [h, w, C] known where `sure`, continued around the sphere; falls to 1/e in `reach` pixels."""
    half = sure.shape[1] // 2
    values, sure = (np.concatenate([x[:, -half:], x, x[:, :half]], 1) for x in (values, sure))
    away = cv2.distanceTransform((~sure).astype(np.uint8), cv2.DIST_L2, 5)
    soft = cv2.GaussianBlur(pull_push(values.astype(np.float32), sure), (0, 0), 3)
    return (soft * np.exp(-away / reach)[..., None])[:, half:-half]


def enlarge(picture: np.ndarray, width: int) -> np.ndarray:
    """A small panorama at full width, smooth across the wrap."""
    times = width // picture.shape[1]
    wrapped = np.concatenate([picture[:, -4:], picture, picture[:, :4]], 1)
    if times <= 1:
        return cv2.resize(picture, (width, width // 2), interpolation=cv2.INTER_AREA)
    large = cv2.resize(wrapped, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[:, 4 * times : -4 * times])
