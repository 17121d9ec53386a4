"""How long a job has taken and how long it will take."""

import time

from skyworld.progress import Progress
from skyworld.world.folder import ALREADY_DONE

_SETTLING = 1.0  # seconds in which nothing sensible can be said
_WEIGHT = 0.2  # of a new estimate against the smoothed one


class Clock:
    """Reads the progress of one job."""

    def __init__(self, now=time.monotonic):
        self._now = now
        self._started = self._base_time = self._last = now()
        self._base_fraction = 0.0
        self._remaining: float | None = None

    def read(self, report: Progress) -> dict:
        """A report as the service tells it: fractions, seconds gone and the smoothed seconds to go (None at first)."""
        now = self._now()
        fraction = min(max(report.overall if report.stage else report.fraction, 0.0), 1.0)
        if report.message == ALREADY_DONE:  # stages that were skipped tell nothing of those to come
            self._base_time, self._base_fraction, self._remaining = now, fraction, None
        self._estimate(now, fraction)
        return {
            "stage": report.stage,
            "fraction": fraction,
            "stage_fraction": min(max(report.fraction, 0.0), 1.0),
            "message": report.message,
            "elapsed": round(now - self._started, 2),
            "remaining": None if self._remaining is None else round(self._remaining, 1),
        }

    def _estimate(self, now: float, fraction: float) -> None:
        spent, gained = now - self._base_time, fraction - self._base_fraction
        if spent >= _SETTLING and gained > 0.005:
            raw = (1 - fraction) * spent / gained
            passed = raw if self._remaining is None else max(self._remaining - (now - self._last), 0.0)
            self._remaining = raw if fraction >= 1 else passed + _WEIGHT * (raw - passed)
        self._last = now
