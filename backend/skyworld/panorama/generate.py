"""To a full panorama: the photograph placed on the sphere, the rest asked of an inpainter, all of it refined."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from skyworld.camera import Camera
from skyworld.models.roles import (
    Description,
    Inpainter,
    InpaintView,
    Photograph,
    ProgressiveInpainter,
    PromptReader,
    TextToImage,
)
from skyworld.panorama.answers import Answers
from skyworld.panorama.imagine import first_view, seam, whole_sphere
from skyworld.panorama.placement import place
from skyworld.panorama.prompts import Prompts, wording
from skyworld.panorama.refine import refine
from skyworld.panorama.repair import repair_plan, stand_in
from skyworld.panorama.schedule import HEURISTICS, SIDE, Anchor, Look, Step
from skyworld.panorama.sky_matte import sky_matte
from skyworld.panorama.views import complete_view
from skyworld.progress import Progress

PREVIEW_WIDTH = 768


@dataclass(frozen=True)
class Panorama:
    """picture: [H, W, 3].  sky: bool [H, W].  photograph_mask: bool [H, W], the pixels that are the photograph's."""

    picture: np.ndarray
    sky: np.ndarray
    photograph_mask: np.ndarray


@dataclass(frozen=True)
class Crew:
    """Who completes a panorama, from which words. answers: the views' cache.  preview: a JPEG of the present state.

    refinement: share of the denoising that `text_to_image` goes over the result once more, 0 none.  side: pixels of
    a view.
    """

    inpainter: Inpainter
    words: Prompts
    seed: int
    answers: Answers
    text_to_image: TextToImage | None = None
    refinement: float = 0.0
    preview: Path | None = None
    side: int = SIDE

    @property
    def refines(self) -> bool:
        return self.text_to_image is not None and self.refinement > 0

    def completing(self, share: float) -> float:
        """Of the progress, when that share of the completion is done."""
        return 0.05 + (0.65 if self.refines else 0.93) * share


def generate(
    photograph: Photograph | None,
    inpainter: Inpainter,
    *,
    width: int = 2048,
    seed: int = 0,
    prompt: str = "",
    prompts: Description | None = None,
    text_to_image: TextToImage | None = None,
    heuristic: str = "anchored",
    refinement: float = 0.0,
    cache: Path | None = None,
    preview: Path | None = None,
    side: int = SIDE,
) -> Iterator[Progress]:
    """Completes the sphere around the photograph, or around what the prompt makes. Yields Progress, returns Panorama.

    width: a multiple of 256.  prompt: the artist's.  prompts: the captioner's.  heuristic: a key of `HEURISTICS`; a
    model whose schedule is "whole" has its own.  text_to_image: needed without a photograph, and by the refinement.
    cache: folder of the views' answers.  refinement, preview, side: see `Crew`.
    """
    if width % 256:
        raise ValueError(f"a panorama's width must be a multiple of 256, not {width}")
    more = {"text_to_image": text_to_image, "refinement": refinement, "preview": preview, "side": side}
    if photograph is None:
        yield Progress(0.0, "Imagining")
        negative = prompts.negative if prompts else ""
        if text_to_image.panoramic:
            picture = whole_sphere(text_to_image, prompt, width, seed, negative)
            # What an imagined panorama's ends need not do is to meet.
            words = {"seed": seed, "prompt": prompt, "prompts": prompts, "cache": cache}
            return (yield from repair(picture, seam(width), inpainter, **words, **more))
        photograph = first_view(text_to_image, prompt, seed, negative)
    yield Progress(0.0, "Placing the photograph")
    placed, mask = place(photograph, width)
    yield Progress(0.05, "Placing the photograph", write_preview(placed, preview))
    crew = Crew(inpainter, wording(prompts, prompt, photograph.outdoor), seed, Answers(cache), **more)
    inpainter.begin(photograph)
    if inpainter.schedule == "whole":
        picture, sky = yield from whole(placed, mask, crew)
    else:
        picture, sky = (yield from perspective(placed, mask, HEURISTICS[heuristic], crew)), None
    picture = yield from _finished(picture, placed, mask, crew)
    return Panorama(picture, find_sky(picture, photograph.outdoor) if sky is None else sky, mask)


def repair(
    picture: np.ndarray,
    unknown: np.ndarray,
    inpainter: Inpainter,
    *,
    seed: int = 0,
    prompt: str = "",
    prompts: Description | None = None,
    text_to_image: TextToImage | None = None,
    refinement: float = 0.0,
    cache: Path | None = None,
    preview: Path | None = None,
    side: int = SIDE,
) -> Iterator[Progress]:
    """Completes the unknown pixels (bool [H, W]) of a panorama [H, W, 3] by the views that see them.

    Yields Progress, returns Panorama; every other pixel stays as it is, in the refinement too.
    """
    keep = ~unknown
    placed = picture * keep[..., None]
    yield Progress(0.05, "Looking for what is missing", write_preview(placed, preview))
    photograph = stand_in(picture, unknown)
    words = wording(prompts, prompt, photograph.outdoor)
    crew = Crew(inpainter, words, seed, Answers(cache), text_to_image, refinement, preview, side)
    inpainter.begin(photograph)
    filled = yield from perspective(placed, keep, repair_plan(unknown), crew)
    filled = yield from _finished(filled, picture, keep, crew)
    return Panorama(filled, find_sky(filled, photograph.outdoor), np.zeros_like(keep))


def whole(placed: np.ndarray, mask: np.ndarray, crew: Crew):
    """One equirectangular view. A generator: yields Progress, returns picture [H, W, 3] and sky bool [H, W] or None."""
    camera = Camera.equirect((0, 0, 0), placed.shape[1])
    view = InpaintView(placed, ~mask, camera, "whole", crew.words.whole, crew.seed, crew.words.negative)
    # A protocol with methods only is met by a number of that name too, as a count of denoising steps is.
    if not (isinstance(crew.inpainter, ProgressiveInpainter) and callable(crew.inpainter.steps)):
        return crew.inpainter.inpaint(view), None
    for report in crew.inpainter.steps(view):
        shown = None
        if report.picture is not None:
            shown = write_preview(np.where(mask[..., None], placed, report.picture), crew.preview)
        yield Progress(crew.completing(report.fraction), report.message, shown)
    return report.picture, report.sky


def perspective(placed: np.ndarray, mask: np.ndarray, steps: tuple[Step, ...], crew: Crew):
    """Works off the steps of a heuristic. A generator: yields Progress, returns the picture [H, W, 3]."""
    picture, known, fixed = placed.copy(), mask.copy(), mask
    behind = np.roll(placed, placed.shape[1] // 2, 1)
    anchor = np.roll(mask, mask.shape[1] // 2, 1) & ~mask
    for index, step in enumerate(steps):
        if step is Anchor.PLACE:
            picture[anchor], known[anchor], fixed = behind[anchor], True, mask | anchor
        elif step is Anchor.REMOVE:
            picture[anchor], known[anchor], fixed = 0, False, mask
        else:
            taken = step.taken(len(picture))
            complete_view(picture, known, fixed, step.camera(crew.side), _asking(step, index, crew), taken)
            done = crew.completing((index + 1) / len(steps))
            what = "panorama" if step.region == "whole" else step.region
            yield Progress(done, f"Completing the {what}", write_preview(picture, crew.preview))
    return _last_resort(picture, known)


def _asking(look: Look, index: int, crew: Crew):
    """For `complete_view`: the inpainter's answer to a look, or the one kept on disk."""

    def answer(seen: np.ndarray, unknown: np.ndarray) -> np.ndarray:
        words, seed = crew.words.of(look.region), crew.seed + index
        view = InpaintView(seen, unknown, look.camera(crew.side), look.region, words, seed, crew.words.negative)
        question = ("inpaint", seen, unknown, look, words, view.negative, seed)
        return crew.answers.ask(crew.inpainter, question, lambda: _inpainted(view, crew))

    return answer


def _inpainted(view: InpaintView, crew: Crew) -> np.ndarray:
    """The inpainter's answer; the words of the other regions are read with the first."""
    if isinstance(crew.inpainter, PromptReader):
        regions = [view.region] if view.region == "whole" else ["sky", "ground", "horizon"]
        crew.inpainter.prepare([(crew.words.of(region), crew.words.negative) for region in regions])
    return crew.inpainter.inpaint(view)


def _finished(picture: np.ndarray, placed: np.ndarray, keep: np.ndarray, crew: Crew):
    """Refined, where that is wished, and dithered; `placed` where `keep`. Yields Progress, returns [H, W, 3]."""
    if crew.refines:
        more = {"strength": crew.refinement, "seed": crew.seed, "answers": crew.answers, "side": crew.side}
        steps = refine(picture, keep, crew.text_to_image, crew.words, **more)
        while True:
            try:
                report = next(steps)
            except StopIteration as end:
                picture = end.value
                break
            yield Progress(0.7 + 0.28 * report.fraction, report.message)
    picture = np.where(keep[..., None], placed, dithered(picture, crew.seed)).astype(np.float32)
    if not np.isfinite(picture).all():
        raise RuntimeError("the inpainter left pixels of the panorama unknown")
    crew.answers.forget_unused()
    yield Progress(1.0, "Panorama complete", write_preview(picture, crew.preview))
    return picture


def dithered(picture: np.ndarray, seed: int) -> np.ndarray:
    """With triangular noise of one 8-bit step, so that smooth skies do not band when they are stored."""
    rng = np.random.default_rng(seed)
    noise = rng.random(picture.shape, np.float32) - rng.random(picture.shape, np.float32)
    return (picture + noise / 255).clip(0, 1)


def find_sky(picture: np.ndarray, outdoor: bool) -> np.ndarray:
    """bool [H, W] where an inpainter does not tell: what hangs together with the zenith and looks like sky."""
    matte = sky_matte(picture) if outdoor else None
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
    return np.where(known[..., None], picture, picture.reshape(-1, 3)[nearest[labels]])
