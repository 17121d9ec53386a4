"""PSNR, SSIM, MS-SSIM, LPIPS, sharpness difference against formulas and against torchmetrics."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from skyworld.evaluate import measure
from skyworld.evaluate.full_reference import luma

functional = pytest.importorskip("torchmetrics.functional.image")
RNG = np.random.default_rng(1)
REFERENCE = gaussian_filter(RNG.random((180, 200, 3)), (2, 2, 0))
REFERENCE = (REFERENCE - REFERENCE.min()) / np.ptp(REFERENCE)
PICTURE = np.clip(REFERENCE + RNG.normal(0, 0.05, REFERENCE.shape), 0, 1)


def tensors():
    return [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (PICTURE, REFERENCE)]


def one(name, picture=PICTURE, reference=REFERENCE, **options):
    return measure([name], [picture], [reference], **options)[name]


def test_psnr_of_a_uniform_error_is_its_decibels():
    grey = np.full((20, 20, 3), 0.5)
    assert one("psnr", grey + 0.1, grey) == pytest.approx(20)
    assert one("psnr", grey, grey) == np.inf


def test_psnr_equals_torchmetrics():
    expected = functional.peak_signal_noise_ratio(*tensors(), data_range=1.0)
    assert one("psnr") == pytest.approx(float(expected), abs=1e-4)


def wang_ssim(x, y, data_range):
    """Wang et al. 2004, written out: Gaussian window cut to 11 pixels, windows inside the picture."""
    blur = lambda z: gaussian_filter(z, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]  # noqa: E731
    mx, my = blur(x), blur(y)
    xx, yy, xy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return np.mean((2 * mx * my + c1) * (2 * xy + c2) / (mx**2 + my**2 + c1) / (xx + yy + c2))


def test_ssim_is_wangs_of_each_channel():
    expected = np.mean([wang_ssim(PICTURE[..., i], REFERENCE[..., i], 1.0) for i in range(3)])
    assert one("ssim") == pytest.approx(expected, abs=1e-9)


def test_luma_ssim_is_wangs_of_rounded_luma():
    assert one("ssim_luma") == pytest.approx(wang_ssim(luma(PICTURE), luma(REFERENCE), 255.0), abs=1e-9)
    assert abs(one("ssim_luma") - one("ssim")) > 0.01


def test_multiscale_ssim_is_that_of_torchmetrics_and_one_for_equal_pictures():
    expected = functional.multiscale_structural_similarity_index_measure(*tensors(), data_range=1.0)
    assert one("ms_ssim") == pytest.approx(float(expected))
    assert one("ms_ssim", REFERENCE) == pytest.approx(1)


def test_sharpness_difference_of_a_ramp_against_grey():
    ramp = np.tile(np.linspace(0, 1, 101)[None, :, None], (20, 1, 3))
    assert one("sharpness_difference", ramp, np.full_like(ramp, 0.5)) == pytest.approx(20)


def alexnet():
    torch.manual_seed(0)
    sizes = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))
    layers = []
    for i, size in enumerate(sizes):
        layers += [torch.nn.MaxPool2d(3, 2)] if i in (1, 2) else []
        layers += [torch.nn.Conv2d(*size), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


@pytest.fixture
def alexnet_folder(tmp_path):
    """A weights folder with a random AlexNet, in torchvision's names."""
    weights = {f"features.{name}": x for name, x in alexnet().state_dict().items()}
    torch.save(weights, tmp_path / "alexnet-owt-7be5be79.pth")
    return tmp_path


def test_lpips_equals_that_of_torchmetrics_on_the_same_backbone(alexnet_folder, monkeypatch):
    from torchmetrics.functional.image import lpips

    monkeypatch.setattr(lpips, "_get_tv_model_features", lambda *_, **__: alexnet())
    oracle = lpips._LPIPS(pretrained=True, net="alex", pnet_rand=True)
    with torch.no_grad():
        expected = oracle(*(x.float() for x in tensors()), normalize=True)
    assert one("lpips", weights=alexnet_folder) == pytest.approx(float(expected), rel=1e-4)
    assert one("lpips", REFERENCE, weights=alexnet_folder) == 0


def test_a_file_that_is_not_alexnet_is_named(alexnet_folder):
    from skyworld.errors import UserError

    path = alexnet_folder / "alexnet-owt-7be5be79.pth"
    torch.save({"other": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=r"alexnet-owt.*other weights"):
        one("lpips", weights=alexnet_folder)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"alexnet-owt.*cannot be read"):
        one("lpips", weights=alexnet_folder)
