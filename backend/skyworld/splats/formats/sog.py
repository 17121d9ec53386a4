""".sog of PlayCanvas: pictures in lossless WebP and a meta.json, in a zip or side by side in a folder.

One pixel a Gaussian, all in one order: means in 16 bits (low and high byte in two pictures) of
sign(x) ln(1 + |x|) between bounds; quats, smallest three of wxyz in 8 bits with 252 + index in alpha; scales
and sh0 (colours, and the opacity in alpha) by a codebook of 256; the harmonics above degree 0 by a palette of
up to 65536 rows (shN_labels), whose numbers (shN_centroids) come from a codebook too. Version 1, read only,
has bounds where version 2 has codebooks.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, Field, ValidationError

from skyworld.errors import UserError
from skyworld.splats.formats import quantisation as q
from skyworld.splats.formats.checks import (
    Losses,
    allocated,
    arrays,
    columns_named,
    damaged,
    mapped,
    refuse_promise,
    refuse_unwritable,
    slices,
    truncated,
    validated,
)
from skyworld.splats.formats.palette import codebook, nearest, palette
from skyworld.splats.gaussians import Gaussians
from skyworld.world.files import atomic_write, mendable

_META_BYTES = 1 << 20
_ROW = 64  # palette entries in a row of shN_centroids
_RATIO = 1000  # lossless WebP shrinks an even surface a thousandfold
_COEFFICIENTS = {1: 3, 2: 8, 3: 15}
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
_BROKEN_PICTURE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,99}$")]
_Codebook = Annotated[list[float], Field(min_length=1, max_length=256)]
_Three = Annotated[list[float], Field(min_length=3, max_length=3)]
_Four = Annotated[list[float], Field(min_length=4, max_length=4)]


class _Files(BaseModel):
    files: Annotated[list[_Name], Field(min_length=1, max_length=2)]


class _Means(_Files):
    mins: _Three
    maxs: _Three
    shape: list[int] | None = None


class _Coded(_Files):
    """Version 2 has a codebook, version 1 bounds for each channel (or one pair for all)."""

    codebook: _Codebook | None = None
    mins: _Three | _Four | float | None = None
    maxs: _Three | _Four | float | None = None
    count: Annotated[int, Field(ge=1, le=65536)] | None = None
    bands: Literal[1, 2, 3] | None = None


class _Meta(BaseModel):
    version: Literal[1, 2] = 1
    count: int = 0
    means: _Means
    scales: _Coded
    quats: _Files
    sh0: _Coded
    shN: _Coded | None = None  # noqa: N815, the name in the file


# ------------------------------------------------------------------------------------------- reading


def read_sog(path: Path | str, *, drop_invalid: bool = False) -> Gaussians:
    """Reads a .sog bundle, or the meta.json of one that was not zipped.

    Raises UserError for anything that is no complete .sog and for pictures that promise too much.
    """
    path = Path(path)
    head = mapped(path)[:4].tobytes()
    if head == b"PK\x03\x04":
        with damaged(path, "the bundle", *_BROKEN_ZIP), zipfile.ZipFile(path) as bundle:
            return _read(path, lambda name, limit: _entry(path, bundle, name, limit), drop_invalid)
    if path.name.endswith("meta.json"):
        return _read(path, lambda name, limit: _beside(path, name), drop_invalid)
    raise UserError("is neither a .sog bundle nor a meta.json", file=path, hint="Choose another file")


_Load = Callable[[str, int], bytes]


def _entry(path: Path, bundle: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A file of the zip. Raises UserError where it is missing or would unpack to more than `limit` bytes."""
    if name not in bundle.NameToInfo:
        raise UserError(f"has no {name}", file=path, hint="It is no .sog, or incomplete: get it again")
    size = bundle.getinfo(name).file_size
    if size > limit:
        raise UserError(f"its {name} would unpack to {size:,} bytes", file=path, hint="It is damaged or hostile")
    return bundle.read(name)


def _beside(path: Path, name: str) -> bytes:
    return mapped(path if name == "meta.json" else path.parent / name).tobytes()


def _read(path: Path, load: _Load, drop_invalid: bool) -> Gaussians:
    text = load("meta.json" if path.suffix != ".json" else path.name, _META_BYTES)
    try:
        meta = _Meta.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"its meta.json is not that of a .sog ({where}: {first['msg']})", file=path) from None
    count = meta.count if meta.version == 2 else (meta.means.shape or [0])[0]
    size = path.stat().st_size

    def picture(part: _Files, index: int = 0, least: int = count) -> np.ndarray:
        """[pixels, 4] uint8 of a picture that holds at least `least` pixels."""
        if index >= len(part.files):
            raise UserError("its meta.json names too few files", file=path, hint="Get it again")
        name = part.files[index]
        return _pixels(path, name, load(name, max(64 << 20, 4 * size)), least)

    low = picture(meta.means)
    if count < 0 or len(low) < count:
        raise truncated(path, f"its picture of {count:,} Gaussians")
    centroids = None
    if meta.shN:
        name = meta.shN.files[0]
        centroids = _centroids(path, meta, _rgba(path, name, load(name, max(64 << 20, 4 * size))))
    degree = {None: 0, 3: 1, 8: 2, 15: 3}[None if centroids is None else centroids.shape[1]]
    gaussians = allocated(count, degree, path)
    out = arrays(gaussians)
    with np.errstate(over="ignore", invalid="ignore"):  # numbers of meta.json that are too large are found below
        _fill_means(meta.means, low, picture(meta.means, 1), out)
        del low
        _fill_quats(picture(meta.quats), out)
        _fill_scales(path, meta.scales, picture(meta.scales), out)
        _fill_colours(path, meta.sh0, picture(meta.sh0), out)
        if centroids is not None:
            _fill_harmonics(path, centroids, picture(meta.shN, 1), out)
    return validated(gaussians, path, drop_invalid)


def _rgba(path: Path, name: str, data: bytes) -> np.ndarray:
    """A picture [h, w, 4] uint8; its size is looked at before it is decoded."""
    with (
        damaged(path, f"its picture {name}", *_BROKEN_PICTURE),
        Image.open(io.BytesIO(data), formats=["WEBP", "PNG"]) as picture,
    ):
        width, height = picture.size
        refuse_promise(path, f"a {name} of {width} x {height} pixels", 4 * width * height, len(data), _RATIO)
        return np.asarray(picture.convert("RGBA"))


def _pixels(path: Path, name: str, data: bytes, least: int) -> np.ndarray:
    pixels = _rgba(path, name, data).reshape(-1, 4)
    if len(pixels) < least:
        raise truncated(path, f"its picture {name} of {least:,} pixels")
    return pixels


def _levels(path: Path, coded: _Coded, channel: int) -> np.ndarray:
    """What each of the 256 bytes of a channel means, float32 [256]."""
    if coded.codebook is not None:
        return np.float32(np.pad(np.float64(coded.codebook), (0, 256 - len(coded.codebook)), "edge"))
    bounds = [end[channel] if isinstance(end, list) and channel < len(end) else end for end in (coded.mins, coded.maxs)]
    if not all(isinstance(end, float) for end in bounds):
        raise UserError("its meta.json lacks a codebook or bounds", file=path, hint="Get it again")
    return np.float32(bounds[0] + (bounds[1] - bounds[0]) * np.arange(256) / 255)


def _fill_means(means: _Means, low: np.ndarray, high: np.ndarray, out: SimpleNamespace) -> None:
    start, stop = np.float64(means.mins), np.float64(means.maxs)
    for part in slices(len(out.means)):
        steps = (low[part, :3] | high[part, :3].astype(np.uint16) << 8) / 65535
        folded = start + (stop - start) * steps
        out.means[part] = np.sign(folded) * np.expm1(np.abs(folded))


def _fill_quats(pixels: np.ndarray, out: SimpleNamespace) -> None:
    for part in slices(len(out.quats)):
        rows = pixels[part]
        rest = (rows[:, :3] / np.float32(127.5) - 1) * q.HALF_SQRT2
        quats = q.from_smallest_three(np.maximum(rows[:, 3], 252).astype(np.int64) - 252, rest)
        # The judge of the format reads other tags as no rotation.
        out.quats[part] = np.where(rows[:, 3:] < 252, np.float32([1, 0, 0, 0]), quats)


def _fill_scales(path: Path, coded: _Coded, pixels: np.ndarray, out: SimpleNamespace) -> None:
    for channel in range(3):
        out.log_scales[:, channel] = _levels(path, coded, channel)[pixels[: len(out.log_scales), channel]]


def _fill_colours(path: Path, coded: _Coded, pixels: np.ndarray, out: SimpleNamespace) -> None:
    pixels = pixels[: len(out.sh)]
    for channel in range(3):
        out.sh[:, 0, channel] = _levels(path, coded, channel)[pixels[:, channel]]
    # With a codebook the byte is the opacity, with bounds it is the logit.
    opacities = q.BYTE_LOGITS if coded.codebook is not None else _levels(path, coded, 3)
    out.logit_opacities[:] = opacities[pixels[:, 3]]


def _centroids(path: Path, meta: _Meta, rgba: np.ndarray) -> np.ndarray:
    """The palette of harmonics [entries, coefficients, 3] float32. Version 1 tells their number by the width."""
    height, width = rgba.shape[:2]
    coefficients = _COEFFICIENTS.get(meta.shN.bands, width // _ROW)
    if coefficients not in _COEFFICIENTS.values() or width != _ROW * coefficients:
        raise UserError(f"its palette of harmonics is {width} pixels wide", file=path, hint="Get it again")
    entries = rgba.reshape(height * _ROW, coefficients, 4)[: meta.shN.count, :, :3]
    return _levels(path, meta.shN, 0)[entries]


def _fill_harmonics(path: Path, centroids: np.ndarray, pixels: np.ndarray, out: SimpleNamespace) -> None:
    for part in slices(len(out.sh)):
        labels = pixels[part, 0] | pixels[part, 1].astype(np.int64) << 8
        labels = labels[: part.stop - part.start]
        if labels.max() >= len(centroids):
            raise UserError("names harmonics that its palette does not have", file=path, hint="Get it again")
        out.sh[part, 1:] = centroids[labels]


# ------------------------------------------------------------------------------------------- writing


def write_sog(path: Path | str, gaussians: Gaussians, *, seed: int = 0, iterations: int = 10, effort: int = 0) -> None:
    """Writes a .sog bundle of version 2; the Gaussians stand in it along a Z-order curve.

    seed:       of the k-means of the harmonics; the same seed gives the same file on the same device. It runs where
                the Gaussians are, faster on a GPU.
    iterations: of that k-means.
    effort:     of the WebP encoder, 0..6: smaller files for more time.

    Warns with FormatLoss about what it cannot hold.
    """
    refuse_unwritable(gaussians, path)
    losses = Losses(path)
    if gaussians.extra:
        losses.dropped.append(columns_named(gaussians.extra))
    count = len(gaussians)
    order = q.morton_order(gaussians.means.detach().cpu())
    width = -(-int(np.ceil(count**0.5)) // 4) * 4
    height = -(-count // width // 4) * 4
    rows = arrays(gaussians)
    with (
        atomic_write(path) as beside,
        mendable(path),
        zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as bundle,
    ):

        def put(name: str, pixels: np.ndarray, shape: tuple[int, int] = (height, width)) -> str:
            """pixels [n, 4] uint8, row after row, the rest of the picture zero."""
            picture = np.zeros((shape[0] * shape[1], 4), np.uint8)
            picture[: len(pixels)] = pixels
            memory = io.BytesIO()
            # exact: colours stay where alpha, which is the opacity or a tag, is 0.
            Image.fromarray(picture.reshape(*shape, 4)).save(
                memory, "WEBP", lossless=True, exact=True, method=effort, quality=50
            )
            _store(bundle, name, memory.getvalue())
            return name

        meta = {
            "version": 2,
            "asset": {"generator": "SkyWorld"},
            "count": count,
            "means": _put_means(rows.means, order, put),
            "scales": _put_coded(rows.log_scales, None, order, "scales.webp", put),
            "quats": _put_quats(rows.quats, order, put),
            "sh0": _put_coded(rows.sh[:, 0], rows.logit_opacities, order, "sh0.webp", put),
        }
        if gaussians.sh_degree:
            meta["shN"] = _put_harmonics(gaussians, order, seed, iterations, put)
        _store(bundle, "meta.json", json.dumps(meta).encode())
    losses.tell()


def _store(bundle: zipfile.ZipFile, name: str, data: bytes) -> None:
    """With a fixed date, so that equal Gaussians make equal files."""
    bundle.writestr(zipfile.ZipInfo(name), data)


_Put = Callable[..., str]


def _ordered(order, fill: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """[n, 4] uint8, alpha 255: what `fill` makes of the indices of one chunk after the other."""
    pixels = np.full((len(order), 4), 255, np.uint8)
    for part in slices(len(order)):
        made = fill(order[part].numpy())
        pixels[part, : made.shape[1]] = made
    return pixels


def _put_means(means: np.ndarray, order, put: _Put) -> dict:
    def fold(x: np.ndarray) -> np.ndarray:
        return np.sign(x) * np.log1p(np.abs(x.astype(np.float64)))

    low, high = fold(means.min(0)), fold(means.max(0))
    span = np.maximum(high - low, 1e-30)

    def steps(rows: np.ndarray) -> np.ndarray:
        return np.rint(np.clip((fold(means[rows]) - low) / span, 0, 1) * 65535).astype(np.uint16)

    files = [
        put("means_l.webp", _ordered(order, lambda rows: steps(rows) & 255)),
        put("means_u.webp", _ordered(order, lambda rows: steps(rows) >> 8)),
    ]
    return {"mins": low.tolist(), "maxs": high.tolist(), "files": files}


def _put_quats(quats: np.ndarray, order, put: _Put) -> dict:
    def pack(rows: np.ndarray) -> np.ndarray:
        largest, rest = q.smallest_three(q.unit(quats[rows]))
        return np.column_stack([q.rounded((rest / q.HALF_SQRT2 + 1) * 127.5), (252 + largest).astype(np.uint8)])

    return {"files": [put("quats.webp", _ordered(order, pack))]}


def _put_coded(values: np.ndarray, logits: np.ndarray | None, order, name: str, put: _Put) -> dict:
    """Three channels by one codebook, and the opacity in alpha where there are `logits`."""
    entries = codebook(values)

    def pack(rows: np.ndarray) -> np.ndarray:
        coded = nearest(values[rows], entries)
        return coded if logits is None else np.column_stack([coded, q.rounded(q.opacities(logits[rows]) * 255)])

    return {"codebook": entries.tolist(), "files": [put(name, _ordered(order, pack))]}


def _put_harmonics(gaussians: Gaussians, order, seed: int, iterations: int, put: _Put) -> dict:
    count = len(gaussians)
    size = min(1 << 16, 1 << (count.bit_length() - 1))
    entries, labels = palette(gaussians.sh.detach()[:, 1:], size, seed=seed, iterations=iterations)
    entries, labels = entries.cpu().numpy(), labels.cpu().numpy()
    coefficients = entries.shape[1] // 3
    levels = codebook(entries)
    pixels = np.full((len(entries) * coefficients, 4), 255, np.uint8)
    pixels[:, :3] = nearest(entries, levels).reshape(-1, 3)
    shape = (-(-len(entries) // _ROW), _ROW * coefficients)

    def pack(rows: np.ndarray) -> np.ndarray:
        label = labels[rows]
        return np.column_stack([label & 255, label >> 8, np.zeros_like(label)]).astype(np.uint8)

    files = [put("shN_centroids.webp", pixels, shape), put("shN_labels.webp", _ordered(order, pack))]
    bands = gaussians.sh_degree
    return {"count": len(entries), "bands": bands, "codebook": levels.tolist(), "files": files}
