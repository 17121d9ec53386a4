"""The camera that every room of the backend shares.

World frame: metres, right-handed, Z up. A panorama looks along +Y at yaw 0; yaw grows to the right
(+X at 90 degrees), pitch grows upward. Camera frame: OpenCV axes, x right, y down, z forward. Pixel
coordinates: the centre of the top left pixel is (0.5, 0.5).
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from skyworld.errors import UserError

Model = Literal["pinhole", "ortho", "fisheye", "equirect"]

# Columns: a level camera's right, down and forward in the world when it looks along +Y.
LEVEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Camera:
    """A posed camera. Two are equal if they are the same object.

    camera_to_world: [4, 4] float64, OpenCV axes, metres.
    K:               [3, 3] float64, pixels (for `ortho` pixels per metre; unused by `equirect`).
    width, height:   pixels.
    model:           `fisheye` is the equidistant one of OpenCV without distortion: f times the angle from the axis.
    """

    camera_to_world: np.ndarray
    K: np.ndarray
    width: int
    height: int
    model: Model = "pinhole"

    def __post_init__(self):
        pose = np.asarray(self.camera_to_world, np.float64)
        K = np.asarray(self.K, np.float64)
        if self.model not in get_args(Model):
            raise UserError(f"there is no camera model {self.model!r}", hint=f"Use {', '.join(get_args(Model))}")
        if pose.shape != (4, 4) or K.shape != (3, 3):
            raise UserError(f"a camera needs a 4x4 pose and a 3x3 K, not {pose.shape} and {K.shape}")
        if not (np.isfinite(pose).all() and np.isfinite(K).all()):
            raise UserError("a camera's pose or K has a value that is not finite")
        if self.model != "equirect" and (K[0, 0] <= 0 or K[1, 1] <= 0):
            raise UserError(f"a camera's focal length must be positive, not {K[0, 0]:g} x {K[1, 1]:g} px")
        if self.width < 1 or self.height < 1:
            raise UserError(f"a camera's picture cannot be {self.width} x {self.height} pixels")
        object.__setattr__(self, "camera_to_world", pose)
        object.__setattr__(self, "K", K)

    @classmethod
    def pinhole(cls, pose: np.ndarray, fov_x: float, width: int, height: int) -> "Camera":
        """Square pixels, centred; fov_x is the horizontal field of view in radians, below pi."""
        if not 0 < fov_x < np.pi:
            raise UserError(f"a field of view must lie between 0 and 180 degrees, not {np.degrees(fov_x):g}")
        f = width / 2 / np.tan(fov_x / 2)
        return cls(pose, np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1.0]]), width, height)

    @classmethod
    def equirect(cls, position: np.ndarray, width: int) -> "Camera":
        """A full panorama (2:1) at `position`, yaw 0 along +Y."""
        return cls(turned(position), np.eye(3), width, width // 2, "equirect")

    @property
    def position(self) -> np.ndarray:
        """[3] metres."""
        return self.camera_to_world[:3, 3]

    @property
    def rotation(self) -> np.ndarray:
        """[3, 3] camera to world."""
        return self.camera_to_world[:3, :3]

    @property
    def world_to_camera(self) -> np.ndarray:
        """[4, 4] inverse of a rigid pose."""
        inverse = np.eye(4)
        inverse[:3, :3] = self.rotation.T
        inverse[:3, 3] = -self.rotation.T @ self.position
        return inverse

    @property
    def fov(self) -> tuple[float, float]:
        """Horizontal and vertical field of view in radians (of a centred pinhole or fisheye)."""
        halves = self.width / 2 / self.K[0, 0], self.height / 2 / self.K[1, 1]
        return tuple(2 * half if self.model == "fisheye" else 2 * np.arctan(half) for half in halves)

    def resized(self, width: int, height: int | None = None) -> "Camera":
        """The same camera with another number of pixels."""
        height = height or max(1, round(self.height * width / self.width))
        K = np.diag([width / self.width, height / self.height, 1.0]) @ self.K
        return replace(self, K=K, width=width, height=height)

    def rays(self) -> np.ndarray:
        """[H, W, 3] float64 unit vectors in the world, through the pixel centres (all alike for `ortho`).

        NaN at pixels of a `fisheye` that lie further than 180 degrees from the axis.
        """
        u, v = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        if self.model == "equirect":
            yaw, pitch = (u / self.width - 0.5) * 2 * np.pi, (0.5 - v / self.height) * np.pi
            local = np.stack([np.cos(pitch) * np.sin(yaw), -np.sin(pitch), np.cos(pitch) * np.cos(yaw)], -1)
        elif self.model == "ortho":
            local = np.broadcast_to([0.0, 0.0, 1.0], (self.height, self.width, 3))
        else:
            local = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(self.K).T
            if self.model == "fisheye":
                angle = np.linalg.norm(local[..., :2], axis=-1, keepdims=True)
                angle = np.where(angle <= np.pi, angle, np.nan)
                return np.concatenate([local[..., :2] * np.sinc(angle / np.pi), np.cos(angle)], -1) @ self.rotation.T
            local /= np.linalg.norm(local, axis=-1, keepdims=True)
        return local @ self.rotation.T

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [..., 3] -> pixel coordinates [..., 2] and depth [...].

        Depth is distance for `equirect`, else camera z. Pixels of points that are not in front of a pinhole are NaN.
        """
        local = (np.asarray(points, np.float64) - self.position) @ self.rotation
        x, y, z = np.moveaxis(local, -1, 0)
        if self.model == "equirect":
            distance = np.linalg.norm(local, axis=-1)
            u = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * self.width
            v = (0.5 + np.arcsin(np.clip(y / np.maximum(distance, 1e-12), -1, 1)) / np.pi) * self.height
            return np.stack([u, v], -1), distance
        if self.model == "fisheye":
            r = np.maximum(np.hypot(x, y), 1e-12)
            w = np.maximum(r / np.arctan2(r, z), 1e-12)
        else:
            w = np.ones_like(z) if self.model == "ortho" else np.where(z > 1e-09, z, np.nan)
        return (np.stack([x / w, y / w, np.ones_like(w)], -1) @ self.K.T)[..., :2], z

    def to_json(self) -> dict:
        """Plain numbers: model, width, height, K [3][3], camera_to_world [4][4] (OpenCV axes)."""
        return {
            "model": self.model,
            "width": self.width,
            "height": self.height,
            "K": self.K.tolist(),
            "camera_to_world": self.camera_to_world.tolist(),
            "axes": "opencv",
        }

    @classmethod
    def from_json(cls, data: dict) -> "Camera":
        """Reads what `to_json` writes; raises UserError where something is missing or misshapen."""
        try:
            pose, K = np.array(data["camera_to_world"], np.float64), np.array(data["K"], np.float64)
            return cls(pose, K, int(data["width"]), int(data["height"]), data.get("model", "pinhole"))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"not a camera: {error!r}") from error


def turned(position, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Pose [4, 4] of a camera at `position`; yaw to the right from +Y, pitch upward, roll clockwise, radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_up = np.array([[cy, sy, 0], [-sy, cy, 0], [0, 0, 1]])
    about_right = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_view = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3] = about_up @ about_right @ LEVEL @ about_view
    pose[:3, 3] = position
    return pose


def look_at(position, target, up=(0.0, 0.0, 1.0)) -> np.ndarray:
    """Pose [4, 4] of a camera at `position` that looks at `target`; straight up or down keeps +Y at the top."""
    position, target = np.asarray(position, np.float64), np.asarray(target, np.float64)
    forward = target - position
    length = np.linalg.norm(forward)
    if length < 1e-9:
        raise UserError("a camera cannot look at the place where it stands")
    forward = forward / length
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], -1)
    pose[:3, 3] = position
    return pose
