"""Copies of the photograph on the panorama's grid, and what it costs to cut from one to another.

A copy is turned in yaw only, never in elevation: that is a pure rotation, so that perspective, horizon
and ground stay right. It may be mirrored, and scaled about the horizon.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit, prange

from skyworld.models.builtin.pyramid import pull_push
from skyworld.models.roles import Photograph

# A copy never reaches further to the side than this from its middle, in radians of the photograph's yaw.
WIDEST = 1.45


@dataclass(frozen=True)
class Tile:
    """One copy of the photograph as equirectangular columns.

    colour: [H, n, 3], the sky replaced by the colours that border on it.  foreground: [H, n], 0 in the sky.
    known:  [H, n] bool.  left: its first column, counted from yaw 0.
    """

    colour: np.ndarray
    foreground: np.ndarray
    known: np.ndarray
    left: int
    scale: float
    mirrored: bool

    @property
    def columns(self) -> int:
        return self.colour.shape[1]


def render_tile(photograph: Photograph, width: int, scale: float = 1.0, mirrored: bool = False) -> Tile:
    """The photograph on the grid of a panorama `width` pixels wide; scale 1.3 shows everything 1.3 times as large."""
    height, camera = width // 2, photograph.camera
    half = int(np.ceil(min(WIDEST * scale, 3.1) / (2 * np.pi) * width))
    yaw = (np.arange(2 * half) + 0.5 - half) / width * 2 * np.pi / scale
    elevation = np.arctan(np.tan((0.5 - (np.arange(height) + 0.5) / height) * np.pi) / scale)
    cos = np.cos(elevation)[:, None]
    sin = np.broadcast_to(np.sin(elevation)[:, None], (height, 2 * half))
    rays = np.stack([cos * np.sin(yaw), cos * np.cos(yaw), sin], -1)
    at = camera.project(rays + camera.position)[0]
    u, v = at[..., 0], at[..., 1]
    with np.errstate(invalid="ignore"):
        known = (u > 0.5) & (u < camera.width - 0.5) & (v > 0.5) & (v < camera.height - 0.5)
    columns = np.nonzero(known.any(0))[0]
    first, last = columns[0], columns[-1] + 1
    picture = np.concatenate([photograph.picture, photograph.sky[..., None]], -1)
    density = camera.K[0, 0] * 2 * np.pi / width / scale
    size = (max(1, round(camera.width / max(density, 1))), max(1, round(camera.height / max(density, 1))))
    if density > 1.01:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    u, v = (np.nan_to_num(x[:, first:last], nan=-1e4, posinf=-1e4, neginf=-1e4) for x in (u, v))
    sampled = cv2.remap(
        picture,
        (u * picture.shape[1] / camera.width - 0.5).clip(-10, 1e5).astype(np.float32),
        (v * picture.shape[0] / camera.height - 0.5).clip(-10, 1e5).astype(np.float32),
        cv2.INTER_LINEAR if density > 1.01 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    ).clip(0, 1)
    known, left = known[:, first:last], int(first) - half
    if mirrored:
        sampled, known, left = sampled[:, ::-1], known[:, ::-1], half - int(last)
    colour, foreground = np.ascontiguousarray(sampled[..., :3]), np.ascontiguousarray(1 - sampled[..., 3])
    solid = foreground > 0.9
    if photograph.outdoor and (solid & known).any():
        colour = np.where(solid[..., None], colour, pull_push(colour, solid & known))
    return Tile(colour, foreground, np.ascontiguousarray(known), left, scale, mirrored)


def column_features(tile: Tile, step: int) -> tuple[np.ndarray, np.ndarray]:
    """A tile at 1/step: features [H, n, 5] (Lab, foreground, gradient, all faded out in the sky), known [H, n]."""
    size = (max(4, round(tile.columns / step)), tile.colour.shape[0] // step)

    def small(x):
        return cv2.resize(x, size, interpolation=cv2.INTER_AREA)

    foreground = small(tile.foreground)
    lab = cv2.cvtColor(small(tile.colour), cv2.COLOR_RGB2LAB) / 100
    grey = cv2.cvtColor(tile.colour, cv2.COLOR_RGB2GRAY)
    relief = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    visible = foreground[..., None]
    features = [lab * visible, 0.6 * visible, 0.35 * small(relief)[..., None] * visible]
    return np.concatenate(features, -1).astype(np.float32), small(tile.known.astype(np.float32)) > 0.5


@njit(parallel=True, cache=True, fastmath=True)
def seam_costs(features, known, states, reach):
    """What the best free-form cut from state i to state j costs, mean a row, float32 [n, n].

    features [T, H, N, C], known [T, H, N]; states int32 [n, 3]: tile, column, columns of that tile.
    The cut lies within `reach` columns of the state's column and moves by one column a row at most.
    Charges that were tuned by eye: .25 where only one side has a picture, .35 where neither has
    (a hole in the band) or beyond a tile's end.
    """
    n, height, channels = states.shape[0], features.shape[1], features.shape[3]
    out = np.empty((n, n), np.float32)
    span = 2 * reach + 1
    for i in prange(n):
        ti, ci, ni = states[i, 0], states[i, 1], states[i, 2]
        total = np.empty(span, np.float32)
        step = np.empty(span, np.float32)
        for j in range(n):
            tj, cj, nj = states[j, 0], states[j, 1], states[j, 2]
            total[:] = 0
            rows = 1.0
            for y in range(height):
                matched = False
                for k in range(span):
                    a, b = ci + k - reach, cj + k - reach
                    if a < 0 or a >= ni or b < 0 or b >= nj:
                        step[k] = np.float32(0.35)
                        continue
                    seen_a, seen_b = known[ti, y, a], known[tj, y, b]
                    if seen_a and seen_b:
                        square = np.float32(0)
                        for c in range(channels):
                            difference = features[ti, y, a, c] - features[tj, y, b, c]
                            square += difference * difference
                        step[k] = np.sqrt(square)
                        matched = True
                    elif seen_a or seen_b:
                        step[k] = np.float32(0.25)
                    elif known[ti, y, ni // 2] and known[tj, y, nj // 2]:
                        step[k] = np.float32(0.35)
                    else:
                        step[k] = np.float32(0)
                if matched:
                    rows += 1
                for k in range(span):
                    least = total[k]
                    if k > 0 and total[k - 1] < least:
                        least = total[k - 1]
                    if k < span - 1 and total[k + 1] < least:
                        least = total[k + 1]
                    step[k] += least
                for k in range(span):
                    total[k] = step[k]
            out[i, j] = total.min() / rows
    return out
