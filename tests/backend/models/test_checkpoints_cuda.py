"""How checkpoints are held on a GPU; skipped where there is none."""

import numpy as np
import pytest
import tiny
import torch

from skyworld.camera import Camera, turned
from skyworld.models.checkpoints import load
from skyworld.models.roles import InpaintView
from skyworld.models.settings import Settings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
NAMES = ["StableDiffusionXLInpaintPipeline", "FluxFillPipeline", "Flux2KleinPipeline", "ZImagePipeline"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


def view() -> InpaintView:
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    unknown = np.zeros((64, 64), bool)
    unknown[:, 20:] = True
    camera = Camera.pinhole(turned((0, 0, 0)), 1.2, 64, 64)
    return InpaintView(picture, unknown, camera, "horizon", "a forest", 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [dict(offload="model"), dict(offload="group"), dict(tiled=True)], ids=str)
def test_the_way_of_holding_does_not_change_the_picture(folder, name, how):
    place = tiny.save(name, folder)
    resident, other = (
        load("inpainter", place, Settings("float32", steps=2, **more), torch.device("cuda")) for more in ({}, how)
    )
    for _ in range(2):  # the second time, layers come ahead in the order of the first
        assert np.abs(other.inpaint(view()) - resident.inpaint(view())).max() < 0.02


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("offload", ["none", "model", "group"])
def test_eight_bit_weights_make_nearly_the_picture(folder, name, offload):
    place = tiny.save(name, folder)
    plain = load("inpainter", place, Settings("bfloat16", steps=2), torch.device("cuda")).inpaint(view())
    settings = Settings("bfloat16", quantisation="fp8", offload=offload, steps=2)
    narrow = load("inpainter", place, settings, torch.device("cuda"))
    for _ in range(2):
        assert np.abs(narrow.inpaint(view()) - plain).mean() < 0.15


def test_off_loaded_encoders_leave_the_gpu(folder):
    adapter = load(
        "inpainter",
        tiny.save("ZImagePipeline", folder),
        Settings("float32", steps=2, offload="model"),
        torch.device("cuda"),
    )
    adapter.inpaint(view())
    assert next(adapter.pipe.text_encoder.parameters()).device.type == "cpu"
    assert next(adapter.pipe.transformer.parameters()).device.type == "cuda"


@pytest.mark.parametrize("shape", [(1, 128, 96, 70), (2, 320, 17, 9), (1, 64, 1, 1)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_group_normalisation_is_that_of_pytorch_and_keeps_the_order(monkeypatch, shape, affine):
    from skyworld.models.checkpoints import group_norm
    from skyworld.models.checkpoints.group_norm import GroupNorm

    monkeypatch.setattr(group_norm, "LARGE", 0)
    torch.manual_seed(0)
    norm = GroupNorm(32, shape[1], affine=affine, device="cuda", dtype=torch.bfloat16).requires_grad_(False)
    if affine:
        norm.weight.normal_(), norm.bias.normal_()
    values = (3 + torch.randn(shape, device="cuda")).bfloat16().to(memory_format=torch.channels_last)
    with torch.no_grad():
        made = norm(values)
    weight, bias = (None, None) if not affine else (norm.weight.double(), norm.bias.double())
    truth = torch.nn.functional.group_norm(values.double(), 32, weight, bias, norm.eps)
    assert made.is_contiguous(memory_format=torch.channels_last) and made.dtype == values.dtype
    assert (made.double() - truth).abs().max() <= 0.005 * truth.abs().max()
