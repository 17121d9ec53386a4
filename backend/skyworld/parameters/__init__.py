"""One pydantic model a job kind: the only place where a parameter is defined.

The command line, the HTTP API and Blender's panel (through parameters.json) are all made from these
models. A field's title is its label, its description the tooltip and the help text; `json_schema_extra`
may hold Blender's unit (`LENGTH`, `ROTATION`), a `subtype` (`FILE_PATH`, `DIR_PATH`), `advanced`, and, where
the default leaves a number to the program, one to begin with when it is not (`automatic`).
Limits are inclusive (ge, le), as Blender's are. Importing this package loads nothing heavy.
"""

import json

from skyworld.parameters.city import (
    EvaluateSatelliteParameters,
    SatelliteCityParameters,
    SatelliteExportParameters,
    SatelliteRefineParameters,
)
from skyworld.parameters.description import describe
from skyworld.parameters.measure import MeasureParameters
from skyworld.parameters.model import Parameters, check, first_problem
from skyworld.parameters.models import DownloadParameters, TrainParameters
from skyworld.parameters.satellite import (
    SatelliteHeightParameters,
    SatelliteOverviewParameters,
    SatellitePrepareParameters,
    SatelliteReconstructParameters,
)
from skyworld.parameters.shot import PathParameters, ProxyParameters, RenderParameters
from skyworld.parameters.splats import ConvertParameters, ExportParameters, FitParameters
from skyworld.parameters.world import ChoicesParameters, WorldParameters

__all__ = [
    "KINDS",
    "TOOLS",
    "ChoicesParameters",
    "ConvertParameters",
    "DownloadParameters",
    "EvaluateSatelliteParameters",
    "ExportParameters",
    "FitParameters",
    "MeasureParameters",
    "Parameters",
    "PathParameters",
    "ProxyParameters",
    "RenderParameters",
    "SatelliteCityParameters",
    "SatelliteExportParameters",
    "SatelliteHeightParameters",
    "SatelliteOverviewParameters",
    "SatellitePrepareParameters",
    "SatelliteReconstructParameters",
    "SatelliteRefineParameters",
    "TrainParameters",
    "WorldParameters",
    "check",
    "describe",
    "description",
    "first_problem",
]

KINDS: dict[str, type[Parameters]] = {
    model.kind: model
    for model in (
        WorldParameters,
        ChoicesParameters,
        FitParameters,
        PathParameters,
        RenderParameters,
        ProxyParameters,
        ExportParameters,
        DownloadParameters,
        TrainParameters,
        SatelliteOverviewParameters,
        SatellitePrepareParameters,
        SatelliteHeightParameters,
        SatelliteReconstructParameters,
        SatelliteRefineParameters,
        SatelliteCityParameters,
        SatelliteExportParameters,
        EvaluateSatelliteParameters,
    )
}
# Commands that are no jobs: the service and the add-on do not have them.
TOOLS: dict[str, type[Parameters]] = {model.kind: model for model in (ConvertParameters, MeasureParameters)}


def description() -> str:
    """The text of parameters.json: {kind: fields}."""
    return json.dumps({kind: describe(model) for kind, model in KINDS.items()}, indent=1) + "\n"
