"""What the stages of a world hand each other as files: the photograph on the sphere, pictures, the sky."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from skyworld.camera import Camera
from skyworld.models.roles import Photograph
from skyworld.world import World, atomic_write

PHOTOGRAPH = "stages/photograph/photograph.npz"


def write_photograph(folder: Path, photograph: Photograph) -> None:
    camera = photograph.camera
    with atomic_write(folder / "photograph.npz") as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            picture=photograph.picture.astype(np.float16),
            sky=photograph.sky.astype(np.float16),
            camera_to_world=camera.camera_to_world,
            K=camera.K,
            outdoor=photograph.outdoor,
        )


def read_photograph(world: World) -> Photograph | None:
    """The world's photograph, None where it has none; its camera stands where the panorama's does."""
    if not world.document.get("photograph"):
        return None
    with np.load(world.path(PHOTOGRAPH)) as data:
        picture = data["picture"].astype(np.float32)
        camera = Camera(data["camera_to_world"], data["K"], picture.shape[1], picture.shape[0])
        photograph = Photograph(picture, camera, bool(data["outdoor"]), data["sky"].astype(np.float32))
    position = world.document.get("panorama", {}).get("position", camera.position)
    return dataclasses.replace(photograph, camera=moved(camera, position))


def moved(camera: Camera, position) -> Camera:
    """The camera at another place [3], in metres."""
    pose = camera.camera_to_world.copy()
    pose[:3, 3] = position
    return dataclasses.replace(camera, camera_to_world=pose)


def stand(world: World, eye_height: float) -> None:
    """Puts the panorama and the photograph's camera, as world.json tells them, that many metres above the ground."""
    position = [0.0, 0.0, float(eye_height)]
    world.record("panorama", {**world.document["panorama"], "position": position})
    photograph = world.document.get("photograph")
    if photograph:
        camera = moved(Camera.from_json(photograph["camera"]), position)
        world.record("photograph", {**photograph, "camera": camera.to_json()})


def write_picture(path: Path, picture: np.ndarray) -> None:
    with atomic_write(path) as temporary:
        Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)).save(temporary, "PNG", compress_level=3)


def read_picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.float32) / 255


def read_sky(world: World) -> np.ndarray | None:
    path = world.path("sky.png")
    return np.asarray(Image.open(path)) > 127 if path.is_file() else None
