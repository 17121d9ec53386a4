"""Distance indoors: a box whose edges lie on the picture's edges, and furniture standing in front of its walls.

Frame: the world's, with the eye at the origin: X right, Y forward, Z up; the floor lies at -eye_height.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from scipy.ndimage import median_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from skyworld.camera.equirectangular import directions
from skyworld.models.builtin.popup import neighbours, part_means, superpixels
from skyworld.models.builtin.segmentation import elevations, grabcut, lab_of, wrapped

CEILING_HEIGHT = 2.7  # metres above the floor, expected
CEILING, FLOOR, CORNER = 4.0, 0.3, 1.5  # weights of the box's edges: furniture hides the floor's
OFF_HEIGHT, OFF_SIZE = 12.0, 0.2  # per metre of ceiling, per e-fold of side from 4.2 m
SAMPLES = 40  # along an edge


@dataclass(frozen=True)
class Box:
    """Walls at x = left, right and y = back, front once turned by `turn` radians about Z; ceiling above the eye."""

    turn: float
    left: float
    right: float
    back: float
    front: float
    ceiling: float

    def distance(self, rays: np.ndarray, eye_height: float) -> tuple[np.ndarray, np.ndarray]:
        """Along unit rays [..., 3] from the eye to the inside of the box, and the axis 0, 1, 2 of the face met."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        x, y, z = np.moveaxis(rays, -1, 0)
        sides = (
            (cos * x - sin * y, self.left, self.right),
            (sin * x + cos * y, self.back, self.front),
            (z, -eye_height, self.ceiling),
        )
        along = [np.where(d > 0, high, low) / np.where(np.abs(d) < 1e-6, 1e-6, d) for d, low, high in sides]
        along = np.abs(np.stack(along, -1))
        return along.min(-1), along.argmin(-1)


@njit(cache=True)
def _edge_score(box, eye_height, expected_height, across, down):
    """How much gradient lies under the twelve edges of a box: (turn, left, right, back, front, ceiling)."""
    height, width = across.shape
    turn, left, right, back, front, ceiling = box
    cos, sin = np.cos(turn), np.sin(turn)
    corners = ((left, back), (right, back), (right, front), (left, front))
    score = 0.0
    for edge in range(12):
        a, b = corners[edge % 4], corners[(edge + 1) % 4]
        total = 0.0
        for k in range(SAMPLES):
            t = 0.03 + 0.94 * k / (SAMPLES - 1)
            if edge < 8:
                x, y = a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t
                z = -eye_height if edge < 4 else ceiling
            else:
                x, y, z = a[0], a[1], -eye_height + (ceiling + eye_height) * t
            east, north = cos * x + sin * y, cos * y - sin * x
            u = int((np.arctan2(east, north) / (2 * np.pi) + 0.5) * width) % width
            v = int((0.5 - np.arctan2(z, np.sqrt(x * x + y * y)) / np.pi) * height)
            total += down[v, u] if edge < 8 else across[v, u]
        score += (FLOOR if edge < 4 else CEILING if edge < 8 else CORNER) * total / SAMPLES
    score -= OFF_SIZE * (abs(np.log((right - left) / 4.2)) + abs(np.log((front - back) / 4.2)))
    return score - OFF_HEIGHT * abs(ceiling + eye_height - expected_height)


@njit(cache=True)
def _best_box(across, down, eye_height, expected_height, seed):
    """Random boxes, the best of them bettered by random steps; all lengths scale with eye_height / 1.6."""
    np.random.seed(seed)
    unit, count, kept = eye_height / 1.6, 4000, 16
    tried, scores = np.empty((count, 6)), np.empty(count)
    for n in range(count):
        tried[n, 0] = np.random.uniform(-np.pi / 4, np.pi / 4)
        for k in range(1, 5):
            tried[n, k] = unit * np.random.uniform(1, 3.7) * (-1 if k % 2 else 1)
        tried[n, 5] = expected_height - eye_height + unit * np.random.uniform(-0.3, 0.3)
        scores[n] = _edge_score(tried[n], eye_height, expected_height, across, down)
    best, best_score = tried[0], -1e9
    for n in np.argsort(-scores)[:kept]:
        box, score = tried[n].copy(), scores[n]
        size = 1.0
        for turn in range(400):
            step = box.copy()
            for k in range(6):
                if np.random.random() < 0.5:
                    step[k] += np.random.normal() * size * (0.05 if k == 0 else unit * (0.1 if k == 5 else 0.3))
            walls = np.abs(step[1:5])
            if walls.min() < 0.6 * unit or walls.max() > 6 * unit or not 0.5 * unit < step[5] < 2 * unit:
                continue
            new = _edge_score(step, eye_height, expected_height, across, down)
            if new > score:
                box, score = step, new
            elif turn % 40 == 39:
                size *= 0.65
        if score > best_score:
            best, best_score = box, score
    return best


def fit_box(picture: np.ndarray, eye_height: float) -> Box:
    """The box room that the picture's edges draw best."""
    small = lab_of(cv2.resize(picture, (512, 256), interpolation=cv2.INTER_AREA))
    across, down = (np.abs(np.roll(small, -1, axis) - np.roll(small, 1, axis)).sum(-1) for axis in (1, 0))
    down[0] = down[-1] = 0
    soft = [
        np.minimum(cv2.GaussianBlur(wrapped(edge, 8), (0, 0), 1.5)[:, 8:-8], 12).astype(np.float64)
        for edge in (across, down)
    ]
    expected = CEILING_HEIGHT * eye_height / 1.6
    return Box(*_best_box(*(edge - edge.mean() for edge in soft), eye_height, expected, 0))


def room(picture: np.ndarray, eye_height: float) -> np.ndarray:
    """Distance along the ray [H, W] float32 of a picture indoors."""
    height, width = picture.shape[:2]
    rays = directions(width, height)
    distance, face = fit_box(picture, eye_height).distance(rays, eye_height)
    elevation = elevations(height)[:, None]
    floor = (face == 2) & (elevation < 0)
    furniture, bare = segment_furniture(picture, floor, elevation)
    horizontal = distance * np.cos(elevation)
    free = _furniture_distance(picture, furniture, bare, horizontal, eye_height)
    return np.where(np.isfinite(free), np.minimum(free / np.cos(elevation), distance), distance).astype(np.float32)


def segment_furniture(picture, floor, elevation) -> tuple[np.ndarray, np.ndarray]:
    """(furniture, bare floor) bool [H, W].

    Bare floor is reached from below one's feet without crossing an edge, and looks like it. The rest of what the box
    calls floor is furniture if it rises in front of a wall: rugs do not.
    """
    degrees = np.broadcast_to(np.degrees(elevation), floor.shape)
    seeds = np.where(floor, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[floor & (degrees < -50)] = cv2.GC_FGD
    seeds[~floor & (degrees > -5)] = cv2.GC_BGD
    alike = grabcut(picture, seeds, 2) & (degrees < 0)
    bare = alike & floor & _reached(picture, degrees < 8, degrees < -60)
    bare = cv2.morphologyEx(bare.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5))) > 0
    on_floor = cv2.morphologyEx((floor & ~bare).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5))) > 0
    base = cv2.dilate(floor.astype(np.uint8), np.ones((13, 1))) > 0  # the box is off by a few pixels
    before_wall = alike & ~base
    seeds = np.full(floor.shape, cv2.GC_PR_BGD, np.uint8)
    seeds[on_floor | before_wall] = cv2.GC_FGD
    seeds[(bare & floor) | (degrees > 15)] = cv2.GC_BGD
    if not (seeds == cv2.GC_FGD).any():
        return on_floor, bare
    furniture = cv2.morphologyEx((grabcut(picture, seeds, 2) & ~bare).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5)))
    count, parts = cv2.connectedComponents(furniture)
    rises = np.bincount(parts[~base], minlength=count) > 0.15 * np.bincount(parts.ravel(), minlength=count)
    rises &= np.bincount(parts[base], minlength=count) > 0
    rises[0] = False
    return rises[parts], bare


def _reached(picture, region, start, step: float = 2.8) -> np.ndarray:
    """[H, W] bool: superpixels of `region` reached from `start` over neighbours closer than `step` in Lab."""
    lab = cv2.GaussianBlur(lab_of(picture), (0, 0), 0.7)
    parts, count = superpixels(lab, region, max(5, picture.shape[1] // 102))
    means, edges = part_means(lab, parts, count), neighbours(parts, count)
    edges = edges[np.linalg.norm(means[edges[:, 0]] - means[edges[:, 1]], axis=1) < step]
    graph = coo_matrix((np.ones(len(edges)), edges.T), (count, count))
    _, group = connected_components(graph, directed=False)
    return np.append(np.isin(group, group[np.unique(parts[start & region])]), False)[parts]


def _furniture_distance(picture, furniture, bare, horizontal, eye_height) -> np.ndarray:
    """[H, W] horizontal distance of furniture, NaN elsewhere: an upright front on its foot, and a level top."""
    height, width = furniture.shape
    slope = np.tan(elevations(height))
    edge = np.tan(np.maximum((np.arange(height) + 1) / height - 0.5, 1e-3) * np.pi)  # below each row, downward
    rows = np.arange(height)[:, None]
    foot = np.where(furniture, rows, -1).max(0)
    seen = (foot >= 0) & np.take_along_axis(bare, np.minimum(foot + 1, height - 1)[None], 0)[0]
    front = np.where(seen, eye_height / edge[foot], np.nan)
    front = np.where(front < 0.93 * horizontal[height // 2], front, np.nan)
    lines = np.abs(cv2.Sobel(cv2.GaussianBlur(lab_of(picture), (0, 0), 1), cv2.CV_32F, 0, 1)).sum(-1)
    free = np.full((height, width), np.nan, np.float32)
    count, parts = cv2.connectedComponents((furniture & np.isfinite(front)).astype(np.uint8))
    for part in range(1, count):
        mine = parts == part
        columns = np.nonzero(mine.any(0))[0]
        near = median_filter(front[columns], 25, mode="nearest")
        free[:, columns] = np.where(mine[:, columns], near, free[:, columns])
        top = _top_height(lines, mine, columns, near, eye_height)
        if top is None:
            continue
        level = (eye_height - top) / np.maximum(-slope, 1e-6)[:, None]
        above = mine[:, columns] & (level > near)
        free[:, columns] = np.where(above, np.minimum(level, near + 1.0), free[:, columns])
    return free


def _top_height(lines, mine, columns, near, eye_height, clearly: float = 1.6) -> float | None:
    """Height of the level top of one piece: where a line runs along its front; None if none is clear."""
    height = len(lines)
    heights = np.linspace(0.25, 0.9, 27) * eye_height
    rows = ((0.5 + np.arctan((eye_height - heights[:, None]) / near) / np.pi) * height).astype(int)
    inside = mine[rows, columns]
    strength = np.where(inside, lines[rows, columns], 0).sum(1) / np.maximum(inside.sum(1), 1)
    strength = np.where(inside.mean(1) > 0.5, strength, 0)
    best = int(strength.argmax())
    return float(heights[best]) if strength[best] > clearly * lines[mine].mean() else None
