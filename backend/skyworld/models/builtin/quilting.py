"""Texture synthesis by quilting (Efros and Freeman 2001) from exemplars of any shape."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numba import njit, prange

from skyworld.models.builtin.pyramid import blend, broad_blur, pull_push
from skyworld.models.builtin.seams import vertical_seam

SIDE = 14  # px: patches are compared at about this size
CANDIDATES = 1500  # places of an exemplar that are tried for a patch, at random


@dataclass
class Exemplar:
    """A picture to take patches from, where its mask (bool [h, w]) holds over the whole patch.

    small: the picture at the scale at which patches are compared.  free: where a patch of `small` may
    begin.  used: how much has been taken from around there.
    """

    picture: np.ndarray
    mask: np.ndarray
    small: np.ndarray = field(init=False)
    free: np.ndarray = field(init=False)
    used: np.ndarray = field(init=False)

    def prepare(self, shrink: int, patch: int) -> bool:
        """For patches of `patch` pixels, compared at 1 / shrink. False where not one fits."""
        height, width = self.mask.shape
        if min(height, width) < patch + shrink:
            return False
        size = (width // shrink, height // shrink)
        self.small = cv2.resize(self.picture, size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(self.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        side = patch // shrink
        full = cv2.erode(mask, np.ones((side, side)), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        self.free = full[: size[1] - side + 1, : size[0] - side + 1] > 0
        self.used = np.zeros(self.free.shape, np.float32)
        return bool(self.free.any())

    def best(self, wanted: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> tuple[float, int, int]:
        """Cost, row and column (of `small`) of the patch most like `wanted` where `weight` is not 0."""
        if weight.any():
            tried = self.free & (rng.random(self.free.shape) < CANDIDATES / max(self.free.sum(), 1))
            tried = tried if tried.any() else self.free
            cost = patch_costs(self.small, tried, wanted, weight) / max(float(weight.sum()), 1.0)
        else:
            cost = rng.random(self.free.shape).astype(np.float32)
        cost = np.where(self.free, cost + 0.04 * self.used, 1e9)
        row, column = np.unravel_index(np.argmin(cost), cost.shape)
        return float(cost[row, column]), int(row), int(column)

    def take(self, row: int, column: int, shrink: int, patch: int) -> np.ndarray:
        rows, columns = np.ogrid[: self.used.shape[0], : self.used.shape[1]]
        near = 0.35 * patch / shrink
        self.used += np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / near**2).astype(np.float32)
        top = min(row * shrink, self.picture.shape[0] - patch)
        left = min(column * shrink, self.picture.shape[1] - patch)
        return self.picture[top : top + patch, left : left + patch]


@njit(parallel=True, cache=True, fastmath=True)
def patch_costs(picture, free, wanted, weight):
    """Weighted sum of squared differences of `wanted` [n, n, 3] to the patch at every free place, 1e9 elsewhere."""
    side = wanted.shape[0]
    out = np.full(free.shape, np.float32(1e9), np.float32)
    for top in prange(free.shape[0]):
        for left in range(free.shape[1]):
            if not free[top, left]:
                continue
            total = np.float32(0)
            for y in range(side):
                for x in range(side):
                    if weight[y, x] > 0:
                        a = picture[top + y, left + x, 0] - wanted[y, x, 0]
                        b = picture[top + y, left + x, 1] - wanted[y, x, 1]
                        c = picture[top + y, left + x, 2] - wanted[y, x, 2]
                        total += weight[y, x] * (a * a + b * b + c * c)
            out[top, left] = total
    return out


def quilt(exemplars: list[Exemplar], size: int, patch: int, seed: int, needed: np.ndarray, target=None, wanted=None):
    """A texture [size, size, 3]. A generator: yields the share done; returns it, or None where no patch fits.

    needed: bool [size, size]; elsewhere it may stay black.  target [size, size, 3]: patches should be
    like it where wanted (bool [size, size]) holds.
    """
    overlap, shrink = patch // 3, max(1, patch // SIDE)
    exemplars = [exemplar for exemplar in exemplars if exemplar.prepare(shrink, patch)]
    if not exemplars:
        return None
    rng = np.random.default_rng(seed)
    canvas = np.zeros((size + patch, size + patch, 3), np.float32)
    done = np.zeros(canvas.shape[:2], np.float32)
    if target is None:
        target, wanted = np.zeros((size, size, 3), np.float32), np.zeros((size, size), bool)
    target = np.pad(target, ((0, patch), (0, patch), (0, 0)), mode="edge")
    wanted = np.pad(wanted.astype(np.float32), ((0, patch), (0, patch)))
    side = patch // shrink
    for top in range(0, size, patch - overlap):
        for left in range(0, size, patch - overlap):
            window = np.s_[top : top + patch, left : left + patch]
            if not needed[window].any():
                continue
            present, guide = done[window], wanted[window] * (1 - done[window])
            like = canvas[window] * present[..., None] + target[window] * guide[..., None]
            like, weight = (
                cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA) for x in (like, present + 0.5 * guide)
            )
            found = sorted((*exemplar.best(like, weight, rng), i) for i, exemplar in enumerate(exemplars))
            close = [f for f in found[:3] if f[0] <= 1.15 * found[0][0] + 1e-5]
            _, row, column, i = close[rng.integers(len(close))]
            _stitch(canvas, done, exemplars[i].take(row, column, shrink, patch), window, overlap)
        yield min(1.0, (top + patch) / size)
    return canvas[:size, :size]


def _stitch(canvas, done, piece, window, overlap: int) -> None:
    """Lays a piece over the canvas along the cheapest cuts on its left and upper side."""
    before, present = canvas[window].copy(), done[window]
    cost = ((before - piece) ** 2).sum(-1) + 1e-4
    share = np.ones(cost.shape, np.float32)
    across = np.arange(cost.shape[0])
    if present[:, :overlap].any():
        share *= across >= vertical_seam(np.ascontiguousarray(cost[:, :overlap]))[:, None]
    if present[:overlap].any():
        share *= (across >= vertical_seam(np.ascontiguousarray(cost[:overlap].T))[:, None]).T
    share = np.where(present > 0, cv2.GaussianBlur(share, (0, 0), 1.2), 1)[..., None]
    canvas[window] = before * (1 - share) + piece * share
    done[window] = 1


def fill_disc(around: np.ndarray, hole: np.ndarray, texture: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """`around` [n, n, 3] with `texture` in its hole (bool [n, n], about the middle): picture, share of texture.

    The texture takes over the surroundings' light, near its rim their hue too; the cut is a closed curve,
    found in polar coordinates up to `margin` pixels outside the hole; then a multiband blend.
    """
    size = around.shape[0]
    known = ~hole
    filled = pull_push(around, known)
    shading, own = (broad_blur(x, 45 * size / 800) for x in (filled, texture))
    away = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)[..., None] / (0.12 * size)
    step = 0.6 * (shading - own)
    light = step.mean(-1, keepdims=True)
    texture = texture + light + np.exp(-away) * (step - light)
    inside = _inside_closed_seam(around, hole, texture, margin)
    filled = np.where(hole[..., None], texture + broad_blur(filled - texture, 12), filled)
    return blend(filled.astype(np.float32), texture.astype(np.float32), inside), inside


def _inside_closed_seam(around, hole, texture, margin: int) -> np.ndarray:
    """float [n, n], 1 inside the cheapest closed curve around the hole."""
    size, angles = around.shape[0], 1440
    middle, reach = size / 2, size // 2 - 2
    turn = np.arange(angles) / angles * 2 * np.pi
    radius = np.arange(reach)
    x = (middle + np.sin(turn)[:, None] * radius).astype(np.float32)
    y = (middle - np.cos(turn)[:, None] * radius).astype(np.float32)
    unknown = cv2.remap(hole.astype(np.float32), x, y, cv2.INTER_NEAREST) > 0.5
    edge = np.where(unknown.any(1), reach - np.argmax(unknown[:, ::-1], 1) + 1, 0).clip(0, reach - 3)
    a, b = (cv2.remap(p, x, y, cv2.INTER_LINEAR) for p in (around, texture.astype(np.float32)))
    cost = np.sqrt(((a - b) ** 2).sum(-1)) + 0.05
    cost[(radius < edge[:, None]) | (radius > edge[:, None] + margin)] = 9
    seam = vertical_seam(np.vstack([cost, cost, cost]).astype(np.float32))[angles : 2 * angles]
    seam = np.maximum(seam, edge)
    rows, columns = np.mgrid[:size, :size] + 0.5
    angle = (np.arctan2(columns - middle, middle - rows) / (2 * np.pi) % 1) * angles
    return (np.hypot(columns - middle, rows - middle) < seam[angle.astype(int) % angles]).astype(np.float32)
