"""Depth of opaque triangles in a picture: what splats lie in front of and behind (numba, all cores)."""

from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats.rasterize.lenses import NEAR

_BANDS = 16  # of rows; each is drawn by one thread


@dataclass(frozen=True)
class Occluders:
    """Opaque triangles in the world: vertices [V, 3] metres, triangles [T, 3] rows of them."""

    vertices: np.ndarray
    triangles: np.ndarray

    def depth(self, camera: Camera) -> np.ndarray:
        """[H, W] float32 camera z, metres, of the nearest triangle in a pinhole or `ortho` picture; inf where none is.

        A pixel whose centre no triangle covers takes the nearest of the eight around it: it may be covered in part,
        and then its share of the object lies at their depth.
        """
        if camera.model not in ("pinhole", "ortho"):
            raise UserError(f"objects cannot be mixed into a {camera.model} picture", hint="Use another lens")
        ends = _ends(self.triangles, len(self.vertices))
        local = (self.vertices.astype(np.float64) - camera.position) @ camera.rotation
        (fx, _, cx), (_, fy, cy), _ = camera.K.tolist()
        ortho = camera.model == "ortho"
        corners = _corners(local, ends, ortho, fx, fy, cx, cy)
        depth = np.full((camera.height, camera.width), np.inf, np.float32)
        _fill(corners, ortho, depth)
        return _grown(depth)


def read_ply_mesh(data: bytes) -> Occluders:
    """Triangles of a binary little-endian PLY whose vertices are three floats and whose faces are uchar 3, int x 3."""
    head, _, body = data.partition(b"end_header\n")
    counts = {words[1]: int(words[2]) for words in map(bytes.split, head.splitlines()) if words[:1] == [b"element"]}
    faces = np.dtype([("count", "u1"), ("rows", "<i4", 3)])
    try:
        V, T = counts[b"vertex"], counts[b"face"]
        if len(body) != 12 * V + faces.itemsize * T:
            raise ValueError(f"{len(body)} bytes")
        vertices = np.frombuffer(body, "<f4", 3 * V).reshape(V, 3)
        triangles = np.frombuffer(body, faces, T, 12 * V)["rows"]
    except (KeyError, ValueError) as error:
        raise UserError("not a triangle mesh as PLY") from error
    if not np.isfinite(vertices).all():
        raise UserError("a mesh has a vertex that is not finite")
    return Occluders(vertices, triangles)


def _ends(triangles: np.ndarray, count: int) -> np.ndarray:
    ends = np.ascontiguousarray(triangles, np.int64).reshape(-1, 3)
    if len(ends) and not 0 <= ends.min() <= ends.max() < count:
        raise UserError("a triangle names a vertex that there is not")
    return ends


@njit(cache=True, nogil=True, error_model="numpy")
def _corners(local, ends, ortho, fx, fy, cx, cy):
    """[n, 3, 3] of the triangles in front of the camera: u, v in pixels and z (or 1 / z, which is linear in them).

    What crosses the near plane is cut there: one triangle or two.
    """
    out = np.empty((2 * ends.shape[0], 3, 3))
    ring, kept = np.empty((4, 3)), 0
    for t in range(ends.shape[0]):
        n = 0
        for k in range(3):
            here, there = local[ends[t, k]], local[ends[t, (k + 1) % 3]]
            if here[2] > NEAR:
                ring[n] = here
                n += 1
            if (here[2] > NEAR) != (there[2] > NEAR):
                share = (NEAR - here[2]) / (there[2] - here[2])
                ring[n] = here + share * (there - here)
                ring[n, 2] = NEAR
                n += 1
        for second in range(1, n - 1):
            for corner, place in enumerate((0, second, second + 1)):
                x, y, z = ring[place]
                w = 1.0 if ortho else 1 / z
                out[kept, corner, 0], out[kept, corner, 1] = fx * x * w + cx, fy * y * w + cy
                out[kept, corner, 2] = z if ortho else w
            kept += 1
    return out[:kept]


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _fill(corners, ortho, depth):
    """Draws the triangles into depth [H, W], which keeps the nearest."""
    height, width = depth.shape
    for band in prange(_BANDS):
        top, bottom = height * band // _BANDS, height * (band + 1) // _BANDS
        for t in range(corners.shape[0]):
            (x0, y0, w0), (x1, y1, w1), (x2, y2, w2) = corners[t, 0], corners[t, 1], corners[t, 2]
            # Clamped as floats: a corner near the camera lies anywhere in the picture's plane.
            first = int(max(min(y0, y1, y2) + 0.5, top))
            last = int(min(max(y0, y1, y2) + 0.5, bottom))
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            if first >= last or area == 0:
                continue
            left = int(min(max(min(x0, x1, x2) + 0.5, 0.0), width))
            right = int(min(max(max(x0, x1, x2) + 0.5, 0.0), width))
            for row in range(first, last):
                y = row + 0.5
                for column in range(left, right):
                    x = column + 0.5
                    b0 = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) / area
                    b1 = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) / area
                    b2 = 1 - b0 - b1
                    if b0 < 0 or b1 < 0 or b2 < 0:
                        continue
                    w = b0 * w0 + b1 * w1 + b2 * w2
                    z = np.float32(w if ortho else 1 / w)
                    if z < depth[row, column]:
                        depth[row, column] = z


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _grown(depth):
    """Pixels at infinity take the nearest of their neighbours."""
    height, width = depth.shape
    grown = depth.copy()
    for row in prange(height):
        for column in range(width):
            if depth[row, column] == np.inf:
                for y in range(max(row - 1, 0), min(row + 2, height)):
                    for x in range(max(column - 1, 0), min(column + 2, width)):
                        grown[row, column] = min(grown[row, column], depth[y, x])
    return grown
