"""Tiny random models of transformers, saved as their authors save the real ones."""

from pathlib import Path

import torch


def depth_anything(folder: Path, kind="metric", max_depth=20):
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        patch_size=14,
        neck_hidden_sizes=[16, 16, 32, 32],
        fusion_hidden_size=16,
        head_hidden_size=16,
        depth_estimation_type=kind,
        max_depth=max_depth,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    preprocessing = '{"size": {"height": 56, "width": 56}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    (folder / "preprocessor_config.json").write_text(preprocessing)
    return folder


def zoedepth(folder: Path):
    from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation

    torch.manual_seed(0)
    backbone = BeitConfig(
        image_size=64,
        patch_size=16,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=37,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        backbone_hidden_size=32,
        neck_hidden_sizes=[16, 16, 32, 32],
        fusion_hidden_size=16,
        bottleneck_features=16,
        num_out_features=[16] * 3,
        bin_embedding_dim=16,
        num_attractors=[4, 2, 2, 1],
    )
    ZoeDepthForDepthEstimation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 64}}')
    return folder


def depth_pro(folder: Path):
    from transformers import DepthProConfig, DepthProForDepthEstimation

    torch.manual_seed(0)
    encoder = dict(
        model_type="dinov2",
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        intermediate_size=32,
        use_swiglu_ffn=False,
        out_features=["stage4"],
    )
    config = DepthProConfig(
        patch_size=32,
        patch_model_config=encoder,
        image_model_config=encoder,
        fov_model_config=encoder,
        fusion_hidden_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[10, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[12, 12],
        use_fov_model=True,
        num_fov_head_layers=0,
    )
    DepthProForDepthEstimation(config).save_pretrained(folder)
    return folder


CHAT = (
    "{% for turn in messages %}{{ turn.role }}: {% for part in turn.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def byte_tokenizer(folder: Path, specials: list[str], image: str, end: str):
    """A token for each byte, and the special ones; its chat template shows pictures as `image`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet()), *specials]
    words = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token=end, additional_special_tokens=specials
    )
    tokenizer.chat_template = CHAT.replace("IMAGE", image)
    tokenizer.save_pretrained(folder)
    return tokenizer


def qwen3_vl(folder: Path):
    import transformers
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    torch.manual_seed(0)
    specials = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_end|>"]
    tokenizer = byte_tokenizer(folder, specials, "<|vision_start|><|image_pad|><|vision_end|>", "<|im_end|>")
    image, video, start, end, _ = tokenizer.convert_tokens_to_ids(specials)
    config = Qwen3VLConfig(
        text_config=dict(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            vocab_size=len(tokenizer),
            max_position_embeddings=8192,
            rope_parameters=dict(
                rope_type="default", rope_theta=10000.0, mrope_section=[2, 1, 1], mrope_interleaved=True
            ),
        ),
        vision_config=dict(
            depth=2,
            hidden_size=32,
            intermediate_size=32,
            num_heads=4,
            in_channels=3,
            patch_size=16,
            spatial_merge_size=2,
            temporal_patch_size=2,
            out_hidden_size=32,
            num_position_embeddings=16,
            deepstack_visual_indexes=[0],
        ),
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    pixels = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    transformers.Qwen2VLImageProcessorPil(patch_size=16, size=pixels).save_pretrained(folder)
    return folder


def smolvlm(folder: Path):
    import transformers
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    torch.manual_seed(0)
    specials = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    tokenizer = byte_tokenizer(folder, specials, "<image>", "<end_of_utterance>")
    config = SmolVLMConfig(
        vision_config=dict(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
        ),
        text_config=dict(
            model_type="llama",
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=len(tokenizer),
            max_position_embeddings=8192,
            pad_token_id=0,
        ),
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    size = {"longest_edge": 32}
    transformers.SmolVLMImageProcessorPil(size=size, max_image_size=size).save_pretrained(folder)
    return folder


def word_tokenizer(folder: Path, length: int):
    """Knows a few words, and frames them as BERT's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sky", "person", "a", "photo", "of", "."]
    words = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", model_max_length=length
    )
    tokenizer.save_pretrained(folder)


def grounding_dino(folder: Path):
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    torch.manual_seed(0)
    word_tokenizer(folder, 32)
    backbone = SwinConfig(
        embed_dim=16,
        depths=[1, 1, 1],
        num_heads=[1, 2, 2],
        window_size=7,
        image_size=64,
        out_features=["stage2", "stage3"],
        out_indices=None,
    )
    text = dict(
        model_type="bert",
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=64,
        max_position_embeddings=256,
    )
    config = GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=8,
        num_feature_levels=3,
        encoder_n_points=2,
        decoder_n_points=2,
        max_text_len=32,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    return folder


def owlv2(folder: Path):
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    torch.manual_seed(0)
    word_tokenizer(folder, 12)
    sizes = dict(hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=2)
    config = Owlv2Config(
        text_config=dict(sizes, vocab_size=64, max_position_embeddings=12, eos_token_id=3),
        vision_config=dict(sizes, image_size=32, patch_size=8),
        projection_dim=32,
    )
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    return folder


def sam2(folder: Path):
    """As on the hub: the model for films, of which the one for pictures is a part."""
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig

    torch.manual_seed(0)
    backbone = Sam2HieraDetConfig(
        hidden_size=12,
        num_channels=3,
        image_size=[128, 128],
        patch_kernel_size=[7, 7],
        patch_stride=[4, 4],
        patch_padding=[3, 3],
        blocks_per_stage=[1, 2, 1, 1],
        embed_dim_per_stage=[12, 24, 48, 96],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 8, 4],
        global_attention_blocks=[2],
        window_positional_embedding_background_size=[7, 7],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[96, 48, 24, 12],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=32,
    )
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config=dict(
            hidden_size=32, image_size=128, patch_size=16, mask_input_channels=16, num_point_embeddings=4
        ),
        mask_decoder_config=dict(
            hidden_size=32,
            mlp_dim=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            attention_downsample_rate=2,
            iou_head_hidden_dim=32,
            iou_head_depth=3,
            num_multimask_outputs=3,
        ),
        image_size=128,
        memory_attention_hidden_size=32,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16,
        mask_downsampler_embed_dim=32,
        memory_fuser_num_layers=1,
        memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=32,
    )
    Sam2VideoModel(config).save_pretrained(folder)
    return folder
