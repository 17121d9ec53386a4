"""Floor, ceiling and sky seen from below or above: a square picture of the cap around the nadir or the zenith.

A direction at elevation e (towards the pole) lies at radius cos(e) / (sin(e) + curvature). Curvature 0 is
a plane, on which straight things stay straight; 1 is the stereographic projection, which keeps shapes on
the sphere; between them lies a shallow bowl that is a plane at the feet and does not run off to infinity.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from skyworld.camera import Camera, directions, pixels


@dataclass(frozen=True)
class Cap:
    """size: pixels of the square.  radius: of its middle-to-edge in the projection.  up: -1 nadir, 1 zenith.

    In the square yaw 0 is at the top and yaw 90 on the right, for the floor and for the ceiling alike.
    """

    size: int
    radius: float
    up: int
    curvature: float = 0.0

    def elevation_radius(self, elevation: float) -> float:
        """Radius at which an elevation (radians, towards the pole) lies."""
        return float(np.cos(elevation) / (np.sin(elevation) + self.curvature))

    def directions(self) -> np.ndarray:
        """[size, size, 3] unit vectors in the world."""
        at = ((np.arange(self.size) + 0.5) / self.size * 2 - 1) * self.radius
        x, y = np.meshgrid(at, -at)
        square, c = x * x + y * y, self.curvature
        sine = (np.sqrt(np.maximum(1 + square * (1 - c * c), 0)) - square * c) / (1 + square)
        return np.stack([x * (sine + c), y * (sine + c), self.up * sine], -1)

    def positions(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where directions [..., 3] lie in the square: column and row as cv2.remap counts them, float32."""
        scale = self.size / (2 * self.radius) / np.maximum(vectors[..., 2] * self.up + self.curvature, 1e-3)
        middle = self.size / 2 - 0.5
        return (
            (vectors[..., 0] * scale + middle).clip(-1e4, 1e4).astype(np.float32),
            (middle - vectors[..., 1] * scale).clip(-1e4, 1e4).astype(np.float32),
        )

    def look(self, panorama: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
        """The cap [size, size(, C)] of a panorama [H, W(, C)]."""
        height, width = panorama.shape[:2]
        at = pixels(self.directions(), width, height).astype(np.float32)
        wrapped = np.concatenate([panorama[:, -4:], panorama, panorama[:, :4]], 1)
        u, v = at[..., 0] + 3.5, at[..., 1] - 0.5
        return cv2.remap(wrapped, u, v, interpolation, borderMode=cv2.BORDER_REPLICATE)

    def onto(self, square: np.ndarray, width: int, rows: slice) -> np.ndarray:
        """The square [size, size(, C)] on the given rows of a panorama: [rows, width(, C)]; its edge goes on."""
        u, v = self.positions(directions(width, width // 2)[rows])
        return cv2.remap(square, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def photograph(self, picture: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        """What the cap shows of a photograph: [size, size(, C)], and where it shows anything, bool."""
        at = np.nan_to_num(camera.project(self.directions() + camera.position)[0], nan=-1e4)
        u, v = at[..., 0], at[..., 1]
        inside = (u > 2) & (u < camera.width - 2) & (v > 2) & (v < camera.height - 2)
        pixels_per_pixel = camera.K[0, 0] * 2 * self.radius / self.size / 2.2
        if pixels_per_pixel > 1.3:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.35 * pixels_per_pixel)
        u, v = ((x - 0.5).clip(-1e4, 1e4).astype(np.float32) for x in (u, v))
        return cv2.remap(picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), inside
