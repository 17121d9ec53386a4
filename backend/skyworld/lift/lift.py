"""Panorama and distance -> Gaussians that a camera may walk among.

1. one Gaussian for each pixel of the panorama (fewer where it is even), more for the photograph's own pixels;
2. what stands behind things, as far as the cube of `cube` metres around the centre uncovers it;
3. views from the cube's faces and corners: what is still open there is closed;
4. a short optimisation of what the centre sees against photograph and panorama.

Quality `full` is the Recipe's (arXiv 2503.16611): in place of 2. an inpainter completes views from around, and 4. is a
fit of everything to them and to the panorama.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from skyworld.camera import Camera, resample_view, turned
from skyworld.lift.around import candidates, complete_around
from skyworld.lift.disocclusion import hidden_layer
from skyworld.lift.holes import close_holes, shell
from skyworld.lift.init import gaussians_of_view
from skyworld.lift.points import FACES, MARGIN, DepthView, Layer, depth_view, face_camera, fringe
from skyworld.lift.reconstruction import reconstructed
from skyworld.models.builtin.completion import BuiltinCompletion
from skyworld.models.roles import DepthEstimator, Description, Inpainter, Photograph
from skyworld.progress import Progress
from skyworld.splats import Gaussians
from skyworld.splats.coverage import coverage, within_evidence
from skyworld.splats.device import pick_device
from skyworld.splats.train import Schedule, View, fit


@dataclass(frozen=True)
class Quality:
    """How fine the Gaussians are.

    panorama, hidden: width in pixels at which the panorama and what lies behind things are lifted (at most
    the panorama's own).  photograph: width at which the photograph is.  picture: width of the photograph's
    picture in the optimisation.  steps: of it, on the CPU and on CUDA.  completed: width of the views from around
    that are completed and fitted to; 0 for none.
    """

    panorama: int
    hidden: int
    photograph: int
    picture: int
    steps: tuple[int, int]
    completed: int = 0


QUALITIES = {
    "draft": Quality(1024, 512, 512, 384, (24, 200)),
    "standard": Quality(2048, 1024, 768, 512, (48, 600)),
    "high": Quality(4096, 2048, 1536, 1024, (150, 2000)),
    "full": Quality(4096, 2048, 1536, 1024, (5000, 5000), completed=1024),
}
# How often what stands behind things is taken away in turn.
LAYERS = 2
# What stands behind things is set back by this factor, the sky by the second: Gaussians are sorted by the
# depth of their means, and a wide one beside the picture's centre would come before what it lies behind.
SET_BACK, SKY_SET_BACK = 1.02, 1.06
# Learning rates of the optimisation.
RATES = {"sh": (0.1, 0.01), "logit_opacities": (0.1, 0.01), "log_scales": (0.02, 0.002)}
# Yaw and pitch in degrees of the panorama's views, 75 degrees wide. A few steps have time for a few views; many would
# spoil the Gaussians along the gaps between those, which show in one corner of one view only.
RING = [(yaw, 0) for yaw in range(0, 360, 60)] + [(0, 80), (0, -80)]
CLOSED_RING = [(yaw, 0) for yaw in range(0, 360, 45)]
CLOSED_RING += [(yaw, pitch) for pitch in (50, -50) for yaw in range(0, 360, 90)] + [(0, 85), (0, -85)]
FEW_STEPS = 150
# More steps are smaller, to this share at least: Adam walks at its full rate along what the pictures hardly tell, and
# over 2,000 full ones splats grow until they cover the world.
GENTLE = 0.1
# Blocks of pixels that one Gaussian may stand for in even regions.
LARGEST = 8


def lift(
    panorama: np.ndarray,
    distance: np.ndarray,
    sky: np.ndarray | None,
    photograph: Photograph | None,
    *,
    eye_height: float,
    quality: str,
    cube: float,
    device: str,
    seed: int,
    scratch: Path | None,
    inpainter: Inpainter | None = None,
    estimator: DepthEstimator | None = None,
    prompts: Description | None = None,
    rest: Callable[[], None] = lambda: None,
) -> Iterator[Progress]:
    """Yields progress; the return value is the Gaussians, in the world frame, on the CPU.

    panorama: [H, W, 3], 0 to 1.  distance: [H, W] metres along the ray.  sky: [H, W] bool.  cube: edge in metres.
    scratch:  folder in which a job that was stopped finds what it had done, or None.
    inpainter, estimator, prompts: of the views that quality `full` completes; without an inpainter, or with one that
    knows whole panoramas only, the built-in completion; without an estimator, depth is that of what lies around.
    rest: called when the models are not asked any more, before the GPU is needed for the fit.
    """
    level = QUALITIES[quality]
    where = pick_device(device)
    position = np.array([0.0, 0.0, eye_height])
    sky = np.zeros(distance.shape, bool) if sky is None else sky
    whole = Layer(panorama, distance.astype(np.float32), np.ones(distance.shape, bool), sky)
    reach = np.sqrt(3) / 2 * cube
    visible, fixed = yield from _share(0.0, 0.2, _visible(_within(whole, level.panorama), photograph, position, level))
    if level.completed:
        models = (inpainter, estimator, prompts, rest)
        making = _recipe(visible, fixed, whole, photograph, position, level, cube, where, seed, scratch, models)
        gaussians = yield from _share(0.2, 1.0, making)
    else:
        rest()
        hidden = yield from _share(0.2, 0.3, _hidden(_within(whole, level.hidden), position, reach, eye_height))
        ring = RING if level.steps[where.type == "cuda"] <= FEW_STEPS else CLOSED_RING
        targets = _targets(whole, photograph, position, level, ring)
        everything = Gaussians.concatenate([visible, *fixed, *hidden]).to(where)
        found = yield from _share(0.3, 0.45, close_holes(everything, whole, position, cube))
        behind = Gaussians.concatenate([*fixed, *hidden, *found, shell(whole, position, reach)]).to(where)
        visible = yield from _share(0.45, 1.0, _optimised(visible.to(where), behind, targets, level, seed))
        gaussians = Gaussians.concatenate([visible, behind]).to("cpu")
    yield Progress(1.0, f"{len(gaussians):,} Gaussians")
    return replace(gaussians, extra={})


def _recipe(
    visible, fixed, layer, photograph, position, level, cube, where, seed, scratch, models
) -> Iterator[Progress]:
    """Completes the views from around and fits everything to them and to the panorama; returns all Gaussians."""
    inpainter, estimator, prompts, rest = models
    if inpainter is None or inpainter.schedule == "whole":
        inpainter = BuiltinCompletion()
    if photograph is not None:
        inpainter.begin(photograph)
    start = Gaussians.concatenate([visible, *fixed])
    part = torch.where(torch.arange(len(start)) < len(visible), 0.0, 2.0)
    start = replace(start, extra=start.extra | {"part": part}).to(where)
    cameras = candidates(layer, position, cube, level.completed)
    around = complete_around(
        start, layer, cameras, position, inpainter, estimator=estimator, prompts=prompts, seed=seed, kept=scratch
    )
    start, completed = yield from _share(0.0, 0.35, around)
    rest()
    found = yield from _share(0.35, 0.4, close_holes(start, layer, position, cube))
    # Densification cannot tell the parts apart: they go their own ways from here.
    part, reach = start.extra["part"], np.sqrt(3) / 2 * cube
    start = replace(start, extra={})
    fitting = reconstructed(
        start[part == 0],
        Gaussians.concatenate([start[part == 1], *(new.to(where) for new in found)]),
        Gaussians.concatenate([start[part == 2], shell(layer, position, reach).to(where)]),
        _targets(layer, photograph, position, level, CLOSED_RING),
        completed,
        cameras,
        steps=level.steps[where.type == "cuda"],
        extent=1.1 * reach,
        seed=seed,
        kept=scratch,
    )
    return (yield from _share(0.4, 1.0, fitting)).to("cpu")


def _share(start: float, end: float, reports: Iterator[Progress]) -> Iterator[Progress]:
    """Passes reports on as a part of the whole; returns what they return."""
    while True:
        try:
            report = next(reports)
        except StopIteration as finished:
            return finished.value
        yield replace(report, fraction=start + (end - start) * report.fraction)


def _within(layer: Layer, width: int) -> Layer:
    """The layer at most `width` px wide; distance and sky keep values that are there: no blend across an edge."""
    step = layer.distance.shape[1] // width
    if step < 2:
        return layer
    size = (layer.distance.shape[1] // step, layer.distance.shape[0] // step)

    def nearest(array):
        return np.ascontiguousarray(array[step // 2 :: step, step // 2 :: step][: size[1], : size[0]])

    picture = cv2.resize(layer.picture, size, interpolation=cv2.INTER_AREA)
    return Layer(picture, nearest(layer.distance), nearest(layer.mask), nearest(layer.sky))


def _visible(layer: Layer, photograph: Photograph | None, position: np.ndarray, level: Quality) -> Iterator[Progress]:
    """What the centre sees: the photograph's pixels where it is, the panorama's everywhere else.

    A generator that returns the Gaussians to optimise, and those of the sky's fringe, which no picture shows right.
    """
    parts, fixed = [], []

    def add(view: DepthView) -> None:
        wrong, picture = fringe(view.picture, view.sky)
        parts.append(gaussians_of_view(replace(view, picture=picture, mask=view.mask & ~wrong), LARGEST))
        if (view.mask & wrong).any():
            fixed.append(gaussians_of_view(replace(view, picture=picture, mask=view.mask & wrong), LARGEST))

    if photograph is not None:
        camera = photograph.camera.resized(min(level.photograph, photograph.camera.width))
        picture = cv2.resize(photograph.picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        add(replace(depth_view(layer, camera), picture=picture))
        yield Progress(0.2, f"{len(parts[0]):,} Gaussians from the photograph")
    size = round(layer.distance.shape[1] / np.pi)
    for index, (yaw, pitch) in enumerate(FACES):
        view = depth_view(layer, face_camera(position, yaw, pitch, size, MARGIN), MARGIN)
        if photograph is not None:
            view = replace(view, mask=view.mask & ~_inside(view.camera.rays(), photograph.camera))
        add(view)
        yield Progress(0.2 + 0.8 * (index + 1) / len(FACES), f"{sum(map(len, parts)):,} Gaussians")
    return Gaussians.concatenate(parts), fixed


def _inside(rays: np.ndarray, camera: Camera) -> np.ndarray:
    """Which rays [..., 3] the camera sees, a hair within its border."""
    at, depth = camera.project(camera.position + rays)
    border = 0.001 * camera.width
    inside = (at > border) & (at < np.array([camera.width, camera.height]) - border)
    return (depth > 0) & inside.all(-1)


def _hidden(layer: Layer, position: np.ndarray, reach: float, eye_height: float) -> Iterator[Progress]:
    """What stands behind what the centre sees, layer by layer."""
    parts = []
    size = round(layer.distance.shape[1] / np.pi)
    for index in range(LAYERS):
        behind = hidden_layer(layer, reach, eye_height)
        for yaw, pitch in FACES:
            # A little farther still: where it meets what the centre sees, that comes first.
            view = depth_view(behind, face_camera(position, yaw, pitch, size, MARGIN), MARGIN)
            if view.mask.any():
                farther = view.depth * np.where(view.sky, np.float32(SKY_SET_BACK), np.float32(SET_BACK))
                parts.append(gaussians_of_view(replace(view, depth=farther), LARGEST // 2))
            yield Progress(index / LAYERS, f"{sum(map(len, parts)):,} Gaussians behind things")
        layer = replace(behind, mask=np.ones_like(behind.mask))
    return parts


def _targets(layer: Layer, photograph: Photograph | None, position: np.ndarray, level: Quality, ring) -> list[View]:
    """Pictures that the centre's Gaussians must show: the photograph, and a ring of views of the panorama.

    The sky's fringe is left out: the far shell shall not learn the leaves in front of it.
    """
    views = []
    size = level.completed or level.picture * 3 // 4
    for yaw, pitch in ring:
        camera = Camera.pinhole(turned(position, np.radians(yaw), np.radians(pitch)), np.radians(75), size, size)
        wide = camera.resized(2 * size)
        picture = cv2.resize(resample_view(layer.picture, wide), (size, size), interpolation=cv2.INTER_AREA)
        weight = _without_fringe(layer, camera, picture)
        if photograph is not None:
            weight[_inside(camera.rays(), photograph.camera)] = 0
        views.append(View(camera, torch.from_numpy(picture), torch.from_numpy(weight)))
    if photograph is not None:
        # Fitted at one size only, Gaussians smaller than its pixels look wrong from where pixels are larger.
        widths = sorted({512, level.picture} if level.picture > 512 else {level.picture})
        for width in widths:
            camera = photograph.camera.resized(width)
            picture = cv2.resize(photograph.picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
            weight = _without_fringe(layer, camera, picture)
            share = 4.0 / len(widths)
            views.append(View(camera, torch.from_numpy(picture), torch.from_numpy(weight), share=share))
    return [view for view in views if view.weight.mean() > 0.05]


def _without_fringe(layer: Layer, camera: Camera, picture: np.ndarray) -> np.ndarray:
    """[h, w] float32, 0 in the sky's fringe, else 1."""
    sky = resample_view(layer.sky.astype(np.uint8), camera, cv2.INTER_NEAREST) > 0
    return 1 - fringe(picture, sky)[0].astype(np.float32)


def _optimised(
    gaussians: Gaussians, behind: Gaussians, views: list[View], level: Quality, seed: int
) -> Iterator[Progress]:
    """The same Gaussians in better colours, opacities and sizes, before what is behind them; their places stay."""
    device = gaussians.device
    there = [
        replace(
            view,
            picture=view.picture.to(device),
            weight=view.weight.to(device),
        )
        for view in views
    ]
    steps = level.steps[device.type == "cuda"]
    gentle = max(min(1, FEW_STEPS / steps), GENTLE)
    rates = {name: (gentle * first, gentle * last) for name, (first, last) in RATES.items()}
    schedule = Schedule(steps, rates, seed=seed)
    fitted = yield from fit(gaussians, there, schedule, fixed=behind)
    return within_evidence(gaussians, fitted, coverage(fitted, there, behind))
