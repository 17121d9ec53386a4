"""Changing splats for good: delete, separate, merge, crop, apply the transform, points to splats and back."""

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty
from mathutils import Matrix

from ..errors import UserError, reports_errors
from ..scene import crop, selection, splats
from ..scene.ply import Points
from ..translations import CONTEXT, said
from .select_splats import OnSelection, OnSplats, targets


def _some_selected(context):
    """(object, mask [N]) of the targets of whose splats some are selected, but not all."""
    found = [(obj, selection.get(obj.data)) for obj in targets(context)]
    found = [(obj, mask) for obj, mask in found if mask.any()]
    if not found:
        raise UserError("No splat is selected", hint="Select some by lasso, brush, volume or value")
    for obj, mask in found:
        if mask.all():
            raise UserError(
                "All splats of {name} are selected", hint="Deselect some, or delete the object", name=obj.name
            )
    return found


class DeleteSplats(OnSelection, bpy.types.Operator):
    """Delete the selected splats, or all others"""

    bl_idname = "skyworld.delete_splats"
    bl_label = "Delete Splats"

    unselected: BoolProperty(name="Unselected", description="Keep only the selected ones")

    @reports_errors
    def execute(self, context):
        found = _some_selected(context)
        count = 0
        for obj, mask in found:
            gone = ~mask if self.unselected else mask
            splats.delete(obj, gone)
            count += int(gone.sum())
        self.report({"INFO"}, said("{count:,} splats deleted", count=count))
        return {"FINISHED"}


class SeparateSplats(OnSelection, bpy.types.Operator):
    """Move the selected splats to an object of their own"""

    bl_idname = "skyworld.separate_splats"
    bl_label = "Separate Splats"

    @reports_errors
    def execute(self, context):
        made = [splats.separate(obj, mask) for obj, mask in _some_selected(context)]
        for obj in made:
            selection.put(obj.data, np.zeros(selection.count(obj.data), bool))
        count = sum(selection.count(obj.data) for obj in made)
        self.report({"INFO"}, said("{count:,} splats separated", count=count))
        return {"FINISHED"}


class MergeSplats(OnSplats, bpy.types.Operator):
    """Join the selected splat objects into the active one, where and how they stand"""

    bl_idname = "skyworld.merge_splats"
    bl_label = "Merge Splat Objects"

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if len(targets(context)) < 2:
            cls.poll_message_set("Select two splat objects or more")
            return False
        return True

    @reports_errors
    def execute(self, context):
        parts = targets(context)
        home = context.object if context.object in parts else parts[0]
        depsgraph = context.evaluated_depsgraph_get()
        into_home = home.matrix_world.inverted()
        clouds = []
        for obj in [home, *(obj for obj in parts if obj is not home)]:
            evaluated = obj.evaluated_get(depsgraph)
            cloud = splats.from_point_cloud(evaluated.data)
            clouds.append(cloud if obj is home else splats.transformed(cloud, into_home @ evaluated.matrix_world))
        whole = splats.joined(clouds)
        splats.replace(home, whole)
        home.modifiers.clear()  # what they did is in it
        for obj in parts:
            if obj is not home:
                _remove(obj)
        self.report({"INFO"}, said("{count:,} splats in {name}", count=len(whole), name=home.name))
        return {"FINISHED"}


def _remove(obj):
    data = obj.data
    bpy.data.objects.remove(obj)
    if data.users == 0:
        bpy.data.pointclouds.remove(data)


class ApplySplatTransform(OnSplats, bpy.types.Operator):
    """Bake where the objects stand into their splats: places, rotations, scales and harmonics, uneven scales too"""

    bl_idname = "skyworld.apply_splat_transform"
    bl_label = "Apply Splat Transform"

    @reports_errors
    def execute(self, context):
        for obj in targets(context):
            if obj.data.users > 1:
                hint = "Make them single-user first"
                raise UserError("{name} shares its splats with other objects", hint=hint, name=obj.name)
        for obj in targets(context):
            splats.overwrite(
                obj.data, splats.transformed(splats.from_point_cloud(obj.data), obj.matrix_basis, stretch=True)
            )
            obj.matrix_basis = Matrix()
        return {"FINISHED"}


class AddCrop(OnSplats, bpy.types.Operator):
    """Crop the selected splat objects by a box or ball that can be moved, turned and scaled; nothing is deleted yet"""

    bl_idname = "skyworld.add_crop"
    bl_label = "Add Crop Volume"

    shape: EnumProperty(
        name="Shape",
        description="Of the volume",
        items=[("BOX", "Box", "A box"), ("BALL", "Ball", "A ball or an ellipsoid")],
        translation_context=CONTEXT,
    )
    invert: BoolProperty(name="Invert", description="Keep what lies outside")
    share: FloatProperty(
        name="Share", description="Of the splats along each axis, that the volume holds at first", min=0.1, max=1.0,
        default=0.9, subtype="FACTOR",
    )  # fmt: skip

    @reports_errors
    def execute(self, context):
        for obj in targets(context):
            means = splats.positions(obj.data)
            edges = 50 * (1 - self.share), 50 * (1 + self.share)
            low, high = np.percentile(means[:: max(1, len(means) // 100_000)], edges, axis=0)
            home = obj.users_collection[0] if obj.users_collection else context.collection
            ball = self.shape == "BALL"
            volume = crop.add_volume(f"{obj.name} Crop", low, high, obj.matrix_world, home, ball=ball)
            crop.add(obj, volume, invert=self.invert)
        for other in context.selected_objects:
            other.select_set(False)
        volume.select_set(True)
        context.view_layer.objects.active = volume
        return {"FINISHED"}


def cropped(context):
    """Splat objects with crops among the selected ones, or those that a selected volume crops."""
    chosen = set(context.selected_objects)
    return [
        obj
        for obj in context.view_layer.objects
        if splats.is_splats(obj) and any(obj in chosen or crop.get_input(m, "Volume") in chosen for m in crop.of(obj))
    ]


class OnCrops:
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not cropped(context):
            cls.poll_message_set("Select a cropped splat object or its crop volume")
            return False
        return True


class InvertCrop(OnCrops, bpy.types.Operator):
    """Keep what the crop volumes left out, and the other way round"""

    bl_idname = "skyworld.invert_crop"
    bl_label = "Invert Crop"

    def execute(self, context):
        for obj in cropped(context):
            for modifier in crop.of(obj):
                crop.set_input(modifier, "Invert", not crop.get_input(modifier, "Invert"))
        return {"FINISHED"}


class ApplyCrop(OnCrops, bpy.types.Operator):
    """Delete the splats that are cropped away"""

    bl_idname = "skyworld.apply_crop"
    bl_label = "Apply Crop"

    @reports_errors
    def execute(self, context):
        count = 0
        for obj in cropped(context):
            gone = ~crop.kept(obj)
            if gone.all():
                hint = "Move its volume, or invert it"
                raise UserError("The crop leaves nothing of {name}", hint=hint, name=obj.name)
            if gone.any():
                splats.delete(obj, gone)
            count += int(gone.sum())
            _drop_crops(obj)
        self.report({"INFO"}, said("{count:,} splats deleted", count=count))
        return {"FINISHED"}


class RemoveCrop(OnCrops, bpy.types.Operator):
    """Take the crop volumes away; all splats are there again"""

    bl_idname = "skyworld.remove_crop"
    bl_label = "Remove Crop"

    def execute(self, context):
        for obj in cropped(context):
            _drop_crops(obj)
        return {"FINISHED"}


def _drop_crops(obj):
    """Without the crops, and without the volumes that crop nothing else; the object is selected instead of them."""
    volumes = {crop.get_input(modifier, "Volume") for modifier in crop.of(obj)} - {None}
    for modifier in crop.of(obj):
        obj.modifiers.remove(modifier)
    used = {crop.get_input(m, "Volume") for other in bpy.data.objects for m in crop.of(other)}
    for volume in volumes - used:
        bpy.data.objects.remove(volume)
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj


class PointsToSplats(bpy.types.Operator):
    """Make round splats of the selected point clouds and meshes: in their colours, as wide as the points stand apart"""

    bl_idname = "skyworld.points_to_splats"
    bl_label = "Points to Splats"
    bl_options = {"REGISTER", "UNDO"}

    width: FloatProperty(
        name="Width", description="Of a splat, in distances to its neighbours", min=0.05, soft_max=2.0, default=0.5
    )
    opacity: FloatProperty(
        name="Opacity", description="Of each splat", min=0.01, max=1.0, default=0.9, subtype="FACTOR"
    )

    @classmethod
    def poll(cls, context):
        if not _points(context):
            cls.poll_message_set("Select a point cloud or a mesh with a colour attribute")
            return False
        return True

    @reports_errors
    def execute(self, context):
        for obj in _points(context):
            points = splats.points_of(obj.data)
            apart = selection.neighbour_distances(points.positions)
            cloud = splats.round_splats(points, self.width * apart, self.opacity)
            _stand_in(context, obj, splats.add(obj.name, cloud, _home(context, obj)))
        return {"FINISHED"}


class SplatsToPoints(OnSplats, bpy.types.Operator):
    """Make coloured points of the selected splats: for tools that know points only, and for measuring"""

    bl_idname = "skyworld.splats_to_points"
    bl_label = "Splats to Points"

    opacity: FloatProperty(
        name="Least Opacity", description="Of a splat that becomes a point", min=0, max=1, default=0.1, subtype="FACTOR"
    )

    @reports_errors
    def execute(self, context):
        for obj in targets(context):
            cloud = splats.from_point_cloud(obj.data)
            solid = cloud.opacities >= self.opacity
            if not solid.any():
                hint = "Choose a lower Least Opacity"
                raise UserError("No splat of {name} is that opaque", hint=hint, name=obj.name)
            points = Points(cloud.means[solid], cloud.colours[solid])
            _stand_in(context, obj, splats.add(f"{obj.name} Points", points, _home(context, obj)))
        return {"FINISHED"}


def _points(context):
    return [
        obj
        for obj in context.selected_objects
        if obj.type in ("POINTCLOUD", "MESH") and not splats.is_splats(obj) and splats.colour_attribute(obj.data)
    ]


def _home(context, obj):
    return obj.users_collection[0] if obj.users_collection else context.collection


def _stand_in(context, obj, made):
    """`made` stands where `obj` does, which is hidden; it is selected instead."""
    made.matrix_world = obj.matrix_world
    obj.select_set(False)
    obj.hide_set(True)
    obj.hide_render = True
    made.select_set(True)
    context.view_layer.objects.active = made


CLASSES = (
    DeleteSplats,
    SeparateSplats,
    MergeSplats,
    ApplySplatTransform,
    AddCrop,
    InvertCrop,
    ApplyCrop,
    RemoveCrop,
    PointsToSplats,
    SplatsToPoints,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
