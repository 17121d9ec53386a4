"""Photograph -> world, in the order of "A Recipe for Generating 3D Worlds From a Single Image" (arXiv 2503.16611).

photograph on the sphere -> panorama -> distance -> points and Gaussians. Each step is a stage of the
world folder: it is skipped when its inputs, its parameters and its model are those of the last run.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.models.roles import DistanceEstimator, Inpainter, Photograph
from skyworld.parameters import WorldParameters
from skyworld.progress import Progress, stages
from skyworld.world import World, atomic_write, digest

# Raise a number when the code of that stage makes another result from the same inputs.
VERSIONS = {"photograph": 2, "panorama": 2, "distance": 1, "lift": 3}

# The long side at which a photograph is worked on: more than the panorama can hold at any width.
WORKING_SIZE = 3072


def generate(parameters: WorldParameters) -> Iterator[Progress]:
    """Job kind `world`. Yields progress; the finished world lies in `parameters.output`."""
    from skyworld.models.builtin.distance import BuiltinDistance
    from skyworld.models.builtin.panorama import BuiltinInpainter

    world = World.create(parameters.output)
    inpainter, estimator = BuiltinInpainter(), BuiltinDistance()
    world.record("models", [dataclasses.asdict(model.provenance) for model in (inpainter, estimator)])
    world.record("seed", parameters.seed)
    world.record("cube", parameters.cube)
    yield from stages(
        ("photograph", 2, photograph_stage(world, parameters)),
        ("panorama", 12, panorama_stage(world, parameters, inpainter)),
        ("distance", 4, distance_stage(world, parameters, estimator)),
        ("splats", 80, lift_stage(world, parameters)),
    )


def photograph_stage(world: World, parameters: WorldParameters) -> Iterator[Progress]:
    """The artist's picture, copied into the world, its camera found."""
    from skyworld.panorama.photograph import analyse
    from skyworld.world.pictures import load_picture, within

    source = Path(parameters.photo)
    if not source.is_file():
        raise UserError("there is no such picture", file=source)
    kept = world.path(f"input/{source.name}")

    def make(scratch: Path) -> Iterator[Progress]:
        yield Progress(0.1, "reading the photograph")
        picture, exif_fov, _ = load_picture(source)
        height, width = picture.shape[:2]
        yield Progress(0.4, "finding its camera")
        photograph = analyse(
            within(picture, WORKING_SIZE),
            fov_degrees=parameters.fov or None,
            pitch_degrees=parameters.pitch,
            exif_fov=exif_fov,
        )
        photograph = dataclasses.replace(photograph, camera=_moved(photograph.camera, parameters.eye_height))
        if source.resolve() != kept.resolve():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(kept) as temporary:
                Path(temporary).write_bytes(source.read_bytes())
        _write_photograph(scratch, photograph)
        world.record(
            "photograph",
            {
                "path": f"input/{source.name}",
                "camera": photograph.camera.resized(width, height).to_json(),
                "outdoor": photograph.outdoor,
            },
        )
        yield Progress(1.0, "outdoors" if photograph.outdoor else "indoors")

    inputs = {
        "version": VERSIONS["photograph"],
        "photo": digest(source),
        **parameters.model_dump(include={"fov", "pitch", "eye_height"}),
    }
    yield from world.stage("photograph", inputs, (f"input/{source.name}", "stages/photograph/photograph.npz"), make)


def panorama_stage(world: World, parameters: WorldParameters, inpainter: Inpainter) -> Iterator[Progress]:
    """Anchored panorama, or the artist's own."""
    from skyworld.panorama.generate import generate as generate_panorama
    from skyworld.world.pictures import load_picture

    def make(scratch: Path) -> Iterator[Progress]:
        if parameters.panorama:
            yield Progress(0.1, "reading your panorama")
            picture, _, _ = load_picture(parameters.panorama)
            height, width = picture.shape[:2]
            if width != 2 * height:
                raise UserError(
                    f"a 360 panorama is twice as wide as high, not {width} x {height}",
                    file=parameters.panorama,
                    hint="Export it as a full equirectangular picture (2:1)",
                )
            size = (parameters.panorama_width, parameters.panorama_width // 2)
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if width > size[0] else cv2.INTER_CUBIC)
            picture, sky = np.clip(picture, 0, 1), None
        else:
            made = yield from generate_panorama(
                _read_photograph(world),
                inpainter,
                width=parameters.panorama_width,
                seed=parameters.seed,
                preview=scratch / "preview.jpg",
            )
            picture, sky = made.picture, made.sky
        _write_picture(world.path("panorama.png"), picture)
        if sky is None:
            world.path("sky.png").unlink(missing_ok=True)
        else:
            _write_picture(world.path("sky.png"), sky.astype(np.float32))
        world.record(
            "panorama",
            {
                "path": "panorama.png",
                "width": picture.shape[1],
                "height": picture.shape[0],
                "position": [0.0, 0.0, parameters.eye_height],
                "forward": [0.0, 1.0, 0.0],
                "up": [0.0, 0.0, 1.0],
                "own": bool(parameters.panorama),
            },
        )
        yield Progress(1.0, "panorama.png", preview=scratch / "preview.jpg" if sky is not None else None)

    inputs = {
        "version": VERSIONS["panorama"],
        "photograph": world.fingerprint("photograph"),
        "model": dataclasses.asdict(inpainter.provenance),
        "own": digest(parameters.panorama) if parameters.panorama else None,
        **parameters.model_dump(include={"seed", "panorama_width"}),
    }
    yield from world.stage("panorama", inputs, ("panorama.png",), make)


def distance_stage(world: World, parameters: WorldParameters, estimator: DistanceEstimator) -> Iterator[Progress]:
    """Metric distance along the ray, or the artist's own."""
    from skyworld.lift.distance import read_distance
    from skyworld.world.exr import write_exr

    def make(scratch: Path) -> Iterator[Progress]:
        picture = _read_picture(world.path("panorama.png"))
        sky = _read_sky(world)
        if parameters.distance:
            yield Progress(0.1, "reading your distance map")
            distance = read_distance(parameters.distance, picture.shape[1], picture.shape[0])
            sky = np.zeros(distance.shape, bool) if sky is None else sky
        else:
            yield Progress(0.1, "measuring the panorama")
            estimate = estimator.estimate(picture, eye_height=parameters.eye_height, sky=sky)
            distance, sky = estimate.distance, estimate.sky
        with atomic_write(world.path("distance.exr")) as temporary:
            write_exr(temporary, distance)
        _write_picture(world.path("sky.png"), sky.astype(np.float32))
        preview = scratch / "preview.jpg"
        _distance_preview(distance, preview)
        world.record("focus_distance", _focus(distance, sky))
        yield Progress(1.0, "distance.exr", preview=preview)

    inputs = {
        "version": VERSIONS["distance"],
        "panorama": world.fingerprint("panorama"),
        "model": dataclasses.asdict(estimator.provenance),
        "own": digest(parameters.distance) if parameters.distance else None,
        "eye_height": parameters.eye_height,
    }
    yield from world.stage("distance", inputs, ("distance.exr", "sky.png"), make)


def lift_stage(world: World, parameters: WorldParameters) -> Iterator[Progress]:
    """Points, Gaussians, what lies behind things, a short optimisation."""
    from skyworld.lift.distance import read_distance
    from skyworld.lift.lift import lift
    from skyworld.lift.points import write_points
    from skyworld.splats.formats.ply import write_ply

    def make(scratch: Path) -> Iterator[Progress]:
        picture = _read_picture(world.path("panorama.png"))
        distance = read_distance(world.path("distance.exr"), picture.shape[1], picture.shape[0])
        sky = _read_sky(world)
        photograph = None if parameters.panorama else _read_photograph(world)
        with atomic_write(world.path("points.ply")) as temporary:
            write_points(temporary, picture, distance, sky, parameters.eye_height)
        gaussians = yield from lift(
            picture,
            distance,
            sky,
            photograph,
            eye_height=parameters.eye_height,
            quality=parameters.quality,
            cube=parameters.cube,
            device=parameters.device,
            seed=parameters.seed,
            scratch=scratch,
        )
        write_ply(world.path("splats.ply"), gaussians)
        yield Progress(1.0, f"{len(gaussians):,} splats")

    inputs = {
        "version": VERSIONS["lift"],
        "distance": world.fingerprint("distance"),
        **parameters.model_dump(include={"quality", "cube", "eye_height", "seed", "device"}),
    }
    yield from world.stage("splats", inputs, ("points.ply", "splats.ply"), make)


def _moved(camera: Camera, eye_height: float) -> Camera:
    pose = camera.camera_to_world.copy()
    pose[:3, 3] = (0, 0, eye_height)
    return dataclasses.replace(camera, camera_to_world=pose)


def _write_photograph(scratch: Path, photograph: Photograph) -> None:
    camera = photograph.camera
    with atomic_write(scratch / "photograph.npz") as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            picture=photograph.picture.astype(np.float16),
            sky=photograph.sky.astype(np.float16),
            camera_to_world=camera.camera_to_world,
            K=camera.K,
            outdoor=photograph.outdoor,
        )


def _read_photograph(world: World) -> Photograph:
    with np.load(world.path("stages/photograph/photograph.npz")) as data:
        picture = data["picture"].astype(np.float32)
        camera = Camera(data["camera_to_world"], data["K"], picture.shape[1], picture.shape[0])
        return Photograph(picture, camera, bool(data["outdoor"]), data["sky"].astype(np.float32))


def _write_picture(path: Path, picture: np.ndarray) -> None:
    with atomic_write(path) as temporary:
        Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)).save(temporary, "PNG", compress_level=3)


def _read_picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.float32) / 255


def _read_sky(world: World) -> np.ndarray | None:
    path = world.path("sky.png")
    return np.asarray(Image.open(path)) > 127 if path.is_file() else None


def _focus(distance: np.ndarray, sky: np.ndarray) -> float:
    """Median distance of what stands straight ahead, metres: what an orbit looks at."""
    height, width = distance.shape
    ahead = (slice(int(0.44 * height), int(0.6 * height)), slice(int(0.45 * width), int(0.55 * width)))
    seen = distance[ahead][~sky[ahead]]
    return float(np.clip(np.median(seen), 1, 30)) if seen.size else 6.0


def _distance_preview(distance: np.ndarray, path: Path) -> None:
    """Near is warm, far is cold, on a logarithmic scale."""
    small = cv2.resize(distance, (768, 384), interpolation=cv2.INTER_NEAREST)
    near, far = np.log(np.percentile(small, 1)), np.log(np.percentile(small, 99))
    shade = 1 - np.clip((np.log(small) - near) / max(far - near, 1e-6), 0, 1)
    with atomic_write(path) as temporary:
        coloured = cv2.applyColorMap((255 * shade).astype(np.uint8), cv2.COLORMAP_TURBO)
        Image.fromarray(coloured[:, :, ::-1]).save(temporary, "JPEG", quality=88)
