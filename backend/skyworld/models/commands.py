"""`skyworld models`: what checkpoints there are, what of them is here, and getting and checking them."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from skyworld.errors import UserError
from skyworld.models import checkpoints, profiles, store
from skyworld.progress import Progress

_GB = 1e9


def add_parsers(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    one = commands.add_parser("list", help="all checkpoints: size, licence, what is here")
    one.add_argument("--json", action="store_true", help="print JSON, not a table")
    one = commands.add_parser("show", help="one checkpoint, a profile, or a folder of yours")
    one.add_argument("model", metavar="MODEL", help="a name of the list, a profile, a hub id or a folder")
    one = commands.add_parser("download", help="get a checkpoint or all of a profile; goes on where it stopped")
    one.add_argument("model", metavar="MODEL", help="a name of the list, a profile (8gb, 16gb, 24gb) or a hub id")
    one.add_argument("--yes", action="store_true", help="the licences have been read and are accepted")
    one = commands.add_parser("verify", help="compare checksums and sizes of what is here")
    one.add_argument("model", metavar="MODEL", nargs="?", help="as for show; left out: everything that is here")


def run(options: argparse.Namespace, follow) -> int:
    """Exit status. follow(name, reports): shows the progress of reports."""
    if options.what == "list":
        print(json.dumps(store.inventory(), indent=1) if options.json else listed())
        return 0
    if options.what == "show":
        print(shown(options.model))
        return 0
    if options.what == "download":
        return _download(options, follow)
    return _verify(options.model, follow)


def listed() -> str:
    """The table of all checkpoints, the profiles that use each, and the room on the disk."""
    found = store.inventory()
    rows = [("", "NAME", "FOR", "GB", "LICENCE", "PROFILES")]
    for entry in found["checkpoints"]:
        used = [each["name"] for each in found["profiles"] if entry["name"] in each["checkpoints"]]
        mark = {"complete": "*", "partial": "!", "absent": ""}[entry["state"]]
        size = f"{entry['download_gb']:.1f}"
        limits = " (non-commercial)" * (not entry["commercial"]) + " (gated)" * entry["gated"]
        rows.append((mark, entry["name"], ", ".join(entry["roles"]), size, entry["licence"] + limits, " ".join(used)))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", "* is here, ! is here in part. Sizes are those of the download.", ""]
    for profile in profiles.profiles().values():
        size = sum(checkpoint.download_gb for checkpoint in profile.checkpoints())
        lines.append(f"Profile {profile.name}: {size:.1f} GB in all, for a GPU of {profile.vram_gb:g} GB.")
    lines.append(f"{found['free_bytes'] / _GB:.1f} GB are free at {found['cache']}.")
    return "\n".join(lines)


def shown(model: str) -> str:
    """What is known of a checkpoint, a profile or a folder."""
    if model in profiles.profiles():
        return _profile(profiles.profile(model))
    known = profiles.find(model)
    source = known.id if known else model
    found = store.state(source)
    if known is None and found.folder is None and not store.is_hub_id(model):
        raise UserError(f"there is no model {model!r}", hint="See `skyworld models list`")
    facts = {"model": source}
    if known:
        sells = "" if known.commercial else ", not for commercial work"
        facts |= {
            "for": ", ".join(known.roles),
            "good for": known.good_for,
            "architecture": known.architecture,
            "licence": f"{known.licence}{sells}\n{known.licence_url}"
            + ("" if known.checked == "card" else "\nfrom memory: the hub's card counts"),
            "gated": "yes: accept the licence on the hub first" if known.gated else "no",
            "download": f"{known.download_gb:.1f} GB" + ("" if known.checked == "card" else " (estimated)"),
            "GPU memory": known.vram,
        }
        if known.package:
            facts["package"] = f"pip install {known.package}"
    facts["here"] = {"absent": "no", "partial": f"in part: {found.problem}", "complete": "yes"}[found.state]
    if found.folder:
        facts["folder"] = str(found.folder)
        facts["on disk"] = f"{found.size / _GB:.2f} GB"
        if known is None:
            facts |= _kind(found.folder)
        weights = sum(store.weights(found.folder).values()) / 4 if found.state == "complete" else 0
        facts["parameters"] = f"{weights / 1e6:,.0f} million" if weights else "unknown"
    lines = [(name, line) for name, text in facts.items() for line in str(text).split("\n")]
    named = [("" if before and before[0] == name else name, line) for before, (name, line) in _pairs(lines)]
    return "\n".join(f"{name:<13} {line}" for name, line in named)


def _kind(folder: Path) -> dict[str, str]:
    """What a folder's configuration says it is, and the roles that it fits."""
    try:
        names = checkpoints.names_in(folder)
    except UserError as error:
        return {"architecture": f"unknown: it {error.problem}"}
    roles = [role for role, adapters in checkpoints.ADAPTERS.items() if any(name in adapters for name in names)]
    return {"architecture": names[0] if names else "unnamed", "for": ", ".join(roles) or "no role"}


def _pairs(lines: list) -> Iterator:
    return zip([None, *lines], lines, strict=False)


def _profile(profile: profiles.Profile) -> str:
    lines = [f"Profile {profile.name}, for a GPU of {profile.vram_gb:g} GB"]
    for role, assigned in profile.roles.items():
        beside = f" + {assigned.companion.name}" if assigned.companion else ""
        held = assigned.settings
        how = [held.precision, *(["8-bit weights"] if held.quantisation == "fp8" else [])]
        how += [f"{held.offload} off-loading"] * (held.offload != "none") + ["VAE in tiles"] * held.tiled
        here = store.state(assigned.checkpoint.id).state
        lines.append(f"  {role:<14} {assigned.checkpoint.name + beside:<42} {', '.join(how)} ({here})")
    return "\n".join(lines)


def _download(options: argparse.Namespace, follow) -> int:
    from skyworld.models import download, hub

    hub.need_hub()
    listings = [hub.listing(name) for name in download.wanted(options.model)]
    print(download.offer(options.model, listings))
    download.check_room(listings)
    if not options.yes:
        if not sys.stdin.isatty():
            raise UserError("nobody is there to accept the licences", hint="Read them, then give --yes")
        if input("Accept the licences and download? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was downloaded.")
            return 0
    follow("download", download.bring(listings))
    print("Complete.")
    return 0


def _verify(model: str | None, follow) -> int:
    if model in profiles.profiles():
        sources = [checkpoint.id for checkpoint in profiles.profile(model).checkpoints()]
    elif model:
        sources = [known.id if (known := profiles.find(model)) else model]
    else:
        sources = [entry.id for entry in profiles.checkpoints().values() if store.locate(entry.id)]
    if not sources:
        print("No checkpoint is here.")
    problems = []

    def reports() -> Iterator[Progress]:
        for number, source in enumerate(sources):
            for done, total, problem in store.verify(source):
                if problem:
                    problems.append(f"! {source}: {problem}")
                fraction = (number + done / max(total, 1)) / len(sources)
                yield Progress(fraction, source, stage="verify", overall=fraction)

    follow("verify", reports())
    damaged = {line.split(":")[0].removeprefix("! ") for line in problems}
    print("\n".join([*problems, *(f"  {source}: whole" for source in sources if source not in damaged)]))
    if problems:
        print("Download what is damaged or missing again: skyworld models download MODEL")
    return 1 if problems else 0
