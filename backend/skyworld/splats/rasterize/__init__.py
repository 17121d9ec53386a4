"""One call that draws Gaussians: the same meaning and the same conventions on the CPU and on CUDA."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize.options import Footprints, Options


@dataclass(frozen=True)
class Render:
    """What C cameras of one size see.

    colour:            [C, H, W, 3] premultiplied with alpha, sRGB-encoded; lies on the background where one is given.
    alpha:             [C, H, W], 0 to 1.
    depth:             [C, H, W] metres, expected value over what the pixel shows: camera z, or distance along
                       the ray for `equirect`; 0 where alpha is 0.
    accumulated_depth: [C, H, W] metres, the same not divided by alpha.
    normal:            [C, H, W, 3] in the world, towards the camera, premultiplied with alpha, not normalised;
                       None where it was not asked for.
    footprints:        of each Gaussian, for densification; None where they were not asked for.
    """

    colour: Tensor
    alpha: Tensor
    depth: Tensor
    accumulated_depth: Tensor
    normal: Tensor | None = None
    footprints: Footprints | None = None


def rasterize(
    gaussians: Gaussians,
    cameras: Sequence[Camera],
    *,
    background: Tensor | Sequence[float] | None = None,
    sh_degree: int | None = None,
    antialiased: bool = False,
    eps2d: float = 0.3,
    colours: Tensor | None = None,
    surfels: bool = False,
    normals: bool = False,
    world_to_camera: Tensor | None = None,
    footprints: bool = False,
) -> Render:
    """Draws N Gaussians as each of C cameras sees them, on the device that the Gaussians are on.

    background:      [3] colour that lies behind; None leaves the colour premultiplied.
    sh_degree:       how many bands of the harmonics to use; all if None.
    antialiased:     thins Gaussians smaller than a pixel instead of widening them (Mip-Splatting).
    eps2d:           px^2 added to every covariance in the picture.
    colours:         [N, 3] or [C, N, 3] instead of the harmonics.
    surfels:         flat Gaussians: the third scale counts as 0, the third axis is the normal.
    normals:         also accumulates the normals; that of a Gaussian with volume is its shortest axis.
    world_to_camera: [C, 4, 4] instead of the poses of the cameras (not for `equirect`).
    footprints:      also returns what densification needs (not for `equirect`).

    Differentiable in all columns of the Gaussians, in `colours` and in `world_to_camera`. No Gaussians at all
    give the background, alpha 0, depth 0. Raises UserError for values that are not finite (named and counted)
    and for cameras that cannot be drawn, alone or in one batch.
    """
    _check_cameras(cameras, equirect_only_plain=world_to_camera is None and not footprints)
    count = (len(cameras), len(gaussians))
    if colours is not None and tuple(colours.shape) not in ((count[1], 3), (*count, 3)):
        raise ValueError(f"colours have shape {tuple(colours.shape)}, not {(count[1], 3)} or {(*count, 3)}")
    if world_to_camera is not None and tuple(world_to_camera.shape) != (count[0], 4, 4):
        raise ValueError(f"world_to_camera has shape {tuple(world_to_camera.shape)}, not {(count[0], 4, 4)}")
    gaussians.refuse_non_finite()
    degree = gaussians.sh_degree if sh_degree is None else min(sh_degree, gaussians.sh_degree)
    options = Options(degree, antialiased, eps2d, colours, surfels, normals, world_to_camera, footprints)
    image, alpha, drawn = draw(gaussians, cameras, options)
    return render_of(image, alpha, background, drawn)


def render_of(image: Tensor, alpha: Tensor, background=None, drawn: Footprints | None = None) -> Render:
    """image: [C, H, W, 4 or 7] (premultiplied colour, accumulated depth, normal); alpha: [C, H, W]."""
    colour, accumulated = image[..., :3], image[..., 3]
    if background is not None:
        colour = colour + (1 - alpha)[..., None] * torch.as_tensor(background).to(colour)
    seen = alpha > 0
    depth = torch.where(seen, accumulated / torch.where(seen, alpha, 1.0), 0.0)
    return Render(colour, alpha, depth, accumulated, image[..., 4:] if image.shape[-1] > 4 else None, drawn)


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
    camera = Camera.pinhole(turned((0, 0, 0)), 1.0, 32, 32)
    for normals in (False, True):  # one kernel each; all else is decided while they run
        render = rasterize(gaussians, [camera], normals=normals)
        (render.colour.sum() + render.depth.sum()).backward()
    from skyworld.splats.rasterize.layers import front_and_back
    from skyworld.splats.rasterize.occluders import Occluders

    triangle = Occluders(np.array([[-1, 3, -1], [1, 3, -1], [0, 3, 1]], np.float32), np.array([[0, 1, 2]]))
    front_and_back(gaussians.detached(), camera, triangle.depth)


def _check_cameras(cameras: Sequence[Camera], equirect_only_plain: bool) -> None:
    if not cameras:
        raise UserError("there is no camera to render")
    if len({(camera.width, camera.height) for camera in cameras}) > 1:
        raise UserError("cameras of one batch must have one size", hint="Render them one by one")
    models = {camera.model for camera in cameras}
    if len(models) > 1:
        raise UserError(f"cameras of one batch must be of one model, not {', '.join(sorted(models))}")
    if models == {"equirect"} and not equirect_only_plain:
        raise UserError("a panorama camera gives no footprints and takes no poses", hint="Use pinhole cameras")


def draw(gaussians: Gaussians, cameras: Sequence[Camera], options: Options) -> tuple[Tensor, Tensor, Footprints | None]:
    """Image [C, H, W, 4 or 7] (premultiplied colour, accumulated depth, normal), alpha [C, H, W], footprints."""
    if cameras[0].model == "equirect":
        from skyworld.splats.rasterize.equirect import panorama

        views = []
        for index, camera in enumerate(cameras):
            plain = replace(options, colours=options.colours_of(index))
            views.append(panorama(camera, partial(_draw_face, gaussians, plain)))
        return torch.stack([image for image, _ in views]), torch.stack([alpha for _, alpha in views]), None
    if len(gaussians) == 0:
        return nothing(len(cameras), cameras[0].height, cameras[0].width, options, gaussians.device)
    if gaussians.device.type == "cuda":
        from skyworld.splats.rasterize.cuda import draw
    else:
        from skyworld.splats.rasterize.cpu import draw
    return draw(gaussians, cameras, options)


def _draw_face(gaussians: Gaussians, options: Options, face: Camera) -> tuple[Tensor, ...]:
    return draw(gaussians, [face], options)


def nothing(count: int, height: int, width: int, options: Options, device) -> tuple[Tensor, Tensor, Footprints | None]:
    image = torch.zeros(count, height, width, 7 if options.normals else 4, device=device)
    empty = torch.zeros(count, 0, 2, device=device)
    drawn = Footprints(empty[..., 0], empty, empty.clone()) if options.footprints else None
    return image, torch.zeros(count, height, width, device=device), drawn
