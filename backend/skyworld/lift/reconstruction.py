"""The last stage of the Recipe (arXiv 2503.16611, section 3.3): Gaussians held to what the centre and the views see.

Splatfacto's schedule for 30,000 steps, scaled to 5,000: the means' rate falls a hundredfold, refinement from a tenth
to half of the steps, no opacity reset, SSIM 0.2. Otherwise than there:
* what the centre sees is not refined: it has a Gaussian for each pixel, and what a split moves off its surface is
  seen from beside as a spot; what lies behind it is cloned, not split;
* pictures are at their full size from the start and colours have no harmonics, for the Gaussians begin as fine as the
  pictures, and from one centre a colour that depends on the direction cannot be told from a wrong one;
* what the centre sees and what lies behind it are fitted one after the other, each with the other as it is: in one
  fit, surfaces that only the completed views show take part in the panorama's pixels and come out spotted.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from skyworld.camera import Camera
from skyworld.lift.around import Completed
from skyworld.progress import Progress
from skyworld.splats import Gaussians
from skyworld.splats.densify import GradientRule, Still
from skyworld.splats.distortion import Distortion
from skyworld.splats.train import Schedule, View, fit
from skyworld.world.files import atomic_write

# Share of the steps for what the centre sees; in the others, how often a view of the panorama is taken.
VISIBLE, PANORAMA = 0.6, 0.4
# Growth of the number of Gaussians behind what the centre sees, at most.
GROWTH = 1.3
# Seconds a step and a million Gaussians takes on one CPU core, for the warning.
CPU_SECONDS = 4.0


def reconstructed(
    visible: Gaussians,
    behind: Gaussians,
    fixed: Gaussians,
    full: Sequence[View],
    completed: Sequence[Completed],
    cameras: Sequence[Camera],
    *,
    steps: int,
    extent: float,
    seed: int,
    kept: Path | None,
) -> Iterator[Progress]:
    """Yields progress; returns all Gaussians: the fitted visible ones, those behind them, and the fixed.

    full:      views that hold everything, never distorted.  completed: views, of `cameras` by their index, that
               hold what was filled in them, each under a trained distortion, which is dropped afterwards.
    extent:    metres, half the diagonal of the room that the cameras have.
    kept:      folder for checkpoints: a fit that was stopped goes on from there.
    """
    device = visible.device
    if device.type == "cpu":
        _tell_the_cost(steps, len(visible) + len(behind) + len(fixed))
    views = [_on(view, device) for view in full]
    first = round(VISIBLE * steps) if completed else steps
    around = Gaussians.concatenate([behind, fixed])
    visible = yield from _fitted(visible, around, views, first, extent, seed, kept and kept / "visible.pt")
    if completed and len(behind):
        share = (1 / PANORAMA - 1) * sum(view.share for view in views) / len(completed)
        for view in completed:
            weight = torch.from_numpy(view.filled.astype(np.float32))
            views.append(_on(View(cameras[view.index], torch.from_numpy(view.picture), weight, share=share), device))
        warp = Distortion(len(views), frozen=frozenset(range(len(full))))
        around, file = Gaussians.concatenate([visible, fixed]), kept and kept / "behind.pt"
        behind = yield from _fitted(behind, around, views, steps - first, extent, seed, file, warp, first / steps)
    return Gaussians.concatenate([visible, behind, fixed])


def _fitted(gaussians, fixed, views, steps, extent, seed, checkpoint, distortion=None, done=0.0) -> Iterator[Progress]:
    """`fit` on the schedule, with a checkpoint; `done` is the share of all that lies behind it."""
    schedule, rule = scaled(steps, extent, len(gaussians), seed)
    reports = fit(
        gaussians,
        views,
        schedule,
        strategy=Still() if distortion is None else rule,
        distortion=distortion,
        fixed=fixed,
        resume=torch.load(checkpoint, map_location="cpu", weights_only=True) if _is_there(checkpoint) else None,
        checkpoint=None if checkpoint is None else lambda state: _save(checkpoint, state),
        checkpoint_every=max(steps // 2, 1),
        preview=None if checkpoint is None else checkpoint.with_name("preview.jpg"),
    )
    while True:
        try:
            report = next(reports)
        except StopIteration as end:
            return end.value
        share = VISIBLE if distortion is None else 1 - done
        yield replace(report, fraction=done + share * report.fraction)


def scaled(steps: int, extent: float, count: int, seed: int) -> tuple[Schedule, GradientRule]:
    """Splatfacto's numbers for so many steps in place of 30,000; places and shapes at a fraction of its rates.

    Adam walks at its full rate along what the pictures hardly tell, and from one centre they do not tell depth: at
    Splatfacto's rates Gaussians leave their surface, and from beside the picture is spotted.
    """
    rates = {
        "means": (0.02 * 1.6e-4 * extent, 0.02 * 1.6e-6 * extent),
        "log_scales": (0.002, 0.0002),
        "quats": (0.0001, 0.00001),
        "logit_opacities": (0.02, 0.002),
        "sh": (0.01, 0.001),
    }
    rule = GradientRule(
        extent,
        threshold=8e-4,
        begin=round(0.1 * steps),
        end=round(0.5 * steps),
        every=max(1, steps // 50),
        reset_every=0,
        clone_below=1e9,
        cap=round(GROWTH * count),
        absolute=False,
    )
    return Schedule(steps, rates, seed=seed), rule


def _on(view: View, device: torch.device) -> View:
    weight = None if view.weight is None else view.weight.to(device)
    return replace(view, picture=view.picture.to(device), weight=weight)


def _is_there(path: Path | None) -> bool:
    return path is not None and path.is_file()


def _save(path: Path, state: dict) -> None:
    with atomic_write(path) as temporary:
        torch.save(state, temporary)


def _tell_the_cost(steps: int, count: int) -> None:
    hours = steps * count / 1e6 * CPU_SECONDS / 3600
    if hours > 0.1:
        warnings.warn(
            f"Quality full fits {steps:,} steps to {count / 1e6:.1f} million Gaussians: about {hours:.0f} hours on "
            "this CPU, a minute on a GPU. A job that is stopped goes on where it was; quality high takes minutes.",
            stacklevel=2,
        )
