"""The local backend as a child process: started, watched, ended with Blender."""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

from ..errors import UserError
from ..translations import said

START_SECONDS = 60.0  # the first start after an installation compiles Python files
STOP_SECONDS = 3.0
LOG_LINES = 40


class LocalBackend:
    """`python -m skyworld.service`. Its stdin is held open: when Blender goes, however, the child sees its end.

    started: threading.Event, set once the handshake has come or the start has failed;
    handshake: {"url", "token", "version", "pid"} or None; failure: a sentence or "".
    """

    def __init__(self, python, log, models=""):
        """models: folder for downloaded models; empty: where huggingface_hub keeps them."""
        self.python, self.log = str(python), Path(log)
        self.started = threading.Event()
        self.handshake, self.failure = None, ""
        self._said = deque(maxlen=LOG_LINES)
        if not Path(self.python).is_file():
            hint = "Press Install Backend, or set the backend's Python in the preferences"
            raise UserError("The backend is not installed", file=self.python, hint=hint, fix="install")
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            with open(self.log, "wb") as log_file:
                # -I: Blender's Python and the artist's environment must not leak into the backend's
                self.process = subprocess.Popen(
                    [self.python, "-I", "-m", "skyworld.service"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log_file,
                    env=environment | ({"HF_HUB_CACHE": models} if models else {}),
                    creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
                )
        except OSError as error:
            raise UserError(
                "The backend cannot be started ({reason})", file=self.python, fix="preferences", reason=error.strerror
            ) from error
        atexit.register(self.stop)
        threading.Thread(target=self._read, name="SkyWorld backend output", daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            text = line.decode(errors="replace").strip()
            if self.handshake is None and text.startswith("{"):
                self.handshake = json.loads(text)
                self.started.set()
            elif text:
                self._said.append(text)
        self.process.wait()
        if self.handshake is None:
            self.failure = said("The backend did not start: {words}", words=self.last_words())
        self.started.set()

    @property
    def alive(self):
        return self.process.poll() is None

    def has_died(self, patience=0.0):
        """Whether it has ended, or ends within `patience` seconds, after it had said where it listens."""
        if self.handshake is None:
            return False
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_words(self):
        """The last line that it left in its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            lines = []
        lines = [line.strip() for line in [*self._said, *lines] if line.strip()]
        words = lines[-1] if lines else said("it ended with {status}", status=self.process.poll())
        return f"{words} (log: {self.log})"

    def stop(self):
        """Lets it end by itself, then insists. Blocks at most twice STOP_SECONDS."""
        atexit.unregister(self.stop)
        with contextlib.suppress(OSError):  # it has gone already
            self.process.stdin.close()
        for insist in (self.process.terminate, self.process.kill):
            try:
                self.process.wait(STOP_SECONDS)
                return
            except subprocess.TimeoutExpired:
                insist()
        self.process.wait(STOP_SECONDS)
