"""The PLY layout of 3D Gaussian Splatting: x y z, nx ny nz, f_dc_*, f_rest_*, opacity, scale_*, rot_*.

Read: ASCII, little and big endian, properties in any order and of any scalar type, any degree of
harmonics. Columns that do not belong to the layout are kept as `extra`. Written: little endian float32.
f_rest is channel by channel: all coefficients of red above the constant one, then green, then blue.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from skyworld.errors import UserError
from skyworld.splats.formats.checks import columns_named, told, validated
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
_ROWS = 65536  # handled at once: small enough for the cache, and a file never lies in memory twice
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
        size = path.stat().st_size
        header = _read_header(file, path)
        degree = _check_columns(header, path)
        _check_size(header, size, path)
        gaussians = _Rows(header.count, degree, _extra_names(header))
        blocks = _ascii_blocks(file, header, path) if header.format == "ascii" else _binary_blocks(file, header, path)
        for start, columns in blocks:
            gaussians.fill(start, columns)
        return gaussians.finish(path, drop_invalid)


def write_ply(path: Path | str, gaussians: Gaussians) -> None:
    """Writes all columns, one-dimensional extra ones included; the file appears whole or not at all."""
    columns = [tensor.detach().cpu().float().numpy() for _, tensor in gaussians.tensors()]
    means, log_scales, quats, opacities, sh = columns[:5]
    extra = {
        name: tensor.detach().cpu().float().numpy() for name, tensor in gaussians.extra.items() if tensor.ndim == 1
    }
    rest = (sh.shape[1] - 1) * 3
    names = [*_MEANS, *_NORMALS, *_DC, *(f"f_rest_{i}" for i in range(rest)), *_OPACITY, *_SCALES, *_QUATS, *extra]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(gaussians)}"]
    header += [f"property float {name}" for name in names] + ["end_header", ""]
    block = np.zeros((min(_ROWS, max(len(gaussians), 1)), len(names)), "<f4")
    with atomic_write(path) as temporary, mendable(path), open(temporary, "wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for start in range(0, len(gaussians), _ROWS):
            rows = slice(start, min(start + _ROWS, len(gaussians)))
            part = block[: rows.stop - rows.start]
            part[:, 0:3], part[:, 6:9] = means[rows], sh[rows, 0]
            for channel in range(3):
                first = 9 + channel * rest // 3
                part[:, first : first + rest // 3] = sh[rows, 1:, channel]
            part[:, 9 + rest], part[:, 10 + rest : 13 + rest] = opacities[rows], log_scales[rows]
            part[:, 13 + rest : 17 + rest] = quats[rows]
            for index, column in enumerate(extra.values()):
                part[:, 17 + rest + index] = column[rows]
            file.write(part.data)
    lost = [name for name in gaussians.extra if name not in extra]
    if lost:
        told(f"{path}: {columns_named(lost)} left out: a column of .ply is one number for each Gaussian.")


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
            start += count * np.dtype([(column, _TYPES[kind]) for column, kind in properties]).itemsize
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


def _binary_blocks(file: BinaryIO, header: _Header, path: Path):
    """(first row, float32 [rows, columns] or structured rows) block by block."""
    plain = all(header.dtype[name] == np.dtype("<f4") for name in header.dtype.names)
    file.seek(header.start)
    buffer = np.empty(min(_ROWS, header.count), header.dtype)
    for start in range(0, header.count, _ROWS):
        block = buffer[: min(_ROWS, header.count - start)]
        if file.readinto(block.view(np.uint8)) != block.nbytes:
            raise UserError("the file is truncated", file=path, hint="Copy or export it again")
        names = header.dtype.names
        # One matrix and column slices where that is possible: twice as fast as fields.
        matrix = block.view("<f4").reshape(len(block), -1) if plain else None
        yield start, _Columns(block, matrix, {name: index for index, name in enumerate(names)})


def _ascii_blocks(file: BinaryIO, header: _Header, path: Path):
    names = header.dtype.names
    columns = {name: index for index, name in enumerate(names)}
    for start in range(0, header.count, _ROWS):
        rows = min(_ROWS, header.count - start)
        lines = [file.readline(65536) for _ in range(rows)]
        try:
            matrix = np.array([line.split() for line in lines], np.float64).astype(np.float32)
        except ValueError:
            matrix = np.empty((0, 0))
        if matrix.shape != (rows, len(names)):
            raise UserError(
                f"rows {start + 1:,} to {start + rows:,} do not all hold {len(names)} numbers",
                file=path,
                hint="The file is damaged or truncated: copy or export it again",
            )
        yield start, _Columns(None, matrix, columns)


@dataclass
class _Columns:
    """A block of rows whose columns can be taken by name."""

    rows: np.ndarray | None
    matrix: np.ndarray | None
    index: dict[str, int]

    def take(self, names: tuple[str, ...], into: np.ndarray) -> None:
        """Copies the columns into `into` [rows, len(names)]."""
        places = [self.index[name] for name in names]
        if self.matrix is not None and places == list(range(places[0], places[0] + len(places))):
            into[:] = self.matrix[:, places[0] : places[-1] + 1]
        elif self.matrix is not None:
            into[:] = self.matrix[:, places]
        else:
            for column, name in enumerate(names):
                into[:, column] = self.rows[name]


class _Rows:
    """Gaussians that are filled block by block."""

    def __init__(self, count: int, degree: int, extra: list[str]):
        self.bands = (degree + 1) ** 2
        self.arrays = {
            "means": np.empty((count, 3), np.float32),
            "log_scales": np.empty((count, 3), np.float32),
            "quats": np.empty((count, 4), np.float32),
            "logit_opacities": np.empty((count, 1), np.float32),
            "sh": np.empty((count, self.bands, 3), np.float32),
        }
        self.extra = {name: np.empty((count, 1), np.float32) for name in extra}
        self.damaged = 0

    def fill(self, start: int, columns: _Columns) -> None:
        rows = len(columns.matrix if columns.matrix is not None else columns.rows)
        span = slice(start, start + rows)
        layout = {"means": _MEANS, "log_scales": _SCALES, "quats": _QUATS, "logit_opacities": _OPACITY}
        for name, source in layout.items():
            columns.take(source, self.arrays[name][span])
        sh = self.arrays["sh"][span]
        columns.take(_DC, sh[:, 0])
        for channel in range(3 if self.bands > 1 else 0):
            first = channel * (self.bands - 1)
            columns.take(tuple(f"f_rest_{first + i}" for i in range(self.bands - 1)), sh[:, 1:, channel])
        for name, array in self.extra.items():
            columns.take((name,), array[span])
        parts = [array[span] for array in self.arrays.values()]
        if not all(np.isfinite(part.sum(dtype=np.float64)) for part in parts):
            good = np.logical_and.reduce([np.isfinite(part).reshape(rows, -1).all(1) for part in parts])
            self.damaged += int((~good).sum())

    def finish(self, path: Path, drop_invalid: bool) -> Gaussians:
        count = len(self.arrays["means"])
        if self.damaged and not drop_invalid:
            raise UserError(
                f"{self.damaged:,} of its {count:,} Gaussians have values that are NaN or infinite",
                file=path,
                hint="Delete them in the program that made the file, or export it again",
            )
        tensors = {name: torch.from_numpy(array) for name, array in self.arrays.items()}
        tensors["logit_opacities"] = tensors["logit_opacities"][:, 0]
        extra = {name: torch.from_numpy(array[:, 0]) for name, array in self.extra.items()}
        gaussians = Gaussians(**tensors, extra=extra)
        return validated(gaussians, path, drop_invalid) if self.damaged else gaussians
