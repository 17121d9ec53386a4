"""Cycles as a part of another engine: it draws Blender's objects into that engine's own result."""

import bpy
import numpy as np

from .errors import UserError
from .scene import occluders, splats

SKY = "Environment" if bpy.app.version >= (5, 0, 0) else "Env"  # a pass
SKY_SAMPLES = 16  # of a picture of the world alone, which has no noise
HIDDEN = occluders.DRAWN | {"LIGHT"}  # what shows; an empty would hide what it is an instance of
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


def draws(instance):
    return occluders.is_drawn(instance)


def draws_shadow_on(instance):
    return occluders.is_drawn(instance) and instance.object.is_shadow_catcher


def draws_nothing(_instance):
    return False


def begin(engine, data, depsgraph, shown, *, has_sky, has_objects):
    """Makes Cycles ready. The evaluated copies, which are this render's own, lose the splats, the film's ground, which
    are ours to draw, and what of the objects is not to be shown.

    shown: says it of an instance; has_sky: the picture of the world beside the objects is asked for, as the pass SKY.
    """
    cycles = _module()
    scene = depsgraph.scene_eval
    scene.render.film_transparent = True
    for instance in depsgraph.object_instances:
        obj = instance.object
        if instance.is_instance:  # `object` is a copy of its own, which nobody looks at again
            obj = obj.original.evaluated_get(depsgraph)
        if splats.is_splats(obj):
            for ray in RAYS:
                setattr(obj, f"visible_{ray}", False)
        elif shown is not draws and obj.type in HIDDEN and not shown(instance):
            obj.visible_camera = False
    if has_sky:
        engine.add_pass(SKY, 3, "RGB", layer=depsgraph.view_layer.name)
    if not has_objects:
        settings = scene.cycles
        settings.samples, settings.use_denoising = min(settings.samples, SKY_SAMPLES), False
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
