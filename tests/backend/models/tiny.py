"""Checkpoints of a few thousand random weights, of each architecture, saved as diffusers and transformers save them."""

import json
from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
import transformers

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def clip_tokenizer():
    """Of bytes, without merges."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def word_tokenizer(*words: str, length: int = 64):
    """Of whole words; all others are unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
    )


def chat_tokenizer():
    """Of bytes, with the special tokens and the template of a chat as Qwen has them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*SPECIAL, "<|video_pad|>"])
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", model_max_length=512
    )
    made.chat_template = CHAT
    return made


def clip_config(**more):
    return transformers.CLIPTextConfig(
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        vocab_size=514,
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=32,
        **more,
    )


def t5_encoder(width: int = 32):
    config = transformers.T5Config(vocab_size=64, d_model=width, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return transformers.T5EncoderModel(config)


def qwen3(layers: int, kind=transformers.Qwen3ForCausalLM):
    config = transformers.Qwen3Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=300,
        max_position_embeddings=512,
    )
    return kind(config)


def qwen2_vl():
    tokenizer = chat_tokenizer()
    rope = dict(mrope_section=[1, 1, 2], rope_type="default", rope_theta=1e6)
    config = transformers.Qwen2_5_VLConfig(
        text_config=dict(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            vocab_size=300,
            rope_parameters=rope,
        ),
        vision_config=dict(
            depth=2, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=16, fullatt_block_indexes=[1]
        ),
        **{
            f"{name}_token_id": tokenizer.convert_tokens_to_ids(token)
            for name, token in dict(
                image="<|image_pad|>",
                video="<|video_pad|>",
                vision_start="<|vision_start|>",
                vision_end="<|vision_end|>",
            ).items()
        },
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def vae(channels: int = 4, blocks: tuple[int, ...] = (8, 8, 8, 8), **more):
    return diffusers.AutoencoderKL(
        block_out_channels=blocks,
        down_block_types=["DownEncoderBlock2D"] * len(blocks),
        up_block_types=["UpDecoderBlock2D"] * len(blocks),
        latent_channels=channels,
        norm_num_groups=4,
        **more,
    )


FLOW_VAE = dict(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5)


def unet(channels: int, **more):
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=8,
        in_channels=channels,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **more,
    )


def stable_diffusion(channels: int) -> dict:
    return dict(
        vae=vae(),
        text_encoder=transformers.CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet(channels, cross_attention_dim=32, attention_head_dim=2),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl(channels: int) -> dict:
    return dict(
        vae=vae(),
        text_encoder=transformers.CLIPTextModel(clip_config()),
        text_encoder_2=transformers.CLIPTextModelWithProjection(clip_config()),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            channels,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=32 + 6 * 8,
            cross_attention_dim=64,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(),
    )


def flux(channels: int, guided: bool = True) -> dict:
    """channels: that the transformer takes; Fill's are the latents, the masked picture's and a mask of 8 x 8 pixels."""
    return dict(
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=channels,
            out_channels=8,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=guided,
        ),
        vae=vae(2, **FLOW_VAE),
        text_encoder=transformers.CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5_encoder(),
        tokenizer_2=word_tokenizer("a", "forest", "lake"),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def stable_diffusion_3() -> dict:
    clip = transformers.CLIPTextModelWithProjection
    return dict(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=64,
            caption_projection_dim=32,
            pooled_projection_dim=64,
            out_channels=4,
        ),
        vae=vae(4, **FLOW_VAE),
        text_encoder=clip(clip_config()),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(clip_config()),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_encoder(64),
        tokenizer_3=word_tokenizer("a", "forest", "lake"),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def flux2_klein(distilled: bool = True) -> dict:
    return dict(
        transformer=diffusers.Flux2Transformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            latent_channels=1,
            norm_num_groups=4,
        ),
        text_encoder=qwen3(27),
        tokenizer=chat_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        is_distilled=distilled,
    )


def z_image() -> dict:
    return dict(
        transformer=diffusers.ZImageTransformer2DModel(
            all_patch_size=(2,),
            all_f_patch_size=(1,),
            in_channels=4,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 64, 64],
        ),
        vae=vae(4, **FLOW_VAE),
        text_encoder=qwen3(2, transformers.Qwen3Model),
        tokenizer=chat_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def qwen_image() -> dict:
    return dict(
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        ),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        text_encoder=qwen2_vl(),
        tokenizer=chat_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    )


PIPELINES: dict[str, Callable[[], dict]] = {
    "StableDiffusionInpaintPipeline": lambda: stable_diffusion(9),
    "StableDiffusionXLInpaintPipeline": lambda: stable_diffusion_xl(9),
    "FluxFillPipeline": lambda: flux(2 * 8 + 4 * 64),
    "Flux2KleinPipeline": flux2_klein,
    "QwenImagePipeline": qwen_image,
    "QwenImageEditPipeline": lambda: dict(qwen_image(), processor=None),
    "ZImagePipeline": z_image,
    "StableDiffusionPipeline": lambda: stable_diffusion(4),
    "StableDiffusionXLPipeline": lambda: stable_diffusion_xl(4),
    "FluxPipeline": lambda: flux(8),
    "StableDiffusion3Pipeline": stable_diffusion_3,
}


def pipeline(name: str):
    """A pipeline of that class with random weights, the same each time."""
    torch.manual_seed(0)
    return getattr(diffusers, name)(**PIPELINES[name]())


def swin2sr():
    torch.manual_seed(0)
    config = transformers.Swin2SRConfig(
        image_size=16, embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=4, upscale=2
    )
    return transformers.Swin2SRForImageSuperResolution(config)


def save(name: str, folder: Path) -> Path:
    """The folder of a tiny checkpoint of that class, made where it is not there."""
    place = folder / name
    if not place.exists():
        (swin2sr() if name == "swin2sr" else pipeline(name)).save_pretrained(place)
        if name == "QwenImageEditPipeline":
            add_processor(place)
    return place


def add_processor(place: Path) -> None:
    """What `Qwen2VLProcessor` saves; itself it cannot be made without torchvision."""
    transformers.Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=56 * 56).save_pretrained(place / "processor")
    index = json.loads((place / "model_index.json").read_text())
    (place / "model_index.json").write_text(json.dumps(index | {"processor": ["transformers", "Qwen2VLProcessor"]}))
