"""Cameras: one type, OpenCV axes, and everything that turns into it or comes from it."""

from skyworld.camera.camera import Camera, look_at, turned
from skyworld.camera.equirectangular import directions, pixels, resample_view

__all__ = ["Camera", "directions", "look_at", "pixels", "resample_view", "turned"]
