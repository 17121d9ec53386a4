"""The order in which splats are drawn: the farthest first, found in a thread, for what a view sees of them."""

import threading
from dataclasses import dataclass

import numpy as np

ROW = 16384  # texels in a row of a texture, as many as every GPU has that Blender runs on
NEAR = 0.01  # metres
MARGIN = 1.3  # of the view's half width: what is sorted, so that turning finds something beyond the edge
TURN = np.radians(0.5)  # what a view may differ by and keep its order
SHIFT, NEARER = 0.05, 0.02  # metres, and as a share of what is nearest
ZOOM = 0.02


def importance(scales, opacities):
    """[N] how much a splat shows: its opacity by the area of its two widest axes."""
    x, y, z = scales.T
    return opacities * (x * y * z / np.minimum(np.minimum(x, y), z))


def by_lot(scales, opacities, seed=0):
    """Indices [N] of splats so that any number of the first ones shows the whole: a weighted lot without replacement.

    What shows more comes sooner (Efraimidis and Spirakis 2006, with the root of the importance as weight), but fine
    things are among the first ones too; by importance alone they would all be last.
    """
    luck = np.random.default_rng(seed).exponential(size=len(scales)).astype(np.float32)
    return np.argsort(luck / np.sqrt(np.maximum(importance(scales, opacities), 1e-20)), kind="stable")


@dataclass(frozen=True)
class Piece:
    """Splats that stand somewhere: means [3, N] and reach [N] (metres), in the order of `by_lot`.

    start: number of the first of them in the store.  to_camera: [4, 4].  share: of them, that is drawn.
    """

    means: np.ndarray
    reach: np.ndarray
    start: int
    to_camera: np.ndarray
    share: float = 1.0


class Sorter:
    """Sorts in a thread of its own, for the last view that was asked for."""

    def __init__(self):
        self._thread = None
        self._asked = None  # the view that is being sorted, or was: pieces, projection, most
        self._found, self._nearest = None, np.inf

    def order(self, pieces, projection, most, wait=False):
        """((count, entries, share) that have come since the last call, or None; whether they are for this view).

        entries: as `sorted_view` gives them.  most: how many are wanted at most.  wait: for those of just this view.
        """
        asked = pieces, np.asarray(projection, np.float64), most
        if self._thread is None and not self._near(*asked):
            self._asked = asked
            self._thread = threading.Thread(target=self._sort, args=asked, name="SkyWorld sorting", daemon=True)
            self._thread.start()
        if self._thread is not None and (wait or not self._thread.is_alive()):
            self._thread.join()
            self._thread = None
            found, self._found = self._found, None
            if wait and not self._near(*asked):
                return self.order(*asked, wait)
            return found, self._near(*asked)
        return None, self._thread is None

    def _near(self, pieces, P, most):
        """Whether a sort would come out as the last one: nearly the same direction, from about there."""
        if self._asked is None:
            return False
        before, last_P, last_most = self._asked
        if len(before) != len(pieces) or last_most != most or last_P[3, 3] != P[3, 3]:
            return False
        if np.abs(P[:2, :3] - last_P[:2, :3]).max() > ZOOM * abs(P[0, 0]):
            return False
        same = all(a.means is b.means and a.share == b.share for a, b in zip(before, pieces, strict=True))
        return same and all(self._stayed(a.to_camera, b.to_camera, P) for a, b in zip(before, pieces, strict=True))

    def _stayed(self, before, now, P):
        before, now = np.asarray(before, np.float64), np.asarray(now, np.float64)
        a, b = before[:3, :3], now[:3, :3]
        size = np.sqrt((a**2).sum() / 3)  # of the object
        if np.linalg.norm(a - b) > np.sqrt(2) * TURN * size:
            return False
        if P[3, 3] > 0.5:
            return bool(np.abs(now[:2, 3] - before[:2, 3]).max() * abs(P[0, 0]) <= SHIFT)
        moved = np.linalg.norm(np.linalg.solve(a, before[:3, 3]) - np.linalg.solve(b, now[:3, 3])) * size
        return bool(moved <= min(SHIFT, NEARER * self._nearest))

    def _sort(self, pieces, P, most):
        self._found, self._nearest = sorted_view(pieces, P, most)


def sorted_view(pieces, P, most):
    """((count, entries, share), depth of the nearest) of what a view with the projection P [4, 4] sees of `pieces`.

    entries: float32 [rows of ROW, 1 or 2], a splat's number in the store and, where there are several, its piece's. Of
    more than `most` the first ones are kept.  share: of what is seen, that was kept.
    """
    parallel = bool(P[3, 3] > 0.5)
    seen = [_seen(piece, P, parallel) for piece in pieces]
    kept = min(1.0, most / max(sum(len(index) for index, _ in seen), 1))
    counts = [int(np.ceil(kept * len(index))) for index, _ in seen]
    numbers = [
        (index[:count] + piece.start).astype(np.float32)
        for (index, _), count, piece in zip(seen, counts, pieces, strict=True)
    ]
    depths = [depth[:count] for (_, depth), count in zip(seen, counts, strict=True)]
    number, depth = (v[0] if len(v) == 1 else np.concatenate(v) for v in (numbers, depths))
    entries = np.zeros((max(-(-len(number) // ROW), 1) * ROW, 1 if len(pieces) == 1 else 2), np.float32)
    if len(number) == 0:
        return (0, entries, 1.0), np.inf
    nearest = float(depth.min())
    order = depth_order(depth, parallel)
    entries[: len(order), 0] = number[order]
    if len(pieces) > 1:
        entries[: len(order), 1] = np.repeat(np.arange(len(pieces), dtype=np.float32), counts)[order]
    return (len(order), entries, kept), nearest


def _seen(piece, P, parallel):
    """(indices [M], depths [M]) of the piece's splats that reach into the view."""
    pose = np.asarray(piece.to_camera, np.float64)
    rows = np.concatenate([P[:2] @ pose, -pose[2:3]]).astype(np.float32)
    wanted = max(1, round(piece.share * piece.means.shape[1]))
    x, y, depth = rows[:, :3] @ piece.means[:, :wanted] + rows[:, 3:]
    f = max(abs(P[0, 0]), abs(P[1, 1])) * np.cbrt(abs(np.linalg.det(pose[:3, :3])))
    limit = piece.reach[:wanted] * np.float32(f)
    limit += MARGIN if parallel else np.float32(MARGIN) * depth
    inside = np.abs(x, out=x) <= limit
    inside &= np.abs(y, out=y) <= limit
    if not parallel:
        inside &= depth > NEAR
    index = np.flatnonzero(inside)
    return index, depth if len(index) == wanted else depth[index]


def depth_order(depth, parallel=False):
    """Indices of depths [N], the farthest first: a radix sort of 16-bit keys.

    In perspective the keys are even in the depth's logarithm: near splats are told apart where far ones need not be.
    """
    if not parallel:
        depth = np.maximum(depth, NEAR)
        np.log(depth, out=depth)
    low, high = float(depth.min()), float(depth.max())
    keys = (depth - np.float32(high)) * np.float32(-65535 / max(high - low, 1e-9))
    return np.argsort(keys.astype(np.uint16), kind="stable")
