"""Pipelines that do little: work in steps, fail, crash, do not listen. A worker is given this module by name."""

import logging
import os
import signal
import time
import warnings
from pathlib import Path
from typing import ClassVar

from PIL import Image
from pydantic import Field

from skyworld.errors import UserError
from skyworld.parameters import Parameters
from skyworld.progress import Progress, stages
from skyworld.world import World, atomic_write


class TinyParameters(Parameters):
    """One job of the tests."""

    kind: ClassVar[str] = "tiny"

    output: Path = Field(title="Output", description="Folder or file to write")
    seconds: float = Field(0.5, ge=0, le=60, title="Seconds", description="How long it takes")


KINDS = dict.fromkeys(["steps", "wrong", "defect", "crash", "deaf", "world", "talk"], TinyParameters)
PIPELINES = {kind: f"tiny_pipelines:{kind}" for kind in KINDS}


def warm() -> str:
    return "tiny device"


def steps(parameters):
    print("a library that prints must not disturb the messages")
    count = max(1, int(parameters.seconds / 0.05))
    for step in range(count):
        yield Progress(step / count, f"step {step}", stage="stepping", overall=step / count)
        time.sleep(0.05)
    Image.new("RGB", (8, 8), "red").save(parameters.output)
    yield Progress(1.0, preview=parameters.output, stage="stepping", overall=1.0)


def wrong(parameters):
    yield Progress(0.0)
    raise UserError("the sky is green", file="sky.png", hint="Paint it blue", fix="photo")


def defect(parameters):
    yield Progress(0.0)
    raise ZeroDivisionError("secret detail")


def crash(parameters):
    yield Progress(0.0, "about to crash")
    time.sleep(parameters.seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def deaf(parameters):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield Progress(0.0)
    time.sleep(parameters.seconds)


def world(parameters):
    """Two stages; the second dies the first time it runs."""
    made = World.create(parameters.output)

    def first(folder):
        yield Progress(0.5)
        with atomic_write(made.path("first.txt")) as path:
            path.write_text(str(time.time()))

    def second(folder):
        yield Progress(0.1)
        if not (folder / "been here").exists():
            (folder / "been here").touch()
            time.sleep(parameters.seconds)
            os.kill(os.getpid(), signal.SIGKILL)
        made.path("second.txt").touch()

    yield from stages(
        ("first", 1, made.stage("first", {}, ("first.txt",), first)),
        ("second", 1, made.stage("second", {}, ("second.txt",), second)),
    )


def talk(parameters):
    logging.getLogger("skyworld.tiny").info("found the horizon")
    logging.getLogger("library").info("chatter")
    warnings.warn("this lens is unknown", stacklevel=1)
    yield Progress(1.0)
