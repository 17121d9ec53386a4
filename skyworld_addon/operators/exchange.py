"""Splats and camera paths in and out of Blender; no backend needed."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..errors import UserError, reports_errors
from ..scene import cameras, ply, splats


class ImportSplats(bpy.types.Operator, ImportHelper):
    """Import Gaussian splats or coloured points (.ply) as a point cloud object"""

    bl_idname = "skyworld.import_splats"
    bl_label = "Import Splats"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".ply"
    filter_glob: StringProperty(default="*.ply", options={"HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})

    @reports_errors
    def execute(self, context):
        paths = [Path(self.directory) / file.name for file in self.files if file.name] or [Path(self.filepath)]
        clouds = [(path.stem, ply.read(path)) for path in paths]  # all are good before the scene is touched
        for name, cloud in clouds:
            obj = splats.add(name, cloud, context.collection)
            for other in context.selected_objects:
                other.select_set(False)
            obj.select_set(True)
            context.view_layer.objects.active = obj
        self.report({"INFO"}, f"{sum(len(cloud) for _, cloud in clouds):,} splats imported")
        return {"FINISHED"}


class ExportSplats(bpy.types.Operator, ExportHelper):
    """Export the selected splat objects as one .ply of 3D Gaussian splatting, where and how they stand in the scene"""

    bl_idname = "skyworld.export_splats"
    bl_label = "Export Splats"

    filename_ext = ".ply"
    filter_glob: StringProperty(default="*.ply", options={"HIDDEN"})
    apply_transform: BoolProperty(
        name="Apply Transform",
        description="Write the splats where they stand in the scene; off: in the object's own space",
        default=True,
    )

    @classmethod
    def poll(cls, context):
        if not any(splats.is_splats(obj) for obj in _chosen(context)):
            cls.poll_message_set("Select a splat object")
            return False
        return True

    @reports_errors
    def execute(self, context):
        depsgraph = context.evaluated_depsgraph_get()
        parts = []
        for obj in _chosen(context):
            if splats.is_splats(obj):
                evaluated = obj.evaluated_get(depsgraph)
                part = splats.from_point_cloud(evaluated.data)
                parts.append(splats.transformed(part, evaluated.matrix_world) if self.apply_transform else part)
        if not parts:
            raise UserError("No splat object is selected")
        whole = splats.joined(parts)
        ply.write(self.filepath, whole)
        self.report({"INFO"}, f"{len(whole):,} splats written to {self.filepath}")
        return {"FINISHED"}


def _chosen(context):
    return context.selected_objects or [obj for obj in [context.object] if obj]


class ImportCameras(bpy.types.Operator, ImportHelper):
    """Import a camera path (nerfstudio, Skyfall-GS, SkyWorld) as an animated camera with exact intrinsics"""

    bl_idname = "skyworld.import_cameras"
    bl_label = "Import Cameras"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self, context):
        path = Path(self.filepath)
        camera_path = cameras.read(path)
        cameras.add(context.scene, path.stem, camera_path, context.collection)
        self.report({"INFO"}, f"{len(camera_path)} frames imported")
        return {"FINISHED"}


class ExportCameras(bpy.types.Operator, ExportHelper):
    """Export the scene's camera, frame by frame, as a camera path of nerfstudio with exact intrinsics"""

    bl_idname = "skyworld.export_cameras"
    bl_label = "Export Cameras"

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera")
            return False
        return True

    @reports_errors
    def execute(self, context):
        scene = context.scene
        frames = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        camera_path = cameras.sample(scene, scene.camera, frames)
        cameras.write(self.filepath, camera_path)
        self.report({"INFO"}, f"{len(camera_path)} frames written to {self.filepath}")
        return {"FINISHED"}


CLASSES = (
    ImportSplats,
    ExportSplats,
    ImportCameras,
    ExportCameras,
)


def import_menu(self, _context):
    self.layout.operator("skyworld.import_splats", text="Gaussian Splats (.ply)")
    self.layout.operator("skyworld.import_cameras", text="Camera Path (.json)")


def export_menu(self, _context):
    self.layout.operator("skyworld.export_splats", text="Gaussian Splats (.ply)")
    self.layout.operator("skyworld.export_cameras", text="Camera Path (.json)")


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.TOPBAR_MT_file_import.append(import_menu)
    bpy.types.TOPBAR_MT_file_export.append(export_menu)


def unregister():
    bpy.types.TOPBAR_MT_file_import.remove(import_menu)
    bpy.types.TOPBAR_MT_file_export.remove(export_menu)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
