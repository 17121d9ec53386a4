"""Gaussians: the store, the rasterizer on two devices, fitting, formats."""

from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import Render, rasterize

__all__ = ["Gaussians", "Render", "rasterize"]
