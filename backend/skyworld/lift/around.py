"""Views from around the centre, completed by an inpainter (Recipe, arXiv 2503.16611, section 3.2).

Of 14 positions x 14 rotations those views are completed that show enough of nothing, the one that shows most of it
first. The inpainter gets the render, with the built-in completion where nothing is, and the mask; depth there is a
depth model's, brought to the render's, or goes on from what lies behind at the rim. New Gaussians are made of what was
filled, and all other views are measured with them. Each completed view is a picture that the fit may hold the world to.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from skyworld.camera import Camera, pixels, turned
from skyworld.camera.paths import cube_positions
from skyworld.errors import UserError
from skyworld.lift.alignment import aligned
from skyworld.lift.init import gaussians_of_view
from skyworld.lift.points import DepthView, Layer
from skyworld.lift.rim import continued, far_side, nearest
from skyworld.models.builtin.completion import completed
from skyworld.models.roles import DepthEstimator, Description, Inpainter, InpaintView
from skyworld.progress import Progress
from skyworld.splats import Gaussians, rasterize
from skyworld.world.files import atomic_write

# Yaw and pitch in degrees: 8 along the horizon, 3 up, 3 down; fields of view of 90 degrees.
ROTATIONS = [(45 * k, 0) for k in range(8)] + [(120 * k, pitch) for pitch in (55, -55) for k in range(3)]
# A pixel is open where it shows less than this of anything.
OPEN = 0.5
# Least share of a view that must be open; cracks narrower than 3 px of a coarse picture do not count.
LEAST, COARSE = 0.005, 128
# How much of the guess an inpainter may change, of its denoising (Recipe, section 3.2).
STRENGTH = 0.9
BATCH = 4
LARGEST = 8


@dataclass(frozen=True)
class Completed:
    """A view as the inpainter left it.

    index: which candidate.  picture: [h, w, 3] uint8.  filled: [h, w] bool, what it was asked for.
    hole: bool, where nothing was before.  inverse: float32 1 / depth, per metre.  sky: bool.
    """

    index: int
    picture: np.ndarray
    filled: np.ndarray
    hole: np.ndarray
    inverse: np.ndarray
    sky: np.ndarray

    def write(self, path: Path) -> None:
        masks = np.stack([self.filled, self.hole, self.sky])
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, index=self.index, picture=self.picture, inverse=self.inverse, masks=masks)

    @classmethod
    def read(cls, path: Path) -> "Completed":
        with np.load(path) as data:
            return cls(int(data["index"]), data["picture"], *data["masks"][:2], data["inverse"], data["masks"][2])


def candidates(layer: Layer, centre: np.ndarray, cube: float, size: int) -> list[Camera]:
    """The 196 views, `size` px wide, less those from positions that lie behind what the centre sees."""
    found = []
    for position in cube_positions(centre, cube):
        offset = position - centre
        if np.linalg.norm(offset) > 0.95 * _seen_distance(layer, offset[None])[0]:
            continue
        for yaw, pitch in ROTATIONS:
            pose = turned(position, np.radians(yaw), np.radians(pitch))
            found.append(Camera.pinhole(pose, np.pi / 2, size, size))
    return found


def complete_around(
    gaussians: Gaussians,
    layer: Layer,
    cameras: Sequence[Camera],
    centre: np.ndarray,
    inpainter: Inpainter,
    *,
    estimator: DepthEstimator | None = None,
    prompts: Description | None = None,
    seed: int = 0,
    kept: Path | None = None,
) -> Iterator[Progress]:
    """Yields progress; returns the Gaussians with what was added, all on their device, and the list of `Completed`.

    gaussians: what the centre sees, with the columns `sky` and `part`; the new ones are of part 1.
    kept:      a folder for the completed views: those that lie there from a job that was stopped are taken first.
    """
    finished, views = [], sorted(kept.glob("view_*.npz")) if kept else []
    for number, path in enumerate(views):
        finished.append(Completed.read(path))
        gaussians = _grown(gaussians, cameras[finished[-1].index], finished[-1], layer, centre)
        yield Progress(0.3 * (number + 1) / len(views), f"{len(finished)} views were completed before")
    waiting = []
    for start in range(0, len(cameras), BATCH):
        batch = range(start, min(start + BATCH, len(cameras)))
        shares = open_shares(gaussians, [cameras[index] for index in batch])
        waiting += [(-share, index) for share, index in zip(shares, batch, strict=True) if share >= LEAST]
        yield Progress(0.3 * batch[-1] / len(cameras), f"looking around from {len(cameras)} views")
    heapq.heapify(waiting)
    hoped = len(waiting)
    while waiting:
        _, index = heapq.heappop(waiting)
        # Other views have filled some of what this one showed: measured again, it may not be the best any more.
        share = open_shares(gaussians, [cameras[index]])[0]
        if share < LEAST:
            continue
        if waiting and share < -waiting[0][0]:
            heapq.heappush(waiting, (-share, index))
            continue
        view = _completed(gaussians, cameras[index], index, inpainter, estimator, prompts, seed + index)
        gaussians = _grown(gaussians, cameras[index], view, layer, centre)
        finished.append(view)
        if kept:
            view.write(kept / f"view_{len(finished):03d}.npz")
        done = 1 - len(waiting) / max(hoped, 1)
        yield Progress(0.3 + 0.7 * done, f"{len(finished)} views completed, {len(waiting)} left to look at")
    return gaussians, finished


@torch.no_grad()
def open_shares(gaussians: Gaussians, cameras: Sequence[Camera]) -> list[float]:
    """Share of each view that shows nothing."""
    alpha = rasterize(gaussians, [camera.resized(COARSE) for camera in cameras]).alpha
    empty = (alpha < OPEN).float()[:, None]
    return (-torch.nn.functional.max_pool2d(-empty, 3, 1)).mean((1, 2, 3)).tolist()


@torch.no_grad()
def _completed(gaussians, camera: Camera, index: int, inpainter, estimator, prompts, seed: int) -> Completed:
    """What the inpainter makes of the view, and how far away that is."""
    render = rasterize(gaussians, [camera])
    shell = rasterize(gaussians, [camera], colours=gaussians.extra["sky"][:, None].expand(-1, 3).contiguous())
    alpha, depth = render.alpha[0].cpu().numpy(), render.depth[0].cpu().numpy()
    sky = shell.colour[0, ..., 0].cpu().numpy() > 0.5 * np.maximum(alpha, 1e-6)
    hole = (alpha < OPEN) | (depth <= 0)
    picture = np.clip(render.colour[0].cpu().numpy() / np.maximum(alpha, 1e-6)[..., None], 0, 1)
    unknown = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inverse = np.where(hole, 0, 1 / np.maximum(depth, 1e-3)).astype(np.float32)
    region, prompt = _words(camera, prompts)
    asked = InpaintView(
        picture if inpainter.provenance.builtin else completed(picture, hole, inverse, seed),
        unknown,
        camera,
        region,
        prompt,
        seed=seed,
        negative=prompts.negative if prompts else "",
        strength=STRENGTH,
        depth=np.where(hole, 0, depth).astype(np.float32),
    )
    answer = inpainter.inpaint(asked)
    if not np.isfinite(answer).all():
        raise UserError(f"{inpainter.provenance.name} gave colours that are not finite", hint="Try another precision")
    picture = np.where(unknown[..., None], np.clip(answer, 0, 1), picture)
    far = far_side(inverse, hole)
    if far.any():
        rows, columns = nearest(far)
        sky = np.where(hole, sky[rows, columns], sky)
    sure, inverse = ~hole & (alpha > 0.9) & ~sky, continued(inverse, hole)
    if estimator is not None:
        told, valid = aligned(estimator.estimate(picture, camera), inverse, sure)
        inverse, sky = np.where(hole & valid, told, inverse), sky & ~(hole & valid)
    return Completed(index, np.round(picture * 255).astype(np.uint8), unknown, hole & (inverse > 0), inverse, sky)


def _words(camera: Camera, prompts: Description | None) -> tuple[str, str]:
    """Region and prompt, by where the view looks."""
    up = camera.rotation[2, 2]
    region = "sky" if up > 0.5 else "ground" if up < -0.5 else "horizon"
    if prompts is None:
        return region, ""
    first = {"sky": prompts.sky, "ground": prompts.ground, "horizon": ""}[region]
    return region, ", ".join(text for text in (first, prompts.atmosphere) if text)


def _grown(gaussians: Gaussians, camera: Camera, view: Completed, layer: Layer, centre: np.ndarray) -> Gaussians:
    """With Gaussians for the view's hole, those left out that would stand before what the centre sees."""
    if not view.hole.any():
        return gaussians
    depth = 1 / np.maximum(view.inverse, 1e-5)
    picture = view.picture.astype(np.float32) / 255
    made = gaussians_of_view(DepthView(camera, picture, depth, view.hole, view.sky), LARGEST)
    made = made[torch.from_numpy(_behind(made.means.numpy(), layer, centre))]
    made = replace(made, extra=made.extra | {"part": torch.ones(len(made))})
    return Gaussians.concatenate([gaussians, made.to(gaussians.device)])


def _behind(means: np.ndarray, layer: Layer, centre: np.ndarray) -> np.ndarray:
    """Which points [n, 3] lie behind what the centre sees in their direction, bool [n]."""
    offset = means - centre
    return np.linalg.norm(offset, axis=1) > 1.03 * _seen_distance(layer, offset)


def _seen_distance(layer: Layer, offset: np.ndarray) -> np.ndarray:
    """[n] metres from the centre to what it sees in each direction [n, 3]."""
    height, width = layer.distance.shape
    at = pixels(offset, width, height).astype(int)
    return layer.distance[np.clip(at[:, 1], 0, height - 1), at[:, 0] % width]
