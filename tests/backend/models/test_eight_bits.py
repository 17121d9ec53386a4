"""Weights in 8 bits: what they keep, and what a card that multiplies in 8 bits answers."""

import pytest
import torch

from skyworld.models.checkpoints import eight_bits

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
# PyTorch's CPU has learnt the product meanwhile, which serves as a reference.
OLD = pytest.mark.skipif(torch.__version__ < "2.13", reason="PyTorch before 2.13 multiplies in 8 bits on GPUs only")


def layers(kind=torch.nn.Linear, *sizes, **more):
    """A layer, and the same one with a weight in 8 bits."""
    torch.manual_seed(0)
    plain, narrow = (kind(*sizes, **more).requires_grad_(False) for _ in range(2))
    # Rows that differ a thousandfold: without a scale of their own the small ones would be gone.
    plain.weight *= torch.logspace(-4, -1, len(plain.weight)).view(-1, *[1] * (plain.weight.ndim - 1))
    narrow.load_state_dict(plain.state_dict())
    eight_bits.narrow(narrow, torch.float32)
    assert narrow.weight.dtype == torch.float8_e4m3fn
    return plain, narrow


def off(made: torch.Tensor, truth: torch.Tensor) -> float:
    """Largest error of a channel (the last axis), as a share of its size."""
    return float(((made - truth).norm(dim=0) / truth.norm(dim=0)).max())


def test_small_rows_of_a_weight_are_kept_as_well_as_large_ones():
    plain, narrow = layers(torch.nn.Linear, 96, 64, bias=False)
    values = torch.randn(200, 96)
    assert off(narrow(values), plain(values)) < 0.04


def test_a_convolution_keeps_its_small_channels():
    plain, narrow = layers(torch.nn.Conv2d, 8, 16, 3, padding=1, bias=False)
    picture = torch.randn(1, 8, 20, 20)
    assert off(*(layer(picture)[0].flatten(1).T for layer in (narrow, plain))) < 0.05


@pytest.mark.parametrize("device", [pytest.param("cpu", marks=OLD), pytest.param("cuda", marks=NO_GPU)])
def test_a_product_of_8_bits_is_the_layers(monkeypatch, device):
    plain, narrow = (layer.to(device) for layer in layers(torch.nn.Linear, 96, 64))
    values = torch.randn(2, 100, 96, device=device)
    values[0] *= 1000  # each row of the values has a scale of its own, too
    monkeypatch.setattr(eight_bits, "multiplies", lambda device: pytest.fail("asked before it is needed"))
    few = narrow(values[:, :10])
    monkeypatch.setattr(eight_bits, "multiplies", lambda device: True)
    made = narrow(values)
    assert made.shape == (2, 100, 64) and made.dtype == torch.float32
    for which in range(2):
        assert off(made[which], plain(values[which])) < 0.06
    assert torch.equal(few, torch.nn.functional.linear(values[:, :10], narrow.widened(), narrow.bias))


@NO_GPU
@pytest.mark.parametrize("width", [16, 96, 3072, 15360])
def test_the_kernel_narrows_rows_as_pytorch_does(width):
    sizes = torch.logspace(-3, 3, 77, device="cuda")[:, None]
    values = (sizes * torch.randn(77, width, device="cuda")).bfloat16()
    values[3] = 0
    (made, scale), (truth, true_scale) = eight_bits._quickly(values), eight_bits.rows_in_8_bits(values)
    assert torch.allclose(scale, true_scale, rtol=1e-5)
    assert (made[3].float() == 0).all()
    # A value half way between two may go to either.
    assert (made.float() != truth.float()).float().mean() < 0.01
    assert torch.allclose(made.float() * scale, truth.float() * true_scale, rtol=0.13)


@NO_GPU
def test_the_card_is_asked_whether_it_multiplies_in_8_bits():
    assert eight_bits.multiplies(torch.device("cuda")) == (torch.cuda.get_device_capability() >= (8, 9))
