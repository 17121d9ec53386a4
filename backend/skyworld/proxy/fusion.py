"""Depth maps fused into one truncated signed distance field (Curless and Levoy 1996; numba, all cores)."""

from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from skyworld.camera import Camera

TRUNCATION = 3.0  # voxels


@dataclass
class Volume:
    """distance: [X, Y, Z] -1..1 of the truncation, above 0 in front of surfaces, NaN where nothing was seen.

    The sample [0, 0, 0] lies at `origin` [3], `edge` metres from the next.
    """

    origin: np.ndarray
    edge: float
    distance: np.ndarray
    weight: np.ndarray

    @classmethod
    def around(cls, low: np.ndarray, high: np.ndarray, detail: int) -> "Volume":
        """detail: samples along the longest side of the box."""
        edge = float((high - low).max() / (detail - 1))
        shape = tuple(np.maximum(np.ceil((high - low) / edge).astype(int) + 1, 2))
        return cls(np.asarray(low, np.float64), edge, np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def fuse(self, camera: Camera, depth: np.ndarray) -> None:
        """Adds what a pinhole camera sees. depth: [H, W] camera z in metres, 0 where nothing is seen."""
        K = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
        view = np.ascontiguousarray(camera.world_to_camera)
        reach = TRUNCATION * self.edge
        _fuse(self.distance, self.weight, self.origin, self.edge, view, K, np.ascontiguousarray(depth), reach)

    def seen(self, farthest: float) -> np.ndarray:
        """[X, Y, Z] mean distances, NaN where less was seen than one surface `farthest` metres away tells.

        Gaps between splats show what lies far behind: such a glance proves no space to be free.
        """
        known = self.weight >= 0.999 / (1 + farthest * farthest)
        return np.where(known, self.distance / np.maximum(self.weight, 1e-9), np.nan)


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _fuse(distance, weight, origin, edge, view, K, depth, reach):
    height, width = depth.shape
    fx, fy, cx, cy = K
    for i in prange(distance.shape[0]):
        for j in range(distance.shape[1]):
            for k in range(distance.shape[2]):
                X, Y, Z = origin[0] + i * edge, origin[1] + j * edge, origin[2] + k * edge
                z = view[2, 0] * X + view[2, 1] * Y + view[2, 2] * Z + view[2, 3]
                if z <= 0.01:
                    continue
                x = view[0, 0] * X + view[0, 1] * Y + view[0, 2] * Z + view[0, 3]
                y = view[1, 0] * X + view[1, 1] * Y + view[1, 2] * Z + view[1, 3]
                u, v = fx * x / z + cx, fy * y / z + cy
                if not (0 <= u < width and 0 <= v < height):
                    continue
                surface = depth[int(v), int(u)]
                if surface <= 0 or surface - z < -reach:
                    continue
                # Near views measure better: an error of a pixel is smaller there.
                share = 1 / (1 + surface * surface)
                distance[i, j, k] += share * min((surface - z) / reach, 1.0)
                weight[i, j, k] += share
