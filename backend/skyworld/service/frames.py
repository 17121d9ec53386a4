"""Frames for Blender's F12: splats as they stand in the scene, rendered by a process of their own."""

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skyworld.camera import Camera
from skyworld.camera.stereo import Eye
from skyworld.errors import UserError
from skyworld.splats import Gaussians
from skyworld.splats.device import pick_device
from skyworld.splats.formats.ply import read_ply
from skyworld.splats.rasterize import Render
from skyworld.splats.rasterize.equirect import panorama
from skyworld.splats.rasterize.layers import front_and_back
from skyworld.splats.rasterize.occluders import Occluders, read_ply_mesh
from skyworld.splats.rasterize.passes import drawer, fits

_KEPT_BYTES = 4 << 30
LAYERS = {"combined": 4, "front": 4, "back": 4, "depth": 1}  # channels


@dataclass
class Layer:
    """A picture in scene linear light: colour [H, W, 3] premultiplied, alpha [H, W], depth [H, W] times alpha."""

    colour: Tensor
    alpha: Tensor
    depth: Tensor

    def __add__(self, other: "Layer") -> "Layer":
        return Layer(self.colour + other.colour, self.alpha + other.alpha, self.depth + other.depth)

    def __truediv__(self, count: int) -> "Layer":
        return Layer(self.colour / count, self.alpha / count, self.depth / count)

    def over(self, other: "Layer") -> "Layer":
        through = 1 - self.alpha
        colour = self.colour + through[..., None] * other.colour
        return Layer(colour, self.alpha + through * other.alpha, self.depth + through * other.depth)


class FrameRenderer:
    """Keeps the splats of the last scenes on the device, so that an animation reads them once.

    Splats too many for the device stay beside it and are drawn in passes.
    """

    def __init__(self):
        self._device = pick_device("auto")
        self._splats: OrderedDict[str, Gaussians] = OrderedDict()
        self._meshes: OrderedDict[str, Occluders] = OrderedDict()
        self._placed: tuple = ((), None)

    @property
    def device(self) -> str:
        return str(self._device)

    def render(self, order: dict) -> dict:
        """Renders one frame into a file.

        order: {"splats": [files], "views", "layers", "background": None or [3] scene linear RGB, "output"}.
        views: moments of the shutter and points of the lens that the frame is the mean of, each {"camera": Camera as
        JSON, "matrices": [[16]] of the splats, "occluders": None or file of a mesh, "eye": None or an Eye as JSON}.
        layers: of "combined" (all splats, on the background), "front" and "back" (in front of and behind the
        occluders; where none stands all are behind) and "depth" (camera z, or distance in a panorama, in metres;
        expected value over what a pixel shows of splats and occluders; 0 = nothing).

        The file holds the layers in the order asked for, float32 little endian [H, W, 4] or, for depth, [H, W, 1]; row
        0 is the bottom, as Blender has it; colours are premultiplied and scene linear. Returns {"width", "height",
        "seconds", "how"}; how: in one pass, or why not.
        """
        started = time.perf_counter()
        unknown = set(order["layers"]) - LAYERS.keys()
        if unknown or not order["layers"] or not order["views"]:
            raise UserError(f"a frame needs views, and layers of {', '.join(LAYERS)}")
        split = not {"front", "back"}.isdisjoint(order["layers"])
        total, how = None, ""
        for view in order["views"]:
            front, back, objects, how = self._draw(order["splats"], view, split)
            seen = front.over(objects.over(back)) if objects else front.over(back)
            parts = (front, back, seen)
            total = parts if total is None else tuple(a + b for a, b in zip(total, parts, strict=True))
        front, back, seen = (layer / len(order["views"]) for layer in total)
        pictures = {
            "combined": lambda: _on(front.over(back), order["background"]),
            "front": lambda: _on(front, None),
            "back": lambda: _on(back, None),
            "depth": lambda: torch.where(seen.alpha > 0, seen.depth / seen.alpha.clamp_min(1e-12), 0.0)[..., None],
        }
        with open(order["output"], "wb") as file:
            for name in order["layers"]:
                pictures[name]().flip(0).cpu().numpy().tofile(file)
        height, width = front.alpha.shape
        return {"width": width, "height": height, "seconds": time.perf_counter() - started, "how": how}

    def _draw(self, files: list, view: dict, split: bool) -> tuple[Layer, Layer, Layer | None, str]:
        """Front, back, what of the occluders is seen (without colour), and how it was drawn."""
        camera = Camera.from_json(view["camera"])
        empty = torch.zeros(camera.height, camera.width, device=self._device)
        nothing = Layer(torch.zeros(camera.height, camera.width, 3, device=self._device), empty, empty)
        mesh = self._mesh(view["occluders"]) if view.get("occluders") else None
        scene = self._scene(files, view["matrices"])
        if view.get("eye"):
            eye = Eye.from_json(view["eye"])
            scene = scene and _seen_by(eye, scene, camera)
            mesh = mesh and replace(mesh, vertices=eye.moved(mesh.vertices, camera))
        objects = _objects(mesh, camera, nothing) if mesh else None
        if scene is None:
            return nothing, nothing, objects, ""
        if split and mesh:
            how = "in one pass"
            if not fits(scene, self._device):
                scene, how = scene.to("cpu"), f"on the processor: {len(scene):,} Gaussians do not fit the GPU"
            near, far = front_and_back(scene, camera, lambda face: _limit(mesh, face))
            return _linear(near, self._device), _linear(far, self._device), objects, how
        draw, how = drawer(scene, self._device)
        return nothing, _linear(draw(camera), self._device), objects, how

    def _scene(self, files: list, matrices: list) -> Gaussians | None:
        """The splats of all objects where they stand; kept until one of them moves."""
        key = (tuple(files), tuple(map(tuple, matrices)))
        if len(files) != len(matrices):
            raise UserError("each splat object of a view needs a place")
        if key != self._placed[0]:
            self._placed = ((), None)  # frees the old one first
            placed = [_moved(self._read(file), matrix) for file, matrix in zip(files, matrices, strict=True)]
            if len({splats.device for splats in placed}) > 1:
                placed = [splats.to("cpu") for splats in placed]
            self._placed = (key, Gaussians.concatenate(placed) if len(placed) > 1 else (placed or [None])[0])
        return self._placed[1]

    def _read(self, file: str) -> Gaussians:
        if file not in self._splats:
            splats = read_ply(Path(file))
            self._splats[file] = splats.to(self._device) if fits(splats, self._device) else splats
            while len(self._splats) > 1 and sum(splats.nbytes for splats in self._splats.values()) > _KEPT_BYTES:
                self._splats.popitem(last=False)
        self._splats.move_to_end(file)
        return self._splats[file]

    def _mesh(self, file: str) -> Occluders:
        if file not in self._meshes:
            self._meshes[file] = read_ply_mesh(Path(file).read_bytes())
            if len(self._meshes) > 4:
                self._meshes.popitem(last=False)
        return self._meshes[file]


def _moved(gaussians: Gaussians, matrix: list) -> Gaussians:
    matrix = np.array(matrix, np.float64)
    if matrix.size != 16 or not np.isfinite(matrix).all():
        raise UserError("the place of a splat object must be 16 finite numbers")
    matrix = matrix.reshape(4, 4)
    return gaussians if np.array_equal(matrix, np.eye(4)) else gaussians.transformed(matrix)


def _seen_by(eye: Eye, gaussians: Gaussians, camera: Camera) -> Gaussians:
    means = eye.moved(gaussians.means.cpu().numpy(), camera)
    return replace(gaussians, means=torch.from_numpy(means).to(gaussians.means))


def _limit(mesh: Occluders, camera: Camera) -> np.ndarray:
    """Depth at which splats are split: 0 where nothing stands, so that all are behind, under what shadow is caught."""
    depth = mesh.depth(camera)
    return np.where(np.isinf(depth), np.float32(0), depth)


def _objects(mesh: Occluders, camera: Camera, nothing: Layer) -> Layer:
    """The occluders as a layer without colour."""

    def draw(face: Camera) -> tuple[Tensor, Tensor]:
        depth = torch.from_numpy(mesh.depth(face))[None]
        covered = depth.isfinite()
        image = torch.zeros(*depth.shape, 4)
        image[..., 3] = torch.where(covered, depth, 0.0)
        return image, covered.float()

    image, alpha = panorama(camera, draw) if camera.model == "equirect" else (part[0] for part in draw(camera))
    return Layer(nothing.colour, alpha.to(nothing.alpha), image[..., 3].to(nothing.alpha))


def _linear(drawn: Render, device: torch.device) -> Layer:
    """The rasterizer's sRGB-encoded colours as scene linear ones: the encoding holds for the colour without alpha."""
    alpha = drawn.alpha[0].to(device)
    encoded = (drawn.colour[0].to(device) / alpha.clamp_min(1e-6)[..., None]).clamp_min(0)
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return Layer(linear * alpha[..., None], alpha, drawn.accumulated_depth[0].to(device))


def _on(layer: Layer, background) -> Tensor:
    """[H, W, 4], opaque where there is a background."""
    if background is None:
        return torch.cat([layer.colour, layer.alpha[..., None]], -1)
    behind = torch.tensor(background, dtype=torch.float32, device=layer.alpha.device)
    colour = layer.colour + (1 - layer.alpha)[..., None] * behind
    return torch.cat([colour, torch.ones_like(layer.alpha)[..., None]], -1)
