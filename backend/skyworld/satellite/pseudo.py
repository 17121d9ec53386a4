"""Pseudo-cameras: lower views that no image shows, in which the Gaussians must keep the shape that is known of them.

Skyfall-GS (arXiv 2510.15869, section 3.2) compares the depth that such views render with what a monocular model makes
of the render. Here the shape is what a depth model makes of the sheet where one is chosen, else that of the sheet
itself: roofs at their heights and vertical walls below them. Views orbit places on the ground as it was estimated, not
at height 0.
"""

import math

import numpy as np
import torch

from skyworld.camera import Camera, look_at
from skyworld.models.roles import DepthEstimator
from skyworld.satellite.height_map import HeightMap
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import rasterize
from skyworld.splats.train import View

# Degrees above the horizon, from the first view to the last; Skyfall-GS ends at 45 and evaluates at 17.
ELEVATIONS = (80.0, 25.0)
_FOV = math.radians(60)
_AZIMUTHS = 12
_SPREAD = 0.25  # of the side of the area: standard deviation of where the views look
_GROUND = 5  # percentile of the heights around a place that counts as its ground
_REACH = 40.0  # metres around it


def ground(height_map: HeightMap, east: float, north: float) -> float:
    """Metres: a low percentile of the known heights around a place, or of all where none is known."""
    x, y = height_map.centres()
    known = np.isfinite(height_map.up)
    near = known & (np.abs(x - east) < _REACH) & (np.abs(y - north) < _REACH)
    return float(np.percentile(height_map.up[near if near.any() else known], _GROUND))


def cameras(height_map: HeightMap, count: int, pixels: int, seed: int = 0) -> list[Camera]:
    """`count` square views of the area from falling elevations, all around."""
    rng = np.random.default_rng(seed)
    rows, columns = height_map.shape
    sides = np.array((columns, rows)) * height_map.cell
    middle = np.array((height_map.west, height_map.north)) + sides / 2 * (1, -1)
    found = []
    for elevation in np.radians(np.linspace(*ELEVATIONS, count)):
        place = middle + np.clip(rng.normal(0, _SPREAD, 2), -0.5, 0.5) * sides
        target = np.array((*place, ground(height_map, *place)))
        azimuth = 2 * math.pi * rng.integers(_AZIMUTHS) / _AZIMUTHS
        towards = np.array(
            (math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation), math.sin(elevation))
        )
        # Far enough for half of the area to be seen, and to stand above its highest roof.
        highest = float(np.nanmax(height_map.up)) - target[2]
        radius = max(0.5 * sides.max() / math.tan(_FOV / 2), 1.3 * highest / math.sin(elevation))
        found.append(Camera.pinhole(look_at(target + radius * towards, target), _FOV, pixels, pixels))
    return found


@torch.no_grad()
def views(sheet: Gaussians, cameras: list[Camera], share: float, estimator: DepthEstimator | None = None) -> list[View]:
    """Views that hold a depth and no picture; inf where the sheet ends or the estimator says nothing. share: of all of
    them, relative to one image."""
    found = []
    for camera in cameras:
        drawn = rasterize(sheet, [camera])
        depth = drawn.depth[0]
        if estimator is not None:
            told = estimator.estimate(drawn.colour[0].clamp(0, 1).cpu().numpy(), camera)
            depth = torch.from_numpy(np.where(told.valid, told.depth, np.inf).astype(np.float32)).to(depth.device)
        depth = torch.where(drawn.alpha[0] > 0.5, depth, torch.inf)
        found.append(View(camera, None, share=share / len(cameras), depth=depth))
    return found
