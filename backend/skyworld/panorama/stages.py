"""The stages of a world that end with its panorama."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from skyworld.commission import Commission
from skyworld.models.roles import Photograph
from skyworld.panorama.generate import generate, repair
from skyworld.panorama.imagine import first_view
from skyworld.panorama.own import read_own
from skyworld.panorama.photograph import analyse
from skyworld.panorama.repair import stand_in
from skyworld.panorama.schedule import SIDE
from skyworld.panorama.sky import segmented_sky
from skyworld.panorama.stored import PHOTOGRAPH, stand, write_photograph, write_picture
from skyworld.progress import Progress
from skyworld.world import World, atomic_write, digest
from skyworld.world.pictures import load_picture, within

# Raise a number when the code of that stage makes another result from the same inputs.
VERSIONS = {"photograph": 3, "description": 1, "panorama": 2, "repair": 1}

# The long side at which a photograph is worked on: more than the panorama can hold at any width.
WORKING_SIZE = 3072
IMAGINED = "input/imagined.png"
VIEWS = "cache/views"  # the views' answers; here and not in the stage's folder, for they outlast a change of words


def photograph_stage(wish: Commission) -> Iterator[Progress]:
    """The artist's picture, copied into the world, its camera found; or the picture that the prompt makes."""
    return _read(wish) if wish.parameters.photo else _imagined(wish)


def _read(wish: Commission) -> Iterator[Progress]:
    world, parameters, source = wish.world, wish.parameters, Path(wish.parameters.photo)
    kept = f"input/{source.name}"

    def make(scratch: Path) -> Iterator[Progress]:
        yield Progress(0.1, "reading the photograph")
        picture, exif_fov, _ = load_picture(source)
        yield Progress(0.4, "finding its camera")
        photograph = analyse(
            within(picture, WORKING_SIZE),
            fov_degrees=parameters.fov or None,
            pitch_degrees=parameters.pitch,
            exif_fov=exif_fov,
        )
        if source.resolve() != world.path(kept).resolve():
            with atomic_write(world.path(kept)) as temporary:
                Path(temporary).write_bytes(source.read_bytes())
        yield _written(world, scratch, photograph, kept, *picture.shape[1::-1])

    inputs = {
        "version": VERSIONS["photograph"],
        "photo": digest(source),
        **parameters.model_dump(include={"fov", "pitch"}),
    }
    yield from world.stage("photograph", inputs, (kept, PHOTOGRAPH), make)


def _imagined(wish: Commission) -> Iterator[Progress]:
    """A panoramic model makes no first view: there is no photograph then, and the panorama stage asks it."""
    world, parameters = wish.world, wish.parameters

    def make(scratch: Path) -> Iterator[Progress]:
        yield Progress(0.1, "imagining the first view")
        model = wish.roster.get("text_to_image")
        if model.panoramic:
            world.record("photograph", None)
            return
        photograph = first_view(model, parameters.prompt, parameters.seed)
        write_picture(world.path(IMAGINED), photograph.picture)
        yield _written(world, scratch, photograph, IMAGINED, photograph.camera.width, photograph.camera.height)

    inputs = {
        "version": VERSIONS["photograph"],
        "model": wish.model("text_to_image"),
        **parameters.model_dump(include={"prompt", "seed"}),
    }
    yield from world.stage("photograph", inputs, (), make)


def _written(world: World, scratch: Path, photograph: Photograph, kept: str, width: int, height: int) -> Progress:
    write_photograph(scratch, photograph)
    camera = photograph.camera.resized(width, height).to_json()
    world.record("photograph", {"path": kept, "camera": camera, "outdoor": photograph.outdoor})
    return Progress(1.0, "outdoors" if photograph.outdoor else "indoors")


def description_stage(wish: Commission) -> Iterator[Progress]:
    """What the surroundings are like, in a captioner's words; recorded in world.json."""
    world, own = wish.world, wish.parameters.panorama

    def make(scratch: Path) -> Iterator[Progress]:
        yield Progress(0.1, "describing the picture")
        photograph = stand_in(*_read_own(wish)) if own else wish.photograph()
        if photograph is None:  # a panoramic model will imagine it: the prompt says all
            world.record("description", None)
            return
        description = wish.roster.get("captioner").describe(photograph.picture)
        world.record("description", dataclasses.asdict(description))
        yield Progress(1.0, description.atmosphere)

    inputs = {
        "version": VERSIONS["description"],
        "model": wish.model("captioner"),
        "picture": digest(own) if own else world.fingerprint("photograph"),
    }
    yield from world.stage("description", inputs, (), make)


def panorama_stage(wish: Commission) -> Iterator[Progress]:
    """The sphere around the photograph completed; or the artist's own panorama, mended where that is wished."""
    world, parameters, roster = wish.world, wish.parameters, wish.roster

    def make(scratch: Path) -> Iterator[Progress]:
        preview = scratch / "preview.jpg"
        picture, sky = yield from (_own(wish, preview) if parameters.panorama else _completed(wish, preview))
        if roster.provenance("segmenter"):
            yield Progress(0.98, "finding the sky")
            sky = segmented_sky(picture, roster.get("segmenter"))
        write_picture(world.path("panorama.png"), picture)
        if sky is None:
            world.path("sky.png").unlink(missing_ok=True)
        else:
            write_picture(world.path("sky.png"), sky.astype("float32"))
        world.record(
            "panorama",
            {
                "path": "panorama.png",
                "width": picture.shape[1],
                "height": picture.shape[0],
                "forward": [0.0, 1.0, 0.0],
                "up": [0.0, 0.0, 1.0],
                "own": bool(parameters.panorama),
            },
        )
        stand(world, parameters.eye_height)
        yield Progress(1.0, "panorama.png", preview=preview if preview.is_file() else None)

    yield from world.stage("panorama", _panorama_inputs(wish), ("panorama.png",), make)


def _own(wish: Commission, preview: Path):
    """Yields progress, returns the artist's panorama [H, W, 3] and None: its sky is not known."""
    parameters = wish.parameters
    yield Progress(0.1, "reading your panorama")
    picture, holes = _read_own(wish)
    if not holes.any():
        yield Progress(0.9, "nothing is black or transparent" if parameters.repair else "taken as it is")
        return picture, None
    made = yield from repair(picture, holes, wish.roster.get("inpainter"), **_asked(wish, preview))
    return made.picture, None


def _read_own(wish: Commission):
    """The artist's panorama [H, W, 3] and bool [H, W]: what of it is to be completed."""
    asked = wish.parameters
    return read_own(asked.panorama, asked.panorama_width, with_holes=asked.repair, mask=asked.repair_mask)


def _completed(wish: Commission, preview: Path):
    """Yields progress, returns the panorama [H, W, 3] and its sky bool [H, W]."""
    photograph = wish.photograph()
    asked = _asked(wish, preview)
    if photograph is None:
        asked["text_to_image"] = wish.roster.get("text_to_image")
    parameters = wish.parameters
    made = yield from generate(
        photograph,
        wish.roster.get("inpainter"),
        width=parameters.panorama_width,
        heuristic=parameters.heuristic,
        **asked,
    )
    return made.picture, made.sky


def _asked(wish: Commission, preview: Path) -> dict:
    """What completing and mending are told alike."""
    return {
        "seed": wish.parameters.seed,
        "prompt": wish.parameters.prompt,
        "prompts": wish.description(),
        "text_to_image": wish.refiner(),
        "refinement": wish.parameters.refinement,
        "cache": wish.world.path(VIEWS),
        "preview": preview,
        "side": SIDE,
    }


def _panorama_inputs(wish: Commission) -> dict:
    """Only what this panorama is made with, so that no other change makes it anew."""
    world, parameters = wish.world, wish.parameters
    inputs = {"version": VERSIONS["panorama"], "panorama_width": parameters.panorama_width}
    if parameters.panorama:
        inputs["own"] = digest(parameters.panorama)
    else:
        inputs["photograph"] = world.fingerprint("photograph")
    if wish.model("segmenter"):
        inputs["segmenter"] = wish.model("segmenter")
    if parameters.panorama and not parameters.repair:
        return inputs
    inputs |= {"model": wish.model("inpainter"), "seed": parameters.seed}
    if parameters.panorama:
        inputs["repair"] = VERSIONS["repair"]
        if parameters.repair_mask:
            inputs["mask"] = digest(parameters.repair_mask)
    elif wish.by_checkpoint:
        inputs["heuristic"] = parameters.heuristic
    if wish.by_checkpoint or wish.refines:
        inputs |= {"prompt": parameters.prompt, "description": repr(wish.description())}
    if wish.refines:
        inputs |= {"text_to_image": wish.model("text_to_image"), "refinement": parameters.refinement}
    return inputs
