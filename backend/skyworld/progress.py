"""What a pipeline tells while it works."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Progress:
    """One report of a running pipeline.

    fraction: how much of the present stage is done, 0 to 1.
    message:  one short line for the person waiting.
    preview:  a picture (PNG or JPEG) that shows the present state, or None.
    stage, overall: name of the stage and share of the whole job, 0 to 1; filled in by `stages`.
    """

    fraction: float
    message: str = ""
    preview: Path | None = None
    stage: str = ""
    overall: float = 0.0


def stages(*plan: tuple[str, float, Iterable[Progress]]) -> Iterator[Progress]:
    """Runs (name, expected seconds, reports) one after the other and tells the share of the whole job."""
    total = sum(seconds for _, seconds, _ in plan)
    before = 0.0
    for name, seconds, reports in plan:
        yield Progress(0.0, stage=name, overall=before / total)
        for report in reports:
            overall = (before + seconds * min(max(report.fraction, 0.0), 1.0)) / total
            yield replace(report, stage=name, overall=overall)
        before += seconds
        yield Progress(1.0, stage=name, overall=before / total)


def changed(reports: Generator, change: Callable[[Progress], Any]) -> Generator:
    """Each report as `change` makes it; returns what the reports return."""
    while True:
        try:
            report = next(reports)
        except StopIteration as end:
            return end.value
        yield change(report)


def ended(reports: Generator) -> Any:
    """What the reports return; nobody reads them."""
    while True:
        try:
            next(reports)
        except StopIteration as end:
            return end.value
