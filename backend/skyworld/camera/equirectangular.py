"""Equirectangular pictures: directions of pixels, pixels of directions, perspective views.

Row 0 is the zenith, the centre column is yaw 0 (+Y), columns run to the right (+X at a quarter).
"""

import cv2
import numpy as np

from skyworld.camera.camera import Camera


def directions(width: int, height: int) -> np.ndarray:
    """[H, W, 3] float64 unit vectors in the world frame (X right, Y forward, Z up) of a panorama's pixels."""
    yaw = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    pitch = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    cos = np.cos(pitch)[:, None]
    return np.stack(
        [cos * np.sin(yaw), cos * np.cos(yaw), np.broadcast_to(np.sin(pitch)[:, None], (height, width))], -1
    )


def pixels(vectors: np.ndarray, width: int, height: int) -> np.ndarray:
    """Direction vectors [..., 3] of any length -> pixel coordinates [..., 2]; first centre (0.5, 0.5)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    length = np.sqrt(x * x + y * y + z * z)
    yaw, pitch = np.arctan2(x, y), np.arcsin(np.clip(z / np.maximum(length, 1e-12), -1, 1))
    return np.stack([(yaw / (2 * np.pi) + 0.5) * width, (0.5 - pitch / np.pi) * height], -1)


def resample_view(panorama: np.ndarray, camera: Camera, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """The panorama [H, W] or [H, W, C] as `camera` sees it, its position left out of account; wraps at the seam."""
    height, width = panorama.shape[:2]
    at = pixels(camera.rays(), width, height).astype(np.float32)
    margin = 4
    wrapped = np.concatenate([panorama[:, -margin:], panorama, panorama[:, :margin]], 1)
    return cv2.remap(
        wrapped, at[..., 0] - 0.5 + margin, at[..., 1] - 0.5, interpolation, borderMode=cv2.BORDER_REPLICATE
    )
