"""Every camera model and every kind of image, against the dense float64 reference, with gradients."""

import numpy as np
import pytest
import torch
from dense_reference import render as dense
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_scenes import CAMERA, random_gaussians

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats import rasterize

K = {
    "pinhole": CAMERA.K,
    "ortho": np.array([[14.0, 0, 35], [0, 13, 30], [0, 0, 1]]),
    "fisheye": np.array([[30.0, 0, 35], [0, 28, 30], [0, 0, 1]]),
}


def camera_of(model: str, yaw: float = 0.1) -> Camera:
    return Camera(turned((0.1, -0.2, 0.05), yaw, -0.05, 0.2), K[model], 70, 64, model)


def leaves(gaussians, dtype):
    return gaussians.mapped(lambda tensor: tensor.detach().to(dtype).clone().requires_grad_())


def layers(render) -> torch.Tensor:
    """All of a render's images beside each other, [C, H, W, 5 or 8]."""
    parts = [render.colour, render.accumulated_depth[..., None], render.normal, render.alpha[..., None]]
    return torch.cat([part for part in parts if part is not None], -1)


def close_to(ours: torch.Tensor, exact: torch.Tensor, what: str, share: float = 1e-5):
    assert (exact - ours).norm() <= share * exact.norm().clamp_min(1e-6), what


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    model=st.sampled_from(sorted(K)),
    degree=st.integers(0, 3),
    antialiased=st.booleans(),
    surfels=st.booleans(),
    normals=st.booleans(),
    eps2d=st.floats(0.1, 1.0),
)
def test_every_camera_and_image_and_the_gradients_with_the_pose(
    seed, model, degree, antialiased, surfels, normals, eps2d
):
    gaussians, camera = random_gaussians(seed, 200, degree), camera_of(model)
    options = {"antialiased": antialiased, "surfels": surfels, "normals": normals, "eps2d": eps2d}
    ours, exact = leaves(gaussians, torch.float32), leaves(gaussians, torch.float64)
    ours_pose, exact_pose = (
        torch.from_numpy(camera.world_to_camera).to(dtype).requires_grad_() for dtype in (torch.float64, torch.float64)
    )
    image, alpha, close = dense(exact, camera, world_to_camera=exact_pose, **options)
    seen = layers(rasterize(ours, [camera], world_to_camera=ours_pose[None], **options))[0]
    expected = torch.cat([image, alpha[..., None]], -1)
    sure = ~close
    # Float32 places a mean to a millionth of a pixel; an edge sharper than eps2d = 0.15 px^2 shows more of that.
    bound = 2e-6 * max(1, (0.15 / eps2d) ** 0.5)
    assert (seen - expected)[..., [0, 1, 2, -1]].abs()[sure].max() < bound
    assert (seen - expected).abs()[sure].max() < 4e-5  # metres of depth
    weights = torch.rand(64, 70, seen.shape[-1], generator=torch.Generator().manual_seed(seed))
    (seen * weights)[sure].sum().backward()
    (expected * weights)[sure].sum().backward()
    for (name, a), (_, b) in zip(ours.tensors(), exact.tensors(), strict=True):
        close_to(a.grad, b.grad, name)
    close_to(ours_pose.grad, exact_pose.grad, "pose")


def test_given_colours_count_instead_of_the_harmonics_and_each_view_may_have_its_own():
    gaussians, cameras = random_gaussians(0, 200, 1), [camera_of("pinhole"), camera_of("pinhole", 0.3)]
    views = torch.rand(2, 200, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    exact_views = views.detach().double().requires_grad_()
    render = rasterize(gaussians, cameras, colours=views)
    weights = torch.rand(2, 64, 70, 3, generator=torch.Generator().manual_seed(2))
    exact = gaussians.mapped(torch.Tensor.double)
    for c, camera in enumerate(cameras):
        image, _, close = dense(exact, camera, colours=exact_views[c])
        assert (render.colour[c] - image[..., :3]).abs()[~close].max() < 2e-6
        (image[..., :3] * weights[c])[~close].sum().backward()
        (render.colour[c] * weights[c])[~close].sum().backward(retain_graph=True)
    close_to(views.grad, exact_views.grad, "colours")
    shared = rasterize(gaussians, cameras, colours=views[0].detach())
    assert torch.equal(shared.colour[0], render.colour[0]) and not torch.equal(shared.colour[1], render.colour[1])


def test_a_batch_of_cameras_is_each_of_them_alone():
    gaussians, cameras = random_gaussians(3, degree=2), [camera_of("fisheye", yaw) for yaw in (-0.4, 0.0, 0.4)]
    together = rasterize(gaussians, cameras, normals=True)
    for index, camera in enumerate(cameras):
        alone = rasterize(gaussians, [camera], normals=True)
        assert torch.equal(together.colour[index], alone.colour[0])
        assert torch.equal(together.normal[index], alone.normal[0])


def test_footprints_are_the_radii_and_what_each_pixel_pulls_at_the_means():
    gaussians, camera = random_gaussians(5, 120), camera_of("pinhole")
    exact, ours = leaves(gaussians, torch.float64), leaves(gaussians, torch.float32)
    per_pixel = {}

    def own_means(means2d):
        per_pixel["means"] = means2d.expand(64 * 70, -1, -1).detach().requires_grad_()
        return per_pixel["means"]

    image, _, close = dense(exact, camera, means2d_hook=own_means)
    weights = torch.rand(64, 70, 3, generator=torch.Generator().manual_seed(0))
    weights[close] = 0
    (image[..., :3] * weights).sum().backward()
    render = rasterize(ours, [camera], footprints=True)
    assert not render.footprints.gradient.any()
    (render.colour[0] * weights).sum().backward()
    found = render.footprints
    close_to(found.gradient[0], per_pixel["means"].grad.sum(0), "gradient")
    close_to(found.absolute[0], per_pixel["means"].grad.abs().sum(0), "absolute")
    drawn = found.radii[0] > 0
    assert drawn.any() and (~drawn).any()
    assert not found.gradient[0][~drawn].any() and not found.absolute[0][~drawn].any()


def test_the_radius_is_three_sigmas_of_the_longer_axis():
    gaussians = random_gaussians(0, 1)
    gaussians.means[:], gaussians.log_scales[:] = torch.tensor([0.0, 2.0, 0.0]), torch.tensor([0.4, 0.1, 0.1]).log()
    gaussians.quats[:] = torch.tensor([1.0, 0, 0, 0])
    camera = Camera.pinhole(turned((0, 0, 0)), 1.0, 100, 100)
    radius = rasterize(gaussians, [camera], footprints=True).footprints.radii.item()
    assert radius == pytest.approx(3 * np.sqrt((camera.K[0, 0] * 0.4 / 2) ** 2 + 0.3), rel=1e-4)


def test_a_surfel_seen_from_its_edge_is_a_line_and_its_normal_faces_the_camera():
    gaussians = random_gaussians(0, 1)
    gaussians.means[:], gaussians.log_scales[:] = torch.tensor([0.0, 2.0, 0.0]), float(np.log(0.3))
    gaussians.quats[:], gaussians.logit_opacities[:] = torch.tensor([1.0, 0, 0, 0]), 4.0  # normal +Z
    level = Camera.pinhole(turned((0, 0, 0)), 1.0, 65, 65)
    above = Camera.pinhole(turned((0, 0.5, 1.5), pitch=-np.pi / 4), 1.0, 65, 65)
    edge, top = (rasterize(gaussians, [camera], surfels=True, normals=True) for camera in (level, above))
    assert (edge.alpha[0] > 0.1).any(1).sum() < 6 and (top.alpha[0] > 0.1).any(1).sum() > 15
    assert torch.allclose(top.normal[0], top.alpha[0][..., None] * torch.tensor([0.0, 0, 1]), atol=1e-5)
    below = Camera.pinhole(turned((0, 0.5, -1.5), pitch=np.pi / 4), 1.0, 65, 65)
    assert rasterize(gaussians, [below], surfels=True, normals=True).normal[0, 32, 32, 2] < -0.9


def test_a_panorama_has_normals_but_takes_neither_poses_nor_footprints():
    gaussians, camera = random_gaussians(0), Camera.equirect((0, 0, 0), 64)
    assert rasterize(gaussians, [camera], normals=True).normal.shape == (1, 32, 64, 3)
    for options in ({"footprints": True}, {"world_to_camera": torch.eye(4)[None]}):
        with pytest.raises(UserError, match="panorama"):
            rasterize(gaussians, [camera], **options)
