"""One call that draws Gaussians: the same meaning and the same conventions on the CPU and on CUDA."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians


@dataclass(frozen=True)
class Render:
    """What C cameras of one size see.

    colour: [C, H, W, 3] premultiplied with alpha, sRGB-encoded; lies on the background where one is given.
    alpha:  [C, H, W], 0 to 1.
    depth:  [C, H, W] metres, expected value over what the pixel shows: camera z for `pinhole`, distance
            along the ray for `equirect`; 0 where alpha is 0.
    """

    colour: Tensor
    alpha: Tensor
    depth: Tensor


def rasterize(
    gaussians: Gaussians,
    cameras: Sequence[Camera],
    *,
    background: Tensor | Sequence[float] | None = None,
    sh_degree: int | None = None,
    antialiased: bool = False,
) -> Render:
    """Draws the Gaussians as each camera sees them, on the device that they are on.

    background:  [3] colour that lies behind; None leaves the colour premultiplied.
    sh_degree:   how many bands of the harmonics to use; all if None.
    antialiased: thins Gaussians smaller than a pixel instead of widening them (Mip-Splatting).

    Differentiable in all columns of the Gaussians. No Gaussians at all give the background, alpha 0, depth 0.
    Raises UserError for values that are not finite (named and counted), for cameras of unlike size and
    for camera models that cannot be drawn.
    """
    if not cameras:
        raise UserError("there is no camera to render")
    if len({(camera.width, camera.height) for camera in cameras}) > 1:
        raise UserError("cameras of one batch must have one size", hint="Render them one by one")
    degree = gaussians.sh_degree if sh_degree is None else min(sh_degree, gaussians.sh_degree)
    gaussians.refuse_non_finite()
    images, alphas = zip(*(_image(gaussians, camera, degree, antialiased) for camera in cameras), strict=True)
    image, alpha = torch.stack(images), torch.stack(alphas)
    colour = image[..., :3]
    if background is not None:
        colour = colour + (1 - alpha)[..., None] * torch.as_tensor(background).to(colour)
    seen = alpha > 0
    return Render(colour, alpha, torch.where(seen, image[..., 3] / torch.where(seen, alpha, 1.0), 0.0))


def compile_kernels() -> None:
    """Compiles the CPU kernels into numba's cache (half a minute the first time), so that no artist waits for it."""
    gaussians = Gaussians(
        means=torch.tensor([[0.0, 2.0, 0.0]]),
        log_scales=torch.full((1, 3), -2.0),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        logit_opacities=torch.zeros(1),
        sh=torch.zeros(1, 1, 3),
    )
    gaussians.means.requires_grad_()
    render = rasterize(gaussians, [Camera.pinhole(turned((0, 0, 0)), 1.0, 32, 32)])
    (render.colour.sum() + render.depth.sum()).backward()


def _image(gaussians: Gaussians, camera: Camera, degree: int, antialiased: bool) -> tuple[Tensor, Tensor]:
    """Image [H, W, 4] (premultiplied colour, accumulated depth) and alpha [H, W] of one camera."""
    if camera.model == "equirect":
        from skyworld.splats.rasterize.equirect import panorama

        return panorama(camera, lambda face: _image(gaussians, face, degree, antialiased))
    if camera.model != "pinhole":
        raise UserError(f"a camera of the model {camera.model!r} cannot be rendered", hint="Use pinhole or equirect")
    if len(gaussians) == 0:
        size = (camera.height, camera.width)
        return torch.zeros(*size, 4, device=gaussians.device), torch.zeros(size, device=gaussians.device)
    if gaussians.device.type == "cuda":
        from skyworld.splats.rasterize.cuda import rasterize_pinhole
    else:
        from skyworld.splats.rasterize.cpu import rasterize_pinhole
    return rasterize_pinhole(gaussians, camera, degree, antialiased)
