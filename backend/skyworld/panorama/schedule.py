"""In which order a model completes the sphere: a heuristic is data, a tuple of steps that one loop works off.

The heuristics of "A Recipe for Generating 3D Worlds From a Single Image" (arXiv 2503.16611), panorama step. How the
top and bottom views are turned is not published: four each, 45 degrees up and down, meet above and below the viewer.
They see far across the horizon, and so the photograph and its copy; what they say is taken beyond 25 degrees only, or
the words for the sky would paint what stands at the horizon.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np

from skyworld.camera import Camera, turned

SIDE = 1024  # px of a view
POLAR = 25.0  # degrees; the horizon's views reach 40 and more


@dataclass(frozen=True)
class Look:
    """One view. yaw, pitch, fov in degrees; region: which prompt applies, "whole" for all of the sphere at once.

    beyond: degrees above (pitch > 0) or below the horizon from which on its answer is taken; None takes all.
    """

    yaw: float
    pitch: float
    fov: float
    region: Literal["sky", "horizon", "ground", "whole"]
    beyond: float | None = None

    def taken(self, height: int) -> np.ndarray:
        """bool [height]: the rows of a panorama for which its answer is taken."""
        elevation = 90 - (np.arange(height) + 0.5) / height * 180
        return np.ones(height, bool) if self.beyond is None else elevation * np.sign(self.pitch) > self.beyond

    def camera(self, side: int = SIDE) -> Camera:
        if self.region == "whole":
            return Camera.equirect((0, 0, 0), 2 * side)
        pose = turned((0, 0, 0), np.radians(self.yaw), np.radians(self.pitch))
        return Camera.pinhole(pose, np.radians(self.fov), side, side)


class Anchor(Enum):
    """A copy of the photograph behind the viewer, for as long as the poles are completed."""

    PLACE = "place"
    REMOVE = "remove"


Step = Look | Anchor


def poles() -> list[Look]:
    """Sky and ground, seen while a copy of the photograph stands behind the viewer as an anchor."""
    looks = [("sky", 45.0), ("ground", -45.0)]
    return [Look(yaw, pitch, 120.0, region, POLAR) for region, pitch in looks for yaw in (0.0, 180.0, 90.0, -90.0)]


def horizon() -> list[Look]:
    """Around the horizon, left and right by turns, so that the circle closes behind the viewer."""
    return [Look(side * (22.5 + 45 * k), 0.0, 85.0, "horizon") for k in range(4) for side in (1, -1)]


def once_around() -> list[Look]:
    """The same views one after the other to the right."""
    return [Look(22.5 + 45 * k, 0.0, 85.0, "horizon") for k in range(8)]


def zenith_and_nadir() -> list[Look]:
    """What the tilted views left open, should they have left anything."""
    return [Look(0.0, 90.0, 100.0, "sky"), Look(0.0, -90.0, 100.0, "ground")]


def icosahedron() -> list[Look]:
    """Twelve views of 90 degrees about the vertices of an icosahedron: every direction is within 38 degrees of one."""
    ring = float(np.degrees(np.arctan(0.5)))
    rings = [
        Look(72.0 * k + turn, pitch, 90.0, "horizon") for pitch, turn in ((ring, 0), (-ring, 36)) for k in range(5)
    ]
    return [*rings, Look(0.0, 90.0, 90.0, "sky"), Look(0.0, -90.0, 90.0, "ground")]


HEURISTICS: dict[str, tuple[Step, ...]] = {
    "anchored": (Anchor.PLACE, *poles(), Anchor.REMOVE, *horizon(), *zenith_and_nadir()),
    "sequential": (*once_around(), *poles(), *zenith_and_nadir()),
    "adhoc": (Look(0.0, 0.0, 360.0, "whole"),),
}
