"""Files that appear whole or not at all."""

from pathlib import Path

from .errors import UserError


def write(path, data):
    """Writes bytes. UserError where that fails; what was there before is there still."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        hint = "Choose another folder or free some space"
        raise UserError("cannot be written ({reason})", file=path, hint=hint, reason=error.strerror) from error
