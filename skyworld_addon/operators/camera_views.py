"""Keyed views and what may be done to a camera path afterwards: target, zoom, banking, clearance, preview."""

import math

import bpy
from bpy.props import BoolProperty, FloatProperty

from ..errors import UserError, reports_errors
from ..scene import cameras, curves, views, world
from ..translations import said
from .camera_path import CameraOperator, PathOperator, surroundings_of, view_shown


def _home(context):
    return world.of(context) or context.scene.collection


class AddView(bpy.types.Operator):
    """Keep what the 3D view shows as a view to fly through; views can be moved and looked through like any camera"""

    bl_idname = "skyworld.add_view"
    bl_label = "Add View"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if context.region_data is None and context.scene.camera is None:
            cls.poll_message_set("There is neither a 3D view nor a camera")
            return False
        return True

    def execute(self, context):
        view = views.add_view(_home(context), *view_shown(context))
        self.report({"INFO"}, said("{name} added", name=view.name))
        return {"FINISHED"}


class FlyThroughViews(PathOperator, bpy.types.Operator):
    """Add a camera that flies through the views, or the selected ones, in the order of their names"""

    bl_idname = "skyworld.fly_through_views"
    bl_label = "Fly Through Views"

    closed: BoolProperty(name="Closed", description="Go back to the first view", default=False)

    @classmethod
    def poll(cls, context):
        if len(views.views_of(_home(context))) < 2:
            cls.poll_message_set("Add two views or more first")
            return False
        return True

    @reports_errors
    def execute(self, context):
        stops = views.views_of(_home(context))
        selected = [view for view in stops if view.select_get()]
        stops = selected if len(selected) > 1 else stops
        first = stops[0].matrix_world.translation
        if max((view.matrix_world.translation - first).length for view in stops) < 1e-4:
            raise UserError("The views stand in one place", hint="Move some of them")
        span = (context.scene.frame_start, context.scene.frame_start + self.frames - 1)
        camera = views.fly_through(stops, span, _home(context), ease=self.ease, closed=self.closed)
        context.scene.frame_end = span[1]
        return self.finish(context, camera)


class LookAtTarget(CameraOperator, bpy.types.Operator):
    """Let the scene's camera look at a new empty, which can be moved and animated; it stands at the 3D cursor"""

    bl_idname = "skyworld.look_at_target"
    bl_label = "Look at Target"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        camera = context.scene.camera
        for old in [c for c in camera.constraints if c.type == "TRACK_TO"]:
            camera.constraints.remove(old)
        target = curves.add_target(f"{camera.name} Target", context.scene.cursor.location, _home(context))
        look = camera.constraints.new("TRACK_TO")
        look.target, look.track_axis, look.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"
        for other in context.selected_objects:
            other.select_set(False)
        target.select_set(True)
        context.view_layer.objects.active = target
        return {"FINISHED"}


class FocalZoom(CameraOperator, bpy.types.Operator):
    """Zoom the scene's camera over the shot, from its present field of view to another"""

    bl_idname = "skyworld.focal_zoom"
    bl_label = "Focal Zoom"
    bl_options = {"REGISTER", "UNDO"}

    to: FloatProperty(
        name="Field of View at the End",
        description="Horizontal",
        subtype="ANGLE",
        min=math.radians(1),
        max=math.radians(170),
        default=math.radians(30),
    )

    @reports_errors
    def execute(self, context):
        scene, data = context.scene, context.scene.camera.data
        if data.type != "PERSP":
            raise UserError("Only a perspective camera zooms", hint="Set the camera's type to Perspective")
        lens = data.lens * math.tan(data.angle_x / 2) / math.tan(self.to / 2)
        cameras.keyframes(data, "lens", [scene.frame_start, scene.frame_end], [data.lens, lens], cameras.BEZIER)
        return {"FINISHED"}


class PathAdjustment:
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if _path(context) is None:
            cls.poll_message_set("Select the curve of a camera path")
            return False
        return True


class BankPath(PathAdjustment, bpy.types.Operator):
    """Lean the camera into the bends of the path, as a bird or an aeroplane does; for cameras that look along it"""

    bl_idname = "skyworld.bank_path"
    bl_label = "Bank"

    amount: FloatProperty(name="Amount", description="0 levels the path again", min=0, max=20, soft_max=5, default=1.0)

    def execute(self, context):
        curves.bank(_path(context), self.amount)
        return {"FINISHED"}


class KeepClear(PathAdjustment, bpy.types.Operator):
    """Bend the path away from what stands in its way, as far as the splats of the world tell"""

    bl_idname = "skyworld.keep_clear"
    bl_label = "Keep Clear"

    distance: FloatProperty(
        name="Clearance",
        description="Least distance from anything solid",
        subtype="DISTANCE",
        min=0.01,
        max=100,
        default=0.3,
    )

    @reports_errors
    def execute(self, context):
        path, around = _path(context), surroundings_of(context)
        if around is None:
            raise UserError("There are no splats to keep clear of", hint="Import a world first")
        _, apart = around.nearest(curves.sampled(path)[0])
        if apart.min() >= self.distance:
            self.report({"INFO"}, said("The path is clear: {apart:.2f} m at its narrowest", apart=apart.min()))
            return {"FINISHED"}
        closed = path.data.splines[0].use_cyclic_u
        spacing = max(self.distance / 2, curves.sampled(path)[1][-1] / 200)
        curves.rebuild(path, around.clear(curves.evenly(path, spacing), self.distance, closed))
        left = around.nearest(curves.sampled(path)[0])[1].min()
        level = "INFO" if left >= 0.9 * self.distance else "WARNING"
        text = said("{left:.2f} m at its narrowest, {before:.2f} m before", left=left, before=apart.min())
        self.report({level}, text)
        return {"FINISHED"}


class PreviewShot(CameraOperator, bpy.types.Operator):
    """Look through the scene's camera and play the shot in the viewport; press again to stop"""

    bl_idname = "skyworld.preview_shot"
    bl_label = "Preview"

    def execute(self, context):
        region = context.region_data
        if region is not None and region.view_perspective != "CAMERA":
            bpy.ops.view3d.view_camera()
        if context.screen is not None:
            bpy.ops.screen.animation_play()
        return {"FINISHED"}


def _path(context):
    """The active curve, or that which the scene's camera follows."""
    if context.object is not None and context.object.type == "CURVE":
        return context.object
    camera = context.scene.camera
    follows = [c.target for c in camera.constraints if c.type == "FOLLOW_PATH"] if camera else []
    return next((curve for curve in follows if curve), None)


CLASSES = (AddView, FlyThroughViews, LookAtTarget, FocalZoom, BankPath, KeepClear, PreviewShot)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
