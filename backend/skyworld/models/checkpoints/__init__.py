"""Checkpoints in the roles of `skyworld.models.roles`: which adapter holds which architecture, and how one is loaded.

A checkpoint is a folder as diffusers and transformers write them, or a hub id. Its architecture is read from
model_index.json or config.json; `ADAPTERS` says which adapter takes it in which role. An adapter is made by its class
method `load(checkpoint: Checkpoint, settings: Settings, device: torch.device)` and has `provenance`, `footprint`
(bytes of weights) and what its role asks for.
"""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skyworld.errors import UserError
from skyworld.models.checkpoints.places import find
from skyworld.models.roles import Provenance
from skyworld.models.settings import Settings

if TYPE_CHECKING:
    import torch

INPAINT = "skyworld.models.checkpoints.inpaint:DiffusionInpainter"
CAPTION = "skyworld.models.checkpoints.caption:VisionLanguageCaptioner"
EDIT = "skyworld.models.checkpoints.flowedit:FlowEditor"
TEXT_TO_IMAGE = "skyworld.models.checkpoints.text_to_image:DiffusionTextToImage"

# role -> class name (`_class_name` of model_index.json, `architectures` of config.json) or `model_type` -> adapter
ADAPTERS: dict[str, dict[str, str]] = {
    "inpainter": {
        "StableDiffusionInpaintPipeline": INPAINT,
        "StableDiffusionXLInpaintPipeline": INPAINT,
        "FluxFillPipeline": INPAINT,
        "Flux2KleinPipeline": INPAINT,
        "Flux2KleinInpaintPipeline": INPAINT,
        "QwenImagePipeline": INPAINT,
        "QwenImageInpaintPipeline": INPAINT,
        "QwenImageEditPipeline": INPAINT,
        "QwenImageEditPlusPipeline": INPAINT,
        "QwenImageEditInpaintPipeline": INPAINT,
        "ZImagePipeline": INPAINT,
        "ZImageInpaintPipeline": INPAINT,
        "PointCloudControlNetPipeline": "skyworld.models.checkpoints.pointcloud:PointCloudInpainter",
    },
    "text_to_image": {
        "StableDiffusionPipeline": TEXT_TO_IMAGE,
        "StableDiffusionXLPipeline": TEXT_TO_IMAGE,
        "FluxPipeline": TEXT_TO_IMAGE,
        "Flux2KleinPipeline": TEXT_TO_IMAGE,
        "QwenImagePipeline": TEXT_TO_IMAGE,
        "ZImagePipeline": TEXT_TO_IMAGE,
    },
    "editor": {
        "FluxPipeline": EDIT,
        "Flux2KleinPipeline": EDIT,
        "QwenImagePipeline": EDIT,
        "StableDiffusion3Pipeline": EDIT,
        "ZImagePipeline": EDIT,
    },
    "upscaler": {"swin2sr": "skyworld.models.checkpoints.upscale:Swin2SRUpscaler"},
    "restorer": {"swin2sr": "skyworld.models.checkpoints.upscale:Swin2SRRestorer"},
    "depth": {
        "depth_anything": "skyworld.models.checkpoints.depth:DepthAnything",
        "zoedepth": "skyworld.models.checkpoints.depth:ZoeDepth",
        "depth_pro": "skyworld.models.checkpoints.depth:DepthPro",
        "moge": "skyworld.models.checkpoints.moge:MoGe",
        "da3": "skyworld.models.checkpoints.da3:DepthAnything3",
    },
    "captioner": {
        "qwen2_vl": CAPTION,
        "qwen2_5_vl": CAPTION,
        "qwen3_vl": CAPTION,
        "qwen3_5": CAPTION,
        "smolvlm": CAPTION,
        "idefics3": CAPTION,
    },
    "segmenter": {
        "grounding-dino": "skyworld.models.checkpoints.segment:GroundingDino",
        "owlv2": "skyworld.models.checkpoints.segment:Owl",
    },
}


@dataclass(frozen=True)
class Checkpoint:
    """folder: where it lies.  name: hub id or folder as the user gave it.  architecture: its key in `ADAPTERS`.

    version: commit of the hub, "" for a folder.  lora: hub id, folder or file of low-rank weights to add, or None.
    """

    role: str
    folder: Path
    name: str
    architecture: str
    version: str = ""
    licence: str = ""
    lora: str | None = None
    local_only: bool = False

    @property
    def provenance(self) -> Provenance:
        name = self.name + (f" + {self.lora}" if self.lora else "")
        return Provenance(self.role, name, self.version, self.licence, builtin=False)


def load(
    role: str,
    source: str | Path,
    settings: Settings,
    device: "torch.device",
    *,
    lora: str | None = None,
    local_only: bool = False,
    licence: str = "",
    revision: str | None = None,
):
    """The adapter for `role` with the checkpoint of `source`, a folder or a hub id. UserError says what is wrong.

    local_only: nothing is downloaded.  revision: branch, tag or commit of the hub.
    """
    folder = find(source, revision=revision, local_only=local_only)
    names = names_in(folder)
    known = ADAPTERS[role]
    architecture = next((name for name in names if name in known), None)
    if architecture is None:
        raise UserError(_unfit(role, source, names), hint=_what_would_do(role, names))
    title, version = named(folder, source)
    checkpoint = Checkpoint(role, folder, title, architecture, version, licence, lora, local_only)
    module, _, name = known[architecture].partition(":")
    adapter = getattr(importlib.import_module(module), name)
    return adapter.load(checkpoint, settings.fitting(device), device)


def named(folder: Path, source: str | Path) -> tuple[str, str]:
    """(hub id, commit) of a snapshot in the hub's cache; (`source`, "") of another folder."""
    if folder.parent.name != "snapshots":
        return str(source), ""
    return folder.parents[1].name.removeprefix("models--").replace("--", "/"), folder.name


def names_in(folder: Path) -> list[str]:
    """What the folder's model_index.json or config.json calls its model, the most telling name first."""
    for name in ("model_index.json", "config.json"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError("is not JSON", file=path, hint="Download the model again") from error
        found = [config.get("_class_name"), *(config.get("architectures") or []), config.get("model_type")]
        if str(config.get("model_name")).startswith("da3"):  # Depth Anything 3's own package wrote it
            found.append("da3")
        return [each for each in found if isinstance(each, str)]
    if (folder / "model.pt").is_file():  # all that MoGe keeps
        return ["moge"]
    raise UserError(
        "has neither model_index.json nor config.json, so it is no model as diffusers and transformers keep them",
        file=folder,
        hint="Give the folder that has one of these, or a hub id",
    )


def _unfit(role: str, source, names: list[str]) -> str:
    what = names[0] if names else "model without an architecture's name"
    return f"{source} is a {what}, which is no {role.replace('_', ' ')}"


def _what_would_do(role: str, names: list[str]) -> str:
    others = [other for other, known in ADAPTERS.items() if any(name in known for name in names)]
    fits = f"It fits as {' or '.join(other.replace('_', ' ') for other in others)}. " if others else ""
    return f"{fits}As {role.replace('_', ' ')} take one of: {', '.join(sorted(ADAPTERS[role])) or 'none yet'}"
