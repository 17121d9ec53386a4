"""In which order a perspective model completes the sphere.

The anchored schedule of "A Recipe for Generating 3D Worlds From a Single Image" (2025), panorama step.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from skyworld.camera import Camera, turned

SIDE = 1024  # px of a view


@dataclass(frozen=True)
class Look:
    """yaw, pitch, fov in degrees; region: which prompt applies."""

    yaw: float
    pitch: float
    fov: float
    region: Literal["sky", "horizon", "ground"]

    def camera(self, side: int = SIDE) -> Camera:
        pose = turned((0, 0, 0), np.radians(self.yaw), np.radians(self.pitch))
        return Camera.pinhole(pose, np.radians(self.fov), side, side)


def poles() -> list[Look]:
    """Sky and ground, seen while a copy of the photograph stands behind the viewer as an anchor."""
    looks = [("sky", 45.0), ("ground", -45.0)]
    return [Look(yaw, pitch, 120.0, region) for region, pitch in looks for yaw in (0.0, 180.0, 90.0, -90.0)]


def horizon() -> list[Look]:
    """Around the horizon, left and right by turns, so that the circle closes behind the viewer."""
    return [Look(side * (22.5 + 45 * k), 0.0, 85.0, "horizon") for k in range(4) for side in (1, -1)]


def zenith_and_nadir() -> list[Look]:
    """What the tilted views left open, should they have left anything."""
    return [Look(0.0, 90.0, 100.0, "sky"), Look(0.0, -90.0, 100.0, "ground")]
