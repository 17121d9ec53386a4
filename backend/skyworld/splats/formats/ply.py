"""The PLY layout of 3D Gaussian Splatting: x y z, nx ny nz, f_dc_*, f_rest_*, opacity, scale_*, rot_*.

Read: ASCII, little and big endian, properties in any order and of any scalar type, any degree of
harmonics. Columns that do not belong to the layout are kept as `extra`. Written: little endian float32.
f_rest is channel by channel: all coefficients of red above the constant one, then green, then blue.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from skyworld.errors import UserError
from skyworld.splats.formats.checks import allocated, arrays, behind, columns_named, slices, told, truncated, validated
from skyworld.splats.gaussians import Gaussians
from skyworld.world.files import atomic_write, mendable

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_ENDIAN = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
_MEANS, _DC, _OPACITY = ("x", "y", "z"), ("f_dc_0", "f_dc_1", "f_dc_2"), ("opacity",)
_SCALES, _QUATS = tuple(f"scale_{i}" for i in range(3)), tuple(f"rot_{i}" for i in range(4))
_NORMALS = ("nx", "ny", "nz")
_REQUIRED = (*_MEANS, *_DC, *_OPACITY, *_SCALES, *_QUATS)
_REST_COUNTS = {0: 0, 9: 1, 24: 2, 45: 3}  # number of f_rest columns -> degree
_ROWS = 4096  # handled at once: a megabyte with all harmonics, which stays in the cache
_HEADER_LIMIT = 1 << 20  # bytes


@dataclass(frozen=True)
class _Header:
    format: str
    count: int
    dtype: np.dtype  # one row of the element `vertex`
    start: int  # of its first row in the file, bytes


def read_ply(path: Path | str, *, drop_invalid: bool = False) -> Gaussians:
    """The Gaussians of a 3DGS PLY file, as they stand in it; those with NaN or infinite values are left out on demand.

    Raises UserError for what is no such file: not a PLY, missing properties, no Gaussians, truncated,
    a header that promises more than the file holds (before memory is taken), NaN or infinite values.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("there is no such file", file=path, hint="Choose a .ply of Gaussian splats")
    with mendable(path), path.open("rb") as file:
        header = _read_header(file, path)
        degree = _check_columns(header, path)
        _check_size(header, path.stat().st_size, path)
        gaussians = allocated(header.count, degree, path)
        gaussians.extra = {name: torch.empty(header.count) for name in _extra_names(header)}
        table = _table(gaussians)
        blocks = _ascii_blocks(file, header, path) if header.format == "ascii" else _binary_blocks(file, header, path)
        for part, block in blocks:
            for names, column in table.items():
                block.take(names, column[part])
    return validated(gaussians, path, drop_invalid)


def write_ply(path: Path | str, gaussians: Gaussians) -> None:
    """Writes all columns, one-dimensional extra ones included; the file appears whole or not at all."""
    lost = [name for name, column in gaussians.extra.items() if column.ndim != 1]
    kept = replace(gaussians, extra={name: gaussians.extra[name] for name in gaussians.extra if name not in lost})
    names = [name for group in _table(kept[:0]) for name in group]
    names[3:3] = _NORMALS
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(kept)}"]
    header += [f"property float {name}" for name in names] + ["end_header", ""]
    buffers = np.zeros((2, min(_ROWS, len(kept)), len(names)), "<f4")  # one is written while the other is filled
    with atomic_write(path) as temporary, mendable(path), open(temporary, "wb") as file, behind(file.write) as put:
        put("\n".join(header).encode("ascii"))
        for turn, part in enumerate(slices(len(kept), _ROWS)):
            block = buffers[turn % 2, : part.stop - part.start]
            for group, column in _table(kept[part]).items():
                first = names.index(group[0])
                block[:, first : first + len(group)] = column
            put(block.data)
    if lost:
        told(f"{path}: {columns_named(lost)} left out: a column of .ply is one number for each Gaussian.")


def _table(gaussians: Gaussians) -> dict[tuple[str, ...], np.ndarray]:
    """Properties that stand side by side in a file -> their columns [N, ...], views of `gaussians` on the CPU."""
    columns, extra = arrays(gaussians), gaussians.extra
    higher = columns.sh.shape[1] - 1
    rest = [tuple(f"f_rest_{c * higher + i}" for i in range(higher)) for c in range(3 if higher else 0)]
    return {
        _MEANS: columns.means,
        _DC: columns.sh[:, 0],
        **{names: columns.sh[:, 1:, channel] for channel, names in enumerate(rest)},
        _OPACITY: columns.logit_opacities[:, None],
        _SCALES: columns.log_scales,
        _QUATS: columns.quats,
        **{(name,): column.detach().cpu().float().numpy()[:, None] for name, column in extra.items()},
    }


def _read_header(file: BinaryIO, path: Path) -> _Header:
    if file.readline(16).strip() != b"ply":
        raise UserError("this is not a PLY file", file=path, hint="Choose a .ply of Gaussian splats")
    form, elements = None, []
    while True:
        line = file.readline(4096)
        if not line.endswith(b"\n") or file.tell() > _HEADER_LIMIT:
            raise UserError("the header of this PLY file has no end", file=path, hint="It is damaged: get it again")
        words = line.decode("ascii", "replace").split()
        if words[:1] == ["end_header"]:
            break
        if words[:1] == ["format"] and len(words) >= 2:
            form = words[1]
        elif words[:1] == ["element"] and len(words) == 3 and words[2].isdigit():
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements and len(words) >= 3:
            elements[-1][2].append((words[-1], words[1]))
        elif words and words[0] not in ("comment", "obj_info"):
            raise UserError(f"the header of this PLY file has a line that makes no sense: {line[:60]!r}", file=path)
    if form not in _ENDIAN:
        raise UserError(f"the PLY format {form!r} is unknown", file=path, hint="Save it as binary_little_endian")
    start, before = file.tell(), []
    for name, count, properties in elements:
        unknown = [kind for _, kind in properties if kind not in _TYPES]
        if name == "vertex":
            if unknown:
                raise UserError(f"its vertices hold a property of the type {unknown[0]!r}", file=path, hint=_NOT_SPLATS)
            if len({column for column, _ in properties}) < len(properties):
                raise UserError("its vertices hold two properties of one name", file=path)
            if before and (form == "ascii" or any(before)):
                raise UserError("other elements stand before its vertices", file=path, hint=_NOT_SPLATS)
            fields = [(column, _ENDIAN[form] + _TYPES[kind]) for column, kind in properties]
            return _Header(form, count, np.dtype(fields), start)
        before.append(bool(unknown))
        if not unknown:
            start += count * sum(np.dtype(_TYPES[kind]).itemsize for _, kind in properties)
    raise UserError("this PLY file has no vertices", file=path, hint=_NOT_SPLATS)


_NOT_SPLATS = "Export it as an uncompressed 3D Gaussian Splatting PLY"


def _check_columns(header: _Header, path: Path) -> int:
    """Degree of the harmonics. Raises UserError where the file does not hold Gaussians."""
    names = header.dtype.names or ()
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        what = "compressed splats" if "packed_position" in names else f"no {', '.join(missing)}"
        raise UserError(f"this PLY file holds {what}", file=path, hint=_NOT_SPLATS)
    rest = sum(name.startswith("f_rest_") for name in names)
    if rest not in _REST_COUNTS or any(f"f_rest_{i}" not in names for i in range(rest)):
        raise UserError(f"it has {rest} f_rest columns; there must be 0, 9, 24 or 45 of them", file=path)
    if header.count == 0:
        raise UserError("this PLY file holds no Gaussians", file=path, hint="Choose another file")
    return _REST_COUNTS[rest]


def _check_size(header: _Header, size: int, path: Path) -> None:
    # A number in ASCII takes two bytes at least, with what separates it from the next.
    row = 2 * len(header.dtype.names) if header.format == "ascii" else header.dtype.itemsize
    promised, there = header.count * row, size - header.start + (header.format == "ascii")
    if promised > there:
        raise UserError(
            f"the file is truncated: {header.count:,} Gaussians need {promised:,} bytes, {max(there, 0):,} are there",
            file=path,
            hint="Copy or export it again",
        )


def _extra_names(header: _Header) -> list[str]:
    layout = {*_REQUIRED, *_NORMALS}
    return [name for name in header.dtype.names if name not in layout and not name.startswith("f_rest_")]


@dataclass
class _Block:
    """Some rows of a file, whose columns can be taken by name; as one matrix where all of them are float32."""

    rows: np.ndarray | None
    matrix: np.ndarray | None
    index: dict[str, int]

    def take(self, names: tuple[str, ...], into: np.ndarray) -> None:
        """Copies the columns into `into` [rows, len(names)]."""
        places = [self.index[name] for name in names]
        if self.matrix is None:
            for column, name in enumerate(names):
                into[:, column] = self.rows[name]
        elif places == list(range(places[0], places[0] + len(places))):
            into[:] = self.matrix[:, places[0] : places[-1] + 1]
        else:
            into[:] = self.matrix[:, places]


def _binary_blocks(file: BinaryIO, header: _Header, path: Path) -> Iterator[tuple[slice, _Block]]:
    names = {name: index for index, name in enumerate(header.dtype.names)}
    plain = all(header.dtype[name] == np.dtype("<f4") for name in names)
    file.seek(header.start)
    buffer = np.empty(min(_ROWS, header.count), header.dtype)
    for part in slices(header.count, _ROWS):
        rows = buffer[: part.stop - part.start]
        if file.readinto(rows.view(np.uint8)) != rows.nbytes:
            raise truncated(path, f"its {header.count:,} Gaussians")
        yield part, _Block(rows, rows.view("<f4").reshape(len(rows), -1) if plain else None, names)


def _ascii_blocks(file: BinaryIO, header: _Header, path: Path) -> Iterator[tuple[slice, _Block]]:
    names = {name: index for index, name in enumerate(header.dtype.names)}
    for part in slices(header.count, _ROWS):
        count = part.stop - part.start
        lines = [file.readline(65536) for _ in range(count)]
        try:
            matrix = np.array([line.split() for line in lines], np.float64).astype(np.float32)
        except ValueError:
            matrix = np.empty((0, 0))
        if matrix.shape != (count, len(names)):
            raise UserError(
                f"rows {part.start + 1:,} to {part.stop:,} do not all hold {len(names)} numbers",
                file=path,
                hint="The file is damaged or truncated: copy or export it again",
            )
        yield part, _Block(None, matrix, names)
