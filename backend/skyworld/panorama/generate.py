"""From a photograph to a full panorama: the photograph placed on the sphere, the rest asked of an inpainter."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from skyworld.camera import Camera, directions, resample_view
from skyworld.models.roles import Inpainter, InpaintView, Photograph, ProgressiveInpainter
from skyworld.panorama.placement import place
from skyworld.panorama.schedule import Look, horizon, poles, zenith_and_nadir
from skyworld.panorama.sky_matte import sky_matte
from skyworld.progress import Progress

PREVIEW_WIDTH = 768
FEATHER = 16  # px of a 2048 panorama, over which what a view adds runs into what an earlier one added


@dataclass(frozen=True)
class Panorama:
    """picture: [H, W, 3].  sky: bool [H, W].  photograph_mask: bool [H, W], the pixels that are the photograph's."""

    picture: np.ndarray
    sky: np.ndarray
    photograph_mask: np.ndarray


def generate(
    photograph: Photograph,
    inpainter: Inpainter,
    *,
    width: int = 2048,
    seed: int = 0,
    prompt: str = "",
    preview: Path | None = None,
) -> Iterator[Progress]:
    """Completes the sphere around the photograph. Yields Progress, returns Panorama.

    width: a multiple of 256.  preview: where a JPEG of the present state is kept, if given.
    """
    if width % 256:
        raise ValueError(f"a panorama's width must be a multiple of 256, not {width}")
    yield Progress(0.0, "Placing the photograph")
    placed, mask = place(photograph, width)
    yield Progress(0.05, "Placing the photograph", write_preview(placed, preview))
    inpainter.begin(photograph)
    complete = whole if inpainter.schedule == "whole" else anchored
    picture, sky = yield from complete(placed, mask, inpainter, seed, prompt, preview)
    picture = np.where(mask[..., None], placed, dithered(picture, seed)).astype(np.float32)
    if sky is None:
        sky = find_sky(picture, photograph)
    if not np.isfinite(picture).all():
        raise RuntimeError("the inpainter left pixels of the panorama unknown")
    yield Progress(1.0, "Panorama complete", write_preview(picture, preview))
    return Panorama(picture, sky, mask)


def whole(placed, mask, inpainter, seed, prompt, preview):
    """One equirectangular view. A generator: yields Progress, returns picture [H, W, 3] and sky bool [H, W] or None."""
    camera = Camera.equirect((0, 0, 0), placed.shape[1])
    view = InpaintView(placed, ~mask, camera, "whole", prompt, seed)
    if not isinstance(inpainter, ProgressiveInpainter):
        return inpainter.inpaint(view), None
    for report in inpainter.steps(view):
        shown = None
        if report.picture is not None:
            shown = write_preview(np.where(mask[..., None], placed, report.picture), preview)
        yield Progress(0.05 + 0.93 * report.fraction, report.message, shown)
    return report.picture, report.sky


def anchored(placed, mask, inpainter, seed, prompt, preview):
    """Perspective views of `schedule`: poles first, a copy of the photograph behind the viewer, then the horizon.

    A generator: yields Progress, returns picture [H, W, 3] and None (the sky is not known).
    """
    picture, known = placed.copy(), mask.copy()
    half = placed.shape[1] // 2
    anchor = np.roll(mask, half, 1) & ~mask
    picture[anchor], known[anchor] = np.roll(placed, half, 1)[anchor], True
    plan = [*poles(), None, *horizon(), *zenith_and_nadir()]
    for i, look in enumerate(plan):
        if look is None:
            picture[anchor], known[anchor] = 0, False
            continue
        picture, known = complete_view(picture, known, mask | (anchor & known), look, inpainter, seed + i, prompt)
        done = 0.05 + 0.93 * (i + 1) / len(plan)
        yield Progress(done, f"Completing the {look.region}", write_preview(picture, preview))
    return np.where(known[..., None], picture, _last_resort(picture, known)), None


def complete_view(picture, known, fixed, look: Look, inpainter: Inpainter, seed: int, prompt: str):
    """Asks for the unknown pixels of one view and lays them in: picture [H, W, 3], known bool [H, W].

    Only pixels that were unknown are taken over, and a feather of what earlier views added; never `fixed`.
    """
    camera = look.camera()
    missing = cv2.dilate((resample_view(known.astype(np.float32), camera) < 0.999).astype(np.uint8), np.ones((5, 5)))
    if not missing.any():
        return picture, known
    view = InpaintView(resample_view(picture, camera), missing > 0, camera, look.region, prompt, seed)
    answer = inpainter.inpaint(view)
    height, width = known.shape
    at = camera.project(directions(width, height))[0]
    with np.errstate(invalid="ignore"):
        inside = ((at > 0.5) & (at < camera.width - 0.5)).all(-1)
    u, v = np.moveaxis(np.nan_to_num(at, nan=-1).clip(-1, camera.width + 1).astype(np.float32) - 0.5, -1, 0)
    laid = cv2.remap(answer.astype(np.float32), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    away = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5) / (FEATHER * width / 2048)
    share = np.where(known, 0.5 + 0.5 * np.cos(np.pi * away.clip(0, 1)), 1) * (inside & ~fixed)
    asked = cv2.remap(missing.astype(np.float32), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) > 0.999
    share = np.where(known & ~asked, 0, share)[..., None]
    return picture + share * (laid - picture), known | inside


def dithered(picture: np.ndarray, seed: int) -> np.ndarray:
    """With triangular noise of one 8-bit step, so that smooth skies do not band when they are stored."""
    rng = np.random.default_rng(seed)
    noise = rng.random(picture.shape, np.float32) - rng.random(picture.shape, np.float32)
    return (picture + noise / 255).clip(0, 1)


def find_sky(picture: np.ndarray, photograph: Photograph) -> np.ndarray:
    """bool [H, W] where an inpainter does not tell: what hangs together with the zenith and looks like sky."""
    matte = sky_matte(picture) if photograph.outdoor else None
    return np.zeros(picture.shape[:2], bool) if matte is None else matte > 0.5


def write_preview(picture: np.ndarray, path: Path | None) -> Path | None:
    """Keeps a small JPEG at `path`, replaced in one step; None where no preview is wanted."""
    if path is None:
        return None
    small = cv2.resize(picture, (PREVIEW_WIDTH, PREVIEW_WIDTH // 2), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(
        ".jpg", (small[..., ::-1].clip(0, 1) * 255 + 0.5).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 88]
    )[1]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(data.tobytes())
    os.replace(beside, path)
    return path


def _last_resort(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours of the nearest known pixels, for the few that lie in no view."""
    if known.all():
        return picture
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(labels.max() + 1, int)
    nearest[labels[known]] = np.flatnonzero(known)
    return picture.reshape(-1, 3)[nearest[labels]]
