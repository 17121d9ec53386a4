"""Frames for Blender's F12: splats as they stand in the scene, rendered by a process of their own."""

import time
from collections import OrderedDict
from pathlib import Path

import numpy as np

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.splats import Gaussians
from skyworld.splats.device import pick_device
from skyworld.splats.formats.ply import read_ply
from skyworld.splats.rasterize.passes import drawer, fits

_KEPT_BYTES = 4 << 30


class FrameRenderer:
    """Keeps the splats of the last scenes on the device, so that an animation reads them once.

    Splats too many for the device stay beside it and are drawn in passes.
    """

    def __init__(self):
        self._device = pick_device("auto")
        self._splats: OrderedDict[str, Gaussians] = OrderedDict()

    @property
    def device(self) -> str:
        return str(self._device)

    def render(self, order: dict) -> dict:
        """Renders one frame into a file.

        order: {"splats": [{"file", "matrix" [16]}], "camera": Camera as JSON, "background": None | [3], "output"}.
        The file holds float32 little endian [H, W, 5], row 0 = top: R, G, B premultiplied and sRGB-encoded,
        alpha, depth (camera z in metres; 0 = nothing). Returns {"width", "height", "seconds",
        "how"}; how: in one pass, or why not.
        """
        started = time.perf_counter()
        camera = Camera.from_json(order["camera"])
        frame = np.zeros((camera.height, camera.width, 5), "<f4")
        how = ""
        placed = [self._placed(splats) for splats in order["splats"]]
        if placed:
            if len({splats.device for splats in placed}) > 1:
                placed = [splats.to("cpu") for splats in placed]
            scene = placed[0] if len(placed) == 1 else Gaussians.concatenate(placed)
            draw, how = drawer(scene, self._device)
            drawn = draw(camera, background=order["background"])
            frame[..., :3] = drawn.colour[0].cpu().numpy()
            frame[..., 3] = drawn.alpha[0].cpu().numpy()
            frame[..., 4] = drawn.depth[0].cpu().numpy()
        elif order["background"] is not None:
            frame[..., :3] = order["background"]
        frame.tofile(order["output"])
        seconds = time.perf_counter() - started
        return {"width": camera.width, "height": camera.height, "seconds": seconds, "how": how}

    def _placed(self, splats: dict) -> Gaussians:
        matrix = np.array(splats["matrix"], np.float64)
        if matrix.size != 16 or not np.isfinite(matrix).all():
            raise UserError("the place of a splat object must be 16 finite numbers")
        gaussians = self._read(splats["file"])
        matrix = matrix.reshape(4, 4)
        return gaussians if np.array_equal(matrix, np.eye(4)) else gaussians.transformed(matrix)

    def _read(self, file: str) -> Gaussians:
        if file not in self._splats:
            splats = read_ply(Path(file))
            self._splats[file] = splats.to(self._device) if fits(splats, self._device) else splats
            while len(self._splats) > 1 and sum(map(_size, self._splats.values())) > _KEPT_BYTES:
                self._splats.popitem(last=False)
        self._splats.move_to_end(file)
        return self._splats[file]


def _size(gaussians: Gaussians) -> int:
    """Bytes on the device."""
    columns = (gaussians.means, gaussians.log_scales, gaussians.quats, gaussians.logit_opacities, gaussians.sh)
    return sum(column.nbytes for column in columns)
