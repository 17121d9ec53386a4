"""The picture that fills in while a world is made."""

import bpy
import bpy.utils.previews
import numpy as np

from ..jobs import session
from ..operators.generate import KIND, WORLD_FILES

SIDE = 256

_state = {"collection": None, "shown": {}}


def icon(job_id):
    """Icon number of a job's preview, or 0."""
    entry = _state["collection"].get(job_id)
    return entry.icon_id if entry else 0


def refresh():
    """Takes up the pictures that have come since; main thread, some milliseconds each."""
    for job_id, path in session.previews.items():
        stamp = path.stat().st_mtime_ns
        if job_id not in session.jobs or _state["shown"].get(job_id) == stamp:
            continue
        _state["shown"][job_id] = stamp
        pixels = read(path, session.jobs[job_id]["kind"])
        entry = _state["collection"].get(job_id) or _state["collection"].new(job_id)
        entry.image_size = (SIDE, SIDE)
        entry.image_pixels_float.foreach_set(pixels.ravel())


def read(path, kind):
    """[SIDE, SIDE, 4] of the picture of a job of this kind, rows upward, what it does not fill transparent.

    An icon is square: a wide picture would leave half of it empty, so its halves lie one above the other. Of
    a panorama that is what is ahead above what is behind, squeezed to fill the icon; of posed pictures what
    the splats show above the picture itself.
    """
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        rows = 2 if width >= 2 * height and kind in WORLD_FILES else 1
        scale = SIDE / max(width / rows, height * rows)
        size = round(scale * width / rows), round(scale * height)
        if rows == 2 and kind == KIND:
            size = SIDE, SIDE // 2
        width, height = rows * max(1, size[0]), max(1, size[1])
        image.scale(width, height)
        pixels = np.empty((height, width, 4), np.float32)
        image.pixels.foreach_get(pixels.reshape(-1))
    finally:
        bpy.data.images.remove(image)
    if rows == 2:
        if kind == KIND:
            pixels = np.roll(pixels, -width // 4, axis=1)  # ahead, behind -> each is one piece
        left, right = np.split(pixels, 2, axis=1)
        pixels = np.concatenate([right, left])
    icon = np.zeros((SIDE, SIDE, 4), np.float32)
    low, left = (SIDE - pixels.shape[0]) // 2, (SIDE - pixels.shape[1]) // 2
    icon[low : low + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return icon


def register():
    _state["collection"] = bpy.utils.previews.new()
    session.on_change.append(refresh)


def unregister():
    if refresh in session.on_change:
        session.on_change.remove(refresh)
    bpy.utils.previews.remove(_state["collection"])
    _state.update(collection=None, shown={})
