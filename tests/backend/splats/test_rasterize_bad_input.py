"""Scenes and cameras that go wrong: a sentence, or a finite picture."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from random_scenes import CAMERA, one_gaussian, random_gaussians

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats import Gaussians, rasterize

MODELS = ("pinhole", "ortho", "fisheye")


def camera_of(model: str, width: int = 33, height: int = 33) -> Camera:
    K = np.array([[20.0, 0, width / 2], [0, 20.0, height / 2], [0, 0, 1]])
    return Camera(turned((0, 0, 0)), K, width, height, model)


def drawn_and_fitted(gaussians: Gaussians, camera: Camera, **options):
    """A render, and the gradients of everything; all of it must be finite."""
    leaves = gaussians.mapped(lambda tensor: tensor.detach().clone().requires_grad_())
    render = rasterize(leaves, [camera], normals=True, footprints=True, **options)
    (render.colour.sum() + render.depth.sum() + render.normal.sum() + render.alpha.sum()).backward()
    for tensor in (render.colour, render.depth, render.normal, render.alpha, render.footprints.absolute):
        assert torch.isfinite(tensor).all()
    for name, tensor in leaves.tensors():
        assert torch.isfinite(tensor.grad).all(), name
    return render


@pytest.mark.parametrize("model", MODELS)
def test_no_gaussians_give_an_empty_picture_of_every_kind(model):
    render = rasterize(Gaussians.empty(), [camera_of(model)], normals=True, footprints=True)
    assert not render.colour.any() and not render.alpha.any() and not render.normal.any()
    assert render.footprints.radii.shape == (1, 0)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 1), (1, 45)])
@pytest.mark.parametrize("model", MODELS)
def test_pictures_smaller_than_a_tile_are_those_cut_from_a_larger_one(model, size):
    gaussians, (width, height) = random_gaussians(2), size
    whole = camera_of(model, 80, 80)
    K = whole.K.copy()
    K[:2, 2] -= (30, 30)
    small = drawn_and_fitted(gaussians, Camera(whole.camera_to_world, K, width, height, model))
    if model != "pinhole":  # a pinhole's Jacobian is limited relative to the border
        cut = rasterize(gaussians, [whole]).colour[0, 30 : 30 + height, 30 : 30 + width]
        assert (small.colour[0] - cut).abs().max() < 1e-5


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("log_scale", [-60.0, -20.0, 8.0, 20.0, 60.0, 88.0])
def test_huge_and_vanishing_scales_give_finite_pictures_and_gradients(model, log_scale):
    gaussians = random_gaussians(0, 50)
    gaussians.log_scales[::2] = log_scale
    gaussians.log_scales[1::4, 0] = log_scale
    drawn_and_fitted(gaussians, camera_of(model))
    drawn_and_fitted(gaussians, camera_of(model), antialiased=True, surfels=True)


@pytest.mark.parametrize("model", MODELS)
def test_a_quaternion_without_length_counts_as_no_turn(model):
    gaussians = random_gaussians(1, 50)
    gaussians.quats[:] = 0
    unturned = random_gaussians(1, 50)
    unturned.quats[:] = torch.tensor([1.0, 0, 0, 0])
    render = drawn_and_fitted(gaussians, camera_of(model))
    assert torch.allclose(render.colour, rasterize(unturned, [camera_of(model)]).colour, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_everything_behind_the_camera_gives_nothing(model):
    gaussians = random_gaussians(0)
    gaussians.means[:, 1] *= -1
    render = drawn_and_fitted(gaussians, camera_of(model))
    assert not render.alpha.any() and not render.footprints.radii.any()


@pytest.mark.parametrize("model", MODELS)
def test_a_camera_inside_of_a_gaussian_sees_it_all_around(model):
    around = one_gaussian((0, 0.02, 0), sigma=3.0, opacity=0.5)
    assert drawn_and_fitted(around, camera_of(model)).alpha.mean() > 0.3


def test_a_camera_without_focal_length_or_of_no_model_is_refused():
    with pytest.raises(UserError, match="focal length"):
        Camera(np.eye(4), np.diag([0.0, 1, 1]), 8, 8)
    with pytest.raises(UserError, match="no camera model 'plenoptic'"):
        Camera(np.eye(4), np.eye(3), 8, 8, "plenoptic")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_broken_gaussians_are_counted_and_left_out_only_where_asked(value):
    gaussians = random_gaussians(0)
    gaussians.means[[3, 7], 0] = value
    gaussians.sh[9] = value
    with pytest.raises(UserError, match="means of 2, sh of 1 of 300"):
        rasterize(gaussians, [CAMERA])
    whole, dropped = gaussians.without_non_finite()
    assert dropped == 3 and len(whole) == 297
    rasterize(whole, [CAMERA])
    again, none = whole.without_non_finite()
    assert none == 0 and again is whole


def test_rendering_on_the_cpu_never_loads_gsplat_nor_starts_a_compiler(tmp_path):
    trap, log = tmp_path / "nvcc", tmp_path / "called"
    trap.write_text(f"#!/bin/sh\necho called >> {log}\nexit 1\n")
    trap.chmod(0o755)
    program = """
import sys, torch
from skyworld.camera import Camera, turned
from skyworld.splats import Gaussians, rasterize
one = Gaussians(torch.tensor([[0.0, 2, 0]]), torch.zeros(1, 3), torch.ones(1, 4), torch.zeros(1), torch.zeros(1, 1, 3))
assert rasterize(one, [Camera.pinhole(turned((0, 0, 0)), 1.0, 8, 8)]).alpha.any()
assert not [name for name in sys.modules if name.split('.')[0] == 'gsplat']
"""
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not log.exists()
