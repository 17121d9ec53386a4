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


@dataclass(frozen=True)
class Ring:
    """Where an orbit of a city runs, as satellite papers give it: `r` and `e` of published paths.

    target: metres, what is looked at.  radius: metres from it to the camera.  elevation: degrees above its horizon.
    """

    target: tuple[float, float, float]
    radius: float
    elevation: float

    def __post_init__(self):
        if len(self.target) != 3 or not np.isfinite([*self.target, self.radius, self.elevation]).all():
            raise UserError(f"an orbit needs a target of three numbers, a radius and an elevation, not {self}")
        if self.radius <= 0 or not -90 < self.elevation <= 90:
            raise UserError(f"an orbit of {self.radius:g} m at {self.elevation:g} degrees is impossible")

    def poses(self, frames: int) -> list[np.ndarray]:
        """[4, 4] of cameras once around, clockwise seen from above, the first one in the east (Skyfall-GS)."""
        target, elevation = np.asarray(self.target, np.float64), np.radians(self.elevation)
        found = []
        for angle in -2 * np.pi * np.arange(frames) / frames:
            outward = np.array([np.cos(angle), np.sin(angle), 0])
            backward = outward * np.cos(elevation) + (0, 0, np.sin(elevation))
            right = np.array([-np.sin(angle), np.cos(angle), 0])
            pose = np.eye(4)
            pose[:3, :3] = np.stack([right, np.cross(right, backward), -backward], -1)
            pose[:3, 3] = target + self.radius * backward
            found.append(pose)
        return found


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
    if parameters.type == "orbit" and (parameters.radius or world.document.get("satellite")):
        yield from _around(world, parameters)
        return
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


def _around(world, parameters: PathParameters) -> Iterator[Progress]:
    """An orbit by radius and elevation, written as Skyfall-GS writes it; what is not given comes from the city."""
    from skyworld.camera.formats import skyfall

    yield Progress(0.2, "placing cameras")
    target, radius = parameters.target, parameters.radius
    if target is None or not radius:
        middle, side = _city(world)
        target, radius = target or middle, radius or 1.2 * side
    ring = Ring(tuple(target), radius, parameters.elevation)
    fov = np.radians(parameters.fov)
    cameras = [Camera.pinhole(pose, fov, parameters.width, parameters.height) for pose in ring.poses(parameters.frames)]
    skyfall.write(parameters.output, ring, CameraPath(cameras, parameters.fps))
    yield Progress(1.0, f"{parameters.frames} cameras in {parameters.output}, {radius:g} m from the target")


def _city(world) -> tuple[tuple[float, float, float], float]:
    """The ground in the middle of a world's Gaussians, metres, and the longer side of what they cover."""
    from skyworld.splats.formats.ply import read_ply

    file = world.path("splats.ply")
    if not file.is_file():
        raise UserError("this world has no splats yet", file=world.root, hint="Give --radius and --target")
    means = read_ply(file).means.numpy()
    low, high = np.percentile(means, (1, 99), axis=0)
    ground = np.percentile(means[:, 2], 5)
    middle = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(ground))
    return middle, float((high - low)[:2].max())
