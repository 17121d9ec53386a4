"""Points that several images show, and what they tell: how far each RPC is off, and how high the ground lies.

SIFT finds and describes them (opencv), the cameras say where a match may lie, and scipy adjusts one shift an image
so that the lines of sight meet. Shifts that move all images alike cannot be seen and stay 0 (zero-sum gauge).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from scipy.optimize import least_squares
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from skyworld.errors import UserError
from skyworld.satellite.views import Project, View, affine

FEATURES, TILE = 12_000, 1536  # of an image; sought tile by tile, so that they lie everywhere
RATIO = 0.85  # of the distances to the best and to the second best (Lowe)
REACH = 64.0  # px that the RPC may be off
FEWEST = 12  # tracks that an image needs
MOST_PARTNERS = 6  # that an image is matched with where there are many
_ROUNDS = 6  # of adjusting and leaving out what does not fit
_LOOSE = 0.5  # px: residuals above count less (soft L1)


@dataclass(frozen=True)
class TiePoints:
    """places: [T, 3] metres.  counts: [T] images that show each.  bias: [N, 2] px, observed less predicted.

    residual: px, root mean square of an observation.  before: the same without the bias.
    used, found: tracks.  per_image: [N] px, root mean square in each image.
    pixels: of each image, the rows of `places` that it shows and where, [K] and [K, 2].
    """

    places: np.ndarray
    counts: np.ndarray
    bias: np.ndarray
    residual: float
    before: float
    used: int
    found: int
    per_image: np.ndarray
    pixels: list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class _Tracks:
    """Observations [M]: of which track, in which image, where [M, 2]."""

    track: np.ndarray
    image: np.ndarray
    pixel: np.ndarray

    def __len__(self) -> int:
        return int(self.track.max()) + 1 if len(self.track) else 0

    def only(self, keep: np.ndarray) -> "_Tracks":
        """The tracks where `keep` [T] holds, numbered anew."""
        chosen = keep[self.track]
        return _Tracks((np.cumsum(keep) - 1)[self.track[chosen]], self.image[chosen], self.pixel[chosen])


def find_tie_points(views: Sequence[View], corners: np.ndarray) -> TiePoints:
    """corners: [K, 3] places that enclose where the ground can be (low and high).

    Raises UserError where an image does not fit the others: it shows another place, or its RPC is another image's.
    """
    features = [_features(view) for view in views]
    for view, (pixels, _) in zip(views, features, strict=True):
        if len(pixels) < FEWEST:
            raise UserError(
                f"{view.name} shows no detail in this area", hint="Clouds, water or snow? Leave the image out"
            )
    cameras = [affine(view.project, corners) for view in views]
    low, high = float(corners[:, 2].min()), float(corners[:, 2].max())
    matches = {}
    for a, b in _pairs(len(views)):
        matches[a, b] = _match(features[a], features[b], cameras[a], cameras[b], low, high)
    tracks = _chain(matches, [pixels for pixels, _ in features])
    return _adjust(views, tracks, corners)


def _pairs(count: int) -> list[tuple[int, int]]:
    return [
        (a, b)
        for a, b in combinations(range(count), 2)
        if count <= 8 or min(b - a, count - b + a) <= MOST_PARTNERS // 2
    ]


def _features(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [F, 2] and RootSIFT descriptors [F, 128], unit length."""
    logs = np.log(np.maximum(view.values, 1e-6))
    if not view.valid.any():
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    dark, bright = np.percentile(logs[view.valid], (0.5, 99.8))
    picture = np.clip((logs - dark) / max(bright - dark, 1e-6) * 255, 0, 255).astype(np.uint8)
    picture = cv2.createCLAHE(3, (8, 8)).apply(picture)
    height, width = picture.shape
    down, across = -(-height // TILE), -(-width // TILE)
    sift = cv2.SIFT_create(max(500, FEATURES // (down * across)), contrastThreshold=0.01)
    inside = cv2.erode(view.valid.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0)
    pixels, descriptors = [], []
    for i in range(down):
        for j in range(across):
            tile = np.s_[i * TILE : (i + 1) * TILE, j * TILE : (j + 1) * TILE]
            points, found = sift.detectAndCompute(np.ascontiguousarray(picture[tile]), inside[tile].copy())
            if points:
                pixels.append(cv2.KeyPoint_convert(points) + np.array((j * TILE, i * TILE)))
                descriptors.append(found)
    if not pixels:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    rooted = np.concatenate(descriptors)
    rooted = np.sqrt(rooted / np.maximum(rooted.sum(1, keepdims=True), 1e-9))
    # opencv calls the first pixel's centre 0. SIFT finds a place again when turned: one of each is enough.
    pixels, first = np.unique(np.concatenate(pixels).astype(np.float64) + 0.5, axis=0, return_index=True)
    return pixels, rooted[first].astype(np.float32)


def _match(a, b, camera_a: np.ndarray, camera_b: np.ndarray, low: float, high: float) -> np.ndarray:
    """[K, 2] features of a and b that are each other's best, near the epipolar segment that the cameras tell."""
    (pixels_a, words_a), (pixels_b, words_b) = a, b
    ends = [_transfer(pixels_a, camera_a, camera_b, level) for level in (low, high)]
    best = np.zeros(len(pixels_a), np.int64)
    good = np.zeros(len(pixels_a), bool)
    back, back_score = np.zeros(len(pixels_b), np.int64), np.full(len(pixels_b), -1.0, np.float32)
    for start in range(0, len(pixels_a), 2000):
        rows = slice(start, start + 2000)
        score = words_a[rows] @ words_b.T
        score[_beside(ends[0][rows], ends[1][rows], pixels_b) > REACH] = -1
        first = score.argmax(1)
        index = np.arange(len(first))
        top = score[index, first]
        column = score.argmax(0)
        above = score[column, np.arange(len(pixels_b))]
        better = above > back_score
        back[better], back_score[better] = column[better] + start, above[better]
        score[index, first] = -1
        second = score.max(1)
        best[rows] = first
        good[rows] = (top > 0) & (2 - 2 * top < RATIO**2 * (2 - 2 * second))
    chosen = good & (back[best] == np.arange(len(best)))
    return np.stack([np.nonzero(chosen)[0], best[chosen]], 1)


def _transfer(pixels: np.ndarray, a: np.ndarray, b: np.ndarray, level: float) -> np.ndarray:
    """Where pixels [F, 2] of camera a come to lie in camera b if the ground is level at this height."""
    ground = np.linalg.solve(a[:, :2], (pixels - a[:, 2] * level - a[:, 3]).T)
    return (b[:, :2] @ ground).T + b[:, 2] * level + b[:, 3]


def _beside(start: np.ndarray, end: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """[F, G] distances of pixels [G, 2] to segments [F, 2] to [F, 2]."""
    along = (end - start).astype(np.float32)
    length = np.maximum((along**2).sum(1), 1e-12)[:, None]
    x = pixels[None, :, 0].astype(np.float32) - start[:, :1].astype(np.float32)
    y = pixels[None, :, 1].astype(np.float32) - start[:, 1:].astype(np.float32)
    t = np.clip((x * along[:, :1] + y * along[:, 1:]) / length, 0, 1)
    return np.hypot(x - t * along[:, :1], y - t * along[:, 1:])


def _chain(matches: dict[tuple[int, int], np.ndarray], pixels: list[np.ndarray]) -> _Tracks:
    """Matches of pairs become tracks; those that show two places of one image are left out."""
    first = np.concatenate([[0], np.cumsum([len(points) for points in pixels])])
    a = np.concatenate([first[pair[0]] + found[:, 0] for pair, found in matches.items()])
    b = np.concatenate([first[pair[1]] + found[:, 1] for pair, found in matches.items()])
    graph = coo_matrix((np.ones(len(a), bool), (a, b)), shape=(first[-1], first[-1]))
    label = connected_components(graph, directed=False)[1]
    joined = np.unique(np.concatenate([a, b])).astype(np.int64)
    image = np.searchsorted(first, joined, "right") - 1
    track = np.unique(label[joined], return_inverse=True)[1]
    tracks = _Tracks(track, image, np.concatenate(pixels)[joined])
    seen = np.zeros((len(tracks), len(pixels)), np.int64)
    np.add.at(seen, (track, image), 1)
    return tracks.only((seen <= 1).all(1))


def _adjust(views: Sequence[View], tracks: _Tracks, corners: np.ndarray) -> TiePoints:
    """Robust adjustment of one shift an image; see the module."""
    _check_enough(views, tracks, len(tracks))
    projects = [view.project for view in views]
    found, bias, start = len(tracks), np.zeros((len(views), 2)), corners.mean(0)
    before = None
    for _ in range(_ROUNDS):
        places, residual, jacobian = _triangulate(projects, tracks, bias, start)
        error = _of_track(tracks, (residual**2).sum(1)) / _of_track(tracks, np.full(len(residual), 2.0))
        before = np.sqrt(np.median(error)) if before is None else before
        # A first guess may be far off: what is a blunder is judged by the others.
        within = np.sqrt(error) < max(3 * float(np.sqrt(np.median(error))), 0.5)
        inside = (places[:, 2] > corners[:, 2].min()) & (places[:, 2] < corners[:, 2].max())
        tracks = tracks.only(within & inside)
        _check_enough(views, tracks, found)
        places, residual, jacobian = _triangulate(projects, tracks, bias, start)
        bias = bias + _shifts(tracks, residual, jacobian, len(views), bias)
    places, residual, _ = _triangulate(projects, tracks, bias, start)
    square = (residual**2).mean(1)
    per_image = np.sqrt([square[tracks.image == index].mean() for index in range(len(views))])
    _check_fit(views, tracks, found, bias, per_image)
    pixels = [(tracks.track[tracks.image == index], tracks.pixel[tracks.image == index]) for index in range(len(views))]
    counts = np.bincount(tracks.track)
    return TiePoints(
        places, counts, bias, float(np.sqrt(square.mean())), float(before), len(tracks), found, per_image, pixels
    )


def _of_track(tracks: _Tracks, values: np.ndarray) -> np.ndarray:
    """Sums of observations [M] over their tracks [T]."""
    return np.bincount(tracks.track, values, len(tracks))


def _triangulate(projects: Sequence[Project], tracks: _Tracks, bias: np.ndarray, start: np.ndarray):
    """Places [T, 3] by Gauss-Newton from `start` [3], residuals [M, 2] px, and d pixel / d place [M, 2, 3]."""
    places = np.tile(start, (len(tracks), 1))
    residual, jacobian = np.zeros((len(tracks.track), 2)), np.zeros((len(tracks.track), 2, 3))
    for step in range(5):
        for index, project in enumerate(projects):
            rows = tracks.image == index
            here = places[tracks.track[rows]]
            residual[rows] = tracks.pixel[rows] - bias[index] - project(here)
            if step < 2:  # cameras are all but affine: their slopes need no more
                for axis, unit in enumerate(np.eye(3)):
                    jacobian[rows, :, axis] = (project(here + unit) - project(here - unit)) / 2
        if step < 4:
            normal = np.zeros((len(tracks), 3, 3))
            right = np.zeros((len(tracks), 3))
            np.add.at(normal, tracks.track, np.einsum("mij,mik->mjk", jacobian, jacobian))
            np.add.at(right, tracks.track, np.einsum("mij,mi->mj", jacobian, residual))
            # Lines of sight that are all but parallel leave the height open: a weak pull keeps it finite.
            places += np.linalg.solve(normal + 1e-9 * np.eye(3), right[..., None])[..., 0]
    return places, residual, jacobian


def _shifts(tracks: _Tracks, residual, jacobian, count: int, bias: np.ndarray) -> np.ndarray:
    """Change of the bias [N, 2] that brings the residuals down while every place moves along (Schur complement)."""
    columns = np.zeros((len(tracks), 3, count, 2))
    np.add.at(columns, (tracks.track, slice(None), tracks.image), np.moveaxis(jacobian, 1, 2))
    normal = np.zeros((len(tracks), 3, 3))
    np.add.at(normal, tracks.track, np.einsum("mij,mik->mjk", jacobian, jacobian))
    moves = np.linalg.solve(normal + 1e-9 * np.eye(3), columns.reshape(len(tracks), 3, -1))
    slope = np.einsum("mij,mjk->mik", jacobian, moves[tracks.track]).reshape(len(residual), 2, count, 2)
    for axis in (0, 1):
        slope[np.arange(len(residual)), axis, tracks.image, axis] -= 1
    slope = slope.reshape(-1, 2 * count)
    # Gauge: shifts add up to zero, and what no residual tells of stays as it is.
    gauge = np.concatenate([np.tile(np.eye(2), count), 1e-3 * np.eye(2 * count)]) * np.sqrt(len(residual))
    held = gauge @ bias.ravel()

    def equations(change: np.ndarray) -> np.ndarray:
        return np.concatenate([residual.ravel() + slope @ change, held + gauge @ change])

    jacobian_of_all = np.concatenate([slope, gauge])
    return least_squares(
        equations, np.zeros(2 * count), jac=lambda _: jacobian_of_all, loss="soft_l1", f_scale=_LOOSE
    ).x.reshape(count, 2)


def _check_enough(views: Sequence[View], tracks: _Tracks, found: int) -> None:
    for index, view in enumerate(views):
        shared = int((tracks.image == index).sum())
        if shared < FEWEST:
            others = "the other image" if len(views) == 2 else "the other images"
            raise UserError(
                f"{view.name} has only {shared} points in common with {others} where its RPC says that they should be",
                hint="It may show another place, be clouded, or carry the RPC of another image: leave it out",
            )


def _check_fit(views: Sequence[View], tracks: _Tracks, found: int, bias: np.ndarray, per_image: np.ndarray) -> None:
    worst = int(np.argmax(np.abs(bias).max(1)))
    if np.abs(bias[worst]).max() > REACH:
        raise UserError(
            f"the RPC of {views[worst].name} is off by {np.abs(bias[worst]).max():.0f} pixels",
            hint="It is probably the RPC of another image: leave it out, or put the right file beside it",
        )
    if len(tracks) < 0.3 * found:
        worst = int(np.argmax(per_image))
        raise UserError(
            f"only {len(tracks)} of {found} points agree between the images; {views[worst].name} fits worst",
            hint="One of them probably carries the RPC of another image: leave it out",
        )
