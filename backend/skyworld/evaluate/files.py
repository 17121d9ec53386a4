"""The command `measure`: pictures in files, their metrics as a table or as JSON."""

import json
import math
from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.evaluate.distribution import patches
from skyworld.evaluate.registry import METRICS, Skipped, UnfitError, measure
from skyworld.parameters import MeasureParameters

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


def measure_files(parameters: MeasureParameters) -> str:
    """A line a metric: its value, or why it was skipped. All pictures are held in memory at once.

    Raises UserError for names, files or folders that do not fit.
    """
    from skyworld.splats.device import pick_device

    pictures = _load(parameters.pictures)
    references = _load(parameters.reference) if parameters.reference else None
    names = parameters.metrics or _fitting(pictures, references, parameters.text)
    texts = [parameters.text] if parameters.text else None
    device = str(pick_device(parameters.device))
    sets = [name for name in names if parameters.patches and name in METRICS and METRICS[name].kind == "sets"]
    values = measure(
        [name for name in names if name not in sets], pictures, references, texts, parameters.weights, device
    )
    if sets:
        try:
            pieces = [
                [piece for picture in side for piece in patches(picture)] for side in (pictures, references or [])
            ]
            values |= measure(sets, *pieces, None, parameters.weights, device)
        except UnfitError as reason:
            values |= dict.fromkeys(sets, Skipped(str(reason)))
    return _json(values) if parameters.as_json else _table(values)


def _load(path: Path) -> list[np.ndarray]:
    """The picture, or those of the folder by name: float32 [H, W, 3], 0 to 1."""
    from skyworld.world.pictures import load_picture

    if not path.is_dir():
        return [load_picture(path)[0]]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise UserError("holds no pictures", file=path, hint=f"These are known: {' '.join(PICTURES)}")
    return [load_picture(file)[0] for file in files]


def _fitting(pictures: list, references: list | None, text: str | None) -> list[str]:
    """All metrics that these could be measured with; those of panoramas for pictures that are twice as wide as high."""
    kinds = {"picture"} | ({"text"} if text else set()) | ({"sets"} if references else set())
    if references and len(references) in (1, len(pictures)):
        kinds.add("reference")
    panoramas = all(picture.shape[1] == 2 * picture.shape[0] for picture in pictures)
    return [name for name, metric in METRICS.items() if metric.kind in kinds and (panoramas or not metric.panorama)]


def _table(values: dict[str, float | Skipped]) -> str:
    lines = []
    for name, value in values.items():
        shown = f"skipped: {value.reason}" if isinstance(value, Skipped) else f"{value:<12.6g}{_BETTER[name]}"
        lines.append(f"{name:<22}{shown}")
    return "\n".join(lines)


_BETTER = {name: "higher is better" if metric.better == "up" else "lower is better" for name, metric in METRICS.items()}


def _json(values: dict[str, float | Skipped]) -> str:
    """JSON knows no infinity (the PSNR of equal pictures): it becomes a string."""
    measured = {name: value for name, value in values.items() if not isinstance(value, Skipped)}
    plain = {name: value if math.isfinite(value) else str(value) for name, value in measured.items()}
    skipped = {name: value.reason for name, value in values.items() if isinstance(value, Skipped)}
    return json.dumps({"metrics": plain, "skipped": skipped}, indent=1)
