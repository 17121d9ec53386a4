"""Splats that Blender has uploaded, and the process that renders them."""

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from skyworld.errors import UserError
from skyworld.service.process import LostError, WorkerProcess
from skyworld.world.files import full_disk

CACHE_BYTES = 8 << 30
_DIGEST = re.compile("[0-9a-f]{64}")


class SplatCache:
    """A folder of <digest>.ply, bounded: those unused for longest are deleted first."""

    def __init__(self, folder: Path, limit: int = CACHE_BYTES):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.limit = limit
        for half in folder.glob(".*"):  # uploads and frames of a service that was killed
            half.unlink()

    def find(self, digest: str) -> Path | None:
        """The file of a digest, marked as used."""
        file = self.folder / f"{digest}.ply"
        if not _DIGEST.fullmatch(digest) or not file.exists():
            return None
        os.utime(file)
        return file

    async def put(self, digest: str, chunks: AsyncIterator[bytes]) -> None:
        """Keeps a body. UserError: the digest is not the body's, too large, the disk is full."""
        if not _DIGEST.fullmatch(digest):
            raise UserError("a digest is the SHA-256 of the file in 64 hexadecimal digits")
        beside = self._fresh()
        try:
            with full_disk(beside), beside.open("wb") as file:
                hashed, size = hashlib.sha256(), 0
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.limit:
                        raise UserError(f"the splats take more than {self.limit / (1 << 30):.3g} GiB")
                    hashed.update(chunk)
                    file.write(chunk)
            if hashed.hexdigest() != digest:
                raise UserError("the bytes do not belong to the digest", hint="Upload them again")
            beside.replace(self.folder / f"{digest}.ply")
        finally:
            beside.unlink(missing_ok=True)
        self._shrink(digest)

    def frame_file(self) -> Path:
        """A fresh file for one frame; whoever sends it deletes it."""
        return self._fresh()

    def _fresh(self) -> Path:
        handle, name = tempfile.mkstemp(prefix=".", dir=self.folder)
        os.close(handle)
        return Path(name)

    def _shrink(self, keep: str) -> None:
        files = sorted(self.folder.glob("*.ply"), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total > self.limit and file.stem != keep:
                total -= file.stat().st_size
                file.unlink()


class FrameWorker:
    """A second worker, started by the first frame, so that a running job does not block F12."""

    def __init__(self, log: Path, patience: float):
        self._start = lambda: WorkerProcess.start(["--frames"], log, patience)
        self._worker: WorkerProcess | None = None
        self._one_at_a_time = asyncio.Lock()

    async def render(self, order: dict) -> dict:
        """What FrameRenderer.render says. UserError with its sentence; LostError when the worker died twice over it.

        A frame depends on nothing but its order: where the worker was killed, another draws it, and none is lost.
        """
        async with self._one_at_a_time:
            try:
                answer = await self._try(order)
            except LostError:
                answer = await self._try(order)
        if answer["say"] == "failed":
            raise UserError(answer["error"]) if answer["user"] else FrameError(answer["error"])
        return answer

    async def _try(self, order: dict) -> dict:
        if self._worker is None or not self._worker.alive:
            self._worker = await self._start()
            await self._worker.wait_ready()
        self._worker.send(do="frame", **order)
        try:
            return await self._worker.receive()
        except LostError:
            await self._worker.end()
            raise
        except asyncio.CancelledError:  # nobody waits for the frame any more, and its answer must not meet the next
            self._worker.kill()
            raise

    async def close(self) -> None:
        if self._worker:
            await self._worker.end()


class FrameError(Exception):
    """A defect met while rendering a frame; the log has its trace."""
