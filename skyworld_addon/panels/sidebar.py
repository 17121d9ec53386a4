"""The tab SkyWorld: its panels, from the photograph at the top to the backend at the bottom.

A panel has a file of its own that exports CLASSES; its place among the others is its `bl_order`.
"""

import bpy

from ..jobs import session
from . import backend, camera, edit, fit, generate, icons, jobs, preview, satellite, shot, world

CLASSES = (
    *generate.CLASSES,
    *fit.CLASSES,
    *satellite.CLASSES,
    *world.CLASSES,
    *edit.CLASSES,
    *camera.CLASSES,
    *shot.CLASSES,
    *jobs.CLASSES,
    *backend.CLASSES,
)


def redraw():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def register():
    preview.register()
    icons.register()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_change.append(redraw)


def unregister():
    if redraw in session.on_change:
        session.on_change.remove(redraw)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    icons.unregister()
    preview.unregister()
