"""Camera paths made in Blender: curves that stay editable."""

import math

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ..errors import UserError, reports_errors
from ..scene import cameras, world
from ..scene.curves import FOV


class PathOperator:
    bl_options = {"REGISTER", "UNDO"}

    frames: IntProperty(name="Frames", description="Length of the shot", min=2, max=100_000, default=120)
    fov: FloatProperty(
        name="Field of View",
        description="Horizontal field of view of the camera",
        subtype="ANGLE",
        min=math.radians(5),
        max=math.radians(160),
        default=FOV,
    )

    def collection(self, context):
        return world.of(context) or context.scene.collection

    def finish(self, context, camera):
        context.scene.camera = camera
        for other in context.selected_objects:
            other.select_set(False)
        path = camera.constraints[0].target
        path.select_set(True)
        context.view_layer.objects.active = path
        return {"FINISHED"}

    def eye(self, context):
        """(where the world was seen from [3], half the walking room, what stands ahead [3])."""
        collection = world.of(context)
        if collection:
            try:
                opened = world.open_world(collection.skyworld.folder)
                return opened.eye, opened.cube / 2, opened.ahead
            except UserError as error:
                self.report({"WARNING"}, f"{error} The path stands at the 3D cursor.")
        x, y, z = context.scene.cursor.location
        return (x, y, z), 1.0, (x, y + 6.0, z)


class AddFlythrough(PathOperator, bpy.types.Operator):
    """Add a camera that glides through the walking room of the world on an editable curve"""

    bl_idname = "skyworld.add_flythrough"
    bl_label = "Add Fly-through"

    reach: FloatProperty(
        name="Reach",
        description="How far the path leaves the viewpoint, as a share of half the walking room",
        min=0.01,
        max=50,
        soft_max=5,
        default=1.0,
    )
    look_at_target: BoolProperty(
        name="Look at a Target",
        description="The camera looks at an empty that can be moved and animated; off: along the curve",
        default=True,
    )

    @reports_errors
    def execute(self, context):
        eye, half, ahead = self.eye(context)
        camera = world.add_flythrough(
            context,
            self.collection(context),
            eye,
            half * self.reach,
            ahead if self.look_at_target else None,
            frames=self.frames,
            fov=self.fov,
        )
        return self.finish(context, camera)


class AddOrbit(PathOperator, bpy.types.Operator):
    """Add a camera on an editable circle: round the active object or the 3D cursor, or round the world's viewpoint"""

    bl_idname = "skyworld.add_orbit"
    bl_label = "Add Orbit"

    around: EnumProperty(
        name="Around",
        description="What the circle lies about",
        items=[
            ("WORLD", "Viewpoint", "Within the walking room, looking at what stands ahead: nothing hidden is shown"),
            ("ACTIVE", "Active Object", "Round the active object, looking at it"),
            ("CURSOR", "3D Cursor", "Round the 3D cursor, looking at it"),
        ],
    )
    look: EnumProperty(
        name="Look",
        description="Where the camera looks",
        items=[
            ("TARGET", "At the Target", "An empty that can be moved"),
            ("OUTWARD", "Outward", "Away from the centre"),
        ],
    )
    radius: FloatProperty(
        name="Radius",
        description="Radius of the circle; 0 fits it to the walking room or the object",
        min=0,
        max=100_000,
        subtype="DISTANCE",
    )

    @reports_errors
    def execute(self, context):
        eye, half, ahead = self.eye(context)
        centre, radius, target = eye, 0.9 * half, ahead
        if self.around == "CURSOR":
            centre = target = tuple(context.scene.cursor.location)
            radius = 3.0
        elif self.around == "ACTIVE":
            if context.object is None:
                raise UserError("There is no active object", hint="Select one, or orbit the 3D cursor")
            centre = target = tuple(context.object.matrix_world.translation)
            radius = max(1.0, 1.5 * max(context.object.dimensions))
        camera = world.add_orbit(
            context,
            self.collection(context),
            centre,
            self.radius or radius,
            frames=self.frames,
            target=target,
            outward=self.look == "OUTWARD",
            fov=self.fov,
        )
        return self.finish(context, camera)


class BakeCamera(bpy.types.Operator):
    """Write the path of the scene's camera as keyframes on a copy of it, frame by frame; the editable one stays"""

    bl_idname = "skyworld.bake_camera"
    bl_label = "Bake Camera"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera")
            return False
        return True

    @reports_errors
    def execute(self, context):
        scene, camera = context.scene, context.scene.camera
        frames = range(scene.frame_start, scene.frame_end + 1)
        poses = cameras.sample(scene, camera, frames).camera_to_world
        baked = bpy.data.objects.new(f"{camera.name} Baked", camera.data.copy())
        (camera.users_collection or (scene.collection,))[0].objects.link(baked)
        cameras.bake(baked, list(frames), poses)
        scene.camera = baked
        return {"FINISHED"}


CLASSES = (AddFlythrough, AddOrbit, BakeCamera)


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister():
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
