"""One pydantic model a job kind: the only place where a parameter is defined.

The command line, the HTTP API and Blender's panel (through parameters.json) are all made from these
models. A field's title is its label, its description the tooltip and the help text; `json_schema_extra`
may hold Blender's unit (`LENGTH`, `ROTATION`), a `subtype` (`FILE_PATH`, `DIR_PATH`) and `advanced`.
Limits are inclusive (ge, le), as Blender's are. Importing this module loads nothing heavy.

`python -m skyworld.parameters FILE` writes the description that the add-on reads.
"""

import json
import sys
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from skyworld.errors import UserError


def _path(kind: str) -> dict:
    return {"subtype": kind}


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)
    kind: ClassVar[str]


# Of the photograph's camera; more than one kind of job asks for it.
FOV = dict(
    default=0.0,
    ge=0,
    le=170,
    title="Field of View",
    description="Horizontal field of view of the photograph in degrees; 0 finds it (EXIF, vanishing lines, or 60)",
)
PITCH = dict(
    default=None,
    ge=-60,
    le=60,
    title="Pitch",
    description="How far the photograph looks up, in degrees; found from the horizon if left out",
)


def _checkpoint(title: str, what: str):
    text = f"{what}: a model's hub id or folder in place of the profile's, or builtin"
    return Field("", title=title, description=text, json_schema_extra={"advanced": True})


class WorldParameters(Parameters):
    """Makes a world from a photograph, a sentence or a 360 panorama: panorama, distance, Gaussians."""

    kind: ClassVar[str] = "world"

    photo: Path | None = Field(
        None,
        title="Photograph",
        description="The picture to start from; without one the prompt or your own panorama is",
        json_schema_extra=_path("FILE_PATH"),
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
        json_schema_extra=_path("DIR_PATH"),
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
        json_schema_extra={"subtype": "FILE_PATH", "advanced": True},
    )
    distance: Path | None = Field(
        None,
        title="Own Distance",
        description="Distance along the ray in metres (EXR, 16-bit PNG in millimetres, or NPY) for the panorama",
        json_schema_extra={"subtype": "FILE_PATH", "advanced": True},
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
    cube: float = Field(
        2.0,
        ge=0.1,
        le=10,
        title="Walking Room",
        description="Edge of the cube around the viewpoint that the camera may roam without holes, in metres",
        json_schema_extra={"unit": "LENGTH", "advanced": True},
    )
    inpainter: str = _checkpoint("Inpainter", "What completes pictures")
    text_to_image: str = _checkpoint("Text to Image", "What makes pictures from words and refines the panorama")
    depth: str = _checkpoint("Depth", "What measures depth")
    captioner: str = _checkpoint("Captioner", "What words the prompts")
    segmenter: str = _checkpoint("Segmenter", "What finds the sky")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", title="Device", description="Where to compute", json_schema_extra={"advanced": True}
    )

    @model_validator(mode="after")
    def _something_to_start_from(self):
        if not (self.photo or self.prompt or self.panorama):
            raise ValueError("give a photograph, a prompt or a panorama to start from")
        return self


class ChoicesParameters(Parameters):
    """Shows several seeds of a photograph's surroundings on one sheet."""

    kind: ClassVar[str] = "choices"

    photo: Path = Field(
        title="Photograph", description="The picture to start from", json_schema_extra=_path("FILE_PATH")
    )
    output: Path = Field(title="Sheet", description="Picture to write (.jpg)", json_schema_extra=_path("FILE_PATH"))
    fov: float = Field(**FOV)
    pitch: float | None = Field(**PITCH)
    seed: int = Field(0, ge=0, le=2**31 - 17, title="First Seed", description="The seeds count on from here")
    count: int = Field(4, ge=1, le=16, title="Choices", description="How many")


class FitParameters(Parameters):
    """Fits Gaussians to pictures whose cameras are known."""

    kind: ClassVar[str] = "fit"

    pictures: Path = Field(
        title="Pictures Folder",
        description="Folder with transforms.json (nerfstudio, instant-ngp) or a COLMAP text model and images",
        json_schema_extra=_path("DIR_PATH"),
    )
    output: Path = Field(
        title="World Folder",
        description="Folder of the world; made if it is not there",
        json_schema_extra=_path("DIR_PATH"),
    )
    quality: Literal["quick", "full"] = Field(
        "full", title="Quality", description="How long to fit: quick for a first look, full for shots"
    )
    hold_out: int = Field(
        0,
        ge=0,
        le=1000,
        title="Hold Out",
        description="Keep every so many-th picture back and measure how well it is met; 0 uses all",
        json_schema_extra={"advanced": True},
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")

    @field_validator("hold_out")
    @classmethod
    def _something_left_to_fit(cls, value: int) -> int:
        if value == 1:
            raise ValueError("1 would keep every picture back; give 0 to use all, or 2 and more")
        return value


class PathParameters(Parameters):
    """Writes a camera path through a world."""

    kind: ClassVar[str] = "path"

    world: Path = Field(
        title="World Folder", description="The world to fly through", json_schema_extra=_path("DIR_PATH")
    )
    output: Path = Field(
        title="Path File", description="Camera path to write (.json)", json_schema_extra=_path("FILE_PATH")
    )
    type: Literal["orbit", "flythrough"] = Field(
        "flythrough", alias="kind", title="Kind", description="Around a point, or through the world and back"
    )
    frames: int = Field(120, ge=2, le=100_000, title="Frames", description="Number of frames")
    fps: float = Field(24, ge=1, le=240, title="Frame Rate", description="Frames a second")
    width: int = Field(960, ge=16, le=16384, title="Width", description="Pixels")
    height: int = Field(540, ge=16, le=16384, title="Height", description="Pixels")
    fov: float = Field(55, ge=1, le=170, title="Field of View", description="Horizontal field of view in degrees")
    reach: float = Field(
        1.0,
        ge=0.01,
        le=5,
        title="Reach",
        description="How far the path leaves the viewpoint, as a share of half the walking room",
    )


class RenderParameters(Parameters):
    """Renders frames, and a film, of a world along a camera path."""

    kind: ClassVar[str] = "render"

    world: Path = Field(title="World Folder", description="The world to render", json_schema_extra=_path("DIR_PATH"))
    path: Path = Field(title="Path File", description="Camera path (.json)", json_schema_extra=_path("FILE_PATH"))
    output: Path = Field(
        title="Frames Folder", description="Folder for the frames", json_schema_extra=_path("DIR_PATH")
    )
    depth: bool = Field(False, title="Depth", description="Also write the depth of each frame (EXR, metres)")
    video: Path | None = Field(
        None, title="Film", description="Also write a film (.mp4)", json_schema_extra=_path("FILE_PATH")
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")


class ExportParameters(Parameters):
    """Writes the Gaussians of a world as a file that other programs open."""

    kind: ClassVar[str] = "export"

    world: Path = Field(title="World Folder", description="The world to export", json_schema_extra=_path("DIR_PATH"))
    output: Path = Field(
        title="Splat File",
        description="File to write: .ply, .compressed.ply, .splat, .spz, .sog or .glb",
        json_schema_extra=_path("FILE_PATH"),
    )


def _words(words: str, **more) -> dict:
    """How the command line shows the values of a field that only it has; `positional` where it needs no option."""
    return {"words": words, **more}


class ConvertParameters(Parameters):
    """Turns files of Gaussians into another format; crops, places and merges them."""

    kind: ClassVar[str] = "convert"

    sources: list[Path] = Field(
        min_length=1,
        title="Sources",
        description="Files of splats; several are merged",
        json_schema_extra=_words("IN", positional=True),
    )
    output: Path = Field(
        title="Splat File",
        description="File to write: .ply, .compressed.ply, .splat, .spz, .sog or .glb",
        json_schema_extra=_words("OUT", positional=True),
    )
    crop_box: tuple[float, float, float, float, float, float] | None = Field(
        None,
        title="Box",
        description="Keep what lies between two corners, in metres; before anything is moved",
        json_schema_extra=_words("X0 Y0 Z0 X1 Y1 Z1"),
    )
    crop_sphere: tuple[float, float, float, float] | None = Field(
        None,
        title="Sphere",
        description="Keep what lies within a radius of a point, in metres; before anything is moved",
        json_schema_extra=_words("X Y Z RADIUS"),
    )
    scale: float = Field(1.0, title="Scale", description="Enlarge about the origin", ge=1e-6, le=1e6)
    rotate: tuple[float, float, float, float] | None = Field(
        None,
        title="Turn",
        description="Turn about an axis through the origin, right-handed, after the scale",
        json_schema_extra=_words("X Y Z DEGREES"),
    )
    translate: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0), title="Shift", description="Move by metres, at last", json_schema_extra=_words("X Y Z")
    )
    sh_degree: int | None = Field(
        None, ge=0, le=3, title="Harmonics", description="Leave out the spherical harmonics above this degree"
    )
    y_down: bool = Field(
        False,
        title="Y Down",
        description="Files other than .glb have y down, as captures do, and not z up, as worlds do",
    )
    drop_broken: bool = Field(
        False, title="Drop Broken", description="Leave out Gaussians with NaN or infinite values and say how many"
    )
    force: bool = Field(False, title="Force", description="Write over a file that is there")


class MeasureParameters(Parameters):
    """Measures pictures: against references, against a text, or by themselves."""

    kind: ClassVar[str] = "measure"

    pictures: Path = Field(
        title="Pictures",
        description="A picture, or a folder of them in the order of their names",
        json_schema_extra=_words("PICTURES", positional=True),
    )
    reference: Path | None = Field(
        None,
        title="Reference",
        description="A picture for all of them, or a folder of as many; any number for distances of sets",
        json_schema_extra=_words("REFERENCE", positional=True),
    )
    metrics: list[str] = Field(
        [], title="Metrics", description="Which; left out: all that apply", json_schema_extra=_words("NAME")
    )
    patches: bool = Field(
        False,
        title="Patches",
        description="Distances of sets over 512-pixel patches, at least 9 x 16 a picture, as satellite-city papers do",
    )
    text: str | None = Field(None, title="Text", description="What the pictures show, for the CLIP score")
    weights: Path | None = Field(
        None,
        title="Weights",
        description="Folder of the networks' weights; what is not there is skipped, and told where to get",
        json_schema_extra=_path("DIR_PATH"),
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")
    as_json: bool = Field(False, alias="json", title="JSON", description="Print JSON, not a table")


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
        json_schema_extra=_path("DIR_PATH"),
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
    depth: str = _checkpoint("Depth", "What measures pictures that come without depth")
    precision: Literal["bf16", "fp32"] = Field("bf16", title="Precision", description="Of the arithmetic")
    checkpointing: bool = Field(
        False, title="Gradient Checkpointing", description="Less memory, a third more time: for cards below 24 GB"
    )
    ema: bool = Field(False, title="Mean of Weights", description="Keep the exponential mean of the trained weights")
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="Of everything that is drawn at random")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")


KINDS: dict[str, type[Parameters]] = {
    model.kind: model
    for model in (
        WorldParameters,
        ChoicesParameters,
        FitParameters,
        PathParameters,
        RenderParameters,
        ExportParameters,
        DownloadParameters,
        TrainParameters,
    )
}
# Commands that are no jobs: the service and the add-on do not have them.
TOOLS: dict[str, type[Parameters]] = {model.kind: model for model in (ConvertParameters, MeasureParameters)}


def check(model: type[Parameters], values: dict) -> Parameters:
    """The checked parameters. UserError with the first problem in a sentence."""
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(first_problem(model, error)[0]) from error


def first_problem(model: type[Parameters], error: ValidationError) -> tuple[str, str]:
    """The first problem as a sentence that begins with the field's label, and the field's name."""
    problem = error.errors()[0]
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a parameter of this kind of job.", name
    titles = {field.alias or key: field.title for key, field in model.model_fields.items()}
    text = problem["msg"].removeprefix("Value error, ")
    if not name:
        return f"{text[0].upper()}{text[1:]}.", name
    return f"{titles.get(name, name)}: {text[0].lower()}{text[1:]}.", name


def describe(model: type[Parameters]) -> list[dict]:
    """The fields of a kind as plain data, in order, for the add-on and the command line.

    Each: name, title, description, type ("int" | "float" | "bool" | "enum" | "string" | "path"),
    required, optional (None allowed), default (None where required), min, max (inclusive, or None),
    items (values of an enum, strings or integers; else None), unit, subtype, advanced, and labels where the items have
    names that are not their own words. Fields of `TOOLS` may also have
    words (placeholders of the command line), positional, and the type "list" with a length (None: one or more).
    """
    schema = model.model_json_schema(by_alias=True)
    required = schema.get("required", ())
    return [_field(name, field, name in required) for name, field in schema["properties"].items()]


def _field(name: str, field: dict, required: bool) -> dict:
    branches = field.get("anyOf", [field])
    value = next(branch for branch in branches if branch.get("type") != "null")
    return {
        "name": name,
        "title": field["title"],
        "description": field["description"],
        "type": _type(value),
        "required": required,
        "optional": {"type": "null"} in branches,
        "default": field.get("default"),
        "min": value.get("minimum"),
        "max": value.get("maximum"),
        "items": value.get("enum"),
        "unit": field.get("unit"),
        "subtype": field.get("subtype"),
        "advanced": field.get("advanced", False),
        **{key: field[key] for key in ("words", "positional", "labels") if key in field},
        **({"length": value.get("maxItems")} if value.get("type") == "array" else {}),
    }


def _type(value: dict) -> str:
    if "enum" in value:
        return "enum"
    if value.get("format") == "path":
        return "path"
    names = {"integer": "int", "number": "float", "boolean": "bool", "string": "string", "array": "list"}
    return names[value["type"]]


def description() -> str:
    """The text of parameters.json: {kind: fields}."""
    return json.dumps({kind: describe(model) for kind, model in KINDS.items()}, indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(description(), encoding="utf-8")
