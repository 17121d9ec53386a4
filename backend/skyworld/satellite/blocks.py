"""A large area in blocks: each is fitted apart, in the memory that a block takes, and keeps what lies in its core.

The cores cover the plane without overlap, so that no Gaussian is there twice and none is missing at a border. Around
its core a block sees a margin of its neighbours, as far as roofs lean into it in the images.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box
from skyworld.satellite.sheet import Sight
from skyworld.splats.gaussians import Gaussians

MARGIN = 24.0  # metres that a block sees beyond its core
_LEAST = 16  # pixels of a side below which a cut of an image is left out
_AROUND = 8  # pixels kept around what is to be seen


@dataclass(frozen=True)
class Block:
    """core: whose Gaussians are kept; half open to the east and north.  outer: what is fitted, `margin` metres around
    it, and no further than the area."""

    core: Box
    outer: Box
    margin: float = MARGIN

    def holds(self, gaussians: Gaussians) -> torch.Tensor:
        """[N] bool: those with their mean in the core."""
        return self._within(gaussians, 0.0)

    def sees(self, gaussians: Gaussians) -> torch.Tensor:
        """[N] bool: those with their mean in the core or the margin around it."""
        return self._within(gaussians, self.margin)

    def _within(self, gaussians: Gaussians, margin: float) -> torch.Tensor:
        x, y = gaussians.means[:, 0], gaussians.means[:, 1]
        (west, east), (south, north) = self.core.east, self.core.north
        return (x >= west - margin) & (x < east + margin) & (y >= south - margin) & (y < north + margin)

    def keeps(self, gaussians: Gaussians) -> Gaussians:
        """Those with their mean in the core."""
        return gaussians[self.holds(gaussians)]

    def touches(self, other: "Block") -> bool:
        """Whether it sees anything of another one's core."""
        sides = ((getattr(self.outer, name), getattr(other.core, name)) for name in ("east", "north"))
        return all(low < most and high > least for (low, high), (least, most) in sides)

    def place(self, box: Box) -> Box:
        """The core, as far as the area goes."""

        def side(name: str) -> tuple[float, float]:
            (low, high), (least, most) = getattr(self.core, name), getattr(box, name)
            return max(low, least), min(high, most)

        return replace(box, east=side("east"), north=side("north"))


def cut(box: Box, size: float, margin: float = MARGIN) -> list[Block]:
    """Blocks of equal sides of at most `size` metres, from the south-west, row by row; one for 0 or a smaller area.

    The outermost cores are open outwards: what lies beyond the box belongs to them.
    """
    edges = [_edges(side, size) for side in (box.east, box.north)]
    found = []
    for south, north in zip(edges[1][:-1], edges[1][1:], strict=True):
        for west, east in zip(edges[0][:-1], edges[0][1:], strict=True):
            outer = Box(_wider(west, east, box.east, margin), _wider(south, north, box.north, margin), box.up)
            core = Box(_open(west, east, box.east), _open(south, north, box.north), box.up)
            found.append(Block(core, outer, margin))
    return found


def crop_heights(height_map: HeightMap, box: Box) -> HeightMap:
    """The whole cells that the box touches."""
    rows, columns = height_map.shape
    cell = height_map.cell
    left = int(np.clip(math.floor((box.east[0] - height_map.west) / cell), 0, columns - 1))
    right = int(np.clip(math.ceil((box.east[1] - height_map.west) / cell), left + 1, columns))
    top = int(np.clip(math.floor((height_map.north - box.north[1]) / cell), 0, rows - 1))
    bottom = int(np.clip(math.ceil((height_map.north - box.north[0]) / cell), top + 1, rows))
    part = np.s_[top:bottom, left:right]
    west, north = height_map.west + left * cell, height_map.north - top * cell
    return HeightMap(height_map.up[part], height_map.confidence[part], west, north, cell)


def crop_sight(sight: Sight, box: Box) -> Sight | None:
    """The part of an image that shows the box, or None where it shows hardly anything of it."""
    pixels = sight.camera.project(box.grid(3))[0]
    pixels = pixels[np.isfinite(pixels).all(-1)]
    if not len(pixels):
        return None
    size = np.array((sight.camera.width, sight.camera.height))
    low = np.clip(np.floor(pixels.min(0)).astype(int) - _AROUND, 0, size)
    high = np.clip(np.ceil(pixels.max(0)).astype(int) + _AROUND, 0, size)
    width, height = (high - low).tolist()
    if min(width, height) < _LEAST:
        return None
    part = np.s_[low[1] : high[1], low[0] : high[0]]
    if not sight.valid[part].any():
        return None
    K = sight.camera.K - np.array([[0, 0, low[0]], [0, 0, low[1]], [0, 0, 0]])
    camera = replace(sight.camera, K=K, width=width, height=height)
    return Sight(camera, sight.picture[part].copy(), sight.valid[part].copy())


def _edges(side: tuple[float, float], size: float) -> np.ndarray:
    count = max(1, math.ceil((side[1] - side[0]) / size - 1e-6)) if size > 0 else 1
    return np.linspace(*side, count + 1)


def _wider(low: float, high: float, most: tuple[float, float], margin: float) -> tuple[float, float]:
    return max(low - margin, most[0]), min(high + margin, most[1])


def _open(low: float, high: float, most: tuple[float, float]) -> tuple[float, float]:
    return (-math.inf if low <= most[0] else float(low)), (math.inf if high >= most[1] else float(high))
