"""Cycles as a part of another engine: it draws Blender's objects into that engine's own result."""

import numpy as np

from .errors import UserError
from .scene import occluders, splats

RAYS = ("camera", "diffuse", "glossy", "transmission", "volume_scatter", "shadow")


def _module():
    try:
        from cycles import engine
    except ImportError as error:
        hint = "Set Objects to Splats Only in the render properties of SkyWorld"
        raise UserError("This Blender was built without Cycles, which draws the objects", hint=hint) from error
    return engine


def register_passes(engine, scene, view_layer):
    _module().register_passes(engine, scene, view_layer)


def is_needed(depsgraph):
    """Whether anything is in the scene that Cycles has to draw."""
    return any(occluders.is_drawn(instance) for instance in depsgraph.object_instances)


def begin(engine, data, depsgraph):
    """Makes Cycles ready. The evaluated copies, which are this render's own, lose the splats and the film's ground:
    both are ours to draw."""
    cycles = _module()
    depsgraph.scene_eval.render.film_transparent = True
    for instance in depsgraph.object_instances:
        if not instance.is_instance and splats.is_splats(instance.object):
            for ray in RAYS:
                setattr(instance.object, f"visible_{ray}", False)
    cycles.create(engine, data)
    cycles.reset(engine, data, depsgraph)


def render(engine, depsgraph):
    """Passes {name: [H, W, channels]} of the objects, colours scene linear and premultiplied, row 0 at the bottom; of
    each view."""
    _module().render(engine, depsgraph)
    result = engine.get_result()
    views = []
    for target in result.layers[depsgraph.view_layer.name].passes:
        picture = np.empty((result.resolution_y, result.resolution_x, target.channels), np.float32)
        target.rect.foreach_get(picture.reshape(-1))
        place = next((view for view in views if target.name not in view), None)
        if place is None:
            views.append(place := {})
        place[target.name] = picture
    return views


def end(engine):
    if getattr(engine, "session", None):
        _module().free(engine)
