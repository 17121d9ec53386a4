"""Completes a panorama from its photograph alone: no weights, no download.

Around the horizon a chain of strips cut from turned copies of the photograph; behind it one sky;
under it the photograph's ground, laid flat and quilted; indoors a ceiling.
"""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from skyworld.camera import Camera, turned
from skyworld.models.builtin.appearance import column_rarity
from skyworld.models.builtin.band import Band, compose
from skyworld.models.builtin.ceiling import fill_ceiling
from skyworld.models.builtin.chain import INDOORS, OUTDOORS, arrange
from skyworld.models.builtin.crowns import continue_crowns, continue_overhang
from skyworld.models.builtin.ground import fill_ground
from skyworld.models.builtin.patchmatch import complete
from skyworld.models.builtin.pyramid import cyclic_blur
from skyworld.models.builtin.quilting import Exemplar, quilt
from skyworld.models.builtin.sky import paint_sky, spread
from skyworld.models.builtin.strips import render_tile
from skyworld.models.roles import Completion, InpaintView, Photograph, Provenance

LOWEST_SKY = 2.0  # degrees below the horizon


class BuiltinInpainter:
    """The inpainter that is always there. Implements roles.ProgressiveInpainter."""

    provenance = Provenance("inpainter", "SkyWorld strip chain", "2", "GPL-3.0-or-later", True)
    schedule = "whole"

    def __init__(self):
        self.photograph: Photograph | None = None

    def begin(self, photograph: Photograph) -> None:
        self.photograph = photograph

    def inpaint(self, view: InpaintView) -> np.ndarray:
        """The whole equirectangular picture [H, W, 3]; of a perspective view its holes, from what is around them."""
        if view.camera.model == "pinhole":
            return complete(view.picture, view.unknown, view.seed)
        for completion in self.steps(view):
            picture = completion.picture
        return picture

    def steps(self, view: InpaintView) -> Iterator[Completion]:
        """As `inpaint`, telling how far it is; the last report has the finished picture and its sky."""
        if self.photograph is None:
            raise ValueError("begin() comes before the first view")
        if view.camera.model != "equirect":
            raise ValueError("the built-in inpainter completes the whole panorama only")
        width = view.camera.width
        photograph = at_density(self.photograph, 2 * width / (2 * np.pi))
        untouched = ~view.unknown
        band = yield from _reported(_horizon(photograph, width, view.seed), 0.02, 0.5, "Continuing the horizon")
        yield Completion(0.5, "Continuing the horizon", np.where(band.known[..., None], band.colour, 0))
        if photograph.outdoor:
            steps = _before_sky(band, view, photograph, width)
            picture, known, alpha = yield from _reported(steps, 0.5, 0.6, "Painting the sky")
        else:
            picture, known, alpha = band.colour, band.known, np.ones(band.known.shape, np.float32)
        picture = _fit_to_rim(picture, known, view.picture, untouched, photograph.outdoor)
        known = known | untouched
        sky = (alpha < 0.5) & known & np.bool_(photograph.outdoor)
        sky[int(sky.shape[0] * (0.5 + LOWEST_SKY / 180)) :] = False
        yield Completion(0.6, "Painting the sky" if photograph.outdoor else "Joining the walls", picture, sky)
        picture = yield from _reported(
            fill_ground(picture, known, photograph, untouched, view.seed), 0.6, 0.9, "Laying the ground"
        )
        yield Completion(0.9, "Laying the ground", picture, sky)
        picture = yield from _reported(
            fill_ceiling(picture, known, photograph, untouched, view.seed), 0.9, 1.0, "Closing the ceiling"
        )
        picture = _settle(picture, view.picture, untouched, ~known)
        yield Completion(1.0, "Panorama complete", picture.clip(0, 1), sky)


def at_density(photograph: Photograph, density: float) -> Photograph:
    """The photograph with at most `density` pixels per radian at its middle; spares work on large ones."""
    camera = photograph.camera
    if camera.K[0, 0] <= density:
        return photograph
    camera = camera.resized(max(16, round(camera.width * density / camera.K[0, 0])))
    picture, sky = (
        cv2.resize(x, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        for x in (photograph.picture, photograph.sky)
    )
    return replace(photograph, camera=camera, picture=picture, sky=sky)


def _horizon(photograph: Photograph, width: int, seed: int):
    """The horizon band. A generator: yields the share done, returns Band."""
    scales = (1.0, 0.8, 1.3) if photograph.outdoor else (1.0, 1.12)
    tiles = []
    for scale in scales:
        for mirrored in (False, True):
            tiles.append(render_tile(photograph, width, scale, mirrored))
            yield 0.3 * len(tiles) / (2 * len(scales))
    rarity = column_rarity(photograph.picture)
    charges = OUTDOORS if photograph.outdoor else INDOORS
    strips = yield from _squeezed(arrange(tiles, rarity, width, charges, seed), 0.3, 0.7)
    return (yield from _squeezed(compose(tiles, strips, width), 0.7, 1.0))


def _before_sky(band: Band, view: InpaintView, photograph: Photograph, width: int):
    """Band and sky together. A generator: yields the share done, returns picture [H, W, 3], known bool [H, W],
    foreground [H, W]."""
    tile = render_tile(photograph, width)
    seen = np.zeros(band.known.shape, np.float32)
    left = width // 2 + tile.left
    seen[:, left : left + tile.columns] = np.where(tile.known, 1 - tile.foreground, 0)
    sky = yield from _squeezed(paint_sky(view.picture, seen, view.seed), 0.0, 0.5)
    yield 0.5
    bounded = Band(
        np.where(band.known[..., None], band.colour, 0), np.where(band.known, band.foreground, 0), band.known
    )
    bounded = continue_crowns(bounded, view.seed)
    yield 0.7
    bounded = continue_overhang(bounded, tile, view.seed)
    yield 0.9
    picture = bounded.colour + (1 - bounded.foreground[..., None]) * sky
    known = band.known.copy()
    known[: known.shape[0] // 2] = True
    return np.where(known[..., None], picture, 0), known, bounded.foreground


def _fit_to_rim(picture, known, given, untouched, outdoor: bool) -> np.ndarray:
    """Pulls the surroundings of the given pixels towards them (a membrane), where they nearly fit already.

    Where they do not fit, a membrane would only smear a halo around the photograph.
    """
    width = picture.shape[1]
    core = cv2.erode(untouched.astype(np.uint8), np.ones((9, 9))) > 0
    difference = given - picture
    nearly = cv2.blur(np.abs(difference).max(-1), (9, 9)) < (0.16 if outdoor else 0.3)
    rim = untouched & ~core & known & nearly
    size = (512, 256)
    weight = cv2.resize(rim.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(difference.clip(-0.2, 0.2) * rim[..., None], size, interpolation=cv2.INTER_AREA)
    fade = spread(small / np.maximum(weight, 1e-3)[..., None], weight > 0.01, reach=17.0)
    fade = cv2.resize(fade, (width, width // 2), interpolation=cv2.INTER_LINEAR)
    picture = np.where(known[..., None], (picture + fade).clip(0, 1), picture)
    return np.where(untouched[..., None], given, picture).astype(np.float32)


def _settle(picture, given, untouched, filled) -> np.ndarray:
    """Shades what floor and ceiling filled (bool [H, W]) towards the given pixels, so that no step in light shows.

    Only the broad difference between the two sides of their border counts, not the texture.
    """
    width, size = picture.shape[1], (512, 256)
    inside, outside = (
        cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) for mask in (untouched, filled)
    )
    sides = []
    for source, mask, weight in ((given, untouched, inside), (picture, filled, outside)):
        mean = cv2.resize(source * mask[..., None], size, interpolation=cv2.INTER_AREA)
        sides.append(cyclic_blur(mean, 3) / np.maximum(cyclic_blur(weight, 3), 1e-3)[..., None])
    border = (cyclic_blur(inside, 1) > 0.2) & (cyclic_blur(outside, 1) > 0.2)
    if not border.any():
        return picture
    step = sides[0] - sides[1]
    alike = border & (
        np.abs(step - step.mean(-1, keepdims=True)).max(-1) < 0.09
    )  # else a thing ends here: no halo of it
    border = alike if alike.any() else border
    fade = spread(step.clip(-0.3, 0.3), border, reach=28.0)
    fade = cv2.resize(fade, (width, width // 2), interpolation=cv2.INTER_LINEAR)
    return np.where((filled & ~untouched)[..., None], picture + fade, picture).astype(np.float32)


def _squeezed(steps, low: float, high: float):
    """Hands on a generator's share done, squeezed into low..high, and returns what it returns."""
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            return end.value
        yield low + (high - low) * share


def _reported(steps, low: float, high: float, message: str):
    """As `_squeezed`, as reports for the pipeline."""
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            return end.value
        yield Completion(low + (high - low) * share, message)


def compile_kernels() -> None:
    """Compiles what this inpainter has compiled, into the cache: a tiny panorama of grain, a quilt, a mended hole."""
    width, rng = 256, np.random.default_rng(0)
    camera = Camera.pinhole(turned((0, 0, 0)), np.radians(75), 96, 72)
    picture = (0.5 + 0.1 * rng.random((72, 96, 3))).astype(np.float32)
    inpainter = BuiltinInpainter()
    inpainter.begin(Photograph(picture, camera, False, np.zeros((72, 96), np.float32)))
    unknown = np.ones((width // 2, width), bool)
    unknown[54:74, 108:148] = False
    placed = np.full((width // 2, width, 3), 0.5, np.float32)
    inpainter.inpaint(InpaintView(placed, unknown, Camera.equirect((0, 0, 0), width), "whole", "", 0))
    complete(placed, unknown, 0)
    exemplar = Exemplar(picture, np.ones(picture.shape[:2], bool))
    for _ in quilt([exemplar], 64, 24, 0, np.ones((64, 64), bool)):
        pass
