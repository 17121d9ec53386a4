"""The built-in completion of views: what is unknown is put together from patches of what lies as far away.

PatchMatch (Barnes et al. 2009) with the votes of Wexler et al. (2007), coarse to fine. Behind a near thing goes on
what is seen beside it and behind: patches come from pixels of about the depth that the hole continues at, and nearer
ones do not take part in the comparison.
"""

import cv2
import numpy as np
from numba import njit

from skyworld.lift.rim import far_side, nearest
from skyworld.models.roles import InpaintView, Photograph, Provenance

# Width at which the filling begins, px; half width of a patch there.
COARSE, HALF = 128, 3
# A source may be so many times as near, or as far, as the place it fills; what is nearer is another thing, in front.
NEARER, FARTHER = 1.12, 1.7
ROUNDS = 3


class BuiltinCompletion:
    """Needs no weights. Keeps a rendered guess as it is (where depth is known) and fills the rest."""

    provenance = Provenance("inpainter", "SkyWorld built-in view completion", "1", "GPL-3.0-or-later", builtin=True)
    schedule = "anchored"

    def begin(self, photograph: Photograph) -> None:
        """Nothing of the photograph is needed: a view's own pixels fill it."""

    def inpaint(self, view: InpaintView) -> np.ndarray:
        if view.depth is None:
            return completed(view.picture, view.unknown, np.ones(view.unknown.shape, np.float32), view.seed)
        hole = view.unknown & (view.depth <= 0)
        inverse = np.where(hole, 0, 1 / np.maximum(view.depth, 1e-3)).astype(np.float32)
        return completed(view.picture, hole, inverse, view.seed)


def completed(picture: np.ndarray, hole: np.ndarray, inverse: np.ndarray, seed: int = 0) -> np.ndarray:
    """The picture [h, w, 3] with its hole (bool [h, w]) filled; inverse depth [h, w], read outside of the hole."""
    if not hole.any() or hole.all():
        return picture
    far = far_side(inverse, hole)
    if not far.any():
        return picture
    rows, columns = nearest(far)
    inverse = np.where(hole, inverse[rows, columns], inverse)
    filled = np.where(hole[..., None], picture[rows, columns], picture).astype(np.float32)
    levels = [(filled, hole, inverse)]
    while max(levels[-1][1].shape) > COARSE and min(levels[-1][1].shape) >= 4 * HALF:
        levels.append(_halved(*levels[-1]))
    places = None
    for index in range(len(levels) - 1, -1, -1):
        filled, hole, inverse = levels[index]
        half = HALF if index == len(levels) - 1 else 2
        source = _sources(hole, half)
        if places is None:
            places = np.full((*hole.shape, 2), -1, np.int32)
        else:
            places = _doubled(places, hole)
            filled = _copied(filled, hole, places, 0)
        coarsest = index == len(levels) - 1
        for _ in range(ROUNDS if coarsest else 1):
            _match(filled, hole, inverse, source, places, half, max(hole.shape) if coarsest else 4, seed + index)
            filled = _copied(filled, hole, places, half if coarsest else 1)
    return filled


def compile_kernels() -> None:
    """Compiles what numba compiles here into its cache, so that no artist waits for it."""
    hole = np.zeros((48, 48), bool)
    hole[20:26, 20:26] = True
    completed(np.zeros((48, 48, 3), np.float32), hole, np.ones(hole.shape, np.float32))


def _halved(picture, hole, inverse):
    height, width = hole.shape[0] // 2, hole.shape[1] // 2
    coarse = cv2.dilate(hole.astype(np.uint8), np.ones((2, 2), np.uint8))[: 2 * height : 2, : 2 * width : 2] > 0
    small = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return small, coarse, np.ascontiguousarray(inverse[: 2 * height : 2, : 2 * width : 2])


def _sources(hole: np.ndarray, half: int) -> np.ndarray:
    """Middles of patches that are known and inside of the picture, bool [h, w]."""
    window = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
    return cv2.erode((~hole).astype(np.uint8), window, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _doubled(places: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Where each pixel of the hole comes from, at twice the size."""
    fine = np.full((*hole.shape, 2), -1, np.int32)
    at = np.argwhere(hole)
    coarse = places[tuple(np.minimum(at // 2, np.array(places.shape[:2]) - 1).T)]
    found = np.minimum(2 * coarse + at % 2, np.array(hole.shape) - 1)
    fine[tuple(at.T)] = np.where(coarse[:, :1] >= 0, found, -1)
    return fine


@njit(cache=True, fastmath=True)
def _difference(picture, inverse, hole, row, column, i, j, half, worst):
    """Mean squared difference of the patches around (row, column) and (i, j), without what stands in front."""
    height, width = hole.shape
    limit = inverse[row, column] * NEARER
    total, count = np.float32(0), np.float32(0)
    for dy in range(-half, half + 1):
        y = row + dy
        if y < 0 or y >= height:
            continue
        for dx in range(-half, half + 1):
            x = column + dx
            if x < 0 or x >= width:
                continue
            known = not hole[y, x]
            if known and inverse[y, x] > limit:
                continue
            weight = np.float32(3) if known else np.float32(1)
            for c in range(3):
                d = picture[y, x, c] - picture[i + dy, j + dx, c]
                total += weight * d * d
            count += weight
    return total / max(count, np.float32(1))


@njit(cache=True, fastmath=True)
def _match(picture, hole, inverse, source, places, half, far, seed):
    """Improves `places` [h, w, 2], the middle of the source of each hole pixel, in place: sweeps of PatchMatch.

    far: how far from the present source others are tried, px; half as far each time.
    """
    np.random.seed(seed)
    height, width = hole.shape
    costs = np.full(hole.shape, np.float32(1e9), np.float32)
    for sweep in range(2):
        forward = sweep % 2 == 0
        for a in range(height):
            row = a if forward else height - 1 - a
            for b in range(width):
                column = b if forward else width - 1 - b
                if not hole[row, column]:
                    continue
                best = costs[row, column]
                best_row, best_column = places[row, column, 0], places[row, column, 1]
                step = -1 if forward else 1
                reach = far
                for attempt in range(11):
                    if attempt == 0:
                        i, j = best_row, best_column
                    elif attempt <= 2:
                        y = row + (step if attempt == 1 else 0)
                        x = column + (step if attempt == 2 else 0)
                        if y < 0 or y >= height or x < 0 or x >= width or places[y, x, 0] < 0:
                            continue
                        i, j = places[y, x, 0] + row - y, places[y, x, 1] + column - x
                    else:
                        if reach < 2:
                            break
                        middle_row = best_row if best_row >= 0 else row
                        middle_column = best_column if best_row >= 0 else column
                        i = middle_row + int((2 * np.random.random() - 1) * reach)
                        j = middle_column + int((2 * np.random.random() - 1) * reach)
                        reach //= 2
                    if i < 0 or i >= height or j < 0 or j >= width or not source[i, j]:
                        continue
                    ratio = inverse[i, j] / max(inverse[row, column], np.float32(1e-9))
                    if ratio > NEARER or ratio * FARTHER < 1:
                        continue
                    cost = _difference(picture, inverse, hole, row, column, i, j, half, best)
                    if cost < best or attempt == 0:
                        best, best_row, best_column = cost, i, j
                costs[row, column] = best
                places[row, column, 0], places[row, column, 1] = best_row, best_column


@njit(cache=True)
def _copied(picture, hole, places, half):
    """The hole from its places: the mean of what the patches that overlap a pixel say of it."""
    height, width = hole.shape
    result = picture.copy()
    for row in range(height):
        for column in range(width):
            if not hole[row, column]:
                continue
            count, r, g, b = 0, np.float32(0), np.float32(0), np.float32(0)
            for dy in range(-half, half + 1):
                for dx in range(-half, half + 1):
                    y, x = row + dy, column + dx
                    if y < 0 or y >= height or x < 0 or x >= width or places[y, x, 0] < 0 or not hole[y, x]:
                        continue
                    i, j = places[y, x, 0] - dy, places[y, x, 1] - dx
                    if i < 0 or i >= height or j < 0 or j >= width or hole[i, j]:
                        continue
                    count += 1
                    r += picture[i, j, 0]
                    g += picture[i, j, 1]
                    b += picture[i, j, 2]
            if count:
                result[row, column, 0], result[row, column, 1], result[row, column, 2] = r / count, g / count, b / count
    return result
