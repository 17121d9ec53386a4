"""Pyramids: smooth filling of holes and multiband blending around the panorama's wrap."""

import cv2
import numpy as np


def pull_push(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills the unknown pixels of [H, W, C] float32 smoothly from the known ones (bool [H, W]).

    Pull-push (Gortler et al. 1996, section 3.4): averages of the known pixels, coarser and coarser,
    read back where finer ones have no weight. All zero where nothing is known at all.
    """
    weight = known.astype(np.float32)
    levels = [(picture * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        colour, weight = levels[-1]
        size = (max(1, colour.shape[1] // 2), max(1, colour.shape[0] // 2))
        levels.append(tuple(_with_channels(cv2.resize(x, size, interpolation=cv2.INTER_AREA), x) for x in levels[-1]))
    colour, weight = levels[-1]
    average = colour.sum((0, 1)) / max(float(weight.sum()), 1e-6)
    filled = np.where(weight[..., None] > 1e-6, colour / np.maximum(weight, 1e-6)[..., None], average)
    for colour, weight in reversed(levels[:-1]):
        filled = _with_channels(cv2.resize(filled.astype(np.float32), weight.shape[::-1]), colour)
        share = np.minimum(weight * 4, 1)[..., None]
        filled = colour / np.maximum(weight, 1e-6)[..., None] * share + filled * (1 - share)
    return np.where(known[..., None], picture, filled).astype(np.float32)


def _with_channels(resized: np.ndarray, like: np.ndarray) -> np.ndarray:
    """cv2.resize drops a last axis of one."""
    return resized[..., None] if resized.ndim < like.ndim else resized


def cyclic_blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of [H, W] or [H, W, C] that wraps in x; sigma in pixels."""
    margin = min(picture.shape[1], int(4 * sigma) + 1)
    wrapped = np.concatenate([picture[:, -margin:], picture, picture[:, :margin]], 1)
    return np.ascontiguousarray(cv2.GaussianBlur(wrapped, (0, 0), sigma)[:, margin:-margin])


def broad_blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur [H, W] or [H, W, C] with a large sigma (pixels), done at a size at which it is cheap."""
    shrink = int(sigma / 4)
    if shrink < 2 or min(picture.shape[:2]) < 4 * shrink:
        return _with_channels(cv2.GaussianBlur(picture, (0, 0), sigma), picture)
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
    return _with_channels(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), picture)


def blend(first: np.ndarray, second: np.ndarray, share: np.ndarray, levels: int = 4) -> np.ndarray:
    """Multiband blend (Burt and Adelson 1983): `second` [H, W, C] where share [H, W] is 1, else `first`."""
    pyramid = [(first, second, share.astype(np.float32))]
    for _ in range(levels):
        pyramid.append(tuple(cv2.pyrDown(x) for x in pyramid[-1]))
    result = None
    for level in range(levels, -1, -1):
        a, b, w = pyramid[level]
        if result is not None:
            size = a.shape[1::-1]
            a = a - cv2.pyrUp(pyramid[level + 1][0], dstsize=size)
            b = b - cv2.pyrUp(pyramid[level + 1][1], dstsize=size)
        mixed = a + (b - a) * w[..., None]
        result = mixed if result is None else mixed + cv2.pyrUp(result, dstsize=size)
    return result


class CyclicBlend:
    """Multiband blend of many patches on a canvas [H, W] that wraps in x; W a multiple of 2 ** levels."""

    def __init__(self, height: int, width: int, levels: int):
        self.levels, self.width = levels, width
        sizes = [(-(-height // 2**i), width >> i) for i in range(levels + 1)]
        self.colour = [np.zeros((*size, 3), np.float32) for size in sizes]
        self.weight = [np.zeros(size, np.float32) for size in sizes]

    def add(self, patch: np.ndarray, mask: np.ndarray, left: int) -> None:
        """patch [H, n, 3] counted where mask [H, n] is 1; left (a multiple of 2 ** levels): its first column."""
        for level in range(self.levels + 1):
            detail = patch
            if level < self.levels:
                smaller = cv2.pyrDown(patch)
                detail = patch - cv2.pyrUp(smaller, dstsize=patch.shape[1::-1])
            add_cyclic(self.colour[level], detail * mask[..., None], left >> level)
            add_cyclic(self.weight[level], mask, left >> level)
            if level < self.levels:
                patch, mask = smaller, cv2.pyrDown(mask)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Picture [H, W, 3] and bool [H, W]: where any patch had a say."""
        picture = None
        for colour, weight in zip(reversed(self.colour), reversed(self.weight), strict=True):
            detail = colour / np.maximum(weight, 1e-4)[..., None]
            if picture is not None:
                wrapped = np.concatenate([picture[:, -2:], picture, picture[:, :2]], 1)
                raised = cv2.pyrUp(wrapped, dstsize=(wrapped.shape[1] * 2, detail.shape[0]))
                detail = raised[:, 4:-4] + detail
            picture = detail
        return picture, self.weight[0] > 0.5


def add_cyclic(canvas: np.ndarray, patch: np.ndarray, left: int) -> None:
    """Adds patch [H, n, ...] to canvas [H, W, ...] from column `left` on, around the wrap as often as needed."""
    width, done = canvas.shape[1], 0
    while done < patch.shape[1]:
        start = (left + done) % width
        take = min(width - start, patch.shape[1] - done)
        canvas[:, start : start + take] += patch[:, done : done + take]
        done += take
