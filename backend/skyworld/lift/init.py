"""A picture with depth -> Gaussians that lie on its surfaces.

Where a surface is smooth, the plane through it is known: inverse depth is an affine function of the pixel,
w = n . (x, y, 1) for the plane n . P = 1. A Gaussian then takes just the patch of that plane which its pixel
cuts out, so that ground seen at a grazing angle is covered along its length and keeps together when the
camera walks. At silhouettes a Gaussian faces the camera and spans its own pixel alone: nothing bridges a jump in depth.
Smooth, even regions take one Gaussian for a block of pixels.
"""

import cv2
import numpy as np
import torch

from skyworld.lift.points import DepthView
from skyworld.splats.gaussians import Gaussians, quaternion
from skyworld.splats.spherical_harmonics import C0

# Standard deviation of a Gaussian in its own pixels. Wider blurs, narrower lets light through.
SIGMA = 0.65
OPACITY = 0.95
# Surfaces are thin: this share of the patch's width.
THICKNESS = 0.05
# A patch is stretched along a grazing plane at most by the inverse of this cosine.
GRAZING = 0.08
# Half width of the window in which the plane is fitted, and the deviation from it, as share of w, that is an edge.
_WINDOW, _ROUGH = 3, 0.02
# Largest range of colour in a block that one Gaussian may stand for.
EVEN = 0.05


def surface(view: DepthView) -> tuple[np.ndarray, np.ndarray]:
    """Planes n [h, w, 3] (camera frame, n . P = 1) and where the surface is not one, bool [h, w]."""
    w = (1 / view.depth).astype(np.float32)
    offsets = np.arange(-_WINDOW, _WINDOW + 1, dtype=np.float32)
    flat, slope = np.full_like(offsets, 1 / len(offsets)), offsets / (offsets**2).sum()
    # The first pixel that is no neighbour of the window is mirrored: constant, like the window's own rim.
    across, down = cv2.sepFilter2D(w, -1, slope, flat), cv2.sepFilter2D(w, -1, flat, slope)
    mean, square = cv2.sepFilter2D(w, -1, flat, flat), cv2.sepFilter2D(w * w, -1, flat, flat)
    explained = (across**2 + down**2) * (offsets**2).mean()
    rough = np.sqrt(np.maximum(square - mean**2 - explained, 0)) > _ROUGH * w
    f = view.camera.K[0, 0]
    x, y = _slopes(view)
    n = np.stack([f * across, f * down, w - f * across * x - f * down * y], -1)
    return n, rough | view.sky


def gaussians_of_view(view: DepthView, largest: int = 4, even: float = EVEN, sigma: float = SIGMA) -> Gaussians:
    """Gaussians for the masked pixels of a view, in the world frame; blocks of up to `largest` px (a power of two).

    Their extra column `sky` is 1 for those on the far shell.
    """
    planes, rough = surface(view)
    layers = np.concatenate([view.picture, (1 / view.depth)[..., None], planes], -1).astype(np.float32)
    left, parts, size = view.mask.copy(), [], largest
    while size >= 1:
        rows, columns, values = _blocks(layers, view, rough, left, size, even)
        top, side = rows * size, columns * size
        parts.append(_patches(view.camera, values, top, side, rough[top, side], view.sky[top, side], size, sigma))
        size //= 2
    return Gaussians.concatenate([part for part in parts if len(part)])


def _blocks(layers, view, rough, left, size, even):
    """Rows and columns of the blocks of size x size px that one Gaussian may stand for, and their mean [n, C].

    A block is even in colour, wholly on one smooth surface or in the sky, and still `left`; it is taken out of `left`.
    """
    if size == 1:
        rows, columns = np.nonzero(left)
        return rows, columns, layers[rows, columns]
    h, w = left.shape[0] // size, left.shape[1] // size

    def blocks(array):
        return array[: h * size, : w * size].reshape(h, size, w, size, *array.shape[2:])

    def whole(array):
        return blocks(array).all((1, 3))

    picture = blocks(layers[..., :3])
    good = whole(left) & (whole(~rough) | whole(view.sky))
    good &= (picture.max((1, 3)) - picture.min((1, 3))).max(-1) < even
    left[: h * size, : w * size] &= ~np.repeat(np.repeat(good, size, 0), size, 1)
    rows, columns = np.nonzero(good)
    return rows, columns, blocks(layers).transpose(0, 2, 1, 3, 4)[rows, columns].mean((1, 2))


def _patches(camera, values, rows, columns, facing, sky, size, sigma) -> Gaussians:
    """One Gaussian for each block whose top left pixel is given. values [n, 7]: colour, 1 / depth, plane."""
    f = np.float32(camera.K[0, 0])
    x = (columns + size / 2 - camera.K[0, 2]).astype(np.float32) / f
    y = (rows + size / 2 - camera.K[1, 2]).astype(np.float32) / f
    w = values[:, 3]
    ray = np.stack([x, y, np.ones_like(x)], -1)
    length = np.linalg.norm(ray, axis=1, keepdims=True)
    normal = np.where(facing[:, None], -ray, values[:, 4:])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    cosine = -(normal * ray).sum(1, keepdims=True) / length
    # Towards the camera; a plane seen from its edge is tilted until it is seen at GRAZING.
    normal = np.where(cosine < 0, -normal, normal)
    normal += np.maximum(GRAZING - np.abs(cosine), 0) * (-ray / length)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # Where the block's sides lie on the plane: the derivatives of the point with respect to the pixel.
    along = (normal * ray).sum(1)
    step = (np.float32(sigma * size) / (f * w))[:, None]
    right = step * (np.array([1, 0, 0], np.float32) - ray * (normal[:, 0] / along)[:, None])
    down = step * (np.array([0, 1, 0], np.float32) - ray * (normal[:, 1] / along)[:, None])
    scales, axes = _principal(right, down, normal)
    scales = np.concatenate([scales, THICKNESS * scales.min(1, keepdims=True)], 1)
    means = (ray / w[:, None]) @ camera.rotation.T + camera.position
    return Gaussians(
        torch.from_numpy(means.astype(np.float32)),
        torch.from_numpy(np.log(scales).astype(np.float32)),
        torch.from_numpy(quaternion(camera.rotation.astype(np.float32) @ axes).astype(np.float32)),
        torch.full((len(rows),), float(np.log(OPACITY / (1 - OPACITY)))),
        torch.from_numpy(((values[:, :3] - 0.5) / C0).astype(np.float32))[:, None],
        {"sky": torch.from_numpy(sky.astype(np.float32))},
    )


def _principal(right: np.ndarray, down: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half axes [n, 2] and frame [n, 3, 3] (columns: long axis, short axis, normal) of the ellipse that a square
    with the sides `right` and `down` [n, 3] stands for: eigenvectors of right right^T + down down^T."""
    a = right / np.linalg.norm(right, axis=1, keepdims=True)
    b = np.cross(normal, a)
    ra, da, db = (right * a).sum(1), (down * a).sum(1), (down * b).sum(1)
    xx, xy, yy = ra**2 + da**2, da * db, db**2
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    first = np.cos(angle)[:, None] * a + np.sin(angle)[:, None] * b
    scales = np.sqrt(np.maximum(np.stack([middle + spread, middle - spread], 1), 1e-12))
    return scales, np.stack([first, np.cross(normal, first), normal], -1)


def _slopes(view: DepthView) -> tuple[np.ndarray, np.ndarray]:
    """x / z [1, w] and y / z [h, 1] of the pixel centres."""
    K, camera = view.camera.K, view.camera
    x = (np.arange(camera.width) + 0.5 - K[0, 2]) / K[0, 0]
    y = (np.arange(camera.height) + 0.5 - K[1, 2]) / K[1, 1]
    return np.broadcast_to(x, view.depth.shape), np.broadcast_to(y[:, None], view.depth.shape)
