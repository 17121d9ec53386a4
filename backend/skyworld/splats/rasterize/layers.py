"""Splats in front of and behind what another renderer draws, as two pictures."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import Render, nothing, render_of
from skyworld.splats.rasterize.equirect import panorama
from skyworld.splats.rasterize.options import Options


@torch.no_grad()
def front_and_back(
    gaussians: Gaussians,
    camera: Camera,
    depth: Callable[[Camera], np.ndarray],
    *,
    colours: Tensor | None = None,
    antialiased: bool = False,
) -> tuple[Render, Render]:
    """The Gaussians nearer than a depth, and those at it or farther: each picture as if the others were not there.

    depth(camera): [H, W] camera z, metres, inf for nothing; of this camera, or of the faces of its panorama.
    Laid over each other without anything between, the two are what `rasterize` draws; with an opaque object of that
    depth between, they are what a renderer of both would draw. A Gaussian is where its mean is, as it is for sorting.
    No gradients.
    """
    gaussians.refuse_non_finite()
    options = Options(gaussians.sh_degree, antialiased, colours=colours)
    if camera.model == "equirect":
        pictures = [
            panorama(camera, lambda face, side=side: _draw(gaussians, face, options, depth)[side]) for side in (0, 1)
        ]
        return tuple(render_of(image[None], alpha[None]) for image, alpha in pictures)
    return tuple(render_of(*picture) for picture in _draw(gaussians, camera, options, depth))


def _draw(gaussians: Gaussians, camera: Camera, options: Options, depth) -> list[tuple[Tensor, Tensor]]:
    """Front and back: image [1, H, W, 4] (premultiplied colour, accumulated depth) and alpha [1, H, W] of each."""
    if len(gaussians) == 0:
        return [nothing(1, camera.height, camera.width, options, gaussians.device)[:2]] * 2
    if gaussians.device.type == "cuda":
        from skyworld.splats.rasterize.cuda import draw_split
    else:
        from skyworld.splats.rasterize.cpu import draw_split
    return draw_split(gaussians, camera, options, torch.from_numpy(depth(camera)).to(gaussians.device))
