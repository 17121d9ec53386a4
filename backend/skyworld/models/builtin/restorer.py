"""The built-in restorer of renders: it repairs what is broken, sharpens what is soft, and invents nothing.

What a fit from above leaves in views from the side is (1) needles and floaters, thin things in front of all that
stands around them, (2) holes in walls, (3) softness. The first are cut away by their depth, the second filled with
patches of what lies as far away, the third gets the fine detail of sharper pictures of the same place where they are
alike (example-based detail: Freeman et al. 2002, with PatchMatch), and a sharpening up to what these pictures have.
A wall that no picture shows stays a plain wall: windows are for a checkpoint to imagine.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from skyworld.models.builtin.completion import completed
from skyworld.models.builtin.patchmatch import RADIUS, match
from skyworld.models.roles import Provenance, RestoreView

SEEN = 0.5  # alpha from which a pixel's own colour is trusted
# A fit over black has the right colours where it lets black through a little; where it lets through more, they are not.
OPAQUE, RIM = 0.85, 5  # alpha up to which colours are made fuller; px by which holes are widened, for their dark rims
THIN, NEARER = 9, 1.06  # px that a floater is thick at most, and by how much nearer than what is around it
SMALLEST = 20  # px of a floater: less is the corner of a house, or a speck
MOST_FLOATERS = 0.15  # of the picture: where more stands out, that is how the place is
SPECKLE = 5  # px, window of the median that bright and dark specks are compared with
SOFT, DETAIL = 1.6, 0.8  # px up to which detail is fine; how much of a likely example's detail is taken
ALIKE = 0.02  # root mean squared difference of patches that are about as likely as not the same thing
SHARPEN, REACH = 1.4, 1.2  # strength and px of the sharpening
SEED = 1


class BuiltinRestorer:
    """Role Restorer. Needs no weights; about two seconds for a picture of 512 px on a CPU."""

    provenance = Provenance("restorer", "SkyWorld built-in restorer", "3", "GPL-3.0-or-later", builtin=True)

    def restore(self, view: RestoreView) -> np.ndarray:
        """[H, W, 3]. Pixels outside of `view.wanted` that show nothing stay as they are."""
        seen = view.alpha >= SEEN
        thinned = np.where(view.wanted & seen, np.minimum(view.alpha / OPAQUE, 1), 1)
        picture = (view.picture / thinned[..., None]).clip(0, 1).astype(np.float32)
        gaps = cv2.dilate((view.wanted & ~seen).astype(np.uint8), np.ones((RIM, RIM), np.uint8)) > 0
        hole = gaps & view.wanted | floaters(view.depth, seen) & seen
        picture = whole(picture, hole, view.depth, seen)
        picture = without_specks(picture)
        for number, example in enumerate(view.examples):
            picture = detailed(picture, example, SEED + number)
        strength = SHARPEN * softness(picture, seen, view.examples)
        restored = np.where((seen | hole)[..., None], sharpened(picture, strength), view.picture)
        return restored.clip(0, 1).astype(np.float32)


def floaters(depth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Bool [H, W]: what stands thin in front of all that is around it. depth [H, W] metres, read where `seen`.

    An opening of the inverse depth takes away what is nearer and thinner than the window; edges of wide things stay.
    """
    inverse = np.where(seen, 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    inverse = cv2.medianBlur(inverse, 3)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (THIN, THIN))
    behind = cv2.morphologyEx(inverse, cv2.MORPH_OPEN, window)
    thin = seen & (behind > 0) & (inverse > NEARER * behind)
    _, parts, told, _ = cv2.connectedComponentsWithStats(thin.astype(np.uint8), connectivity=8)
    thin &= told[parts, cv2.CC_STAT_AREA] >= SMALLEST
    if thin.mean() > MOST_FLOATERS:
        return np.zeros_like(seen)
    return cv2.dilate(thin.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def whole(picture: np.ndarray, hole: np.ndarray, depth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The picture [H, W, 3] with its hole (bool [H, W]) filled from what lies about as far as what is behind it."""
    if not hole.any() or not (seen & ~hole).any():
        return picture
    unseen = ~seen & ~hole  # sky and what lies beyond the place: nothing comes from there
    inverse = np.where(seen & ~hole, 1 / np.maximum(depth, 1e-3), 1e-6).astype(np.float32)
    filled = completed(picture, hole | unseen, inverse, SEED)
    return np.where(hole[..., None], filled, picture)


def without_specks(picture: np.ndarray) -> np.ndarray:
    """Single pixels and thin streaks that fall out of their surroundings, by the median of a window."""
    levels = (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    middle = cv2.medianBlur(levels, SPECKLE).astype(np.float32) / 255
    away = np.abs(picture - middle).max(-1)
    usual = cv2.blur(away, (4 * SPECKLE + 1,) * 2)
    share = np.clip((away - 5 * usual - 0.1) / 0.05, 0, 1)[..., None]
    return picture + share * (middle - picture)


def detailed(picture: np.ndarray, example: np.ndarray, seed: int) -> np.ndarray:
    """With the fine detail [h, w, 3] that an example has where its coarse part is like the picture's.

    Detail is what a blur of SOFT px takes away. It counts by how alike the patches are, and never more than twice as
    strong as the picture's own variation around there.
    """
    if min(example.shape[:2]) < 4 * RADIUS or min(picture.shape[:2]) < 4 * RADIUS:
        return picture
    height, width = picture.shape[:2]
    coarse, like = (cv2.GaussianBlur(each, (0, 0), SOFT) for each in (picture, example))
    rows = max(height, example.shape[0])
    canvas = np.zeros((rows, width + example.shape[1], 3), np.float32)
    canvas[:height, :width], canvas[: example.shape[0], width:] = coarse, like
    target, source = np.zeros(canvas.shape[:2], bool), np.zeros(canvas.shape[:2], bool)
    target[RADIUS : height - RADIUS, RADIUS : width - RADIUS] = True
    source[RADIUS : example.shape[0] - RADIUS, width + RADIUS : canvas.shape[1] - RADIUS] = True
    places = np.argwhere(source).astype(np.int32)
    field = places[np.random.default_rng(seed).integers(len(places), size=canvas.shape[:2])]
    trust = np.ones(canvas.shape[:2], np.float32)  # all pixels of a patch count alike
    for sweep in range(2):
        match(canvas, trust, target, source, field, max(canvas.shape[:2]) // 2, seed + sweep)
    v, u = field[:height, :width, 0], field[:height, :width, 1]
    difference = np.square(coarse - canvas[v, u]).mean(-1)
    difference = np.sqrt(np.maximum(cv2.blur(difference, (2 * RADIUS + 1,) * 2), 0))
    share = DETAIL * np.exp(-np.square(difference / ALIKE))
    share *= target[:height, :width]
    fine = (example - like)[np.minimum(v, example.shape[0] - 1), np.clip(u - width, 0, example.shape[1] - 1)]
    own = picture - coarse
    room = 2 * np.sqrt(np.maximum(cv2.blur(np.square(own).mean(-1), (9, 9)), 0)) + 0.01
    limit = np.minimum(1, room / np.maximum(np.abs(fine).max(-1), 1e-4))
    return picture + (share * limit)[..., None] * (fine - share[..., None] * own)


def softness(picture: np.ndarray, seen: np.ndarray, examples: Sequence[np.ndarray]) -> float:
    """How much softer a picture is than the sharpest example: 0 for not at all, 1 for half as sharp or no example.

    What is sharpened is fitted to, drawn, and sharpened again: without this, an episode after another would only add
    contrast to noise.
    """
    if not examples or not seen.any():
        return 1.0
    own = _fine(picture)[seen].std()
    wanted = max(_fine(example).std() for example in examples)
    return float(np.clip(wanted / max(own, 1e-6) - 1, 0, 1))


def _fine(picture: np.ndarray) -> np.ndarray:
    return picture - cv2.GaussianBlur(picture, (0, 0), REACH)


def sharpened(picture: np.ndarray, strength: float = SHARPEN) -> np.ndarray:
    """Unsharp mask that never leaves the range of the neighbourhood: no halos, no noise beyond what is there."""
    if strength <= 0:
        return picture
    smooth = cv2.bilateralFilter(picture, 5, 0.06, 1.5)
    share = min(strength / SHARPEN, 1)
    sharp = smooth + strength * _fine(smooth) + (1 - 0.5 * share) * (picture - smooth)
    window = np.ones((3, 3), np.uint8)
    return np.clip(sharp, cv2.erode(picture, window), cv2.dilate(picture, window))
