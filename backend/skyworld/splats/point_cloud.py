"""Coloured points in PLY files, as structure-from-motion programs write them: x y z, red green blue."""

from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.world.files import atomic_write, mendable

_TYPES = {"float": "f4", "float32": "f4", "double": "f8", "float64": "f8", "uchar": "u1", "uint8": "u1",
          "char": "i1", "int8": "i1", "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
          "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"}  # fmt: skip
_FORMATS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_HEADER = 65536  # bytes that a header may have
_HINT = "Save it as a PLY of points with x y z and red green blue"


def write_points(path: Path | str, xyz: np.ndarray, rgb: np.ndarray) -> None:
    """xyz [P, 3] and rgb [P, 3], 0 to 1 -> binary PLY with float32 places and 8-bit colours."""
    columns = [(axis, "<f4") for axis in "xyz"] + [(colour, "u1") for colour in ("red", "green", "blue")]
    rows = np.empty(len(xyz), columns)
    for (name, _), column in zip(columns, [*xyz.T, *np.round(rgb.T * 255)], strict=True):
        rows[name] = column
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(xyz)}"]
    header += [f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in columns]
    with atomic_write(path) as temporary:
        temporary.write_bytes("\n".join([*header, "end_header", ""]).encode("ascii") + rows.tobytes())


def read_points(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """xyz [P, 3] float32 and rgb [P, 3] float32, 0 to 1 (grey where the file has no colours).

    Raises UserError for what is no such file: not a PLY, cut short, without vertices first or without x y z.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("there is no such file", file=path, hint="Check the name")
    with mendable(path), path.open("rb") as file:
        form, count, dtype = _header(file.read(_HEADER), path)
        file.seek(0)
        while file.readline().strip() != b"end_header":
            pass
        if form == "ascii":
            rows = _ascii(file.read(), count, dtype, path)
        else:
            there = path.stat().st_size - file.tell()
            if there < count * dtype.itemsize:
                raise UserError(f"is cut short: {count:,} points are promised", file=path, hint="Copy it again")
            rows = np.fromfile(file, dtype, count)
    xyz = np.stack([rows[axis] for axis in "xyz"], 1).astype(np.float32)
    if not np.isfinite(xyz).all():
        raise UserError("holds points that are not finite", file=path, hint=_HINT)
    if not {"red", "green", "blue"} <= set(dtype.names):
        return xyz, np.full_like(xyz, 0.5)
    rgb = np.stack([rows[colour] for colour in ("red", "green", "blue")], 1).astype(np.float32)
    return xyz, rgb / 255 if dtype["red"].kind in "iu" else rgb


def _header(head: bytes, path: Path) -> tuple[str, int, np.dtype]:
    """Format, number of vertices and the type of one of them."""
    text, found, _ = head.partition(b"end_header")
    lines = [line.split() for line in text.decode("ascii", "replace").splitlines()]
    if not found or not lines or lines[0] != ["ply"]:
        raise UserError("is not a PLY file", file=path, hint=_HINT)
    form, count, columns, element = "", None, [], None
    for words in lines[1:]:
        if words[:1] == ["format"] and len(words) > 1:
            form = words[1]
        elif words[:1] == ["element"] and len(words) == 3:
            if element is None and words[1] == "vertex" and words[2].isdigit():
                count = int(words[2])
            element = words[1]
        elif words[:1] == ["property"] and element == "vertex" and count is not None and len(words) > 2:
            if words[1] not in _TYPES or any(words[2] == name for name, _ in columns):
                raise UserError(f"its property {words[2]!r} is not a plain number", file=path, hint=_HINT)
            columns.append((words[2], _FORMATS.get(form, "=") + _TYPES[words[1]]))
    if form not in _FORMATS or not count or not {"x", "y", "z"} <= {name for name, _ in columns}:
        raise UserError("holds no points", file=path, hint=_HINT)
    return form, count, np.dtype(columns)


def _ascii(text: bytes, count: int, dtype: np.dtype, path: Path) -> np.ndarray:
    rows = [tuple(line.split()) for line in text.splitlines()[:count]]
    try:
        return np.array(rows, dtype).reshape(count)
    except (ValueError, TypeError) as error:
        raise UserError("its rows do not fit its header", file=path, hint="Copy it again") from error
