"""Where Gaussians come from and where they go while they are fitted: strategies, small and apart from the loop.

A strategy is a frozen dataclass of numbers with two hooks, which the loop calls in each step. What it remembers
between steps is a dict of tensors that the loop keeps for it (and puts into checkpoints); `after_backward` changes
them in place, for it may be part of a recorded step. The operations,
`split`, `duplicate`, `relocate` and so on, know nothing of schedules.
"""

import math
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from skyworld.splats.fitted import Fitted
from skyworld.splats.gaussians import rotation_matrices
from skyworld.splats.rasterize.options import Footprints


class Strategy(Protocol):
    def wants_footprints(self, step: int) -> bool: ...

    def after_backward(self, fitted: Fitted, memory: dict, drawn: Footprints | None, size, step: int) -> None: ...

    def after_step(self, fitted: Fitted, memory: dict, step: int, rate: float, random: torch.Generator) -> bool:
        """Whether rows came or went. rate: the present learning rate of the means."""

    def scaled(self, factor: float) -> "Strategy":
        """The same for a run `factor` times as long."""


@dataclass(frozen=True)
class Still:
    """No Gaussian comes or goes."""

    def wants_footprints(self, step: int) -> bool:
        return False

    def after_backward(self, fitted, memory, drawn, size, step) -> None:
        pass

    def after_step(self, fitted, memory, step, rate, random) -> bool:
        return False

    def scaled(self, factor: float) -> "Still":
        return self


@dataclass(frozen=True)
class GradientRule:
    """Clones and splits where the picture pulls hard (3DGS), the threshold matched to absolute gradients (GOF).

    Selected are the Gaussians whose mean gradient reaches `threshold`, and as large a share again of those
    with the largest mean absolute gradient: as Mip-Splatting, GOF (arXiv 2404.10772) and Skyfall-GS do.

    extent:       metres; sizes below are relative to it.
    threshold:    of the gradient in normalised device coordinates (px x half the picture's size).
    clone_below:  of the longest axis / extent: smaller ones are cloned, larger ones split.
    too_large:    of the longest axis / extent: removed.  too_wide: px in the picture: removed; 0 for never.
    faint:        opacity below which a Gaussian is removed.
    reset_every:  steps after which all opacities fall to at most twice `faint`; 0 for never.
    cap:          no more Gaussians than that: the strongest gradients first.
    absolute:     whether the absolute gradient's share is selected too.
    """

    extent: float
    threshold: float = 2e-4
    begin: int = 500
    end: int = 15_000
    every: int = 100
    reset_every: int = 3000
    clone_below: float = 0.01
    too_large: float = 0.1
    too_wide: float = 0.0
    faint: float = 0.005
    cap: int = 10_000_000
    absolute: bool = True

    def wants_footprints(self, step: int) -> bool:
        return step < self.end

    def scaled(self, factor: float) -> "GradientRule":
        steps = {name: round(getattr(self, name) * factor) for name in ("begin", "end", "reset_every")}
        return replace(self, **steps)

    @torch.no_grad()
    def after_backward(self, fitted, memory, drawn, size, step) -> None:
        if drawn is None:
            return
        if not memory:
            for name in ("gradient", "absolute", "count", "radius"):
                memory[name] = fitted.values("means").new_zeros(len(fitted))
        seen = drawn.radii > 0
        width, height = (0.5 * len(seen) * each for each in size)
        for name, pull in (("gradient", drawn.gradient), ("absolute", drawn.absolute)):
            memory[name] += (torch.hypot(pull[..., 0] * width, pull[..., 1] * height) * seen).sum(0)
        memory["count"] += seen.sum(0)
        memory["radius"].copy_(torch.maximum(memory["radius"], drawn.radii.max(0).values))

    @torch.no_grad()
    def after_step(self, fitted, memory, step, rate, random) -> bool:
        done = step + 1
        changed = False
        if self.begin < done < self.end and done % self.every == 0:
            self._grow(fitted, memory, random)
            self._prune(fitted, memory, done)
            memory.clear()
            changed = True
        if self.reset_every and done < self.end and done % self.reset_every == 0:
            reset_opacities(fitted, 2 * self.faint)
        return changed

    def _grow(self, fitted, memory, random) -> None:
        count = memory["count"].clamp_min(1)
        pull, absolute = memory["gradient"] / count, memory["absolute"] / count
        chosen = pull >= self.threshold
        if self.absolute:
            share = chosen.float().mean()
            chosen |= absolute >= _quantile(absolute, 1 - float(share))
        room = self.cap - len(fitted)
        if int(chosen.sum()) > room:
            strongest = torch.where(chosen, absolute, -1.0).topk(max(room, 0)).indices
            chosen = torch.zeros_like(chosen)
            chosen[strongest] = True
        small = fitted.values("log_scales").max(1).values <= math.log(self.clone_below * self.extent)
        radius = memory["radius"]
        clones, halves = (chosen & small).nonzero()[:, 0], (chosen & ~small).nonzero()[:, 0]
        memory["radius"] = torch.cat([radius, radius[clones], radius.new_zeros(len(halves))])
        memory["radius"][halves] = 0
        duplicate(fitted, clones)
        split(fitted, halves, random)

    def _prune(self, fitted, memory, done) -> None:
        gone = fitted.values("logit_opacities") < math.log(self.faint / (1 - self.faint))
        if done > self.reset_every > 0 or self.too_wide:
            gone |= fitted.values("log_scales").max(1).values > math.log(self.too_large * self.extent)
        if self.too_wide:
            gone |= memory["radius"] > self.too_wide
        fitted.keep(~gone)


@dataclass(frozen=True)
class Mcmc:
    """3D Gaussian Splatting as Markov Chain Monte Carlo (Kheradmand et al. 2024, arXiv 2404.09591).

    The number grows by `growth` each refinement up to `cap`; Gaussians that have faded below `faint` are moved
    onto others, drawn by opacity; noise along each Gaussian's shape keeps the faint ones searching.
    """

    cap: int = 1_000_000
    noise: float = 5e5
    begin: int = 500
    end: int = 25_000
    every: int = 100
    faint: float = 0.005
    growth: float = 1.05

    def wants_footprints(self, step: int) -> bool:
        return False

    def scaled(self, factor: float) -> "Mcmc":
        return replace(self, begin=round(self.begin * factor), end=round(self.end * factor))

    def after_backward(self, fitted, memory, drawn, size, step) -> None:
        pass

    @torch.no_grad()
    def after_step(self, fitted, memory, step, rate, random) -> bool:
        done = step + 1
        changed = self.begin < done < self.end and done % self.every == 0
        if changed:
            dead = fitted.values("logit_opacities") <= math.log(self.faint / (1 - self.faint))
            relocate(fitted, dead.nonzero()[:, 0], self.faint, random)
            grown = min(self.cap, int(self.growth * len(fitted)))
            add_by_opacity(fitted, max(0, grown - len(fitted)), self.faint, random)
        if self.noise and done < self.end:
            disturb(fitted, self.noise * rate, self.faint, random, step)
        return changed


# ---- operations -----------------------------------------------------------------------------------------------------


def duplicate(fitted: Fitted, rows: Tensor) -> None:
    """A second copy of these rows."""
    if len(rows):
        fitted.append({name: column.detach()[rows] for name, column in fitted.columns.items()})


def split(fitted: Fitted, rows: Tensor, random: torch.Generator) -> None:
    """Two in place of each row, 1.6 times smaller, at places drawn from it (3DGS)."""
    if not len(rows):
        return
    parents = {name: column.detach()[rows] for name, column in fitted.columns.items()}
    turns = rotation_matrices(parents["quats"])
    children = dict(parents, log_scales=parents["log_scales"] - math.log(1.6))
    for keep in (True, False):
        drawn = _normal((len(rows), 3, 1), random) * parents["log_scales"].exp()[..., None]
        means = parents["means"] + (turns @ drawn)[..., 0]
        if keep:
            fitted.values("means")[rows] = means
            fitted.values("log_scales")[rows] = children["log_scales"]
            fitted.forget(rows)
        else:
            fitted.append(dict(children, means=means))


def reset_opacities(fitted: Fitted, highest: float) -> None:
    fitted.values("logit_opacities").clamp_(max=math.log(highest / (1 - highest)))
    fitted.forget(names=("logit_opacities",))


def relocate(fitted: Fitted, dead: Tensor, faint: float, random: torch.Generator) -> None:
    """Moves the dead rows onto living ones, drawn by opacity, so that the picture stays (MCMC, eq. 9)."""
    if not len(dead) or len(dead) == len(fitted):
        return
    weights = fitted.values("logit_opacities").sigmoid()
    weights[dead] = 0
    chosen = _draw(weights, len(dead), random)
    _share(fitted, chosen, faint)
    for column in fitted.columns.values():
        column.detach()[dead] = column.detach()[chosen]
    fitted.forget(chosen)
    fitted.forget(dead)


def add_by_opacity(fitted: Fitted, count: int, faint: float, random: torch.Generator) -> None:
    """`count` more rows, on others that are drawn by opacity."""
    if not count or not len(fitted):
        return
    chosen = _draw(fitted.values("logit_opacities").sigmoid(), count, random)
    _share(fitted, chosen, faint)
    fitted.append({name: column.detach()[chosen] for name, column in fitted.columns.items()})


def disturb(fitted: Fitted, amount: float, faint: float, random: torch.Generator, step: int) -> None:
    """Noise on the means, shaped by the covariance, only for opacities near 0 (MCMC, eq. 8 and 10)."""
    names = ("means", "quats", "log_scales", "logit_opacities")
    means, quats, log_scales, logits = (fitted.values(name) for name in names)
    if means.device.type == "cuda" and find_spec("triton"):
        from skyworld.splats import fused

        return fused.disturb(means, quats, log_scales, logits, amount, faint, random.initial_seed() * 1_000_003 + step)
    turns = rotation_matrices(quats)
    faded = torch.sigmoid(100 * (faint - logits.sigmoid()))
    step = _normal((len(fitted), 3, 1), random) * (faded * amount)[:, None, None]
    means.add_((turns @ ((2 * log_scales).exp()[..., None] * (turns.transpose(1, 2) @ step)))[..., 0])


def relocated(opacities: Tensor, scales: Tensor, ratios: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity [n] and scales [n, 3] that each of `ratios` [n] copies of a Gaussian must have to look like it.

    MCMC, eq. 9: o' = 1 - (1 - o)^(1 / r),
    s' = s o / sum_{i = 1 .. r} sum_{k < i} C(i - 1, k) (-1)^k o'^(k + 1) / sqrt(k + 1).
    """
    table = _COEFFICIENTS.to(opacities.device)
    ratios = ratios.clamp(1, len(table))
    new = 1 - (1 - opacities.double()).pow(1 / ratios)
    # The sum over i of C(i - 1, k), i = 1 .. r, is C(r, k + 1).
    powers = new[:, None] ** torch.arange(1, len(table) + 1, device=new.device)
    factor = opacities / (table[ratios - 1] * powers).sum(1)
    return new.float(), (scales * factor[:, None]).float()


# [r - 1, k]: C(r, k + 1) (-1)^k / sqrt(k + 1), for up to 51 copies.
_COEFFICIENTS = torch.tensor(
    [[math.comb(r, k + 1) * (-1) ** k / math.sqrt(k + 1) for k in range(51)] for r in range(1, 52)], dtype=torch.float64
)


def _share(fitted: Fitted, chosen: Tensor, faint: float) -> None:
    """Gives the chosen rows the opacity and size of one copy among as many as they were chosen, and themselves."""
    logits, log_scales = fitted.values("logit_opacities"), fitted.values("log_scales")
    ratios = torch.bincount(chosen, minlength=len(fitted))[chosen] + 1
    opacities, scales = relocated(logits[chosen].sigmoid(), log_scales[chosen].exp(), ratios)
    logits[chosen] = torch.logit(opacities.clamp(faint, 1 - 1e-6))
    log_scales[chosen] = scales.log()
    fitted.forget(chosen)


def _draw(weights: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Indices [count] with replacement, with probability by weight; for any number of weights."""
    edges = weights.double().cumsum(0)
    points = torch.rand(count, generator=random, device=weights.device, dtype=torch.float64) * edges[-1]
    return torch.searchsorted(edges, points, right=True).clamp_max(len(weights) - 1)


def _normal(shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device)


def _quantile(values: Tensor, share: float) -> Tensor:
    """torch.quantile refuses more than 16 million values."""
    rank = min(max(math.ceil(share * (len(values) - 1)) + 1, 1), len(values))
    return values.kthvalue(rank).values
