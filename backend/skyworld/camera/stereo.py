"""Omni-directional stereo: the panorama of an eye that turns with the direction in which it looks.

The eye stands `offset` to the right of the direction of the pixel (Peleg et al. 2001, "Omnistereo"), and looks along
it, or at the point at the distance of convergence. A point is therefore seen where one panorama from the centre shows
another point; moving all points there gives the panorama of the eye. Conventions and the fade towards the poles are
those of Cycles.
"""

from dataclasses import dataclass

import numpy as np

from skyworld.camera.camera import Camera
from skyworld.errors import UserError


@dataclass(frozen=True)
class Eye:
    """offset: metres to the right (the left eye's is below 0). convergence: metres, or None for parallel eyes.

    fade: elevations in radians between which the offset goes to zero, so that the poles close; or None.
    """

    offset: float
    convergence: float | None = None
    fade: tuple[float, float] | None = None

    @classmethod
    def from_json(cls, data: dict) -> "Eye":
        try:
            convergence, fade = data.get("convergence"), data.get("fade")
            eye = cls(
                float(data["offset"]), convergence and float(convergence), fade and (float(fade[0]), float(fade[1]))
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(f"not an eye: {error!r}") from error
        return eye

    def moved(self, points: np.ndarray, camera: Camera) -> np.ndarray:
        """World points [N, 3] -> where the panorama `camera` shows them as this eye sees them.

        Points nearer to the axis than the eye's circle are not seen by any eye; they stay on it.
        """
        x, y, z = ((np.asarray(points, np.float64) - camera.position) @ camera.rotation).T
        r = np.maximum(np.hypot(x, z), 1e-9)
        elevation = np.arctan2(np.abs(y), r)
        e = np.full_like(r, self.offset)
        if self.fade:
            begin, end = self.fade
            e *= np.cos(np.clip((elevation - begin) / max(end - begin, 1e-9), 0, 1) * np.pi / 2)
        turn = np.zeros_like(r)
        if self.convergence:
            turn = np.arctan2(e, self.convergence * np.maximum(np.cos(elevation), 1e-6))
        # The point is eye + t (ray), the ray turned by `turn` to the left of the pixel's direction.
        t = e * np.sin(turn) + np.sqrt(np.maximum(r * r - (e * np.cos(turn)) ** 2, 1e-12))
        yaw = np.arctan2(x, z) - np.arctan2(e - t * np.sin(turn), t * np.cos(turn))
        local = np.stack([t * np.sin(yaw), y, t * np.cos(yaw)], -1)
        return local @ camera.rotation.T + camera.position
