"""One writer a world. The lock belongs to the process: whatever kills it, the lock is gone with it."""

import os
import sys
from pathlib import Path
from typing import IO
from weakref import WeakValueDictionary

from skyworld.errors import UserError
from skyworld.world.files import mendable

_NAME = ".lock"
# Several World objects of one process share one lock; it is released when the last of them is gone.
_held: "WeakValueDictionary[Path, WorldLock]" = WeakValueDictionary()


class WorldLock:
    """Held as long as the object lives. Raises UserError where another process holds it."""

    def __init__(self, root: Path):
        self._file = take_lock(root)
        if self._file is None:
            owner = (root / _NAME).read_text(encoding="utf-8").strip() or "unknown"
            raise UserError(
                f"another process (number {owner}) is working on this world",
                file=root,
                hint="Wait until it is done or cancel it, or choose another folder",
            )

    @classmethod
    def of(cls, root: Path) -> "WorldLock":
        """The lock of a world, shared within this process."""
        key = root.resolve()
        lock = _held.get(key)
        if lock is None:
            lock = _held[key] = cls(root)
        return lock


def take_lock(folder: Path) -> IO | None:
    """Locks a folder for as long as the returned file is open; None where another process holds it."""
    with mendable(folder):
        file = (folder / _NAME).open("a+", encoding="utf-8")
        if not _try_lock(file.fileno()):
            file.close()
            return None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    return file


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        # Windows' locks keep others from reading the locked bytes, so a byte far behind the text is locked.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
