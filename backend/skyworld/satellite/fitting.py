"""Stage 1 (Skyfall-GS, arXiv 2510.15869, section 3.2): Gaussians fitted to satellite images of several dates.

Otherwise than there, geometry comes first: fitting begins with the sheet of a height map and its walls. On real images
the height map is better than what any fit from points finds. A Gaussian may be held at its place as firmly as the
height map is sure of it (`anchor`); pseudo-cameras may compare depth with the sheet's or a model's (`shape`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from skyworld.errors import UserError
from skyworld.models.roles import DepthEstimator
from skyworld.progress import Progress
from skyworld.satellite import pseudo
from skyworld.satellite.export import DRAWING
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.near import MOST_ERROR, drawable
from skyworld.satellite.scene import SatelliteImage, SatelliteScene
from skyworld.satellite.sheet import SEEN, SURE, WALL, WIDTH, Sight, beside, coloured, seen_colours, sheet, upright
from skyworld.satellite.tone import tone
from skyworld.splats import losses, smoothing
from skyworld.splats.appearance import RATE, Appearance, fixed, with_embeddings
from skyworld.splats.coverage import coverage, within_evidence
from skyworld.splats.densify import GradientRule, Still
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.losses import PHOTOMETRIC, Term
from skyworld.splats.rasterize import rasterize
from skyworld.splats.train import Schedule, View, fit
from skyworld.world.files import atomic_write

HOME = "home"  # the column of where a Gaussian began
# How often the held-out images are looked at, and after how many times without a better one the fit ends.
_JUDGED, _PATIENCE = 20, 8
_KNOWN = 0.75  # share of a pixel's light that comes from what two of the fitted images show
_EVIDENCE = 0.3  # pixels of all images that a Gaussian must make up for the fit to count in full
_BESIDE = 16  # Gaussians of the same wall whose colours are compared: two metres along it at 0.4 m
_TONED = 200_000  # Gaussians that are enough to tell the images' tones by
_COARSE = 0.25  # of their distance, which a camera may err by there: a large area is drawn at once


@dataclass(frozen=True)
class Settings:
    """How to fit. Terms that benchmarks/satellite.py does not find to help are left out: entropy, shape.

    steps:      images taken.
    coarseness: distance of the sheet's Gaussians in pixels of the finest image.
    width:      their standard deviation in that distance, first.
    growth:     how many times as many Gaussians there may be in the end; 1 keeps those of the sheet.
    appearance: whether each image has a light of its own (an embedding), beyond its tone.
    entropy:    weight of the opacities' entropy.
    shape:      weight of the depth of the pseudo-cameras, 0 for none; `pseudo` is their number.
    anchor:     weight of the pull to where a Gaussian began; a fifth of it is 0.2 dB better and scratches the streets.
    even:       weight of the pull of a wall's colours to those beside them; only without growth.
    solid:      weight of the light that comes through: over black, what lies in the shade need not be there.
    smooth:     whether the 3D smoothing filter takes part; thin sheets become translucent under it.
    rate:       of the means in metres a step, first; falls a hundredfold.
    """

    steps: int
    coarseness: float = 1.0
    width: float = WIDTH
    growth: float = 1.0
    appearance: bool = True
    entropy: float = 0.0
    shape: float = 0.0
    pseudo: int = 24
    anchor: float = 0.5
    even: float = 2.0
    solid: float = 0.2
    smooth: bool = False
    rate: float = 6e-3
    seed: int = 0


# A short fit closes less of what shows between the Gaussians, and makes walls less blotchy.
PREVIEW = Settings(steps=600, coarseness=1.25, width=0.6, even=1.0, appearance=False)
FULL = Settings(steps=3_000)  # more sharpen the images' own views and spoil lower ones
# How often each image is taken at most: few images are soon known by heart, and walls that none shows grow rough.
PER_IMAGE = {PREVIEW: 50, FULL: 250}


def for_images(settings: Settings, count: int) -> Settings:
    """PREVIEW or FULL for so many images."""
    return replace(settings, steps=min(settings.steps, PER_IMAGE[settings] * count))


@dataclass(frozen=True)
class Prepared:
    """What a fit begins with.

    sheet:   coloured in the tone of the reference image, with the columns `sure` and `wall`.
    sights:  the images, brought to that tone, with their drawable cameras.
    spacing: metres between the Gaussians of the sheet.
    """

    sheet: Gaussians
    sights: list[Sight]
    spacing: float


Tone = tuple[np.ndarray, np.ndarray]  # gain [3] and offset [3]


def tones(scene: SatelliteScene, height_map: HeightMap, reference: int = 0) -> list[Tone]:
    """Of every image, what brings it to the tone of the reference: measured on a coarse sheet of the whole area, so
    that all blocks agree."""
    rows, columns = height_map.shape
    spacing = max(4 * scene.pixel, height_map.cell * (rows * columns / _TONED) ** 0.5)
    grey, most = sheet(height_map, spacing), max(MOST_ERROR, _COARSE * spacing / scene.pixel)
    colours, weights = zip(
        *(seen_colours(grey, sight_of(image, scene, most), spacing) for image in scene.images), strict=True
    )
    own, shown = colours[reference], weights[reference]
    return [
        (np.ones(3), np.zeros(3)) if index == reference else tone(colour, own, weight * shown)
        for index, (colour, weight) in enumerate(zip(colours, weights, strict=True))
    ]


def sights(scene: SatelliteScene, tones: Sequence[Tone]) -> Iterator[Sight]:
    """The images, one by one, in the tone of the reference."""
    for image, (gain, offset) in zip(scene.images, tones, strict=True):
        sight = sight_of(image, scene)
        yield replace(sight, picture=(sight.picture * gain + offset).astype(np.float32))


def prepared(
    height_map: HeightMap, sights: list[Sight], spacing: float, device="cpu", width: float = WIDTH
) -> Prepared:
    """The sheet, its walls upright, in the colours of all images, which have one tone."""
    grey = sheet(upright(height_map), spacing, device, width)
    colours, weights = zip(*(seen_colours(grey, sight, spacing) for sight in sights), strict=True)
    return Prepared(coloured(grey, colours, weights), sights, spacing)


def sight_of(image: SatelliteImage, scene: SatelliteScene, most: float = MOST_ERROR) -> Sight:
    """An image as it is, with a camera that shows the scene's box to `most` pixels and can be drawn."""
    picture, valid = image.read()
    return Sight(drawable(image.camera, scene.box, most), picture, valid)


def fitted(
    start: Prepared,
    height_map: HeightMap,
    settings: Settings,
    reference: int = 0,
    held_out: Sequence[Sight] = (),
    kept: Path | None = None,
    estimator: DepthEstimator | None = None,
) -> Iterator[Progress]:
    """Yields progress; returns the Gaussians in the light of the reference image, the 3D filter folded in.

    held_out:  images that end the fit when they become worse, by what they share with the others; their tone does not
               matter.
    kept:      file for checkpoints: a fit that was stopped goes on from there. Removed at the end.
    estimator: whose depth the pseudo-cameras hold, in place of the sheet's.
    """
    device = start.sheet.device
    gaussians = begun(start.sheet, settings)
    views = [_view(sight, gaussians, device) for sight in start.sights]
    terms = [*PHOTOMETRIC]
    if settings.solid:
        terms.append(Term("alpha_l1", settings.solid))
    if settings.entropy:
        terms.append(Term("opacity_entropy", settings.entropy))
    if settings.anchor:
        terms.append(Term("anchor", settings.anchor, options={"reach": start.spacing}))
    if settings.even and settings.growth <= 1:
        rows, near = beside(start.sheet, _BESIDE)
        if len(rows):
            terms.append(Term("evenness", settings.even, options={"rows": rows, "near": near}))
    if settings.shape and settings.pseudo:
        side = max(sight.camera.width for sight in start.sights)
        seen_from = pseudo.cameras(height_map, settings.pseudo, int(np.clip(side, 64, 1024)), settings.seed)
        # One step of ten, as in Skyfall-GS.
        views += pseudo.views(start.sheet, seen_from, len(views) / 9, estimator)
        terms.append(Term("depth_pearson", settings.shape))
    light = Appearance(len(views), settings.seed) if settings.appearance else None
    judge = _Judge([shared(start.sheet, sight) for sight in held_out], light, reference) if held_out else None
    result = yield from fit(
        gaussians,
        views,
        _schedule(settings),
        terms=terms,
        strategy=_strategy(settings, len(gaussians)),
        appearance=light,
        drawing=DRAWING,
        resume=torch.load(kept, map_location="cpu", weights_only=True) if kept and kept.is_file() else None,
        checkpoint=(lambda state: _save(kept, state)) if kept else None,
        checkpoint_every=max(settings.steps // _JUDGED, 1),
        judge=judge,
        preview=kept.with_name("preview.jpg") if kept else None,
    )
    if kept:
        kept.unlink(missing_ok=True)
    result = judge.best if judge else finished(result, light, reference)
    if len(result) != len(start.sheet):  # they came and went: nobody knows which began where
        return result
    # Adam walks as far for a wall of which an image shows a thousandth as for a roof: plain walls became streaky.
    shown = coverage(result, [view for view in views if view.picture is not None])
    kept = within_evidence(start.sheet, result, shown, _EVIDENCE)
    if not settings.even:
        return kept
    # A wall's colours hold together: those that hardly show have those beside them to go by.
    return replace(kept, sh=torch.where(start.sheet.extra[WALL][:, None, None] > 0, result.sh, kept.sh))


@torch.no_grad()
def shared(sheet: Gaussians, sight: Sight) -> Sight:
    """A held-out image that counts only where it shows what two of the others show: a fit cannot tell what lies beyond
    them or behind a house in all of them, and the place of what one image shows is a guess."""
    seen = sheet.extra[SEEN]
    seen = (seen >= seen.max().clamp_max(2)).float()[:, None].expand(-1, 3)
    known = rasterize(sheet, [sight.camera], colours=seen, **DRAWING).colour[0, ..., 0].cpu().numpy()
    return replace(sight, valid=sight.valid & (known > _KNOWN))


def begun(sheet: Gaussians, settings: Settings) -> Gaussians:
    """The sheet with the columns that fitting needs."""
    gaussians = replace(sheet, extra=sheet.extra | {HOME: sheet.means.clone()})
    return with_embeddings(gaussians, settings.seed) if settings.appearance else gaussians


def finished(gaussians: Gaussians, light: Appearance | None, reference: int) -> Gaussians:
    """What goes into files: one light, no filter beside the columns, no columns of the fit."""
    if not len(gaussians):
        raise UserError("no Gaussian was left", hint="Check the masks and the height map")
    plain = smoothing.folded(fixed(gaussians, light, reference))
    return replace(
        plain, extra={name: column for name, column in plain.extra.items() if name not in (HOME, SURE, WALL, SEEN)}
    )


def _view(sight: Sight, sheet: Gaussians, device) -> View:
    """Only where the sheet is: what lies around the area is in the image, but not in the world."""
    with torch.no_grad():
        covered = rasterize(sheet, [sight.camera]).alpha[0] > 0.5
    weight = covered & torch.from_numpy(sight.valid).to(device)
    weight = weight.float()
    return View(sight.camera, torch.from_numpy(sight.picture).to(device), weight, alpha=weight)


def _schedule(settings: Settings) -> Schedule:
    rates = {
        "means": (settings.rate, 0.01 * settings.rate),
        "log_scales": (0.005, 0.0005),
        "quats": (0.001, 0.0001),
        "logit_opacities": (0.03, 0.003),
        "sh": (0.01, 0.001),
    }
    if settings.appearance:
        rates["appearance"] = (RATE, 0.1 * RATE)
    return Schedule(settings.steps, rates, smooth_every=100 if settings.smooth else 0, seed=settings.seed)


def _strategy(settings: Settings, count: int):
    """The rule of GOF, without opacity resets, which would tear the sheet; no growth keeps what there is."""
    if settings.growth <= 1:
        return Still()
    return GradientRule(
        128.0,
        threshold=1e-4,
        begin=round(settings.steps / 30),
        end=round(0.7 * settings.steps),
        every=max(settings.steps // 100, 10),
        reset_every=0,
        cap=round(settings.growth * count),
    )


class _Judge:
    """Keeps the Gaussians, finished, that show the held-out images best; ends the fit when they have become worse."""

    def __init__(self, held_out: Sequence[Sight], light: Appearance | None, reference: int):
        self.held_out, self.light, self.reference = held_out, light, reference
        self.best, self.score, self.scores = None, -np.inf, []

    def __call__(self, gaussians: Gaussians) -> bool:
        plain = finished(gaussians, self.light, self.reference)
        score = float(np.mean([toned_psnr(plain, sight) for sight in self.held_out]))
        self.scores.append(score)
        if score > self.score:
            self.best, self.score = plain.mapped(torch.clone), score
        return len(self.scores) - 1 - int(np.argmax(self.scores)) >= _PATIENCE


@torch.no_grad()
def toned_psnr(gaussians: Gaussians, sight: Sight) -> float:
    """PSNR of an image in dB, once its tone (a gain and an offset a channel) is that of the render."""
    drawn = rasterize(gaussians, [sight.camera], **DRAWING)
    render = drawn.colour[0].clamp(0, 1).cpu().numpy()
    counts = sight.valid & (drawn.alpha[0].cpu().numpy() > 0.5)
    gain, offset = tone(sight.picture[counts], render[counts], np.ones(int(counts.sum())))
    pair = (render[counts], sight.picture[counts] * gain + offset)
    return losses.psnr(*(torch.from_numpy(pixels.astype(np.float32)) for pixels in pair))


def _save(path: Path, state: dict) -> None:
    with atomic_write(path) as temporary:
        torch.save(state, temporary)
