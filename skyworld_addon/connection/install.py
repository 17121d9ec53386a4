"""Makes the backend's own Python environment from the wheel that lies in the extension.

Nothing goes into Blender's Python or the extension's folder: the environment lies in the user's folder
of the extension. An older one steps aside and comes back when the installation fails.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from ..errors import UserError
from ..translations import said

TORCH = "torch==2.13.0"
INDEX = "https://download.pytorch.org/whl/"
OLDEST = (3, 11)
NEWEST = (3, 14)  # torch has wheels up to here
PROBE_SECONDS = 10.0


def python_of(environment):
    """The Python of a virtual environment."""
    return Path(environment) / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def source():
    """What pip installs: the wheel in the extension, or the backend's folder of a source checkout."""
    root = Path(__file__).resolve().parent.parent
    wheels = sorted((root / "backend").glob("*.whl"))
    if wheels:
        return wheels[-1]
    checkout = root.parent / "backend"
    if (checkout / "pyproject.toml").is_file():
        return checkout
    raise UserError(
        "The backend's wheel is missing from the add-on", file=root / "backend", hint="Install the add-on again"
    )


def find_python(wished=""):
    """A Python that can hold the backend: the wished one, else the newest of the system, else Blender's own."""
    if wished:
        if _version(wished) is None:
            raise UserError("is no Python that runs", file=wished, hint="Choose another one in the preferences")
        if not OLDEST <= _version(wished) <= NEWEST:
            raise UserError("is not a Python 3.11 to 3.14", file=wished, hint="Choose another one in the preferences")
        return wished
    names = [f"python3.{minor}" for minor in range(13, 10, -1)] + ["python3", "python"]
    for candidate in [*filter(None, map(shutil.which, names)), sys.executable]:
        if OLDEST <= (_version(candidate) or (0, 0)) <= NEWEST:
            return candidate
    hint = "Install Python 3.13 from python.org, or set one in the preferences"
    raise UserError("No Python 3.11 to 3.14 with venv was found", hint=hint)


def _version(python):
    code = "import ensurepip, sys, venv; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=PROBE_SECONDS)
        return tuple(int(n) for n in answer.stdout.split()) if answer.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None


def requirements(wheel, device):
    """pip's arguments. On Linux and Windows PyPI's torch is not the one wanted: Linux brings CUDA, Windows does not."""
    if device == "CUDA":
        extra = ["--extra-index-url", INDEX + "cu130"] if sys.platform == "win32" else []
        return [*extra, TORCH, f"skyworld-backend[cuda,checkpoints] @ {Path(wheel).as_uri()}"]
    # a "+cpu" build counts as newer than the plain one, so pip takes it where the index can be reached
    extra = [] if platform.system() == "Darwin" else ["--extra-index-url", INDEX + "cpu"]
    return [*extra, TORCH, f"skyworld-backend @ {Path(wheel).as_uri()}"]


class Installer:
    """Runs in a thread. The panel reads `fraction`, `line`, `error` and `state`: running, done, failed or cancelled."""

    def __init__(self, python, environment, device, log):
        self.python, self.environment, self.device = str(python), Path(environment), device
        self.log = Path(log)
        self.wheel = source()
        self.state, self.error, self.line, self.fraction = "running", "", said("Looking for Python"), 0.0
        self._process, self._cancelled = None, False
        self.thread = threading.Thread(target=self._work, name="SkyWorld installer", daemon=True)

    def start(self):
        self.thread.start()

    def cancel(self):
        self._cancelled, self.line = True, said("Cancelling")
        if self._process and self._process.poll() is None:
            self._process.kill()

    def _work(self):
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with open(self.log, "w", encoding="utf-8") as log:
                self._make(log)
            self.state, self.line, self.fraction = "done", said("Installed"), 1.0
        except UserError as error:
            self.state, self.error = ("cancelled", "") if self._cancelled else ("failed", str(error))
        except OSError as error:
            where = error.filename or self.environment
            self.state = "failed"
            self.error = str(UserError("cannot be written ({reason})", file=where, reason=error.strerror))

    def _make(self, log):
        python = find_python(self.python)
        # scripts of an environment hold its path, so it cannot be made elsewhere and moved
        old = self.environment.with_name(self.environment.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if self.environment.exists():
            self.environment.rename(old)
        try:
            self._run(log, "Making the environment", [python, "-I", "-m", "venv", str(self.environment)], 0.05)
            inside = [str(python_of(self.environment)), "-I", "-m"]
            pip = [*inside, "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
            self._run(log, "Downloading packages", [*pip, *requirements(self.wheel, self.device)], 0.85)
            self._run(log, "Compiling", [*inside, "skyworld.compile"], 1.0)
        except UserError:
            shutil.rmtree(self.environment, ignore_errors=True)
            if old.exists():
                old.rename(self.environment)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def _run(self, log, title, command, until):
        """One step; its lines go to the log and to `line`, `fraction` creeps toward `until`."""
        if self._cancelled:
            raise UserError("cancelled")
        self.line = said(title)
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=env,
            creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
        )
        last = ""
        for line in self._process.stdout:
            log.write(line)
            log.flush()
            last = line.strip() or last
            self.line = f"{said(title)}: {_readable(last)}"
            self.fraction += (until - self.fraction) * 0.03
        if self._process.wait() != 0:
            if self._cancelled:
                raise UserError("cancelled")
            problem, hint = "The backend was not installed. {step} ended with: {words}", "The whole story is in {log}"
            raise UserError(problem, hint=hint, step=said(title), words=last or "-", log=self.log)
        self.fraction = until


def _readable(line):
    """A line of pip, or of `skyworld.compile` ({"fraction", "message"})."""
    try:
        return json.loads(line)["message"]
    except (ValueError, KeyError, TypeError):
        return line[:80]
