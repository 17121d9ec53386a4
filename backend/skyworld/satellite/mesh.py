"""A city as a textured mesh: its heights as triangles, its Gaussians as the picture on them.

From above a roof is seen well and a wall not at all. So the Gaussians are drawn by parallel cameras from straight above
and from each side, twice: low for walls, and high for what stands in narrow streets. A triangle takes the picture that
sees it best. On a grid a wall is a zigzag, whose every other triangle faces along the wall: which picture is best is
asked for the way in which the wall as a whole faces, or it would be striped by views past its edge.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, maximum_filter, minimum_filter
from scipy.spatial import cKDTree
from scipy.special import ndtri

from skyworld.camera import Camera, look_at
from skyworld.errors import UserError
from skyworld.satellite.export import DRAWING
from skyworld.satellite.height_map import HeightMap, continued
from skyworld.satellite.sheet import upright
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import rasterize

SIDE_ELEVATIONS = (35.0, 60.0)  # degrees that the cameras beside the city look down at
MOST_PIXELS = 8192  # of a side of the texture: what GPUs take
_SOLID = 0.5  # alpha from which a pixel shows the city
_SLACK = 1.5  # cells that a vertex may lie behind what is drawn there and still be seen
_ABOVE = 0.7  # cosine: what is flatter than 45 degrees is taken from above where it is seen from there
_PIECE = 6.0  # cells that an edge is long at most: the foot of a wall may be hidden where its top is not
_ALIKE = 3.0  # cells over which the direction of a wall is averaged
_SEEN = 0.75  # of a triangle's corners and its middle, below which it takes its picture from beside
# Of walls that are straightened, in cells: how far around a cell its highest and lowest neighbours are looked for, how
# far these must lie apart, over what the line is smoothed, how far beside it top and foot stand, how far a cell moves.
_REACH, _WALL, _STRAIGHT, _BESIDE, _FARTHEST = 3, 4.0, 2.0, 0.1, 1.2
_AGAINST = 0.3  # cosine to what faces the other way, beyond which a triangle is no part of the wall around it
_GAP = 30  # cells of a hole that is closed
_SHARP = 0.65  # cosine: an edge of more than 50 degrees is one to be seen
_GRAZING = 0.35  # cosine below which a picture is too stretched to be taken
# What no camera sees is filled from what is near and faces the same way: metres that a turn by 60 degrees is worth.
_TURN = 6.0


@dataclass(frozen=True)
class Mesh:
    """vertices [V, 3] metres, Z up; triangles [T, 3]; normals [V, 3], of unit length; uv [V, 2] into picture [h, w, 3]
    uint8, 0, 0 its top left."""

    vertices: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    picture: np.ndarray


def textured(gaussians: Gaussians, height_map: HeightMap, pixel: float) -> Mesh:
    """The surface of the height map, walls upright, under the picture of the Gaussians.

    pixel: metres of a pixel of the texture; larger where that is more than MOST_PIXELS. UserError: no surface.
    """
    walled = upright(closed(height_map))
    vertices, triangles = surface(walled)
    if not len(triangles):
        raise UserError("the height map has no surface", hint="Give a smaller cell")
    vertices[:, :2] += straightening(walled)[np.isfinite(walled.up)]
    vertices, triangles = divided(vertices, triangles, _PIECE * height_map.cell)
    cameras = _cameras(vertices, pixel)
    drawn = [_drawn(gaussians, camera) for camera in cameras]
    flat = _flat(vertices, triangles)
    normals = _facing(vertices, triangles, flat, walled)
    depths = [depth for _, depth in drawn]
    owner, hidden = _best(vertices, triangles, normals, cameras, depths, _SLACK * height_map.cell)
    picture, corners = _side_by_side([picture for picture, _ in drawn])
    places = _shown_places(vertices, triangles, normals, owner, hidden)
    pixels = np.empty((*triangles.shape, 2))
    for index, own in enumerate(cameras):
        here = owner == index
        pixels[here] = own.project(places[here].reshape(-1, 3))[0].reshape(-1, 3, 2) + corners[index]
    rounded = _rounded(triangles, flat, len(vertices)).reshape(-1, 3)
    # A vertex between triangles of two pictures, or at a sharp edge, is there twice.
    keys = np.c_[triangles.reshape(-1), np.round(pixels.reshape(-1, 2) * 16), np.round(rounded * 64)].astype(np.int32)
    _, first, rows = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    uv = pixels.reshape(-1, 2)[first] / picture.shape[1::-1]
    return Mesh(vertices[triangles.reshape(-1)[first]], rows.reshape(-1, 3), rounded[first], uv, picture)


def closed(height_map: HeightMap) -> HeightMap:
    """With heights from beside where a few cells lack theirs: gaps between Gaussians, most of them behind walls."""
    lacking, count = label(~np.isfinite(height_map.up))
    small = np.append(False, np.bincount(lacking.ravel(), minlength=count + 1)[1:] <= _GAP)[lacking]
    return replace(height_map, up=np.where(small, continued(height_map.up), height_map.up).astype(np.float32))


def surface(height_map: HeightMap) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] at the cells' centres and triangles [T, 3], counterclockwise from above, where all is known.

    Four cells are cut along the diagonal whose ends are more alike: the edge of a roof that runs across stays whole.
    """
    up = height_map.up
    known = np.isfinite(up)
    number = np.cumsum(known).reshape(up.shape) - 1
    a, b, c, d = (number[rows, columns] for rows in (np.s_[:-1], np.s_[1:]) for columns in (np.s_[:-1], np.s_[1:]))
    whole = known[:-1, :-1] & known[:-1, 1:] & known[1:, :-1] & known[1:, 1:]
    falling = np.abs(up[:-1, :-1] - up[1:, 1:]) <= np.abs(up[:-1, 1:] - up[1:, :-1])
    one, other = whole & falling, whole & ~falling
    corners = [
        *((a[one], c[one], d[one]), (a[one], d[one], b[one])),
        *((a[other], c[other], b[other]), (b[other], c[other], d[other])),
    ]
    triangles = np.concatenate([np.stack(three, -1) for three in corners])
    return height_map.points()[known], triangles


def straightening(height_map: HeightMap) -> np.ndarray:
    """[H, W, 2] metres east and north by which cells at the top and the foot of walls are to move onto one line.

    On a grid a wall that does not run along it is a zigzag, whose steps are striped by light. The line is where the
    smoothed share of what stands high is a half; of a straight wall that share is the normal distribution of the
    distance to it.
    """
    up = continued(height_map.up).astype(np.float64)
    size = 2 * _REACH + 1
    low, high = minimum_filter(up, size), maximum_filter(up, size)
    steps = high - low > _WALL * height_map.cell
    if not steps.any():
        return np.zeros((*up.shape, 2))
    share = np.where(steps, (up - low) / np.maximum(high - low, 1e-9), 0)
    nearest = distance_transform_edt(~steps, return_distances=False, return_indices=True)
    is_high = share[tuple(nearest)] > 0.5
    smooth = gaussian_filter(is_high.astype(np.float64), _STRAIGHT)
    north_south, west_east = np.gradient(smooth)
    uphill = np.stack([west_east, -north_south], -1)
    length = np.linalg.norm(uphill, axis=-1)
    at_wall = steps & (maximum_filter(is_high, 3) != minimum_filter(is_high, 3)) & (length > 1e-3)
    inside = _STRAIGHT * ndtri(smooth.clip(1e-3, 1 - 1e-3))
    way = (np.where(is_high, _BESIDE, -_BESIDE) - inside).clip(-_FARTHEST, _FARTHEST)
    offsets = height_map.cell * way[..., None] * uphill / np.maximum(length, 1e-9)[..., None]
    return np.where(at_wall[..., None], offsets, 0)


def divided(vertices: np.ndarray, triangles: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """Both with every edge longer than `longest` metres cut in halves until none is; no gap opens."""
    done = []
    while len(triangles):
        ends = np.sort(np.stack([triangles, np.roll(triangles, -1, 1)], -1), -1)
        keys, edge = np.unique(ends[..., 0] * len(vertices) + ends[..., 1], return_inverse=True)
        one, other = vertices[keys // len(vertices)], vertices[keys % len(vertices)]
        long = np.linalg.norm(one - other, axis=-1) > longest
        middle = np.where(long, len(vertices) + np.cumsum(long) - 1, -1)[edge].reshape(-1, 3)
        vertices = np.concatenate([vertices, (one[long] + other[long]) / 2])
        cuts = (middle >= 0).sum(1)
        done.append(triangles[cuts == 0])
        triangles = np.concatenate([_cut(triangles[cuts == n], middle[cuts == n], n) for n in (1, 2, 3)])
    return vertices, np.concatenate(done)


# Which corners (0 to 2) and middles of edges (3 behind corner 0, to 5) make the pieces of a triangle, by how many of
# its edges are cut: the one behind corner 0, all but that one, all.
_PIECES = {
    1: ((0, 3, 2), (3, 1, 2)),
    2: ((0, 1, 4), (0, 4, 5), (5, 4, 2)),
    3: ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)),
}


def _cut(triangles: np.ndarray, middle: np.ndarray, count: int) -> np.ndarray:
    """The pieces [P, 3] of triangles with `count` edges cut at `middle` [T, 3], -1 where they are whole."""
    lone = (middle >= 0 if count == 1 else middle < 0).argmax(1)
    turned = (np.arange(3) + lone[:, None]) % 3
    six = np.take_along_axis(np.c_[triangles, middle], np.c_[turned, turned + 3], 1)
    return six[:, _PIECES[count]].reshape(-1, 3)


def _cameras(vertices: np.ndarray, pixel: float) -> list[Camera]:
    """Parallel cameras from above, and from north, east, south and west, each just around the city."""
    size = np.ptp(vertices, axis=0)
    tall = size[1] + 4 * sum(max(size[:2]) * math.sin(math.radians(each)) + size[2] for each in SIDE_ELEVATIONS)
    pixel = max(pixel, max(*size[:2], tall) / MOST_PIXELS * 1.05)
    return [_around(vertices, pixel, azimuth, elevation) for azimuth, elevation in _DIRECTIONS]


_DIRECTIONS = ((0.0, 90.0), *((azimuth, each) for each in SIDE_ELEVATIONS for azimuth in (0.0, 90.0, 180.0, 270.0)))


def _around(vertices: np.ndarray, pixel: float, azimuth: float, elevation: float) -> Camera:
    """azimuth: degrees clockwise from north that the camera stands at."""
    middle, away = (vertices.min(0) + vertices.max(0)) / 2, 2 * float(np.linalg.norm(np.ptp(vertices, axis=0))) + 10
    a, e = math.radians(azimuth), min(math.radians(elevation), math.radians(89.99))
    towards = np.array((math.sin(a) * math.cos(e), math.cos(a) * math.cos(e), math.sin(e)))
    K = np.array([[1 / pixel, 0, 0], [0, 1 / pixel, 0], [0, 0, 1.0]])
    camera = Camera(look_at(middle + away * towards, middle), K, 1, 1, "ortho")
    pixels = camera.project(vertices)[0]
    low, high = np.floor(pixels.min(0)) - 2, np.ceil(pixels.max(0)) + 2
    K[:2, 2] = -low
    width, height = (high - low).astype(int).tolist()
    return replace(camera, K=K, width=width, height=height)


@torch.no_grad()
def _drawn(gaussians: Gaussians, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Picture [H, W, 3] uint8, what shows no city filled from beside, and depth [H, W], 0 there."""
    found = rasterize(gaussians, [camera], **DRAWING)
    alpha = found.alpha[0].cpu().numpy()
    colour = found.colour[0].cpu().numpy() / np.maximum(alpha, 1e-3)[..., None]
    solid = alpha >= _SOLID
    if not solid.any():
        return np.zeros(colour.shape, np.uint8), np.zeros(alpha.shape, np.float32)
    nearest = distance_transform_edt(~solid, return_distances=False, return_indices=True)
    picture = np.round(colour.clip(0, 1)[tuple(nearest)] * 255).astype(np.uint8)
    return picture, np.where(solid, found.depth[0].cpu().numpy(), 0)


def _flat(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """[T, 3]: square to each triangle, as long as its area is large, twice."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _rounded(triangles: np.ndarray, flat: np.ndarray, count: int) -> np.ndarray:
    """[T, 3, 3]: normals at the corners of triangles, of unit length: the mean of all triangles around the vertex (of
    `count`) that are turned against this one by less than a sharp edge is."""
    unit, corners = _unit(flat), triangles.reshape(-1)
    order = np.argsort(corners, kind="stable")
    around = np.bincount(corners, minlength=count)
    first, own = np.cumsum(around) - around, np.repeat(np.arange(len(triangles)), 3)
    total = np.zeros((len(corners), 3))
    for step in range(around.max()):
        here = np.nonzero(around[corners] > step)[0]
        other = order[first[corners[here]] + step] // 3
        alike = (unit[own[here]] * unit[other]).sum(-1) > _SHARP
        total[here[alike]] += flat[other[alike]]
    return _unit(total).reshape(*triangles.shape, 3)


def _facing(vertices, triangles, flat: np.ndarray, height_map: HeightMap) -> np.ndarray:
    """[T, 3]: the way each triangle faces; one of a wall: the way the wall does, not a step of its zigzag."""
    normals = _unit(flat)
    up = continued(height_map.up).astype(np.float64)
    north_south, west_east = np.gradient(up, height_map.cell)
    downhill = np.stack([-west_east, north_south])
    # The root: a parapet does not turn its wall round, nor a tower the house beside it.
    downhill /= np.sqrt(np.maximum(np.hypot(*downhill), 1e-9))
    downhill = np.stack([gaussian_filter(component, _ALIKE) for component in downhill])
    middle = vertices[triangles].mean(1)
    row = ((height_map.north - middle[:, 1]) / height_map.cell).astype(int).clip(0, up.shape[0] - 1)
    column = ((middle[:, 0] - height_map.west) / height_map.cell).astype(int).clip(0, up.shape[1] - 1)
    wall, own = downhill[:, row, column].T, normals[:, :2]
    wall = _unit(wall)
    length = np.linalg.norm(own, axis=-1, keepdims=True)
    # What faces against it is no part of it: the inside of a parapet.
    steep = (normals[:, 2] < _ABOVE) & ((wall * own).sum(-1) > -_AGAINST * length[:, 0])
    normals[:, :2] = np.where(steep[:, None], wall * length, own)
    return normals


def _best(vertices, triangles, normals, cameras, depths, slack: float) -> tuple[np.ndarray, np.ndarray]:
    """[T]: of each triangle, the camera that sees it most squarely; and whether that one does not see it either."""
    middle = vertices[triangles].mean(1)
    scores, shown = [], []
    for camera, drawn in zip(cameras, depths, strict=True):
        corners = _is_seen(vertices, camera, drawn, slack)[triangles]
        seen = (corners.sum(-1) + _is_seen(middle, camera, drawn, slack)) / 4
        facing = (normals @ -camera.rotation[:, 2]).clip(0)
        seen[facing < _GRAZING] = 0
        scores.append(facing * (0.05 + seen**3))
        shown.append(seen)
    scores[0] = np.where(normals[:, 2] > _ABOVE, 2 * scores[0], scores[0])
    owner = np.argmax(scores, 0)
    return owner, np.stack(shown)[owner, np.arange(len(owner))] < _SEEN


def _is_seen(places: np.ndarray, camera: Camera, drawn: np.ndarray, slack: float) -> np.ndarray:
    """[N]: nothing that is drawn lies before the place."""
    pixels, depth = camera.project(places)
    column, row = np.clip(pixels.astype(int), 0, (camera.width - 1, camera.height - 1)).T
    return depth <= drawn[row, column] + slack


def _shown_places(vertices, triangles, normals, owner, hidden) -> np.ndarray:
    """[T, 3, 3]: the places whose colour each triangle's corners have: their own, or, of triangles that are hidden, the
    nearest that faces the same way and that the camera sees; where it sees none of that kind, their own."""
    places = vertices[triangles]
    middle, faces = places.mean(1), _TURN * normals
    for index in np.unique(owner[hidden]):
        lost, found = np.nonzero(hidden & (owner == index))[0], np.nonzero(~hidden & (owner == index))[0]
        if len(found):
            corners = np.concatenate([places[lost], np.repeat(faces[lost, None], 3, 1)], -1).reshape(-1, 6)
            nearest = cKDTree(np.c_[middle, faces][found]).query(corners)[1]
            places[lost] = middle[found][nearest].reshape(-1, 3, 3)
    return places


def _side_by_side(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All pictures below each other, and the pixel [N, 2] where each one's top left corner lies."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [cv2.copyMakeBorder(p, 0, 0, 0, width - p.shape[1], cv2.BORDER_REPLICATE) for p in pictures]
    tops = np.cumsum([0, *(len(picture) for picture in pictures[:-1])])
    return np.concatenate(padded), np.stack([np.zeros_like(tops), tops], -1)
