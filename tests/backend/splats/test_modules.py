"""What is trained beside the Gaussians: the light of each picture, its distortion; and the 3D filter."""

import pytest
import torch
from random_scenes import one_gaussian, random_gaussians

from skyworld.camera import Camera, turned
from skyworld.splats import appearance, losses, rasterize, smoothing
from skyworld.splats.appearance import Appearance
from skyworld.splats.distortion import Distortion
from skyworld.splats.train import Schedule, View, fit

CAMERAS = [Camera.pinhole(turned((x, 0, 0)), 1.0, 96, 72) for x in (-0.3, 0.0, 0.3)]


def fitted(*arguments, **options):
    steps = fit(*arguments, **options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def pictures_of(gaussians):
    with torch.no_grad():
        return rasterize(gaussians, CAMERAS).colour


def test_untrained_modules_change_nothing():
    gaussians = appearance.with_embeddings(random_gaussians(0, 50, 1))
    assert torch.allclose(Appearance(3)(gaussians, 1).sh, gaussians.sh.clamp_max(1.0), atol=1e-6) or torch.allclose(
        Appearance(3)(gaussians, 1).sh, gaussians.sh, atol=1e-6
    )
    picture = torch.rand(72, 96, 3)
    warped, cost = Distortion(3)(picture, 1)
    assert torch.allclose(warped, picture, atol=1e-4) and float(cost) == 0


def test_pictures_in_different_light_agree_once_each_has_its_own():
    truth = random_gaussians(0, 400)
    lights = torch.tensor([[1.0, 0.8, 0.6], [0.9, 0.9, 0.9], [0.6, 0.8, 1.0]])
    views = [View(c, p * light) for c, p, light in zip(CAMERAS, pictures_of(truth), lights, strict=True)]
    schedule = Schedule(150, {"sh": 0.02, "appearance": 0.005})
    plain = fitted(truth, views, schedule)
    lit = Appearance(3)
    # Faster than for thousands of pictures: the test has three and no time.
    for group, rate in zip(groups := lit.groups(), (0.05, 0.02), strict=True):
        group["lr"] = rate
    lit.groups = lambda: groups
    varied = fitted(appearance.with_embeddings(truth), views, schedule, appearance=lit)

    def error(of):
        renders = [rasterize(of(index), [view.camera]).colour[0] for index, view in enumerate(views)]
        return sum(losses.l1(r, v.picture).item() for r, v in zip(renders, views, strict=True))

    with torch.no_grad():
        assert error(lambda i: appearance.fixed(varied, lit, i)) < 0.6 * error(lambda i: plain)
    assert appearance.COLUMN not in appearance.fixed(varied, lit, 0).extra


def test_a_distortion_takes_up_the_warp_of_pictures_and_leaves_the_gaussians_sharp():
    truth = random_gaussians(0, 500)
    straight = pictures_of(truth)
    warped = [torch.roll(straight[0], 1, 1), straight[1], torch.roll(straight[2], -1, 1)]
    views = [View(camera, picture) for camera, picture in zip(CAMERAS, warped, strict=True)]
    start = truth.mapped(torch.clone)
    start.sh *= 0.9
    schedule = Schedule(200, {"sh": 0.01})
    field = Distortion(3, frozen=frozenset({1}))
    groups = [dict(group, lr=5e-3) for group in field.groups()]
    field.groups = lambda: groups
    fitted(start, views, schedule, distortion=field)
    shift = field.field(0)[0].mean().item() * 96 / 2  # px; the render is asked one pixel to the left
    assert shift == pytest.approx(-1, abs=0.35)
    assert field.field(2)[0].mean().item() * 96 / 2 == pytest.approx(1, abs=0.35)


def test_the_filter_is_as_wide_as_the_finest_view_can_tell():
    camera = Camera.pinhole(turned((0, 0, 0)), 1.0, 100, 100)
    near, far = torch.tensor([[0.0, 2, 0], [0, 8, 0], [0, -5, 0]]), 8.0
    widths = smoothing.widths(near, [camera])
    assert widths[0] == pytest.approx(2 / camera.K[0, 0] * 0.2**0.5, rel=1e-5)
    assert widths[2] == widths[1] == pytest.approx(far / camera.K[0, 0] * 0.2**0.5, rel=1e-5)


def test_a_filtered_gaussian_is_wider_and_thinner_and_folding_it_draws_the_same():
    gaussians = one_gaussian(sigma=0.01, opacity=0.9)
    wide = smoothing.filtered(gaussians, torch.tensor([0.02]))
    assert torch.allclose(wide.log_scales.exp(), torch.tensor(0.01**2 + 0.02**2).sqrt())
    assert wide.logit_opacities.sigmoid().item() == pytest.approx(0.9 * (0.2**1.5), rel=1e-3)
    gaussians.extra["filter_3d"] = torch.tensor([0.02])
    folded = smoothing.folded(gaussians)
    assert torch.equal(folded.log_scales, wide.log_scales) and not folded.extra


def test_fitting_with_the_filter_returns_its_widths():
    truth = random_gaussians(0, 200)
    views = [View(camera, picture) for camera, picture in zip(CAMERAS, pictures_of(truth), strict=True)]
    result = fitted(truth, views, Schedule(5, {"sh": 0.01}, smooth_every=2))
    assert result.extra["filter_3d"].shape == (200,) and (result.extra["filter_3d"] > 0).all()
