"""Making worlds of pictures and words."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from skyworld.parameters.model import FILE, FOLDER, Parameters, checkpoint_field

# Of the photograph's camera; more than one kind of job asks for it.
FOV = dict(
    default=0.0,
    ge=0,
    le=170,
    title="Field of View",
    description="Horizontal field of view of the photograph in degrees; 0 finds it (EXIF, vanishing lines, or 60)",
    json_schema_extra={"automatic": 60},
)
PITCH = dict(
    default=None,
    ge=-60,
    le=60,
    title="Pitch",
    description="How far the photograph looks up, in degrees; found from the horizon if left out",
)


class WorldParameters(Parameters):
    """Makes a world from a photograph, a sentence or a 360 panorama: panorama, distance, Gaussians."""

    kind: ClassVar[str] = "world"

    photo: Path | None = Field(
        None,
        title="Photograph",
        description="The picture to start from; without one the prompt or your own panorama is",
        json_schema_extra=FILE,
    )
    prompt: str = Field(
        "",
        max_length=2000,
        title="Prompt",
        description="What the world around the photograph is like, or all of it where there is no photograph",
    )
    output: Path = Field(
        title="World Folder",
        description="Folder of the world; made if it is not there",
        json_schema_extra=FOLDER,
    )
    fov: float = Field(**FOV)
    pitch: float | None = Field(**PITCH)
    eye_height: float = Field(
        1.6,
        ge=0.05,
        le=500,
        title="Eye Height",
        description="Height of the photographer's eye above the ground in metres; the whole world scales with it",
        json_schema_extra={"unit": "LENGTH"},
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, title="Seed", description="Another number, another world around the photograph"
    )
    quality: Literal["draft", "standard", "high", "full"] = Field(
        "standard",
        title="Quality",
        description="How fine the Gaussians are, and how long they take; full completes views from all around "
        "and fits 5,000 steps, and wants a GPU",
    )
    profile: Literal["builtin", "8gb", "16gb", "24gb"] = Field(
        "builtin",
        title="Models",
        description="The built-in models, or downloaded checkpoints for a GPU with that much memory",
        json_schema_extra={"labels": ["Built-in", "8 GB GPU", "16 GB GPU", "24 GB GPU"]},
    )
    panorama_width: Literal[1024, 2048, 4096] = Field(
        2048, title="Panorama Width", description="Pixels around the horizon", json_schema_extra={"advanced": True}
    )
    panorama: Path | None = Field(
        None,
        title="Own Panorama",
        description="A finished 360 panorama (2:1) to use in place of the generated one",
        json_schema_extra={"subtype": "FILE_PATH", "advanced": True, "empty": "It is generated"},
    )
    distance: Path | None = Field(
        None,
        title="Own Distance",
        description="Distance along the ray in metres (EXR, 16-bit PNG in millimetres, or NPY) for the panorama",
        json_schema_extra={"subtype": "FILE_PATH", "advanced": True, "empty": "It is measured"},
    )
    heuristic: Literal["anchored", "sequential", "adhoc"] = Field(
        "anchored",
        title="Order",
        description="In which order a checkpoint completes the panorama: sky and ground first with the photograph "
        "also behind the viewer, round and round, or all at once",
        json_schema_extra={"labels": ["Anchored", "Sequential", "All at Once"], "advanced": True},
    )
    refinement: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Refinement",
        description="Last share of the denoising that goes over the finished panorama once more; 0 leaves it out",
        json_schema_extra={"advanced": True},
    )
    repair: bool = Field(
        False,
        title="Repair Panorama",
        description="Complete what is black or transparent in your own panorama, such as the tripod's place",
        json_schema_extra={"advanced": True},
    )
    repair_mask: Path | None = Field(
        None,
        title="Repair Mask",
        description="Picture (2:1) that is white where your own panorama is to be completed as well: a person",
        json_schema_extra={**FILE, "advanced": True, "empty": "None"},
    )
    cube: float = Field(
        2.0,
        ge=0.1,
        le=10,
        title="Walking Room",
        description="Edge of the cube around the viewpoint that the camera may roam without holes, in metres",
        json_schema_extra={"unit": "LENGTH", "advanced": True},
    )
    inpainter: str = checkpoint_field("Inpainter", "What completes pictures")
    text_to_image: str = checkpoint_field("Text to Image", "What makes pictures from words and refines the panorama")
    depth: str = checkpoint_field("Depth", "What measures depth")
    captioner: str = checkpoint_field("Captioner", "What words the prompts")
    segmenter: str = checkpoint_field("Segmenter", "What finds the sky")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", title="Device", description="Where to compute", json_schema_extra={"advanced": True}
    )

    @model_validator(mode="after")
    def _something_to_start_from(self):
        if not (self.photo or self.prompt or self.panorama):
            raise ValueError("give a photograph, a prompt or a panorama to start from")
        if self.repair_mask and not (self.panorama and self.repair):
            raise ValueError("a repair mask goes with a panorama of your own that is repaired")
        return self


class ChoicesParameters(Parameters):
    """Shows several seeds of a photograph's surroundings on one sheet."""

    kind: ClassVar[str] = "choices"

    photo: Path = Field(title="Photograph", description="The picture to start from", json_schema_extra=FILE)
    output: Path = Field(title="Sheet", description="Picture to write (.jpg)", json_schema_extra=FILE)
    fov: float = Field(**FOV)
    pitch: float | None = Field(**PITCH)
    seed: int = Field(0, ge=0, le=2**31 - 17, title="First Seed", description="The seeds count on from here")
    count: int = Field(4, ge=1, le=16, title="Choices", description="How many")
