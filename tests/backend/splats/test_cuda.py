"""gsplat on CUDA and our kernels on the CPU draw the same picture and give the same gradients."""

import pytest
import torch
from random_scenes import random_gaussians

from skyworld.camera import Camera, turned
from skyworld.splats import rasterize

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU with gsplat")


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("degree", [0, 3])
def test_both_devices_agree(degree, antialiased):
    gaussians = random_gaussians(degree, 3000, degree)
    camera = Camera.pinhole(turned((0, 0, 0), 0.1, -0.05), 1.2, 160, 120)
    ours = rasterize(gaussians, [camera], antialiased=antialiased)
    theirs = rasterize(gaussians.to("cuda"), [camera], antialiased=antialiased)
    assert (ours.colour - theirs.colour.cpu()).abs().max() < 1e-3
    assert (ours.alpha - theirs.alpha.cpu()).abs().max() < 1e-3
    seen = ours.alpha > 0.05
    assert ((ours.depth - theirs.depth.cpu()).abs() / ours.depth.clamp_min(1e-3))[seen].max() < 1e-3


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
