"""From above downwards: which views of a city are imagined, episode after episode (Skyfall-GS, arXiv 2510.15869).

A curriculum is data, written as JSON. An episode renders views around a grid of places from one elevation, has each of
them edited or restored, and fits the city again; the next one looks from lower, at a city that has become better.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from skyworld.camera import Camera, look_at
from skyworld.errors import UserError
from skyworld.satellite.scene import Box
from skyworld.world.files import atomic_write, mendable

FORMAT = 1
SIDE = 256.0  # metres: side of the areas that the published curricula are for
CLEARANCE = 10.0  # metres that a camera stands above the highest roof


_LIMITS = {
    "extent": (1, 1e5),
    "grid": (1, 64),
    "azimuths": (1, 360),
    "samples": (1, 64),
    "pixels": (64, 4096),
    "iterations": (1, 1_000_000),
    "edited": (0.01, 1),
    "densify_end": (0, 1_000_000),
    "densify_threshold": (1e-9, 1),
    "growth": (1, 100),
    "reset_every": (0, 1_000_000),
    "entropy": (0, 1000),
}


def _check(value, low: float, high: float, name: str) -> None:
    whole = name in ("grid", "azimuths", "samples", "pixels", "iterations", "densify_end", "reset_every")
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        number = "a whole number" if whole else "a number"
        raise UserError(f"{name} must be {number} from {low:,} to {high:,}, not {value!r}")


@dataclass(frozen=True)
class Episode:
    """elevation: degrees above the horizon that the cameras look from.  radius: metres from camera to target.
    fov: degrees, both ways: pictures are square."""

    elevation: float
    radius: float
    fov: float = 60.0


@dataclass(frozen=True)
class Curriculum:
    """episodes: from first to last.

    extent:  metres, side of the square over the middle of the area that targets are spread in.
    grid:    targets along each side: interior points, so that 3 in 512 m stand 128 m apart.
    azimuths: cameras around each target.  samples: edits of each of their renders; a restorer makes one.
    pixels:  side of a render.
    iterations: steps of each episode's fit.  edited: the share of them that takes an edited view, not an image.
    densify_end: steps after which no Gaussian comes or goes.  densify_threshold: of the gradient that asks for more.
    growth:  how many times as many Gaussians an episode may end with.
    reset_every: steps after which opacities are reset; 0 for never.
    entropy: weight of the opacities' entropy.
    """

    episodes: tuple[Episode, ...]
    extent: float
    grid: int = 3
    azimuths: int = 6
    samples: int = 2
    pixels: int = 1024
    iterations: int = 10_000
    edited: float = 0.75
    densify_end: int = 9_000
    densify_threshold: float = 2e-4
    growth: float = 1.5
    reset_every: int = 5_000
    entropy: float = 0.0

    def __post_init__(self):
        for number, episode in enumerate(self.episodes, 1):
            for name, low, high in (("elevation", 1, 90), ("radius", 0.1, 1e6), ("fov", 1, 150)):
                _check(getattr(episode, name), low, high, f"{name} of episode {number}")
        if not self.episodes:
            raise UserError("a curriculum needs at least one episode")
        for name, (low, high) in _LIMITS.items():
            _check(getattr(self, name), low, high, name)

    @property
    def views(self) -> int:
        """Renders of an episode."""
        return self.grid**2 * self.azimuths

    def scaled(self, factor: float) -> "Curriculum":
        """For an area so many times as large."""
        episodes = tuple(replace(episode, radius=episode.radius * factor) for episode in self.episodes)
        return replace(self, episodes=episodes, extent=self.extent * factor)

    def targets(self, box: Box) -> np.ndarray:
        """[grid^2, 2] metres east and north, row by row from the south-west."""
        steps = np.linspace(-self.extent / 2, self.extent / 2, self.grid + 2)[1:-1]
        north, east = np.meshgrid(steps, steps, indexing="ij")
        return np.stack([east, north], -1).reshape(-1, 2) + box.centre[:2]

    def cameras(
        self, episode: Episode, box: Box, ground: Callable[[float, float], float], highest: float
    ) -> list[Camera]:
        """Views of an episode. ground: metres up at a place; highest: metres up of the highest roof.

        A camera that would stand among the roofs moves away along its line of sight until it is above them.
        """
        elevation = math.radians(episode.elevation)
        found = []
        for east, north in self.targets(box):
            target = np.array([east, north, ground(east, north)])
            radius = max(episode.radius, (highest + CLEARANCE - target[2]) / math.sin(elevation))
            for azimuth in 2 * np.pi * np.arange(self.azimuths) / self.azimuths:
                level, up = math.cos(elevation), math.sin(elevation)
                away = radius * np.array([math.cos(azimuth) * level, math.sin(azimuth) * level, up])
                pose = look_at(target + away, target)
                found.append(Camera.pinhole(pose, math.radians(episode.fov), self.pixels, self.pixels))
        return found

    def to_json(self) -> dict:
        return {"format": FORMAT, **asdict(self), "episodes": [asdict(episode) for episode in self.episodes]}

    @classmethod
    def from_json(cls, document: dict) -> "Curriculum":
        """Raises UserError for what is missing, unknown, or no sensible number."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            told = document.get("format") if isinstance(document, dict) else None
            raise UserError(f"is a curriculum of format {told!r}, and this SkyWorld knows {FORMAT}")
        values = {name: value for name, value in document.items() if name != "format"}
        episodes = values.pop("episodes", None)
        if not isinstance(episodes, list) or not episodes or not all(isinstance(each, dict) for each in episodes):
            raise UserError(
                "a curriculum needs a list of episodes", hint='Such as [{"elevation": 75, "radius": 275, "fov": 60}]'
            )
        made = tuple(_made(Episode, each, f"episode {number}") for number, each in enumerate(episodes, 1))
        return _made(cls, {"episodes": made, **values}, "a curriculum")


_JAX = Curriculum(
    tuple(Episode(e, r) for e, r in ((85, 300), (75, 275), (65, 275), (55, 250), (45, 250))), extent=512.0
)
# jax_v1, nyc_v1: as published, for areas of 256 m (nyc_v1 lists a sixth episode at 25 degrees, which never ran).
# low: ours, down to where a camera flies; preview: ours, for two CPU cores.
PRESETS = {
    "jax_v1": _JAX,
    "nyc_v1": replace(
        _JAX,
        episodes=tuple(Episode(e, 600, 20) for e in (85, 75, 65, 55, 45)),
        grid=4,
        entropy=10.0,
    ),
    "low": replace(
        _JAX, episodes=tuple(Episode(e, r) for e, r in ((75, 275), (60, 260), (45, 240), (32, 230), (22, 220)))
    ),
    "preview": replace(
        _JAX,
        episodes=(Episode(55, 250), Episode(30, 230)),
        grid=2,
        azimuths=4,
        samples=1,
        pixels=320,
        iterations=300,
        densify_end=200,
        growth=1.15,
        reset_every=0,
    ),
}


def preset(name: str, side: float) -> Curriculum:
    """The named curriculum for an area whose longer side is `side` metres."""
    if name not in PRESETS:
        raise UserError(f"there is no curriculum {name!r}", hint=f"There are {', '.join(PRESETS)}, or give a JSON file")
    return PRESETS[name].scaled(side / SIDE)


def chosen(wish: str, side: float) -> Curriculum:
    """A preset's name, scaled to the area, or a file, taken as it is."""
    if wish in PRESETS or not (wish.endswith(".json") or Path(wish).is_file()):
        return preset(wish, side)
    return read(wish)


def read(path: Path | str) -> Curriculum:
    path = Path(path)
    if not path.is_file():
        raise UserError("there is no such file", file=path, hint=f"Or take one of {', '.join(PRESETS)}")
    try:
        with mendable(path):
            document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"is not whole JSON ({error})", file=path) from error
    try:
        return Curriculum.from_json(document)
    except UserError as error:
        raise UserError(error.problem, file=path, hint=error.hint) from error


def write(path: Path | str, curriculum: Curriculum) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(curriculum.to_json(), indent=1) + "\n", encoding="utf-8")


def _made(kind: type, values: dict, what: str):
    known = {field.name: field for field in fields(kind)}
    strange = sorted(set(values) - set(known))
    if strange:
        raise UserError(f"{what} has no {strange[0]}", hint=f"It has {', '.join(known)}")
    try:
        return kind(**values)
    except TypeError as error:
        lacking = str(error).rpartition(": ")[2].replace("'", "")
        raise UserError(f"{what} lacks {lacking}") from error
