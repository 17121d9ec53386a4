"""The horizon band: the strips of the chain, cut along seams and blended."""

from dataclasses import dataclass

import cv2
import numpy as np

from skyworld.models.builtin.chain import Strip
from skyworld.models.builtin.pyramid import CyclicBlend, add_cyclic, pull_push
from skyworld.models.builtin.seams import vertical_seam
from skyworld.models.builtin.strips import Tile

LEVELS = 6


@dataclass(frozen=True)
class Band:
    """What stands before the sky around the horizon.

    colour: [H, W, 3] premultiplied by foreground [H, W].  known: [H, W] bool, where a strip shows something.
    """

    colour: np.ndarray
    foreground: np.ndarray
    known: np.ndarray


def compose(tiles: list[Tile], strips: list[Strip], width: int):
    """Cuts and blends the strips. A generator: yields the share done, returns Band."""
    photograph = _photograph_strip(tiles[0], width)
    chain = [photograph, *strips]
    seams = [_seam(tiles, chain, i, width) for i in range(len(chain))]
    yield 0.3
    height, block = width // 2, 1 << LEVELS
    blend = CyclicBlend(height, width, LEVELS)
    alpha, weight = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for i, strip in enumerate(chain):
        tile = tiles[strip.tile]
        left, right = seams[i - 1] - (width if i == 0 else 0), seams[i]
        first = (int(left.min()) - 2 * block) // block * block
        last = -(-(int(right.max()) + 2 * block) // block) * block
        columns = np.arange(first, last)
        inside = (columns >= strip.left) & (columns < strip.left + tile.columns)
        at = np.clip(columns - strip.left, 0, tile.columns - 1)
        foreground, known = tile.foreground[:, at], tile.known[:, at] & inside
        mask = ((columns >= left[:, None]) & (columns < right[:, None]) & known).astype(np.float32)
        # The sky is laid in later: blended over as wide a range as colour is, silhouettes would turn into halos.
        narrow = cv2.GaussianBlur(mask, (0, 0), 1.2).clip(0, 1)
        add_cyclic(alpha, foreground * narrow, first)
        add_cyclic(weight, narrow, first)
        solid = known & (foreground > 0.5)
        colour = pull_push(tile.colour[:, at], solid if solid.any() else known)
        blend.add(colour, mask, first)
        yield 0.3 + 0.6 * (i + 1) / len(chain)
    colour, known = blend.result()
    foreground = np.clip(alpha / np.maximum(weight, 1e-3), 0, 1)
    return Band(colour.clip(0, 1) * foreground[..., None], foreground, known)


def _photograph_strip(tile: Tile, width: int) -> Strip:
    left = width // 2 + tile.left
    return Strip(0, left, left, left + tile.columns)


def _seam(tiles: list[Tile], chain: list[Strip], i: int, width: int) -> np.ndarray:
    """Columns [H] where strip i ends and its neighbour on the right begins."""
    last = i + 1 == len(chain)
    here, there = chain[i], chain[0 if last else i + 1]
    a, b = tiles[here.tile], tiles[there.tile]
    around = width if last else 0
    cut, left_b = there.first + around, there.left + around
    reach = 96 * width // 2048
    first = max(cut - reach, here.left, left_b)
    beyond = min(cut + reach, here.left + a.columns, left_b + b.columns)
    if beyond - first < 8:
        first, beyond = cut - 4, cut + 4
    columns = np.arange(first, beyond)
    at_a, at_b = np.clip(columns - here.left, 0, a.columns - 1), np.clip(columns - left_b, 0, b.columns - 1)
    known_a = a.known[:, at_a] & (columns >= here.left) & (columns < here.left + a.columns)
    known_b = b.known[:, at_b] & (columns >= left_b) & (columns < left_b + b.columns)
    cost = _difference(a, at_a, b, at_b)
    cost[known_a != known_b] += 0.3
    cost[~known_a & ~known_b] = 0.001
    # The photograph's own pixels stay, but for six at its rim.
    if i == 0:
        cost[known_a & (np.cumsum(known_a[:, ::-1], 1)[:, ::-1] > 6)] = 9
    if last:
        cost[known_b & (np.cumsum(known_b, 1) > 6)] = 9
    cost += 0.0004 * np.abs(columns - cut)
    return first + vertical_seam(cost.astype(np.float32))


def _difference(a: Tile, at_a: np.ndarray, b: Tile, at_b: np.ndarray) -> np.ndarray:
    alpha_a, alpha_b = a.foreground[:, at_a], b.foreground[:, at_b]
    colour = a.colour[:, at_a] * alpha_a[..., None] - b.colour[:, at_b] * alpha_b[..., None]
    grey = cv2.cvtColor(np.ascontiguousarray(a.colour[:, at_a]), cv2.COLOR_RGB2GRAY)
    edges = np.abs(np.diff(grey, axis=1, append=grey[:, -1:])) * alpha_a
    cost = np.sqrt((colour**2).sum(-1)) + 0.6 * np.abs(alpha_a - alpha_b)
    return cv2.GaussianBlur(cost, (0, 0), 1.5) + 0.2 * edges
