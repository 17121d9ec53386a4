"""Gaussians: fitting, exporting, converting them."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from skyworld.parameters.model import FILE, FOLDER, Parameters, words


class FitParameters(Parameters):
    """Fits Gaussians to pictures whose cameras are known."""

    kind: ClassVar[str] = "fit"

    pictures: Path = Field(
        title="Pictures Folder",
        description="Folder with transforms.json (nerfstudio, instant-ngp) or a COLMAP text model and images",
        json_schema_extra=FOLDER,
    )
    output: Path = Field(
        title="World Folder",
        description="Folder of the world; made if it is not there",
        json_schema_extra=FOLDER,
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


class ExportParameters(Parameters):
    """Writes the Gaussians of a world as a file that other programs open."""

    kind: ClassVar[str] = "export"

    world: Path = Field(title="World Folder", description="The world to export", json_schema_extra=FOLDER)
    output: Path = Field(
        title="Splat File",
        description="File to write: .ply, .compressed.ply, .splat, .spz, .sog, .glb or .usdc",
        json_schema_extra=FILE,
    )


class ConvertParameters(Parameters):
    """Turns files of Gaussians into another format; crops, places and merges them."""

    kind: ClassVar[str] = "convert"

    sources: list[Path] = Field(
        min_length=1,
        title="Sources",
        description="Files of splats; several are merged",
        json_schema_extra=words("IN", positional=True),
    )
    output: Path = Field(
        title="Splat File",
        description="File to write: .ply, .compressed.ply, .splat, .spz, .sog, .glb or .usdc",
        json_schema_extra=words("OUT", positional=True),
    )
    crop_box: tuple[float, float, float, float, float, float] | None = Field(
        None,
        title="Box",
        description="Keep what lies between two corners, in metres; before anything is moved",
        json_schema_extra=words("X0 Y0 Z0 X1 Y1 Z1"),
    )
    crop_sphere: tuple[float, float, float, float] | None = Field(
        None,
        title="Sphere",
        description="Keep what lies within a radius of a point, in metres; before anything is moved",
        json_schema_extra=words("X Y Z RADIUS"),
    )
    scale: float = Field(1.0, title="Scale", description="Enlarge about the origin", ge=1e-6, le=1e6)
    rotate: tuple[float, float, float, float] | None = Field(
        None,
        title="Turn",
        description="Turn about an axis through the origin, right-handed, after the scale",
        json_schema_extra=words("X Y Z DEGREES"),
    )
    translate: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0), title="Shift", description="Move by metres, at last", json_schema_extra=words("X Y Z")
    )
    sh_degree: int | None = Field(
        None, ge=0, le=3, title="Harmonics", description="Leave out the spherical harmonics above this degree"
    )
    y_down: bool = Field(
        False,
        title="Y Down",
        description="Files other than .glb and .usdc have y down, as captures do, and not z up, as worlds do",
    )
    drop_broken: bool = Field(
        False, title="Drop Broken", description="Leave out Gaussians with NaN or infinite values and say how many"
    )
    force: bool = Field(False, title="Force", description="Write over a file that is there")
