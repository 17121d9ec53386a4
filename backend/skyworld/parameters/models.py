"""Checkpoints: downloading and training them."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from skyworld.parameters.model import FOLDER, Parameters, checkpoint_field


class DownloadParameters(Parameters):
    """Downloads a checkpoint, or all of a profile, into the hub's cache."""

    kind: ClassVar[str] = "download"

    model: str = Field(title="Model", description="A profile (8gb, 16gb, 24gb), a checkpoint's name, or a hub id")
    accept: bool = Field(False, title="Accept Licence", description="You have read the licence and accept it")


class TrainParameters(Parameters):
    """Trains a model of the Recipe on your own pictures."""

    kind: ClassVar[str] = "train"

    model: Literal["pointcloud-controlnet"] = Field(
        "pointcloud-controlnet",
        title="Model",
        description="What to train: a ControlNet that completes renders of point clouds",
        json_schema_extra={"words": "MODEL", "enum": ["pointcloud-controlnet"]},  # of one value, pydantic makes no enum
    )
    data: Path = Field(
        title="Pictures",
        description="Folder of posed pictures with depth (transforms.json) or of single pictures, or pairs (NPZ)",
        json_schema_extra={"subtype": "FILE_PATH", "words": "DATA", "positional": True},
    )
    output: Path = Field(
        title="Model Folder",
        description="Where the trained model is kept; a run that was stopped goes on from there",
        json_schema_extra=FOLDER,
    )
    base: str = Field(
        "",
        title="Base",
        description="Hub id or folder of the checkpoint that learns to follow points, or scratch for a small one that "
        "begins with nothing; stable-diffusion-v1-5/stable-diffusion-inpainting if left out",
    )
    steps: int = Field(5000, ge=1, le=1_000_000, title="Steps", description="How long to train")
    batch: int = Field(4, ge=1, le=1024, title="Batch", description="Pairs in each step")
    size: int = Field(512, ge=16, le=2048, title="Size", description="Pixels of the square pictures to train on")
    rate: float = Field(1e-5, ge=1e-8, le=1, title="Rate", description="Learning rate of AdamW")
    warp: Literal["forward-backward", "forward"] = Field(
        "forward-backward",
        title="Warp",
        description="Warp pictures to another pose and back, so that what is known lies exactly, or only forward",
    )
    pairs: int = Field(8, ge=1, le=1000, title="Pairs", description="Warps of each picture to train on")
    noise: float = Field(
        0.0,
        ge=0,
        le=10,
        title="Noise",
        description="Error put on depth and poses, to see what it does; 1 is that of a network",
        json_schema_extra={"advanced": True},
    )
    prompt: str = Field(
        "", title="Prompt", description="What the pictures show; a text file beside a picture comes before it"
    )
    depth: str = checkpoint_field("Depth", "What measures pictures that come without depth")
    precision: Literal["bf16", "fp32"] = Field("bf16", title="Precision", description="Of the arithmetic")
    checkpointing: bool = Field(
        False, title="Gradient Checkpointing", description="Less memory, a third more time: for cards below 24 GB"
    )
    ema: bool = Field(False, title="Mean of Weights", description="Keep the exponential mean of the trained weights")
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="Of everything that is drawn at random")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")
