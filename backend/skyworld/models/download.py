"""Brings checkpoints from the hub into its cache, where every program that uses the hub finds them.

huggingface_hub itself throws away what it has of a file when it is interrupted, and does not compare checksums; files
of 5 GB over a home connection want both. The hub's HTTP interface and the layout of its cache are documented.
"""

import os
import shutil
import time
import warnings
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from skyworld.errors import UserError
from skyworld.models import profiles, store
from skyworld.models.hub import ENDPOINT, File, Listing, ask, endpoint, listing, need_hub
from skyworld.parameters import DownloadParameters
from skyworld.progress import Progress
from skyworld.world.files import mendable

SPARE_BYTES = 1 << 30  # of the disk is left free
TRIES = 5  # at one file, without a byte in between
PAUSE_SECONDS = 0.5
_CHUNK = 1 << 20
_GB = 1e9


def download(parameters: DownloadParameters) -> Iterator[Progress]:
    """Job kind `download`. Yields progress; what was there before is kept and not fetched again."""
    need_hub()
    names = wanted(parameters.model)
    if not parameters.accept:
        raise UserError("the licence has not been accepted", hint="Read it, then say so: --yes, or the tick in Blender")
    if too_large := too_large_for_the_gpu(parameters.model):
        warnings.warn(too_large, stacklevel=2)
    yield Progress(0.0, "asking the hub", stage="download")
    yield from bring([listing(name) for name in names])


def bring(listings: list[Listing]) -> Iterator[Progress]:
    """Fetches what is missing of them. UserError before the first byte where the disk is too small."""
    check_room(listings)
    total = sum(found.size for found in listings)
    done, began, before = 0, time.monotonic(), total - sum(map(missing, listings))
    for found in listings:
        for got in _fetch_all(found):
            speed = max(done + got - before, 0) / max(time.monotonic() - began, 1e-3) / 1e6
            message = f"{found.name}: {(done + got) / _GB:.2f} of {total / _GB:.2f} GB, {speed:.0f} MB/s"
            fraction = (done + got) / max(total, 1)
            yield Progress(fraction, message, stage="download", overall=fraction)
        done += found.size
    yield Progress(1.0, f"{', '.join(found.name for found in listings)}: complete", stage="download", overall=1.0)


def offer(model: str, listings: list[Listing]) -> str:
    """What would be downloaded, from where, under which licences: to be read before one agrees."""
    lines = []
    for found in listings:
        known = profiles.find(found.name)
        licence = known.licence if known else found.licence or "no licence told"
        if known and found.licence and found.licence.lower() not in ("other", known.licence.lower()):
            licence = f"{known.licence} (its card now says {found.licence})"
        sells = "" if known is None or known.commercial else ", not for commercial work"
        lacking = missing(found)
        size = f"{found.size / _GB:.2f} GB" + ("" if lacking == found.size else f", {lacking / _GB:.2f} GB missing")
        lines += [f"{found.name}  {size}", f"  licence: {licence}{sells}"]
        lines.append(f"  {known.licence_url if known else f'{ENDPOINT}/{found.name}'}")
    lacking = sum(map(missing, listings))
    lines.append(f"{lacking / _GB:.2f} GB to {store.cache()}, where {store.free_disk() / _GB:.1f} GB are free.")
    return "\n".join([*lines, *filter(None, [too_large_for_the_gpu(model)])])


def wanted(model: str) -> list[str]:
    """The hub ids of a profile, of a known checkpoint's name, or the hub id itself."""
    if model in profiles.profiles():
        return [checkpoint.id for checkpoint in profiles.profile(model).checkpoints()]
    known = profiles.find(model)
    if known is None and not store.is_hub_id(model):
        names = ", ".join([*profiles.profiles(), *profiles.checkpoints()])
        raise UserError(f"there is no model {model!r}", hint=f"Give a hub id (owner/name), or one of: {names}")
    return [known.id if known else model]


def missing(found: Listing) -> int:
    """Bytes that are not here yet."""
    return sum(file.size - _have(found, file) for file in found.files)


def check_room(listings: list[Listing]) -> None:
    """UserError where the disk is too small for what is missing."""
    need, free = sum(map(missing, listings)), store.free_disk()
    if need and need + SPARE_BYTES > free:
        raise UserError(
            f"the download needs {need / _GB:.1f} GB, and {free / _GB:.1f} GB of the disk are free",
            file=store.cache(),
            hint="Free some, or set HF_HUB_CACHE to a folder on a larger disk",
        )


def too_large_for_the_gpu(model: str) -> str:
    """A sentence where a profile is larger than this computer's GPU, else ""; it may be meant for another computer."""
    if model not in profiles.profiles():
        return ""
    import torch

    wants = profiles.profile(model).vram_gb
    has = torch.cuda.get_device_properties(0).total_memory / 2**30 if torch.cuda.is_available() else 0.0
    if wants <= has * 1.1:
        return ""
    found = f"has {has:.0f} GB" if has else "was not found"
    return f"The profile {model} wants a GPU of {wants:.0f} GB, and this computer's {found}."


def _fetch_all(found: Listing) -> Iterator[int]:
    """Bytes of the listing that are here, again and again until all are."""
    kept = store.repository(found.name)
    with mendable(kept):
        for folder in (kept / "blobs", kept / "refs"):
            folder.mkdir(parents=True, exist_ok=True)
        (kept / "refs" / "main").write_text(found.commit)
        done = 0
        for file in sorted(found.files, key=lambda each: each.size):  # the configurations first
            place = kept / "snapshots" / found.commit / file.name
            if _have(found, file) < file.size or not place.exists():
                for got in _fetch(found, file):
                    yield done + got
                _place(kept / "blobs" / file.digest, place)
            done += file.size
            yield done


def _have(found: Listing, file: File) -> int:
    """Bytes of a file that are here: all, some, or none."""
    kept = store.repository(found.name)
    for whole in (kept / "snapshots" / found.commit / file.name, kept / "blobs" / file.digest):
        if whole.exists() and whole.stat().st_size == file.size:
            return file.size
    part = _part(kept, file)
    return min(part.stat().st_size, file.size) if part.exists() else 0


def _part(kept: Path, file: File) -> Path:
    return kept / "blobs" / f"{file.digest}.incomplete"


def _fetch(found: Listing, file: File) -> Iterator[int]:
    """Brings one file to its blob, from where an earlier try stopped. Yields its bytes so far."""
    kept = store.repository(found.name)
    blob, part = kept / "blobs" / file.digest, _part(kept, file)
    if blob.exists() and blob.stat().st_size == file.size:
        return
    tries = 0
    while not part.exists() or part.stat().st_size < file.size:
        before = part.stat().st_size if part.exists() else 0
        try:
            yield from _stream(found, file, part)
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and error.errno in store.FULL:
                raise
            tries = 0 if part.exists() and part.stat().st_size > before else tries + 1
            if tries == TRIES:
                raise UserError(
                    f"the connection to the hub broke while {found.name} was fetched ({error})",
                    hint="Start the download again; it goes on where it stopped",
                ) from error
            time.sleep(PAUSE_SECONDS * 2**tries)
    if _digest(part, file.digest) != file.digest:
        part.unlink()
        raise UserError(
            f"{file.name} of {found.name} came damaged (its checksum differs)", hint="Start the download again"
        )
    part.replace(blob)


def _stream(found: Listing, file: File, part: Path) -> Iterator[int]:
    url = f"{endpoint()}/{found.name}/resolve/{found.commit}/{quote(file.name)}"
    done = part.stat().st_size if part.exists() else 0
    with ask(found.name, url, done) as reply, part.open("ab") as out:
        if done and reply.status != 206:  # it begins at the beginning
            out.truncate(0)
            done = 0
        while chunk := reply.read(_CHUNK):
            out.write(chunk)
            done += len(chunk)
            yield done
    if done != file.size:
        if done > file.size:
            part.unlink()
        raise OSError(f"{done} of {file.size} bytes came")


def _place(blob: Path, place: Path) -> None:
    """The snapshot's name for a blob: a link, or the file itself where links are not to be had."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(os.path.relpath(blob, place.parent))
    except OSError:  # Windows without developer mode
        shutil.move(blob, place)


def _digest(path: Path, blob: str) -> str:
    """The name that the file's content has as a blob."""
    digest = store.hasher(blob, path.stat().st_size)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
