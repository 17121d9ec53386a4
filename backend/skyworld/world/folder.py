"""The world folder: what it holds, which stages made it, and how a killed job goes on."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from skyworld.errors import UserError
from skyworld.progress import Progress
from skyworld.world.files import atomic_write, full_disk, mendable
from skyworld.world.lock import WorldLock

FORMAT = 1
DOCUMENT = "world.json"
ALREADY_DONE = "already done"  # the message of a stage that is skipped


class World:
    """A folder with a world.json. Anyone may read it; the first write takes the lock of this process.

    root: its path.  document: what world.json says (change it through `record`).
    """

    def __init__(self, root: Path, document: dict):
        self.root = root
        self.document = document
        self._lock: WorldLock | None = None

    @classmethod
    def create(cls, path: Path | str, name: str | None = None) -> "World":
        """Makes a world, or opens the one that stands there. UserError where something else stands there."""
        root = Path(path).absolute()
        if (root / DOCUMENT).exists():
            return cls.open(root)
        with mendable(root):
            root.mkdir(parents=True, exist_ok=True)
            # Hidden files do not count: what a create killed half-way, or a file browser, leaves behind.
            strangers = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))
        if strangers:
            raise UserError(
                f"the folder is not a world and not empty (it holds {strangers[0]})",
                file=root,
                hint="Choose a new or empty folder, or one that holds a world.json",
            )
        world = cls(root, {})
        world._lock = WorldLock.of(root)
        if (root / DOCUMENT).exists():  # made by another process while this one waited
            return cls.open(root)
        world.document = {
            "format": FORMAT,
            "name": name or root.name,
            "units": "metre",
            "up_axis": "Z",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "models": [],
            "stages": {},
            "artifacts": {},
        }
        world._write()
        return world

    @classmethod
    def open(cls, path: Path | str) -> "World":
        """Opens a world. UserError: no such folder, not a world, damaged, of a newer format."""
        root = Path(path).absolute()
        return cls(root, _read(root))

    def path(self, relative: str) -> Path:
        """Absolute path of a file of this world; UserError for anything that leads out of the folder."""
        inside = self.root / relative
        if not inside.resolve().is_relative_to(self.root.resolve()):
            raise UserError(f"{relative} lies outside of the world", file=self.root, hint="Name a file inside it")
        return inside

    def record(self, key: str, value) -> None:
        """Sets one key of world.json, atomically. `value` is JSON-able."""
        self._begin_writing()
        self.document[key] = value
        self._write()

    def fingerprint(self, stage: str) -> str:
        """Fingerprint of a stage that is done, to be an input of later ones."""
        return self.document["stages"][stage]["fingerprint"]

    def stage(
        self, name: str, inputs: dict, outputs: tuple[str, ...], make: Callable[[Path], Iterator[Progress]]
    ) -> Iterator[Progress]:
        """Runs a stage, unless world.json says that it was done with the same inputs.

        inputs:  JSON-able: parameters, `digest`s of files, `fingerprint`s of earlier stages, the model's
                 provenance and the version of the stage's own code.
        outputs: files of the world that `make` writes, each with `atomic_write`.
        make:    gets stages/<name>/, which is kept until the inputs change: checkpoints of a killed run lie there.
        """
        self._begin_writing()
        fingerprint = _fingerprint(name, inputs)
        done = self.document["stages"].get(name)
        if done and done["fingerprint"] == fingerprint and all(self.path(output).exists() for output in outputs):
            yield Progress(1.0, ALREADY_DONE)
            return
        if done:
            # From here on the outputs may be of two minds: without its record the stage is made anew.
            stages = {other: record for other, record in self.document["stages"].items() if other != name}
            self.record("stages", stages)
        started = time.monotonic()
        with full_disk(self.root):
            yield from make(self._workplace(name, fingerprint))
        missing = [output for output in outputs if not self.path(output).exists()]
        if missing:
            raise RuntimeError(f"stage {name} did not write {', '.join(missing)}")
        record = {"fingerprint": fingerprint, "outputs": outputs, "seconds": round(time.monotonic() - started, 3)}
        self.record("stages", {**self.document["stages"], name: record})

    def _workplace(self, name: str, fingerprint: str) -> Path:
        """stages/<name>/, emptied where it belongs to other inputs."""
        folder = self.path(f"stages/{name}")
        mark = folder / "fingerprint"
        with mendable(folder):
            if folder.exists() and not (mark.exists() and mark.read_text() == fingerprint):
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            mark.write_text(fingerprint)
        return folder

    def _begin_writing(self) -> None:
        """Takes the lock; what another process wrote since `open` is read again."""
        if self._lock is None:
            self._lock = WorldLock.of(self.root)
            self.document = _read(self.root)

    def _write(self) -> None:
        with atomic_write(self.root / DOCUMENT) as path:
            path.write_text(json.dumps(self.document, indent=1), encoding="utf-8")


def _read(root: Path) -> dict:
    file = root / DOCUMENT
    if not file.exists():
        problem = "holds no world.json, so it is not a world" if root.is_dir() else "there is no such folder"
        raise UserError(problem, file=root, hint="Name the folder of a world, or make one with: skyworld world")
    try:
        with mendable(file):
            document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document["stages"], dict):
            raise TypeError("stages")
        newer = document["format"] > FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "is damaged or was not written by SkyWorld", file=file, hint="Restore it, or make the world anew"
        ) from error
    if newer:
        raise UserError(
            f"was made by a newer SkyWorld (format {document['format']}, this one knows {FORMAT})",
            file=file,
            hint="Update SkyWorld",
        )
    return document


def _fingerprint(name: str, inputs: dict) -> str:
    text = json.dumps([FORMAT, name, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
