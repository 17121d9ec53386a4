"""A worker process as the service sees it: messages, heartbeat, death."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

_LINE = 4 << 20  # bytes; a message is a line


class LostError(Exception):
    """The worker is gone, or was killed because it did not move; says so in a sentence for the user."""


class WorkerProcess:
    """One `python -m skyworld.service.worker`. Made by `start`; all methods belong to the event loop."""

    def __init__(self, process: asyncio.subprocess.Process, patience: float, log: Path):
        self._process = process
        self._patience = patience
        self._log = log
        self._inbox: asyncio.Queue[dict | None] = asyncio.Queue()
        self._heard = time.monotonic()
        self._reader = asyncio.create_task(self._read())
        self.device: str | None = None

    @classmethod
    async def start(cls, arguments: list[str], log: Path, patience: float) -> "WorkerProcess":
        """patience: seconds without a heartbeat after which the worker counts as hung."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                # -P: a file of the current folder must not pass for a module.
                *(sys.executable, "-P", "-m", "skyworld.service.worker", *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=_LINE,
                start_new_session=True,  # so that a kill reaches its children (ffmpeg), and Ctrl-C does not
            )
        return cls(process, patience, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def wait_ready(self) -> None:
        """Until it is warm. Raises LostError."""
        message = await self.receive()
        self.device = message["device"]

    def send(self, **message) -> None:
        if self.alive:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def receive(self) -> dict:
        """The next message. Raises LostError when the worker has died or is silent for too long."""
        while True:
            if self._reader.done() and self._inbox.empty():
                raise LostError(self._obituary(await self._process.wait()))
            silence = time.monotonic() - self._heard
            if silence > self._patience and self._inbox.empty():
                self.kill()
                await self._process.wait()
                raise LostError(
                    f"The worker gave no sign of life for {self._patience:g} s and was ended. "
                    "Retry goes on from the last stage."
                )
            with contextlib.suppress(TimeoutError):
                message = await asyncio.wait_for(self._inbox.get(), max(self._patience - silence, 0.05))
                if message is None:
                    raise LostError(self._obituary(await self._process.wait()))
                return message

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    async def end(self) -> None:
        """Closes its standard input, which ends it; kills it if that is not enough."""
        if self.alive:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 0.5)
        if self.alive:
            self.kill()
            await self._process.wait()
        self._reader.cancel()

    def _signal(self, number: int) -> None:
        if not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            else:
                self._process.kill()

    async def _read(self) -> None:
        async for line in self._process.stdout:
            self._heard = time.monotonic()
            message = json.loads(line)
            if message["say"] != "alive":
                self._inbox.put_nowait(message)
        self._inbox.put_nowait(None)

    def _obituary(self, code: int) -> str:
        goes_on = "Retry goes on from the last stage."
        if code == -9:
            return f"The worker was killed (signal 9), most often because the memory was full. {goes_on}"
        if code < 0:
            return f"The worker crashed (signal {-code}, {signal.Signals(-code).name}). {goes_on}"
        return f"The worker ended unexpectedly (exit code {code}); {self._log} says why. {goes_on}"
