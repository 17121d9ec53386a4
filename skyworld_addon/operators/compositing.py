"""For people who stay in Cycles or EEVEE: splats as layers in the compositor."""

import bpy

from ..errors import UserError, reports_errors
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


def register():
    bpy.utils.register_class(SetUpCompositing)
    layers.register()


def unregister():
    layers.unregister()
    bpy.utils.unregister_class(SetUpCompositing)
