"""What stands behind things: the surfaces that come into sight when the camera leaves the panorama's centre.

A camera that moves by r sees past an edge between a near thing (distance n) and a far one (f) by the
angle r (1/n - 1/f). So far, and no farther, the surface behind each edge is continued under the near
thing: its plane by the far side's own pixels, its colours by theirs. The result is a layer like the
panorama itself; the same again, with the near things taken away, gives what is behind that.
"""

import math
from dataclasses import replace

import cv2
import numpy as np
from numba import njit

from skyworld.camera import directions
from skyworld.lift.points import Layer

# A step in distance of this ratio between neighbours may be an edge; it is one if the far side, continued,
# lies behind the near one by the second ratio. A surface seen at a grazing angle continues into itself.
EDGE = 1.02
BEHIND = 1.015
LEVEL = 3.0
# Half width of the window in which the plane of the far side is fitted, px.
_WINDOW = 4


def hidden_layer(layer: Layer, reach: float, eye_height: float) -> Layer:
    """The surfaces behind the nearest edges of `layer`, uncovered by a move of `reach` metres.

    The mask of the result holds the pixels that have such a surface; the rest is the layer itself.
    """
    height, width = layer.distance.shape
    rays = directions(width, height).astype(np.float32)
    distance = np.where(layer.sky, layer.distance.max(), layer.distance).astype(np.float32)
    sources, planes, counts = _edges(distance, layer.sky, rays, np.float32(reach), np.float32(2 * np.pi / width))
    owner = _spread(distance, layer.sky, rays, sources[:counts], planes[:counts], np.float32(eye_height))
    mask = owner >= 0
    if not mask.any():
        return replace(layer, mask=mask)
    at = np.where(mask, owner, 0)
    rows, columns = sources[at, 0].astype(int), sources[at, 1].astype(int)
    sky = mask & layer.sky[rows, columns]
    filled = np.where(mask, _continued(rays, planes[at], distance[rows, columns], np.float32(eye_height)), distance)
    filled = np.where(sky, distance.max(), filled)
    inverse = _smoothed(1 / filled, mask & ~sky, 3)
    ground = np.where(rays[..., 2] < -1e-3, -eye_height / np.minimum(rays[..., 2], -1e-3), np.inf)
    filled = np.where(mask & ~sky, np.minimum(1 / inverse, ground), filled).astype(np.float32)
    mask &= filled > distance
    filled = np.where(mask, filled, distance)
    picture = _mirrored(layer.picture, layer.distance, mask, rows, columns)
    return Layer(picture, filled, mask, np.where(mask, sky, layer.sky))


def compile_kernels() -> None:
    """Compiles what numba compiles here into its cache, so that no artist waits for it."""
    distance = np.full((32, 64), 4, np.float32)
    distance[12:20, 20:30] = 1
    everywhere = np.ones(distance.shape, bool)
    hidden_layer(Layer(np.zeros((32, 64, 3), np.float32), distance, everywhere, ~everywhere), 1.0, 1.6)


@njit(cache=True)
def _edges(distance, sky, rays, reach, step):
    """Edges (row, column of the far side; row, column of the near side; how far it is uncovered, px) [n, 5], and
    the plane of the far side [n, 3] (n . P = 1; 0 where there is none)."""
    height, width = distance.shape
    sources = np.empty((4 * height * width, 5), np.float32)
    planes = np.zeros((4 * height * width, 3), np.float32)
    count = 0
    for row in range(height):
        for column in range(width):
            near = distance[row, column]
            for turn in range(4):
                far_row = row + (turn == 0) - (turn == 1)
                far_column = (column + (turn == 2) - (turn == 3)) % width
                if far_row < 0 or far_row >= height:
                    continue
                far = distance[far_row, far_column]
                if far < EDGE * near:
                    continue
                uncovered = reach * (1 / near - 1 / far) / step
                if uncovered < 0.7:
                    continue
                sources[count, 0], sources[count, 1] = far_row, far_column
                sources[count, 2], sources[count, 3], sources[count, 4] = row, column, uncovered + 1.5
                if not sky[far_row, far_column]:
                    _fit_plane(distance, sky, rays, far_row, far_column, planes[count])
                count += 1
    return sources, planes, count


@njit(cache=True)
def _fit_plane(distance, sky, rays, row, column, plane):
    """Least squares of n . ray = 1 / distance over the pixels around (row, column) that are as far as it is."""
    height, width = distance.shape
    centre = distance[row, column]
    A, b, used = np.zeros((3, 3)), np.zeros(3), 0
    for i in range(max(0, row - _WINDOW), min(height, row + _WINDOW + 1)):
        for j in range(column - _WINDOW, column + _WINDOW + 1):
            j = j % width
            d = distance[i, j]
            if sky[i, j] or d > 1.3 * centre or d < centre / 1.3:
                continue
            used += 1
            for k in range(3):
                b[k] += rays[i, j, k] / d
                for m in range(3):
                    A[k, m] += rays[i, j, k] * rays[i, j, m]
    if used < 12:
        return
    # A plane that faces the camera at the centre's distance is what is believed without evidence.
    weight = 2e-3 * used
    for k in range(3):
        A[k, k] += weight
        b[k] += weight * rays[row, column, k] / centre
    solved = np.linalg.solve(A, b)
    residual = 0.0
    for k in range(3):
        residual += solved[k] * rays[row, column, k]
    if abs(residual * centre - 1) < 0.1:
        for k in range(3):
            plane[k] = solved[k]


@njit(cache=True)
def _depth_behind(ray, plane, far, eye):
    """Distance of the far surface along `ray`: its plane where it has one, kept within a factor of two; never below
    the ground."""
    w = plane[0] * ray[0] + plane[1] * ray[1] + plane[2] * ray[2]
    d = far
    if plane[0] != 0 or plane[1] != 0 or plane[2] != 0:
        d = min(max(1 / max(w, np.float32(1e-4)), far / 2), far * 2)
    if ray[2] < -1e-3:
        d = min(d, -eye / ray[2])
    return d


@njit(cache=True)
def _continued(rays, planes, far, eye):
    height, width = far.shape
    result = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            result[row, column] = _depth_behind(rays[row, column], planes[row, column], far[row, column], eye)
    return result


@njit(cache=True)
def _spread(distance, sky, rays, sources, planes, eye):
    """Which edge continues its far side under each pixel: the nearest that reaches it; -1 for none. int32 [H, W].

    Nearest counts a step up or down as LEVEL steps aside: walls, hills and skylines go on at their own height.
    """
    height, width = distance.shape
    owner = np.full((height, width), -1, np.int32)
    gone = np.full((height, width), np.float32(1e9))
    travelled = np.zeros((height, width), np.float32)
    for index in range(sources.shape[0]):
        row, column = int(sources[index, 2]), int(sources[index, 3])
        far_row, far_column = int(sources[index, 0]), int(sources[index, 1])
        behind = _depth_behind(rays[row, column], planes[index], distance[far_row, far_column], eye)
        if not sky[far_row, far_column] and behind < BEHIND * distance[row, column]:
            continue
        if gone[row, column] > 0 or sources[index, 4] > sources[owner[row, column], 4]:
            gone[row, column], owner[row, column] = 0, index
    for sweep in range(6):
        changed = False
        for i in range(height):
            row = i if sweep % 2 == 0 else height - 1 - i
            stretch = max(rays[row, 0, 0] ** 2 + rays[row, 0, 1] ** 2, np.float32(1e-4)) ** 0.5
            for j in range(2 * width):  # twice around, for the seam
                column = (j if sweep % 2 == 0 else 2 * width - 1 - j) % width
                for di in range(-1, 2):
                    for dj in range(-1, 2):
                        other = row + di
                        if other < 0 or other >= height:
                            continue
                        index = owner[other, (column + dj) % width]
                        if index < 0:
                            continue
                        aside = (dj * stretch) ** 2
                        cost = gone[other, (column + dj) % width] + math.sqrt((LEVEL * di) ** 2 + aside)
                        length = travelled[other, (column + dj) % width] + math.sqrt(di * di + aside)
                        if cost >= gone[row, column] or length > sources[index, 4]:
                            continue
                        far_row, far_column = int(sources[index, 0]), int(sources[index, 1])
                        behind = _depth_behind(rays[row, column], planes[index], distance[far_row, far_column], eye)
                        if not sky[far_row, far_column] and behind < BEHIND * distance[row, column]:
                            continue
                        if sky[row, column]:
                            continue
                        gone[row, column], travelled[row, column], owner[row, column] = cost, length, index
                        changed = True
        if not changed:
            break
    return owner


def _smoothed(values: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    """values [H, W] averaged over `inside` with the Gaussian of `sigma` px, within `inside` alone; wraps around."""
    pad = int(4 * sigma)
    weight = np.pad(inside.astype(np.float32), ((0, 0), (pad, pad)), mode="wrap")
    wrapped = np.pad(np.where(inside, values, 0).astype(np.float32), ((0, 0), (pad, pad)), mode="wrap")
    mean = cv2.GaussianBlur(wrapped, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)
    return np.where(inside, mean[:, pad:-pad], values)


@njit(cache=True)
def _mirrored(picture, distance, mask, rows, columns):
    """Colours of the hidden pixels: the far side's own, mirrored at the edge that each of them belongs to.

    Where the far side is narrower than what it has to fill, it is mirrored to and fro.
    """
    height, width = distance.shape
    result = picture.copy()
    for row in range(height):
        for column in range(width):
            if not mask[row, column]:
                continue
            edge_row, edge_column = rows[row, column], columns[row, column]
            down, right = edge_row - row, (edge_column - column + width // 2) % width - width // 2
            length = max(abs(down), abs(right), 1)
            wide = 0
            for step in range(1, length + 1):
                i = min(max(edge_row + round(down * step / length), 0), height - 1)
                j = (edge_column + round(right * step / length)) % width
                ratio = distance[i, j] / distance[edge_row, edge_column]
                if mask[i, j] or ratio < 0.8 or ratio > 1.25:
                    break
                wide = step
            turn = length % (2 * wide) if wide > 0 else 0
            step = turn if turn <= wide else 2 * wide - turn
            i = min(max(edge_row + round(down * step / length), 0), height - 1)
            result[row, column] = picture[i, (edge_column + round(right * step / length)) % width]
    return result
