"""One writer a world. The lock belongs to the process: whatever kills it, the lock is gone with it."""

import os
import sys
from pathlib import Path
from weakref import WeakValueDictionary

from skyworld.errors import UserError
from skyworld.world.files import mendable

# Several World objects of one process share one lock; it is released when the last of them is gone.
_held: "WeakValueDictionary[Path, WorldLock]" = WeakValueDictionary()


class WorldLock:
    """Held as long as the object lives. Raises UserError where another process holds it."""

    def __init__(self, root: Path):
        with mendable(root):
            self._file = (root / ".lock").open("a+", encoding="utf-8")
        if not _try_lock(self._file.fileno()):
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise UserError(
                f"another process (number {owner}) is working on this world",
                file=root,
                hint="Wait until it is done or cancel it, or choose another folder",
            )
        with mendable(root):
            self._file.truncate(0)
            self._file.write(str(os.getpid()))
            self._file.flush()

    @classmethod
    def of(cls, root: Path) -> "WorldLock":
        """The lock of a world, shared within this process."""
        key = root.resolve()
        lock = _held.get(key)
        if lock is None:
            lock = _held[key] = cls(root)
        return lock

    def __del__(self):
        if hasattr(self, "_file"):
            self._file.close()


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
