import pytest
import torch
from PIL import Image
from random_scenes import random_gaussians

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats import appearance, losses, rasterize
from skyworld.splats.appearance import Appearance
from skyworld.splats.densify import GradientRule, Mcmc, Still
from skyworld.splats.distortion import Distortion
from skyworld.splats.losses import PHOTOMETRIC, Term
from skyworld.splats.train import Schedule, View, fit

CAMERAS = [Camera.pinhole(turned((x, 0, 0)), 1.0, 64, 48) for x in (-0.3, 0.0, 0.3)]


def finished(steps):
    """The value that a generator returns, and what it yielded."""
    reports = []
    while True:
        try:
            reports.append(next(steps))
        except StopIteration as end:
            return end.value, reports


def scene():
    truth = random_gaussians(0, 400)
    with torch.no_grad():
        pictures = rasterize(truth, CAMERAS).colour
    start = truth.mapped(torch.clone)
    start.sh *= 0.2
    return start, [View(camera, picture) for camera, picture in zip(CAMERAS, pictures, strict=True)]


def error(gaussians, views):
    with torch.no_grad():
        return losses.l1(rasterize(gaussians, CAMERAS).colour, torch.stack([view.picture for view in views])).item()


def test_fitting_brings_the_renders_to_the_pictures_and_leaves_columns_without_a_rate():
    start, views = scene()
    fitted, reports = finished(fit(start, views, Schedule(90, {"sh": 0.05})))
    assert error(fitted, views) < 0.25 * error(start, views)
    assert torch.equal(fitted.means, start.means) and torch.equal(fitted.log_scales, start.log_scales)
    assert reports[-1].fraction == 1 and "400 Gaussians" in reports[-1].message


@pytest.mark.parametrize(
    "strategy",
    [Still(), Mcmc(500, begin=1, every=3, noise=1e3), GradientRule(4.0, 1e-6, begin=1, every=4, reset_every=9)],
    ids=["still", "mcmc", "gradient"],
)
def test_a_resumed_fit_gives_the_bits_of_one_that_was_not_interrupted(strategy, tmp_path):
    start, views = scene()
    start = appearance.with_embeddings(start)
    rates = {"means": (1e-3, 1e-5), "log_scales": 0.01, "quats": 0.01, "logit_opacities": 0.05, "sh": 0.05}
    schedule = Schedule(16, rates | {"appearance": 0.005}, sh_every=3, smooth_every=5)
    terms = (*PHOTOMETRIC, Term("opacity_sparsity", 0.01), Term("anisotropy", 0.1, begin=0.3, every=2))

    def run(**options):
        lit, warp = Appearance(3), Distortion(3)
        return finished(
            fit(start, views, schedule, strategy=strategy, terms=terms, appearance=lit, distortion=warp,
                background="random", **options)
        )[0]  # fmt: skip

    whole = run(checkpoint=lambda state: torch.save(state, tmp_path / f"{state['step']}.pt"), checkpoint_every=7)
    assert len(whole) != len(start) or isinstance(strategy, Still)
    resumed = run(resume=torch.load(tmp_path / "7.pt", weights_only=True))
    for (name, one), (_, other) in zip(whole.tensors(), resumed.tensors(), strict=True):
        assert torch.equal(one, other), name


def test_smaller_pictures_at_first_and_selective_steps_still_find_the_way():
    start, views = scene()
    schedule = Schedule(90, {"sh": 0.05}, sizes=((0.3, 4), (0.6, 2)), selective=True)
    fitted, _ = finished(fit(start, views, schedule))
    assert error(fitted, views) < 0.35 * error(start, views)


def test_the_fit_stops_where_nothing_is_left_or_nothing_is_a_number():
    start, views = scene()
    faint = start.mapped(torch.clone)
    faint.logit_opacities[:] = -9.0
    rule = GradientRule(1.0, begin=0, every=2, threshold=1e9, absolute=False)
    with pytest.raises(UserError, match="no Gaussian was left"):
        finished(fit(faint, views, Schedule(8, {"sh": 0.05}), strategy=rule))
    broken = View(CAMERAS[0], torch.full((48, 64, 3), float("nan")))
    with pytest.raises(UserError, match="not finite"):
        finished(fit(start, [broken], Schedule(8, {"sh": 0.05})))


def test_a_picture_of_the_present_state_is_kept(tmp_path):
    start, views = scene()
    _, reports = finished(fit(start, views, Schedule(3, {"sh": 0.05}), preview=tmp_path / "now.jpg"))
    assert reports[-1].preview == tmp_path / "now.jpg"
    assert Image.open(tmp_path / "now.jpg").size == (128, 48)


def test_pixels_without_weight_teach_nothing():
    start, views = scene()
    left = torch.zeros(48, 64)
    left[:, :32] = 1
    wrong = torch.where(left[..., None] > 0, views[1].picture, torch.ones(()))
    taught, _ = finished(fit(start, [View(CAMERAS[1], wrong, left)], Schedule(40, {"sh": 0.05})))
    clean, _ = finished(fit(start, [View(CAMERAS[1], views[1].picture, left)], Schedule(40, {"sh": 0.05})))
    assert torch.equal(taught.sh, clean.sh)


def test_a_view_without_a_picture_teaches_its_depth_and_no_colour():
    start, views = scene()
    with torch.no_grad():
        depth = rasterize(start, [CAMERAS[1]]).depth[0]
    blind = View(CAMERAS[1], None, depth=depth + 0.5)
    terms = (*PHOTOMETRIC, Term("depth_l1", 1.0))
    dark, _ = finished(fit(start, [blind], Schedule(20, {"sh": 0.05, "means": 0.01}), terms=terms))
    assert torch.equal(dark.sh, start.sh) and not torch.equal(dark.means, start.means)
    both, _ = finished(fit(start, [views[0], blind, views[2]], Schedule(30, {"sh": 0.05}), terms=terms))
    assert error(both, views) < 0.7 * error(start, views)


def test_a_fit_ends_when_its_judge_says_so():
    start, views = scene()
    seen = []

    def judge(gaussians):
        seen.append(gaussians.sh.clone())
        return len(seen) == 3

    fitted, reports = finished(fit(start, views, Schedule(90, {"sh": 0.05}), judge=judge, checkpoint_every=5))
    assert len(seen) == 3 and torch.equal(fitted.sh, seen[-1]) and reports[-1].fraction == 1


def test_views_are_taken_as_often_as_their_share_says():
    from skyworld.splats.train import _order

    _, views = scene()
    views = [View(view.camera, view.picture, share=share) for view, share in zip(views, (1, 1, 2), strict=True)]
    order = _order(views, 40, 0)
    assert [int((order == index).sum()) for index in range(3)] == [10, 10, 20]


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    picture = torch.rand(40, 50, 3, generator=torch.Generator().manual_seed(0))
    assert losses.ssim(picture, picture).item() == pytest.approx(1, abs=1e-5)
    noisy = [losses.ssim(picture + amount * torch.randn(40, 50, 3), picture).item() for amount in (0.05, 0.3)]
    assert 1 > noisy[0] > noisy[1]


def test_psnr_of_a_tenth_is_twenty_decibels():
    assert losses.psnr(torch.full((4, 4, 3), 0.6), torch.full((4, 4, 3), 0.5)) == pytest.approx(20, abs=1e-3)


def test_more_gpus_than_there_are_are_refused():
    from skyworld.splats.parallel import fit_on_gpus

    start, views = scene()
    there = torch.cuda.device_count()
    with pytest.raises(UserError, match=f"there are {there}"):
        next(fit_on_gpus(start, views, Schedule(4), gpus=there + 1))
