"""Whole settings of `fit` for posed pictures, found with benchmarks/splats.py: how good, how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skyworld.errors import UserError
from skyworld.splats.densify import GradientRule, Mcmc, Strategy
from skyworld.splats.losses import PHOTOMETRIC, Term
from skyworld.splats.train import Schedule


@dataclass(frozen=True)
class Preset:
    """opacity, size: of the Gaussians that begin (see `gaussians_of_points`); the rest goes to `fit`."""

    schedule: Schedule
    strategy: Strategy
    opacity: float
    size: float
    terms: Sequence[Term] = PHOTOMETRIC
    drawing: Mapping[str, object] = field(default_factory=dict)

    @property
    def arguments(self) -> dict:
        return {"strategy": self.strategy, "terms": self.terms, "drawing": self.drawing}


# Regularisers of MCMC: without them nothing fades, and nothing can be moved to where it is needed.
MCMC_TERMS = (*PHOTOMETRIC, Term("opacity_sparsity", 0.01), Term("scale", 0.01))


def preset(name: str, extent: float, pixels: int) -> Preset:
    """`quick` or `full`; extent: 1.1 x the largest distance of a camera from the middle of all, metres.

    pixels: of the largest picture; small pictures are done with about as many Gaussians.

    Both end with every rate fallen, not only that of the means, and with a few hundred thousand Gaussians: more of
    them learn the fitted views by heart and show the others worse.
    """
    if name == "quick":
        steps = 5_000
        rule = GradientRule(
            extent, begin=300, end=round(0.6 * steps), reset_every=0, cap=min(300_000, pixels), absolute=False
        )
        return Preset(Schedule(steps, _rates(extent, 0.3), sh_every=steps // 20), rule, opacity=0.2, size=0.7)
    if name == "full":
        steps = 12_000
        mcmc = Mcmc(min(400_000, 4 * pixels // 3), begin=300, end=round(0.85 * steps), every=200, growth=1.2)
        schedule = Schedule(steps, _rates(extent, 0.1), sizes=((0.2, 2),), sh_every=steps // 20)
        return Preset(schedule, mcmc, opacity=0.5, size=0.5, terms=MCMC_TERMS)
    raise UserError(f"there is no preset {name!r}", hint="Choose quick or full")


def _rates(extent: float, last: float) -> dict[str, tuple[float, float]]:
    """The rates of 3DGS; the means' falls a hundredfold, the others to `last` of themselves."""
    first = {"log_scales": 0.005, "quats": 0.001, "logit_opacities": 0.05, "sh": 0.0025}
    return {"means": (1.6e-4 * extent, 1.6e-6 * extent)} | {name: (rate, last * rate) for name, rate in first.items()}
