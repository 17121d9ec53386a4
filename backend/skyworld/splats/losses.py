"""How far a render is from a picture. Pictures [H, W, 3], weights [H, W]; all differentiable in the render."""

import cv2
import numpy as np
import torch
from torch import Tensor

_WINDOW, _SIGMA = 11, 1.5  # of the Gaussian window, Wang et al. 2004
_C1, _C2 = 0.01**2, 0.03**2
_KERNEL = cv2.getGaussianKernel(_WINDOW, _SIGMA).astype(np.float32)[:, 0]


def l1(render: Tensor, picture: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference, weighted by pixel."""
    return _mean((render - picture).abs().mean(-1), weight)


def ssim(render: Tensor, picture: Tensor, weight: Tensor | None = None) -> Tensor:
    """Structural similarity (Wang et al. 2004), 11 px Gaussian window, mean over channels, weighted by window centre.

    Both pictures are multiplied with the mask weight > 0 first, so that nothing outside of it takes part.
    """
    if weight is not None:
        inside = (weight > 0)[..., None]
        render, picture = render * inside, picture * inside
    a, b = render.permute(2, 0, 1), picture.permute(2, 0, 1)
    mean_a, mean_b, square_a, square_b, product = _blurred(torch.stack([a, b, a * a, b * b, a * b])).unbind(0)
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return _mean((luminance * structure).mean(0), weight)


def psnr(render: Tensor, picture: Tensor, weight: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB, for values from 0 to 1."""
    return float(-10 * torch.log10(_mean((render - picture).square().mean(-1), weight).clamp_min(1e-12)))


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    return values.mean() if weight is None else (values * weight).sum() / weight.sum().clamp_min(1e-6)


def _blurred(layers: Tensor) -> Tensor:
    """[..., H, W] under the Gaussian window, black beyond the border: there the blur is its own transpose."""
    if layers.device.type == "cpu":
        return _CpuBlur.apply(layers)
    kernel = torch.from_numpy(_KERNEL).to(layers)
    flat = layers.flatten(0, -3)[:, None]
    flat = torch.nn.functional.conv2d(flat, kernel[None, None, :, None], padding=(_WINDOW // 2, 0))
    flat = torch.nn.functional.conv2d(flat, kernel[None, None, None, :], padding=(0, _WINDOW // 2))
    return flat.reshape(layers.shape)


class _CpuBlur(torch.autograd.Function):
    """OpenCV's separable filter: forty times as fast as a convolution with one channel in torch."""

    @staticmethod
    def forward(_, layers):
        planes = layers.detach().numpy().reshape(-1, *layers.shape[-2:])
        blurred = [cv2.sepFilter2D(plane, -1, _KERNEL, _KERNEL, borderType=cv2.BORDER_CONSTANT) for plane in planes]
        return torch.from_numpy(np.stack(blurred)).reshape(layers.shape)

    @staticmethod
    def backward(_, gradient):
        return _CpuBlur.apply(gradient)
