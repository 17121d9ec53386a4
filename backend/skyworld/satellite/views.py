"""What geometry sees of an image: its values, which of them count, and how places come to lie in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skyworld.satellite.rpc import RPC
from skyworld.world.georeference import Georeference

Project = Callable[[np.ndarray], np.ndarray]  # places [..., 3] metres -> pixels [..., 2], the first centre at 0.5


@dataclass(frozen=True, eq=False)
class View:
    """values: [H, W] float32, linear in light as far as known.  valid: [H, W] bool."""

    name: str
    values: np.ndarray
    valid: np.ndarray
    project: Project

    def moved(self, bias: np.ndarray) -> "View":
        """With a camera that is `bias` [2] pixels (right, down) off its own."""
        return View(self.name, self.values, self.valid, lambda places: self.project(places) + bias)


def by_rpc(rpc: RPC, georeference: Georeference) -> Project:
    """Places in the frame of the georeference, through the RPC."""
    return lambda places: rpc.project(*georeference.geodetic(places))


def affine(project: Project, places: np.ndarray) -> np.ndarray:
    """[2, 4] that comes closest to a camera at places [N, 3]: to a tenth of a pixel over a city block."""
    known = np.concatenate([places, np.ones((len(places), 1))], 1)
    return np.linalg.lstsq(known, project(places), rcond=None)[0].T
