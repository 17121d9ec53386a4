"""The parts that work together on a view, and where they come from: a base checkpoint, or nothing at all."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from skyworld.errors import UserError
from skyworld.models.checkpoints.places import find, told
from skyworld.world.files import atomic_write

ARCHITECTURE = "PointCloudControlNetPipeline"  # in model_index.json
SCRATCH = "scratch"
# Channels of the ControlNet's eye, one more than it halves the picture.
EYE = (16, 32, 96, 256)
CONDITION = 4  # warped colours, known
LIBRARIES = {"tokenizer": "transformers", "text_encoder": "transformers"}


@dataclass
class Components:
    """A diffusers UNet, its ControlNet and scheduler. vae, tokenizer, text_encoder may be None: pixels, no words.

    base: where the frozen parts came from, "" where everything was trained here.
    """

    unet: torch.nn.Module
    controlnet: torch.nn.Module
    scheduler: object
    vae: torch.nn.Module | None = None
    tokenizer: object = None
    text_encoder: torch.nn.Module | None = None
    base: str = ""

    @property
    def modules(self) -> list[torch.nn.Module]:
        parts = (self.unet, self.controlnet, self.vae, self.text_encoder)
        return [part for part in parts if part is not None]

    @property
    def shrink(self) -> int:
        """Pixels of a latent."""
        return 1 if self.vae is None else 2 ** (len(self.vae.config.block_out_channels) - 1)

    def encoded(self, pictures: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Pictures [B, 3, H, W], 0 to 1, as latents; a sample with `noise`, else the mean."""
        pictures = pictures * 2 - 1
        if self.vae is None:
            return pictures
        latents = self.vae.encode(pictures.to(self.vae.dtype)).latent_dist
        return (latents.mode() if noise is None else latents.sample(noise)).float() * self.vae.config.scaling_factor

    def decoded(self, latents: Tensor) -> Tensor:
        """Pictures [B, 3, H, W], 0 to 1."""
        if self.vae is not None:
            latents = self.vae.decode((latents / self.vae.config.scaling_factor).to(self.vae.dtype)).sample.float()
        return (latents / 2 + 0.5).clamp(0, 1)

    def words(self, prompts: list[str], device: torch.device) -> Tensor:
        """[B, tokens, channels]; nought where there is no text encoder."""
        if self.text_encoder is None:
            return torch.zeros(len(prompts), 1, self.unet.config.cross_attention_dim, device=device)
        ids = self.tokenizer(
            prompts,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return self.text_encoder(ids.to(device))[0].float()

    def predicted(self, noisy: Tensor, at: Tensor, words: Tensor, condition: Tensor, scale: float = 1.0) -> Tensor:
        """What the UNet says of noisy latents [B, C, h, w] at timesteps [B]; condition: [B, 4, H, W], 0 to 1."""
        if self.unet.config.in_channels > noisy.shape[1]:  # an inpainting UNet is shown the known part as well
            known = condition[:, 3:]
            size = noisy.shape[-2:]
            unknown = 1 - torch.nn.functional.interpolate(known, size)
            shown = self.encoded(condition[:, :3] * known + 0.5 * (1 - known))
            noisy = torch.cat([noisy, unknown, shown], 1)
        down, middle = self.controlnet(
            noisy,
            at,
            encoder_hidden_states=words,
            controlnet_cond=condition,
            conditioning_scale=scale,
            return_dict=False,
        )
        return self.unet(
            noisy,
            at,
            encoder_hidden_states=words,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample


def from_base(source: str, local_only: bool = False) -> Components:
    """The parts of a pipeline of Stable Diffusion's class (folder or hub id); the ControlNet begins as its UNet."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    folder = find(source, local_only=local_only)
    if not (folder / "unet" / "config.json").is_file():
        raise UserError(
            "has no UNet, which a ControlNet is made for",
            file=folder,
            hint="Give a checkpoint of the class of Stable Diffusion 1.5, 2 or their inpainting versions",
        )
    with told(source):
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
        if unet.config.addition_embed_type is not None:
            raise UserError("is of the class of Stable Diffusion XL", file=folder, hint="Give one of class 1.5 or 2")
        parts = {
            "vae": AutoencoderKL.from_pretrained(folder, subfolder="vae"),
            "tokenizer": CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer"),
            "text_encoder": CLIPTextModel.from_pretrained(folder, subfolder="text_encoder"),
        }
        scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
    found = Components(unet, None, scheduler, **parts, base=str(source))
    found.controlnet = controlnet_of(unet, found.shrink)
    return found


def from_scratch(size: int, channels: tuple[int, ...] = (64, 128, 256), seed: int = 0) -> Components:
    """A small diffusion model of pixels, without words, untrained: to try the training on little data."""
    from diffusers import DDPMScheduler, UNet2DConditionModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=size,
            in_channels=3,
            out_channels=3,
            down_block_types=(*["DownBlock2D"] * (len(channels) - 1), "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", *["UpBlock2D"] * (len(channels) - 1)),
            block_out_channels=channels,
            layers_per_block=2,
            cross_attention_dim=32,
            attention_head_dim=4,
            norm_num_groups=min(32, channels[0] // 4),
        )
        # v-prediction (Salimans and Ho 2022): from full noise on, what is asked for is the picture.
        scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
        return Components(unet, controlnet_of(unet, 1), scheduler)


def controlnet_of(unet: torch.nn.Module, shrink: int) -> torch.nn.Module:
    from diffusers import ControlNetModel

    eye = EYE[: shrink.bit_length()]
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=eye, conditioning_channels=CONDITION)


def save(components: Components, folder: Path) -> None:
    """The ControlNet; with it the other parts, where they were trained too, else the name of the base."""
    names = ["controlnet"] if components.base else [f.name for f in fields(components) if f.name != "base"]
    index: dict = {"_class_name": ARCHITECTURE, "base": components.base}
    for name in names:
        part = getattr(components, name)
        if part is not None:
            part.save_pretrained(folder / name)
            index[name] = [LIBRARIES.get(name, "diffusers"), type(part).__name__]
    with atomic_write(folder / "model_index.json") as path:
        path.write_text(json.dumps(index, indent=1), encoding="utf-8")


def load(folder: Path, local_only: bool = False) -> Components:
    """What `save` wrote, complete with its base."""
    from diffusers import ControlNetModel, DDPMScheduler, UNet2DConditionModel

    base = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["base"]
    with told(str(folder)):
        controlnet = ControlNetModel.from_pretrained(folder, subfolder="controlnet")
        if not base:
            unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
            return Components(unet, controlnet, DDPMScheduler.from_pretrained(folder, subfolder="scheduler"))
    found = from_base(base, local_only)
    if found.unet.config.block_out_channels != controlnet.config.block_out_channels:
        raise UserError(f"its ControlNet does not fit its base {base}", file=folder, hint="Train it again")
    found.controlnet = controlnet
    return found
