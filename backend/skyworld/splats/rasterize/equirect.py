"""A panorama of Gaussians: six faces of a cube, resampled."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera, turned

# Heading and elevation of the cube's faces, and pixels that each face reaches beyond its 90 degrees, so
# that no pixel of the panorama is interpolated across an edge.
_FACES = [(0, 0), (np.pi / 2, 0), (np.pi, 0), (-np.pi / 2, 0), (0, np.pi / 2), (0, -np.pi / 2)]
_MARGIN = 2


def panorama(camera: Camera, draw: Callable[[Camera], tuple[Tensor, ...]]) -> tuple[Tensor, Tensor]:
    """Image [H, W, D] and alpha [H, W] of an `equirect` camera; channel 3 is distance along the ray.

    draw(pinhole) gives image [1, h, w, D] (camera z in channel 3), alpha [1, h, w] and what is ignored. At the
    centre of a face, where it is coarsest, a pixel of the face is as small as a pixel of the panorama.
    """
    size = int(np.ceil(camera.width / np.pi)) + 1
    f, whole = size / 2, size + 2 * _MARGIN
    K = np.array([[f, 0, whole / 2], [0, f, whole / 2], [0, 0, 1.0]])
    rays = camera.rays()
    result = None
    nearest = np.full(rays.shape[:2], -1.0)
    owners, samples = np.zeros(rays.shape[:2], np.int64), []
    for index, (yaw, pitch) in enumerate(_FACES):
        pose = np.eye(4)
        pose[:3, :3] = camera.rotation @ turned((0, 0, 0))[:3, :3].T @ turned((0, 0, 0), yaw, pitch)[:3, :3]
        pose[:3, 3] = camera.position
        towards = rays @ pose[:3, 2]
        owners[towards > nearest] = index
        nearest = np.maximum(nearest, towards)
        samples.append(Camera(pose, K, whole, whole))
    for index, face in enumerate(samples):
        rows, columns = np.nonzero(owners == index)
        here = rays[rows, columns]
        at, _ = face.project(here + face.position)
        image, alpha, *_ = draw(face)
        layers = torch.cat([image, alpha[..., None]], -1).permute(0, 3, 1, 2)
        grid = torch.from_numpy(2 * at / whole - 1).to(layers)[None, None]
        taken = torch.nn.functional.grid_sample(layers, grid, align_corners=False)[0, :, 0].T
        stretch = torch.from_numpy(1 / (here @ face.rotation[:, 2])).to(taken)
        taken = torch.cat([taken[:, :3], taken[:, 3:4] * stretch[:, None], taken[:, 4:]], 1)
        if result is None:
            result = taken.new_zeros(camera.height * camera.width, taken.shape[1])
        places = torch.from_numpy(rows * camera.width + columns).to(taken.device)
        result = result.index_copy(0, places, taken)
    result = result.reshape(camera.height, camera.width, -1)
    return result[..., :-1], result[..., -1]
