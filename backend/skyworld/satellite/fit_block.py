"""One block of a city, fitted to its part of the images: a piece of work that any process can do."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from skyworld.models.roster import Roster
from skyworld.satellite import fitting
from skyworld.satellite.blocks import Block
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.sheet import Sight
from skyworld.splats.device import pick_device
from skyworld.splats.gaussians import Gaussians

DEPTH = "depth"  # the role


@dataclass(frozen=True)
class Fitter:
    """How to fit: what all blocks share.

    spacing: metres between the Gaussians of the sheet.
    depth:   hub id or folder of the model whose depth the pseudo-cameras hold, "" for none.
    device:  "auto" for what there is where the block is fitted.
    """

    settings: fitting.Settings
    spacing: float
    depth: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class Piece:
    """All that a block needs of the scene, cut to its outer box.

    sights:   images of one tone.  light: which of them lends the block its light.
    held_out: images that end the fit.
    kept:     file of checkpoints of this process, or None.
    """

    block: Block
    heights: HeightMap
    sights: tuple[Sight, ...]
    light: int = 0
    held_out: tuple[Sight, ...] = ()
    kept: Path | None = None


def fit_block(fitter: Fitter, piece: Piece) -> Generator:
    """Yields progress; returns the Gaussians of the block's core, on the CPU. None where no image shows a height."""
    if not piece.sights or not np.isfinite(piece.heights.up).any():
        return Gaussians.empty()
    device = pick_device(fitter.device)
    start = fitting.prepared(piece.heights, list(piece.sights), fitter.spacing, device, fitter.settings.width)
    estimator = _roster(fitter.depth, device.type).get(DEPTH)
    shown = (piece.light, piece.held_out, piece.kept, estimator)
    gaussians = yield from fitting.fitted(start, piece.heights, fitter.settings, *shown)
    return piece.block.keeps(gaussians).detached().to("cpu")


@lru_cache(maxsize=2)
def _roster(depth: str, device: str) -> Roster:
    return Roster(overrides={DEPTH: depth}, device=device)
