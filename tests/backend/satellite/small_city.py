"""A city of one house on a lawn, as Gaussians and as a scene of what satellites see of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from plain_scenes import BOX, camera_above

from skyworld.satellite.near import drawable
from skyworld.satellite.scene import SatelliteImage, SatelliteScene, write_picture, write_scene
from skyworld.splats import rasterize
from skyworld.splats.formats.ply import write_ply
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.points import gaussians_of_points
from skyworld.world import World


def city() -> Gaussians:
    """Lawn and roof, no walls: what images from above give."""
    random = np.random.default_rng(0)
    lawn = np.stack(np.meshgrid(np.linspace(-20, 20, 21), np.linspace(-20, 20, 21)), -1).reshape(-1, 2)
    house = np.abs(lawn).max(1) < 7
    places = np.c_[lawn, np.where(house, 8.0, 0.0)]
    colours = np.where(house[:, None], (0.6, 0.3, 0.2), (0.2, 0.5, 0.2)) + random.uniform(-0.1, 0.1, (len(lawn), 1))
    made = gaussians_of_points(places, colours.clip(0, 1), degree=1, opacity=0.9, size=0.6)
    flat = made.log_scales.clone()
    flat[:, 2] -= 1.5
    return replace(made, log_scales=flat)


def made(folder: Path) -> World:
    """A world whose city is to be refined, beside its scene."""
    gaussians = city()
    scene = SatelliteScene(folder / "scene", [], np.array([[0.0, 0, 0], [1, 1, 8]]), np.zeros((2, 3), np.float32), BOX)
    images = []
    for index in range(3):
        camera, picture = camera_above(120 * index, 80), folder / "scene" / "images" / f"view{index}.png"
        colour = rasterize(gaussians, [drawable(camera, BOX)]).colour[0].clamp(0, 1).numpy()
        write_picture(picture, colour + 1 / 255)  # black would not count
        images.append(SatelliteImage(picture.stem, camera, picture))
    write_scene(replace(scene, images=images))
    world = World.create(folder / "world")
    write_ply(world.path("splats.ply"), gaussians)
    world.record("satellite", {"scene": str(folder / "scene")})
    return world
