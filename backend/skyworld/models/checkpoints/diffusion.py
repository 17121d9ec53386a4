"""What the adapters over diffusers share: loading, words that are read once, one picture from one call."""

import inspect
import re
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image

from skyworld.errors import UserError
from skyworld.models.checkpoints.architectures import Architecture
from skyworld.models.checkpoints.places import find_lora, told
from skyworld.models.checkpoints.reader import PictureReader
from skyworld.models.checkpoints.vram import Holding, footprint
from skyworld.models.settings import Settings

KEPT_WORDS = 32  # pairs of prompts whose embeddings are kept


class Diffusion:
    """A pipeline of diffusers, held as the settings ask.

    panoramic: low-rank weights for equirectangular pictures are in it.
    """

    def __init__(self, pipe, architecture: Architecture, provenance, settings: Settings, device, *, panoramic=False):
        self.provenance, self.settings, self.panoramic = provenance, settings, panoramic
        self.pipe, self.architecture, self.device = pipe, architecture, device
        steps, guidance = architecture.defaults(pipe)
        self.step_count = settings.steps or steps
        self.guidance = guidance if settings.guidance is None else settings.guidance
        self._words: OrderedDict[tuple, dict] = OrderedDict()
        if settings.precision != "float16" and pipe.vae.config.get("force_upcast"):
            pipe.vae.register_to_config(force_upcast=False)  # it is float16 that overflows in SDXL's VAE
        self._holding = Holding(pipe, settings, device)
        self.footprint = footprint(pipe)
        pipe.set_progress_bar_config(disable=True)

    @classmethod
    def load(cls, checkpoint, settings: Settings, device: torch.device):
        architecture = cls.architectures[checkpoint.architecture]
        pipe = load_pipeline(checkpoint, architecture.pipeline, settings.dtype)
        if checkpoint.lora:
            fuse(pipe, checkpoint)
        provenance = checkpoint.provenance
        return cls(pipe, architecture, provenance, settings, device, panoramic=bool(checkpoint.lora))

    def prepare(self, prompts: Iterable[tuple[str, str]]) -> None:
        """Reads all (prompt, negative) ahead, so that an off-loaded text encoder comes to the GPU once for all."""
        if not self.architecture.looks:
            wanted = [pair for pair in prompts if self._key(*pair) not in self._words]
            if wanted:
                with self._holding.encoding(), torch.no_grad():
                    for pair in wanted:
                        self._read(*pair, None)

    def words(self, prompt: str, negative: str, picture=None) -> dict:
        """The arguments that stand for the words; `picture`, as the pipeline takes it, for models that look at it."""
        if self.architecture.looks:
            with self._holding.encoding(), torch.no_grad():
                return self._embedded(prompt, negative, picture)
        self.prepare([(prompt, negative)])
        self._words.move_to_end(self._key(prompt, negative))
        return self._words[self._key(prompt, negative)]

    def _key(self, prompt: str, negative: str) -> tuple[str, str | None]:
        return prompt, negative if self._guided else None

    @property
    def _guided(self) -> bool:
        return self.guidance > self.architecture.unguided

    def _read(self, prompt: str, negative: str, picture) -> None:
        self._words[self._key(prompt, negative)] = self._embedded(prompt, negative, picture)
        while len(self._words) > KEPT_WORDS:
            self._words.popitem(last=False)

    def _embedded(self, prompt: str, negative: str, picture) -> dict:
        worded = self.architecture.wording.format(prompt)
        return self.architecture.embed(self.pipe, worded, negative if self._guided else None, picture, self.device)

    def run(self, pipe, words: dict, seed: int, **asked) -> np.ndarray:
        """[H, W, 3] of one call. UserError where the model broke down or blacked its answer out."""
        self._holding.denoising()
        guide = {self.architecture.guide: self.guidance}
        generator = torch.Generator("cpu").manual_seed(seed)
        picture = pipe(**words, **guide, **asked, generator=generator, output_type="pt").images[0]
        return self._sound(picture.float()).permute(1, 2, 0).contiguous().cpu().numpy()

    def given(self, picture: np.ndarray):
        """[H, W, 3] or [H, W], 0 to 1, as the pipelines take pictures and masks; on the GPU they need no time there."""
        if self.architecture.looks:  # and hands the picture to the text encoder's own reader
            return Image.fromarray((picture * 255 + 0.5).astype(np.uint8))
        grid = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).to(self.device)
        return (grid.permute(2, 0, 1) if grid.ndim == 3 else grid[None])[None]

    def _sound(self, picture: torch.Tensor) -> torch.Tensor:
        name = self.provenance.name
        if not picture.isfinite().all():
            wider = "float32" if self.settings.precision != "float32" else "another precision"
            raise UserError(
                f"{name} broke down: its picture has values that are not numbers",
                hint=f"Hold it in {wider}, take out its LoRA, or choose another checkpoint",
            )
        if picture.max() < 1 / 255:
            raise UserError(
                f"{name} gave a black picture, as safety filters do",
                hint="Word the prompt otherwise, try another seed, or choose another checkpoint",
            )
        return picture.clamp(0, 1)


def load_pipeline(checkpoint, name: str, dtype: torch.dtype):
    """The pipeline class of that name with the checkpoint's weights, on the CPU."""
    import diffusers

    diffusers.utils.logging.disable_progress_bar()
    folder = checkpoint.folder
    looks = (folder / "processor").is_dir()
    narrow = (
        any(folder.rglob("*.fp16.safetensors")) and not (folder / "vae/diffusion_pytorch_model.safetensors").exists()
    )
    with told(checkpoint.name):
        try:
            pipe = getattr(diffusers, name).from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                variant="fp16" if narrow else None,
                **({"processor": None} if looks else {}),
            )
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise UserError(
                f"{checkpoint.name} does not load as a {name}: {_first_line(error)}",
                hint="Download the model again; if that does not help, it is not what its model_index.json says",
            ) from error
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    lacking = [name for part in parts for name, weight in part.named_parameters() if weight.is_meta]
    if lacking:
        raise UserError(
            f"{checkpoint.name} lacks {len(lacking)} of its weights ({lacking[0]}, ...)",
            hint="Download the model again; if that does not help, it is not what its model_index.json says",
        )
    if looks:
        pipe.processor = PictureReader.of(folder / "processor", pipe.tokenizer)
    return pipe


def fuse(pipe, checkpoint) -> None:
    """Adds the checkpoint's low-rank weights into the others."""
    file = find_lora(checkpoint.lora, local_only=checkpoint.local_only)
    with told(checkpoint.lora):
        try:
            place = dict(weight_name=file.name, local_files_only=True)
            strange = _strange_layers(pipe, pipe.lora_state_dict(str(file.parent), **place))
            if strange:
                raise ValueError(f"there is no layer {strange[0]}")
            pipe.load_lora_weights(str(file.parent), **place)
            if not pipe.get_list_adapters():
                raise ValueError("none of its weights belongs to a layer of the model")
            pipe.fuse_lora()
        except (ValueError, KeyError, RuntimeError, IndexError) as error:
            raise UserError(
                f"The LoRA {checkpoint.lora} does not fit {checkpoint.name}: {_first_line(error)}",
                hint="A LoRA fits only the model that it was trained on",
            ) from error
    pipe.unload_lora_weights()


def _strange_layers(pipe, weights: dict | tuple) -> list[str]:
    """Layers of low-rank weights that the denoiser has not; diffusers only logs them."""
    weights = weights[0] if isinstance(weights, tuple) else weights
    found = (re.match(r"(unet|transformer)\.(.+?)\.lora[._]", name) for name in weights)
    layers = dict.fromkeys((match[1], match[2]) for match in found if match)
    known = {part: dict(getattr(pipe, part).named_modules()) for part in {part for part, _ in layers}}
    return [layer for part, layer in layers if layer not in known[part]]


def of_same_parts(name: str, pipe):
    """The pipeline class of that name with the parts of another; nothing is copied or cast."""
    import diffusers

    kind = getattr(diffusers, name)
    known = {**pipe.config, **pipe.components}
    asked = inspect.signature(kind.__init__).parameters
    made = kind(**{each: known[each] for each in asked if each in known})
    made.set_progress_bar_config(disable=True)
    return made


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
