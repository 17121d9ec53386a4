"""A scene larger than the device's memory is drawn slab by slab and looks as in one pass."""

import numpy as np
import pytest
import torch
from random_scenes import CAMERA, random_gaussians

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats import Gaussians, rasterize
from skyworld.splats.rasterize import composite, passes


@pytest.mark.parametrize("model", ["pinhole", "ortho", "fisheye"])
@pytest.mark.parametrize("background", [None, (0.2, 0.4, 0.6)])
def test_many_passes_give_the_picture_of_one(model, background, monkeypatch):
    monkeypatch.setattr(passes, "CHUNK", 1000)
    gaussians = random_gaussians(0, 5000, 1)
    gaussians.means *= 3  # many lie outside
    gaussians.logit_opacities.clamp_(max=-3.5)  # no pixel becomes opaque
    K = np.array([[14.0, 0, 35], [0, 13, 30], [0, 0, 1]]) if model == "ortho" else CAMERA.K
    camera = Camera(CAMERA.camera_to_world, K, 70, 64, model)
    whole = rasterize(gaussians, [camera], background=background, normals=True)
    parts = passes.rasterize_in_passes(
        gaussians, camera, device="cpu", budget_bytes=200_000, background=background, normals=True
    )
    for name in ("colour", "alpha", "normal", "accumulated_depth", "depth"):
        assert (getattr(whole, name) - getattr(parts, name)).abs().max() < 1e-4, name


def test_behind_the_early_stop_no_more_is_added_than_was_left_open():
    gaussians = random_gaussians(1, 5000)
    whole = rasterize(gaussians, [CAMERA])
    parts = passes.rasterize_in_passes(gaussians, CAMERA, device="cpu", budget_bytes=200_000)
    assert whole.alpha.max() > 0.99
    assert ((parts.alpha - whole.alpha).abs() <= 1 - whole.alpha + 1e-5).all()
    assert ((parts.colour - whole.colour).abs().amax(-1) <= 2 * (1 - whole.alpha) + 1e-5).all()


def test_it_stops_once_every_pixel_is_opaque(monkeypatch):
    layers = random_gaussians(0, 40)
    layers.means[:] = torch.stack([torch.zeros(40), torch.arange(40) + 2.0, torch.zeros(40)], 1)
    layers.log_scales[:], layers.logit_opacities[:] = 3.0, 5.0
    drawn = []

    def counted(gaussians, cameras, **options):
        drawn.append(len(gaussians))
        return rasterize(gaussians, cameras, **options)

    monkeypatch.setattr(passes, "rasterize", counted)
    row = layers.nbytes // 40 + passes._WORK
    render = passes.rasterize_in_passes(layers, CAMERA, device="cpu", budget_bytes=4 * row)
    assert drawn == [4, 4] and render.alpha.min() > 0.9999


def test_nothing_to_see_gives_the_background_and_a_budget_for_nothing_is_refused():
    empty = passes.rasterize_in_passes(
        Gaussians.empty(), CAMERA, device="cpu", budget_bytes=10_000, background=(1, 0, 0)
    )
    assert torch.equal(empty.colour[0, 0, 0], torch.tensor([1.0, 0, 0])) and not empty.alpha.any()
    with pytest.raises(UserError, match="hold no Gaussian"):
        passes.rasterize_in_passes(random_gaussians(0), CAMERA, device="cpu", budget_bytes=10)
    with pytest.raises(UserError, match="six faces"):
        passes.rasterize_in_passes(
            random_gaussians(0), Camera.equirect((0, 0, 0), 64), device="cpu", budget_bytes=10_000
        )


def test_gaussians_that_fit_are_drawn_at_once_and_others_in_passes():
    gaussians, device = random_gaussians(0, 400), torch.device("cpu")
    gaussians.logit_opacities.clamp_(max=-3.5)
    at_once, how = passes.drawer(gaussians, device)
    in_passes, told = passes.drawer(gaussians, device, free=100_000)
    assert how == "in one pass" and told.startswith("in passes: 400 Gaussians")
    assert (at_once(CAMERA).colour - in_passes(CAMERA).colour).abs().max() < 1e-4


def test_kernels_enclose_numbers_only():
    """What encloses another kernel is never found in numba's cache again: each process compiled for half a minute."""
    for kernel in (*composite.forward.values(), composite.forward_split, *composite.backward.values()):
        assert all(isinstance(cell.cell_contents, int) for cell in kernel.py_func.__closure__)
