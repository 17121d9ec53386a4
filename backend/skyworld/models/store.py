"""Checkpoints on this computer: where they lie, what of them is there, whether it is whole. Asks no network.

They lie in the hub's cache, as every program that uses huggingface_hub keeps them, or in folders of the user's.
"""

import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skyworld.errors import UserError
from skyworld.models import profiles
from skyworld.models.checkpoints.places import safetensors_size, unfinished

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
HALF = re.compile(r"\.(fp16|bf16)\b")  # in the names of second copies in half precision
FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk
_BLOB = re.compile("[0-9a-f]{64}|[0-9a-f]{40}")
_CHUNK = 1 << 22


@dataclass(frozen=True)
class State:
    """What there is of a checkpoint. folder: None where nothing is; problem: what lacks of a partial one."""

    state: Literal["complete", "partial", "absent"]
    folder: Path | None = None
    problem: str = ""
    size: int = 0


def cache() -> Path:
    """The hub's cache, as huggingface_hub finds it."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def repository(name: str) -> Path:
    """Where the cache keeps the hub id `name`."""
    return cache() / f"models--{name.replace('/', '--')}"


def locate(source: str | Path) -> Path | None:
    """The user's folder, or the snapshot of a hub id; None where neither is."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.absolute()
    kept = repository(str(source))
    head = kept / "refs" / "main"
    if head.is_file() and (kept / "snapshots" / (commit := head.read_text().strip())).is_dir():
        return kept / "snapshots" / commit
    return None


def state(source: str | Path) -> State:
    folder = locate(source)
    if folder is None:
        return State("absent")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    try:
        problem = lacking(folder)
    except UserError as error:  # an index that cannot be read
        problem = str(error)
    return State("partial" if problem else "complete", folder, problem, size)


def lacking(folder: Path) -> str:
    """What a checkpoint's folder lacks by its own indices, or ""."""
    problem = unfinished(folder)
    if problem:
        return problem
    for config in [*folder.rglob("config.json"), folder / "model_index.json"]:
        place = config.parent if config.name == "config.json" else folder
        if config.is_file() and not any(f.suffix in WEIGHTS for f in place.rglob("*") if f.exists()):
            return f"the weights of {place.name if place != folder else 'the model'} are missing"
    if not any(file.suffix in WEIGHTS for file in folder.rglob("*") if file.exists()):
        return "no weights are there"
    return ""


def complete(source: str | Path) -> Path:
    """The folder of a checkpoint that is all there. UserError says what to do where it is not."""
    found = state(source)
    if found.state == "complete":
        return found.folder
    known = profiles.find(str(source))
    if found.folder == Path(source).expanduser().absolute():
        raise UserError(f"is no whole model: {found.problem}", file=found.folder, hint="Copy or download it again")
    if known is None and not is_hub_id(str(source)):
        raise UserError(f"there is no model {source!r}", hint="Give a folder, or a hub id as owner/name")
    size = f" ({known.download_gb:g} GB)" if known else ""
    way = (
        f"Run `skyworld models download {known.name if known else source}`{size}, or press Download in the preferences"
    )
    fix = f"download:{known.name if known else source}"
    if found.state == "absent":
        raise UserError(f"{source} is not downloaded", hint=way, fix=fix)
    problem = f"{source} is downloaded in part: {found.problem}"
    raise UserError(problem, hint=f"{way}; it goes on where it stopped", fix=fix)


def version(source: str | Path) -> str:
    """The commit of a hub id's snapshot; of a folder a digest of its files' names, sizes and times; "" of neither."""
    folder = locate(source)
    if folder is None:
        return ""
    if folder.parent.name == "snapshots":
        return folder.name
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    told = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def weights(folder: Path) -> dict[str, int]:
    """Bytes of each part's weights at 32 bits a parameter, from the files' headers; {"": ...} for a single model."""
    index = folder / "model_index.json"
    parts = (
        [name for name, kind in json.loads(index.read_text()).items() if isinstance(kind, list)]
        if index.is_file()
        else []
    )
    found = {part: sum(map(_parameter_bytes, _plain_weights(folder / part))) for part in parts or [""]}
    return {part: size for part, size in found.items() if size}


def verify(source: str | Path) -> Iterator[tuple[int, int, str]]:
    """(bytes read, bytes in all, "" or a file's name and what is wrong with it), once a chunk and once a damaged file.

    Files of the hub's cache are named by the checksum of what they should hold; of every .safetensors the header
    tells the size.
    """
    folder = locate(source)
    if folder is None:
        raise UserError(f"{source} is not downloaded", hint="See `skyworld models list`")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    total, done = sum(file.stat().st_size for file in files), 0
    problem = lacking(folder)
    if problem:
        yield 0, total, problem
    for file in files:
        size = file.stat().st_size
        name = file.relative_to(folder).as_posix()
        wanted = file.resolve().name
        if file.suffix == ".safetensors" and size != safetensors_size(file):
            done += size
            if name not in problem:  # told already
                yield done, total, f"{name} has {size:,} bytes, not the {safetensors_size(file):,} of its header"
        elif _BLOB.fullmatch(wanted):
            digest = hasher(wanted, size)
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    done += len(chunk)
                    yield done, total, ""
            if digest.hexdigest() != wanted:
                yield done, total, f"{name} is damaged (its checksum differs)"
        else:
            done += size
            yield done, total, ""


def hasher(blob: str, size: int):
    """What makes the name of a blob from its content: SHA-256, or for files that git keeps its SHA-1 (40 digits)."""
    if len(blob) == 64:
        return hashlib.sha256()
    return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)


def inventory() -> dict:
    """Profiles, checkpoints and what is here of them, as plain data for the command line and the service."""
    known = []
    for checkpoint in profiles.checkpoints().values():
        found = state(checkpoint.id)
        entry = {**vars(checkpoint), "state": found.state, "problem": found.problem, "bytes": found.size}
        known.append({**entry, "roles": list(checkpoint.roles), "folder": str(found.folder) if found.folder else None})
    return {
        "cache": str(cache()),
        "free_bytes": free_disk(),
        "profiles": [_plain(profile) for profile in profiles.profiles().values()],
        "checkpoints": known,
    }


def free_disk() -> int:
    """Bytes free where the cache is, or will be."""
    return shutil.disk_usage(next(folder for folder in (cache(), *cache().parents) if folder.exists())).free


def _plain(profile: profiles.Profile) -> dict:
    return {
        "name": profile.name,
        "title": profile.title,
        "vram_gb": profile.vram_gb,
        "checkpoints": [checkpoint.name for checkpoint in profile.checkpoints()],
    }


def is_hub_id(source: str) -> bool:
    """Whether it looks like one: owner/name."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+", source) is not None


def _plain_weights(folder: Path) -> list[Path]:
    """The weight files of one part: no second copies in half precision, and no pickles beside .safetensors."""
    files = [file for file in folder.glob("*") if file.suffix in WEIGHTS and not HALF.search(file.name)]
    return [file for file in files if file.suffix == ".safetensors"] or files


def _parameter_bytes(file: Path) -> int:
    if file.suffix != ".safetensors":
        return file.stat().st_size
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return 4 * sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
