"""Camera paths through a world: orbit and fly-through, inside the room that the world lets a camera roam."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skyworld.camera.camera import Camera, look_at, turned
from skyworld.errors import UserError
from skyworld.parameters import PathParameters
from skyworld.progress import Progress


@dataclass(frozen=True)
class CameraPath:
    """Cameras frame by frame, all of one picture size. fps: frames a second."""

    cameras: list[Camera]
    fps: float


def cube_positions(centre: np.ndarray, cube: float) -> np.ndarray:
    """[14, 3] metres: centres of the faces, then corners of a cube with the edge `cube` (Recipe, arXiv 2503.16611)."""
    faces = [sign * axis for axis in np.eye(3) for sign in (-1, 1)]
    corners = [np.array(signs) for signs in itertools.product((-1.0, 1.0), repeat=3)]
    return centre + cube / 2 * np.array([*faces, *corners])


def fly_through(centre: np.ndarray, half: float, frames: int) -> list[np.ndarray]:
    """Poses [4, 4] of a glide from behind `centre` forward past it, swaying, rising and looking about.

    centre: [3] metres, where the world was seen from; the path stays within `half` metres of it along
    each axis. It starts and ends level, looks along yaw 0 at both ends and eases in and out.
    """
    ease = _ease(np.linspace(0, 1, frames))
    swing = np.sin(2 * np.pi * ease)
    offsets = np.stack([0.6 * swing, -0.95 * np.cos(np.pi * ease), 0.2 * (1 - np.cos(2 * np.pi * ease)) / 2], -1)
    # The head turns into the curve a little earlier than the body, as a walker's does.
    yaw = np.radians(14) * np.sin(2 * np.pi * np.clip(ease + 0.06 * np.sin(np.pi * ease), 0, 1))
    pitch = np.radians(-3) * np.sin(np.pi * ease)
    return [turned(centre + half * o, y, p) for o, y, p in zip(offsets, yaw, pitch, strict=True)]


def orbit(target: np.ndarray, centre: np.ndarray, radius: float, frames: int) -> list[np.ndarray]:
    """Poses [4, 4] on a closed upright circle of `radius` metres about `centre`, all looking at `target` [3]."""
    angles = 2 * np.pi * np.arange(frames) / frames
    forward = np.asarray(target, np.float64) - centre
    side = np.cross(forward, (0, 0, 1.0))
    if np.linalg.norm(side) < 1e-6:
        raise UserError("an orbit's target cannot lie straight above or below its centre")
    side /= np.linalg.norm(side)
    up = np.array([0, 0, 0.45])
    return [look_at(centre + radius * (np.sin(a) * side + np.cos(a) * up - 0.45 * up), target) for a in angles]


def _ease(t: np.ndarray) -> np.ndarray:
    """0..1 -> 0..1 at constant speed but for a soft start and stop (integral of a raised-cosine ramp over 15 %)."""
    ramp = 0.15
    speed = np.clip(np.minimum(t, 1 - t) / ramp, 0, 1)
    travelled = np.concatenate([[0], np.cumsum((1 - np.cos(np.pi * (speed[1:] + speed[:-1]) / 2)) / 2 * np.diff(t))])
    return travelled / travelled[-1]


def author(parameters: PathParameters) -> Iterator[Progress]:
    """Job kind `path`: writes a camera path file for a world."""
    from skyworld.camera.formats import nerfstudio
    from skyworld.world import World

    world = World.open(parameters.world)
    panorama = world.document.get("panorama")
    if not panorama:
        raise UserError("this world has no panorama yet", file=world.root, hint="Finish it with `skyworld world` first")
    centre, half = np.array(panorama["position"]), world.document.get("cube", 2.0) / 2
    yield Progress(0.2, "placing cameras")
    if parameters.type == "orbit":
        ahead = world.document.get("focus_distance", 6.0)
        target = centre + np.array([0, ahead, -0.05 * ahead])
        poses = orbit(target, centre, 0.9 * half * parameters.reach, parameters.frames)
    else:
        poses = fly_through(centre, half * parameters.reach, parameters.frames)
    fov = np.radians(parameters.fov)
    cameras = [Camera.pinhole(pose, fov, parameters.width, parameters.height) for pose in poses]
    nerfstudio.write(parameters.output, CameraPath(cameras, parameters.fps))
    yield Progress(1.0, f"{parameters.frames} cameras in {parameters.output}")
