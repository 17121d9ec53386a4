"""One render of a city, edited or restored: a piece of work that any process can do."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from skyworld.errors import UserError
from skyworld.models.roles import EditSchedule, Provenance, RestoreView
from skyworld.models.roster import Roster
from skyworld.splats.device import pick_device

# Skyfall-GS, arXiv 2510.15869.
SOURCE = (
    "Satellite image of an urban area with modern and older buildings, roads, green spaces. "
    "Some areas appear distorted, with blurring and warping artifacts."
)
TARGET = (
    "Clear satellite image of an urban area with sharp buildings, smooth edges, natural lighting, "
    "and well-defined textures."
)


@dataclass(frozen=True)
class Repainter:
    """Who repaints, and how: what all renders share.

    profile, model: of the roster; model takes the place of the profile's in `role`, "" for none.
    role:           "editor" or "restorer".
    device:         "auto" for what there is where it is done.
    """

    role: str
    profile: str = "builtin"
    model: str = ""
    device: str = "cpu"
    source: str = SOURCE
    target: str = TARGET
    schedule: EditSchedule = EditSchedule()  # noqa: RUF009, frozen

    def told(self, provenance: Provenance) -> dict:
        """All that a repainted picture depends on beside its render, as plain data."""
        edits = {"source": self.source, "target": self.target, "schedule": asdict(self.schedule)}
        return {"model": asdict(provenance), **(edits if self.role == "editor" else {})}


@dataclass(frozen=True)
class Piece:
    """picture [H, W, 3] uint8, alpha and wanted [H, W] uint8 and bool, depth [H, W] float32, examples [h, w, 3] uint8:
    a render, as `RestoreView` has it. seed: of the edit."""

    picture: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    wanted: np.ndarray
    examples: tuple[np.ndarray, ...]
    seed: int

    def fingerprint(self, told: dict) -> str:
        """Of the piece and of who repaints it: the name that its picture is kept under."""
        hashed = hashlib.sha256(json.dumps([told, self.seed], sort_keys=True).encode())
        for array in (self.picture, self.alpha, self.depth, self.wanted, *self.examples):
            hashed.update(np.ascontiguousarray(array).data)
        return hashed.hexdigest()[:24]


def repaint(repainter: Repainter, piece: Piece) -> np.ndarray:
    """[H, W, 3] uint8. What is neither wanted nor drawn stays black: nothing is imagined beyond the area.

    UserError where the answer is black or of another size.
    """
    model = _roster(repainter).get(repainter.role)
    picture, alpha = piece.picture.astype(np.float32) / 255, piece.alpha.astype(np.float32) / 255
    if repainter.role == "editor":
        answer = model.edit(picture, repainter.source, repainter.target, seed=piece.seed, schedule=repainter.schedule)
        answer = np.where((piece.wanted | (alpha >= 0.5))[..., None], answer, picture)
    else:
        examples = tuple(example.astype(np.float32) / 255 for example in piece.examples)
        answer = model.restore(RestoreView(picture, alpha, piece.depth, piece.wanted, examples))
    name = model.provenance.name
    if answer.shape != picture.shape:
        raise UserError(f"{name} answered {answer.shape} to a picture {picture.shape}", hint="Choose another model")
    if not np.isfinite(answer).all() or (answer.max() < 1 / 255 <= picture.max()):
        raise UserError(f"{name} gave a black or broken picture", hint="Choose another model, seed or prompt")
    return np.round(answer.clip(0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=2)
def _roster(repainter: Repainter) -> Roster:
    wishes = {repainter.role: repainter.model} if repainter.model else {}
    return Roster(repainter.profile, wishes, pick_device(repainter.device))
