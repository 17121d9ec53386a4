"""Posed pictures -> world: Gaussians fitted to what cameras of known places saw."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from skyworld.camera.formats import nerfstudio
from skyworld.camera.paths import CameraPath
from skyworld.errors import UserError
from skyworld.parameters import FitParameters
from skyworld.progress import Progress, stages
from skyworld.splats import losses, rasterize
from skyworld.splats.dataset import Dataset, read_dataset
from skyworld.splats.device import pick_device
from skyworld.splats.formats.ply import write_ply
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.points import gaussians_of_points
from skyworld.splats.presets import preset
from skyworld.splats.train import View, fit
from skyworld.world import World, atomic_write
from skyworld.world.files import digest

# Raise it when the same inputs give another result.
VERSION = 1


def reconstruct(parameters: FitParameters) -> Iterator[Progress]:
    """Job kind `fit`. Yields progress; the world lies in `parameters.output`: splats.ply and, where the pictures are of
    one size, cameras/pictures.json.

    A job that was stopped goes on from its last checkpoint.
    """
    device = pick_device(parameters.device)
    yield Progress(0.0, "reading the pictures", stage="pictures")
    dataset = read_dataset(parameters.pictures)
    if dataset.points is None:
        raise UserError(
            "the pictures come without points to begin with",
            file=parameters.pictures,
            hint="Add a point cloud: `ply_file_path` in transforms.json, or points3D.txt of COLMAP",
        )
    world = World.create(parameters.output)
    world.record("pictures", {"folder": str(parameters.pictures), "count": len(dataset)})
    if len({(camera.width, camera.height) for camera in dataset.cameras}) == 1:  # as the file's format has it
        nerfstudio.write(world.path("cameras/pictures.json"), CameraPath(dataset.cameras, fps=24))
    inputs = {
        "version": VERSION,
        "pictures": digest(next(path for path in _manifests(parameters) if path.is_file())),
        **parameters.model_dump(include={"quality", "hold_out"}),
    }

    def make(scratch) -> Iterator[Progress]:
        yield Progress(0.0, f"{len(dataset)} pictures")
        train, held = dataset.split(parameters.hold_out) if parameters.hold_out else (dataset, None)
        # Named after the inputs: a checkpoint of other pictures or another quality is no beginning.
        kept = scratch / f"{hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]}.pt"
        fitted = yield from _fitted(train, parameters.quality, device, kept)
        if held is not None:
            world.record("held_out", _judged(fitted, held))
        with atomic_write(world.path("splats.ply")) as temporary:
            write_ply(temporary, fitted.to("cpu"))

    yield from stages(("splats", 1.0, world.stage("splats", inputs, ("splats.ply",), make)))


def extent_of(cameras) -> float:
    """1.1 x the largest distance of a camera from the middle of all, metres: the unit of the means' learning rate."""
    places = np.stack([camera.position for camera in cameras])
    return max(1.1 * float(np.linalg.norm(places - places.mean(0), axis=1).max()), 1e-3)


def views_of(dataset: Dataset, device) -> list[View]:
    """The pictures at 8 bits, on the device."""
    masks = dataset.masks or [None] * len(dataset)
    return [
        View(
            camera,
            torch.from_numpy(np.round(picture * 255).astype(np.uint8)).to(device),
            None if mask is None else torch.from_numpy(mask.astype(np.float32)).to(device),
        )
        for camera, picture, mask in zip(dataset.cameras, dataset.pictures, masks, strict=True)
    ]


def _fitted(dataset: Dataset, quality: str, device, kept: Path) -> Iterator[Progress]:
    pixels = max(camera.width * camera.height for camera in dataset.cameras)
    chosen = preset(quality, extent_of(dataset.cameras), pixels)
    start = gaussians_of_points(*dataset.points, opacity=chosen.opacity, size=chosen.size).to(device)
    for other in set(kept.parent.glob("*.pt")) - {kept}:
        other.unlink()
    resume = torch.load(kept, map_location="cpu", weights_only=True) if kept.exists() else None

    def checkpoint(state: dict) -> None:
        with atomic_write(kept) as temporary:
            torch.save(state, temporary)

    result = yield from fit(
        start,
        views_of(dataset, device),
        chosen.schedule,
        **chosen.arguments,
        resume=resume,
        checkpoint=checkpoint,
        checkpoint_every=max(chosen.schedule.steps // 10, 1),
        preview=kept.with_name("preview.jpg"),
    )
    kept.unlink(missing_ok=True)
    return result


@torch.no_grad()
def _judged(gaussians: Gaussians, held: Dataset) -> dict:
    """Mean PSNR and SSIM (RGB) of views that were not fitted."""
    found = []
    for view in views_of(held, gaussians.device):
        render, picture = rasterize(gaussians, [view.camera]).colour[0].clamp(0, 1), view.picture.float() / 255
        found.append((losses.psnr(render, picture), float(losses.ssim(render, picture))))
    psnr, ssim = np.mean(found, 0)
    return {"views": len(held), "psnr": round(float(psnr), 2), "ssim": round(float(ssim), 4)}


def _manifests(parameters: FitParameters):
    names = ("transforms.json", "sparse/0/images.txt", "sparse/images.txt", "images.txt")
    return [parameters.pictures / name for name in names]
