"""Satellite scene -> world: the first stage of Skyfall-GS (arXiv 2510.15869), geometry first.

height map without its pits -> Gaussian sheet and walls -> fit to all images -> straight cut at the border -> city, its
orthophoto and heights, and cameras around it.
A large area is done in blocks, one after the other here or side by side on a cluster.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from skyworld.camera import Camera, look_at
from skyworld.camera.formats import nerfstudio
from skyworld.camera.paths import CameraPath
from skyworld.errors import UserError
from skyworld.executor import Executor, executor
from skyworld.models.roles import Provenance
from skyworld.models.roster import Roster
from skyworld.parameters import SatelliteReconstructParameters
from skyworld.progress import Progress, stages
from skyworld.satellite import blocks, border, fitting, pseudo
from skyworld.satellite.blocks import Block
from skyworld.satellite.export import from_above
from skyworld.satellite.fit_block import DEPTH, Fitter, Piece, fit_block
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import DOCUMENT, POINTS, TRAIN, SatelliteScene, read_scene
from skyworld.splats.device import pick_device
from skyworld.splats.formats.ply import write_ply
from skyworld.splats.gaussians import NAMES, Gaussians
from skyworld.world import World, atomic_write, digest

# Raise it when the same inputs give another result.
VERSION = 11
# Where a scene keeps its height map, the best first: one in the UTM zone was turned and read between its cells.
HEIGHTS = ("height.npz", "dsm.npz", "dsm.tif", "height.tif")
# The paths that every city gets: elevation in degrees; the last one is where Skyfall-GS judges its cities.
ORBITS = (60, 45, 17)
_SHAPE = 0.05  # weight of what a depth model says
_FRAMES, _FPS, _SIZE = 240, 24, (1280, 720)


def reconstruct(parameters: SatelliteReconstructParameters) -> Iterator[Progress]:
    """Job kind `satellite_reconstruct`. Yields progress; the world lies in `parameters.output`: splats.ply, ortho.png,
    dsm.npz (and dsm.tif where its place on Earth is known) and cameras/orbit_*.json.

    A job that was stopped goes on from the last block, and in it from the last checkpoint.
    """
    device = pick_device(parameters.device)
    hands = executor(parameters.executor, parameters.address, parameters.workers)
    yield Progress(0.0, "reading the scene", stage="scene")
    scene = read_scene(parameters.scene)
    heights = _height_file(scene, parameters.height)
    yield Progress(0.0, f"its heights are those of {heights.name}", stage="scene")
    height_map = border.shown(HeightMap.read(heights, scene.georeference), scene.images)
    height_map = border.closed(border.grounded(height_map))
    reference = _reference(scene, parameters.reference)
    settings = {"preview": fitting.PREVIEW, "full": fitting.FULL}[parameters.quality]
    settings = fitting.for_images(settings, len(scene.images))
    settings = replace(settings, seed=parameters.seed, steps=parameters.steps or settings.steps)
    roster = Roster(overrides={DEPTH: parameters.depth}, device=device)
    roster.require([DEPTH])
    estimator = roster.provenance(DEPTH)
    if estimator is not None:
        settings = replace(settings, shape=_SHAPE)
    world = World.create(parameters.output)
    _record_model(world, estimator)
    where = scene.georeference
    world.record("georeference", None if where is None else where.to_json())
    world.record("satellite", {"scene": str(scene.folder), "images": [image.name for image in scene.images]})
    inputs = {
        "version": VERSION,
        "scene": [digest(scene.folder / name) for name in (TRAIN, POINTS, DOCUMENT) if (scene.folder / name).is_file()],
        "images": [digest(image.picture) for image in [*scene.images, *scene.held_out]],
        "masks": [digest(image.mask) for image in [*scene.images, *scene.held_out] if image.mask],
        "height": digest(heights),
        "settings": asdict(settings),
        "reference": reference,
        "block": parameters.block,
        "depth": None if estimator is None else asdict(estimator),
    }

    def city(scratch: Path) -> Iterator[Progress]:
        area = _Area(scene, height_map, fitting.tones(scene, height_map, reference), reference)
        fitter = Fitter(settings, settings.coarseness * scene.pixel, parameters.depth, parameters.device)
        kept = scratch if parameters.executor == "local" else None
        gaussians = yield from _city(area, blocks.cut(scene.box, parameters.block), fitter, hands, scratch, kept)
        with atomic_write(world.path("splats.ply")) as temporary:
            write_ply(temporary, gaussians.to("cpu"))
        yield from _maps(world, gaussians, scene, height_map)

    outputs = ("splats.ply", "ortho.png", "dsm.npz", *(f"cameras/orbit_{elevation}.json" for elevation in ORBITS))
    yield from stages(("city", 1.0, world.stage("city", inputs, outputs, city)))


def _record_model(world: World, estimator: Provenance | None) -> None:
    others = [model for model in world.document.get("models", []) if model.get("role") != DEPTH]
    world.record("models", [*others, *([asdict(estimator)] if estimator else [])])


def _height_file(scene: SatelliteScene, wish: Path | None) -> Path:
    if wish is not None:
        return wish
    found = next((scene.folder / name for name in HEIGHTS if (scene.folder / name).is_file()), None)
    if found is None:
        hint = "Make one with `skyworld satellite height`, or name a GeoTIFF of heights"
        raise UserError("the scene has no height map", file=scene.folder, hint=hint)
    return found


def _reference(scene: SatelliteScene, wish: str) -> int:
    """The image, by its name or its date, whose light the city shall have; the first one for an empty wish."""
    if not wish:
        return 0
    for index, image in enumerate(scene.images):
        if image.name == wish or (image.date and image.date.startswith(wish)):
            return index
    names = ", ".join(f"{image.name} ({image.date[:10] or 'no date'})" for image in scene.images[:8])
    raise UserError(f"no image is named or dated {wish}", file=scene.folder, hint=f"There are {names}")


@dataclass(frozen=True)
class _Area:
    """All of the scene. tones: of its images; reference: the one whose light the city shall have."""

    scene: SatelliteScene
    height_map: HeightMap
    tones: Sequence[fitting.Tone]
    reference: int

    def piece(self, block: Block, kept: Path | None) -> Piece:
        """What a block needs of it; images are read one by one. kept: where its fit has checkpoints."""
        outer = border.wider(block.outer, self.scene.box, self.height_map.cell)
        part = replace(self.scene, box=block.outer)  # all that its cameras have to show
        heights = blocks.crop_heights(self.height_map, outer)
        if not np.isfinite(heights.up).any():
            return Piece(block, heights, ())
        seen = [blocks.crop_sight(sight, outer) for sight in fitting.sights(part, self.tones)]
        held = (blocks.crop_sight(fitting.sight_of(image, part), outer) for image in part.held_out)
        # Where the reference does not show the block, the image that shows it first lends its light.
        before = sum(sight is not None for sight in seen[: self.reference])
        light = before if seen[self.reference] is not None else 0
        sights, held_out = (tuple(sight for sight in each if sight is not None) for each in (seen, held))
        return Piece(block, heights, sights, light, held_out, kept)


def _city(
    area: _Area, cuts: Sequence[Block], fitter: Fitter, hands: Executor, scratch: Path, kept: Path | None
) -> Iterator[Progress]:
    """All blocks; what is done lies in `scratch`. kept: folder of checkpoints, for blocks that this process fits."""
    count = len(cuts)
    yield Progress(0.0, f"{len(area.scene.images)} images, {count} block{'s' if count > 1 else ''}")
    files = [scratch / f"block_{index:03d}.pt" for index in range(count)]
    lacking = [index for index, file in enumerate(files) if not file.is_file()]
    # Made when there are hands for it: the cuts of all blocks together would not fit into memory.
    pieces = (area.piece(cuts[index], kept and kept / f"block_{index:03d}_fit.pt") for index in lacking)
    done = count - len(lacking)
    for at, answer in hands.run(fit_block, fitter, pieces):
        if isinstance(answer, Progress):
            message = f"block {lacking[at] + 1} of {count}: {answer.message}" if count > 1 else answer.message
            yield replace(answer, fraction=(done + answer.fraction) / count, message=message)
            continue
        _save(files[lacking[at]], answer)
        done += 1
        yield Progress(done / count, f"{done} of {count} blocks fitted" if count > 1 else "fitted")
    return border.straight(Gaussians.concatenate([_load(file) for file in files]), area.height_map)


def _save(file: Path, gaussians: Gaussians) -> None:
    with atomic_write(file) as temporary:
        torch.save({name: column.cpu() for name, column in gaussians.tensors()}, temporary)


def _load(file: Path) -> Gaussians:
    columns = torch.load(file, map_location="cpu", weights_only=True)
    return Gaussians(**{name: columns[name] for name in NAMES})


def _maps(world: World, gaussians: Gaussians, scene: SatelliteScene, height_map: HeightMap) -> Iterator[Progress]:
    """Orthophoto, heights and cameras of the finished city."""
    if not len(gaussians):
        raise UserError("no image shows any of the height map", hint="Check that both are of one area")
    yield Progress(1.0, "orthophoto and heights")
    ortho, _ = from_above(gaussians, scene.box, scene.pixel)
    with atomic_write(world.path("ortho.png")) as temporary:
        Image.fromarray(np.round(ortho * 255).astype(np.uint8)).save(temporary)
    # As wide as they are: refining cuts the border where these say, and narrower ones let it see through eaves there.
    _, found = from_above(gaussians, scene.box, height_map.cell, narrow=1.0)
    found.write(world.path("dsm.npz"))
    if scene.georeference is not None:
        found.write(world.path("dsm.tif"), scene.georeference)
    for elevation in ORBITS:
        nerfstudio.write(world.path(f"cameras/orbit_{elevation}.json"), orbit(found, elevation))


def orbit(height_map: HeightMap, elevation: float) -> CameraPath:
    """Once around the middle of the area, ten seconds, clear of its roofs; elevation in degrees."""
    rows, columns = height_map.shape
    side = max(rows, columns) * height_map.cell
    middle = np.array((height_map.west, height_map.north)) + np.array((columns, -rows)) * height_map.cell / 2
    target = np.array((*middle, pseudo.ground(height_map, *middle)))
    e = math.radians(elevation)
    radius = max(1.2 * side, 1.3 * (float(np.nanmax(height_map.up)) - target[2]) / math.sin(e))
    cameras = []
    for angle in 2 * math.pi * np.arange(_FRAMES) / _FRAMES:
        towards = np.array((math.sin(angle) * math.cos(e), math.cos(angle) * math.cos(e), math.sin(e)))
        cameras.append(Camera.pinhole(look_at(target + radius * towards, target), math.radians(40), *_SIZE))
    return CameraPath(cameras, fps=_FPS)
