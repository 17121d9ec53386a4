"""The hub's HTTP interface: what a repository has, its files, and what it refuses in one sentence."""

import json
import os
import ssl
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from skyworld.errors import UserError
from skyworld.models import store

ENDPOINT = "https://huggingface.co"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class File:
    """One file of a repository. digest: its SHA-256, or the name that git gives its content; so is its blob called."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Listing:
    """What the hub says of a checkpoint; `files` are those that are needed to run it. licence: as the card has it."""

    name: str
    commit: str
    licence: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def listing(name: str) -> Listing:
    """What the hub has under `name`. UserError where it has nothing, or does not answer."""
    with ask(name, f"{endpoint()}/api/models/{quote(name)}/revision/main?blobs=true") as reply:
        told = json.load(reply)
    files = [
        File(entry["rfilename"], entry["size"], (entry.get("lfs") or {}).get("sha256") or entry["blobId"])
        for entry in told["siblings"]
    ]
    if told.get("gated") and not token():
        raise _gated(name)
    chosen = _needed(files)
    if not any(Path(file.name).suffix in store.WEIGHTS for file in chosen):
        raise UserError(f"{name} on the hub has no weights that are read here", hint="Give another model")
    licence = (told.get("cardData") or {}).get("license") or ""
    return Listing(name, told["sha"], str(licence), tuple(chosen))


def need_hub() -> None:
    """UserError where the packages are missing that checkpoints need anyway; one of them knows the user's token."""
    try:
        import huggingface_hub  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            "The packages that run checkpoints are not installed",
            hint="Run `pip install 'skyworld-backend[checkpoints]'`, or Install Backend in the preferences",
            fix="packages",
        ) from error


def _needed(files: list[File]) -> list[File]:
    """Configurations, tokenizers and one copy of the weights: of a pipeline those in folders, .safetensors if any."""
    pipeline = any(file.name == "model_index.json" for file in files)
    texts = (".json", ".txt", ".model", ".jinja", ".tiktoken")
    chosen = []
    for file in files:
        path = Path(file.name)
        if path.suffix in texts and len(path.parts) <= 2:
            chosen.append(file)
        elif path.suffix in store.WEIGHTS and len(path.parts) == (2 if pipeline else 1):
            beside = [other.name for other in files if Path(other.name).parent == path.parent]
            second = path.suffix != ".safetensors" and any(name.endswith(".safetensors") for name in beside)
            if not second and not store.HALF.search(path.name):
                chosen.append(file)
    return chosen


@contextmanager
def ask(name: str, url: str, offset: int = 0):
    """The hub's answer; what it refuses becomes a sentence."""
    headers = {"User-Agent": "skyworld", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(url, headers=headers)
    if secret := token():
        request.add_unredirected_header("Authorization", f"Bearer {secret}")  # the hub's, not its storage's
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS, context=_certificates()) as reply:
            yield reply
    except urllib.error.HTTPError as error:
        code = error.headers.get("X-Error-Code", "")
        if code == "GatedRepo" or error.code == 403:
            raise _gated(name) from error
        if error.code in (401, 404):
            raise UserError(
                f"the hub has no model {name}", hint="Mind the spelling; a private one needs `hf auth login`"
            ) from error
        raise UserError(f"the hub does not give {name} (HTTP {error.code})", hint="Try again later") from error
    except urllib.error.URLError as error:
        if offset:
            raise OSError(str(error.reason)) from error
        raise UserError(
            f"the hub at {urlsplit(url).netloc} cannot be reached ({error.reason})",
            hint="Go online and try again, or copy the model's folder here and give its path",
        ) from error


def _gated(name: str) -> UserError:
    return UserError(
        f"{name} is given only to those who accept its licence on the hub",
        hint=f"Accept it at {ENDPOINT}/{name}, then run `hf auth login` or set HF_TOKEN",
    )


def endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", ENDPOINT).rstrip("/")


def token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def _certificates() -> ssl.SSLContext:
    try:
        from certifi import where  # comes with huggingface_hub; macOS' Python has no certificates of its own
    except ModuleNotFoundError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=where())
