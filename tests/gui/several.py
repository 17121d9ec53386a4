"""Run inside Blender's window: scripts of this folder one after the other, each in an empty scene.

BG_PASS_SCRIPTS names them; each has a generator `steps(gui)`, and what became of it is printed: `script NAME: passed`.
BG_PASS_REPOSITORY is the repository, visible inside under the same path.
"""

import importlib
import os
import sys
import time
import traceback
from pathlib import Path

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
sys.path[:0] = [str(REPOSITORY / "tests/addon"), str(REPOSITORY / "tests/gui")]

import window  # noqa: E402


def steps(gui):
    for name in os.environ["BG_PASS_SCRIPTS"].split(","):
        started = time.monotonic()
        try:
            window.fresh(gui)
            yield from importlib.import_module(name).steps(gui)
            result = "passed"
        except Exception:  # it is this script's alone: the others go on
            traceback.print_exc(file=sys.stdout)
            gui.shot(f"{name}-failed")
            result = "failed"
        print(f"script {name}: {result} after {time.monotonic() - started:.1f} s", flush=True)
