"""Where a checkpoint lies: a folder of the user's or the hub's snapshot. One sentence for all that can be amiss."""

import json
from contextlib import contextmanager
from pathlib import Path

from skyworld.errors import UserError

WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.tiktoken"]


def find(source: str | Path, *, revision: str | None = None, local_only: bool = False) -> Path:
    """The folder of a checkpoint, complete as far as its own indices tell. What is on the hub is downloaded."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        folder = _snapshot(str(source), revision, local_only)
    missing = unfinished(folder)
    if missing:
        raise UserError(
            f"is not complete: {missing}", file=folder, hint="The download was cut short; download the model again"
        )
    return folder


def find_lora(source: str | Path, *, local_only: bool = False) -> Path:
    """The file of low-rank weights: a file, or the one in a folder or in the hub's repository."""
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        path = _snapshot(str(source), None, local_only)
    files = sorted(path.glob("*.safetensors"))
    named = [file for file in files if file.name == "pytorch_lora_weights.safetensors"]
    if len(named or files) != 1:
        raise UserError(
            f"has {len(files) or 'no'} .safetensors files, and a LoRA is one", file=path, hint="Give the file itself"
        )
    return (named or files)[0]


def _snapshot(name: str, revision: str | None, local_only: bool) -> Path:
    from diffusers import DiffusionPipeline
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    asked = dict(revision=revision, local_files_only=local_only)
    with told(name):
        try:
            hf_hub_download(name, "model_index.json", **asked)
        except EntryNotFoundError:
            return Path(snapshot_download(name, allow_patterns=WANTED, **asked))
        return Path(DiffusionPipeline.download(name, use_safetensors=True, **asked))


@contextmanager
def told(name: str):
    """Turns what the hub and the readers of weights raise into one sentence with the way out."""
    import httpx
    from huggingface_hub import errors
    from safetensors import SafetensorError

    page = f"https://huggingface.co/{name}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise UserError(
            f"{name} is given only to those who accept its licence",
            hint=f"Accept it at {page}, then log in with `hf auth login` or set HF_TOKEN",
        ) from error
    except (errors.HFValidationError, errors.RevisionNotFoundError, errors.RepositoryNotFoundError) as error:
        raise UserError(
            f"There is no model {name}, neither as a folder nor on the hub",
            hint="Mind the spelling (owner/name or a folder); a private one needs `hf auth login`",
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, httpx.TransportError) as error:
        raise UserError(
            f"{name} is not on this computer, and the hub cannot be reached",
            hint="Go online and download it, or give the folder of a copy",
        ) from error
    except errors.HfHubHTTPError as error:
        raise UserError(f"The hub does not give {name}: {error}", hint="Try again later") from error
    except SafetensorError as error:
        raise UserError(f"The weights of {name} are damaged ({error})", hint="Download the model again") from error


def unfinished(folder: Path) -> str:
    """What a checkpoint's folder lacks by its own indices, or "": folders of parts, shards, ends of weight files."""
    index = folder / "model_index.json"
    if index.is_file():
        for part, kind in _json(index).items():
            if isinstance(kind, list) and kind[0] is not None and not (folder / part).is_dir():
                return f"the folder {part} is missing"
    for shards in folder.rglob("*.safetensors.index.json"):
        for name in sorted(set(_json(shards).get("weight_map", {}).values())):
            if not (shards.parent / name).is_file():
                return f"{shards.parent.name}/{name} is missing"
    for weights in folder.rglob("*.safetensors"):
        if weights.stat().st_size < safetensors_size(weights):
            return f"{weights.relative_to(folder)} is cut short"
    return ""


def safetensors_size(path: Path) -> int:
    """Bytes that a .safetensors file must have by its header (8 bytes length, JSON, data)."""
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > 100_000_000:
            return path.stat().st_size + 1
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return path.stat().st_size + 1
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0)


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError("is not JSON", file=path, hint="Download the model again") from error
