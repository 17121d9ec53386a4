"""Cropping, merging and placing Gaussians."""

import math

import numpy as np
import pytest
import torch
from known_scenes import make_scene

from skyworld.errors import UserError
from skyworld.splats.edit import crop_box, crop_sphere, merge, placement


def test_a_box_and_its_outside_share_the_scene_without_overlap(scene):
    gaussians = scene(degree=1)
    inside = crop_box(gaussians, (-5, -5, -5), (5, 10, 5))
    outside = crop_box(gaussians, (-5, -5, -5), (5, 10, 5), outside=True)
    assert 0 < len(inside) < len(gaussians) and len(inside) + len(outside) == len(gaussians)
    assert inside.means[:, 1].max() <= 10 and inside.means.min() >= -5
    assert inside.sh.shape[0] == len(inside)


def test_a_sphere_keeps_what_is_within_its_radius(scene):
    inside = crop_sphere(scene(degree=0), (1, 2, 3), 9.0)
    assert len(inside) > 0
    assert (inside.means - torch.tensor([1.0, 2.0, 3.0])).norm(dim=1).max() <= 9


def test_boxes_and_spheres_that_hold_nothing_are_refused(scene):
    with pytest.raises(UserError, match="inside out"):
        crop_box(scene(count=2), (0, 0, 0), (1, -1, 1))
    with pytest.raises(UserError, match="radius"):
        crop_sphere(scene(count=2), (0, 0, 0), 0.0)


def test_merging_tells_which_columns_it_leaves_out():
    a, b = make_scene(count=3, degree=0), make_scene(count=4, degree=2, seed=1)
    a.extra = {"label": torch.zeros(3), "age": torch.ones(3)}
    b.extra = {"label": torch.ones(4)}
    with pytest.warns(UserWarning, match="extra columns age"):
        both = merge([a, b])
    assert len(both) == 7 and both.sh_degree == 2
    assert both.extra["label"].tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_a_placement_scales_then_turns_then_moves(scene):
    matrix = placement(translate=(1, 0, 0), axis=(0, 0, 2), degrees=90, scale=3)
    assert np.allclose(matrix @ [1, 0, 0, 1], [1, 3, 0, 1])
    gaussians = scene(count=10)
    moved = gaussians.transformed(matrix)
    assert torch.allclose(moved.log_scales, gaussians.log_scales + math.log(3))
    back = moved.transformed(np.linalg.inv(matrix))
    assert torch.allclose(back.means, gaussians.means, atol=1e-4) and torch.allclose(back.sh, gaussians.sh, atol=1e-5)


def test_a_placement_without_axis_or_size_is_refused():
    for wrong in ({"axis": (0, 0, 0)}, {"scale": 0.0}, {"scale": -1.0}):
        with pytest.raises(UserError):
            placement(**wrong)
