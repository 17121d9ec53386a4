"""A picture against its reference, pixel by pixel. Pictures: float [H, W, 3], 0 to 1, sRGB-encoded."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.evaluate.registry import ALEXNET, Models, UnfitError

RGB_TO_LUMA = np.array([0.299, 0.587, 0.114])


def same_size(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (a.shape, b.shape)]
        raise UserError(f"a picture of {sizes[0]} pixels cannot be compared with a reference of {sizes[1]}")


def luma(picture: np.ndarray) -> np.ndarray:
    """Rec. 601 luma [H, W] of the 8-bit picture, rounded, 0 to 255: MATLAB's rgb2gray, pyiqa's Y of YIQ."""
    return np.round(np.round(picture.astype(np.float64) * 255) @ RGB_TO_LUMA)


def psnr(picture: np.ndarray, reference: np.ndarray, models: Models | None = None) -> float:
    """Peak signal-to-noise ratio in dB: over all pixels and the three RGB channels, peak 1; infinite if equal."""
    same_size(picture, reference)
    return decibels(np.mean((picture.astype(np.float64) - reference) ** 2))


def decibels(mean_square_error: float) -> float:
    return float("inf") if mean_square_error == 0 else float(-10 * np.log10(mean_square_error))


def ssim_map(a: np.ndarray, b: np.ndarray, data_range: float) -> np.ndarray:
    """SSIM [H-10, W-10, C] of [H, W, C], wherever the 11x11 Gaussian window (sigma 1.5) fits; K = .01 and .03."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    same_size(a, b)
    if min(a.shape[:2]) < 11:
        raise UnfitError("SSIM needs at least 11 x 11 pixels")
    a, b = (torch.from_numpy(np.ascontiguousarray(x, np.float64)).permute(2, 0, 1)[None] for x in (a, b))
    _, full = structural_similarity_index_measure(a, b, sigma=1.5, data_range=data_range, return_full_image=True)
    return full[0].permute(1, 2, 0)[5:-5, 5:-5].numpy()


def ssim(picture: np.ndarray, reference: np.ndarray, models: Models | None = None) -> float:
    """Structural similarity of RGB, the mean over channels and over the windows that fit in the picture.

    Wang et al. 2004 per channel. (Gaussian-splatting papers pad with zeros instead; that differs near the border only.)
    """
    return float(ssim_map(picture, reference, 1.0).mean())


def ssim_luma(picture: np.ndarray, reference: np.ndarray, models: Models | None = None) -> float:
    """Structural similarity of 8-bit luma, without downsampling (pyiqa's `ssim`); not comparable with RGB SSIM."""
    return float(ssim_map(luma(picture)[..., None], luma(reference)[..., None], 255.0).mean())


def ms_ssim(picture: np.ndarray, reference: np.ndarray, models: Models | None = None) -> float:
    """Multi-scale SSIM of RGB (Wang et al. 2003) as in torchmetrics, scale weights .0448 .2856 .3001 .2363 .1333."""
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    same_size(picture, reference)
    if min(picture.shape[:2]) <= 160:
        raise UnfitError("MS-SSIM needs more than 160 pixels on each side: five scales of an 11-pixel window")
    a, b = (torch.from_numpy(x.astype(np.float64)).permute(2, 0, 1)[None] for x in (picture, reference))
    return float(multiscale_structural_similarity_index_measure(a, b, data_range=1.0))


def sharpness_difference(picture: np.ndarray, reference: np.ndarray, models: Models | None = None) -> float:
    """10 log10(1 / mean |G - G'|) with G = |horizontal step| + |vertical step|, RGB 0 to 1 (Mathieu et al. 2016)."""
    same_size(picture, reference)
    steps = [
        np.abs(np.diff(x, axis=0))[:, 1:] + np.abs(np.diff(x, axis=1))[1:]
        for x in (picture.astype(np.float64), reference.astype(np.float64))
    ]
    return decibels(np.abs(steps[0] - steps[1]).mean())


def lpips(picture: np.ndarray, reference: np.ndarray, models: Models) -> float:
    """LPIPS v0.1 on AlexNet (Zhang et al. 2018): RGB scaled to -1..1, five taps after ReLU, channels normalised to
    unit length, squared differences weighted by the published linear heads, averaged over pixels, summed over taps."""
    import torch

    same_size(picture, reference)
    if min(picture.shape[:2]) < 64:
        raise UnfitError("LPIPS needs at least 64 pixels on each side")
    from skyworld.evaluate.networks import alexnet_taps

    weights, heads = models.load(_alexnet, ALEXNET), models.load(_linear_heads)
    shift, scale = (torch.tensor(x, device=models.device)[:, None, None] for x in _SCALING)
    x = torch.from_numpy(np.stack([picture, reference]).astype(np.float32)).to(models.device).permute(0, 3, 1, 2)
    total = 0.0
    for i, tap in enumerate(alexnet_taps(weights, (2 * x - 1 - shift) / scale)):
        unit = tap / (tap.norm(dim=1, keepdim=True) + 1e-10)
        total += float((heads[f"lin{i}.model.1.weight"][0] * (unit[0] - unit[1]) ** 2).sum(0).mean())
    return total


_SCALING = ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450))


def _alexnet(path: Path, device: str) -> dict:
    from skyworld.evaluate.networks import state_dict

    return state_dict(path, "features.10.weight", device)


def _linear_heads(device: str) -> dict:
    """The v0.1 heads, which torchmetrics carries; read as a file, since its own LPIPS needs torchvision."""
    from skyworld.evaluate.networks import state_dict

    folder = Path(find_spec("torchmetrics").submodule_search_locations[0])
    return state_dict(folder / "functional/image/lpips_models/alex.pth", "lin4.model.1.weight", device)
