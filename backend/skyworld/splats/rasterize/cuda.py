"""Rasterization of CUDA tensors with gsplat (1.5.3 and later)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize.options import Footprints, Options

NEAR = 0.01  # metres


def draw(gaussians: Gaussians, cameras: Sequence[Camera], options: Options) -> tuple[Tensor, Tensor, Footprints | None]:
    """Image [C, H, W, 4] (premultiplied colour, accumulated depth), alpha [C, H, W]; differentiable."""
    if options.surfels or options.normals or options.world_to_camera is not None or options.footprints:
        raise UserError("surfels, normals, poses and footprints cannot be rendered on the GPU")
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
            gaussians.sh if options.colours is None else options.colours,
            torch.stack([torch.from_numpy(camera.world_to_camera) for camera in cameras]).to(device, torch.float32),
            torch.stack([torch.from_numpy(camera.K) for camera in cameras]).to(device, torch.float32),
            cameras[0].width,
            cameras[0].height,
            near_plane=NEAR,
            eps2d=options.eps2d,
            sh_degree=options.sh_degree if options.colours is None else None,
            packed=False,
            render_mode="RGB+D",
            camera_model=cameras[0].model,
            rasterize_mode="antialiased" if options.antialiased else "classic",
        )
    return image, alpha[..., 0], None
