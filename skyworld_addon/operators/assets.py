"""Worlds in the asset browser, with a picture of what they look like."""

from pathlib import Path

import bpy
import numpy as np

from ..errors import UserError, reports_errors
from ..scene import world
from ..translations import said

SIDE = 256  # pixels of a preview


class MarkWorldAsset(bpy.types.Operator):
    """Put the world's collection into the asset browser, with its last shot or its panorama as the picture"""

    bl_idname = "skyworld.mark_world_asset"
    bl_label = "Mark World as Asset"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if world.of(context) is None:
            cls.poll_message_set("The scene has no world; import or generate one first")
            return False
        return True

    @reports_errors
    def execute(self, context):
        collection = world.of(context)
        picture = picture_of(Path(bpy.path.abspath(collection.skyworld.folder)))
        collection.asset_mark()
        about = collection.asset_data
        about.description = said("A world of Gaussian splats")
        for tag in ("SkyWorld", "splats"):
            about.tags.new(tag, skip_if_exists=True)
        set_preview(collection, picture)
        self.report({"INFO"}, said("{name} is in the asset browser, under Current File", name=collection.name))
        return {"FINISHED"}


def picture_of(folder):
    """The newest frame of a world's shots, else its panorama."""
    shots = sorted((folder / "shots").rglob("*.png"), key=lambda path: path.stat().st_mtime)
    found = [*shots[-1:], folder / "panorama.png"][0]
    if not found.is_file():
        raise UserError("has no shot and no panorama to show", file=folder, hint="Render a shot, then try again")
    return found


def set_preview(data_block, file):
    """The middle square of a picture as the preview of any data-block."""
    image = bpy.data.images.load(str(file))
    try:
        width, height = image.size
        side = min(width, height)
        # a panorama is narrowed to what an eye takes in
        side = side if width < 2 * height else side // 2
        scale = SIDE / side
        image.scale(max(SIDE, round(width * scale)), max(SIDE, round(height * scale)))
        width, height = image.size
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    left, low = (width - SIDE) // 2, (height - SIDE) // 2
    square = pixels.reshape(height, width, 4)[low : low + SIDE, left : left + SIDE]
    preview = data_block.preview_ensure()
    preview.image_size = SIDE, SIDE
    preview.image_pixels_float.foreach_set(np.ascontiguousarray(square).reshape(-1))


CLASSES = (MarkWorldAsset,)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
