"""Gaussians come and go without the picture noticing more than it must."""

import numpy as np
import pytest
import torch
from random_scenes import one_gaussian, random_gaussians

from skyworld.camera import Camera, turned
from skyworld.splats import rasterize
from skyworld.splats.densify import (
    GradientRule,
    Mcmc,
    add_by_opacity,
    disturb,
    duplicate,
    relocate,
    relocated,
    reset_opacities,
    split,
)
from skyworld.splats.fitted import Fitted
from skyworld.splats.rasterize.options import Footprints

ALL = {"means": 1e-3, "log_scales": 1e-3, "quats": 1e-3, "logit_opacities": 1e-3, "sh": 1e-3}
CAMERA = Camera.pinhole(turned((0, 0, 0)), 1.0, 64, 64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def fitted_with_moments(count=50):
    fitted = Fitted(random_gaussians(0, count), ALL)
    for name in fitted.trained:
        fitted.columns[name].grad = torch.ones_like(fitted.columns[name])
    fitted.step(fitted.numbers({name: np.array([rate]) for name, rate in ALL.items()})[0])
    return fitted


def picture(fitted):
    with torch.no_grad():
        return rasterize(fitted.gaussians.detached(), [CAMERA]).colour[0]


def test_rows_and_their_moments_go_together():
    fitted = fitted_with_moments()
    before = fitted.values("means")[10:].clone()
    fitted.keep(torch.arange(50) >= 10)
    assert torch.equal(fitted.values("means"), before) and len(fitted) == 40
    duplicate(fitted, torch.tensor([3, 4]))
    assert torch.equal(fitted.values("sh")[40:], fitted.values("sh")[3:5])
    for name in fitted.trained:
        first, second = fitted.moments[name]
        assert len(first) == len(second) == 42 and not first[40:].any() and first[:40].any()
        assert fitted.columns[name].requires_grad


def test_a_split_gaussian_becomes_two_smaller_ones_inside_it():
    fitted = Fitted(one_gaussian(sigma=0.3), ALL)
    for _ in range(6):
        split(fitted, torch.arange(len(fitted)), generator(len(fitted)))
    assert len(fitted) == 64
    assert torch.allclose(fitted.values("log_scales"), torch.log(torch.tensor(0.3 / 1.6**6)))
    spread = fitted.values("means").std(0)
    assert (spread > 0.05).all() and (spread < 0.9).all()


def test_copies_of_a_gaussian_look_like_the_one_they_came_from():
    fitted = Fitted(one_gaussian(sigma=0.2, opacity=0.7), ALL)
    before = picture(fitted)
    add_by_opacity(fitted, 4, 0.005, generator())
    assert len(fitted) == 5
    # Exact in the middle; beside it the formula matches the sum of the profile, not every point.
    assert (picture(fitted)[31:33, 31:33] - before[31:33, 31:33]).abs().max() < 0.01
    assert (picture(fitted) - before).abs().mean() < 0.12 * before.mean()
    duplicated = Fitted(one_gaussian(sigma=0.2, opacity=0.7), ALL)
    duplicate(duplicated, torch.zeros(4, dtype=torch.long))
    assert (picture(duplicated) - before).abs().mean() > 3 * (picture(fitted) - before).abs().mean()


def test_one_copy_alone_stays_what_it_was():
    opacities, scales = torch.tensor([0.3, 0.99]), torch.rand(2, 3)
    new = relocated(opacities, scales, torch.tensor([1, 1]))
    assert torch.allclose(new[0], opacities, atol=1e-6) and torch.allclose(new[1], scales, atol=1e-6)


def test_dead_gaussians_move_onto_living_ones():
    fitted = fitted_with_moments()
    fitted.values("logit_opacities")[:5] = -9.0
    relocate(fitted, torch.arange(5), 0.005, generator())
    living = fitted.values("means")[5:]
    for mean in fitted.values("means")[:5]:
        assert (living == mean).all(1).any()
    assert (fitted.values("logit_opacities") > -6).all()


def test_noise_moves_faint_gaussians_and_leaves_solid_ones():
    fitted = Fitted(random_gaussians(1, 200), ALL)
    fitted.values("logit_opacities")[:100] = -9.0
    fitted.values("logit_opacities")[100:] = 3.0
    before = fitted.values("means").clone()
    disturb(fitted, 1.0, 0.005, generator(), 0)
    moved = (fitted.values("means") - before).norm(dim=1)
    assert moved[:100].mean() > 1e-4 and moved[100:].max() < 1e-6


def test_opacities_are_reset_with_their_moments():
    fitted = fitted_with_moments()
    reset_opacities(fitted, 0.01)
    assert (fitted.values("logit_opacities").sigmoid() <= 0.01 + 1e-6).all()
    assert not fitted.moments["logit_opacities"][0].any() and fitted.moments["means"][0].any()


def footprints(pull, absolute=None, radii=5.0):
    count = len(pull)
    gradient = torch.zeros(1, count, 2)
    gradient[0, :, 0] = pull
    absolute = gradient if absolute is None else torch.stack([absolute, absolute * 0], 1)[None]
    return Footprints(torch.full((1, count), radii), gradient, absolute)


def test_the_gradient_rule_clones_small_splits_large_and_removes_faint_gaussians():
    start = random_gaussians(0, 6)
    start.log_scales[:3], start.log_scales[3:] = -6.0, -1.0
    start.logit_opacities[:] = torch.tensor([1.0, 1.0, -9.0, 1.0, 1.0, 1.0])
    rule = GradientRule(extent=10.0, threshold=1.0, begin=0, end=10, every=1, absolute=False, too_large=10.0)
    fitted, memory = Fitted(start, ALL), {}
    pull = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]) / 16
    rule.after_backward(fitted, memory, footprints(pull), (64, 64), 0)
    assert rule.after_step(fitted, memory, 0, 0.0, generator())
    # Row 0 is cloned, 3 becomes two, 2 and its clone are too faint to stay.
    assert len(fitted) == 6 + 1 + 1 - 1
    assert (fitted.values("log_scales")[:, 0] == -6).sum() == 3
    assert (
        torch.isclose(fitted.values("log_scales")[:, 0], torch.tensor(-1.0) - torch.log(torch.tensor(1.6))).sum() == 2
    )


def test_absolute_gradients_choose_as_many_again():
    rule = GradientRule(extent=1.0, threshold=1.0, begin=0, end=10, every=1, too_large=1e9, clone_below=1e9)
    fitted, memory = Fitted(random_gaussians(0, 10), ALL), {}
    fitted.values("logit_opacities")[:] = 1.0
    pull = torch.zeros(10)
    pull[0] = 1.0
    absolute = torch.linspace(0, 1, 10)
    rule.after_backward(fitted, memory, footprints(pull, absolute), (64, 64), 0)
    rule.after_step(fitted, memory, 0, 0.0, generator())
    assert len(fitted) == 12


def test_no_strategy_passes_its_cap():
    rule = GradientRule(extent=1.0, threshold=0.0, begin=0, end=10, every=1, cap=13, too_large=1e9)
    fitted, memory = Fitted(random_gaussians(0, 10), ALL), {}
    fitted.values("logit_opacities")[:] = 1.0
    rule.after_backward(fitted, memory, footprints(torch.ones(10)), (64, 64), 0)
    rule.after_step(fitted, memory, 0, 0.0, generator())
    assert len(fitted) == 13
    mcmc = Mcmc(cap=12, begin=-1, end=10, every=1, growth=2.0)
    fitted = Fitted(random_gaussians(0, 10), ALL)
    mcmc.after_step(fitted, {}, 0, 1e-6, generator())
    assert len(fitted) == 12


def test_a_strategy_for_a_shorter_run_keeps_its_proportions():
    assert Mcmc(begin=500, end=25_000).scaled(0.1) == Mcmc(begin=50, end=2500)
    assert GradientRule(1.0).scaled(0.5).reset_every == pytest.approx(1500)
