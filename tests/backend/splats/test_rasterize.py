"""The CPU rasterizer draws what a dense float64 reference draws, with the same gradients."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from dense_reference import render as dense
from hypothesis import given, settings
from hypothesis import strategies as st
from random_scenes import CAMERA, one_gaussian, random_gaussians

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats import Gaussians, rasterize


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), degree=st.integers(0, 3), antialiased=st.booleans())
def test_image_and_gradients_are_those_of_the_dense_reference(seed, degree, antialiased):
    gaussians = random_gaussians(seed, degree=degree)
    exact = gaussians.mapped(lambda tensor: tensor.double().requires_grad_())
    ours = gaussians.mapped(lambda tensor: tensor.clone().requires_grad_())
    image, alpha, close = dense(exact, CAMERA, antialiased)
    sure = ~close
    assert sure.float().mean() > 0.98
    render = rasterize(ours, [CAMERA], antialiased=antialiased)
    assert (render.colour[0] - image[..., :3]).abs()[sure].max() < 2e-6
    assert (render.alpha[0] - alpha).abs()[sure].max() < 2e-6
    shown = sure & (alpha > 0.01)
    assert ((render.depth[0] * alpha / image[..., 3]) - 1).abs()[shown].max() < 1e-5

    weights = torch.rand(64, 70, 5, generator=torch.Generator().manual_seed(seed))
    accumulated = render.depth[0] * render.alpha[0]
    ours_loss = torch.cat([render.colour[0], accumulated[..., None], render.alpha[0][..., None]], -1) * weights
    exact_loss = torch.cat([image, alpha[..., None]], -1) * weights
    ours_loss[sure].sum().backward()
    exact_loss[sure].sum().backward()
    for (name, a), (_, b) in zip(exact.tensors(), ours.tensors(), strict=True):
        assert (a.grad - b.grad).norm() <= 1e-5 * a.grad.norm(), name


def test_two_runs_and_concurrent_threads_give_the_same_bits():
    gaussians = random_gaussians(1)

    def run(_):
        copy = gaussians.mapped(lambda tensor: tensor.clone().requires_grad_())
        render = rasterize(copy, [CAMERA])
        (render.colour.square().sum() + render.depth.sum()).backward()
        return [render.colour, render.depth, *(tensor.grad for _, tensor in copy.tensors())]

    alone = run(0)
    with ThreadPoolExecutor(3) as pool:
        for together in pool.map(run, range(6)):
            assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_colour_is_premultiplied_and_lies_on_the_background():
    gaussians, camera = one_gaussian(), Camera.pinhole(turned((0, 0, 0)), 1.0, 33, 33)
    bare = rasterize(gaussians, [camera])
    assert torch.allclose(bare.colour, bare.alpha[..., None] * 0.8, atol=1e-6)
    assert bare.alpha[0, 16, 16] == pytest.approx(0.9, abs=0.02)
    white = rasterize(gaussians, [camera], background=(1, 1, 1))
    assert torch.allclose(white.colour, bare.colour + 1 - bare.alpha[..., None], atol=1e-6)


def test_depth_is_camera_z_of_what_is_seen_and_zero_where_nothing_is():
    render = rasterize(one_gaussian((0.5, 2.0, 0.0)), [Camera.pinhole(turned((0, 0, 0)), 1.0, 64, 64)])
    shown = render.alpha > 0
    assert torch.allclose(render.depth[shown], torch.tensor(2.0), atol=1e-5)
    assert (render.depth[~shown] == 0).all() and (~shown).any()


def test_the_nearer_gaussian_hides_the_farther_one_whatever_their_order():
    near, far = one_gaussian((0, 2.0, 0), opacity=0.999, colour=1.0), one_gaussian((0, 3.0, 0), sigma=0.2, colour=0.0)
    camera = Camera.pinhole(turned((0, 0, 0)), 1.0, 33, 33)
    for order in ([near, far], [far, near]):
        assert rasterize(Gaussians.concatenate(order), [camera]).colour[0, 16, 16, 0] > 0.97


def test_the_principal_point_shifts_the_picture():
    centred = Camera.pinhole(turned((0, 0, 0)), 1.0, 64, 64)
    K = centred.K.copy()
    K[0, 2] += 10
    shifted = Camera(centred.camera_to_world, K, 64, 64)
    gaussians = random_gaussians(3)
    a, b = rasterize(gaussians, [centred]).colour[0], rasterize(gaussians, [shifted]).colour[0]
    # The Jacobian is limited relative to the border, so that only Gaussians near the border differ a little.
    assert (a[16:48, 10:44] - b[16:48, 20:54]).abs().mean() < 1e-3


def test_a_panorama_of_gaussians_joins_its_faces_without_a_seam():
    # A shell of overlapping Gaussians whose colour changes slowly: any jump is one of the cube.
    directions = torch.nn.functional.normalize(
        torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    colours = (directions * 0.4) / 0.28209479177387814
    shell = Gaussians(
        directions * 5,
        torch.full((40_000, 3), float(np.log(0.06))),
        torch.tensor([[1.0, 0, 0, 0]]).repeat(40_000, 1),
        torch.full((40_000,), 3.0),
        colours[:, None],
    )
    camera = Camera.equirect((0, 0, 0), 256)
    render = rasterize(shell, [camera])
    expected = torch.from_numpy(camera.rays() * 0.4 + 0.5).float()
    assert render.alpha.mean() > 0.98
    assert (render.colour[0] - expected).abs().mean() < 0.02
    assert (render.depth[0] - 5).abs().median() < 0.05
    # Neighbours on two faces sort their Gaussians by another z: a small step, as in any view.
    steps = (render.colour[0] - render.colour[0].roll(1, 1)).abs().mean((0, 2))
    assert steps.max() < 0.03


def test_no_gaussians_give_the_background():
    render = rasterize(Gaussians.empty(), [Camera.pinhole(turned((0, 0, 0)), 1.0, 8, 8)], background=(0.2, 0.4, 0.6))
    assert torch.allclose(render.colour[0, 0, 0], torch.tensor([0.2, 0.4, 0.6]))
    assert not render.alpha.any() and not render.depth.any()


def test_gaussians_behind_the_camera_are_not_drawn_and_one_around_it_does_not_break_the_picture():
    camera = Camera.pinhole(turned((0, 0, 0)), 1.0, 16, 16)
    assert not rasterize(one_gaussian((0, -2.0, 0)), [camera]).alpha.any()
    around = rasterize(one_gaussian((0, 0.02, 0), sigma=3.0), [camera])
    assert torch.isfinite(around.colour).all() and around.alpha.mean() > 0.5


def test_values_that_are_not_finite_are_named_and_counted():
    gaussians = random_gaussians(0)
    gaussians.means[[3, 7], 0] = float("nan")
    gaussians.sh[9] = float("inf")
    with pytest.raises(UserError, match="means of 2, sh of 1 of 300"):
        rasterize(gaussians, [CAMERA])


def test_cameras_that_cannot_be_drawn_are_refused():
    ortho = Camera(np.eye(4), np.eye(3), 70, 64, "ortho")
    with pytest.raises(UserError, match="one model, not ortho, pinhole"):
        rasterize(one_gaussian(), [CAMERA, ortho])
    with pytest.raises(UserError, match="one size"):
        rasterize(one_gaussian(), [CAMERA, CAMERA.resized(32)])
