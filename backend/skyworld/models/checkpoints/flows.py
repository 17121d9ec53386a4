"""Rectified flows of diffusers' pipelines, stripped to what moves along them: latents, noise levels, velocities.

z(s) = (1 - s) x + s noise for a noise level s from 1 to 0; a flow says dz/ds where it stands and what it is told. The
pipelines differ in how a picture becomes latents, how these are packed into tokens, how the levels are spaced and how
words and guidance go in.
"""

from typing import Protocol

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from torch import Tensor


class Flow(Protocol):
    """Latents are float32, of whatever shape the model has them in; words are what `Architecture.embed` made."""

    def encode(self, picture: Tensor) -> Tensor:
        """Latents of a picture [1, 3, H, W], -1 to 1, whose sides are multiples of the architecture's `cell`."""

    def levels(self, steps: int, latents: Tensor) -> Tensor:
        """Noise levels [steps + 1], from the first to 0."""

    def velocity(self, latents: Tensor, level: Tensor, words: dict, guidance: float) -> Tensor:
        """dz/ds at z = `latents`, s = `level`."""

    def decode(self, latents: Tensor) -> Tensor:
        """A picture [1, 3, H, W], about -1 to 1."""


class _Latents:
    """What most have in common: a VAE with a shift and a factor; latents stay a grid [1, C, h, w]."""

    patch = 2  # latents along the side of a token

    def __init__(self, pipe, device: torch.device):
        self.pipe, self.device = pipe, device

    def encode(self, picture: Tensor) -> Tensor:
        vae = self.pipe.vae
        latents = self._posterior(picture.to(self.device, vae.dtype)).float()
        return (latents - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor

    def levels(self, steps: int, latents: Tensor) -> Tensor:
        scheduler = self.pipe.scheduler
        dynamic = {"mu": self._shift(steps, self._tokens(latents))} if scheduler.config.use_dynamic_shifting else {}
        scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), device=self.device, **dynamic)
        return scheduler.sigmas

    def decode(self, latents: Tensor) -> Tensor:
        vae = self.pipe.vae
        latents = latents / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
        return vae.decode(latents.to(vae.dtype), return_dict=False)[0].float()

    def _posterior(self, picture: Tensor) -> Tensor:
        """The likeliest latents, so that the same picture always has the same."""
        return self.pipe.vae.encode(picture).latent_dist.mode()

    def _tokens(self, latents: Tensor) -> int:
        return latents.shape[-2] * latents.shape[-1] // self.patch**2

    def _shift(self, steps: int, tokens: int) -> float:
        """Larger pictures are noised more (Esser et al. 2024): linear in the tokens, as the scheduler's config says."""
        config = self.pipe.scheduler.config
        return calculate_shift(
            tokens,
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )

    def _given(self, latents: Tensor) -> Tensor:
        return latents.to(self.pipe.transformer.dtype)


def _guided(towards: Tensor, away: Tensor, guidance: float) -> Tensor:
    return away + guidance * (towards - away)


class FluxFlow(_Latents):
    """FLUX.1: guidance is an input of the network ([dev]), or there is none ([schnell])."""

    def velocity(self, latents: Tensor, level: Tensor, words: dict, guidance: float) -> Tensor:
        channels, height, width = latents.shape[1:]
        transformer, embeds = self.pipe.transformer, words["prompt_embeds"]
        told = torch.full([1], guidance, device=self.device) if transformer.config.guidance_embeds else None
        said = transformer(
            hidden_states=self._given(self.pipe._pack_latents(latents, 1, channels, height, width)),
            timestep=self._given(level[None]),
            guidance=told,
            pooled_projections=words["pooled_prompt_embeds"],
            encoder_hidden_states=embeds,
            txt_ids=embeds.new_zeros(embeds.shape[1], 3),
            img_ids=self.pipe._prepare_latent_image_ids(1, height // 2, width // 2, self.device, embeds.dtype),
            return_dict=False,
        )[0]
        scale = self.pipe.vae_scale_factor
        return self.pipe._unpack_latents(said.float(), height * scale, width * scale, scale)


class Flux2Flow(_Latents):
    """FLUX.2 klein: latents are cells of 2 x 2, normalised by what the VAE counted while it was trained."""

    patch = 1

    def encode(self, picture: Tensor) -> Tensor:
        vae = self.pipe.vae
        cells = self.pipe._patchify_latents(self._posterior(picture.to(self.device, vae.dtype)).float())
        mean, deviation = self._usual()
        return (cells - mean) / deviation

    def velocity(self, latents: Tensor, level: Tensor, words: dict, guidance: float) -> Tensor:
        said = self._said(latents, level, words["prompt_embeds"])
        if "negative_prompt_embeds" not in words or guidance <= 1:
            return said
        return _guided(said, self._said(latents, level, words["negative_prompt_embeds"]), guidance)

    def decode(self, latents: Tensor) -> Tensor:
        mean, deviation = self._usual()
        vae = self.pipe.vae
        plain = self.pipe._unpatchify_latents(latents * deviation + mean)
        return vae.decode(plain.to(vae.dtype), return_dict=False)[0].float()

    def _said(self, latents: Tensor, level: Tensor, embeds: Tensor) -> Tensor:
        said = self.pipe.transformer(
            hidden_states=self._given(self.pipe._pack_latents(latents)),
            timestep=self._given(level[None]),
            guidance=None,
            encoder_hidden_states=embeds,
            txt_ids=self.pipe._prepare_text_ids(embeds).to(self.device),
            img_ids=self.pipe._prepare_latent_ids(latents).to(self.device),
            return_dict=False,
        )[0]
        return said.float().transpose(1, 2).reshape(latents.shape)

    def _usual(self) -> tuple[Tensor, Tensor]:
        vae = self.pipe.vae
        mean = vae.bn.running_mean.view(1, -1, 1, 1).to(self.device, torch.float32)
        variance = vae.bn.running_var.view(1, -1, 1, 1).to(self.device, torch.float32)
        return mean, torch.sqrt(variance + vae.config.batch_norm_eps)

    def _shift(self, steps: int, tokens: int) -> float:
        return compute_empirical_mu(tokens, steps)


class QwenImageFlow(_Latents):
    """Qwen-Image: a VAE of films, of which a picture is one frame; guidance keeps the length of what it guides."""

    def encode(self, picture: Tensor) -> Tensor:
        vae = self.pipe.vae
        mean, deviation = self._usual()
        frames = self._posterior(picture.to(self.device, vae.dtype)[:, :, None]).float()
        return (frames[:, :, 0] - mean) / deviation

    def velocity(self, latents: Tensor, level: Tensor, words: dict, guidance: float) -> Tensor:
        said = self._said(latents, level, words, "prompt_embeds")
        if "negative_prompt_embeds" in words and guidance > 1:
            guided = _guided(said, self._said(latents, level, words, "negative_prompt_embeds"), guidance)
            said = guided * (said.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True).clamp_min(1e-8))
        height, width = latents.shape[-2:]
        scale = self.pipe.vae_scale_factor
        return self.pipe._unpack_latents(said, height * scale, width * scale, scale)[:, :, 0]

    def decode(self, latents: Tensor) -> Tensor:
        vae = self.pipe.vae
        mean, deviation = self._usual()
        frames = (latents * deviation + mean)[:, :, None]
        return vae.decode(frames.to(vae.dtype), return_dict=False)[0][:, :, 0].float()

    def _said(self, latents: Tensor, level: Tensor, words: dict, name: str) -> Tensor:
        channels, height, width = latents.shape[1:]
        return self.pipe.transformer(
            hidden_states=self._given(self.pipe._pack_latents(latents, 1, channels, height, width)),
            timestep=self._given(level[None]),
            encoder_hidden_states=words[name],
            encoder_hidden_states_mask=words[f"{name}_mask"],
            img_shapes=[[(1, height // 2, width // 2)]],
            return_dict=False,
        )[0].float()

    def _usual(self) -> tuple[Tensor, Tensor]:
        config = self.pipe.vae.config
        told = (config.latents_mean, config.latents_std)
        return tuple(torch.tensor(each, device=self.device).view(1, -1, 1, 1) for each in told)


class StableDiffusion3Flow(_Latents):
    """Stable Diffusion 3 and 3.5: the network takes the grid itself, and noise levels in thousandths."""

    def velocity(self, latents: Tensor, level: Tensor, words: dict, guidance: float) -> Tensor:
        said = self._said(latents, level, words, "")
        if words.get("negative_prompt_embeds") is None or guidance <= 1:
            return said
        return _guided(said, self._said(latents, level, words, "negative_"), guidance)

    def _said(self, latents: Tensor, level: Tensor, words: dict, which: str) -> Tensor:
        return self.pipe.transformer(
            hidden_states=self._given(latents),
            timestep=1000 * level[None],
            encoder_hidden_states=words[f"{which}prompt_embeds"],
            pooled_projections=words[f"{which}pooled_prompt_embeds"],
            return_dict=False,
        )[0].float()


class ZImageFlow(_Latents):
    """Z-Image: time runs the other way, and so does the velocity; guidance counts from 0."""

    def velocity(self, latents: Tensor, level: Tensor, words: dict, guidance: float) -> Tensor:
        said = self._said(latents, level, words["prompt_embeds"])
        if not words["negative_prompt_embeds"] or guidance <= 0:
            return said
        return _guided(said, self._said(latents, level, words["negative_prompt_embeds"]), 1 + guidance)

    def _said(self, latents: Tensor, level: Tensor, embeds: list[Tensor]) -> Tensor:
        said = self.pipe.transformer([self._given(latents[0, :, None])], (1 - level)[None], embeds, return_dict=False)
        return -said[0][0].float()[None, :, 0]


FLOWS: dict[str, type[Flow]] = {
    "FluxPipeline": FluxFlow,
    "Flux2KleinPipeline": Flux2Flow,
    "QwenImagePipeline": QwenImageFlow,
    "StableDiffusion3Pipeline": StableDiffusion3Flow,
    "ZImagePipeline": ZImageFlow,
}
