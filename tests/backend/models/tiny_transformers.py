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
