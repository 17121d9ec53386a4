"""Camera paths and frames."""

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from skyworld.parameters.model import FILE, FOLDER, Parameters, words


class PathParameters(Parameters):
    """Writes a camera path through a world."""

    kind: ClassVar[str] = "path"

    world: Path = Field(title="World Folder", description="The world to fly through", json_schema_extra=FOLDER)
    output: Path = Field(title="Path File", description="Camera path to write (.json)", json_schema_extra=FILE)
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
    radius: float = Field(
        0.0,
        ge=0,
        le=1e6,
        title="Radius",
        description="Of an orbit: metres from the target to the camera; 0 suits a city, or stays in the walking room",
        json_schema_extra={"unit": "LENGTH", "advanced": True},
    )
    elevation: float = Field(
        45.0,
        ge=1,
        le=90,
        title="Elevation",
        description="Of an orbit with a radius: degrees above the horizon that the camera looks from",
        json_schema_extra={"advanced": True},
    )
    target: tuple[float, float, float] | None = Field(
        None,
        title="Target",
        description="Of an orbit with a radius: what it looks at, in metres; the middle of the ground if left out",
        json_schema_extra=words("X Y Z", advanced=True),
    )

    @field_validator("target", mode="before")
    @classmethod
    def _numbers(cls, value):
        """A panel has one line of text where the command line has several words."""
        return re.split(r"[,;\s]+", value.strip()) if isinstance(value, str) and value.strip() else value or None


class RenderParameters(Parameters):
    """Renders frames, and a film, of a world along a camera path."""

    kind: ClassVar[str] = "render"

    world: Path = Field(title="World Folder", description="The world to render", json_schema_extra=FOLDER)
    path: Path = Field(title="Path File", description="Camera path (.json)", json_schema_extra=FILE)
    output: Path = Field(title="Frames Folder", description="Folder for the frames", json_schema_extra=FOLDER)
    depth: bool = Field(False, title="Depth", description="Also write the depth of each frame (EXR, metres)")
    video: Path | None = Field(None, title="Film", description="Also write a film (.mp4)", json_schema_extra=FILE)
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")


class ProxyParameters(Parameters):
    """Makes a light mesh of splats for shadow, reflection and collision."""

    kind: ClassVar[str] = "proxy"

    world: Path = Field(
        title="World", description="World folder, or a file of splats, that the mesh follows", json_schema_extra=FOLDER
    )
    output: Path = Field(title="Mesh File", description="Mesh to write (.glb or .ply)", json_schema_extra=FILE)
    triangles: int = Field(
        50_000, ge=100, le=5_000_000, title="Triangles", description="Most triangles that the mesh may have"
    )
    radius: float = Field(
        20,
        ge=0.1,
        le=10_000,
        title="Radius",
        description="How far around the viewpoint the mesh reaches",
        json_schema_extra={"unit": "LENGTH"},
    )
    detail: int = Field(
        192, ge=16, le=768, title="Detail", description="Samples along the longest side of the space that is measured"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")
