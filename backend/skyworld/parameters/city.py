"""Cities seen from lower than any satellite: refining and scoring them."""

from copy import copy
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from skyworld.parameters.model import FILE, FOLDER, Parameters, checkpoint_field
from skyworld.parameters.satellite import SatellitePrepareParameters, SatelliteReconstructParameters


def _field(kind: type[Parameters], name: str) -> FieldInfo:
    """As another kind asks it."""
    return copy(kind.model_fields[name])


class RepaintingParameters(Parameters):
    """What refining asks for, alone and as the last part of making a city."""

    curriculum: str = Field(
        "preview",
        title="Curriculum",
        description="Which views are imagined, from above downwards: preview (for CPUs), low, jax_v1, nyc_v1 (as "
        "published, scaled to the area), or a JSON file",
    )
    by: Literal["auto", "editor", "restorer"] = Field(
        "auto",
        title="Repainted by",
        description="An editor imagines what the images do not show, a restorer only mends renders; auto takes an "
        "editor where the profile has one",
        json_schema_extra={"labels": ["Automatic", "Editor", "Restorer"]},
    )
    profile: Literal["builtin", "8gb", "16gb", "24gb"] = Field(
        "builtin",
        title="Models",
        description="The built-in models, or downloaded checkpoints for a GPU with that much memory",
        json_schema_extra={"labels": ["Built-in", "8 GB GPU", "16 GB GPU", "24 GB GPU"]},
    )
    seed: int = Field(0, ge=0, le=2**30, title="Seed", description="Another number, other edits")
    source: str = Field(
        "",
        max_length=2000,
        title="Source Prompt",
        description="What renders look like before they are edited; the published words if left out",
        json_schema_extra={"advanced": True, "empty": "The published words"},
    )
    target: str = Field(
        "",
        max_length=2000,
        title="Target Prompt",
        description="What the city should look like; the published words if left out",
        json_schema_extra={"advanced": True, "empty": "The published words"},
    )
    edit_steps: int = Field(
        28,
        ge=1,
        le=200,
        title="Edit Steps",
        description="Of the editor's whole way from noise to picture",
        json_schema_extra={"advanced": True},
    )
    n_max: int = Field(
        10,
        ge=1,
        le=200,
        title="Edited Steps",
        description="The last so many steps are gone through: more changes more",
        json_schema_extra={"advanced": True},
    )
    n_min: int = Field(
        4,
        ge=0,
        le=200,
        title="Free Steps",
        description="The last so many of these follow the target prompt alone",
        json_schema_extra={"advanced": True},
    )
    distortion: bool = Field(
        False,
        title="Distortion Field",
        description="Let each edited view bend a little while fitting, and edit each once only: half the edits",
        json_schema_extra={"advanced": True},
    )
    editor: str = checkpoint_field("Editor", "What edits views")
    restorer: str = checkpoint_field("Restorer", "What mends views")
    executor: Literal["local", "ray"] = _field(SatelliteReconstructParameters, "executor")
    address: str = _field(SatelliteReconstructParameters, "address")
    workers: int = _field(SatelliteReconstructParameters, "workers")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", title="Device", description="Where to compute", json_schema_extra={"advanced": True}
    )


class _City(Parameters):
    world: Path = Field(
        title="World Folder",
        description="The city, made with `skyworld satellite reconstruct`",
        json_schema_extra=FOLDER,
    )


class SatelliteRefineParameters(RepaintingParameters, _City):  # pydantic takes the fields of the last first
    """Refines a city of satellite images: views from lower and lower, repainted and fitted to."""

    kind: ClassVar[str] = "satellite_refine"

    scene: Path | None = Field(
        None,
        title="Scene Folder",
        description="Its satellite images; those it was made of if left out",
        json_schema_extra={**FOLDER, "advanced": True},
    )
    further: bool = Field(
        False,
        title="Refine Further",
        description="Go on from the refined city, and not from the city as it was reconstructed",
    )
    block: float = _field(SatelliteReconstructParameters, "block")


class _Images(Parameters):
    images: list[Path] = _field(SatellitePrepareParameters, "images")
    output: Path = _field(SatelliteReconstructParameters, "output")
    area: tuple[float, float, float, float] | None = _field(SatellitePrepareParameters, "area")
    dsm: Path | None = _field(SatellitePrepareParameters, "dsm")
    quality: Literal["preview", "full"] = _field(SatelliteReconstructParameters, "quality")
    reference: str = _field(SatelliteReconstructParameters, "reference")
    block: float = _field(SatelliteReconstructParameters, "block")
    steps: int = _field(SatelliteReconstructParameters, "steps")
    depth: str = _field(SatelliteReconstructParameters, "depth")


class SatelliteCityParameters(RepaintingParameters, _Images):
    """Makes a city of satellite images in one: scene, heights, reconstruction, refinement."""

    kind: ClassVar[str] = "satellite_city"


class SatelliteExportParameters(_City):
    """Writes a city as a height map, a view from above, or a textured mesh."""

    kind: ClassVar[str] = "satellite_export"

    output: Path = Field(
        title="File",
        description="Heights (.tif in the local UTM zone, .npz), view from above (.png, .jpg), or textured mesh (.glb)",
        json_schema_extra=FILE,
    )
    cell: float = Field(
        0.0,
        ge=0,
        le=100,
        title="Cell",
        description="Metres between two heights, or two vertices of the mesh; 0: as the city's own height map",
        json_schema_extra={"unit": "LENGTH"},
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")


class EvaluateSatelliteParameters(_City):
    """Scores a city: its views against photographs of it, its heights against a height map."""

    kind: ClassVar[str] = "evaluate_satellite"

    output: Path = Field(title="Scores", description="File to write (.json)", json_schema_extra=FILE)
    path: Path | None = Field(
        None, title="Path File", description="Camera path (.json) of the frames to compare", json_schema_extra=FILE
    )
    truth: Path | None = Field(
        None,
        title="True Frames",
        description="Folder of what the path's cameras should show, in the order of their names",
        json_schema_extra=FOLDER,
    )
    heights: Path | None = Field(
        None, title="True Heights", description="Height map (.tif, .npz) to compare with", json_schema_extra=FILE
    )
    frames: int = Field(
        30,
        ge=1,
        le=10_000,
        title="Frames",
        description="How many frames of the path to take, evenly: 30 as for JAX, 24 as for NYC",
    )
    size: int = Field(
        0,
        ge=0,
        le=4096,
        title="Size",
        description="Side in pixels that frames are brought to: 1024 as for JAX; 0 leaves the true frames' size",
    )
    weights: Path | None = Field(
        None,
        title="Weights",
        description="Folder of the networks' weights; what is not there is skipped, and told where to get",
        json_schema_extra=FOLDER,
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")
