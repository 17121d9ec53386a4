"""What models answered, view by view, on disk: a killed job goes on at the next view, a changed prompt redoes its own.

A view's key holds all that its answer depends on: the model and its settings, what the view shows, the words, the
seed. So a view is asked again exactly where one of these has changed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import cv2
import numpy as np

from skyworld.errors import UserError
from skyworld.world.files import atomic_write


class Answers:
    """folder: where they lie, one PNG each; None keeps nothing. Answers are of 8 bits, kept or not."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.used: set[str] = set()

    def ask(self, model, question: tuple, answer: Callable[[], np.ndarray]) -> np.ndarray:
        """[H, W, 3] float32, from disk, or from `answer()`. question: arrays, texts and numbers that it depends on.

        UserError where the model answers with values that are no colours.
        """
        name = f"{_key(model, question)}.png"
        self.used.add(name)
        kept = cv2.imread(str(self.folder / name)) if self.folder and (self.folder / name).is_file() else None
        if kept is not None:
            return kept[:, :, ::-1].astype(np.float32) / 255
        picture = np.asarray(answer(), np.float32)
        if not np.isfinite(picture).all():
            raise UserError(
                f"{model.provenance.name} answered with numbers that are no colours (NaN)",
                hint="Choose a higher precision or another model; the views before it are kept",
            )
        picture = (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        if self.folder:
            with atomic_write(self.folder / name) as path:
                path.write_bytes(cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes())
        return picture.astype(np.float32) / 255

    def forget_unused(self) -> None:
        """Deletes what this run did not ask for."""
        for path in self.folder.glob("*.png") if self.folder else ():
            if path.name not in self.used:
                path.unlink()


def _key(model, question: tuple) -> str:
    """Hex digest. Of the settings counts what changes the picture, not where the weights wait."""
    settings = getattr(model, "settings", None)
    held = [getattr(settings, name, None) for name in ("precision", "quantisation", "steps", "guidance")]
    state = hashlib.sha256(repr((astuple(model.provenance), held)).encode())
    for part in question:
        if isinstance(part, np.ndarray):
            eight_bits = np.packbits(part) if part.dtype == bool else (part * 255 + 0.5).astype(np.uint8)
            state.update(repr(part.shape).encode() + eight_bits.tobytes())
        else:
            state.update(repr(part).encode())
    return state.hexdigest()[:40]
