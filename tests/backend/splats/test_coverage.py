"""What the pictures can tell of a Gaussian."""

import numpy as np
import pytest
import torch
from random_scenes import one_gaussian

from skyworld.camera import Camera
from skyworld.splats import Gaussians, rasterize
from skyworld.splats.coverage import coverage, within_evidence
from skyworld.splats.train import View

CAMERA = Camera.pinhole(np.eye(4), np.radians(60), 48, 48)


def row(*depths: float) -> Gaussians:
    """One Gaussian a depth, all nearly on the camera's axis."""
    parts = [one_gaussian((0.05 * i, 0.0, depth), sigma=0.3, opacity=0.6) for i, depth in enumerate(depths)]
    return Gaussians.concatenate(parts)


def view(weight: float | None = None) -> View:
    return View(CAMERA, torch.zeros(48, 48, 3), None if weight is None else torch.full((48, 48), weight))


def test_all_gaussians_together_cover_what_is_not_transparent():
    gaussians = row(2.0, 2.5, 3.0)
    alpha = rasterize(gaussians, [CAMERA]).alpha
    assert float(coverage(gaussians, [view()]).sum()) == pytest.approx(float(alpha.sum()), rel=1e-4)


def test_what_stands_before_takes_away_and_pixels_count_by_their_weight():
    near, far = row(2.0), row(6.0)
    alone, behind = coverage(far, [view()]), coverage(far, [view()], fixed=near)
    assert 0 < float(behind) < 0.8 * float(alone)
    assert float(coverage(far, [view(), view(0.5)])) == pytest.approx(1.5 * float(alone), rel=1e-4)
    assert len(behind) == 1, "what is fixed is not counted"


def test_gaussians_that_no_picture_shows_stay_as_they_began():
    start = row(2.0, 3.0, 4.0)
    fitted = start.mapped(lambda tensor: tensor + 1)
    found = within_evidence(start, fitted, torch.tensor([0.0, 0.5, 7.0]))
    assert torch.equal(found.sh[0], start.sh[0]) and torch.equal(found.sh[2], fitted.sh[2])
    assert torch.allclose(found.log_scales[1], start.log_scales[1] + 0.5)
