"""Measuring pictures."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from skyworld.parameters.model import FOLDER, Parameters, words


class MeasureParameters(Parameters):
    """Measures pictures: against references, against a text, or by themselves."""

    kind: ClassVar[str] = "measure"

    pictures: Path = Field(
        title="Pictures",
        description="A picture, or a folder of them in the order of their names",
        json_schema_extra=words("PICTURES", positional=True),
    )
    reference: Path | None = Field(
        None,
        title="Reference",
        description="A picture for all of them, or a folder of as many; any number for distances of sets",
        json_schema_extra=words("REFERENCE", positional=True),
    )
    metrics: list[str] = Field(
        [], title="Metrics", description="Which; left out: all that apply", json_schema_extra=words("NAME")
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
        json_schema_extra=FOLDER,
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="Where to compute")
    as_json: bool = Field(False, alias="json", title="JSON", description="Print JSON, not a table")
