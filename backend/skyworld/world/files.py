"""Files that are whole or not there."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyworld.errors import UserError

# What the operating system may answer that a person can mend: errno -> (problem, hint).
_MENDABLE = {
    errno.ENOSPC: ("the disk is full", "Free some space and try again; nothing that was there has been changed"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and try again"),
    errno.EACCES: ("may not be written or read", "Change its permissions or choose another place"),
    errno.EPERM: ("may not be written or read", "Change its permissions or choose another place"),
    errno.EROFS: ("lies on a disk that cannot be written", "Choose another place"),
    errno.ENOTDIR: ("one of its parent folders is a file", "Choose another place"),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Choose a shorter one"),
    errno.EISDIR: ("is a folder, and a file was expected", "Choose another name"),
    errno.EEXIST: ("a file stands where a folder is needed", "Choose another name"),
}


@contextmanager
def mendable(path: Path | str) -> Iterator[None]:
    """Turns those OSErrors about `path` that a person can mend (full disk, no permission) into UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        problem, hint = _MENDABLE[error.errno]
        raise UserError(problem, file=path, hint=hint, fix="output") from error


@contextmanager
def full_disk(path: Path | str) -> Iterator[None]:
    """Tells a full disk, and nothing else, as a UserError about `path`: for work that writes many files.

    Libraries in C++ (OpenEXR, torch) say RuntimeError without a reason, so the disk is asked.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        if full or (isinstance(error, RuntimeError) and shutil.disk_usage(Path(path).parent).free < 1 << 20):
            problem, hint = _MENDABLE[errno.ENOSPC]
            raise UserError(problem, file=path, hint=hint, fix="output") from error
        raise


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path in the same folder; renamed over `path` on success, removed on failure.

    The temporary name ends like `path` does, so that writers which go by the suffix agree. Parent
    folders are made. The bytes reach the disk before the rename: after a power cut there is the old
    file or the new one. Raises UserError where the disk is full or the place cannot be written.
    """
    path = Path(path)
    with mendable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        beside = Path(name)
        try:
            with full_disk(path):
                yield beside
            beside.chmod(0o666 & ~_umask())
            with beside.open("rb") as written:
                os.fsync(written.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def _umask() -> int:
    """mkstemp makes private files; a world is to be as readable as any other file of the user."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def digest(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes. Raises UserError where the file cannot be read."""
    if not Path(path).is_file():
        raise UserError("there is no such file", file=path, hint="Check the name")
    with mendable(path), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
