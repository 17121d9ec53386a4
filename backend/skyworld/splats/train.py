"""Fitting Gaussians to pictures: one small loop; what is fitted, how fast and how long are data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.progress import Progress
from skyworld.splats import losses
from skyworld.splats.gaussians import NAMES, Gaussians
from skyworld.splats.rasterize import rasterize


@dataclass(frozen=True)
class View:
    """A picture [H, W, 3] that `camera` should see.

    weight: [H, W], how much each pixel counts, 0 for none; None for all alike.
    share:  how often the view is taken, relative to the others.
    """

    camera: Camera
    picture: Tensor
    weight: Tensor | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Schedule:
    """steps: views taken, one a step.  rates: Adam's learning rate by column; columns without a rate stay.

    The rates fall exponentially to `final` of themselves. ssim: share of 1 - SSIM in the loss, the rest is L1.
    """

    steps: int
    rates: dict[str, float] = field(
        default_factory=lambda: {"log_scales": 0.005, "quats": 0.001, "logit_opacities": 0.05, "sh": 0.0025}
    )
    final: float = 0.1
    ssim: float = 0.2
    seed: int = 0


def fit(
    gaussians: Gaussians,
    views: Sequence[View],
    schedule: Schedule,
    *,
    fixed: Gaussians | None = None,
    background: Sequence[float] = (0.0, 0.0, 0.0),
    resume: dict | None = None,
    checkpoint: Callable[[dict], None] | None = None,
    checkpoint_every: int = 100,
) -> Iterator[Progress]:
    """Yields progress after each step, its message the loss; the return value is the fitted Gaussians.

    fixed: further Gaussians, which are drawn too and stay as they are; they are not returned.
    checkpoint(state) is called every so many steps; `resume=state` goes on from there, on the CPU with the
    same bits as a run that was not interrupted. Which view a step takes depends on the step and the seed alone.
    """
    columns = {name: tensor.detach().clone() for name, tensor in gaussians.tensors()}
    start = 0
    if resume:
        start = resume["step"]
        columns.update({name: tensor.clone() for name, tensor in resume["columns"].items()})
    fitted = Gaussians(**{name: columns[name] for name in NAMES}, extra=dict(gaussians.extra))
    groups = [
        {"params": [getattr(fitted, name).requires_grad_()], "lr": rate, "rate": rate}
        for name, rate in schedule.rates.items()
        if rate > 0
    ]
    optimizer = torch.optim.Adam(groups, eps=1e-15, fused=True)
    if resume:
        optimizer.load_state_dict(resume["optimizer"])
    order = _order(views, schedule)
    for step in range(start, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * schedule.final ** (step / max(schedule.steps - 1, 1))
        view = views[order[step]]
        optimizer.zero_grad(set_to_none=True)
        loss = _loss(_with(fitted, fixed), view, schedule.ssim, background)
        loss.backward()
        optimizer.step()
        if checkpoint and (step + 1) % checkpoint_every == 0:
            kept = {name: getattr(fitted, name).detach().clone() for name in schedule.rates}
            checkpoint({"step": step + 1, "columns": kept, "optimizer": optimizer.state_dict()})
        yield Progress((step + 1) / schedule.steps, f"step {step + 1} of {schedule.steps}, loss {loss.item():.4f}")
    return fitted.detached()


def _with(fitted: Gaussians, fixed: Gaussians | None) -> Gaussians:
    return fitted if fixed is None else Gaussians.concatenate([fitted, fixed])


def _loss(gaussians: Gaussians, view: View, ssim_share: float, background: Sequence[float]) -> Tensor:
    render = rasterize(gaussians, [view.camera], background=background).colour[0]
    loss = (1 - ssim_share) * losses.l1(render, view.picture, view.weight)
    if ssim_share > 0:
        loss = loss + ssim_share * (1 - losses.ssim(render, view.picture, view.weight))
    return loss


def _order(views: Sequence[View], schedule: Schedule) -> np.ndarray:
    """Which view each step takes: every view as often as its share says, in shuffled rounds."""
    shares = np.array([view.share for view in views])
    # Always the view that is furthest behind its share; a small random head start shuffles the rounds.
    behind = np.random.default_rng(schedule.seed).random(len(views)) * 1e-3 + shares / shares.sum() * 0.5
    order = np.empty(schedule.steps, np.int64)
    for step in range(schedule.steps):
        behind += shares / shares.sum()
        order[step] = behind.argmax()
        behind[order[step]] -= 1
    return order
