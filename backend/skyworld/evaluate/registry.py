"""The table of metrics and the one call that measures. Light to import: a metric's code is loaded when it runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from inspect import getdoc
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skyworld.errors import UserError


@dataclass(frozen=True)
class Skipped:
    """A metric that was not measured, and why."""

    reason: str


class UnfitError(Exception):
    """Raised by a metric whose definition does not apply to these pictures (too small, too few)."""


@dataclass(frozen=True)
class Weights:
    """A file or folder of weights. path: where it lies in the user's weights folder (for a hub model its id).
    source: where to get it."""

    path: str
    source: str
    hub: bool = False

    def find(self, folder: Path | str | None) -> Path | None:
        """In the user's folder, else (hub models) in the local hub cache; nothing is ever downloaded."""
        if folder is not None and (Path(folder) / self.path).exists():
            return Path(folder) / self.path
        if self.hub and find_spec("huggingface_hub"):
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import LocalEntryNotFoundError

            try:
                return Path(snapshot_download(self.path, local_files_only=True))
            except LocalEntryNotFoundError:
                return None
        return None


def hub(name: str) -> Weights:
    return Weights(name, f"`hf download {name} --local-dir FOLDER/{name}`", hub=True)


CLIP_B32, CLIP_L14_336 = hub("openai/clip-vit-base-patch32"), hub("openai/clip-vit-large-patch14-336")
ALEXNET = Weights("alexnet-owt-7be5be79.pth", "torchvision's AlexNet IMAGENET1K_V1, download.pytorch.org/models")
INCEPTION = Weights("pt_inception-2015-12-05-6726825d.pth", "the fid_weights release of mseitzer/pytorch-fid")
CLIP_RN50 = Weights("RN50.pt", "OpenAI's CLIP RN50 (the list of models in openai/CLIP, clip/clip.py)")
PROMPTS = Weights("CLIP-IQA+_learned_prompts-603f3273.pth", "the learned prompts of IceClear/CLIP-IQA (CLIP-IQA+)")
NIQE_MODEL = Weights(
    "niqe_modelparameters.mat",
    "the NIQE release of LIVE, University of Texas, or your own from `natural_scene.fit_pristine`",
)
BRISQUE_MODEL = Weights("brisque/allmodel", "the BRISQUE release of LIVE, University of Texas")
BRISQUE_RANGE = Weights("brisque/allrange", "the BRISQUE release of LIVE, University of Texas")
ONE_ALIGN = hub("q-future/one-align")


@dataclass(frozen=True)
class Metric:
    """One metric.

    kind: what its function takes: a "picture" alone; a picture and its "reference"; a picture and a "text"; or two
        "sets" of pictures that need not correspond. The first three are averaged over the pictures.
    better: the direction of improvement.  panorama: whether it is meant for equirectangular pictures.
    """

    name: str
    where: str
    kind: Literal["picture", "reference", "text", "sets"]
    better: Literal["up", "down"]
    weights: tuple[Weights, ...] = ()
    packages: tuple[str, ...] = ()
    panorama: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def function(self) -> Callable[..., float]:
        module, function = self.where.split(":")
        return partial(getattr(import_module(f"skyworld.evaluate.{module}"), function), **self.options)

    @property
    def definition(self) -> str:
        return getdoc(self.function.func)

    def available(self, weights: Path | str | None = None) -> str | None:
        """None, or why it cannot be measured with this weights folder."""
        for package in self.packages:
            if find_spec(package) is None:
                return f"the package {package} is not installed: `pip install skyworld-backend[metrics]`"
        for needed in self.weights:
            if needed.find(weights) is None:
                place = f"the weights folder {weights}" if weights else "a weights folder (none was given)"
                return f"{needed.path} is not in {place}; it comes from {needed.source}"
        return None


_TM, _HF = ("torchmetrics",), ("transformers",)
METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "full_reference:psnr", "reference", "up"),
        Metric("ssim", "full_reference:ssim", "reference", "up", packages=_TM),
        Metric("ssim_luma", "full_reference:ssim_luma", "reference", "up", packages=_TM),
        Metric("ms_ssim", "full_reference:ms_ssim", "reference", "up", packages=_TM),
        Metric("lpips", "full_reference:lpips", "reference", "down", (ALEXNET,), _TM),
        Metric("sharpness_difference", "full_reference:sharpness_difference", "reference", "up"),
        Metric("clip_i", "clip:clip_i", "reference", "up", (CLIP_B32,), _HF),
        Metric("clip_score", "clip:clip_score", "text", "up", (CLIP_B32,), _HF),
        Metric("clip_iqa_plus", "clip_iqa:clip_iqa_plus", "picture", "up", (CLIP_RN50, PROMPTS, CLIP_B32), _HF),
        Metric("qalign_quality", "qalign:qalign", "picture", "up", (ONE_ALIGN,), _HF, options={"task": "quality"}),
        Metric("qalign_aesthetic", "qalign:qalign", "picture", "up", (ONE_ALIGN,), _HF, options={"task": "aesthetic"}),
        Metric("niqe", "natural_scene:niqe", "picture", "down", (NIQE_MODEL,)),
        Metric("brisque", "natural_scene:brisque", "picture", "down", (BRISQUE_MODEL, BRISQUE_RANGE)),
        Metric("fid", "distribution:fid", "sets", "down", (INCEPTION,)),
        Metric("kid", "distribution:kid", "sets", "down", (INCEPTION,)),
        Metric("clip_fid", "distribution:clip_fid", "sets", "down", (CLIP_B32,), _HF),
        Metric("cmmd", "distribution:cmmd", "sets", "down", (CLIP_L14_336,), _HF),
        Metric("seam_ratio", "panorama:seam_ratio", "picture", "down", panorama=True),
        Metric("pole_stretch", "panorama:pole_stretch", "picture", "down", panorama=True),
        Metric("laplacian_energy", "panorama:laplacian_energy", "picture", "up", panorama=True),
        Metric("ws_psnr", "panorama:ws_psnr", "reference", "up", panorama=True),
        Metric("ws_ssim", "panorama:ws_ssim", "reference", "up", packages=_TM, panorama=True),
    )
}


class Models:
    """The weights folder and the device of one `measure` call; networks are loaded and sets embedded once."""

    def __init__(self, folder: Path | str | None = None, device: str = "cpu"):
        self.folder, self.device, self._loaded = folder, device, {}

    def load(self, loader: Callable, *weights: Weights):
        """`loader(*paths, device)`, remembered."""
        if (loader, weights) not in self._loaded:
            self._loaded[loader, weights] = loader(*(needed.find(self.folder) for needed in weights), self.device)
        return self._loaded[loader, weights]

    def features(self, extract: Callable, pictures: list, *options) -> np.ndarray:
        """`extract(pictures, self, *options)`, remembered for this very list."""
        key = (extract, id(pictures), options)
        if key not in self._loaded:
            self._loaded[key] = extract(pictures, self, *options)
        return self._loaded[key]


def _checked(pictures: Sequence[np.ndarray], what: str) -> list[np.ndarray]:
    pictures = [np.asarray(picture) for picture in pictures]
    for i, picture in enumerate(pictures):
        if picture.ndim != 3 or picture.shape[2] != 3 or not np.issubdtype(picture.dtype, np.floating):
            raise UserError(f"{what} {i} is {picture.dtype} {list(picture.shape)}, not a float array [H, W, 3]")
        if not (picture.min() >= -1e-6 and picture.max() <= 1 + 1e-6):  # also false for NaN
            raise UserError(f"{what} {i} has values outside 0 to 1 or that are not numbers")
    return pictures


def _paired(pictures: list, others: Sequence | None, what: str) -> list:
    if len(others) not in (1, len(pictures)):
        raise UserError(f"there are {len(pictures)} pictures and {len(others)} {what}; give as many, or one for all")
    return list(others) * len(pictures) if len(others) == 1 else list(others)


def measure(
    names: Sequence[str],
    pictures: Sequence[np.ndarray],
    references: Sequence[np.ndarray] | None = None,
    texts: Sequence[str] | None = None,
    weights: Path | str | None = None,
    device: str = "cpu",
) -> dict[str, float | Skipped]:
    """Each named metric of the pictures, averaged over them where it is a matter of one picture.

    pictures, references: float [H, W, 3], 0 to 1, sRGB-encoded. One reference or text may serve all pictures; for
    metrics of kind "sets" the references are the other set.
    weights: folder with the files and hub models that `METRICS[name].weights` names.
    Raises UserError for unknown names, unfit arrays, counts that do not match, and unreadable weights.
    """
    if unknown := [name for name in names if name not in METRICS]:
        raise UserError(f"no metric is called {', '.join(unknown)}", hint=f"There are: {', '.join(METRICS)}")
    pictures = _checked(pictures, "picture")
    references = None if references is None else _checked(references, "reference")
    if not pictures:
        raise UserError("there is no picture to measure")
    models = Models(weights, device)
    return {name: _one(METRICS[name], pictures, references, texts, models) for name in names}


def _one(metric: Metric, pictures, references, texts, models: Models) -> float | Skipped:
    if metric.kind in ("reference", "sets") and not references:
        return Skipped("needs reference pictures")
    if metric.kind == "text" and not texts:
        return Skipped("needs texts")
    if reason := metric.available(models.folder):
        return Skipped(reason)
    function = metric.function
    try:
        if metric.kind == "sets":
            return float(function(pictures, references, models))
        if metric.kind == "picture":
            return float(np.mean([function(picture, models) for picture in pictures]))
        others = _paired(pictures, texts if metric.kind == "text" else references, f"{metric.kind}s")
        return float(np.mean([function(*pair, models) for pair in zip(pictures, others, strict=True)]))
    except UnfitError as reason:
        return Skipped(str(reason))
