"""Camera paths made in Blender: curves that stay editable."""

import math

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty
from mathutils import Matrix, Vector

from ..errors import UserError, reports_errors
from ..scene import cameras, curves, views, world
from ..scene.curves import FOV
from ..scene.surroundings import Surroundings
from ..translations import CONTEXT, said


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
        translation_context=CONTEXT,
    )
    ease: BoolProperty(name="Soft Start and Stop", description="Off: even speed all the way", default=True)

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
        """(where the world was seen from [3], half the walking room, what stands ahead [3]); `city`: is it one."""
        self.city = False
        collection = world.of(context)
        if collection:
            try:
                opened = world.open_world(collection.skyworld.folder)
                self.city = opened.city
                return opened.eye, opened.cube / 2, opened.ahead
            except UserError as error:
                self.report({"WARNING"}, f"{error} {said('The path stands at the 3D cursor')}.")
        x, y, z = context.scene.cursor.location
        return (x, y, z), 1.0, (x, y + 6.0, z)


def view_shown(context):
    """(pose, horizontal angle in radians) of the 3D view at work, else of the scene's camera, or None, None."""
    region, camera = context.region_data, context.scene.camera
    if region is not None and region.view_perspective != "CAMERA":
        return region.view_matrix.inverted(), views.angle_shown(region, context.scene.render)
    if camera is None:
        return None, None
    evaluated = camera.evaluated_get(context.evaluated_depsgraph_get())
    return Matrix(cameras.rigid(evaluated.matrix_world)), evaluated.data.angle_x


def surroundings_of(context):
    """What is solid in the world at hand, or in the scene; None where there are no splats."""
    collection = world.of(context) or context.scene.collection
    return Surroundings.of_objects(collection.all_objects, context.evaluated_depsgraph_get())


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
            ease=self.ease,
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
        translation_context=CONTEXT,
    )
    look: EnumProperty(
        name="Look",
        description="Where the camera looks",
        items=[
            ("TARGET", "At the Target", "An empty that can be moved"),
            ("OUTWARD", "Outward", "Away from the centre"),
        ],
        translation_context=CONTEXT,
    )
    ease: BoolProperty(
        name="Soft Start and Stop", description="Off: even speed all the way, so that the film may loop", default=False
    )
    radius: FloatProperty(
        name="Radius",
        description="Radius of the circle; 0 fits it to the walking room or the object",
        min=0,
        max=100_000,
        subtype="DISTANCE",
    )
    elevation: FloatProperty(
        name="Elevation",
        description="How far above the level of the centre the camera stands; 17 degrees over a city if left alone",
        subtype="ANGLE",
        min=math.radians(-89),
        max=math.radians(89),
        default=0.0,
    )

    @reports_errors
    def execute(self, context):
        eye, half, ahead = self.eye(context)
        centre, radius, target = (ahead, half, ahead) if self.city else (eye, 0.9 * half, ahead)
        over_city = self.city and self.around == "WORLD" and not self.properties.is_property_set("elevation")
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
            ease=self.ease,
            elevation=world.ELEVATION if over_city else self.elevation,
        )
        return self.finish(context, camera)


class AddMove(PathOperator, bpy.types.Operator):
    """Add a camera that moves in a straight line from what the 3D view shows, or from the scene's camera"""

    bl_idname = "skyworld.add_move"
    bl_label = "Add Dolly or Crane"

    move: EnumProperty(
        name="Move",
        description="Which way the camera goes",
        items=[
            ("DOLLY", "Dolly", "Along its own direction; back with a distance below zero"),
            ("TRUCK", "Truck", "To its right; left with a distance below zero"),
            ("CRANE", "Crane", "Up, looking at the same thing; down with a distance below zero"),
        ],
        translation_context=CONTEXT,
    )
    distance: FloatProperty(
        name="Distance", description="How far the camera goes", subtype="DISTANCE", default=1.0, min=-10_000, max=10_000
    )

    @reports_errors
    def execute(self, context):
        pose, angle = view_shown(context)
        if pose is None:
            eye, _, ahead = self.eye(context)
            turn = (Vector(ahead) - Vector(eye)).to_track_quat("-Z", "Y")
            pose, angle = Matrix.LocRotScale(eye, turn, None), self.fov
        start, turn, _ = pose.decompose()
        ahead, right = turn @ Vector((0, 0, -1)), turn @ Vector((1, 0, 0))
        way = {"DOLLY": ahead, "TRUCK": right, "CRANE": Vector((0, 0, 1))}[self.move]
        collection = self.collection(context)
        name = self.move.title()
        path = curves.add_path(f"{name} Path", [start, start + self.distance * way], collection)
        target = None
        if self.move == "CRANE":
            target = curves.add_target("Crane Target", start + ahead * max(3.0, 2 * abs(self.distance)), collection)
        span = (context.scene.frame_start, context.scene.frame_start + self.frames - 1)
        camera = curves.add_camera(
            f"{name} Camera", path, span, collection, target=target, turn=turn, ease=self.ease, fov=angle
        )
        context.scene.frame_end = span[1]
        return self.finish(context, camera)


class AddWalk(PathOperator, bpy.types.Operator):
    """Add a camera that walks along the active curve at eye height above the ground of the world"""

    bl_idname = "skyworld.add_walk"
    bl_label = "Add Walk along Curve"

    height: FloatProperty(
        name="Eye Height", description="Above the ground", subtype="DISTANCE", min=0.05, max=500, default=1.6
    )
    banking: FloatProperty(name="Banking", description="How far the camera leans into bends", min=0, max=5, default=0.0)

    @classmethod
    def poll(cls, context):
        if context.object is None or context.object.type != "CURVE":
            cls.poll_message_set("Draw a curve where to walk, and make it the active object")
            return False
        return True

    @reports_errors
    def execute(self, context):
        drawn = context.object
        if drawn.mode == "EDIT":  # fresh from drawing; what was drawn is in the file only afterwards
            bpy.ops.object.mode_set(mode="OBJECT")
        if not drawn.data.splines:
            raise UserError("The curve has no points", hint="Draw it first")
        places = curves.evenly(drawn, 1.0)
        around = surroundings_of(context)
        if around is None:
            self.report({"WARNING"}, said("There are no splats: the walk is at the drawn curve's own height"))
        ground = places[:, 2] if around is None else around.ground(places)
        # A walker does not hop onto every stone.
        padded = np.pad(ground, 2, mode="edge")
        places[:, 2] = np.convolve(padded, np.full(5, 0.2), mode="valid") + self.height
        collection = self.collection(context)
        path = curves.add_path("Walk Path", places, collection)
        path.data.splines[0].use_cyclic_u = drawn.data.splines[0].use_cyclic_u
        if self.banking:
            curves.bank(path, self.banking)
        span = (context.scene.frame_start, context.scene.frame_start + self.frames - 1)
        camera = curves.add_camera("Walk Camera", path, span, collection, ease=self.ease, fov=self.fov)
        context.scene.frame_end = span[1]
        return self.finish(context, camera)


class CameraOperator:
    """Does something with the scene's camera."""

    @classmethod
    def poll(cls, context):
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera")
            return False
        return True


class BakeCamera(CameraOperator, bpy.types.Operator):
    """Write the path of the scene's camera as keyframes on a copy of it, frame by frame; the editable one stays"""

    bl_idname = "skyworld.bake_camera"
    bl_label = "Bake Camera"
    bl_options = {"REGISTER", "UNDO"}

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


CLASSES = (AddFlythrough, AddOrbit, AddMove, AddWalk, BakeCamera)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
