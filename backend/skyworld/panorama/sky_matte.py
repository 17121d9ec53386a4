"""Finds the sky in a photograph, without learned weights."""

import cv2
import numpy as np

COLUMNS = 384
BARRIER = 5.0  # edge strength (Lab, at COLUMNS) that a cloud has not and eaves have


def sky_matte(picture: np.ndarray) -> np.ndarray | None:
    """float32 [h, w], 1 where the sky is seen; None where there is no sky.

    Smooth pixels joined to the upper edge, grown along a quadratic surface of Lab colour, then GrabCut
    and a guided filter. Sky is what is bluer or brighter than the rest, and above it.
    """
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (COLUMNS, max(32, round(height * COLUMNS / width))), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    edges = _edge_strength(lab)
    down = np.broadcast_to((np.arange(lab.shape[0]) / lab.shape[0])[:, None], edges.shape).astype(np.float32)
    seed = _smooth_from_top(edges)
    if seed.mean() < 0.02:
        return None
    region, off, tolerance = _grow(lab, seed, edges, down)
    if region.sum() < 16 or not _looks_like_sky(lab, region):
        return None
    if region.mean() > 0.985:
        return np.ones((height, width), np.float32)
    cut = _grab_cut(small, region, off, tolerance, edges, down)
    matte = _sharpened(picture, cut)
    return matte if matte.max() > 0.97 else None


def could_be_ceiling(picture: np.ndarray, sky: np.ndarray) -> bool:
    """Whether what was taken for sky (matte [h, w]) could as well be a ceiling: neither blue nor blinding."""
    size = (160, 120)
    lab = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    inside = lab[cv2.resize(sky, size, interpolation=cv2.INTER_AREA) > 0.9]
    return len(inside) > 0 and bool(np.median(inside[:, 2]) > -7 and np.median(inside[:, 0]) < 94)


def straight_edged(sky: np.ndarray) -> bool:
    """Whether the lower edge of a matte [h, w] is a few straight lines that are not level, as ceilings' are."""
    small = cv2.resize(sky, (160, 120), interpolation=cv2.INTER_AREA) > 0.5
    seen = np.nonzero(small.any(0))[0]
    if len(seen) < 40:
        return False
    lowest = np.argmin(np.cumprod(small[:, seen], 0), 0)
    line = np.stack([seen, lowest], -1).astype(np.float32)[:, None]
    return len(cv2.approxPolyDP(line, 2.5, False)) <= 5 and np.ptp(lowest) > 8


def _edge_strength(lab: np.ndarray) -> np.ndarray:
    soft = cv2.GaussianBlur(lab, (0, 0), 1)
    gx, gy = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    return np.sqrt((gx**2 + gy**2).sum(-1)) / 8


def _smooth_from_top(edges: np.ndarray) -> np.ndarray:
    """bool [h, w]: large smooth regions that touch the upper edge."""
    smooth = (cv2.boxFilter(edges, -1, (5, 5)) < 1.6).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(smooth, connectivity=4)
    top = np.unique(labels[: max(2, labels.shape[0] // 40)])
    return np.isin(labels, [t for t in top if t and stats[t, cv2.CC_STAT_AREA] > 0.003 * labels.size])


def _grow(lab, seed, edges, down):
    """Region of the sky's colour surface, every pixel's distance from that surface, and the tolerance used."""
    across = np.broadcast_to(np.arange(lab.shape[1]) / lab.shape[1] - 0.5, edges.shape)
    terms = np.stack([across**i * down**j for i in range(3) for j in range(3 - i)], -1)
    region, floor = seed, np.percentile(down[seed], 99) + 0.05
    for _ in range(5):
        if region.sum() < 16:
            break
        surface = terms @ np.linalg.lstsq(terms[region], lab[region], rcond=None)[0]
        off = np.sqrt(((lab - surface) ** 2).sum(-1))
        tolerance = max(5.0, 2.5 * float(np.median(off[region])))
        region = (off < 2 * tolerance) & (edges < 4) & (seed | (off < tolerance)) & (down < floor)
    return region, off, tolerance


def _looks_like_sky(lab: np.ndarray, region: np.ndarray) -> bool:
    inside = lab[region].mean(0)
    outside = lab[~region].mean(0) if (~region).any() else np.zeros(3)
    third = region[: len(lab) // 3]
    above = lab[: len(lab) // 3][third].mean(0) if third.any() else inside
    bluer, brighter = outside[2] - inside[2], inside[0] - outside[0]
    if bluer > 6 and above[2] < 4:
        return True
    return bool(above[2] < 10 and brighter > 25 and abs(inside[1]) < 8 and inside[0] > 80 and bluer > -4)


def _grab_cut(small, region, off, tolerance, edges, down) -> np.ndarray:
    """uint8 [h, w], 1 in the sky."""
    lowest, mark = np.percentile(down[region], 99.5), np.full(region.shape, cv2.GC_PR_BGD, np.uint8)
    box = np.ones((5, 5))
    mark[cv2.dilate(region.astype(np.uint8), box) > 0] = cv2.GC_PR_FGD
    mark[(off < 4 * tolerance) & (edges < 2.5) & (down < lowest + 0.02)] = cv2.GC_PR_FGD
    mark[cv2.erode(region.astype(np.uint8), box) > 0] = cv2.GC_FGD
    mark[(down > lowest + 0.04) | (off > 8 * tolerance)] = cv2.GC_BGD
    background, foreground = np.isin(mark, (0, 2)), np.isin(mark, (1, 3))
    if background.sum() > 8 and foreground.sum() > 8:
        cv2.setRNGSeed(1)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        eight_bit = (small * 255).astype(np.uint8)
        # A whisper of noise: on areas of exactly one colour OpenCV's maximum flow does not end.
        even = cv2.morphologyEx(eight_bit, cv2.MORPH_GRADIENT, np.ones((9, 9))).max(-1, keepdims=True) == 0
        grain = np.random.default_rng(1).integers(-1, 2, small.shape)
        eight_bit = np.where(even, np.clip(eight_bit + grain, 0, 255), eight_bit).astype(np.uint8)
        cv2.grabCut(eight_bit, mark, None, *models, 4, cv2.GC_INIT_WITH_MASK)
    sky = cv2.morphologyEx(np.isin(mark, (1, 3)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(sky)
    sky = np.where(stats[labels, cv2.CC_STAT_AREA] < 12, 0, sky).astype(np.uint8)
    return _joined_to_top(sky, edges)


def _joined_to_top(sky: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """uint8 [h, w]: `sky` without what only an edge joins to the upper border: a bright wall under its eaves."""
    even = (sky > 0) & (edges < BARRIER)
    _, labels = cv2.connectedComponents(even.astype(np.uint8), connectivity=4)
    rows = max(2, sky.shape[0] // 40)
    sizes = np.bincount(labels[:rows].ravel(), minlength=labels.max() + 1)
    sizes[0] = 0
    kept = (sizes > 0)[labels].astype(np.uint8)
    return sky & cv2.dilate(kept, np.ones((5, 5), np.uint8))


def _sharpened(picture: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """The coarse cut as a matte that follows the full picture's edges."""
    height, width = picture.shape[:2]
    coarse = cv2.resize(cut.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    radius = max(4, width // 150)
    matte = np.clip((cv2.ximgproc.guidedFilter(picture, coarse, radius, 1e-4) - 0.25) / 0.5, 0, 1)
    inward = cv2.distanceTransform((coarse > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    matte = np.maximum(matte, np.clip(inward / (width / 150) - 0.7, 0, 1))
    matte[coarse == 0] *= 0.6
    return np.where(matte > 0.97, 1, matte).astype(np.float32)
