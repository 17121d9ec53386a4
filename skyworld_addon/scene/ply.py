"""The PLY files of 3D Gaussian splatting and of coloured points, read and written with numpy alone.

3DGS layout (Kerbl et al. 2023, section 4 and its reference files): x y z, f_dc_0..2, f_rest_* (all
coefficients of red, then green, then blue), opacity as logit, scale_* as logarithm, rot_0..3 as wxyz.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import files
from ..errors import UserError

ROWS = 1 << 16  # rows decoded at a time: the scratch of a big file stays small and in the cache
THREADS = min(4, os.cpu_count() or 1)
DEGREES = {0: 0, 9: 1, 24: 2, 45: 3, 72: 4}  # f_rest properties -> SH degree
SH_DC = 0.28209479177387814
TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2",
    "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
POSITION = ("x", "y", "z")
COLOUR = ("red", "green", "blue")
DC, SCALE, ROT = (tuple(f"{name}_{i}" for i in range(n)) for name, n in (("f_dc", 3), ("scale", 3), ("rot", 4)))
GAUSSIAN = (*DC, "opacity", *SCALE, *ROT)


@dataclass
class Splats:
    """N Gaussians, all float32.

    means [N, 3] metres; scales [N, 3] linear; quats [N, 4] wxyz, unit; opacities [N] 0..1;
    dc [N, 3] SH coefficients of degree 0; sh [K, N, 3] the higher ones, K = 0, 3, 8, 15 or 24;
    extra: further scalars [N] by name.
    """

    means: np.ndarray
    scales: np.ndarray
    quats: np.ndarray
    opacities: np.ndarray
    dc: np.ndarray
    sh: np.ndarray
    extra: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.means)

    @property
    def colours(self):
        """[N, 3] sRGB-encoded colour without direction, 0..1."""
        return np.clip(0.5 + SH_DC * self.dc, 0, 1)


@dataclass
class Points:
    """Coloured points: positions [N, 3] float32 metres, colours [N, 3] float32 sRGB-encoded 0..1."""

    positions: np.ndarray
    colours: np.ndarray

    def __len__(self):
        return len(self.positions)


@dataclass
class _Header:
    order: str  # "", "<" or ">": ASCII, little or big endian
    skip: int  # bytes (binary) or rows (ASCII) of elements that come before the vertices
    count: int
    properties: dict  # name -> numpy type code

    @property
    def dtype(self):
        return np.dtype([(name, self.order + kind) for name, kind in self.properties.items()])


def read(path):
    """Reads a PLY file as `Splats`, or as `Points` where it has colours but no Gaussians."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            header = _read_header(file, path)
            if header.count == 0:
                raise UserError("holds no points at all", file=path, hint="Export it again")
            _check_size(file, header, path)
            names = list(header.properties)
            if all(name in names for name in POSITION + COLOUR) and not any(name in names for name in GAUSSIAN):
                return _read_points(file, header, path)
            return _read_splats(file, header, path)
    except OSError as error:
        hint = "Choose another file"
        raise UserError("cannot be read ({reason})", file=path, hint=hint, reason=error.strerror) from error


def is_compressed(path):
    """Whether there is a compressed splat PLY at `path`, which the backend reads."""
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return head.startswith(b"ply") and b"\nelement chunk" in head


def _read_header(file, path):
    if file.readline(16).strip() != b"ply":
        raise UserError("is not a PLY file", file=path, hint="Choose a .ply file of Gaussian splats or points")
    orders = {b"ascii": "", b"binary_little_endian": "<", b"binary_big_endian": ">"}
    order, elements = None, []
    for _ in range(10_000):
        words = file.readline(4096).split()
        if words[:1] == [b"end_header"]:
            break
        try:
            if words[:1] == [b"format"]:
                order = orders[words[1]]
            elif words[:1] == [b"element"]:
                elements.append((words[1].decode(), int(words[2]), {}))
            elif words[:1] == [b"property"]:
                kind = "list" if words[1] == b"list" else TYPES[words[1].decode()]
                elements[-1][2][words[-1].decode()] = kind
        except (KeyError, IndexError, ValueError) as error:
            raise UserError("has a damaged PLY header", file=path, hint="Export it again") from error
    else:
        raise UserError("has a PLY header without end", file=path, hint="Export it again")
    if order is None:
        raise UserError("has a PLY header that does not tell the format", file=path, hint="Export it again")
    skip = 0
    for name, count, properties in elements:
        listed = "list" in properties.values()
        if name == "vertex" and not listed and count >= 0:
            return _Header(order, skip, count, properties)
        if name == "vertex" or (listed and order):
            break
        skip += count * (np.dtype(",".join(properties.values())).itemsize if order else 1)
    if any(name == "chunk" for name, _, _ in elements):
        raise UserError("is a compressed splat PLY", file=path, hint="Save it as an uncompressed .ply first")
    raise UserError("has no readable list of vertices", file=path, hint="Choose a .ply of splats or points")


def _rows(file, header, path):
    """Yields (slice, float32 [n, number of properties])."""
    wanted = len(header.properties)
    if not header.order:
        # loadtxt may read fewer rows than asked for, and warns when there is none
        lines = [line for line in file.read().splitlines() if line.strip()][header.skip : header.skip + header.count]
        if len(lines) < header.count:
            raise _cut_short(path, header.count, len(lines))
        try:
            yield slice(0, header.count), np.loadtxt(lines, np.float32, comments=None, ndmin=2, usecols=range(wanted))
        except ValueError as error:
            raise UserError("has a row that is not made of numbers", file=path, hint="Export it again") from error
        return
    dtype = header.dtype
    file.seek(header.skip, os.SEEK_CUR)
    uniform = set(header.properties.values()) == {"f4"}
    for start in range(0, header.count, ROWS):
        block = np.fromfile(file, dtype, min(ROWS, header.count - start))
        if uniform:
            rows = block.view(header.order + "f4").reshape(-1, wanted).astype(np.float32, copy=False)
        else:
            rows = np.stack([block[name].astype(np.float32) for name in header.properties], -1)
        yield slice(start, start + len(rows)), rows


def _check_size(file, header, path):
    """A damaged count must not ask for more memory than the file can fill."""
    left = os.fstat(file.fileno()).st_size - file.tell()
    held = (left - header.skip) // header.dtype.itemsize if header.order else left // (2 * len(header.properties))
    if held < header.count:
        raise _cut_short(path, header.count, held)


def _cut_short(path, promised, held):
    problem = "is cut short: it promises {promised:,} points and holds {held:,}"
    return UserError(problem, file=path, hint="Copy or export it again", promised=promised, held=max(held, 0))


def _check_finite(rows, path):
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows)).any(-1).sum())
        problem = "has values that are not numbers (NaN or infinite) in {bad:,} of {count:,} points looked at"
        raise UserError(problem, file=path, hint="Export it again without them", bad=bad, count=len(rows))


def _read_points(file, header, path):
    names = list(header.properties)
    position, colour = ([names.index(name) for name in group] for group in (POSITION, COLOUR))
    white = {"u1": 255.0, "u2": 65535.0}.get(header.properties["red"], 1.0)
    points = Points(*(np.empty((header.count, 3), np.float32) for _ in range(2)))
    for at, rows in _rows(file, header, path):
        _check_finite(rows[:, position + colour], path)
        points.positions[at] = rows[:, position]
        points.colours[at] = np.clip(rows[:, colour] / white, 0, 1)
    return points


def _read_splats(file, header, path):
    names = list(header.properties)
    missing = [name for name in POSITION + GAUSSIAN if name not in names]
    if missing:
        shown = ", ".join(missing[:4]) + ("…" if len(missing) > 4 else "")
        hint = "Choose a .ply of 3D Gaussian splatting, or a point cloud with red, green and blue"
        raise UserError("is not a splat file: it has no {missing}", file=path, hint=hint, missing=shown)
    rest = [name for name in names if name.startswith("f_rest_")]
    if len(rest) not in DEGREES or set(rest) != {f"f_rest_{i}" for i in range(len(rest))}:
        problem = "has {count} f_rest properties, which is no spherical harmonics degree (0, 9, 24, 45 or 72)"
        raise UserError(problem, file=path, hint="Export it again", count=len(rest))
    known = {*POSITION, *GAUSSIAN, *rest, *COLOUR, "nx", "ny", "nz"}
    K = len(rest) // 3
    column = {name: index for index, name in enumerate(names)}
    dc, scale, rot = ([column[name] for name in group] for group in (DC, SCALE, ROT))
    position, sh = [column[name] for name in POSITION], [column[f"f_rest_{i}"] for i in range(3 * K)]
    in_order = sh == list(range(sh[0], sh[0] + 3 * K)) if sh else False

    N = header.count
    means, scales, base = (np.empty((N, 3), np.float32) for _ in range(3))
    quats, opacities, higher = np.empty((N, 4), np.float32), np.empty(N, np.float32), np.empty((K, N, 3), np.float32)
    extra = {name: np.empty(N, np.float32) for name in names if name not in known}
    used = [column[name] for name in names if name in known and name not in (*COLOUR, "nx", "ny", "nz")]

    def decode(at, rows):
        _check_finite(rows if len(used) == len(names) else rows[:, used], path)
        means[at], base[at] = rows[:, position], rows[:, dc]
        np.exp(rows[:, scale], out=scales[at])
        opacities[at] = 1 / (1 + np.exp(-np.clip(rows[:, column["opacity"]], -80, 80)))
        length = np.linalg.norm(rows[:, rot], axis=1, keepdims=True)
        quats[at] = np.where(length < 1e-12, np.array([1, 0, 0, 0], np.float32), rows[:, rot])
        quats[at] /= np.where(length < 1e-12, 1, length)
        if K:
            block = rows[:, sh[0] : sh[0] + 3 * K] if in_order else rows[:, sh]
            higher[:, at] = block.reshape(-1, 3, K).transpose(2, 0, 1)
        for name, values in extra.items():
            values[at] = rows[:, column[name]]

    _spread(decode, _rows(file, header, path))
    return Splats(means, scales, quats, opacities, base, higher, extra)


def _spread(function, items):
    """Calls function(*item) for each, in a few threads: numpy lets them run at once. The first error is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, *item))
            if len(waiting) > 2 * THREADS:  # a file is read no faster than it is decoded
                waiting.popleft().result()
        for one in waiting:
            one.result()


def encode(splats):
    """The bytes (a bytearray) of a binary 3DGS PLY file of `splats`."""
    K, N = len(splats.sh), len(splats)
    rest = [f"f_rest_{i}" for i in range(3 * K)]
    names = [*POSITION, "nx", "ny", "nz", *DC, *rest, "opacity", *SCALE, *ROT, *splats.extra]
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {N}"]
    text = "\n".join([*lines, *(f"property float {name}" for name in names), "end_header\n"])
    data = bytearray(len(text) + N * len(names) * 4)
    data[: len(text)] = text.encode()
    table = np.frombuffer(data, "<f4", offset=len(text)).reshape(N, len(names))
    opacity = 9 + 3 * K
    for start in range(0, N, ROWS):
        at = slice(start, start + ROWS)
        table[at, :3] = splats.means[at]
        table[at, 6:9] = splats.dc[at]
        table[at, 9:opacity] = splats.sh[:, at].transpose(1, 2, 0).reshape(len(splats.means[at]), 3 * K)
        # a sigmoid that was rounded to 0 or 1 has no finite logit
        p = np.clip(splats.opacities[at].astype(np.float64), 1e-7, 1 - 1e-7)
        table[at, opacity] = np.log(p / (1 - p))
        table[at, opacity + 1 : opacity + 4] = np.log(np.maximum(splats.scales[at], 1e-30))
        table[at, opacity + 4 : opacity + 8] = splats.quats[at]
        for index, values in enumerate(splats.extra.values()):
            table[at, opacity + 8 + index] = values[at]
    return data


def write(path, splats):
    """Writes `splats` as 3DGS PLY; the file appears whole or not at all."""
    files.write(path, encode(splats))
