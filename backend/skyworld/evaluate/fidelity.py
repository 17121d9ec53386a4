"""How true a world is to its photograph and how complete it is. Needs the world folder and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from skyworld.camera import Camera, resample_view, turned
from skyworld.camera.paths import cube_positions
from skyworld.evaluate.full_reference import psnr
from skyworld.evaluate.panorama import seam_ratio
from skyworld.world import World


def photograph_at(world: World, width: int) -> tuple[np.ndarray, Camera]:
    """The artist's photograph area-averaged to `width` pixels ([h, w, 3], 0 to 1), and its camera at that size."""
    from skyworld.world.pictures import load_picture

    record = world.document["photograph"]
    picture, _, _ = load_picture(world.path(record["path"]))
    camera = Camera.from_json(record["camera"]).resized(width)
    return cv2.resize(picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA), camera


def native_width(world: World) -> int:
    """Width in pixels at which the photograph has as many columns as the panorama has across its field of view."""
    camera = Camera.from_json(world.document["photograph"]["camera"])
    return round(world.document["panorama"]["width"] * camera.fov[0] / (2 * np.pi))


def panorama_fidelity(world: World, width: int) -> float:
    """PSNR in dB of the panorama seen by the photograph's camera against the photograph, `width` pixels wide."""
    photograph, camera = photograph_at(world, width)
    panorama = np.asarray(Image.open(world.path("panorama.png")).convert("RGB"), np.float32) / 255
    return psnr(resample_view(panorama, camera), photograph)


def splat_fidelity(world: World, gaussians, width: int = 512) -> float:
    """PSNR in dB of the splats rendered at the photograph's camera against the photograph, `width` pixels wide."""
    from skyworld.splats import rasterize

    photograph, camera = photograph_at(world, width)
    return psnr(rasterize(gaussians, [camera]).colour[0].clamp(0, 1).cpu().numpy(), photograph)


def coverage(world: World, gaussians, size: int = 256, headings: int = 8) -> Iterator[float]:
    """Mean alpha of each level 90-degree view from the 14 positions of the cube, `headings` views each."""
    from skyworld.splats import rasterize

    centre, edge = np.array(world.document["panorama"]["position"]), world.document.get("cube", 2.0)
    for position in cube_positions(centre, edge):
        for heading in range(headings):
            pose = turned(position, yaw=2 * np.pi * heading / headings)
            camera = Camera.pinhole(pose, np.pi / 2, size, size)
            yield float(rasterize(gaussians, [camera]).alpha.mean())


def report(folder: Path | str, device: str = "cpu") -> dict:
    """All of the above for one world folder."""
    from skyworld.splats.formats.ply import read_ply

    world = World.open(folder)
    gaussians = read_ply(world.path("splats.ply")).to(device)
    panorama = np.asarray(Image.open(world.path("panorama.png")).convert("RGB"), np.float32) / 255
    alphas = list(coverage(world, gaussians))
    native = native_width(world)
    return {
        "splats": len(gaussians),
        "panorama PSNR, native": panorama_fidelity(world, native),
        "native width": native,
        "panorama PSNR, 512 px": panorama_fidelity(world, 512),
        "splats PSNR, 512 px": splat_fidelity(world, gaussians),
        "seam ratio": seam_ratio(panorama),
        "mean alpha in the cube": float(np.mean(alphas)),
        "least alpha of a view in the cube": float(np.min(alphas)),
        "seconds": {name: stage["seconds"] for name, stage in world.document["stages"].items()},
    }
