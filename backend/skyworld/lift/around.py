"""Views from around the centre, completed by an inpainter (Recipe, arXiv 2503.16611, section 3.2).

Of 14 positions x 14 rotations those views are completed that show enough of what the centre never saw, the one
that shows most of it first. What is guessed to stand there (`hidden_layer`) is what the inpainter begins with;
where nothing is, or where a depth model disagrees, new Gaussians are made from the completed view. Then that place
counts as seen, and all views are measured against it: each is a picture that the fit may hold the world to.
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
from skyworld.models.roles import DepthEstimator, Description, Inpainter, InpaintView
from skyworld.progress import Progress
from skyworld.splats import Gaussians, rasterize
from skyworld.splats.spherical_harmonics import C0
from skyworld.world.files import atomic_write

# Yaw and pitch in degrees: 8 along the horizon, 3 up, 3 down; fields of view of 90 degrees.
ROTATIONS = [(45 * k, 0) for k in range(8)] + [(120 * k, pitch) for pitch in (55, -55) for k in range(3)]
# A pixel shows something new where less than this of it is of what has been seen.
NEW = 0.5
# Least share of a view that must be new; cracks narrower than 3 px of a coarse picture do not count.
LEAST, COARSE = 0.01, 128
# How much of the rendered guess an inpainter may change, of its denoising (Recipe, section 3.2).
STRENGTH = 0.9
# What a depth model must deviate by from the guess to be believed; what is as far as the front pixel in its picture.
DEVIATION, FRONT = 1.1, 0.08
BATCH = 4
LARGEST = 8


@dataclass(frozen=True)
class Completed:
    """A view as the inpainter left it.

    index: which candidate.  picture: [h, w, 3] uint8.  filled: [h, w] bool, what it was asked for.
    replaced: bool, where new Gaussians are made.  inverse: float32 1 / depth, per metre.  sky: bool.
    """

    index: int
    picture: np.ndarray
    filled: np.ndarray
    replaced: np.ndarray
    inverse: np.ndarray
    sky: np.ndarray

    def write(self, path: Path) -> None:
        masks = np.stack([self.filled, self.replaced, self.sky])
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

    gaussians: with the columns `sky`, `seen`, 1 for what the centre sees, 0 for what is guessed behind it, and
               `part`, 1 for all that is behind; those that are added are seen.
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
        shares = new_shares(gaussians, [cameras[index] for index in batch])
        waiting += [(-share, index) for share, index in zip(shares, batch, strict=True) if share >= LEAST]
        yield Progress(0.3 * batch[-1] / len(cameras), f"looking around from {len(cameras)} views")
    heapq.heapify(waiting)
    hoped = len(waiting)
    while waiting:
        _, index = heapq.heappop(waiting)
        # Other views have filled some of what this one showed: measured again, it may not be the best any more.
        share = new_shares(gaussians, [cameras[index]])[0]
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
def new_shares(gaussians: Gaussians, cameras: Sequence[Camera]) -> list[float]:
    """Share of each view that shows what has not been seen yet, or nothing."""
    coarse = [camera.resized(COARSE) for camera in cameras]
    seen = rasterize(gaussians, coarse, colours=_flags(gaussians)).colour[..., 0]
    new = (seen < NEW).float()[:, None]
    return (-torch.nn.functional.max_pool2d(-new, 3, 1)).mean((1, 2, 3)).tolist()


def _flags(gaussians: Gaussians) -> torch.Tensor:
    """[N, 3] to be drawn as colours: seen, sky, nothing."""
    seen, sky = gaussians.extra["seen"], gaussians.extra["sky"]
    return torch.stack([seen, sky, torch.zeros_like(sky)], 1)


@torch.no_grad()
def _completed(gaussians, camera: Camera, index: int, inpainter, estimator, prompts, seed: int) -> Completed:
    """What the inpainter makes of the view, and how far away that is."""
    render = rasterize(gaussians, [camera])
    alpha, depth = render.alpha[0].cpu().numpy(), render.depth[0].cpu().numpy()
    seen, sky, _ = np.moveaxis(rasterize(gaussians, [camera], colours=_flags(gaussians)).colour[0].cpu().numpy(), -1, 0)
    guess = (alpha >= NEW) & (depth > 0)
    picture = np.clip(render.colour[0].cpu().numpy() / np.maximum(alpha, 1e-6)[..., None], 0, 1)
    window = np.ones((3, 3), np.uint8)
    new = cv2.morphologyEx((seen < NEW).astype(np.uint8), cv2.MORPH_OPEN, window)
    unknown = cv2.dilate(new, window) > 0
    asked = InpaintView(
        picture,
        unknown,
        camera,
        *_words(camera, prompts),
        seed=seed,
        negative=prompts.negative if prompts else "",
        strength=STRENGTH,
        depth=np.where(guess, depth, 0).astype(np.float32),
    )
    answer = inpainter.inpaint(asked)
    if not np.isfinite(answer).all():
        raise UserError(f"{inpainter.provenance.name} gave colours that are not finite", hint="Try another precision")
    picture = np.where(unknown[..., None], np.clip(answer, 0, 1), picture)
    inverse = np.where(guess, 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    hole = ~guess
    far = far_side(inverse, hole)
    sky = sky > NEW * np.maximum(alpha, 1e-6)
    if far.any() and hole.any():
        rows, columns = nearest(far)
        sky = np.where(hole, sky[rows, columns], sky)
        inverse = np.where(hole, continued(inverse, hole), inverse)
    replaced = unknown & hole & (inverse > 0)
    if estimator is not None:
        told, valid = aligned(estimator.estimate(picture, camera), inverse, (seen > 0.9) & (alpha > 0.9) & ~sky)
        other = np.abs(np.log(np.maximum(told, 1e-6) / np.maximum(inverse, 1e-6))) > np.log(DEVIATION)
        wrong = unknown & valid & (hole | other)
        inverse, sky, replaced = np.where(wrong, told, inverse), sky & ~wrong, replaced | wrong
    eight = np.round(picture * 255).astype(np.uint8)
    return Completed(index, eight, unknown, replaced, inverse.astype(np.float32), sky)


def _words(camera: Camera, prompts: Description | None) -> tuple[str, str]:
    """Region and prompt, by where the view looks."""
    up = camera.rotation[2, 2]
    region = "sky" if up > 0.5 else "ground" if up < -0.5 else "horizon"
    if prompts is None:
        return region, ""
    first = {"sky": prompts.sky, "ground": prompts.ground, "horizon": ""}[region]
    return region, ", ".join(text for text in (first, prompts.atmosphere) if text)


@torch.no_grad()
def _grown(gaussians: Gaussians, camera: Camera, view: Completed, layer: Layer, centre: np.ndarray) -> Gaussians:
    """The Gaussians with the view in them: guesses get its colours, or give way to new Gaussians."""
    device = gaussians.device
    picture = torch.from_numpy(view.picture).to(device).float() / 255
    inverse = torch.from_numpy(view.inverse).to(device)
    filled, replaced = (torch.from_numpy(mask).to(device) for mask in (view.filled, view.replaced))
    rows, at = _in_front(gaussians, camera, inverse, filled)
    # The difference to what is rendered now, not the colour itself: what is finer than the view's pixels stays.
    render = rasterize(gaussians, [camera])
    shown = render.colour[0] / render.alpha[0].clamp_min(1e-6)[..., None]
    change = (picture - shown)[at]
    change = torch.where(change.abs() > 1.5 / 255, change, 0.0)
    sh, seen = gaussians.sh.clone(), gaussians.extra["seen"].clone()
    sh[rows, 0] += change / C0
    seen[rows] = 1
    gaussians = replace(gaussians, sh=sh, extra=gaussians.extra | {"seen": seen})
    gone = torch.zeros(len(gaussians), dtype=torch.bool, device=device)
    gone[rows[replaced[at]]] = True
    parts = [gaussians[~gone]]
    if view.replaced.any():
        depth = 1 / np.maximum(view.inverse, 1e-5)
        made = gaussians_of_view(
            DepthView(camera, view.picture.astype(np.float32) / 255, depth, view.replaced, view.sky), LARGEST
        )
        made = made[torch.from_numpy(_behind(made.means.numpy(), layer, centre))]
        ones = torch.ones(len(made))
        parts.append(replace(made, extra=made.extra | {"seen": ones, "part": ones}).to(device))
    return Gaussians.concatenate(parts)


def _in_front(gaussians: Gaussians, camera: Camera, inverse: torch.Tensor, mask: torch.Tensor):
    """Rows of the guesses that the view shows within `mask`, and their pixels (row, column)."""
    guesses = (gaussians.extra["seen"] < 0.5).nonzero()[:, 0]
    device = gaussians.device
    rotation = torch.from_numpy(camera.rotation.astype(np.float32)).to(device)
    position = torch.from_numpy(camera.position.astype(np.float32)).to(device)
    x, y, z = ((gaussians.means[guesses] - position) @ rotation).unbind(1)
    near = z.clamp_min(1e-3)
    column = (x / near * float(camera.K[0, 0]) + float(camera.K[0, 2])).floor().long()
    row = (y / near * float(camera.K[1, 1]) + float(camera.K[1, 2])).floor().long()
    inside = (z > 1e-3) & (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    at = row.clamp(0, camera.height - 1), column.clamp(0, camera.width - 1)
    shown = inside & mask[at] & ((z * inverse[at] - 1).abs() < FRONT)
    return guesses[shown], (at[0][shown], at[1][shown])


def _behind(means: np.ndarray, layer: Layer, centre: np.ndarray) -> np.ndarray:
    """Which points [n, 3] lie behind what the centre sees in their direction, bool [n]."""
    offset = means - centre
    return np.linalg.norm(offset, axis=1) > 1.03 * _seen_distance(layer, offset)


def _seen_distance(layer: Layer, offset: np.ndarray) -> np.ndarray:
    """[n] metres from the centre to what it sees in each direction [n, 3]."""
    height, width = layer.distance.shape
    at = pixels(offset, width, height).astype(int)
    return layer.distance[np.clip(at[:, 1], 0, height - 1), at[:, 0] % width]
