"""A small place whose geometry is known, and what it looks like when it is lifted."""

import numpy as np
import torch

from skyworld.camera import Camera, directions, turned
from skyworld.lift.init import gaussians_of_view
from skyworld.lift.points import Layer, face_views
from skyworld.splats import Gaussians, rasterize

EYE, FAR, WALL, PILLAR = 1.6, 60.0, 6.0, 2.5
CENTRE = np.array([0.0, 0.0, EYE])


def place(width: int = 512) -> Layer:
    """Flat ground, sky, a wall 6 m ahead and 2.4 m high, and a pillar 2.5 m ahead, 0.5 m wide, in front of it."""
    rays = directions(width, width // 2)
    ground = np.where(rays[..., 2] < -1e-3, -EYE / np.minimum(rays[..., 2], -1e-3), np.inf)
    wall = np.where(rays[..., 1] > 1e-3, WALL / np.maximum(rays[..., 1], 1e-3), np.inf)
    on_wall = rays * np.where(np.isfinite(wall), wall, 0)[..., None] + CENTRE
    wall[(on_wall[..., 2] > 2.4) | (np.abs(on_wall[..., 0]) > 8)] = np.inf
    pillar = np.where(rays[..., 1] > 1e-3, PILLAR / np.maximum(rays[..., 1], 1e-3), np.inf)
    on_pillar = rays * np.where(np.isfinite(pillar), pillar, 0)[..., None] + CENTRE
    pillar[(on_pillar[..., 2] > 2.0) | (np.abs(on_pillar[..., 0]) > 0.25)] = np.inf
    surfaces = np.stack([np.full(ground.shape, FAR), ground, wall, pillar])
    nearest = surfaces.argmin(0)
    distance = surfaces.min(0).astype(np.float32)
    colours = np.array([[0.5, 0.7, 0.9], [0.3, 0.5, 0.2], [0.7, 0.6, 0.5], [0.8, 0.1, 0.1]], np.float32)
    point = rays * distance[..., None] + CENTRE
    checks = 0.1 * (np.floor(point * 2).astype(int).sum(-1) % 2)[..., None] * (nearest > 0)[..., None]
    picture = np.clip(colours[nearest] + checks, 0, 1).astype(np.float32)
    return Layer(picture, distance, np.ones(distance.shape, bool), nearest == 0)


def lifted_faces(layer: Layer, size: int = 160) -> Gaussians:
    return Gaussians.concatenate([gaussians_of_view(view, 8) for view in face_views(layer, CENTRE, size)])


def seen(gaussians, position, yaw=0.0, pitch=0.0, size=96, fov=90):
    camera = Camera.pinhole(turned(position, np.radians(yaw), np.radians(pitch)), np.radians(fov), size, size)
    with torch.no_grad():
        return camera, rasterize(gaussians, [camera])


def finished(steps):
    reports = []
    while True:
        try:
            reports.append(next(steps))
        except StopIteration as end:
            return end.value, reports
