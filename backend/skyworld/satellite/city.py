"""Satellite images -> city, all in one: scene, heights, reconstruction, refinement.

Each part is a stage of the world, or several: what was done with the same inputs is not done again.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from skyworld.parameters import (
    SatelliteCityParameters,
    SatelliteHeightParameters,
    SatellitePrepareParameters,
    SatelliteReconstructParameters,
    SatelliteRefineParameters,
)
from skyworld.progress import Progress, stages
from skyworld.satellite.height import measure_heights
from skyworld.satellite.prepare import prepare
from skyworld.satellite.reconstruct import reconstruct
from skyworld.satellite.refine import refine
from skyworld.satellite.scene import POINTS, TRAIN, read_scene
from skyworld.world import World, digest

SCENE = "scene"
# Raise it when preparing or measuring makes another result of the same images.
VERSION = 3
_SHARES = (0.1, 0.15, 0.35, 0.4)  # of the time


def make(parameters: SatelliteCityParameters) -> Iterator[Progress]:
    """Job kind `satellite_city`. Yields progress; the city lies in `parameters.output`, its scene in scene/ there."""
    world = World.create(parameters.output)
    folder = world.path(SCENE)
    inputs = {"version": VERSION, "images": _fingerprint(parameters.images), "area": parameters.area}
    inputs["dsm"] = digest(parameters.dsm) if parameters.dsm else None

    def scene(scratch: Path) -> Iterator[Progress]:
        yield from prepare(_part(SatellitePrepareParameters, parameters, output=folder))

    def heights(scratch: Path) -> Iterator[Progress]:
        name = "dsm.npz" if read_scene(folder).georeference is None else "dsm.tif"
        yield from measure_heights(SatelliteHeightParameters(scene=folder, output=folder / name))

    outputs = tuple(f"{SCENE}/{name}" for name in (TRAIN, POINTS))
    measured = (f"{SCENE}/height.npz",)
    parts = [
        lambda: stages(("scene", 1, world.stage("scene", inputs, outputs, scene))),
        lambda: stages(("heights", 1, world.stage("heights", _after(world, "scene"), measured, heights))),
        lambda: reconstruct(_part(SatelliteReconstructParameters, parameters, scene=folder)),
        lambda: refine(_part(SatelliteRefineParameters, parameters, world=world.root, scene=folder)),
    ]
    done = 0.0
    for part, share in zip(parts, _SHARES, strict=True):
        for report in part():
            yield replace(report, overall=done + share * report.overall)
        done += share


def _after(world: World, stage: str) -> dict:
    return {"version": VERSION, stage: world.fingerprint(stage)}


def _part(kind: type, parameters: SatelliteCityParameters, **more):
    """Parameters of a part: those of the whole that it has, too."""
    shared = {name: getattr(parameters, name) for name in kind.model_fields if hasattr(parameters, name)}
    return kind(**(shared | more))


def _fingerprint(images: list[Path]) -> list[str]:
    """Of the images, or of all that lies in a folder of them; sidecar files of RPC count with their images."""
    files = []
    for path in images:
        beside = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.stem}*")
        files += sorted(file for file in beside if file.is_file()) or [path]
    return [digest(file) for file in files]
