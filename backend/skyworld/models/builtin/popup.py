"""Distance outdoors: a level ground, and upright things that stand on it where their feet are seen.

Automatic photo pop-up (Hoiem, Efros, Hebert 2005) without learning. The line along which the ground ends is cut into
footprints, one a thing. Each footprint claims the superpixels of what stands: those above itself first, then their
neighbours, along paths of little change of colour, nearer footprints before farther ones. A footprint claims nothing
that it could not reach: a trunk carries a crown of a few metres, a car does not carry the wall behind it.
"""

import heapq
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from skyworld.models.builtin.segmentation import elevations, lab_of


@dataclass(frozen=True)
class Costs:
    """What it costs a footprint to claim a superpixel; lengths in eye heights."""

    step: float = 0.4  # to go on by one superpixel
    colour: float = 6.5  # Lab distance that costs as much as 1
    near: float = 6.1  # start of a footprint, per e-fold of its distance
    overhang: float = 0.76  # to hang over ground that is seen farther away, per e-fold
    overhang_limit: float = 0.48  # e-folds after which hanging costs no more
    tall: float = 2.8  # to be taller than `highest`, per e-fold
    highest: float = 7.6
    impossible: float = 14.0  # height of nothing that stands where its foot seems to be
    crown: float = 3.3  # how far a narrow thing reaches beside its foot
    eaves: float = 3.0  # the same of a wide one
    cone: float = 0.8  # how far beside its foot a thing reaches, for each length above it
    narrow: float = 1.3  # width up to which a thing is narrow
    low: float = 1.31  # height of a thing in front of a wall that goes on behind it
    bulge: float = 0.95  # how far a crown comes forward, share of its half width
    size: int = 10  # of a superpixel, for a picture 1024 wide


LOWEST = np.radians(0.7)  # feet closer to the horizon tell nothing more


def popup(
    picture: np.ndarray, sky: np.ndarray, ground: np.ndarray, eye_height: float, costs: Costs = Costs()
) -> np.ndarray:
    """Distance along the ray [H, W] float32 of a picture outdoors; the sky's is meaningless."""
    height = picture.shape[0]
    elevation = elevations(height)[:, None]
    plane = eye_height / np.sin(np.clip(-elevation, LOWEST, None))
    edge = np.clip((np.arange(height) + 1) / height - 0.5, LOWEST / np.pi, None) * np.pi  # below each row
    feet = -np.log(np.tan(edge)).astype(np.float32)
    walls = footing(~sky & ~ground, ground, feet, costs).wall
    ground = ground & ~(feet[:, None] > walls)  # no ground is seen behind a wall
    standing = ~sky & ~ground
    horizontal = eye_height * np.exp(_upright(picture, standing, ground, feet, costs))
    upright = horizontal / np.maximum(np.cos(elevation), 0.2)
    return np.where(standing, upright, np.broadcast_to(plane, sky.shape)).astype(np.float32)


def _upright(picture, standing, ground, feet, costs: Costs) -> np.ndarray:
    """[H, W] log(horizontal distance / eye height) of what stands."""
    height, width = standing.shape
    lab = cv2.GaussianBlur(lab_of(picture), (0, 0), 0.7)
    parts, count = superpixels(lab, standing, max(5, costs.size * width // 1024))
    foot = footing(standing, ground, feet, costs)
    if not count or not len(foot.lines):
        return np.full(standing.shape, feet[0], np.float32)
    edges = neighbours(parts, count)
    means = part_means(lab, parts, count)
    change = np.linalg.norm(means[edges[:, 0]] - means[edges[:, 1]], axis=1) / costs.colour + costs.step
    middle, top, nearest = part_places(parts, count, standing, ground, feet)
    slope = np.tan(elevations(height)[top]).astype(np.float32)
    seeds = parts[foot.rows, foot.columns].astype(np.int64)
    graph = adjacency(edges, change, count)
    claims = claim(
        count, *graph, seeds, foot.owner, foot.lines, foot.beside, foot.low, middle, slope, nearest,
        (costs.near, costs.overhang, costs.overhang_limit, costs.tall, costs.highest, costs.low, costs.cone),
    )  # fmt: skip
    chosen = np.append(claims, 0)[parts]
    return foot.lines[chosen, np.arange(width)[None]] + _bulge(chosen, foot.narrow, costs.bulge)


def _bulge(chosen: np.ndarray, narrow: np.ndarray, share: float) -> np.ndarray:
    """[H, W] change of log distance: rounds what a narrow footprint carries: as far to the front as to the side."""
    border = (chosen != np.roll(chosen, 1, 1)) | (chosen != np.roll(chosen, 1, 0))
    margin = chosen.shape[1] // 8
    inside = np.concatenate([border[:, -margin:], border, border[:, :margin]], 1) == 0
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)[:, margin:-margin]
    depth = np.minimum(depth, chosen.shape[1])  # without any border it is endless
    radius = np.zeros(len(narrow), np.float32)
    np.maximum.at(radius, chosen.ravel(), depth.ravel())
    radius = radius[chosen]
    front = np.sqrt(depth * (2 * radius - depth)) * (2 * np.pi / chosen.shape[1]) * share
    return np.where(narrow[chosen], np.log1p(-np.minimum(front, 0.7)), 0).astype(np.float32)


def superpixels(lab: np.ndarray, region: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """SLIC superpixels within `region`: [H, W] int32 index, -1 outside, and their number."""
    eight_bit = np.clip(lab * [2.55, 1, 1] + [0, 128, 128], 0, 255).astype(np.uint8)
    slic = cv2.ximgproc.createSuperpixelSLIC(eight_bit, cv2.ximgproc.SLIC, size, 12.0)
    slic.iterate(5)
    labels = np.where(region, slic.getLabels(), -1)
    used, index = np.unique(labels, return_inverse=True)
    index = index.reshape(labels.shape).astype(np.int32) - int(used[0] == -1)
    return index, len(used) - int(used[0] == -1)


def part_means(lab: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    """[count, 3] mean colour."""
    inside = parts >= 0
    sizes = np.maximum(np.bincount(parts[inside], minlength=count), 1)
    return np.stack([np.bincount(parts[inside], lab[..., c][inside], count) / sizes for c in range(3)], 1)


def neighbours(parts: np.ndarray, count: int) -> np.ndarray:
    """Pairs of touching parts [E, 2], around the seam too."""
    pairs = []
    for a, b in ((parts[:-1], parts[1:]), (parts, np.roll(parts, -1, 1))):
        border = (a != b) & (a >= 0) & (b >= 0)
        first, second = a[border].astype(np.int64), b[border].astype(np.int64)
        pairs.append(np.minimum(first, second) * count + np.maximum(first, second))
    keys = np.unique(np.concatenate(pairs))
    return np.stack([keys // count, keys % count], 1)


def adjacency(edges, prices, count):
    """Compressed rows of the symmetric graph: start [count + 1], target [2E], price [2E]."""
    source = np.concatenate([edges[:, 0], edges[:, 1]])
    order = np.argsort(source, kind="stable")
    start = np.searchsorted(source[order], np.arange(count + 1))
    target = np.concatenate([edges[:, 1], edges[:, 0]])[order]
    return start, target, np.concatenate([prices, prices])[order].astype(np.float32)


@njit(cache=True)
def footprints(standing, ground, tolerance):
    """Pixels that stand directly on ground: columns [K], rows [K], the footprint [K] each belongs to, and the highest
    row [K] up to which the column goes on standing.

    Feet of neighbouring columns are one footprint while they differ by no more than `tolerance` rows.
    """
    height, width = standing.shape
    columns, rows, owner, tops = [0], [0], [0], [0]
    columns.pop(), rows.pop(), owner.pop(), tops.pop()
    before = [(0, 0)]
    before.pop()
    count = 0
    for x in range(width):
        here = [(0, 0)]
        here.pop()
        for y in range(height - 2, height // 2 - 2, -1):
            if not (standing[y, x] and standing[y - 1, x] and (ground[y + 1, x] or y == height // 2 - 1)):
                continue
            if y == height // 2 - 1 and not ground[y + 1, x]:
                continue
            best, distance = -1, tolerance + 1
            for row, label in before:
                if abs(row - y) < distance:
                    best, distance = label, abs(row - y)
            if best < 0:
                best = count
                count += 1
            here.append((y, best))
            top = y
            while top > 0 and standing[top - 1, x]:
                top -= 1
            columns.append(x), rows.append(y), owner.append(best), tops.append(top)
        before = here
    return np.array(columns), np.array(rows), np.array(owner), np.array(tops)


@dataclass(frozen=True)
class Footing:
    """F footprints, and as functions of the column what each may claim; lengths in eye heights.

    columns, rows, owner [K]: pixels of feet, and whose. lines [F, W] float32: log distance, beyond its ends the value
    there. beside [F, W] float32: how far from its feet, inf where out of reach. low [F, W] bool: where it stands in
    front of a wall that goes on behind it. narrow [F] bool. wall [W] float32: log distance of such a wall, or inf.
    """

    columns: np.ndarray
    rows: np.ndarray
    owner: np.ndarray
    lines: np.ndarray
    beside: np.ndarray
    low: np.ndarray
    narrow: np.ndarray
    wall: np.ndarray


def footing(standing: np.ndarray, ground: np.ndarray, feet: np.ndarray, costs: Costs) -> Footing:
    """The footprints of what stands; feet [H]: log(distance / eye height) of the lower edge of every row."""
    height, width = standing.shape
    columns, rows, owner, tops = footprints(standing, ground, max(1, height // 256))
    count = int(owner.max()) + 1 if len(owner) else 0
    lines = np.zeros((count, width), np.float32)
    beside, low = np.full((count, width), np.inf, np.float32), np.zeros((count, width), bool)
    narrow, wall, straight = np.zeros(count, bool), np.full(width, np.inf, np.float32), []
    groups = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1]) if count else []
    for f, mine in enumerate(groups):
        x, value = columns[mine], _smooth(feet[rows[mine]])
        span = np.exp(np.median(value)) * len(x) * 2 * np.pi / width
        narrow[f] = span < costs.narrow
        reach = costs.crown if narrow[f] else costs.eaves
        middle = int(x[len(x) // 2])
        lines[f, (middle + np.arange(width // 2)) % width] = value[-1]
        lines[f, (middle - np.arange(width // 2 + 1)) % width] = value[0]
        lines[f, x] = value
        for at, distance, way in ((x[0], value[0], -1), (x[-1], value[-1], 1)):
            pixel = np.exp(distance) * 2 * np.pi / width
            away = np.arange(1, min(int(reach / pixel) + 1, width // 5) + 1)
            beside[f, (at + way * away) % width] = away * pixel
        beside[f, x] = 0
        if span > 1.5 and len(x) > 10:
            straight.append((f, x, value))
    nearest = np.full(width, np.inf, np.float32)
    tall = 1 + np.exp(feet[rows]) * np.tan(elevations(height)[tops]) > costs.impossible
    np.minimum.at(nearest, columns, np.where(tall, -np.inf, feet[rows]))  # too tall to stand there: may hide a wall
    for f, x, value in straight:
        for g, *other in straight:
            behind, hidden = bridge(x, value, *other, nearest, width) if f != g else ([], [])
            lines[f, behind], beside[f, behind] = hidden, 0
            wall[behind] = np.minimum(wall[behind], hidden)
    hides = feet[rows] < wall[columns] - 0.03
    for f in np.unique(owner[hides & np.isfinite(wall[columns])]):
        low[f] = np.isfinite(wall) & (lines[f] < wall - 0.03)
    return Footing(columns, rows, owner, lines, beside, low, narrow, wall)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Median of 5, then mean of 5; ends repeated."""
    for kernel in (np.median, np.mean):
        padded = np.pad(values, 2, mode="edge")
        values = kernel(np.stack([padded[k : k + len(values)] for k in range(5)]), 0)
    return values.astype(np.float32)


def bridge(xa, da, xb, db, nearest, width: int, longest: float = 7.0) -> tuple[np.ndarray, np.ndarray]:
    """Where a wall with feet (columns xa, log distances da) goes on behind nearer things up to (xb, db), to its right.

    Returns columns [K] and log distances [K], empty unless both lie on one line of the plan at most `longest` eye
    heights apart with something nearer between. A straight wall at distance p whose normal points to azimuth t is seen
    at p / cos(azimuth - t): 1 / distance is linear in two coefficients.
    """
    nothing = np.empty(0, int), np.empty(0, np.float32)
    gap = (int(xb[0]) - int(xa[-1])) % width
    if not 3 <= gap < width // 4:
        return nothing
    angle = 2 * np.pi / width

    def waves(x):
        return np.stack([np.cos(x * angle), np.sin(x * angle)], 1)

    log_distance = np.concatenate([da[-40:], db[:40]])
    basis = waves(np.concatenate([xa[-40:], xb[:40]]))
    normal, *_ = np.linalg.lstsq(basis * np.exp(log_distance)[:, None], np.ones(len(basis)), rcond=None)
    fitted = basis @ normal
    if np.any(fitted <= 0) or np.abs(np.log(fitted) + log_distance).max() > 0.12:
        return nothing
    behind = (int(xa[-1]) + np.arange(1, gap)) % width
    hidden = -np.log(np.maximum(waves(behind) @ normal, 1e-3)).astype(np.float32)
    ends = waves(np.array([xa[-1], xb[0]])) * np.exp([[da[-1]], [db[0]]])
    if np.linalg.norm(ends[1] - ends[0]) > longest or (nearest[behind] < hidden - 0.03).mean() < 0.8:
        return nothing
    return behind, hidden


@njit(cache=True)
def part_places(parts, count, standing, ground, feet):
    """Of every part: its middle column, its highest row, and the distance of the nearest foot below it (NaN: none)."""
    height, width = parts.shape
    total = np.zeros(count, np.int64)
    middle = np.zeros(count, np.int64)
    first = np.full(count, -1, np.int64)
    top = np.full(count, height, np.int64)
    nearest = np.zeros(count, np.float32)
    votes = np.zeros(count, np.int64)
    for x in range(width):
        foot = np.float32(np.nan)
        for y in range(height - 2, -1, -1):
            if ground[y + 1, x] and not ground[y, x]:
                foot = feet[y]
            part = parts[y, x]
            if part < 0:
                continue
            if first[part] < 0:
                first[part] = x
            shift = x - first[part]
            if shift > width // 2:
                shift -= width
            middle[part] += shift
            total[part] += 1
            top[part] = min(top[part], y)
            if not np.isnan(foot):
                nearest[part] += foot
                votes[part] += 1
    for part in range(count):
        middle[part] = (first[part] + middle[part] // total[part]) % width
        nearest[part] = nearest[part] / votes[part] if votes[part] else np.nan
    return middle, top, nearest


@njit(cache=True)
def claim(count, start, target, price, seeds, owner, lines, beside, low, middle, slope, nearest, costs):
    """Which footprint claims each part [count], -1 where none may: Dijkstra from the seeds (parts of feet)."""
    near, overhang, overhang_limit, tall, highest, lowest_top, cone = costs
    claims = np.full(count, -1, np.int64)
    queue = [(0.0, 0, 0)]
    queue.pop()
    for k in range(len(seeds)):
        part, f = seeds[k], owner[k]
        if part >= 0 and beside[f, middle[part]] < np.inf:
            heapq.heappush(queue, (float(near * lines[f, middle[part]]), part, f))
    for bounded in (True, False):  # at last, what none may claim goes with a neighbour
        settled = np.zeros(count, np.bool_)
        if not bounded:
            for part in range(count):
                if claims[part] >= 0:
                    heapq.heappush(queue, (0.0, part, claims[part]))
        while len(queue):
            cost, part, f = heapq.heappop(queue)
            if settled[part]:
                continue
            settled[part] = True
            claims[part] = f
            for k in range(start[part], start[part + 1]):
                other = target[k]
                if claims[other] >= 0:
                    continue
                distance = lines[f, middle[other]]
                reach = 1 + np.exp(distance) * slope[other]
                if bounded and (
                    beside[f, middle[other]] > cone * reach or (low[f, middle[other]] and reach > lowest_top)
                ):
                    continue
                more = price[k] + tall * max(np.log(max(reach, 0.01) / highest), 0.0)
                if not np.isnan(nearest[other]):
                    more += overhang * min(max(nearest[other] - distance, 0.0), overhang_limit)
                heapq.heappush(queue, (float(cost + more), other, f))
    return np.maximum(claims, 0)
