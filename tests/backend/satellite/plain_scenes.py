"""Small satellite scenes for the tests beside this file."""

from pathlib import Path

import numpy as np

from skyworld.camera import Camera, look_at
from skyworld.satellite.scene import Box, SatelliteImage, SatelliteScene, write_picture, write_scene

BOX = Box((-20.0, 20.0), (-20.0, 20.0), (0.0, 12.0))


def camera_above(azimuth: float, elevation: float, *, size: int = 40, distance: float = 800.0) -> Camera:
    """Looks at the middle of BOX; angles in degrees, 1 m pixels."""
    a, e = np.radians((azimuth, elevation))
    place = distance * np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])
    K = np.array([[distance, 0, size / 2], [0, distance, size / 2], [0, 0, 1.0]])
    return Camera(look_at(place, (0, 0, 0)), K, size, size)


def plain_scene(folder: Path, count: int = 3, size: int = 40) -> SatelliteScene:
    """Noise pictures over a flat ground: what is written, not what it shows, is the point."""
    random = np.random.default_rng(0)
    images = []
    for index in range(count):
        picture = folder / "images" / f"view{index}.png"
        write_picture(picture, random.uniform(0.1, 1, (size, size, 3)))
        camera = camera_above(120 * index, 75, size=size)
        images.append(SatelliteImage(picture.stem, camera, picture, date=f"2024-0{index + 1}-01", sun=(135.0, 50.0)))
    xyz = np.c_[random.uniform(-20, 20, (60, 2)), random.uniform(0, 12, 60)].round(3)
    scene = SatelliteScene(folder, images, xyz, random.integers(0, 256, (60, 3)).astype(np.float32) / 255, BOX)
    write_scene(scene)
    return scene
