import copy

import pytest
import torch
from random_scenes import random_gaussians

from skyworld.camera import Camera, turned
from skyworld.splats import losses, rasterize
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


def test_a_resumed_fit_gives_the_bits_of_one_that_was_not_interrupted():
    start, views = scene()
    states = []
    schedule = Schedule(12, {"sh": 0.05, "log_scales": 0.01})
    whole, _ = finished(
        fit(start, views, schedule, checkpoint=lambda s: states.append(copy.deepcopy(s)), checkpoint_every=5)
    )
    resumed, _ = finished(fit(start, views, schedule, resume=states[0]))
    assert torch.equal(whole.sh, resumed.sh) and torch.equal(whole.log_scales, resumed.log_scales)


def test_pixels_without_weight_teach_nothing():
    start, views = scene()
    left = torch.zeros(48, 64)
    left[:, :32] = 1
    wrong = torch.where(left[..., None] > 0, views[1].picture, torch.ones(()))
    taught, _ = finished(fit(start, [View(CAMERAS[1], wrong, left)], Schedule(40, {"sh": 0.05})))
    clean, _ = finished(fit(start, [View(CAMERAS[1], views[1].picture, left)], Schedule(40, {"sh": 0.05})))
    assert torch.equal(taught.sh, clean.sh)


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
