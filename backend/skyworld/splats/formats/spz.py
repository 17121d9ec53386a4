""".spz, Niantic's compressed splats (github.com/nianticlabs/spz), versions 1 to 4.

Attribute after attribute: positions, opacities, colours, scales, rotations, harmonics. Up to version 3 one
gzip stream holds a 16-byte header and all attributes; version 4 has a plain header and one zstd stream each.
The file's axes are right, up, back (RUB); those of 3DGS, and so of Gaussians, right, down, front (RDF): half
a turn about x between them, which negates y and z, and with them some harmonics.
"""

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
import zstandard

from skyworld.errors import UserError
from skyworld.splats.formats import quantisation as q
from skyworld.splats.formats.checks import (
    Losses,
    allocated,
    arrays,
    behind,
    columns_named,
    damaged,
    mapped,
    refuse_promise,
    refuse_unwritable,
    slices,
    told,
    truncated,
    validated,
)
from skyworld.splats.gaussians import Gaussians
from skyworld.world.files import atomic_write

MAGIC = b"NGSP"
VERSIONS = (2, 3, 4)
_GZIP = b"\x1f\x8b"
_HEADER = struct.Struct("<4sIIBBBB")  # magic, version, count, degree, fractional bits, flags, reserved or streams
_HEADER4 = struct.Struct("<4sIIBBBBI12x")  # the same and the offset of the table of contents
_TOC = struct.Struct("<QQ")  # compressed, uncompressed bytes of a stream
_ANTIALIASED, _EXTENSIONS = 1, 2
_FRACTION_BITS = 12  # of the reference; fewer where the scene is larger than 2 km
_COLOUR_SCALE = 0.15
_PIECE = 1 << 20
_THREADS = min(8, os.cpu_count() or 1)
# Signs under half a turn about x, in the order of 3DGS: 1; y z x; xy yz zz xz xx-yy; and the seven of degree 3.
_HALF_TURN = np.float32([1, -1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1])
_BYTE_COLOURS = ((np.arange(256) / 255 - 0.5) / _COLOUR_SCALE).astype(np.float32)
_FLIP = np.float32([1, -1, -1])
_QUAT_FLIP = np.float32([1, 1, -1, -1])


@dataclass
class _Header:
    version: int
    count: int
    degree: int
    fraction_bits: int
    flags: int

    def widths(self) -> tuple[int, ...]:
        """Bytes a Gaussian of each attribute, in the order of the file."""
        positions = 6 if self.version == 1 else 9
        rotations = 3 if self.version < 3 else 4
        return positions, 1, 3, 3, rotations, 3 * ((self.degree + 1) ** 2 - 1)


# ------------------------------------------------------------------------------------------- reading


def read_spz(path: Path | str, *, drop_invalid: bool = False) -> Gaussians:
    """Reads a .spz file, decompressing as it decodes. Harmonics above degree 3 are left out with a FormatLoss.

    Raises UserError for anything that is no complete .spz file and for a header that promises too much.
    """
    # One thread decompresses the next piece while this one decodes the last.
    with ThreadPoolExecutor(1, "spz") as ahead:
        return _read(path, ahead, drop_invalid)


def _read(path, ahead: Executor, drop_invalid: bool) -> Gaussians:
    data = mapped(path)
    if data[:2].tobytes() == _GZIP:
        header, streams = _open_gzip(path, data, ahead)
    elif data[:4].tobytes() == MAGIC:
        header, streams = _open_zstd(path, data, ahead)
    else:
        raise UserError("is no .spz file: it begins with neither gzip nor NGSP", file=path, hint="Choose another file")
    if header.flags & _EXTENSIONS:
        told(f"{path}: its vendor extensions are not read; if they name other axes than RUB, turn the result.")
    if header.flags & _ANTIALIASED:
        told(f"{path}: it was trained with anti-aliasing; render it so.")
    gaussians = allocated(header.count, min(header.degree, 3), path)
    out = arrays(gaussians)
    if header.degree > 3:
        told(f"{path}: its harmonics of degree 4 were left out.")
    decoders = (_positions, _opacities, _colours, _scales, _rotations, _harmonics)
    for width, stream, decode in zip(header.widths(), streams, decoders, strict=True):
        for part in slices(header.count) if width else ():
            rows = part.stop - part.start
            raw = stream(rows * width)
            if len(raw) < rows * width:
                raise truncated(path, f"the {decode.__name__.strip('_')} of its {header.count:,} Gaussians")
            decode(np.frombuffer(raw, np.uint8).reshape(rows, width), out, part, header)
    # From version 2 on every number is an integer: only the half floats of version 1 know NaN and infinity.
    return validated(gaussians, path, drop_invalid) if header.version == 1 else gaussians


_Read = Callable[[int], bytearray]


def _open_gzip(path, data: np.ndarray, ahead: Executor) -> tuple[_Header, list[_Read]]:
    """Header of versions 1 to 3, and one reader that serves all six attributes in turn."""
    pull = _buffered(path, _ahead(_inflated(data), ahead))
    raw = pull(_HEADER.size)
    if len(raw) < _HEADER.size:
        raise truncated(path, "its header")
    magic, version, *fields, _ = _HEADER.unpack(raw)
    if magic != MAGIC or version not in (1, 2, 3):
        raise UserError(
            f"is compressed, but no .spz file of version 1 to 3 (begins {magic!r}, version {version})", file=path
        )
    header = _Header(version, *fields)
    _doubt(path, header, len(data))
    return header, [pull] * 6


def _open_zstd(path, data: np.ndarray, ahead: Executor) -> tuple[_Header, list[_Read]]:
    """Header of version 4 and a reader for each of its streams."""
    if len(data) < _HEADER4.size:
        raise truncated(path, "its header")
    _, version, *fields, streams, offset = _HEADER4.unpack(data[: _HEADER4.size].tobytes())
    if version != 4:
        raise UserError(f"is an .spz file of version {version}; 1 to 4 are known", file=path, hint="Export it as 4")
    header = _Header(version, *fields)
    _doubt(path, header, len(data))
    widths = header.widths()
    wanted = 6 if widths[-1] else 5
    start = offset + streams * _TOC.size
    if offset < _HEADER4.size or start > len(data) or streams < wanted:
        raise UserError("its table of contents lies outside the file", file=path, hint="Get the file again")
    readers: list[_Read] = []
    for (packed, plain), width in zip(_TOC.iter_unpack(data[offset:start].tobytes()), widths, strict=False):
        if plain != header.count * width or packed > len(data) - start:
            raise UserError("its table of contents does not fit its contents", file=path, hint="Get the file again")
        readers.append(_buffered(path, _ahead(_unzstd(data[start : start + packed]), ahead)))
        start += packed
    return header, readers + [_buffered(path, iter(()))] * (6 - len(readers))


def _doubt(path, header: _Header, size: int) -> None:
    if header.degree > 4 or header.fraction_bits > 24:
        raise UserError(
            f"its header asks for harmonics of degree {header.degree} and {header.fraction_bits} fractional bits",
            file=path,
            hint="Get the file again from its source",
        )
    refuse_promise(path, f"{header.count:,} Gaussians", header.count * sum(header.widths()), size)


def _inflated(data: np.ndarray) -> Iterator[bytes]:
    """The gzip stream in pieces of at most _PIECE decompressed bytes and a little."""
    inflate = zlib.decompressobj(wbits=31)
    for part in slices(len(data), _PIECE // 2):
        waiting = data[part].data
        while True:
            piece = inflate.decompress(waiting, _PIECE)
            if piece:
                yield piece
            waiting = inflate.unconsumed_tail
            if inflate.eof or (not waiting and len(piece) < _PIECE):
                break
        if inflate.eof:
            return


def _unzstd(data: np.ndarray) -> Iterator[bytes]:
    # 128 MB of window is the most that zstd's own tools accept unasked.
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data.data) as stream:
        while piece := stream.read(_PIECE):
            yield piece


def _ahead(pieces: Iterator[bytes], executor: Executor) -> Iterator[bytes]:
    """The same pieces, each made in `executor` while the one before it is used."""
    following = executor.submit(next, pieces, b"")
    while piece := following.result():
        following = executor.submit(next, pieces, b"")
        yield piece


def _buffered(path, pieces: Iterator[bytes]) -> _Read:
    """read(n) -> the next n bytes, fewer at the end."""
    rest = memoryview(b"")

    def read(size: int) -> bytearray:
        nonlocal rest
        out, filled = bytearray(size), 0
        with damaged(path, "its compressed data", zlib.error, zstandard.ZstdError):
            while filled < size:
                if not rest:
                    rest = memoryview(next(pieces, b""))
                    if not rest:
                        return out[:filled]
                taken = min(len(rest), size - filled)
                out[filled : filled + taken] = rest[:taken]
                rest, filled = rest[taken:], filled + taken
        return out

    return read


def _positions(raw: np.ndarray, out: SimpleNamespace, part: slice, header: _Header) -> None:
    if header.version == 1:
        out.means[part] = raw.view("<f2") * _FLIP
        return
    # As the upper three bytes of an int32; shifting them down spreads the sign.
    octets = np.empty((len(raw), 3, 4), np.uint8)
    octets[..., 1:] = raw.reshape(-1, 3, 3)
    fixed = octets.view("<i4")[..., 0] >> 8
    out.means[part] = fixed * (_FLIP / 2**header.fraction_bits)


def _opacities(raw: np.ndarray, out: SimpleNamespace, part: slice, header: _Header) -> None:
    out.logit_opacities[part] = q.BYTE_LOGITS[raw[:, 0]]


def _colours(raw: np.ndarray, out: SimpleNamespace, part: slice, header: _Header) -> None:
    out.sh[part, 0] = _BYTE_COLOURS[raw]


def _scales(raw: np.ndarray, out: SimpleNamespace, part: slice, header: _Header) -> None:
    out.log_scales[part] = raw * np.float32(1 / 16) - 10


def _rotations(raw: np.ndarray, out: SimpleNamespace, part: slice, header: _Header) -> None:
    if header.version < 3:
        xyz = raw / np.float32(127.5) - 1
        w = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", xyz, xyz)))
        quats = q.unit(np.column_stack([w, xyz]))
    else:
        packed = raw.view("<u4")
        fields = (packed >> np.uint32([20, 10, 0])).astype(np.int32)
        sizes = (fields & 511) * np.float32(q.HALF_SQRT2 / 511)
        rest = np.where(fields & 512, -sizes, sizes)
        quats = np.roll(q.from_smallest_three(packed[:, 0] >> 30, rest), 1, 1)  # xyzw -> wxyz
    np.multiply(quats, _QUAT_FLIP, out=out.quats[part])


def _harmonics(raw: np.ndarray, out: SimpleNamespace, part: slice, header: _Header) -> None:
    harmonics = out.sh.shape[1]
    signed = (raw ^ 128).view(np.int8).reshape(len(raw), -1, 3)[:, : harmonics - 1]
    factors = np.repeat(_HALF_TURN[1:harmonics, None] / 128, 3, 1)
    np.multiply(signed, factors, out=out.sh[part, 1:], dtype=np.float32)


# ------------------------------------------------------------------------------------------- writing


def write_spz(
    path: Path | str, gaussians: Gaussians, *, version: int = 3, sh_bits: tuple[int, int] = (5, 4), level: int = 4
) -> None:
    """Writes a .spz file of `version` 2, 3 or 4, compressing as it encodes.

    sh_bits: bits kept of the harmonics of degree 1 and above it, 1..8; fewer compress better. The reference
             encoder's are the default; (8, 8) keeps the most.
    level:   of gzip (1..9) or zstd (1..22).

    Warns with FormatLoss about what it cannot hold. Raises UserError for positions beyond 8388 km.
    """
    if version not in VERSIONS:
        raise ValueError(f"version {version} is none of {VERSIONS}")
    refuse_unwritable(gaussians, path)
    losses = Losses(path)
    if gaussians.extra:
        losses.dropped.append(columns_named(gaussians.extra))
    bits = _fraction_bits(path, float(gaussians.means.detach().abs().max()))
    header = _Header(version, len(gaussians), gaussians.sh_degree, bits, 0)
    attributes = (
        ("means", lambda means: _pack_positions(means, bits)),
        ("logit_opacities", lambda logits: q.rounded(q.opacities(logits) * 255)),
        ("sh", lambda sh: _pack_colours(sh, losses)),
        ("log_scales", lambda scales: q.rounded((losses.clamp("log_scales", scales, -10, 255 / 16 - 10) + 10) * 16)),
        ("quats", lambda quats: _pack_rotations(quats, version)),
        ("sh", lambda sh: _pack_harmonics(sh, sh_bits, losses)),
    )
    with atomic_write(path) as beside, beside.open("wb") as file:
        target = _Zstd(file, header, level) if version == 4 else _Gzip(file, header, level)
        for column, pack in attributes[: 6 if header.degree else 5]:
            with target.stream() as put:
                tensor = getattr(gaussians, column)
                for part in slices(len(gaussians)):
                    put(np.ascontiguousarray(pack(tensor[part].detach().cpu().numpy())))
        target.finish()
    losses.tell()


class _Gzip:
    """Versions 2 and 3: everything in one stream, deflated on all cores piece by piece as pigz does.

    Each piece knows the end of the one before it and ends at a byte: side by side they are one stream.
    """

    def __init__(self, file: BinaryIO, header: _Header, level: int):
        self.file, self.level = file, level
        self.threads = ThreadPoolExecutor(_THREADS, "deflate")
        self.waiting, self.before, self.size, self.crc = bytearray(), b"", 0, 0
        self.deflated: deque[Future] = deque()
        file.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
        head = (MAGIC, header.version, header.count, header.degree, header.fraction_bits, header.flags, 0)
        self.put(_HEADER.pack(*head))

    def put(self, data) -> None:
        self.waiting += memoryview(data).cast("B")
        while len(self.waiting) > _PIECE:
            self._submit(bytes(self.waiting[:_PIECE]), zlib.Z_SYNC_FLUSH)
            del self.waiting[:_PIECE]

    def _submit(self, piece: bytes, flush: int) -> None:
        self.crc, self.size = zlib.crc32(piece, self.crc), self.size + len(piece)
        self.deflated.append(self.threads.submit(_deflated, piece, self.before, flush, self.level))
        self.before = piece[-32768:]
        while len(self.deflated) > (2 * _THREADS if flush == zlib.Z_SYNC_FLUSH else 0):
            self.file.write(self.deflated.popleft().result())

    @contextmanager
    def stream(self):
        yield self.put

    def finish(self) -> None:
        self._submit(bytes(self.waiting), zlib.Z_FINISH)
        self.file.write(struct.pack("<II", self.crc, self.size & 0xFFFFFFFF))
        self.threads.shutdown()


def _deflated(piece: bytes, before: bytes, flush: int, level: int) -> bytes:
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, zdict=before)
    return deflate.compress(piece) + deflate.flush(flush)


class _Zstd:
    """Version 4: a stream for each attribute; the table of contents is filled in when their sizes are known."""

    def __init__(self, file: BinaryIO, header: _Header, level: int):
        self.file, self.level = file, level
        streams = 6 if header.degree else 5
        self.plain = [header.count * width for width in header.widths()[:streams]]
        self.packed: list[int] = []
        head = (MAGIC, 4, header.count, header.degree, header.fraction_bits, header.flags, streams, _HEADER4.size)
        file.write(_HEADER4.pack(*head) + bytes(streams * _TOC.size))

    @contextmanager
    def stream(self):
        start = self.file.tell()
        plain = self.plain[len(self.packed)]
        # The reference decodes streams of a stated size only.
        zstd = zstandard.ZstdCompressor(self.level, threads=_THREADS)
        with zstd.stream_writer(self.file, size=plain, closefd=False) as writer, behind(writer.write) as put:
            yield put
        self.packed.append(self.file.tell() - start)

    def finish(self) -> None:
        self.file.seek(_HEADER4.size)
        self.file.write(b"".join(_TOC.pack(*sizes) for sizes in zip(self.packed, self.plain, strict=True)))


def _fraction_bits(path, largest: float) -> int:
    """As many fractional bits of the 24 as the farthest coordinate leaves, at most those of the reference."""
    for bits in range(_FRACTION_BITS, -1, -1):
        if round(largest * 2**bits) < 2**23:
            return bits
    raise UserError(f"positions up to {largest:.3g} m do not fit into .spz", file=path, hint="Export as .ply instead")


def _pack_positions(means: np.ndarray, bits: int) -> np.ndarray:
    fixed = np.rint(means * (_FLIP * 2**bits)).astype("<i4")
    return fixed.view(np.uint8).reshape(len(means), 3, 4)[..., :3]


def _pack_colours(sh: np.ndarray, losses: Losses) -> np.ndarray:
    limit = 0.5 / _COLOUR_SCALE
    shown = losses.clamp("colours (harmonics of degree 0)", sh[:, 0], -limit, limit)
    return q.rounded((shown * _COLOUR_SCALE + 0.5) * 255)


def _pack_rotations(quats: np.ndarray, version: int) -> np.ndarray:
    xyzw = np.roll(q.unit(quats) * _QUAT_FLIP, -1, 1)
    if version == 2:
        positive = np.where(xyzw[:, 3:] < 0, -xyzw, xyzw)
        return q.rounded(positive[:, :3] * 127.5 + 127.5)
    largest, rest = q.smallest_three(xyzw)
    sizes = np.minimum(np.abs(rest) * (511 / q.HALF_SQRT2) + 0.5, 511).astype(np.uint32)
    fields = sizes | (rest < 0).astype(np.uint32) << 9
    return (largest.astype("<u4") << 30 | fields[:, 0] << 20 | fields[:, 1] << 10 | fields[:, 2]).astype("<u4")


def _pack_harmonics(sh: np.ndarray, bits: tuple[int, int], losses: Losses) -> np.ndarray:
    """128ths, rounded to buckets of 2^(8 - bits) around 128, as the reference rounds them."""
    buckets = np.full((sh.shape[1] - 1, 1), 2.0 ** (8 - bits[1]), np.float32)
    buckets[:3] = 2.0 ** (8 - bits[0])
    steps = losses.clamp("harmonics", sh[:, 1:], -1.0, 1.0) * (_HALF_TURN[1 : sh.shape[1], None] * 128 / buckets)
    np.rint(steps, out=steps)
    steps *= buckets
    steps += 128
    return np.clip(steps, 0, 255, out=steps).astype(np.uint8)
