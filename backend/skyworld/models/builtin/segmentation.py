"""What stands, what is ground and what is sky in a panorama, by colour alone.

Pictures are equirectangular, float32 [H, W, 3], 0 to 1, sRGB-encoded; masks are bool [H, W]. Elevation is the angle
above the horizon in radians.
"""

import cv2
import numpy as np

STEEP = 0.2  # isotropy below which a texture is first taken for one that stands


def elevations(height: int) -> np.ndarray:
    """[H] elevation of every row of an equirectangular picture."""
    return ((0.5 - (np.arange(height) + 0.5) / height) * np.pi).astype(np.float32)


def wrapped(values: np.ndarray, margin: int) -> np.ndarray:
    """The picture with `margin` columns of its other end on either side."""
    return np.concatenate([values[:, -margin:], values, values[:, :margin]], 1)


def lab_of(picture: np.ndarray) -> np.ndarray:
    """CIE Lab float32 [H, W, 3]."""
    return cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2LAB)


def grabcut(picture: np.ndarray, seeds: np.ndarray, iterations: int) -> np.ndarray:
    """Rother et al., GrabCut (2004), cyclic; seeds: uint8 [H, W] of cv2.GC_* -> bool [H, W] foreground."""
    margin = picture.shape[1] // 8
    eight_bit = (picture * 255).astype(np.uint8)
    # A whisper of noise: on areas of exactly one colour OpenCV's maximum flow does not end.
    even = cv2.morphologyEx(eight_bit, cv2.MORPH_GRADIENT, np.ones((9, 9))).max(-1, keepdims=True) == 0
    grain = np.random.default_rng(3).integers(-1, 2, picture.shape)
    eight_bit = wrapped(np.where(even, np.clip(eight_bit + grain, 0, 255), eight_bit).astype(np.uint8), margin)
    mask = wrapped(seeds, margin).copy()
    cv2.setRNGSeed(3)
    cv2.grabCut(eight_bit, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), iterations, cv2.GC_INIT_WITH_MASK)
    mask = mask[:, margin:-margin]
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def isotropy(picture: np.ndarray, reach: int = 7) -> np.ndarray:
    """[H, W] how much a texture lies on the ground: below 0.5 it is too steep for it.

    On a plane seen at elevation -e an isotropic texture is foreshortened: its vertical gradients outweigh the
    horizontal ones by 1 / sin^2 e; on what stands upright they do not.
    """
    elevation = elevations(picture.shape[0])
    grey = np.log(cv2.cvtColor(wrapped(picture, 32), cv2.COLOR_RGB2GRAY) + 0.05)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0) / np.maximum(np.cos(elevation), 0.1)[:, None]
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    window = (2 * reach + 1, reach | 1)
    ratio = np.log((cv2.boxFilter(down**2, -1, window) + 1e-4) / (cv2.boxFilter(across**2, -1, window) + 1e-4))
    foreshortening = 0.9 * np.log(np.sin(np.clip(-elevation, np.radians(3), None)))[:, None]
    return np.clip((ratio[:, 32:-32] + foreshortening - 0.1) / 2 + 0.5, 0, 1)


def segment_sky(picture: np.ndarray) -> np.ndarray | None:
    """The sky; None where there is none: indoors.

    Grows from the zenith over smooth pixels; is taken for a sky if it is bluer or brighter than what lies below.
    """
    height = picture.shape[0]
    elevation = np.broadcast_to(elevations(height)[:, None], picture.shape[:2])
    lab = lab_of(picture)
    soft = cv2.GaussianBlur(wrapped(lab, 8), (0, 0), 1)
    edges = np.sqrt((cv2.Sobel(soft, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(soft, cv2.CV_32F, 0, 1) ** 2).sum(-1)) / 8
    smooth = (cv2.blur(edges, (3, 3))[:, 8:-8] < 2.0) & (elevation > np.radians(-1))
    count, parts = cv2.connectedComponents(smooth.astype(np.uint8))
    at_top = np.bincount(parts[: height // 12].ravel(), minlength=count)
    at_top[0] = 0
    region = parts == at_top.argmax()
    if region.mean() < 0.12:
        return None
    top, low = lab[: height // 6].reshape(-1, 3).mean(0), lab[int(0.6 * height) :].reshape(-1, 3).mean(0)
    bluer = low[2] - top[2]
    bright = top[0] > 85 and bluer > -3 and elevation[region].min() < np.radians(8)
    if not ((bluer > 8 and top[2] < 4) or bright):
        return None
    seeds = np.full(region.shape, cv2.GC_PR_BGD, np.uint8)
    seeds[region] = cv2.GC_PR_FGD
    seeds[cv2.erode(region.astype(np.uint8), np.ones((5, 5))) > 0] = cv2.GC_FGD
    seeds[elevation < np.radians(-1)] = cv2.GC_BGD
    seeds[elevation > np.radians(80)] = cv2.GC_FGD
    sky = grabcut(picture, seeds, 3) & (elevation > np.radians(-1))
    return sky | _floating_crumbs(~sky & (elevation > 0))


def _floating_crumbs(solid: np.ndarray, largest: int = 20) -> np.ndarray:
    """Small parts of `solid` that do not reach the horizon."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(solid.astype(np.uint8))
    lowest = stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT]
    crumb = (stats[:, cv2.CC_STAT_AREA] < largest) & (lowest < solid.shape[0] // 2 - 2)
    crumb[0] = False
    return crumb[parts]


def segment_ground(picture: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """The ground outdoors: grown upward from the nadir by colour."""
    height = picture.shape[0]
    elevation = np.broadcast_to(elevations(height)[:, None], sky.shape)
    degrees = np.degrees(elevation)
    tall = cv2.morphologyEx((~sky & (degrees > 1)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))) > 0
    seeds = np.full(sky.shape, cv2.GC_PR_BGD, np.uint8)
    seeds[degrees < -2] = cv2.GC_PR_FGD
    seeds[degrees < -35] = cv2.GC_FGD
    seeds[(degrees > -0.5) | tall] = cv2.GC_BGD
    below_tall = tall[: height // 2].any(0)
    seeds[(degrees > -8) & (degrees < -0.5) & below_tall] = cv2.GC_PR_BGD
    lying = isotropy(picture)
    middle = (degrees < -2) & (degrees > -30)
    at_feet = np.median(lying[(degrees < -32) & (degrees > -50)])
    if np.median(lying[(degrees < -5) & (degrees > -20)]) < min(at_feet - 0.2, 0.15):  # things below the horizon
        seeds[middle & (lying < STEEP)] = cv2.GC_PR_BGD
    ground = grabcut(picture, seeds, 4) & (degrees < 0)
    ground |= degrees < -35
    ground = cv2.morphologyEx(ground.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    ground = (ground > 0) & ~_islands(ground)
    return ground & ~_patches(picture, ground & (degrees > -40))


def _patches(picture: np.ndarray, zone: np.ndarray, unlike: float = 6.0, longest: float = 1.8) -> np.ndarray:
    """Compact parts of the ground of another hue than the ground around, too long towards the horizon to lie on it.

    A thing that stands, seen as a patch of the ground, would reach far away: `longest` times its width at least.
    Shadows and sunlit spots keep the hue, and are spared.
    """
    height, width = zone.shape
    hue = lab_of(picture)[..., 1:]
    weight = cv2.GaussianBlur(wrapped(zone.astype(np.float32), 96), (0, 0), 40)[:, 96:-96]
    around = cv2.GaussianBlur(wrapped(np.where(zone[..., None], hue, 0), 96), (0, 0), 40)[:, 96:-96]
    apart = np.linalg.norm(hue - around / np.maximum(weight, 1e-3)[..., None], axis=-1)
    odd = cv2.morphologyEx((zone & (apart > unlike)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5)))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(odd)
    _, top, wide, tall, area = stats.T
    nearest, farthest = (
        1 / np.tan(np.maximum(row / height - 0.5, 0.002) * np.pi) for row in (np.minimum(top + tall, height - 1), top)
    )
    long = farthest - nearest > longest * nearest * wide * 2 * np.pi / width
    near_horizon = top < height * (0.5 + 40 / 180)
    stands = long & near_horizon & (area > 60) & (tall > 0.3 * wide)
    stands[0] = False
    for part in np.nonzero(stands)[0]:
        stands[part] = _solidity(parts == part) > 0.9  # paths and flower beds are ragged
    return stands[parts]


def _solidity(mask: np.ndarray) -> float:
    """Share of its convex hull that a mask fills."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(contours)), 1)
    return mask.sum() / hull.sum()


def _islands(ground: np.ndarray, largest: int = 300) -> np.ndarray:
    """Small parts of the ground that are cut off from the rest: windows and doors of its colour."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(ground)
    return (stats[:, cv2.CC_STAT_AREA] < largest)[parts]
