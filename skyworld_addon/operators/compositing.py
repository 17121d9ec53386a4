"""For people who stay in Cycles or EEVEE: splats as layers in the compositor."""

import bpy
from bpy.app.handlers import persistent

from ..connection.client import CONNECT_SECONDS
from ..engine import SkyWorldRenderEngine
from ..errors import UserError, reports_errors
from ..jobs import session
from ..scene import layers, splats
from ..scene.world import ENGINE


class SetUpCompositing(bpy.types.Operator):
    """Add nodes to the compositor that lay splats in front of and behind what this scene's engine renders"""

    bl_idname = "skyworld.set_up_compositing"
    bl_label = "Set Up Compositing"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if context.scene.render.engine == ENGINE:
            cls.poll_message_set("SkyWorld draws the objects itself: choose Cycles or EEVEE as render engine first")
            return False
        return True

    @reports_errors
    def execute(self, context):
        main = context.scene
        if not any(splats.is_splats(obj) for obj in main.objects):
            raise UserError("This scene holds no splats", hint="Import a world first")
        if main.skyworld_render.layers_of is not None:
            raise UserError("This scene holds the layers of another", hint="Switch to the scene with the objects")
        if not layers.has_layers(main):  # they make the film transparent
            main.skyworld_render.has_sky = not main.render.film_transparent
        scene = layers.scene_of(main)
        layers.follow(scene)
        layers.connect(main, scene)
        main.render.film_transparent = main.render.use_compositing = True
        self.report({"INFO"}, f"{scene.name} renders with this scene")
        return {"FINISHED"}


def _ends_with_blender(scene):
    """Whether `blender -b` renders a scene with layers: it goes on without them, which nobody sees in time."""
    return bpy.app.background and not bpy.app.module and layers.has_layers(scene)


@persistent
def before_rendering(scene, *_):
    """Where there is no backend `blender -b shot.blend -a` says so before the first frame, and ends with status 1."""
    SkyWorldRenderEngine.failure = ""
    if _ends_with_blender(scene):
        try:
            session.ready_client().ask("GET", "/health", timeout=CONNECT_SECONDS)
        except UserError as error:
            raise SystemExit(str(error)) from error


@persistent
def after_frame(scene, *_):
    """It ends, too, where the layers of a frame failed."""
    if SkyWorldRenderEngine.failure and _ends_with_blender(scene):
        raise SystemExit(SkyWorldRenderEngine.failure)


def register():
    bpy.utils.register_class(SetUpCompositing)
    layers.register()
    bpy.app.handlers.render_init.append(before_rendering)
    bpy.app.handlers.render_post.append(after_frame)


def unregister():
    bpy.app.handlers.render_post.remove(after_frame)
    bpy.app.handlers.render_init.remove(before_rendering)
    layers.unregister()
    bpy.utils.unregister_class(SetUpCompositing)
