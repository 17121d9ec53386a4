"""Rasterization of CUDA tensors with gsplat (1.5.3 and later)."""

import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize.projection import EPS2D, NEAR


def rasterize_pinhole(gaussians: Gaussians, camera: Camera, sh_degree: int, antialiased: bool) -> tuple[Tensor, Tensor]:
    """Image [H, W, 4] (premultiplied colour and accumulated depth) and alpha [H, W]; differentiable."""
    # gsplat starts a compiler where it finds one, even without a GPU.
    if not torch.cuda.is_available():
        raise UserError("there is no CUDA GPU that PyTorch can use", hint="Choose the device `cpu` or `auto`")
    try:
        from gsplat import rasterization
    except ImportError as error:
        raise UserError(
            f"gsplat, which draws on the GPU, cannot be loaded ({error})",
            hint="Install it with `pip install gsplat`, or choose the device `cpu`",
        ) from error
    device = gaussians.device
    # packed=False: the packed mode of 1.5.3 fails with batches and backgrounds. The background is not
    # handed over either: it is laid under the picture by the caller, on both devices in the same way.
    # "RGB+D" keeps the depth accumulated, so that it is divided by alpha in one place.
    with torch.cuda.device(device):
        image, alpha, _ = rasterization(
            gaussians.means,
            gaussians.quats,
            gaussians.log_scales.exp(),
            gaussians.logit_opacities.sigmoid(),
            gaussians.sh,
            torch.from_numpy(camera.world_to_camera).to(device, torch.float32)[None],
            torch.from_numpy(camera.K).to(device, torch.float32)[None],
            camera.width,
            camera.height,
            near_plane=NEAR,
            eps2d=EPS2D,
            sh_degree=sh_degree,
            packed=False,
            render_mode="RGB+D",
            rasterize_mode="antialiased" if antialiased else "classic",
        )
    return image[0], alpha[0, ..., 0]
