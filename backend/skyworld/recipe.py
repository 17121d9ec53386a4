"""Photograph, sentence or panorama -> world, as "A Recipe for Generating 3D Worlds From a Single Image" has it
(arXiv 2503.16611).

photograph on the sphere -> words for its surroundings -> panorama -> distance -> points and Gaussians. Each step is a
stage of the world folder: it is skipped when its inputs, and the models and parameters that it uses, are those of the
last run. A stage loads a model only when it has work for it.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from skyworld.errors import UserError
from skyworld.parameters import WorldParameters
from skyworld.progress import Progress, stages
from skyworld.world import World

NAMED = ("inpainter", "text_to_image", "depth", "captioner", "segmenter")  # roles whose model the artist may choose


def generate(parameters: WorldParameters, roster=None) -> Iterator[Progress]:
    """Job kind `world`. Yields progress; the finished world lies in `parameters.output`.

    roster: skyworld.models.roster.Roster, or what does the same; None takes the parameters' own.
    """
    from skyworld.commission import Commission
    from skyworld.lift.stages import distance_stage, lift_stage
    from skyworld.panorama.stages import description_stage, panorama_stage, photograph_stage

    roster = roster or _roster(parameters)
    if not (parameters.photo or parameters.panorama or roster.provenance("text_to_image")):
        raise UserError(
            "the built-in models cannot make a world from a sentence alone",
            hint="Give a photograph or a panorama, or choose a profile or a text-to-image model",
        )
    # What cannot be made is told before there is a folder for it.
    for given in (parameters.photo, parameters.panorama, parameters.distance, parameters.repair_mask):
        if given and not given.is_file():
            raise UserError("there is no such picture", file=given)
    roster.require(Commission(World(Path(parameters.output), {}), parameters, roster).needed())
    world = World.create(parameters.output)
    wish = Commission(world, parameters, roster)
    world.record("models", [dataclasses.asdict(model) for model in wish.models()])
    world.record("seed", parameters.seed)
    world.record("cube", parameters.cube)
    plan = []
    if parameters.photo or not parameters.panorama:
        plan.append(("photograph", 2, photograph_stage(wish)))
    if wish.describes:
        plan.append(("description", 5, description_stage(wish)))
    plan.append(("panorama", 90 if wish.by_checkpoint else 12, panorama_stage(wish)))
    plan.append(("distance", 15 if roster.provenance("depth") else 4, distance_stage(wish)))
    plan.append(("splats", 80, lift_stage(wish)))
    yield from stages(*plan)
    world.record("models", [dataclasses.asdict(model) for model in wish.models()])  # as the memory let them be held


def _roster(parameters: WorldParameters):
    from skyworld.models.roster import Roster
    from skyworld.splats.device import pick_device

    wishes = {role: getattr(parameters, role) for role in NAMED}
    return Roster(parameters.profile, wishes, pick_device(parameters.device))
