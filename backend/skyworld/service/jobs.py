"""Runs the queued jobs, one after the other, on one warm worker."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from skyworld.service.process import LostError, WorkerProcess
from skyworld.service.store import TERMINAL, Store

HUNG_SECONDS = 15.0
# A cancelled job has this long to notice, then its worker to end, before it is killed: within 1 s in every case.
NOTICE_SECONDS = 0.4
END_SECONDS = 0.4
FULL_DISK_SECONDS = 1.0  # between two looks at a full disk
_STARTS = 3  # failed starts of the worker in a row before it is given up


class Runner:
    """state: "starting" | "ready" | "busy" | "dead", of the worker."""

    def __init__(self, store: Store, pipelines: str, log: Path, patience: float = HUNG_SECONDS):
        self.store = store
        self.state = "starting"
        self.worker: WorkerProcess | None = None
        self._start = lambda: WorkerProcess.start(["--pipelines", pipelines], log, patience)
        self._queued = asyncio.Event()
        self._current: str | None = None
        self._cancelling: set[str] = set()
        self._escalations: set[asyncio.Task] = set()
        self._loop = asyncio.create_task(self._run())

    def wake(self) -> None:
        """There is a queued job."""
        self._queued.set()

    def cancel(self, job: str) -> None:
        """Cooperative first, then terminate, then kill. A job that has ended stays as it is."""
        state = self.store.job(job)["state"]
        if job == self._current and job not in self._cancelling:
            self._cancelling.add(job)
            self.worker.send(do="cancel", job=job)
            task = asyncio.create_task(self._escalate(job))
            self._escalations.add(task)
            task.add_done_callback(self._escalations.discard)
        elif state == "queued":
            self.store.finish(job, "cancelled")

    async def close(self) -> None:
        """Ends the worker. A running job stays `running` in the store: the next service goes on with it."""
        self._loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._loop
        if self.worker:
            await self.worker.end()

    async def _run(self) -> None:
        failures, reason = 0, ""
        while True:
            if failures == _STARTS:
                self.state, failures = "dead", 0
                await self._next_job()
                while job := self.store.next_queued():
                    self.store.finish(job["id"], "failed", f"The worker does not start. {reason}")
                continue
            self.state = "starting"
            try:
                self.worker = await self._start()
                await self.worker.wait_ready()
                failures = 0
                await self._serve()
            except LostError as lost:
                failures += self.state == "starting"
                reason = str(lost)
                await self.worker.end()
            except sqlite3.OperationalError:
                self.state = "dead"
                await self.worker.end()
                await self._wait_for_space()

    async def _wait_for_space(self) -> None:
        """The job list cannot be written; what ran has failed as soon as that can be told."""
        while True:
            try:
                self.store.fail_running("The disk that holds the job list was full. Retry goes on from the last stage.")
                return
            except sqlite3.OperationalError:
                await asyncio.sleep(FULL_DISK_SECONDS)

    async def _serve(self) -> None:
        """Job after job, until the worker is lost."""
        while True:
            self.state = "ready"
            waiting = asyncio.create_task(self._next_job())
            dying = asyncio.create_task(self.worker.receive())  # an idle worker says nothing
            try:
                await asyncio.wait((waiting, dying), return_when=asyncio.FIRST_COMPLETED)
                if dying.done():
                    dying.result()
                    continue
            finally:
                dying.cancel()
                waiting.cancel()
            await self._do(waiting.result())

    async def _next_job(self) -> dict:
        while (job := self.store.next_queued()) is None:
            self._queued.clear()
            await self._queued.wait()
        return job

    async def _do(self, job: dict) -> None:
        if self.store.job(job["id"])["state"] != "queued":  # cancelled in the meantime
            return
        self.state, self._current = "busy", job["id"]
        self.store.start(job["id"])
        self.worker.send(do="run", job=job["id"], kind=job["kind"], parameters=job["parameters"])
        try:
            while not self._hear(job["id"], await self.worker.receive()):
                pass
        except LostError as lost:
            wanted = job["id"] in self._cancelling
            self.store.finish(job["id"], "cancelled" if wanted else "failed", None if wanted else str(lost))
            raise
        finally:
            self._current = None
            self._cancelling.discard(job["id"])

    def _hear(self, job: str, message: dict) -> bool:
        """Stores what the worker says about a job; True when it is the last word."""
        match message["say"]:
            case "progress":
                preview = message["preview"] or self.store.preview(job)
                progress = {**message["progress"], "preview": preview is not None}
                self.store.progress(job, progress, message["preview"])
            case "log":
                self.store.log(job, message["level"], message["text"])
            case "done" | "failed" | "cancelled" as state:
                self.store.finish(job, state, message.get("error"), message.get("fix"))
        return message["say"] in TERMINAL

    async def _escalate(self, job: str) -> None:
        worker = self.worker
        for seconds, act in ((NOTICE_SECONDS, worker.terminate), (END_SECONDS, worker.kill)):
            await asyncio.sleep(seconds)
            if job not in self._cancelling:  # it has ended; a retry may run already
                return
            act()
