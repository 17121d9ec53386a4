"""Seconds and GPU memory of the profiles' depth models, captioners and segmenters: full-size, random weights.

    python benchmarks/roles.py --json benchmarks/results/roles_h200.json
    python benchmarks/roles.py --tiny --device cpu          (whether it runs)

Nothing is downloaded; where the backend is not installed, PYTHONPATH=backend finds it. A row is one picture of 1024 px
through one adapter, the median of three after a first one. A captioner speaks its longest answer (400 words, for random
weights never come to an end), twice, as it is asked again. Sizes are those of the models' config.json files.
"""

import argparse
import contextlib
import gc
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.models import checkpoints
from skyworld.models.checkpoints.caption import VisionLanguageCaptioner
from skyworld.models.checkpoints.depth import DepthAnything, DepthPro, ZoeDepth
from skyworld.models.checkpoints.segment import GroundingDino
from skyworld.models.settings import Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/backend/models"))
import tiny_transformers as tiny

BINS = [
    {"name": name, "n_bins": 64, "min_depth": 1e-3, "max_depth": far} for name, far in (("nyu", 10.0), ("kitti", 80.0))
]
QWEN = {  # hidden, layers, heads, intermediate of the text model
    "qwen3-vl-2b": (2048, 28, 16, 6144),
    "qwen3-vl-4b": (2560, 36, 32, 9728),
}
SAM = {"sam2-small": (96, [1, 2, 11, 2], [7, 10, 13]), "sam2-large": (144, [2, 6, 36, 4], [23, 33, 43])}


def made(kind, config, settings, device):
    """A model with random weights, made on the device."""
    torch.set_default_dtype(settings.dtype)
    try:
        with torch.device(device):
            return kind(config).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)


def described(role, name, architecture, folder):
    return checkpoints.Checkpoint(role, Path(folder), name, architecture)


def zoedepth(settings, device, folder):
    config = transformers.ZoeDepthConfig(
        bin_configurations=BINS,
        num_patch_transformer_layers=4,
        patch_transformer_hidden_size=128,
        patch_transformer_intermediate_size=1024,
        patch_transformer_num_attention_heads=4,
    )
    model = made(transformers.ZoeDepthForDepthEstimation, config, settings, device)
    return ZoeDepth(described("depth", "zoedepth", "zoedepth", folder), settings, device, model)


def depth_anything(settings, device, folder):
    config = transformers.DepthAnythingConfig(depth_estimation_type="metric", max_depth=80)
    model = made(transformers.DepthAnythingForDepthEstimation, config, settings, device)
    return DepthAnything(described("depth", "depth-anything", "depth_anything", folder), settings, device, model)


def depth_pro(settings, device, folder):
    encoder = dict(model_type="dinov2", image_size=384, patch_size=16, hidden_size=1024, num_hidden_layers=24)
    encoder |= dict(num_attention_heads=16, use_mask_token=False)
    parts = {f"{part}_model_config": encoder for part in ("patch", "image", "fov")}
    model = made(
        transformers.DepthProForDepthEstimation,
        transformers.DepthProConfig(**parts, use_fov_model=True),
        settings,
        device,
    )
    return DepthPro(described("depth", "depth-pro", "depth_pro", folder), settings, device, model)


def qwen(name):
    def build(settings, device, folder):
        hidden, layers, heads, intermediate = QWEN[name]
        tiny.qwen3_vl(folder)  # for its tokenizer and chat template
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        config = transformers.Qwen3VLConfig.from_pretrained(folder)
        text = dict(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=8,
            head_dim=128,
            intermediate_size=intermediate,
            vocab_size=151936,
            max_position_embeddings=32768,
            rope_parameters=dict(
                rope_type="default", rope_theta=5e6, mrope_section=[24, 20, 20], mrope_interleaved=True
            ),
        )
        vision = dict(
            depth=24,
            hidden_size=1024,
            intermediate_size=4096,
            num_heads=16,
            patch_size=16,
            spatial_merge_size=2,
            temporal_patch_size=2,
            out_hidden_size=hidden,
            num_position_embeddings=2304,
            deepstack_visual_indexes=[5, 11, 17],
        )
        tokens = {f"{each}_token_id": getattr(config, f"{each}_token_id") for each in ("image", "video")}
        tokens |= {f"vision_{each}_token_id": getattr(config, f"vision_{each}_token_id") for each in ("start", "end")}
        full = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **tokens)
        model = made(transformers.Qwen3VLForConditionalGeneration, full, settings, device)
        pixels = {"shortest_edge": 256 * 256, "longest_edge": 1024 * 1024}
        images = transformers.Qwen2VLImageProcessorPil(patch_size=16, size=pixels)
        checkpoint = described("captioner", name, "qwen3_vl", folder)
        return VisionLanguageCaptioner(checkpoint, settings, device, model, tokenizer, images)

    return build


def dino(masks):
    def build(settings, device, folder):
        tiny.word_tokenizer(Path(folder), 256)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        detector = made(
            transformers.GroundingDinoForObjectDetection, transformers.GroundingDinoConfig(), settings, device
        )
        width, blocks, everywhere = SAM[masks]
        steps = [width, 2 * width, 4 * width, 8 * width]
        backbone = dict(
            hidden_size=width,
            blocks_per_stage=blocks,
            global_attention_blocks=everywhere,
            embed_dim_per_stage=steps,
            num_attention_heads_per_stage=[each // steps[0] * (2 if width > 100 else 1) for each in steps],
        )
        vision = transformers.Sam2VisionConfig(
            backbone_config=transformers.Sam2HieraDetConfig(**backbone), backbone_channel_list=steps[::-1]
        )
        segmenter = made(transformers.Sam2Model, transformers.Sam2Config(vision_config=vision), settings, device)
        checkpoint = described("segmenter", f"grounding-dino-tiny + {masks}", "grounding-dino", folder)
        adapter = GroundingDino(checkpoint, settings, device, detector, segmenter, tokenizer)
        adapter.threshold = 0.0  # random weights are sure of nothing; sixteen boxes are then filled
        return adapter

    return build


FLOAT, NARROW = Settings("float32"), Settings("bfloat16")
ROWS = {
    "zoedepth": (zoedepth, FLOAT),
    "depth-anything-v2-outdoor-small": (depth_anything, FLOAT),
    "depth-pro": (depth_pro, FLOAT),
    "qwen3-vl-2b": (qwen("qwen3-vl-2b"), NARROW),
    "qwen3-vl-4b": (qwen("qwen3-vl-4b"), NARROW),
    "grounding-dino-tiny + sam2-small": (dino("sam2-small"), FLOAT),
    "grounding-dino-tiny + sam2-large": (dino("sam2-large"), FLOAT),
}


def tiny_rows(folder):
    """The tests' models in the same adapters."""
    masks = tiny.sam2(folder / "masks")

    def load(role, make, **more):
        return lambda settings, device, _: checkpoints.load(
            role, make(folder / make.__name__), settings, device, local_only=True, **more
        )

    return {
        "zoedepth": (load("depth", tiny.zoedepth), FLOAT),
        "qwen3-vl": (load("captioner", tiny.qwen3_vl), FLOAT),
        "grounding-dino": (load("segmenter", tiny.grounding_dino, lora=str(masks)), FLOAT),
    }


def ask(adapter, picture, camera):
    """One picture through an adapter of any of the three roles."""
    if hasattr(adapter, "estimate"):
        adapter.estimate(picture, camera)
    elif hasattr(adapter, "segment"):
        adapter.segment(picture, ("sky",))
    else:
        with contextlib.suppress(UserError):  # random weights speak nonsense, and are asked twice
            adapter.describe(picture)


def measure(name, build, settings, device, side):
    gc.collect()
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        adapter = build(settings, device, Path(folder))
    picture = np.random.default_rng(0).random((side, side, 3), np.float32)
    camera = Camera.pinhole(turned(np.zeros(3)), np.radians(90), side, side)
    seconds = []
    for _ in range(4):
        begin = time.perf_counter()
        ask(adapter, picture, camera)
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    peak = torch.cuda.max_memory_allocated() / 1e9 if cuda else 0.0
    row = {"model": name, "role": adapter.provenance.role, "precision": settings.precision}
    return row | {
        "weights_gb": round(adapter.footprint / 1e9, 3),
        "seconds": round(statistics.median(seconds[1:]), 4),
        "peak_gb": round(peak, 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--only", nargs="+", metavar="MODEL")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    device = torch.device(options.device)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        rows = tiny_rows(Path(folder)) if options.tiny else ROWS
        for name, (build, settings) in rows.items():
            if options.only and name not in options.only:
                continue
            found.append(measure(name, build, settings, device, options.side))
            print(
                "{model:34} {precision:9} {weights_gb:7.2f} GB of weights {seconds:8.3f} s "
                "peak {peak_gb:6.2f} GB".format(**found[-1]),
                flush=True,
            )
            if options.json:
                where = torch.cuda.get_device_name(0) if device.type == "cuda" else platform.processor()
                versions = {"torch": torch.__version__, "transformers": transformers.__version__}
                options.json.write_text(json.dumps({"device": where, **versions, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
