"""The picture that fills in while a world is made."""

import bpy
import bpy.utils.previews
import numpy as np

from ..jobs import session

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
        if _state["shown"].get(job_id) == stamp:
            continue
        _state["shown"][job_id] = stamp
        pixels = read(path)
        entry = _state["collection"].get(job_id) or _state["collection"].new(job_id)
        entry.image_size = (SIDE, SIDE)
        entry.image_pixels_float.foreach_set(pixels.ravel())


def read(path):
    """[SIDE, SIDE, 4] of a picture, rows upward; a panorama as two rows, what is ahead above what is behind.

    An icon is square: a panorama as a whole would leave half of it empty.
    """
    image = bpy.data.images.load(str(path))
    try:
        wide = image.size[0] >= 2 * image.size[1]
        image.scale(2 * SIDE, SIDE // 2) if wide else image.scale(SIDE, SIDE)
        width, height = image.size
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    pixels = pixels.reshape(height, width, 4)
    if wide:
        quarter = width // 4
        turned = np.roll(pixels, quarter, axis=1)  # behind, ahead -> behind is one piece
        behind, ahead = turned[:, : 2 * quarter], turned[:, 2 * quarter :]
        pixels = np.concatenate([behind, ahead])
    return pixels


def register():
    _state["collection"] = bpy.utils.previews.new()
    session.on_change.append(refresh)


def unregister():
    if refresh in session.on_change:
        session.on_change.remove(refresh)
    bpy.utils.previews.remove(_state["collection"])
    _state.update(collection=None, shown={})
