"""Splat files that only the backend reads and writes, by its command `convert`. This blocks."""

import os
import subprocess
import sys
from pathlib import Path

from ..errors import UserError
from ..scene import ply

SECONDS = 1800.0
SUFFIXES = (".spz", ".splat", ".sog", "meta.json", ".glb", ".usd", ".usda", ".usdc", ".usdz")
COMPRESSED = ".compressed.ply"


def needs_backend(path):
    """Whether a file has, by its name or content, a format that this add-on does not know by itself."""
    return str(path).lower().endswith((COMPRESSED, *SUFFIXES)) or ply.is_compressed(path)


def convert(python, source, target):
    """Writes `target` in the format of its name. python: the backend's. Raises UserError with its sentence."""
    if not Path(python).is_file():
        hint = "Install it, or choose a .ply, for which none is needed"
        raise UserError("Files of this format need the backend on this computer", file=target, hint=hint, fix="install")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python), "-I", "-m", "skyworld", "convert", str(source), str(target), "--force"]
    flags = subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, creationflags=flags
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = "The backend could not convert it ({reason})"
        raise UserError(problem, file=target, fix="install", reason=error) from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).split("\n")[-1]
        raise UserError("{words}", words=words or f"The backend ended with {done.returncode}")
    return done.stdout.strip()
