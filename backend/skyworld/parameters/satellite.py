"""Satellite images: scenes, heights, cities."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from skyworld.parameters.model import FILE, FOLDER, Parameters, words


def _words(at: str) -> BeforeValidator:
    """A panel has one line of text where the command line has several words."""
    return BeforeValidator(lambda v: [w.strip() for w in re.split(at, v) if w.strip()] if isinstance(v, str) else v)


NAMES, NUMBERS = _words(r"[;\n]"), _words(r"[,;\s]+")


class SatellitePrepareParameters(Parameters):
    """Makes a scene of satellite images: cameras, tie points, one frame in metres."""

    kind: ClassVar[str] = "satellite_prepare"

    images: Annotated[list[Path], NAMES] = Field(
        min_length=1,
        title="Images",
        description="Satellite images with RPC (GeoTIFF), at least two; or one folder, a Skyfall-GS data set or a "
        "COLMAP model; or one ortho photo with a height map",
        json_schema_extra=words("IMAGES"),
    )
    output: Path = Field(
        title="Scene Folder", description="Folder of the scene; made if it is not there", json_schema_extra=FOLDER
    )
    area: Annotated[tuple[float, float, float, float] | None, NUMBERS] = Field(
        None,
        title="Area",
        description="What to take, in degrees; left out: what all images show",
        json_schema_extra=words("SOUTH WEST NORTH EAST"),
    )
    altitudes: Annotated[tuple[float, float] | None, NUMBERS] = Field(
        None,
        title="Altitudes",
        description="Lowest ground and highest roof in metres above the WGS84 ellipsoid; left out: found in the images",
        json_schema_extra=words("LOW HIGH", advanced=True),
    )
    dsm: Path | None = Field(
        None,
        title="Height Map",
        description="GeoTIFF of heights that belongs to one ortho photo",
        json_schema_extra={**FILE, "advanced": True, "empty": "Measured in the images"},
    )
    hold_out: Annotated[list[str], NAMES] = Field(
        [],
        title="Hold Out",
        description="Names of images to keep back: they judge the result and do not shape it",
        json_schema_extra=words("NAME", advanced=True),
    )

    @model_validator(mode="after")
    def _in_order(self):
        if self.altitudes and not self.altitudes[0] < self.altitudes[1]:
            raise ValueError("altitudes: give the lowest first, then the highest")
        return self


class SatelliteOverviewParameters(Parameters):
    """Shows from above where satellite images lie, before anything is made of them."""

    kind: ClassVar[str] = "satellite_overview"

    images: Annotated[list[Path], NAMES] = Field(
        min_length=1,
        title="Images",
        description="Satellite images with RPC (GeoTIFF), or the folder of a scene",
        json_schema_extra=words("IMAGES"),
    )
    output: Path = Field(
        title="Folder", description="Where overview.jpg and footprints.json go", json_schema_extra=FOLDER
    )
    area: Annotated[tuple[float, float, float, float] | None, NUMBERS] = Field(
        None,
        title="Area",
        description="What to take, in degrees; left out: what all images show",
        json_schema_extra=words("SOUTH WEST NORTH EAST"),
    )


class SatelliteHeightParameters(Parameters):
    """Measures the heights of a scene of satellite images."""

    kind: ClassVar[str] = "satellite_height"

    scene: Path = Field(
        title="Scene Folder",
        description="Made by: skyworld satellite prepare",
        json_schema_extra={**FOLDER, **words("SCENE")},
    )
    output: Path = Field(
        title="Height Map",
        description="File to write: .tif in the local UTM zone, or .npz without a place on Earth",
        json_schema_extra=FILE,
    )
    cell: float = Field(
        0.0,
        ge=0,
        le=100,
        title="Cell",
        description="Metres that a cell is wide; 0: a pixel of the finest image",
        json_schema_extra={"unit": "LENGTH"},
    )


class SatelliteReconstructParameters(Parameters):
    """Fits a city of Gaussians to a prepared satellite scene and its height map."""

    kind: ClassVar[str] = "satellite_reconstruct"

    scene: Path = Field(
        title="Scene Folder",
        description="Folder of a prepared scene, or of Skyfall-GS's layout with transforms_train.json",
        json_schema_extra={**FOLDER, **words("SCENE")},
    )
    output: Path = Field(
        title="World Folder",
        description="Folder of the world; made if it is not there",
        json_schema_extra=FOLDER,
    )
    height: Path | None = Field(
        None,
        title="Height Map",
        description="GeoTIFF of heights; without one the scene's own height.npz, else its dsm.tif",
        json_schema_extra=FILE,
    )
    quality: Literal["preview", "full"] = Field(
        "preview", title="Quality", description="How long to fit: preview in minutes on a CPU, full on a GPU"
    )
    reference: str = Field(
        "",
        title="Light of",
        description="Name or date (2024-05) of the image whose light the city shall have; empty: the first one",
        json_schema_extra={"empty": "The first image"},
    )
    block: float = Field(
        0.0,
        ge=0,
        le=10_000,
        title="Block",
        description="Side of the blocks that a large area is cut into, in metres; 0 does all at once",
        json_schema_extra={"unit": "LENGTH", "automatic": 256},
    )
    steps: int = Field(
        0,
        ge=0,
        le=200_000,
        title="Steps",
        description="Images to fit to, in place of the quality's number; 0 keeps that",
        json_schema_extra={"advanced": True},
    )
    depth: str = Field(
        "",
        title="Depth Model",
        description="Hub id or folder of a model whose idea of lower views the fit is to follow; none if left out",
        json_schema_extra={"advanced": True, "empty": "None"},
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="Of everything that is drawn by lot")
    executor: Literal["local", "ray"] = Field(
        "local",
        title="Executor",
        description="Where blocks are fitted and views repainted: here, or on a Ray cluster, a worker for each GPU",
        json_schema_extra={"labels": ["This Computer", "Ray Cluster"], "advanced": True},
    )
    address: str = Field(
        "",
        title="Cluster Address",
        description="Of a Ray cluster that runs, such as auto or ray://host:10001; one is started here if left out",
        json_schema_extra={"advanced": True, "empty": "One is started here"},
    )
    workers: int = Field(
        0,
        ge=0,
        le=1000,
        title="Workers",
        description="How many workers of a Ray cluster to use; 0 for as many as it has GPUs",
        json_schema_extra={"advanced": True},
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")
