"""gsplat on CUDA and our kernels on the CPU draw the same picture and give the same gradients."""

import math

import numpy as np
import pytest
import torch
from dense_reference import render as dense
from random_scenes import random_gaussians

from skyworld.camera import Camera, turned
from skyworld.splats import losses, rasterize
from skyworld.splats.densify import GradientRule, Mcmc, Still, disturb, relocated
from skyworld.splats.fitted import Fitted
from skyworld.splats.formats.palette import palette
from skyworld.splats.gaussians import rotation_matrices
from skyworld.splats.parallel import fit_on_gpus
from skyworld.splats.train import Schedule, View, fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU with gsplat")


CAMERAS = [Camera.pinhole(turned((x, 0, 0), 0.1 * x, -0.05), 1.2, 160, 120) for x in (-0.2, 0.3)]


def of_model(model):
    if model == "ortho":
        return [Camera(c.camera_to_world, [[40.0, 0, 80], [0, 40, 60], [0, 0, 1]], 160, 120, model) for c in CAMERAS]
    return [Camera(c.camera_to_world, c.K, 160, 120, model) for c in CAMERAS]


@pytest.mark.parametrize("model", ["pinhole", "ortho", "fisheye"])
@pytest.mark.parametrize("degree", [0, 3])
@pytest.mark.parametrize(
    "options", [{}, {"antialiased": True}, {"surfels": True, "normals": True}, {"normals": True, "eps2d": 0.1}]
)
def test_both_devices_agree(model, degree, options):
    """Within 1e-3 at every pixel, but where the exact picture says that an alpha lies at its threshold by a hair."""
    gaussians, cameras = random_gaussians(7, 1500, degree), of_model(model)
    colours = torch.rand(2, 1500, 3, generator=torch.Generator().manual_seed(0)) if "eps2d" in options else None
    ours = rasterize(gaussians, cameras, colours=colours, **options)
    exact, sure = gaussians.mapped(torch.Tensor.double), []
    for c, camera in enumerate(cameras):
        with torch.no_grad():
            sure.append(~dense(exact, camera, colours=None if colours is None else colours[c].double(), **options)[2])
    sure = torch.stack(sure)
    assert sure.float().mean() > 0.99
    there = gaussians.to("cuda")
    for count in (2, 1):  # two cameras go through gsplat's own intersection, one through ours
        views = slice(0, count)
        given = None if colours is None else colours[views].cuda()
        theirs = rasterize(there, cameras[views], colours=given, **options)
        for name in ("colour", "alpha", "normal") if "normals" in options else ("colour", "alpha"):
            apart = (getattr(ours, name)[views] - getattr(theirs, name).cpu()).abs()
            assert apart[sure[views]].max() < 1e-3, (name, count)
        seen = sure[views] & (ours.alpha[views] > 0.05)
        depth = ours.depth[views]
        assert ((depth - theirs.depth.cpu()).abs() / depth.clamp_min(1e-3))[seen].max() < 1e-3


def test_gradients_agree():
    weights = torch.rand(120, 160, 3, generator=torch.Generator().manual_seed(0))
    camera = Camera.pinhole(turned((0, 0, 0)), 1.2, 160, 120)
    found = []
    for device in ("cpu", "cuda"):
        gaussians = random_gaussians(1, 3000, 1).to(device)
        columns = dict(gaussians.tensors())
        for tensor in columns.values():
            tensor.requires_grad_()
        render = rasterize(gaussians, [camera])
        ((render.colour[0] * weights.to(device)).sum() + render.depth.sum()).backward()
        found.append({name: tensor.grad.cpu() for name, tensor in columns.items() if tensor.grad is not None})
    for name, ours in found[0].items():
        assert (ours - found[1][name]).norm() / ours.norm() < 1e-2, name


def _motion(gradient, poses):
    """Gradient [C, 6] of poses under small rigid motions in front of them."""
    moved = gradient @ poses.transpose(1, 2)
    turn = moved[:, :3, :3] - moved[:, :3, :3].transpose(1, 2)
    return torch.cat([turn[:, (0, 0, 1), (1, 2, 2)], moved[:, :3, 3]], 1)


@pytest.mark.parametrize("model", ["pinhole", "ortho", "fisheye"])
@pytest.mark.parametrize("antialiased", [False, True])
def test_our_way_through_gsplats_kernels_gives_gsplats_pictures_and_gradients(model, antialiased):
    from gsplat import rasterization

    cameras = of_model(model)
    weights = torch.rand(2, 120, 160, 5, generator=torch.Generator().manual_seed(0)).cuda()
    gaussians = random_gaussians(2, 2000, 2).to("cuda")
    poses = torch.stack([torch.from_numpy(camera.world_to_camera) for camera in cameras]).float().cuda()
    Ks = torch.stack([torch.from_numpy(camera.K) for camera in cameras]).float().cuda()

    def leaves():
        return gaussians.mapped(lambda tensor: tensor.clone().requires_grad_()), poses.clone().requires_grad_()

    ours, our_poses = leaves()
    render = rasterize(ours, cameras, antialiased=antialiased, world_to_camera=our_poses)
    layers = [render.colour, render.accumulated_depth[..., None], render.alpha[..., None]]
    (torch.cat(layers, -1) * weights).sum().backward()
    theirs, their_poses = leaves()
    image, alpha, _ = rasterization(
        theirs.means, theirs.quats, theirs.log_scales.exp(), theirs.logit_opacities.sigmoid(), theirs.sh,
        their_poses, Ks, 160, 120, sh_degree=2, packed=False, render_mode="RGB+D", camera_model=model,
        rasterize_mode="antialiased" if antialiased else "classic",
    )  # fmt: skip
    (torch.cat([image, alpha], -1) * weights).sum().backward()
    assert (torch.cat(layers, -1) - torch.cat([image, alpha], -1)).abs().max() < 1e-5
    # Off the rigid motions the two differ: gsplat inverts the pose as any matrix.
    motions = [_motion(pose.grad, poses) for pose in (our_poses, their_poses)]
    assert (motions[0] - motions[1]).norm() <= 1e-3 * motions[1].norm()
    for a, b in zip(dict(ours.tensors()).values(), dict(theirs.tensors()).values(), strict=True):
        assert (a.grad - b.grad).norm() <= 1e-3 * b.grad.norm()


def test_footprints_are_filled_by_the_backward_pass():
    gaussians = random_gaussians(4, 500, 0).to("cuda")
    gaussians.means.requires_grad_()
    drawn = rasterize(gaussians, CAMERAS, footprints=True)
    assert (drawn.footprints.radii > 0).any() and not drawn.footprints.gradient.any()
    drawn.colour.square().sum().backward()
    seen = drawn.footprints.radii > 0
    assert drawn.footprints.gradient[seen].abs().sum() > 0 and not drawn.footprints.gradient[~seen].any()
    assert (drawn.footprints.absolute >= drawn.footprints.gradient.abs() - 1e-4).all()


def test_ssim_of_both_devices_agrees_with_its_gradient():
    a, b = torch.rand(2, 70, 90, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for device in ("cpu", "cuda"):
        render = a.clone().to(device).requires_grad_()
        value = losses.ssim(render, b.to(device))
        value.backward()
        found.append((value.item(), render.grad.cpu()))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    assert (found[0][1] - found[1][1]).norm() < 1e-5 * found[0][1].norm()


@pytest.mark.parametrize("selective", [False, True])
def test_adam_of_both_devices_agrees(selective):
    seen = torch.rand(300, generator=torch.Generator().manual_seed(1)) > 0.5
    found = []
    for device in ("cpu", "cuda"):
        fitted = Fitted(random_gaussians(0, 300, 1).to(device), {"sh": 0.1, "means": 0.1})
        for k in range(3):
            for column in ("sh", "means"):
                fitted.columns[column].grad = (fitted.values(column) * (k + 1)).sin()
            numbers = fitted.numbers({"sh": np.full(3, 0.1), "means": np.full(3, 0.01)})
            fitted.step(numbers[k], seen.to(device) if selective else None)
        found.append({name: fitted.values(name).cpu() for name in ("sh", "means")})
    for name in found[0]:
        assert torch.allclose(found[0][name], found[1][name], atol=1e-5)


def test_relocation_is_gsplats():
    from gsplat.relocation import compute_relocation

    generator = torch.Generator().manual_seed(0)
    opacities, scales = torch.rand(200, generator=generator) * 0.99, torch.rand(200, 3, generator=generator)
    ratios = torch.randint(1, 20, (200,), generator=generator)
    binoms = torch.tensor([[math.comb(n, k) if k <= n else 0 for k in range(51)] for n in range(51)]).float().cuda()
    theirs = compute_relocation(opacities.cuda(), scales.cuda(), ratios.cuda(), binoms)
    ours = relocated(opacities, scales, ratios)
    assert torch.allclose(ours[0], theirs[0].cpu(), atol=1e-4)
    assert torch.allclose(ours[1], theirs[1].cpu(), rtol=2e-2)


def test_the_noise_of_mcmc_has_the_shape_of_each_gaussian():
    count = 200_000
    one = random_gaussians(3, 1, 0)
    one.logit_opacities[:] = -9.0
    fitted = Fitted(one[torch.zeros(count, dtype=torch.long)].to("cuda"), {})
    before = fitted.values("means").clone()
    disturb(fitted, 2.0, 0.005, torch.Generator("cuda").manual_seed(0), 0)
    moved = (fitted.values("means") - before).cpu().double()
    turn, scales = rotation_matrices(one.quats)[0].double(), one.log_scales[0].exp().double()
    covariance = turn @ scales.square().diag() @ turn.T
    strength = 2 * torch.sigmoid(torch.tensor(0.5 - 100 * torch.sigmoid(torch.tensor(-9.0)).item()))
    assert torch.allclose(moved.T.cov() / strength**2, covariance @ covariance, atol=1e-2 * float(scales.max()) ** 4)


@pytest.mark.parametrize("background", [(0.0, 0.0, 0.0), "random"])
@pytest.mark.parametrize("strategy", [Still(), GradientRule(4.0, 1e-3, begin=10, end=60, every=15, reset_every=0)])
def test_a_replayed_step_moves_the_gaussians_as_one_that_is_not(strategy, background):
    truth = random_gaussians(0, 3000, 1).to("cuda")
    with torch.no_grad():
        pictures = rasterize(truth, CAMERAS).colour
    views = [View(camera, picture) for camera, picture in zip(CAMERAS, pictures, strict=True)]
    start = truth.mapped(torch.clone)
    start.sh *= 0.5
    found = []
    for record in (True, False):
        schedule = Schedule(60, {"sh": 0.02, "means": 1e-4})
        steps = fit(start, views, schedule, strategy=strategy, record=record, background=background)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            found.append(end.value)
    # Atomic sums on the GPU come in any order.
    assert abs(len(found[0]) - len(found[1])) <= 0.02 * len(found[1])
    if isinstance(strategy, GradientRule):
        assert len(found[0]) > 1.05 * len(start)
        return
    assert (found[0].sh - found[1].sh).norm() < 1e-2 * (found[0].sh - start.sh).norm()


@pytest.mark.parametrize("size", [(160, 120), (333, 41)])
def test_tiles_get_every_gaussian_that_shows_in_them_and_few_others(size):
    gaussians = random_gaussians(5, 4000, 0).to("cuda")
    gaussians.log_scales[:, 0] += 1.5
    camera = Camera.pinhole(turned((0, 0, 0), 0.1, -0.05), 1.2, *size)
    exact = rasterize(gaussians, [camera])
    both = rasterize(gaussians, [camera, camera])  # a batch goes through gsplat's own intersection
    assert (exact.colour[0] - both.colour[0]).abs().max() < 1e-5


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("strategy", [Still(), Mcmc(2400, begin=20, end=150, every=20)])
def test_two_gpus_come_as_near_to_the_pictures_as_one(strategy):
    truth = random_gaussians(0, 2000, 1)
    with torch.no_grad():
        pictures = rasterize(truth, CAMERAS).colour
    views = [View(camera, picture) for camera, picture in zip(CAMERAS, pictures, strict=True)]
    start = truth.mapped(torch.clone)
    start.sh *= 0.5
    there = [View(view.camera, view.picture.cuda()) for view in views]
    schedule = Schedule(300, {"sh": 0.02})

    def error(steps):
        try:
            while True:
                next(steps)
        except StopIteration as end:
            render = rasterize(end.value.to("cpu"), CAMERAS).colour
            return float((render - pictures).square().mean()), len(end.value)

    before = float((rasterize(start, CAMERAS).colour - pictures).square().mean())
    one, _ = error(fit(start.to("cuda"), there, schedule, strategy=strategy))
    two, count = error(fit_on_gpus(start, views, schedule, gpus=2, strategy=strategy))
    assert one < 0.1 * before and two < 2 * one
    assert count == 2000 if isinstance(strategy, Still) else 2000 < count <= 2400


def test_the_palette_of_harmonics_is_as_good_from_the_gpu():
    rows = torch.randn(5000, 15, 3, generator=torch.Generator().manual_seed(0))
    errors = []
    for device in ("cpu", "cuda"):
        there = rows.to(device)
        entries, labels = palette(there, 256)
        assert labels.max() < len(entries) <= 256
        errors.append(float((entries[labels].reshape(there.shape) - there).square().mean()))
    assert errors[1] == pytest.approx(errors[0], rel=0.02)
