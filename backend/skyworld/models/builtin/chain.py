"""Which copies of the photograph stand side by side around the horizon: a cyclic chain of strips."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from skyworld.models.builtin.strips import Tile, column_features, seam_costs

COLUMNS = 256  # of the coarse panorama on which the chain is found
SHORTEST = 10  # columns of a strip: 14 degrees
SEAM = 6.0
BINS = 20  # of the photograph's width, for counting what is used how often


@dataclass(frozen=True)
class Charges:
    """What the eye minds, in units of the seam cost; tuned by looking.

    mirror:     a mirror axis costs nothing at the seam, but the eye finds it at once.
    rim_mirror: share of `mirror` charged where the photograph's own edge is continued.
    rarity:     repeating what is unusual.  cut: showing something that the upper edge cuts off.
    jump:       any change of strip.  same_tile: changing from a copy into the same copy (wallpaper).
    overuse:    using a part of the photograph more than its share.  taste: by how much seeds differ.
    pattern:    the band repeating itself at some yaw, or being its own mirror image.
    wrap:       a strong vertical edge where the panorama's two ends meet.
    """

    mirror: float = 0.45
    rim_mirror: float = 0.6
    rarity: float = 0.12
    cut: float = 0.6
    jump: float = 0.2
    same_tile: float = 0.1
    overuse: float = 24.0
    pattern: float = 20.0
    taste: float = 0.1
    wrap: float = 1.5


OUTDOORS = Charges()
# A mirrored room is still a room: cut furniture becomes whole and walls meet in corners.
INDOORS = Charges(mirror=0.06, rim_mirror=0.3, rarity=0.1, cut=0.0, pattern=12.0)


@dataclass(frozen=True)
class Strip:
    """Columns `first` to `last` (may run past the width) show tile `tile`, whose column 0 lies at `left`."""

    tile: int
    left: int
    first: int
    last: int


@dataclass(frozen=True)
class States:
    """Every coarse column of every tile.

    where: int32 [n, 3]: tile, column, columns of that tile.  source: [n] place in the photograph, 0 to 1.
    after: int32 [n], the state one column further in the same tile, or -1.  mirrored: bool [n].
    """

    where: np.ndarray
    source: np.ndarray
    after: np.ndarray
    mirrored: np.ndarray

    @property
    def bins(self) -> np.ndarray:
        return np.minimum((self.source * BINS).astype(int), BINS - 1)

    def find(self, tile: int, column: int) -> int:
        return int(np.nonzero((self.where[:, 0] == tile) & (self.where[:, 1] == column))[0][0])


def arrange(tiles: list[Tile], rarity: np.ndarray, width: int, charges: Charges, seed: int, rounds: int = 28):
    """Chain of strips from the right edge of tiles[0], the photograph itself, around to its left edge.

    rarity: [k], 0 to 1, over the photograph's width.  A generator: yields the share done, returns list[Strip].
    Cyclic Viterbi over coarse columns; between rounds a price rises on whatever is used too often
    (subgradient steps on the dual), and the best round by the true total is kept.
    """
    step = width // COLUMNS
    columns = [column_features(tile, step) for tile in tiles]
    features, known = _stacked(columns)
    states = _states(tiles, columns)
    yield 0.1
    joints = seam_costs(features, known, states.where, 4)
    yield 0.4
    inner = max(1, round(0.02 * columns[0][0].shape[1]))
    start = states.find(0, columns[0][0].shape[1] - 1 - inner)
    end = states.find(0, inner)
    ends = np.concatenate([states.where[[start, end]], states.where])
    at_rim = seam_costs(features, known, ends, 1)
    joints[start] += at_rim[0, 2:]
    joints[:, end] += at_rim[2:, 1]
    joints = (SEAM * _with_charges(joints, states, charges, start, end) + charges.jump).astype(np.float32)
    own = _own_charges(tiles, states, known, rarity, charges, step)
    begin = round((width // 2 + tiles[0].left) / step) + columns[0][0].shape[1]
    length = COLUMNS - columns[0][0].shape[1]
    if length < SHORTEST:
        return []
    wrap = COLUMNS - begin
    sharp = [_edge_strengths(tile) for tile in tiles]
    edges = charges.wrap * np.array([sharp[t][c * tiles[t].columns // n] for t, c, n in states.where])
    best, rng = (np.inf, None), np.random.default_rng(seed)
    taste = charges.taste * rng.random((len(tiles), BINS))[states.where[:, 0], states.bins]
    shown = np.arange(columns[0][0].shape[1])
    price = Prices(len(tiles), rarity, columns[0][0].shape[1])
    for turn in range(rounds):
        noise = 0.05 * rng.random((len(tiles), BINS))[states.where[:, 0], states.bins]
        wish = own + taste + price.of(states) + noise
        cost, path = cheapest_path(
            joints, wish.astype(np.float32), edges.astype(np.float32), wrap, states.after, start, end, length, SHORTEST
        )
        true = cost - (price.of(states) + noise)[path].sum() + charges.overuse * price.update(states, path, turn)
        true += charges.pattern * pattern(features, states.where[np.concatenate([shown, path])])
        if true < best[0]:
            best = (true, path)
        if turn % 3 == 0:
            yield 0.45 + 0.55 * turn / rounds
    return _strips(best[1], states, tiles, begin, step)


def pattern(features: np.ndarray, where: np.ndarray) -> float:
    """How much the coarse band of states `where` [n, 3] repeats and mirrors itself: autocorrelations, summed."""
    band = features[where[:, 0], :, where[:, 1]].mean(-1)
    band = band - np.stack([np.convolve(np.pad(row, 6, mode="wrap"), np.ones(13) / 13, "valid") for row in band.T], 1)
    spectrum = np.fft.rfft(band, axis=0)
    energy = max(float((band**2).sum()), 1e-6)
    itself = np.fft.irfft((spectrum * np.conj(spectrum)).sum(1), len(band)) / energy
    mirrored = np.fft.irfft((spectrum * spectrum).sum(1), len(band)) / energy
    skip = len(band) * 12 // 360
    return float(itself[skip:-skip].max() + mirrored.max())


class Prices:
    """What it costs to use a part of the photograph once more, in any copy and in the same copy."""

    def __init__(self, tiles: int, rarity: np.ndarray, photograph_columns: int):
        middle = (np.arange(BINS) + 0.5) / BINS
        wanted = 1 / (np.interp(middle, np.linspace(0, 1, len(rarity)), rarity) + 0.4)
        self.share = COLUMNS * wanted / wanted.sum()
        self.in_photograph = photograph_columns / BINS
        self.part = np.zeros(BINS)
        self.copy = np.zeros((tiles, BINS))

    def of(self, states: States) -> np.ndarray:
        return self.part[states.bins] + self.copy[states.where[:, 0], states.bins]

    def update(self, states: States, path: np.ndarray, turn: int) -> float:
        """Raises the prices of what `path` uses too often; returns how much overuse there is."""
        bins, tile = states.bins[path], states.where[path, 0]
        part = (np.bincount(bins, minlength=BINS) + self.in_photograph) / self.share
        copy = np.zeros_like(self.copy)
        np.add.at(copy, (tile, bins), 1)
        copy /= self.share
        step = 0.12 / (1 + turn / 8)
        self.part = np.maximum(self.part + step * (part - 1).clip(-0.5, 2), 0)
        self.copy = np.maximum(self.copy + step * (copy - 0.5).clip(-0.5, 2), 0)
        return ((part - 1).clip(0) ** 2).mean() + 2 * ((copy - 0.6).clip(0) ** 2).mean() * len(copy)


@njit(cache=True)
def cheapest_path(joints, own, at_wrap, wrap, after, start, end, length, shortest):
    """Viterbi: total cost and states int32 [length] of the cheapest chain from `start` to `end`.

    joints [n, n]: going over from i to j; own [n]: showing a column; at_wrap [n]: added at column `wrap`;
    after [n]: the next column of the same tile or -1. A strip lasts `shortest` columns at least.
    """
    n = own.shape[0]
    far = np.float32(1e9)
    cost = np.full((shortest, n), far, np.float32)  # by age of the present strip
    back = np.full((length, shortest, n), -1, np.int32)
    for j in range(n):
        cost[0, j] = joints[start, j] + own[j]
    for x in range(1, length):
        new = np.full((shortest, n), far, np.float32)
        for i in range(n):
            k = after[i]
            if k < 0:
                continue
            here = own[k] + (at_wrap[k] if x == wrap else np.float32(0))
            for age in range(shortest):
                value = cost[age, i] + here
                older = min(age + 1, shortest - 1)
                if cost[age, i] < far and value < new[older, k]:
                    new[older, k] = value
                    back[x, older, k] = i * shortest + age
        for i in range(n):
            ripe = cost[shortest - 1, i]
            if ripe >= far:
                continue
            for j in range(n):
                value = ripe + joints[i, j] + own[j]
                if x == wrap:
                    value += at_wrap[j]
                if value < new[0, j]:
                    new[0, j] = value
                    back[x, 0, j] = i * shortest + shortest - 1
        cost = new
    best, state, age = far * 10, 0, shortest - 1
    for i in range(n):
        for a in range(shortest):
            late = np.float32(0) if a == shortest - 1 else np.float32(1e3)  # only where no strip is long enough
            value = cost[a, i] + joints[i, end] + late
            if value < best:
                best, state, age = value, i, a
    path = np.empty(length, np.int32)
    for x in range(length - 1, -1, -1):
        path[x] = state
        if x > 0:
            code = back[x, age, state]
            state, age = code // shortest, code % shortest
    return best, path


def _stacked(columns: list) -> tuple[np.ndarray, np.ndarray]:
    widest = max(features.shape[1] for features, _ in columns)
    height, channels = columns[0][0].shape[0], columns[0][0].shape[2]
    features = np.zeros((len(columns), height, widest, channels), np.float32)
    known = np.zeros((len(columns), height, widest), bool)
    for i, (feature, valid) in enumerate(columns):
        features[i, :, : feature.shape[1]], known[i, :, : valid.shape[1]] = feature, valid
    return features, known


def _states(tiles: list[Tile], columns: list) -> States:
    where = np.array([(t, c, f.shape[1]) for t, (f, _) in enumerate(columns) for c in range(f.shape[1])], np.int32)
    mirrored = np.array([tiles[t].mirrored for t in where[:, 0]])
    place = (where[:, 1] + 0.5) / where[:, 2]
    after = np.where(where[:, 1] + 1 < where[:, 2], np.arange(len(where)) + 1, -1).astype(np.int32)
    return States(where, np.where(mirrored, 1 - place, place), after, mirrored)


def _with_charges(joints: np.ndarray, states: States, charges: Charges, start: int, end: int) -> np.ndarray:
    tile, column = states.where[:, 0], states.where[:, 1]
    same = tile[:, None] == tile
    apart = np.abs(states.source[:, None] - states.source)
    flips = states.mirrored[:, None] != states.mirrored
    mirror = flips * charges.mirror * np.exp(-((apart / 0.13) ** 2))
    stutter = (same & (np.abs(column[:, None] - column) < 6)) * 0.5
    echo = ~flips * 0.08 * np.exp(-((apart / 0.06) ** 2))
    mirror[start] *= charges.rim_mirror
    mirror[:, end] *= charges.rim_mirror
    return joints + mirror + stutter + echo + same * charges.same_tile


def _own_charges(tiles, states: States, known, rarity, charges: Charges, step: int) -> np.ndarray:
    """[n]: rarity, columns with little in them, things cut by the upper edge."""
    own = charges.rarity * np.interp(states.source, np.linspace(0, 1, len(rarity)), rarity)
    filled = known.sum(1)
    usual = [np.median(row[row > 0]) if (row > 0).any() else 1.0 for row in filled]
    own += [0.25 * max(0.0, 1 - filled[t, c] / usual[t]) for t, c, _ in states.where]
    own += [
        charges.cut * _cut_above(tiles[t], min(c * step + step // 2, tiles[t].columns - 1)) for t, c, _ in states.where
    ]
    return own


def _cut_above(tile: Tile, column: int) -> float:
    """How much of the foreground the upper edge cuts off in this column, 0 to 1."""
    rows = np.nonzero(tile.known[:, column])[0][:6]
    return float(tile.foreground[rows, column].mean()) if len(rows) else 1.0


def _edge_strengths(tile: Tile) -> np.ndarray:
    """[columns]: how much stronger than usual the step into each column is, 0 to 2 (0: calmer than the average)."""
    steps = np.abs(np.diff(tile.colour.mean(-1), axis=1)) * tile.foreground[:, 1:] * tile.known[:, 1:]
    relative = steps.mean(0) / max(float(steps.mean()), 1e-6)
    sharpest = np.max([np.roll(relative, k) for k in (0, 1, 2)], 0)
    return np.clip(np.concatenate([[2.0], sharpest]) - 0.7, 0, 2)


def _strips(path: np.ndarray, states: States, tiles: list[Tile], begin: int, step: int) -> list[Strip]:
    breaks = np.nonzero(states.after[path[:-1]] != path[1:])[0] + 1
    strips = []
    for x, beyond in zip([0, *breaks], [*breaks, len(path)], strict=True):
        tile, column, columns = states.where[path[x]]
        left = round((begin + x) * step - column * tiles[tile].columns / columns)
        strips.append(Strip(int(tile), int(left), int((begin + x) * step), int((begin + beyond) * step)))
    return strips
