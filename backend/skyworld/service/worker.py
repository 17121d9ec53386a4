"""The process that computes: stays warm between jobs, and may crash, hang or be killed without harm to the service.

JSON lines. In:  {"do": "run", "job", "kind", "parameters"}, {"do": "cancel", "job"}, {"do": "frame", ...}.
Out: {"say": "ready", "device"}, "alive" every second, and for a job "progress", "log" and one of "done",
"failed" (with a sentence), "cancelled"; for a frame "frame" or "failed".
Standard error is the log file: traces go there, sentences go to the user.
"""

import argparse
import gc
import importlib
import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from skyworld.errors import UserError
from skyworld.progress import Progress
from skyworld.service.clock import Clock
from skyworld.world.folder import ALREADY_DONE

HEARTBEAT_SECONDS = 1.0
PROGRESS_SECONDS = 0.1  # no more than ten reports a second leave the process


class Voice:
    """The only way out: one JSON line at a time, from any thread."""

    def __init__(self):
        # Libraries print; what they print must not end up between the messages.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def say(self, what: str, **more) -> None:
        with self._lock:
            self._out.write(json.dumps({"say": what, **more}) + "\n")
            self._out.flush()


class Orders:
    """Standard input, read by a thread: requests queue up, a cancel is seen at once, the end ends the process."""

    def __init__(self):
        self.requests: queue.Queue[dict] = queue.Queue()
        self.cancelled: set[str] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "cancel":
                self.cancelled.add(order["job"])
            else:
                self.cancelled.discard(order.get("job"))  # a retry has the number of the job that was cancelled
                self.requests.put(order)
        os._exit(0)  # the service is gone; files are atomic and the world's lock dies with the process


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pipelines", default="skyworld.service.pipelines")
    parser.add_argument("--frames", action="store_true", help="render frames; do not warm up for jobs")
    options = parser.parse_args()
    voice, orders = Voice(), Orders()
    threading.Thread(target=_beat, args=(voice,), daemon=True).start()
    if options.frames:
        _serve_frames(voice, orders)
    pipelines = importlib.import_module(options.pipelines)
    voice.say("ready", device=pipelines.warm())
    while True:
        order = orders.requests.get()
        with _told_logs(voice, order["job"]):
            _run(voice, orders, pipelines, order)
        gc.collect()  # a failed job's world, and its lock, may hang in a reference cycle of its trace


def _beat(voice: Voice) -> None:
    while True:
        voice.say("alive")
        time.sleep(HEARTBEAT_SECONDS)


def _run(voice: Voice, orders: Orders, pipelines, order: dict) -> None:
    job = order["job"]
    try:
        module, function = pipelines.PIPELINES[order["kind"]].split(":")
        parameters = pipelines.KINDS[order["kind"]](**order["parameters"])
        reports = getattr(importlib.import_module(module), function)(parameters)
        finished = _follow(voice, orders, job, reports)
        voice.say("done" if finished else "cancelled", job=job)
    except Exception as error:  # the border of the process: whatever went wrong is told, and the worker lives on
        voice.say("failed", job=job, error=sentence(error), fix=fix(error))


def _follow(voice: Voice, orders: Orders, job: str, reports: Iterator[Progress]) -> bool:
    """Drives a pipeline to its end; False where it was cancelled on the way."""
    clock, told, stage = Clock(), -1.0, None
    for report in reports:
        if job in orders.cancelled:
            reports.close()
            return False
        now, progress = time.monotonic(), clock.read(report)
        worth_telling = report.stage != stage or report.preview or report.message == ALREADY_DONE
        if worth_telling or now - told >= PROGRESS_SECONDS or progress["fraction"] >= 1:
            told, stage = now, report.stage
            preview = str(report.preview.absolute()) if report.preview else None
            voice.say("progress", job=job, progress=progress, preview=preview)
    return job not in orders.cancelled


def _serve_frames(voice: Voice, orders: Orders) -> None:
    from skyworld.service.frames import FrameRenderer

    renderer = FrameRenderer()
    voice.say("ready", device=renderer.device)
    while True:
        order = orders.requests.get()
        try:
            voice.say("frame", **renderer.render(order))
        except Exception as error:  # as above: the border of the process
            voice.say("failed", error=sentence(error), user=isinstance(error, UserError))


def sentence(error: Exception) -> str:
    """What the user reads; the trace of a defect goes to the log."""
    if isinstance(error, UserError):
        return str(error)
    traceback.print_exception(error)
    if _memory_is_full(error):
        return "The memory is full. Choose a lower quality, or close other programs, and retry."
    return f"SkyWorld failed in a way it should not ({type(error).__name__}: {error}). The backend's log has the trace."


def fix(error: Exception) -> str:
    """What a button may do about it (skyworld.errors.FIXES), or ""."""
    if isinstance(error, UserError):
        return error.fix
    return "memory" if _memory_is_full(error) else ""


def _memory_is_full(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


class _Teller(logging.Handler):
    def __init__(self, voice: Voice, job: str):
        super().__init__(logging.INFO)
        self.voice, self.job = voice, job

    def emit(self, record: logging.LogRecord) -> None:
        self.voice.say("log", job=self.job, level=record.levelname.lower(), text=record.getMessage())


@contextmanager
def _told_logs(voice: Voice, job: str) -> Iterator[None]:
    """Log records and warnings of the pipeline become log lines of its job; of other libraries only warnings."""
    logging.captureWarnings(True)
    logging.getLogger("skyworld").setLevel(logging.INFO)
    root, teller = logging.getLogger(), _Teller(voice, job)
    root.addHandler(teller)
    try:
        yield
    finally:
        root.removeHandler(teller)


if __name__ == "__main__":
    main()
