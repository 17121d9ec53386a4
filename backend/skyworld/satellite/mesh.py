"""A city as a textured mesh: its heights as triangles, its Gaussians as the picture on them.

From above a roof is seen well and a wall not at all. So the Gaussians are drawn five times by parallel cameras, from
straight above and from each side, and a triangle takes the picture that sees it best.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from skyworld.camera import Camera, look_at
from skyworld.errors import UserError
from skyworld.satellite.export import DRAWING
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.sheet import upright
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import rasterize

SIDE_ELEVATION = 35.0  # degrees that the cameras beside the city look down at
MOST_PIXELS = 8192  # of a side of the texture: what GPUs take
_SOLID = 0.5  # alpha from which a pixel shows the city
_SLACK = 1.5  # cells that a vertex may lie behind what is drawn there and still be seen
_ABOVE = 0.7  # cosine: what is flatter than 45 degrees is taken from above where it is seen from there


@dataclass(frozen=True)
class Mesh:
    """vertices [V, 3] metres, Z up; triangles [T, 3]; uv [V, 2] into picture [h, w, 3] uint8, 0, 0 its top left."""

    vertices: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    picture: np.ndarray


def textured(gaussians: Gaussians, height_map: HeightMap, pixel: float) -> Mesh:
    """The surface of the height map, walls upright, under the picture of the Gaussians.

    pixel: metres of a pixel of the texture; larger where that is more than MOST_PIXELS. UserError: no surface.
    """
    vertices, triangles = surface(upright(height_map))
    if not len(triangles):
        raise UserError("the height map has no surface", hint="Give a smaller cell")
    cameras = _cameras(vertices, pixel)
    drawn = [_drawn(gaussians, camera) for camera in cameras]
    owner = _best(vertices, triangles, cameras, [depth for _, depth in drawn], _SLACK * height_map.cell)
    picture, corners = _side_by_side([picture for picture, _ in drawn])
    # A vertex between triangles of two pictures is there twice.
    keys, rows = np.unique(triangles * len(cameras) + owner[:, None], return_inverse=True)
    vertex, camera = keys // len(cameras), keys % len(cameras)
    uv = np.empty((len(keys), 2))
    for index, own in enumerate(cameras):
        here = camera == index
        uv[here] = (own.project(vertices[vertex[here]])[0] + corners[index]) / picture.shape[1::-1]
    return Mesh(vertices[vertex], rows.reshape(-1, 3), uv, picture)


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


def _cameras(vertices: np.ndarray, pixel: float) -> list[Camera]:
    """Parallel cameras from above, north, east, south and west, each just around the city."""
    size = np.ptp(vertices, axis=0)
    tall = size[1] + 4 * (max(size[:2]) * math.sin(math.radians(SIDE_ELEVATION)) + size[2])
    pixel = max(pixel, max(*size[:2], tall) / MOST_PIXELS * 1.05)
    return [_around(vertices, pixel, azimuth, elevation) for azimuth, elevation in _DIRECTIONS]


_DIRECTIONS = (
    (0.0, 90.0),
    (0.0, SIDE_ELEVATION),
    (90.0, SIDE_ELEVATION),
    (180.0, SIDE_ELEVATION),
    (270.0, SIDE_ELEVATION),
)


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


def _best(vertices, triangles, cameras, depths, slack: float) -> np.ndarray:
    """[T]: of each triangle, the camera that sees it most squarely; where none sees it, the one it faces most."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    scores = []
    for camera, drawn in zip(cameras, depths, strict=True):
        pixels, depth = camera.project(vertices)
        column, row = np.clip(pixels.astype(int), 0, (camera.width - 1, camera.height - 1)).T
        seen = (depth <= drawn[row, column] + slack)[triangles].sum(-1) / 3
        facing = (normals @ -camera.rotation[:, 2]).clip(0)
        scores.append(facing * (0.05 + seen**3))
    scores[0] = np.where(normals[:, 2] > _ABOVE, 2 * scores[0], scores[0])
    return np.argmax(scores, 0)


def _side_by_side(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All pictures below each other, and the pixel [N, 2] where each one's top left corner lies."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [cv2.copyMakeBorder(p, 0, 0, 0, width - p.shape[1], cv2.BORDER_REPLICATE) for p in pictures]
    tops = np.cumsum([0, *(len(picture) for picture in pictures[:-1])])
    return np.concatenate(padded), np.stack([np.zeros_like(tops), tops], -1)
