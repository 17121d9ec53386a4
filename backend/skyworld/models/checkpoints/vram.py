"""How a pipeline's parts are held on the GPU: narrow weights, parts that wait in the computer's memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain

import torch

from skyworld.models.checkpoints import eight_bits
from skyworld.models.settings import Settings

ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
DENOISERS = ("unet", "transformer")
TILE, SHARED = 640, 0.2  # px; both strides, in latents too, are whole: 512 px, 64 latents
# Not to be narrowed in a denoiser, beside what its class names: what few weights give and many depend on.
DENOISER_WIDE = ("pos_embed", "patch_embed", "norm", "^proj_in$", "^proj_out$")
# In a text encoder: norms; what looks at its own weight's type (T5's wo); the output over the vocabulary, which may be
# the embedding's own weight.
ENCODER_WIDE = ("norm", "embed", r"\.wo$", "lm_head")


class Parked:
    """Parts whose weights wait in the computer's memory and are on the device only while they work.

    The weights never change, so the copy on the device is dropped, not brought back. (accelerate's hooks carry it
    back and forth for every picture, and the VAE's two uses drive the denoiser out each time.)
    """

    def __init__(self, modules: list[torch.nn.Module], device: torch.device):
        self._device = device
        tensors = chain.from_iterable(chain(module.parameters(), module.buffers()) for module in modules)
        self._home = [(tensor, tensor.data) for tensor in tensors]
        self._here = False

    def bring(self) -> None:
        if not self._here:
            for tensor, waiting in self._home:
                tensor.data = waiting.to(self._device, non_blocking=True)
            self._here = True

    def park(self) -> None:
        for tensor, waiting in self._home:
            tensor.data = waiting
        self._here = False


class Holding:
    """Places a pipeline on the device as the settings ask, and says when its encoders and its denoiser are at work."""

    def __init__(self, pipe, settings: Settings, device: torch.device):
        encoders = [part for name in ENCODERS if (part := getattr(pipe, name, None)) is not None]
        denoisers = [part for name in DENOISERS if (part := getattr(pipe, name, None)) is not None]
        if device.type == "cuda":  # whose convolutions are faster so
            for part in (pipe.vae, getattr(pipe, "unet", None)):
                if part is not None and all(weight.ndim < 5 for weight in part.parameters()):
                    part.to(memory_format=torch.channels_last)
            if find_spec("triton"):
                _norms_in_place(pipe.vae)
        if settings.quantisation == "fp8":
            narrow(encoders, denoisers, settings.dtype)
        if settings.tiled:
            tile(pipe.vae)
        self._encoders = self._denoisers = None
        if settings.offload == "none":
            pipe.to(device)
        else:
            for part in pipe.components.values():
                if isinstance(part, torch.nn.Module) and part not in encoders + denoisers:
                    part.to(device)
        if settings.offload == "model":
            self._encoders, self._denoisers = Parked(encoders, device), Parked(denoisers, device)
        elif settings.offload == "group":
            for part in encoders + denoisers:
                stream_layers(part, device)

    @contextmanager
    def encoding(self) -> Iterator[None]:
        if self._encoders is None:
            yield
            return
        self._denoisers.park()
        self._encoders.bring()
        try:
            yield
        finally:
            self._encoders.park()

    def denoising(self) -> None:
        if self._denoisers is not None:
            self._denoisers.bring()


def _norms_in_place(part: torch.nn.Module) -> None:
    from skyworld.models.checkpoints.group_norm import GroupNorm

    for layer in part.modules():
        if type(layer) is torch.nn.GroupNorm:
            layer.__class__ = GroupNorm


def tile(vae) -> None:
    """Tiles of TILE px, a fifth of it shared: four for a view of 1024 px, which by themselves most VAEs take whole."""
    vae.enable_slicing()
    if hasattr(vae, "tile_latent_min_size"):
        vae.enable_tiling()
        vae.tile_sample_min_size, vae.tile_overlap_factor = TILE, SHARED
        vae.tile_latent_min_size = TILE // 2 ** (len(vae.config.block_out_channels) - 1)
    else:
        stride = round(TILE * (1 - SHARED))
        vae.enable_tiling(TILE, TILE, stride, stride)


def narrow(encoders: list, denoisers: list, dtype: torch.dtype) -> None:
    """Keeps weights in 8 bits that work in `dtype`. CLIP is too small to gain."""
    for part in denoisers:
        own = (getattr(part, name, None) for name in ("_skip_layerwise_casting_patterns", "_keep_in_fp32_modules"))
        narrow_layers(part, dtype, (*DENOISER_WIDE, *chain.from_iterable(patterns or () for patterns in own)))
    for part in encoders:
        if not type(part).__name__.startswith("CLIP"):
            narrow_layers(part, dtype, ENCODER_WIDE)


def narrow_layers(part: torch.nn.Module, dtype: torch.dtype, wide: tuple[str, ...]) -> None:
    """Narrows the layers of a model whose names match none of the patterns `wide`.

    The first weight's layer stays as it is, too: pipelines ask it for the type of the whole.
    """
    first = next(part.named_parameters())[0].rpartition(".")[0]
    for name, layer in part.named_modules():
        if type(layer) in eight_bits.NARROW and name != first and not any(re.search(pattern, name) for pattern in wide):
            eight_bits.narrow(layer, dtype)


def stream_layers(part: torch.nn.Module, device: torch.device) -> None:
    """Holds each layer's weights on the device only while it works; on CUDA the next come while it does."""
    from diffusers.hooks import apply_group_offloading

    streamed = device.type == "cuda"
    apply_group_offloading(part, device, torch.device("cpu"), "leaf_level", use_stream=streamed, record_stream=streamed)


def footprint(pipe) -> int:
    """Bytes of the weights of a pipeline or a module, each counted once."""
    parts = pipe.components.values() if hasattr(pipe, "components") else [pipe]
    weights = {id(w): w for part in parts if isinstance(part, torch.nn.Module) for w in part.parameters()}
    return sum(w.numel() * w.element_size() for w in weights.values())
