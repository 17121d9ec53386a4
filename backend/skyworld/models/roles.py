"""What a model must be able to do, role by role. A pipeline knows these protocols and nothing else.

Pictures are numpy float32 [H, W, 3], 0 to 1, sRGB-encoded. Masks are bool [H, W].
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from skyworld.camera import Camera
from skyworld.errors import UserError


@dataclass(frozen=True)
class Provenance:
    """Which model made a result; written into world.json and shown to the user."""

    role: str
    name: str
    version: str
    licence: str
    builtin: bool


@dataclass(frozen=True)
class Photograph:
    """The artist's picture on the sphere.

    picture: [h, w, 3] as above.
    camera:  its pinhole camera, at the panorama's centre, heading yaw 0.
    outdoor: whether there is sky.
    sky:     [h, w] float32, 1 where the sky is seen.
    """

    picture: np.ndarray
    camera: Camera
    outdoor: bool
    sky: np.ndarray


@dataclass(frozen=True)
class InpaintView:
    """One view to complete.

    picture:  [H, W, 3], anything where unknown.  unknown: [H, W] bool, True where pixels are wanted.
    camera:   `pinhole`, or `equirect` for a model whose schedule is "whole".
    region:   which prompt applies.  seed: reproducible.  negative: what shall not be seen, for models that take it.
    strength: how little of what `picture` holds where unknown is kept: 1 nothing (the default), 0.9 a rendered guess
              is followed (Recipe section 2.7).
    depth:    [H, W] float32, camera z in metres of what is rendered, 0 where nothing is; None where nothing is known.
    """

    picture: np.ndarray
    unknown: np.ndarray
    camera: Camera
    region: Literal["sky", "horizon", "ground", "whole"]
    prompt: str
    seed: int
    negative: str = ""
    strength: float = 1.0
    depth: np.ndarray | None = None


class Inpainter(Protocol):
    """Completes views of the panorama.

    schedule: "anchored" for models that see one perspective view at a time (Recipe section 2.3),
    "whole" for models that complete the equirectangular picture in one view.
    """

    provenance: Provenance
    schedule: Literal["anchored", "whole"]

    def begin(self, photograph: Photograph) -> None:
        """Called once before the first view."""

    def inpaint(self, view: InpaintView) -> np.ndarray:
        """[H, W, 3]; only the unknown pixels are used."""


@dataclass(frozen=True)
class Completion:
    """A report of a model at work on a view: share done, a line for the person waiting, what there is so far.

    picture: [H, W, 3] or None.  sky: bool [H, W], where the model knows what it painted, or None.
    """

    fraction: float
    message: str = ""
    picture: np.ndarray | None = None
    sky: np.ndarray | None = None


@runtime_checkable
class ProgressiveInpainter(Protocol):
    """An inpainter that tells how far it is and can be stopped between two reports."""

    def steps(self, view: InpaintView) -> Iterator[Completion]:
        """As `Inpainter.inpaint`; the last report has the finished picture."""


@runtime_checkable
class PromptReader(Protocol):
    """A model that can read its words ahead of its pictures: a text encoder that waits off the GPU comes there once."""

    def prepare(self, prompts: Iterable[tuple[str, str]]) -> None:
        """(prompt, negative) pairs; those that were read before cost nothing."""


@dataclass(frozen=True)
class DistanceEstimate:
    """distance: [H, W] float32, metres along the ray, finite and positive; sky: [H, W] bool (set on a far shell)."""

    distance: np.ndarray
    sky: np.ndarray


class DistanceEstimator(Protocol):
    """Metric distance of an equirectangular picture (checkpoints: of its perspective views, merged)."""

    provenance: Provenance

    def estimate(self, panorama: np.ndarray, *, eye_height: float, sky: np.ndarray | None = None) -> DistanceEstimate:
        """panorama [H, W, 3]; sky: bool [H, W] where known from the panorama stage; eye_height in metres."""


@dataclass(frozen=True)
class DepthEstimate:
    """depth: [H, W] float32, camera z, finite and positive where `valid`; metres if the estimator is `metric`.

    valid: bool [H, W], False for sky and what the model does not know.
    """

    depth: np.ndarray
    valid: np.ndarray


class DepthEstimator(Protocol):
    """Depth of one perspective picture; metric: in metres, else up to one factor a picture."""

    provenance: Provenance
    metric: bool

    def estimate(self, picture: np.ndarray, camera: Camera) -> DepthEstimate:
        """picture [H, W, 3] as seen by the `pinhole` camera."""


class TextToImage(Protocol):
    """Pictures from words, and the last part of the same denoising on a picture that is there."""

    provenance: Provenance

    def imagine(self, prompt: str, width: int, height: int, *, seed: int, negative: str = "") -> np.ndarray:
        """[height, width, 3]; equirectangular 2:1 where `panoramic` is True (a LoRA for it is loaded)."""

    def refine(self, picture: np.ndarray, prompt: str, *, strength: float, seed: int, negative: str = "") -> np.ndarray:
        """[H, W, 3] of the same size: noised to the last `strength` of the timesteps and denoised again."""


@dataclass(frozen=True)
class Description:
    """What a picture shows, apart from its central objects: the prompts of Recipe section 2.4."""

    scene: Literal["outdoor", "indoor"]
    atmosphere: str
    sky: str
    ground: str
    negative: str = ""


class Captioner(Protocol):
    provenance: Provenance

    def describe(self, picture: np.ndarray) -> Description:
        """picture [H, W, 3]. UserError where the model answers nonsense twice."""


class Segmenter(Protocol):
    provenance: Provenance

    def segment(self, picture: np.ndarray, phrases: tuple[str, ...]) -> np.ndarray:
        """bool [len(phrases), H, W]: where each of them is seen, e.g. ("sky", "person")."""


@dataclass(frozen=True)
class EditSchedule:
    """Which part of the noise an edit by FlowEdit (arXiv 2412.08629) goes through; by default as Skyfall-GS does.

    steps:   of the whole schedule from noise to picture.
    n_max:   the last so many of them are gone through: more changes more.
    n_min:   the last so many of these follow the target prompt alone, no longer the difference of the two.
    average: noises over which a difference is averaged.
    source_guidance, target_guidance: of the two prompts; None for what suits the checkpoint.
    """

    steps: int = 28
    n_min: int = 4
    n_max: int = 10
    average: int = 1
    source_guidance: float | None = None
    target_guidance: float | None = None

    def __post_init__(self):
        if not 0 <= self.n_min <= self.n_max <= self.steps or self.n_max < 1:
            raise UserError(
                f"an edit of {self.steps} steps cannot go through the last {self.n_max}, "
                f"{self.n_min} of them with the target alone",
                hint="Choose 0 <= n_min <= n_max <= steps, and n_max at least 1",
            )
        if self.average < 1:
            raise UserError(f"an edit averages over at least one noise, not {self.average}")

    @property
    def passes(self) -> int:
        """Velocities asked of the model for one picture."""
        return 2 * self.average * (self.n_max - self.n_min) + self.n_min


class Editor(Protocol):
    """Changes what a picture shows from one description to another and keeps what both have in common."""

    provenance: Provenance

    def edit(
        self, picture: np.ndarray, source: str, target: str, *, seed: int, schedule: EditSchedule = EditSchedule()
    ) -> np.ndarray:
        """picture [H, W, 3] described by the prompt `source` -> [H, W, 3] as `target` would have it."""


class Restorer(Protocol):
    """Makes a damaged picture whole, always in the same way: no prompt, no noise."""

    provenance: Provenance

    def restore(self, view: "RestoreView") -> np.ndarray:
        """[H, W, 3]."""


@dataclass(frozen=True)
class RestoreView:
    """A render to restore.

    picture:  [H, W, 3], premultiplied colour over black.  alpha: [H, W] float32, 0 where nothing was drawn.
    depth:    [H, W] float32, camera z in metres of what is drawn, 0 where nothing is.
    wanted:   bool [H, W], where something ought to be seen: not the sky, nor what lies beyond the place.
    examples: further pictures [h, w, 3] of the same place, sharper than this one and of about its scale.
    """

    picture: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    wanted: np.ndarray
    examples: tuple[np.ndarray, ...] = ()


class Upscaler(Protocol):
    provenance: Provenance
    factor: int

    def upscale(self, picture: np.ndarray) -> np.ndarray:
        """[H, W, 3] -> [factor H, factor W, 3]."""
