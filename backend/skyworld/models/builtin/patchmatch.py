"""Fills holes with what stands around them: patches that are alike on all scales.

Space-time completion (Wexler, Shechtman and Irani 2007) for one picture, with the nearest-neighbour field of
PatchMatch (Barnes et al. 2009): the hole is voted for by the known patches most like it, from coarse to fine.
"""

import cv2
import numpy as np
from numba import njit

from skyworld.models.builtin.pyramid import pull_push

RADIUS = 3  # of a patch
COARSEST = 40  # px: the smaller side of the coarsest level is at least this
TRUST = 1.3  # what a pixel of the hole says counts less by this factor with each pixel from the rim
SETTLE, MISMATCH = 4.0, 0.05  # px over which the two sides of a rim are compared; more than this is an edge
ROUNDS = (10, 6, 4, 3, 2)  # of matching and voting, from the coarsest level on; finer ones have the last


def complete(picture: np.ndarray, unknown: np.ndarray, seed: int) -> np.ndarray:
    """[H, W, 3] float32 with the pixels of `unknown` (bool [H, W]) filled; all others stay.

    Where no whole patch is known, the known colours run into one another.
    """
    levels = [_padded(picture.astype(np.float32), unknown)]
    while min(levels[-1][1].shape) >= 2 * COARSEST and _thickness(levels[-1][1]) > 2:
        levels.append(_halved(*levels[-1]))
    if not unknown.any():
        return picture
    field = None
    for depth, (colours, hole) in enumerate(reversed(levels)):
        source = _sources(hole)
        if not source.any():
            if depth == len(levels) - 1:
                return pull_push(picture, ~unknown)
            continue
        places = np.argwhere(source).astype(np.int32)
        target = _dilated(hole)
        filled = pull_push(colours, ~hole)
        away = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
        trust = (TRUST ** -away.clip(max=60)).astype(np.float32)
        if field is None:
            rng = np.random.default_rng(seed)
            field = places[rng.integers(len(places), size=hole.shape)].astype(np.int32)
        else:
            field = _finer(field, source, places)
            filled = _voted(filled, trust, hole, target, field)
        for round_ in range(ROUNDS[min(depth, len(ROUNDS) - 1)]):
            match(filled, trust, target, source, field, max(*hole.shape), seed + 101 * round_ + depth)
            filled = _voted(filled, trust, hole, target, field)
    filled = _copied(filled, hole, field)
    inner = _settled(filled[RADIUS:-RADIUS, RADIUS:-RADIUS], unknown)
    return np.where(unknown[..., None], inner, picture).astype(np.float32)


def _copied(filled: np.ndarray, hole: np.ndarray, field: np.ndarray) -> np.ndarray:
    """The finest detail, which voting averages away, from each pixel's own best patch."""
    own = filled[field[..., 0], field[..., 1]]
    detail = own - cv2.GaussianBlur(own, (0, 0), 1.5)
    smooth = cv2.GaussianBlur(filled, (0, 0), 1.5)
    return np.where(hole[..., None], smooth + detail, filled)


def _settled(filled: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Shades the hole so that no step shows along its rim: the broad difference between both sides, run inward.

    Where it is more than MISMATCH a thing ends at the rim, and shading would smear it.
    """
    sides = []
    for mask in (~unknown, unknown):
        weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SETTLE)[..., None]
        sides.append(cv2.GaussianBlur(filled * mask[..., None], (0, 0), SETTLE) / np.maximum(weight, 1e-3))
    step = sides[0] - sides[1]
    rim = unknown & (cv2.erode(unknown.astype(np.uint8), np.ones((5, 5)), borderValue=1) == 0)
    step *= (np.abs(step).max(-1) < MISMATCH)[..., None]
    return filled + cv2.GaussianBlur(pull_push(step, rim), (0, 0), SETTLE) * unknown[..., None]


def _padded(picture: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """With a mirrored margin of one patch radius, so that every pixel has a patch."""
    pad = ((RADIUS, RADIUS), (RADIUS, RADIUS))
    return np.pad(picture, (*pad, (0, 0)), mode="reflect"), np.pad(unknown, pad, mode="reflect")


def _halved(colours: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the size; a pixel is known where any of its four is."""
    size = (hole.shape[1] // 2, hole.shape[0] // 2)
    known = (~hole).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(colours * known[..., None], size, interpolation=cv2.INTER_AREA)
    return small / np.maximum(weight, 1e-6)[..., None], weight < 0.5


def _thickness(hole: np.ndarray) -> float:
    """Pixels from the hole's middle to its rim."""
    return float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max())


def _dilated(hole: np.ndarray) -> np.ndarray:
    """Centres of the patches that hold a pixel of the hole, the margin left out."""
    target = cv2.dilate(hole.astype(np.uint8), np.ones((2 * RADIUS + 1,) * 2)) > 0
    return target & _inside(hole.shape)


def _sources(hole: np.ndarray) -> np.ndarray:
    """Centres of the patches that are known whole."""
    return ~(cv2.dilate(hole.astype(np.uint8), np.ones((2 * RADIUS + 1,) * 2)) > 0) & _inside(hole.shape)


def _inside(shape: tuple[int, int]) -> np.ndarray:
    inside = np.zeros(shape, bool)
    inside[RADIUS:-RADIUS, RADIUS:-RADIUS] = True
    return inside


def _finer(field: np.ndarray, source: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A field [h, w, 2] at twice the size; places that are no source there become the nearest that is."""
    height, width = source.shape
    rows = np.minimum(np.arange(height) // 2, field.shape[0] - 1)
    columns = np.minimum(np.arange(width) // 2, field.shape[1] - 1)
    field = 2 * field[rows][:, columns]
    field[..., 0] += np.arange(height, dtype=np.int32)[:, None] % 2
    field[..., 1] += np.arange(width, dtype=np.int32) % 2
    field = np.minimum(field, np.array([height - 1, width - 1], np.int32))
    _, labels = cv2.distanceTransformWithLabels(
        (~source).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros((labels.max() + 1, 2), np.int32)
    nearest[labels[source]] = places
    return nearest[labels[field[..., 0], field[..., 1]]]


def _voted(filled, trust, hole, target, field) -> np.ndarray:
    """The hole's colours as its patches' sources have them; votes near the rim and of good matches weigh more."""
    return np.where(hole[..., None], vote(filled, trust, target, field), filled).astype(np.float32)


@njit(cache=True, fastmath=True)
def _difference(picture, trust, y, x, v, u, most):
    """Squared differences of the patches about (y, x) and (v, u), summed with trust [H, W]; stops above `most`."""
    total = np.float32(0)
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            for c in range(3):
                d = picture[y + dy, x + dx, c] - picture[v + dy, u + dx, c]
                total += trust[y + dy, x + dx] * d * d
        if total > most:
            return total
    return total


@njit(cache=True, fastmath=True)
def match(picture, trust, target, source, field, reach, seed):
    """One sweep of PatchMatch forth and one back over the target; betters field [H, W, 2] (row, column) in place."""
    height, width = target.shape
    state = np.uint64(seed * 2654435761 + 12345)
    for sweep in range(2):
        step = 1 - 2 * sweep
        for i in range(height):
            y = i if sweep == 0 else height - 1 - i
            for j in range(width):
                x = j if sweep == 0 else width - 1 - j
                if not target[y, x]:
                    continue
                v, u = field[y, x, 0], field[y, x, 1]
                best = _difference(picture, trust, y, x, v, u, np.float32(1e9))
                for side in range(2):
                    py, px = (y - step, x) if side == 0 else (y, x - step)
                    if target[py, px]:
                        nv, nu = field[py, px, 0] + y - py, field[py, px, 1] + x - px
                        if 0 <= nv < height and 0 <= nu < width and source[nv, nu]:
                            cost = _difference(picture, trust, y, x, nv, nu, best)
                            if cost < best:
                                best, v, u = cost, nv, nu
                radius = reach
                while radius >= 1:
                    state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                    nv = v + np.int64((state >> np.uint64(33)) % np.uint64(2 * radius + 1)) - radius
                    state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                    nu = u + np.int64((state >> np.uint64(33)) % np.uint64(2 * radius + 1)) - radius
                    if 0 <= nv < height and 0 <= nu < width and source[nv, nu]:
                        cost = _difference(picture, trust, y, x, nv, nu, best)
                        if cost < best:
                            best, v, u = cost, nv, nu
                    radius //= 2
                field[y, x, 0], field[y, x, 1] = v, u


@njit(cache=True, fastmath=True)
def vote(picture, trust, target, field):
    """[H, W, 3]: mean of what the patches over each pixel show there, weighted by trust [H, W] and by likeness.

    Likeness: exp(-difference / its 75th percentile), as Wexler et al. have it.
    """
    height, width = target.shape
    ys, xs = np.nonzero(target)
    costs = np.empty(len(ys), np.float32)
    for i in range(len(ys)):
        y, x = ys[i], xs[i]
        held = np.float32(1e-6)
        for dy in range(-RADIUS, RADIUS + 1):
            for dx in range(-RADIUS, RADIUS + 1):
                held += trust[y + dy, x + dx]
        costs[i] = _difference(picture, trust, y, x, field[y, x, 0], field[y, x, 1], np.float32(1e9)) / held
    usual = np.percentile(costs, 75) + np.float32(1e-6)
    total = np.zeros(picture.shape, np.float32)
    weights = np.full((height, width), np.float32(1e-12))
    for i in range(len(ys)):
        y, x = ys[i], xs[i]
        v, u = field[y, x, 0], field[y, x, 1]
        weight = trust[y, x] * np.exp(-costs[i] / usual) + np.float32(1e-9)
        for dy in range(-RADIUS, RADIUS + 1):
            for dx in range(-RADIUS, RADIUS + 1):
                weights[y + dy, x + dx] += weight
                for c in range(3):
                    total[y + dy, x + dx, c] += weight * picture[v + dy, u + dx, c]
    for y in range(height):
        for x in range(width):
            for c in range(3):
                total[y, x, c] /= weights[y, x]
    return total
