"""The stages of a world that make Gaussians of its panorama."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skyworld.commission import Commission
from skyworld.lift.distance import focus, read_distance, write_preview
from skyworld.lift.fusion import FusedDepth
from skyworld.lift.lift import lift
from skyworld.lift.merge import PanoramaDistance, ground_height
from skyworld.lift.points import write_points
from skyworld.models.builtin.distance import BuiltinDistance
from skyworld.models.roles import DepthEstimator
from skyworld.panorama.stored import read_picture, read_sky, stand, write_picture
from skyworld.parameters import WorldParameters
from skyworld.progress import Progress
from skyworld.splats.formats.ply import write_ply
from skyworld.world import atomic_write, digest
from skyworld.world.exr import write_exr

# Raise a number when the code of that stage makes another result from the same inputs.
VERSIONS = {"distance": 1, "merge": 1, "lift": 4}


def distance_stage(wish: Commission) -> Iterator[Progress]:
    """Metric distance along the ray, or the artist's own.

    A depth model's metres stand unless the artist chose an eye height: then the ground lies where it says.
    """
    world, parameters = wish.world, wish.parameters
    chosen = parameters.eye_height != WorldParameters.model_fields["eye_height"].default
    measured = parameters.distance is None and wish.model("depth") is not None

    def make(scratch: Path) -> Iterator[Progress]:
        picture, sky = read_picture(world.path("panorama.png")), read_sky(world)
        height = parameters.eye_height
        if parameters.distance:
            yield Progress(0.1, "reading your distance map")
            distance = read_distance(parameters.distance, picture.shape[1], picture.shape[0])
            sky = np.zeros(distance.shape, bool) if sky is None else sky
        elif measured:
            distance, sky = yield from _measured(wish, picture, sky, chosen)
            height = height if chosen else ground_height(distance, sky) or height
        else:
            yield Progress(0.1, "measuring the panorama")
            estimate = BuiltinDistance().estimate(picture, eye_height=height, sky=sky)
            distance, sky = estimate.distance, estimate.sky
        stand(world, height)
        with atomic_write(world.path("distance.exr")) as temporary:
            write_exr(temporary, distance)
        write_picture(world.path("sky.png"), sky.astype(np.float32))
        preview = scratch / "preview.jpg"
        write_preview(distance, preview)
        world.record("focus_distance", focus(distance, sky))
        yield Progress(1.0, f"the camera stands {height:.2f} m above the ground", preview=preview)

    inputs = {
        "version": VERSIONS["distance"],
        "panorama": world.fingerprint("panorama"),
        "eye_height": parameters.eye_height,
    }
    if parameters.distance:
        inputs["own"] = digest(parameters.distance)
    elif measured:
        inputs |= {"merge": VERSIONS["merge"], "model": wish.model("depth"), "detail": wish.model("detail")}
    else:
        inputs["model"] = dataclasses.asdict(BuiltinDistance.provenance)
    yield from world.stage("distance", inputs, ("distance.exr", "sky.png"), make)


def _measured(wish: Commission, picture, sky, chosen: bool):
    """Yields progress, returns distance [H, W] and sky bool [H, W] of the depth models."""
    yield Progress(0.05, "measuring the panorama")
    model = PanoramaDistance(_estimator(wish), given_height=chosen)
    shares = model.steps(picture, eye_height=wish.parameters.eye_height, sky=sky)
    while True:
        try:
            share = next(shares)
        except StopIteration as end:
            return end.value.distance, end.value.sky
        yield Progress(0.05 + 0.85 * share, "measuring the panorama")


def _estimator(wish: Commission) -> DepthEstimator:
    """The depth model, with the edges of the sharp one where there is one."""
    metric = wish.roster.get("depth")
    return FusedDepth(metric, wish.roster.get("detail")) if wish.model("detail") else metric


def lift_stage(wish: Commission) -> Iterator[Progress]:
    """Points, Gaussians, what lies behind things, an optimisation; quality "full" asks the models for views around."""
    world, parameters = wish.world, wish.parameters
    full = parameters.quality == "full"

    def make(scratch: Path) -> Iterator[Progress]:
        picture = read_picture(world.path("panorama.png"))
        distance = read_distance(world.path("distance.exr"), picture.shape[1], picture.shape[0])
        sky = read_sky(world)
        eye_height = world.document["panorama"]["position"][2]
        with atomic_write(world.path("points.ply")) as temporary:
            write_points(temporary, picture, distance, sky, eye_height)
        gaussians = yield from lift(
            picture,
            distance,
            sky,
            wish.photograph(),
            eye_height=eye_height,
            quality=parameters.quality,
            cube=parameters.cube,
            device=parameters.device,
            seed=parameters.seed,
            scratch=scratch,
            rest=wish.roster.rest,
            **(_models(wish) if full else {}),
        )
        write_ply(world.path("splats.ply"), gaussians)
        yield Progress(1.0, f"{len(gaussians):,} splats")

    inputs = {
        "version": VERSIONS["lift"],
        "distance": world.fingerprint("distance"),
        **parameters.model_dump(include={"quality", "cube", "seed", "device"}),
    }
    if full:
        inputs |= {role: wish.model(role) for role in ("inpainter", "depth", "detail")}
    yield from world.stage("splats", inputs, ("points.ply", "splats.ply"), make)


def _models(wish: Commission) -> dict:
    """Who completes the views from around, and who measures them; the built-in ones need not be named."""
    models = {}
    if wish.by_checkpoint:
        models = {"inpainter": wish.roster.get("inpainter"), "prompts": wish.description()}
    if wish.model("depth"):
        models["estimator"] = _estimator(wish)
    return models
