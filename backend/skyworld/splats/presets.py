"""Whole settings of `fit` for posed pictures, found with benchmarks/splats.py: how good, how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skyworld.errors import UserError
from skyworld.splats.densify import Mcmc, Strategy
from skyworld.splats.losses import PHOTOMETRIC, Term
from skyworld.splats.train import Schedule


@dataclass(frozen=True)
class Preset:
    """opacity, size: of the Gaussians that begin (see `gaussians_of_points`); the rest goes to `fit`."""

    schedule: Schedule
    strategy: Strategy
    terms: Sequence[Term] = PHOTOMETRIC
    opacity: float = 0.5
    size: float = 0.5
    drawing: Mapping[str, object] = field(default_factory=dict)

    @property
    def arguments(self) -> dict:
        return {"strategy": self.strategy, "terms": self.terms, "drawing": self.drawing}


# Regularisers of MCMC: without them nothing fades, and nothing can be moved to where it is needed.
MCMC_TERMS = (*PHOTOMETRIC, Term("opacity_sparsity", 0.01), Term("scale", 0.01))


def preset(name: str, extent: float) -> Preset:
    """`quick` or `full`; extent: 1.1 x the largest distance of a camera from the middle of all, metres."""
    if name == "quick":
        return _mcmc(2_000, 300_000, extent)
    if name == "full":
        return _mcmc(10_000, 500_000, extent)
    raise UserError(f"there is no preset {name!r}", hint="Choose quick or full")


def _mcmc(steps: int, cap: int, extent: float) -> Preset:
    rates = {
        "means": (1.6e-4 * extent, 1.6e-6 * extent),
        "log_scales": (0.005, 0.001),
        "quats": (0.001, 0.0002),
        "logit_opacities": (0.05, 0.01),
        "sh": (0.0025, 0.0005),
    }
    schedule = Schedule(steps, rates, sizes=((0.2, 2),), sh_every=max(steps // 20, 1))
    strategy = Mcmc(cap, begin=steps // 40, end=round(0.85 * steps), every=max(steps // 100, 20), growth=1.08)
    return Preset(schedule, strategy, MCMC_TERMS)
