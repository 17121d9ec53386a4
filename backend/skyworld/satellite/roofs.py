"""Roofs with straight outlines, in a height map.

A sweep rounds corners and lets eaves waver by a cell or two. Walls are set up along them, and windows would run in
waves. But houses have straight sides, most of them in two directions. Cells that hang together without a step and
stand above what is around them are a roof; its outline is simplified (Douglas and Peucker 1973), its sides turn into
the house's own two directions, and lie at the median of the cells that they stand for. A roof whose outline does not
fit such a one (trees, rocks, round towers) stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    find_objects,
    label,
    minimum_filter,
)
from scipy.spatial import KDTree

from skyworld.satellite.height_map import HeightMap

_JOIN, _STEP = 0.8, 2.0  # metres between neighbours of one roof at most; and that its rim stands above what is below
_LEAST = 30.0  # square metres
_ABOVE = 0.6  # share of the rim that does
_MARGIN = 6  # cells around a roof that are looked at
_OFF = 1.6  # cells that an outline may be off where it is simplified
_ROUND = 6.0  # cells: a shorter side that is askew is a corner that was rounded
_TURN = 20.0  # degrees that a side is turned at most
_BLOCK, _AGREE = 60.0, 8.0  # metres around a roof whose houses tell its direction; degrees that its own differs at most
_ALONG, _ALIKE = 0.8, 0.85  # share of the sides in the two directions; cells in both shapes among those in one
_OUTWARD = 0.5  # cells from the middles of the outermost cells to the wall
_DOUBT = 0.5  # of the confidence, where a height was changed
_SQUARE = np.ones((3, 3), bool)


def straightened(height_map: HeightMap) -> HeightMap:
    """With straight outlines where roofs have such; heights and unknown cells stay what they are elsewhere."""
    known = np.isfinite(height_map.up)
    if not known.any():
        return height_map
    up = np.where(known, height_map.up, np.nanmin(height_map.up)).astype(np.float32)
    changed, sure = up.copy(), height_map.confidence.copy()
    roofs = list(_roofs(up, height_map.cell))
    every = zip(roofs, _directions(roofs, height_map.cell), strict=True)
    # A higher roof is made later: what it stands before goes on behind it.
    for roof, direction in sorted(every, key=lambda pair: np.median(up[pair[0].window][pair[0].mask])):
        corners = outline(roof.runs, direction)
        if corners is None:
            continue
        shape = _inside(corners, roof.mask.shape)
        if (shape & roof.mask).sum() >= _ALIKE * (shape | roof.mask).sum():
            _reshape(up[roof.window], changed[roof.window], roof.mask, shape)
    sure[np.abs(changed - up) > _JOIN / 2] *= _DOUBT
    return replace(height_map, up=np.where(known, changed, np.nan).astype(np.float32), confidence=sure)


@dataclass
class _Roof:
    """mask: in the window of the map; runs: the cells [n, 2] (column, row) of each side of its simplified outline."""

    window: tuple[slice, slice]
    mask: np.ndarray
    runs: list[np.ndarray]

    @property
    def turn(self) -> complex:
        """Its angle is four times that of the sides: the same for all four of a rectangle. Long ones tell more."""
        fitted = [np.linalg.svd(cells - cells.mean(0), full_matrices=False)[2][0] for cells in self.runs]
        squares = [np.square(cells[-1] - cells[0]).sum() for cells in self.runs]
        return complex(
            sum(square * np.exp(4j * np.arctan2(y, x)) for square, (x, y) in zip(squares, fitted, strict=True))
        )

    @property
    def place(self) -> tuple[float, float]:
        return tuple((side.start + side.stop) / 2 for side in self.window)


def _directions(roofs: list[_Roof], cell: float) -> np.ndarray:
    """Radians, modulo a right angle, of each roof's sides: those of all around it, where its own are about the same. A
    single outline tells its direction to two degrees."""
    if not roofs:
        return np.zeros(0)
    turns, places = np.array([roof.turn for roof in roofs]), np.array([roof.place for roof in roofs])
    near = KDTree(places).query_ball_point(places, _BLOCK / cell)
    own, common = np.angle(turns) / 4, np.angle([turns[each].sum() for each in near]) / 4
    apart = (own - common + np.pi / 4) % (np.pi / 2) - np.pi / 4
    return np.where(np.abs(apart) < np.radians(_AGREE), common, own)


def _roofs(up: np.ndarray, cell: float) -> Iterator[_Roof]:
    """Each part that stands above what is around it; none that leave the map."""
    parts = np.zeros(up.shape, np.int32)
    count = _connect(cv2.medianBlur(up, 3), np.float32(_JOIN), parts)
    sizes = np.bincount(parts.ravel(), minlength=count + 1) * cell**2
    for number, found in enumerate(find_objects(parts), 1):
        leaves = any(side.start == 0 or side.stop == most for side, most in zip(found, up.shape, strict=True))
        if leaves or sizes[number] < _LEAST:
            continue
        window = tuple(
            slice(max(side.start - _MARGIN, 0), min(side.stop + _MARGIN, most))
            for side, most in zip(found, up.shape, strict=True)
        )
        pieces, several = label(binary_opening(binary_fill_holes(parts[window] == number), _SQUARE))
        if not several:
            continue
        mask = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
        if mask.sum() * cell**2 < _LEAST:
            continue
        rim = mask & ~binary_erosion(mask, _SQUARE)
        runs = runs_of(mask)
        if runs and (up[window][rim] - minimum_filter(up[window], 5)[rim] > _STEP).mean() >= _ABOVE:
            yield _Roof(window, mask, runs)


@njit(cache=True)
def _connect(up, join, parts):
    """Numbers, from 1, what hangs together by steps smaller than `join` between cells side by side."""
    rows, columns = up.shape
    stack = np.empty(up.size, np.int64)
    count = 0
    for first in range(up.size):
        if parts[first // columns, first % columns]:
            continue
        count += 1
        parts[first // columns, first % columns] = count
        stack[0], held = first, 1
        while held:
            held -= 1
            row, column = stack[held] // columns, stack[held] % columns
            for y, x in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= y < rows and 0 <= x < columns and parts[y, x] == 0 and abs(up[y, x] - up[row, column]) < join:
                    parts[y, x] = count
                    stack[held] = y * columns + x
                    held += 1
    return count


@dataclass
class _Side:
    """normal [2], outwards; offset: of the line along it; length in cells; is_along: in one of the two directions."""

    normal: np.ndarray
    offset: float
    length: float
    is_along: bool
    first: np.ndarray
    last: np.ndarray

    def continues(self, other: "_Side") -> bool:
        return self.normal @ other.normal > 0.99 and abs(self.offset - other.offset) < 2 * _OFF

    def joined(self, other: "_Side") -> "_Side":
        length = self.length + other.length
        offset = (self.offset * self.length + other.offset * other.length) / length
        return replace(self, offset=offset, length=length, last=other.last)


def runs_of(mask: np.ndarray) -> list[np.ndarray]:
    """The cells [n, 2] (column, row) along each side of a mask's simplified outline; none where it has not four."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=len).reshape(-1, 2).astype(np.float64)
    simple = cv2.approxPolyDP(contour.astype(np.float32), _OFF, True).reshape(-1, 2)
    at = [int(np.abs(contour - corner).sum(1).argmin()) for corner in simple]
    ends = zip(at, [*at[1:], at[0]], strict=True)
    runs = [contour[np.arange(a, b + 1 if b > a else b + 1 + len(contour)) % len(contour)] for a, b in ends]
    return runs if len(runs) >= 4 else []


def outline(runs: list[np.ndarray], direction: float) -> np.ndarray | None:
    """Corners [K, 2] (column, row; the middle of the first cell at 0) of the straight outline of what has these sides;
    None where they do not lie in the two directions. direction: radians from the columns to the rows."""
    x, y = np.vstack(runs).T
    outside = np.sign((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    every = [_side(cells, direction, outside) for cells in runs]
    sides = _tidied([side for side in every if side.is_along or side.length >= _ROUND])
    along = sum(side.length for side in sides if side.is_along)
    if len(sides) < 4 or along < _ALONG * sum(side.length for side in sides):
        return None
    return np.vstack([_corner(side, after) for side, after in zip(sides, [*sides[1:], sides[0]], strict=True)])


def _turned(cells: np.ndarray, direction: float) -> tuple[float, bool]:
    """Radians that a side runs in, and whether that is one of the two directions."""
    way = cells[-1] - cells[0]
    angle = np.arctan2(way[1], way[0])
    nearest = direction + round((angle - direction) / (np.pi / 2)) * np.pi / 2
    is_along = abs(angle - nearest) < np.radians(_TURN)
    return float(nearest if is_along else angle), is_along


def _side(cells: np.ndarray, direction: float, outside: float) -> _Side:
    """outside: 1 where the outline goes round so that it lies to the right of a way (column, row), else -1."""
    angle, is_along = _turned(cells, direction)
    normal = outside * np.array([np.sin(angle), -np.cos(angle)])
    length = float(np.hypot(*(cells[-1] - cells[0])))
    return _Side(normal, float(np.median(cells @ normal)) + _OUTWARD, length, is_along, cells[0], cells[-1])


def _tidied(sides: list[_Side]) -> list[_Side]:
    """Sides that go on after a corner that was none are one, and the shortest jogs are left out, one by one."""
    while len(sides) > 1:
        at = next((i for i, side in enumerate(sides) if sides[i - 1].continues(side)), None)
        if at is not None:
            joined = sides[at - 1].joined(sides[at])
            sides = [joined, *sides[1:-1]] if at == 0 else [*sides[: at - 1], joined, *sides[at + 1 :]]
            continue
        shortest = min(range(len(sides)), key=lambda i: sides[i].length)
        if len(sides) <= 4 or sides[shortest].length >= 2 * _OFF:
            break
        sides = sides[:shortest] + sides[shortest + 1 :]
    return sides


def _corner(side: _Side, after: _Side) -> np.ndarray:
    """[1, 2] where two sides meet, or, of two that lie side by side, [2, 2]: the jog between them."""
    normals, offsets = np.stack([side.normal, after.normal]), np.array([side.offset, after.offset])
    if abs(np.linalg.det(normals)) > 0.3:
        return np.linalg.solve(normals, offsets)[None]
    middle = (side.last + after.first) / 2
    return middle + (offsets - normals @ middle)[:, None] * normals


def _inside(corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bool [H, W]: cells whose middles lie in a polygon, by the number of its sides on their right."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = np.zeros(shape, bool)
    for (left, top), (right, bottom) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if top != bottom:
            crosses = (top > y) != (bottom > y)
            inside ^= crosses & (x < left + (y - top) * (right - left) / (bottom - top))
    return inside


def _reshape(up: np.ndarray, changed: np.ndarray, mask: np.ndarray, shape: np.ndarray) -> None:
    """The roof `mask` takes the shape `shape`, in place: to its rim with its own height, and beside it what lies
    around. up: before."""
    core = binary_erosion(mask, _SQUARE)
    around = ~binary_dilation(mask, _SQUARE)
    roof, below = (up[tuple(_nearest(each))] for each in (core if core.any() else mask, around))
    rim = shape & ~core
    changed[rim] = np.maximum(changed, roof)[rim]
    beside = (mask | binary_dilation(shape, _SQUARE)) & ~shape
    changed[beside] = np.minimum(changed, below)[beside]


def _nearest(known: np.ndarray) -> np.ndarray:
    """[2, H, W]: row and column of the nearest cell that is known."""
    return distance_transform_edt(~known, return_distances=False, return_indices=True)


def compile_kernels() -> None:
    _connect(np.zeros((3, 3), np.float32), np.float32(_JOIN), np.zeros((3, 3), np.int32))
