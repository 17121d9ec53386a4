"""Each term is 0 where nothing is wrong and pulls where something is."""

import pytest
import torch
from random_scenes import random_gaussians

from skyworld.splats import losses
from skyworld.splats.losses import TERMS, Sight, Term
from skyworld.splats.spherical_harmonics import C0

DEPTH = torch.rand(20, 30, generator=torch.Generator().manual_seed(0)) * 4 + 1


def sight(**changes):
    picture = torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(1))
    up = torch.zeros(20, 30, 3)
    up[..., 2] = 1
    parts = dict(
        gaussians=random_gaussians(0, 40), colour=picture, alpha=torch.ones(20, 30), picture=picture, depth=DEPTH,
        normal=up, target_depth=DEPTH, target_normal=up,
    )  # fmt: skip
    return Sight(**parts | changes)


@pytest.mark.parametrize("name", ["l1", "dssim", "depth_l1", "depth_pearson", "depth_scale_invariant", "normal"])
def test_a_render_like_its_view_costs_nothing(name):
    assert float(TERMS[name](sight())) == pytest.approx(0, abs=1e-5)


def test_pearson_ignores_scale_and_shift_and_scale_invariance_the_scale():
    assert float(TERMS["depth_pearson"](sight(depth=3 * DEPTH + 7))) == pytest.approx(0, abs=1e-5)
    assert float(TERMS["depth_scale_invariant"](sight(depth=3 * DEPTH), balance=1.0)) == pytest.approx(0, abs=1e-5)
    assert float(TERMS["depth_l1"](sight(depth=DEPTH + 0.5))) == pytest.approx(0.5, abs=1e-5)
    assert float(TERMS["depth_pearson"](sight(depth=-DEPTH + 9))) == pytest.approx(2, abs=1e-5)


@pytest.mark.parametrize("hole", [float("inf"), float("nan"), 0.0])
def test_depth_that_is_not_known_does_not_count_and_does_not_spoil_the_gradient(hole):
    target = DEPTH.clone()
    target[:10] = hole
    depth = (DEPTH + torch.where(torch.arange(20)[:, None] < 10, 100.0, 0.0)).requires_grad_()
    for name in ("depth_l1", "depth_pearson", "depth_scale_invariant"):
        value = TERMS[name](sight(depth=depth, target_depth=target))
        assert value.item() == pytest.approx(0, abs=1e-5)
        value.backward()
        assert torch.isfinite(depth.grad).all() and not depth.grad[:10].any()


def test_no_known_depth_at_all_costs_nothing():
    depth = DEPTH.clone().requires_grad_()
    for name in ("depth_l1", "depth_pearson", "depth_scale_invariant"):
        value = TERMS[name](sight(depth=depth, target_depth=DEPTH * 0))
        value.backward()
        assert value.item() == 0


def test_what_lets_light_through_costs_as_much_in_the_dark_and_the_sky_must_stay_empty():
    thin = torch.full((20, 30), 0.75, requires_grad=True)
    solid = torch.ones(20, 30)
    solid[:, 15:] = 0
    weight = torch.ones(20, 30)
    weight[:10] = 0
    value = TERMS["alpha_l1"](sight(colour=torch.zeros(20, 30, 3), alpha=thin, target_alpha=solid, weight=weight))
    value.backward()
    assert value.item() == pytest.approx(0.5)
    assert (thin.grad[10:, :15] < 0).all() and (thin.grad[10:, 15:] > 0).all() and not thin.grad[:10].any()


def test_half_opacities_have_the_most_entropy():
    def entropy(logit):
        gaussians = random_gaussians(0, 40)
        gaussians.logit_opacities[:] = logit
        return float(TERMS["opacity_entropy"](sight(gaussians=gaussians)))

    assert entropy(0.0) == pytest.approx(0.6931, abs=1e-3) and entropy(6.0) < 0.03 and entropy(-6.0) < 0.03


def test_needles_are_punished_and_discs_are_not():
    gaussians = random_gaussians(0, 40)
    gaussians.log_scales[:] = torch.tensor([0.0, 0.0, -9.0])
    assert float(TERMS["anisotropy"](sight(gaussians=gaussians))) == 0
    gaussians.log_scales[:] = torch.tensor([3.0, 0.0, 0.0])
    assert float(TERMS["anisotropy"](sight(gaussians=gaussians))) == pytest.approx(torch.e**3 - 10, rel=1e-4)


def test_a_term_counts_only_in_its_time():
    term = Term("l1", 2.0, begin=0.2, end=0.6, every=2, ramp=0.1)
    weights = [term.weight_at(step, 100) for step in range(100)]
    assert not any(weights[:20]) and not any(weights[60:]) and not any(weights[21::2])
    assert weights[20] == pytest.approx(0.2) and weights[40] == 2.0
    assert losses.total([(Term("opacity_sparsity", 1.0), 0.5)], sight()) == pytest.approx(
        0.5 * float(random_gaussians(0, 40).logit_opacities.sigmoid().mean())
    )


def test_an_anchor_pulls_home_as_firmly_as_the_place_is_sure():
    gaussians = random_gaussians(0, 40)
    home, sure = gaussians.means.clone(), torch.linspace(0, 1, 40)
    gaussians.extra |= {"home": home, "sure": sure}
    assert float(TERMS["anchor"](sight(gaussians=gaussians))) == 0
    gaussians.means = (home + torch.tensor([0.1, 0.0, 0.0])).requires_grad_()
    TERMS["anchor"](sight(gaussians=gaussians), reach=0.5).backward()
    torch.testing.assert_close(gaussians.means.grad[:, 0], sure * 0.1 / 0.25 / 40)


def test_evenness_pulls_a_colour_to_those_beside_it_and_not_them_to_it():
    gaussians = random_gaussians(0, 4)
    gaussians.sh = torch.zeros(4, *gaussians.sh.shape[1:])
    rows, near = torch.tensor([1, 2]), torch.tensor([[0, 3], [0, 3]])
    assert float(TERMS["evenness"](sight(gaussians=gaussians), rows, near)) == 0
    gaussians.sh[1, 0] = 0.6 / C0
    gaussians.sh.requires_grad_()
    cost = TERMS["evenness"](sight(gaussians=gaussians), rows, near)
    assert cost.item() == pytest.approx(0.5 * 0.6**2, rel=1e-4)
    cost.backward()
    assert (gaussians.sh.grad[1, 0] > 0).all() and not gaussians.sh.grad[[0, 2, 3]].any()
    assert not gaussians.sh.grad[:, 1:].any(), "only the plain colour"
