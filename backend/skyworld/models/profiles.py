"""Which checkpoints there are and which of them each profile uses: profiles.toml as frozen dataclasses."""

import functools
import importlib.resources
import tomllib
from dataclasses import dataclass
from typing import Literal

from skyworld.errors import UserError
from skyworld.models.settings import Settings

ROLES = (
    "inpainter",
    "text_to_image",
    "depth",
    "detail",
    "captioner",
    "segmenter",
    "upscaler",
    "editor",
    "restorer",
)
BUILTIN = "builtin"


@dataclass(frozen=True)
class Checkpoint:
    """One entry of profiles.toml; what its fields mean is told there. name: its key."""

    name: str
    id: str
    roles: tuple[str, ...]
    architecture: str
    licence: str
    licence_url: str
    commercial: bool
    gated: bool
    checked: Literal["card", "recalled"]
    download_gb: float
    vram: str
    good_for: str
    package: str = ""


@dataclass(frozen=True)
class Assignment:
    """What a profile gives a role. companion: a LoRA, or the masks of a segmenter."""

    checkpoint: Checkpoint
    settings: Settings
    companion: Checkpoint | None = None


@dataclass(frozen=True)
class Profile:
    name: str
    title: str
    vram_gb: float
    roles: dict[str, Assignment]

    def checkpoints(self) -> list[Checkpoint]:
        """All that the profile needs, each once."""
        needed = [c for a in self.roles.values() for c in (a.checkpoint, a.companion) if c]
        return list(dict.fromkeys(needed))


@functools.cache
def checkpoints() -> dict[str, Checkpoint]:
    return {
        name: Checkpoint(name, **{**entry, "roles": tuple(entry["roles"])})
        for name, entry in _document()["checkpoints"].items()
    }


@functools.cache
def profiles() -> dict[str, Profile]:
    return {
        name: Profile(name, entry["title"], entry["vram_gb"], {r: _assignment(a) for r, a in entry["roles"].items()})
        for name, entry in _document()["profiles"].items()
    }


def find(wish: str) -> Checkpoint | None:
    """The known checkpoint of that name or hub id, or None."""
    return checkpoints().get(wish) or next((c for c in checkpoints().values() if c.id.lower() == wish.lower()), None)


def profile(name: str) -> Profile:
    try:
        return profiles()[name]
    except KeyError:
        known = ", ".join((BUILTIN, *profiles()))
        raise UserError(f"there is no profile {name!r}", hint=f"The profiles are {known}") from None


def fitting(vram_gb: float) -> Profile | None:
    """The largest profile for a GPU of that memory; cards call 7.8 GiB 8 GB."""
    return max(
        (p for p in profiles().values() if p.vram_gb <= vram_gb * 1.1), key=lambda found: found.vram_gb, default=None
    )


def _assignment(entry: dict) -> Assignment:
    entry = dict(entry)
    checkpoint, companion = entry.pop("checkpoint"), entry.pop("with", None)
    found = checkpoints()[checkpoint]
    return Assignment(found, Settings(**entry), checkpoints()[companion] if companion else None)


@functools.cache
def _document() -> dict:
    return tomllib.loads(importlib.resources.files(__package__).joinpath("profiles.toml").read_text(encoding="utf-8"))
