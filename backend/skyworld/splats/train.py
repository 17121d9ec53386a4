"""Fitting Gaussians to pictures: one loop. What is fitted, how fast, by which losses and how long are data."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.progress import Progress
from skyworld.splats import losses, smoothing
from skyworld.splats.appearance import Appearance
from skyworld.splats.densify import Still, Strategy
from skyworld.splats.distortion import Distortion
from skyworld.splats.fitted import Fitted
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.losses import PHOTOMETRIC, Sight, Term
from skyworld.splats.rasterize import draw
from skyworld.splats.rasterize.options import Options, Standing
from skyworld.world.files import atomic_write

# Seconds between two reports, and between two pictures of the present state.
REPORT, PICTURE = 0.1, 2.0

# Learning rates of 3DGS; those of the means are in units of the scene's extent and fall a hundredfold.
RATES_3DGS = {"log_scales": 0.005, "quats": 0.001, "logit_opacities": 0.05, "sh": 0.0025}


@dataclass(frozen=True)
class View:
    """A picture [H, W, 3] that `camera` should see: float32 0 to 1, or uint8.

    picture: None for a view of which only depth or normals are known: terms that compare colours pass it over.
    weight: [H, W], how much each pixel counts, 0 for none; None for all alike.
    share:  how often the view is taken, relative to the others.
    depth:  [H, W] metres along the camera's z, not finite or 0 where it is not known.
    normal: [H, W, 3] in the world, 0, 0, 0 where it is not known.
    alpha:  [H, W] 0 to 1, how much of each pixel should be covered.
    """

    camera: Camera
    picture: Tensor | None
    weight: Tensor | None = None
    share: float = 1.0
    depth: Tensor | None = None
    normal: Tensor | None = None
    alpha: Tensor | None = None

    def smaller(self, divisor: int) -> "View":
        """At a divisor of its size: pictures and alpha by area, depth and normals by their nearest pixel."""
        if divisor == 1:
            return self
        size = (max(1, self.camera.height // divisor), max(1, self.camera.width // divisor))
        picture = None
        if self.picture is not None:
            picture = interpolate(_unit(self.picture).permute(2, 0, 1)[None], size, mode="area")[0]
            picture = picture.permute(1, 2, 0).contiguous()
        weight, alpha = (
            None if values is None else interpolate(values[None, None], size, mode="area")[0, 0]
            for values in (self.weight, self.alpha)
        )
        depth = None if self.depth is None else interpolate(self.depth[None, None], size)[0, 0]
        normal = (
            None if self.normal is None else interpolate(self.normal.permute(2, 0, 1)[None], size)[0].permute(1, 2, 0)
        )
        camera = self.camera.resized(size[1], size[0])
        return replace(self, camera=camera, picture=picture, weight=weight, depth=depth, normal=normal, alpha=alpha)


@dataclass(frozen=True)
class Schedule:
    """steps: views taken, one a step.

    rates:        Adam's learning rate by column, or (first, last), between which it falls exponentially; columns
                  without a rate stay. The higher harmonics learn at a twentieth of the rate of `sh`.
    sizes:        (until, divisor): up to this share of the steps pictures are a divisor of their size.
    sh_every:     steps after which one more band of the harmonics joins; 0 for all from the start.
    selective:    only the Gaussians that a view sees move (selective Adam).
    smooth_every: steps after which the 3D smoothing filter is measured again; 0 for no filter.
    """

    steps: int
    rates: Mapping[str, float | tuple[float, float]] = field(default_factory=lambda: dict(RATES_3DGS))
    sizes: tuple[tuple[float, int], ...] = ()
    sh_every: int = 0
    selective: bool = False
    smooth_every: int = 0
    seed: int = 0

    def rates_by_step(self) -> dict[str, np.ndarray]:
        """Of every column, [steps]."""
        gone = np.arange(self.steps) / max(self.steps - 1, 1)
        pairs = {name: rate if isinstance(rate, tuple) else (rate, rate) for name, rate in self.rates.items()}
        return {name: first * (last / first) ** gone for name, (first, last) in pairs.items()}

    def divisor_at(self, step: int) -> int:
        return next((divisor for until, divisor in self.sizes if step < until * self.steps), 1)


def fit(
    gaussians: Gaussians,
    views: Sequence[View],
    schedule: Schedule,
    *,
    terms: Sequence[Term] = PHOTOMETRIC,
    strategy: Strategy = Still(),  # noqa: B008, frozen
    appearance: Appearance | None = None,
    distortion: Distortion | None = None,
    fixed: Gaussians | None = None,
    background: Sequence[float] | str = (0.0, 0.0, 0.0),
    drawing: Mapping[str, object] | None = None,
    resume: dict | None = None,
    checkpoint: Callable[[dict], None] | None = None,
    checkpoint_every: int = 100,
    judge: Callable[[Gaussians], bool] | None = None,
    preview: Path | None = None,
    record: bool = True,
    team: tuple[int, int] = (0, 1),
) -> Iterator[Progress]:
    """Yields progress about ten times a second; the return value is the fitted Gaussians.

    appearance, distortion: trained along, in place; picture i of theirs is views[i].
    fixed:      further Gaussians, which are drawn too and stay as they are; they are not returned.
    background: a colour, or "random" for another one in each step (nothing then hides in it).
    drawing:    further options of every render: `antialiased`, `eps2d`, `surfels`.
    preview:    a JPEG that is written every few seconds: what the last view shows beside what it should show.
    record:     on CUDA, replay steps as a graph where nothing forbids it (see `skyworld.splats.replay`).
    team:       which one of how many processes this is; see `skyworld.splats.parallel`.
    checkpoint(state) is called every so many steps; `resume=state` goes on from there, on the CPU with the
    same bits as a run that was not interrupted. Which view a step takes depends on the step and the seed alone.

    judge(gaussians), called at the same steps with the Gaussians as they stand, ends the fit by saying True.

    With a 3D smoothing filter the result has the column `filter_3d`; `smoothing.folded` puts it in.
    Raises UserError where no Gaussian is left or the loss is not finite.
    """
    device = gaussians.device
    fitted = Fitted(gaussians, schedule.rates)
    rank, count = team
    if count > 1:
        from skyworld.splats.parallel import draw_together as drawer
    else:
        drawer = draw
    random = torch.Generator(device).manual_seed(schedule.seed + rank)
    modules = [module for module in (appearance, distortion) if module is not None]
    optimizers = [torch.optim.Adam(module.to(device).groups(), eps=1e-15) for module in modules]
    memory, widths, start = {}, None, 0
    if resume:
        start, memory = resume["step"], {name: tensor.to(device) for name, tensor in resume["memory"].items()}
        fitted.restore(resume["fitted"])
        random.set_state(resume["random"])
        for part, state in zip([*modules, *optimizers], resume["modules"], strict=True):
            part.load_state_dict(state)
        widths = resume["widths"]
    order, clock = _order(views, schedule.steps * count, schedule.seed), _Clock()
    paper = _paper(background, device)
    smaller = cache(lambda index, divisor: views[index].smaller(divisor))
    cameras = [view.camera for view in views]

    def advance(view: View, standing: Standing | None, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draws, compares, goes back and lets Adam move the columns. Loss, render and picture, without history."""
        drawn = _lit(fitted.gaussians, widths, appearance if view.picture is not None else None, index)
        here = replace(options, standing=standing)
        sight, footprints, cost = _sight(drawer, drawn, fixed, view, here, paper, distortion, index)
        loss = losses.total(active, sight) + cost
        loss.backward()
        strategy.after_backward(fitted, memory, footprints, (view.camera.width, view.camera.height), step)
        fitted.step(numbers, (footprints.radii > 0).any(0) if schedule.selective else None)
        return loss.detach(), sight.colour.detach(), sight.picture

    rates = schedule.rates_by_step()
    numbers, pace = fitted.numbers(rates), rates.get("means", np.zeros(schedule.steps))
    replay = None
    if record and device.type == "cuda" and count == 1 and appearance is None and find_spec("triton"):
        from skyworld.splats.replay import Replay

        replay = Replay(advance)
    for step in range(start, schedule.steps):
        if schedule.smooth_every and (widths is None or step % schedule.smooth_every == 0):
            widths = smoothing.widths(fitted.values("means"), cameras)
        index = int(order[step * count + rank])
        view = smaller(index, schedule.divisor_at(step))
        active = [
            (term, weight)
            for term in terms
            if (weight := term.weight_at(step, schedule.steps)) and losses.applies(term, view)
        ]
        degree = min(step // schedule.sh_every, 3) if schedule.sh_every else 3
        options = Options(
            sh_degree=min(degree, gaussians.sh_degree),
            footprints=schedule.selective or strategy.wants_footprints(step),
            depth=any(term.name in losses.NEEDS_DEPTH for term, _ in active),
            normals=any(term.name in losses.NEEDS_NORMAL for term, _ in active),
            **(drawing or {}),
        )
        if background == "random":
            torch.rand(3, generator=random, out=paper)  # in its place, where a recorded step finds it
        straight = distortion is None or index in distortion.frozen
        if replay and straight and not (options.depth or options.normals or widths is not None):
            weights = tuple(weight for _, weight in active)
            size = (view.camera.width, view.camera.height)
            kind = (size, view.camera.model, view.weight is None, view.alpha is None)
            key = (fitted.changes, kind, options.sh_degree, options.footprints, weights, background)
            loss, *pair = replay(key, view, numbers[step])
        else:
            loss, *pair = advance(view, None, numbers[step])
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if strategy.after_step(fitted, memory, step, float(pace[step]), random):
            if not len(fitted):
                raise UserError(f"no Gaussian was left after step {step + 1}", hint="Check the cameras of the pictures")
            widths = None
        if checkpoint and (step + 1) % checkpoint_every == 0:
            checkpoint(_state(step + 1, fitted, memory, random, [*modules, *optimizers], widths))
        last = step + 1 == schedule.steps
        if judge and (step + 1) % checkpoint_every == 0:
            last |= judge(_result(fitted, widths))
        if clock.reports(last):
            if not torch.isfinite(loss):
                raise UserError(f"the loss is not finite at step {step + 1}", hint="Lower the learning rates")
            if preview and clock.pictures(last):
                _write_preview(preview, pair)
            told = f"step {step + 1:,} of {schedule.steps:,}, loss {loss.item():.4f}, {len(fitted):,} Gaussians"
            if device.type == "cuda":
                told += f", {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB of VRAM"
            share = 1.0 if last else (step + 1) / schedule.steps
            yield Progress(share, told, preview if preview and preview.exists() else None)
        if last:
            break
    return _result(fitted, smoothing.widths(fitted.values("means"), cameras) if schedule.smooth_every else None)


def _result(fitted: Fitted, widths: Tensor | None) -> Gaussians:
    """As they stand, without history, and with the column of the filter where there is one."""
    result = fitted.gaussians.detached()
    return result if widths is None else replace(result, extra=result.extra | {smoothing.COLUMN: widths})


def _paper(background: Sequence[float] | str, device: torch.device) -> Tensor | None:
    """What lies behind the Gaussians, [3]; None for black."""
    if background == "random":
        return torch.zeros(3, device=device)
    return torch.tensor(background, device=device) if any(background) else None


def _lit(gaussians: Gaussians, widths: Tensor | None, appearance: Appearance | None, index: int) -> Gaussians:
    """As they are drawn for one view: filtered, and in its light."""
    if widths is not None:
        gaussians = smoothing.filtered(gaussians, widths)
    return gaussians if appearance is None else appearance(gaussians, index)


def _sight(drawer, gaussians, fixed, view: View, options: Options, paper, distortion, index):
    """What the terms look at, the footprints of the fitted Gaussians, and what the distortion costs."""
    whole = gaussians if fixed is None else Gaussians.concatenate([gaussians, fixed])
    image, alpha, footprints = drawer(whole, [view.camera], options)
    image, alpha, cost = image[0], alpha[0], 0.0
    if footprints is not None and fixed is not None:
        footprints = footprints.first(len(gaussians))
    colour = image[..., :3]
    if paper is not None:
        colour = colour + (1 - alpha)[..., None] * paper
    if distortion is not None:
        colour, cost = distortion(colour, index)
    depth = image[..., 3] / alpha.clamp_min(1e-6) if image.shape[-1] > 3 else None
    normal = image[..., 4:7] if options.normals else None
    picture = None if view.picture is None else _unit(view.picture)
    targets = (view.depth, view.normal, view.alpha)
    sight = Sight(gaussians, colour, alpha, picture, view.weight, depth, normal, *targets)
    return sight, footprints, cost


def _state(step: int, fitted: Fitted, memory: dict, random: torch.Generator, parts: list, widths) -> dict:
    return {
        "step": step,
        "fitted": fitted.state(),
        "memory": {name: tensor.clone() for name, tensor in memory.items()},
        "random": random.get_state(),
        "modules": [part.state_dict() for part in parts],
        "widths": widths,
    }


def _unit(picture: Tensor) -> Tensor:
    """float32 0 to 1."""
    return picture.float() / 255 if picture.dtype == torch.uint8 else picture


def _write_preview(path: Path, pair: Sequence[Tensor]) -> None:
    beside = torch.cat([picture for picture in pair if picture is not None], 1).clamp(0, 1)
    with atomic_write(path) as temporary:
        Image.fromarray((beside * 255).byte().cpu().numpy()).save(temporary, "JPEG", quality=88)


class _Clock:
    """Says when it is time for a report or a picture; always at the end."""

    def __init__(self):
        self.reported, self.pictured = 0.0, 0.0

    def reports(self, last: bool) -> bool:
        now = time.monotonic()
        due = last or now - self.reported >= REPORT
        self.reported = now if due else self.reported
        return due

    def pictures(self, last: bool) -> bool:
        now = time.monotonic()
        due = last or now - self.pictured >= PICTURE
        self.pictured = now if due else self.pictured
        return due


def _order(views: Sequence[View], steps: int, seed: int) -> np.ndarray:
    """Which view each step takes: every view as often as its share says, in rounds shuffled anew."""
    shares = np.array([view.share for view in views])
    shares = shares / shares.sum()
    random, behind = np.random.default_rng(seed), shares * 0.5
    order = np.empty(steps, np.int64)
    for step in range(steps):
        if step % len(views) == 0:
            lots = random.random(len(views)) * 1e-3
        # Always the view that is furthest behind its share; lots decide between equals.
        behind += shares
        order[step] = (behind + lots).argmax()
        behind[order[step]] -= 1
    return order
