"""Denoising with the points of a view as the condition."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from skyworld.models.pointcloud.components import Components


@torch.no_grad()
def sampled(
    components: Components,
    condition: Tensor,
    prompts: Sequence[str],
    *,
    steps: int = 30,
    guidance: float = 1.0,
    seed: int = 0,
    negative: str = "",
    strength: float = 1.0,
    guess: Tensor | None = None,
    watch: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Pictures [B, 3, H, W], 0 to 1, for the conditions [B, 4, H, W], 0 to 1; sides are multiples of the VAE's.

    DDIM (Song et al. 2021).  strength: below 1, `guess` [B, 3, H, W] is noised so far and denoised from there.
    guidance: classifier-free, where there are words.
    """
    from diffusers import DDIMScheduler

    device = condition.device
    scheduler = DDIMScheduler.from_config(
        components.scheduler.config, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True
    )
    scheduler.set_timesteps(steps, device=device)
    timesteps = scheduler.timesteps[round((1 - strength) * steps) :]
    generator = torch.Generator(device).manual_seed(seed)
    size = [side // components.shrink for side in condition.shape[-2:]]
    channels = components.unet.config.out_channels
    latents = torch.randn(len(condition), channels, *size, generator=generator, device=device)
    if strength < 1 and guess is not None and len(timesteps):
        latents = scheduler.add_noise(components.encoded(guess), latents, timesteps[:1])
    guided = guidance > 1 and components.text_encoder is not None
    words = components.words(list(prompts), device)
    if guided:
        words = torch.cat([words, components.words([negative] * len(condition), device)])
    for number, time in enumerate(timesteps):
        times = 2 if guided else 1
        both, shown = (x.repeat(times, 1, 1, 1) for x in (latents, condition))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            said = components.predicted(both, time.expand(len(both)), words, shown).float()
        if guided:
            said, against = said.chunk(2)
            said = against + guidance * (said - against)
        latents = scheduler.step(said, time, latents).prev_sample
        watch((number + 1) / len(timesteps))
    return components.decoded(latents)
