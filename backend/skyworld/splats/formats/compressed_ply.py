""".compressed.ply of PlayCanvas: 16 bytes a Gaussian and a byte for each harmonic above degree 0.

Blocks of 256 neighbours hold the bounds of their positions, scales and colours; the element `vertex` holds
four words of 32 bits: position 11-10-11 bits, rotation 2-10-10-10 (smallest three of wxyz), scale 11-10-11,
colour and opacity 8-8-8-8. The element `sh` holds f_rest_* as bytes, -4 .. 4.
"""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from skyworld.errors import UserError
from skyworld.splats.formats import quantisation as q
from skyworld.splats.formats.checks import (
    Losses,
    allocated,
    arrays,
    columns_named,
    mapped,
    refuse_unwritable,
    slices,
    truncated,
    validated,
)
from skyworld.splats.gaussians import Gaussians
from skyworld.world.files import atomic_write

_BLOCK = 256
_ROWS = 128 * _BLOCK
_HEADER_BYTES = 1 << 14
_BOUNDS = [f"{side}_{part}{axis}" for part in ("", "scale_") for side in ("min", "max") for axis in "xyz"]
_COLOUR_BOUNDS = [f"{side}_{axis}" for side in ("min", "max") for axis in "rgb"]
_PACKED = [f"packed_{part}" for part in ("position", "rotation", "scale", "color")]
_TYPES = {"float": "<f4", "float32": "<f4", "uint": "<u4", "uint32": "<u4", "uchar": "u1", "uint8": "u1"}
_REST = {0: 0, 9: 1, 24: 2, 45: 3}  # bytes of an `sh` row -> degree
_SH_RANGE = 4.0
# A byte stands for the middle of its 256th, save that the outermost stand for the ends.
_BYTE_SH = np.float32((np.r_[0, (np.arange(1, 255) + 0.5) / 256, 1] - 0.5) * 2 * _SH_RANGE)


@dataclass
class _Element:
    name: str
    count: int
    fields: list[tuple[str, str]]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.fields)


# ------------------------------------------------------------------------------------------- reading


def is_compressed_ply(head: bytes) -> bool:
    """Whether the first bytes of a PLY file announce packed Gaussians."""
    return head.startswith(b"ply") and b"packed_position" in head.split(b"end_header")[0]


def read_compressed_ply(path: Path | str, *, drop_invalid: bool = False) -> Gaussians:
    """Reads a .compressed.ply. Raises UserError for another layout, and a header that promises more than there is."""
    data = mapped(path)
    elements, start = _header(path, data[:_HEADER_BYTES].tobytes())
    tables = {}
    for element in elements:
        size = element.count * element.dtype.itemsize
        if size > len(data) - start:
            raise truncated(path, f"its {element.count:,} rows of {element.name}")
        tables[element.name] = data[start : start + size].view(element.dtype)
        start += size
    blocks, packed = tables["chunk"], tables["vertex"]
    harmonics = tables.get("sh")
    degree = _REST[len(harmonics.dtype)] if harmonics is not None else 0
    gaussians = allocated(len(packed), degree, path)
    out = arrays(gaussians)
    for part in slices(len(packed), _ROWS):
        _unpack(np.array(packed[part]), np.array(blocks[part.start // _BLOCK : -(-part.stop // _BLOCK)]), out, part)
        if degree:
            _unpack_harmonics(harmonics[part], out.sh[part, 1:])
    return validated(gaussians, path, drop_invalid)


def _header(path, head: bytes) -> tuple[list[_Element], int]:
    """Elements and the offset of their data. Raises UserError unless they are those of the layout."""
    text, end, _ = head.partition(b"end_header\n")
    elements: list[_Element] = []
    wrong = UserError(
        "is no compressed PLY of Gaussians", file=path, hint="Choose a .compressed.ply, or read it as plain .ply"
    )
    for words in (line.split() for line in text.decode("ascii", "replace").splitlines()):
        if words[:1] == ["element"] and len(words) == 3 and words[2].isdecimal() and len(words[2]) < 19:
            elements.append(_Element(words[1], int(words[2]), []))
        elif words[:1] == ["property"] and len(words) == 3 and elements and words[1] in _TYPES:
            elements[-1].fields.append((words[2], _TYPES[words[1]]))
        elif words[:1] in (["element"], ["property"]):
            raise wrong
    if not end or b"format binary_little_endian" not in text:
        raise wrong
    known = {element.name: element for element in elements}
    fields = {name: [field for field, _ in element.fields] for name, element in known.items()}
    kinds = {name: {kind for _, kind in element.fields} for name, element in known.items()}
    if (
        list(known) not in (["chunk", "vertex"], ["chunk", "vertex", "sh"])
        or len(elements) != len(known)
        or sorted(fields["chunk"]) not in (sorted(_BOUNDS), sorted(_BOUNDS + _COLOUR_BOUNDS))
        or sorted(fields["vertex"]) != sorted(_PACKED)
        or (kinds["chunk"], kinds["vertex"], kinds.get("sh", {"u1"})) != ({"<f4"}, {"<u4"}, {"u1"})
        or known["chunk"].count != -(-known["vertex"].count // _BLOCK)
    ):
        raise wrong
    if "sh" in known:
        rest = len(fields["sh"])
        expected = [f"f_rest_{i}" for i in range(rest)]
        if rest not in _REST or fields["sh"] != expected or known["sh"].count != known["vertex"].count:
            raise wrong
    return elements, len(text) + len(end)


def _unpack(packed: np.ndarray, blocks: np.ndarray, out: SimpleNamespace, part: slice) -> None:
    block = np.arange(len(packed)) // _BLOCK
    names = blocks.dtype.names
    with np.errstate(over="ignore", invalid="ignore"):  # bounds that are not finite are found afterwards
        for column, word, low, high in (
            (out.means, "packed_position", "min_{}", "max_{}"),
            (out.log_scales, "packed_scale", "min_scale_{}", "max_scale_{}"),
        ):
            bits = packed[word]
            steps = ((bits >> 21) / 2047, (bits >> 11 & 1023) / 1023, (bits & 2047) / 2047)
            for axis, step in zip("xyz", steps, strict=True):
                start, stop = (blocks[name.format(axis)].astype(np.float64)[block] for name in (low, high))
                column[part, "xyz".index(axis)] = start + (stop - start) * step
        for channel, axis in enumerate("rgb"):
            colour = (packed["packed_color"] >> (24 - 8 * channel) & 255) / 255
            if "min_r" in names:
                start, stop = (blocks[f"{side}_{axis}"].astype(np.float64)[block] for side in ("min", "max"))
                colour = start + (stop - start) * colour
            out.sh[part, 0, channel] = q.from_colours(colour)
    out.logit_opacities[part] = q.BYTE_LOGITS[packed["packed_color"] & 255]
    bits = packed["packed_rotation"][:, None]
    rest = ((bits >> np.uint32([20, 10, 0]) & 1023) / 1023 - 0.5) / q.HALF_SQRT2
    out.quats[part] = q.from_smallest_three(bits[:, 0] >> 30, rest.astype(np.float32))


def _unpack_harmonics(rows: np.ndarray, out: np.ndarray) -> None:
    octets = np.array(rows).view(np.uint8).reshape(len(rows), 3, -1)
    out[:] = _BYTE_SH[octets].transpose(0, 2, 1)


# ------------------------------------------------------------------------------------------- writing


def write_compressed_ply(path: Path | str, gaussians: Gaussians) -> None:
    """Writes a .compressed.ply; the Gaussians stand in it along a Z-order curve (`quantisation.morton_order`).

    Warns with FormatLoss about what it cannot hold.
    """
    refuse_unwritable(gaussians, path)
    losses = Losses(path)
    if gaussians.extra:
        losses.dropped.append(columns_named(gaussians.extra))
    count, rest = len(gaussians), 3 * (gaussians.sh.shape[1] - 1)
    order = q.morton_order(gaussians.means.detach().cpu()).to(gaussians.device)
    blocks = -(-count // _BLOCK)
    header = _header_text(count, blocks, rest)
    bounds_at = len(header)
    packed_at = bounds_at + blocks * 4 * len(_BOUNDS + _COLOUR_BOUNDS)
    harmonics_at = packed_at + count * 4 * len(_PACKED)
    with atomic_write(path) as beside, beside.open("wb") as file:
        file.write(header)
        for part in slices(count, _ROWS):
            bounds, packed, harmonics = _pack(arrays(gaussians[order[part]]), losses)
            for start, rows in (
                (bounds_at + part.start // _BLOCK * bounds.itemsize * bounds.shape[1], bounds),
                (packed_at + part.start * 16, packed),
                (harmonics_at + part.start * rest, harmonics),
            ):
                file.seek(start)
                file.write(np.ascontiguousarray(rows))
    losses.tell()


def _header_text(count: int, blocks: int, rest: int) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", "comment written by SkyWorld"]
    lines += [f"element chunk {blocks}", *(f"property float {name}" for name in _BOUNDS + _COLOUR_BOUNDS)]
    lines += [f"element vertex {count}", *(f"property uint {name}" for name in _PACKED)]
    if rest:
        lines += [f"element sh {count}", *(f"property uchar f_rest_{i}" for i in range(rest))]
    return ("\n".join([*lines, "end_header"]) + "\n").encode()


def _pack(rows: SimpleNamespace, losses: Losses) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bounds [blocks, 18] float32, packed words [n, 4] uint32, harmonics [n, rest] uint8 of whole blocks."""
    count = len(rows.means)
    scales = losses.clamp("log_scales", rows.log_scales, -20.0, 20.0)
    colours = q.colours(rows.sh[:, 0])
    columns = [_bounded(values) for values in (rows.means, scales, colours)]
    bounds = np.concatenate([part for _, low, high in columns for part in (low, high)], 1)
    position, scale = (_word(steps, (11, 10, 11)) for steps, _, _ in columns[:2])
    opacity = q.opacities(rows.logit_opacities)[:, None]
    colour = _word(np.concatenate([columns[2][0], opacity], 1), (8, 8, 8, 8))
    largest, rest = q.smallest_three(q.unit(rows.quats))
    fields = _word(rest * q.HALF_SQRT2 + 0.5, (10, 10, 10))
    packed = np.stack([position, largest.astype(np.uint32) << 30 | fields, scale, colour], 1)
    higher = rows.sh[:, 1:]
    if higher.size:
        higher = losses.clamp("harmonics", higher, -_SH_RANGE, _SH_RANGE)
    octets = np.clip((higher / (2 * _SH_RANGE) + 0.5) * 256, 0, 255).astype(np.uint8)
    return bounds.astype("<f4"), packed.astype("<u4"), octets.transpose(0, 2, 1).reshape(count, -1)


def _bounded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """values [n, 3] -> place within their block 0..1, lower and upper bounds of the blocks [blocks, 3]."""
    starts = np.arange(0, len(values), _BLOCK)
    low, high = (extreme.reduceat(values, starts, 0) for extreme in (np.minimum, np.maximum))
    block = np.arange(len(values)) // _BLOCK
    span = np.maximum(high - low, np.float32(1e-30))
    return (values - low[block]) / span[block], low, high


def _word(parts: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """parts [n, k] of 0..1 -> one uint32 [n], the first part on top."""
    word = np.zeros(len(parts), np.uint32)
    for part, width in zip(parts.T, bits, strict=True):
        top = 2**width - 1
        word = word << np.uint32(width) | (np.clip(part, 0, 1) * top + 0.5).astype(np.uint32)
    return word
