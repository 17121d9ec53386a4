"""Pipelines with the sizes of the published checkpoints and random weights: the pictures are noise, the cost is real.

The sizes are those of the models' config.json files. Weights are made one by one on the device in the type asked for;
tokenizers know bytes only, which costs the encoders the same.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
import transformers
from accelerate import init_empty_weights

from skyworld.models.checkpoints.reader import PictureReader

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/backend/models"))
from tiny import CHAT, clip_tokenizer, word_tokenizer
from tiny import chat_tokenizer as byte_tokenizer

STD = 0.02


def chat_tokenizer():
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHAT
    return tokenizer


def clip(kind=transformers.CLIPTextModel, **sizes):
    sizes = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12) | sizes
    config = transformers.CLIPTextConfig(
        bos_token_id=512, eos_token_id=513, pad_token_id=513, projection_dim=sizes["hidden_size"], **sizes
    )
    return kind(config)


def t5_xxl():
    config = transformers.T5Config(
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu"
    )
    return transformers.T5EncoderModel(config)


def qwen3_4b(kind=transformers.Qwen3ForCausalLM):
    config = transformers.Qwen3Config(
        hidden_size=2560,
        intermediate_size=9728,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        vocab_size=151936,
        tie_word_embeddings=True,
    )
    return kind(config)


def qwen2_5_vl_7b():
    tokenizer = chat_tokenizer()
    tokens = dict(image="<|image_pad|>", video="<|video_pad|>", vision_start="<|vision_start|>")
    config = transformers.Qwen2_5_VLConfig(
        text_config=dict(
            hidden_size=3584,
            intermediate_size=18944,
            num_hidden_layers=28,
            num_attention_heads=28,
            num_key_value_heads=4,
            vocab_size=152064,
            rope_parameters=dict(mrope_section=[16, 24, 24], rope_type="default", rope_theta=1e6),
        ),
        vision_config=dict(
            depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, out_hidden_size=3584, window_size=112
        ),
        **{f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()},
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def vae(channels: int, **more):
    return diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=channels,
        sample_size=1024,
        force_upcast=False,
        **more,
    )


def flow_vae():
    return vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1159, scaling_factor=0.3611)


def flow(**more):
    return diffusers.FlowMatchEulerDiscreteScheduler(**dict(dict(shift=3.0, use_dynamic_shifting=True), **more))


def sd2() -> dict:
    return dict(
        unet=diffusers.UNet2DConditionModel(
            in_channels=9,
            sample_size=64,
            attention_head_dim=[5, 10, 20, 20],
            cross_attention_dim=1024,
            use_linear_projection=True,
        ),
        vae=vae(4),
        text_encoder=clip(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=23),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False, prediction_type="v_prediction"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl() -> dict:
    return dict(
        unet=diffusers.UNet2DConditionModel(
            in_channels=9,
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2, 10],
            attention_head_dim=[5, 10, 20],
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            use_linear_projection=True,
        ),
        vae=vae(4, scaling_factor=0.13025),
        text_encoder=clip(),
        text_encoder_2=clip(
            transformers.CLIPTextModelWithProjection,
            hidden_size=1280,
            intermediate_size=5120,
            num_attention_heads=20,
            num_hidden_layers=32,
        ),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        scheduler=diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
    )


def flux1_fill() -> dict:
    return dict(
        transformer=diffusers.FluxTransformer2DModel(in_channels=384, out_channels=64, guidance_embeds=True),
        vae=flow_vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5_xxl(),
        tokenizer_2=word_tokenizer("a", "forest", length=512),
        scheduler=flow(),
    )


def flux1_dev() -> dict:
    return flux1_fill() | dict(
        transformer=diffusers.FluxTransformer2DModel(in_channels=64, out_channels=64, guidance_embeds=True)
    )


def flux2_klein() -> dict:
    return dict(
        transformer=diffusers.Flux2Transformer2DModel(
            num_layers=5,
            num_single_layers=20,
            num_attention_heads=24,
            joint_attention_dim=7680,
            guidance_embeds=False,
        ),
        vae=diffusers.AutoencoderKLFlux2(),
        text_encoder=qwen3_4b(),
        tokenizer=chat_tokenizer(),
        scheduler=flow(),
        is_distilled=True,
    )


def z_image() -> dict:
    return dict(
        transformer=diffusers.ZImageTransformer2DModel(),
        vae=flow_vae(),
        text_encoder=qwen3_4b(transformers.Qwen3Model),
        tokenizer=chat_tokenizer(),
        scheduler=flow(use_dynamic_shifting=False),
    )


def qwen_image_edit() -> dict:
    return dict(
        transformer=diffusers.QwenImageTransformer2DModel(),
        vae=diffusers.AutoencoderKLQwenImage(),
        text_encoder=qwen2_5_vl_7b(),
        tokenizer=chat_tokenizer(),
        processor=None,
        scheduler=flow(shift=1.0),
    )


PARTS: dict[str, Callable[[], dict]] = {
    "sd2-inpainting": sd2,
    "sdxl-inpainting": sdxl,
    "flux1-fill": flux1_fill,
    "flux1-dev": flux1_dev,
    "flux2-klein-4b": flux2_klein,
    "z-image-turbo": z_image,
    "qwen-image-edit-2511": qwen_image_edit,
}


def pipeline(checkpoint: str, name: str, device: torch.device, dtype: torch.dtype):
    """diffusers' pipeline class `name` with the sizes of the checkpoint, all of it on the device."""
    torch.manual_seed(0)
    with init_empty_weights(include_buffers=False):
        parts = PARTS[checkpoint]()
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            fill(part, device, dtype)
    return with_reader(getattr(diffusers, name)(**parts))


def with_reader(pipe):
    """The same, with what reads pictures to its text encoder, if it takes one."""
    if "processor" in pipe.components:
        pictures = getattr(transformers, "Qwen2VLImageProcessorPil", transformers.Qwen2VLImageProcessor)
        pipe.processor = PictureReader(pictures(), pipe.tokenizer)
    return pipe


def fill(module: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Weights for what was made without: norms 1, biases 0, the rest normal; tied weights stay tied."""
    if hasattr(module, "tie_weights"):
        module.tie_weights()
    made = {}
    for part in module.modules():
        for name, empty in part._parameters.items():
            if empty is None:
                continue
            if id(empty) not in made:
                weight = torch.empty(empty.shape, dtype=dtype, device=device)
                if empty.ndim < 2:
                    weight.fill_(0.0 if name == "bias" else 1.0)
                else:
                    weight.normal_(std=STD)
                made[id(empty)] = torch.nn.Parameter(weight, requires_grad=False)
            part._parameters[name] = made[id(empty)]
    module.to(device).eval()
