"""Splats and camera paths in and out of Blender; .ply and cameras need no backend."""

import tempfile
from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from .. import preferences
from ..connection import convert
from ..errors import UserError, reports_errors
from ..jobs import session
from ..panels.tab import Sidebar
from ..scene import camera_files, cameras, ply, selection, splats, supersplat
from ..translations import said


class DroppedFiles(ImportHelper):
    """Opens the file browser, or takes what was dropped: only then is `directory` told."""

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        return self.execute(context) if self.directory else ImportHelper.invoke(self, context, event)


FORMATS = (
    (".ply", "PLY", "All that there is, in float32; every program reads it. Needs no backend"),
    (".compressed.ply", "Compressed PLY", "A quarter of the size, for SuperSplat and PlayCanvas. Needs the backend"),
    (".spz", "SPZ", "A seventh of the size, with harmonics in 5 bits, for Scaniverse and Niantic. Needs the backend"),
    (".sog", "SOG", "The smallest, for the web; takes longest to write. Needs the backend"),
    (".splat", "SPLAT", "Without harmonics, for old viewers. Needs the backend"),
    (".usdc", "USD", "With ParticleField3DGaussianSplat, for Houdini, Omniverse, Nuke. Needs the backend and usd-core"),
    (".glb", "glTF", "A .glb with KHR_gaussian_splatting, for glTF's programs. Needs the backend"),
)


READ = (".ply", ".spz", ".splat", ".sog", ".glb", ".usd", ".usda", ".usdc", ".usdz")


class ImportSplats(bpy.types.Operator, DroppedFiles):
    """Import Gaussian splats (.ply, and with the backend .spz, .splat, .sog, .glb, USD) or coloured points (.ply)"""

    bl_idname = "skyworld.import_splats"
    bl_label = "Import Splats"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".ply"
    filter_glob: StringProperty(default=";".join(f"*{suffix}" for suffix in READ), options={"HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})

    @reports_errors
    def execute(self, context):
        paths = [Path(self.directory) / file.name for file in self.files if file.name] or [Path(self.filepath)]
        clouds = [(path.stem, _read(path)) for path in paths]  # all are good before the scene is touched
        for name, cloud in clouds:
            obj = splats.add(name, cloud, context.collection)
            for other in context.selected_objects:
                other.select_set(False)
            obj.select_set(True)
            context.view_layer.objects.active = obj
        self.report({"INFO"}, said("{count:,} splats imported", count=sum(len(cloud) for _, cloud in clouds)))
        return {"FINISHED"}


def _read(path):
    """`Splats` or `Points` of a file of any format; the backend makes a .ply of what is none."""
    if not convert.needs_backend(path):
        return ply.read(path)
    with tempfile.TemporaryDirectory(prefix="skyworld_") as folder:
        plain = Path(folder) / "splats.ply"
        convert.convert(preferences.backend_python(), path, plain)
        return ply.read(plain)


class ExportSplats(bpy.types.Operator, ExportHelper):
    """Export the selected splat objects as one file, where and how they stand in the scene, cropped as they are"""

    bl_idname = "skyworld.export_splats"
    bl_label = "Export Splats"

    filename_ext = ".ply"
    filter_glob: StringProperty(default="*.ply;*.spz;*.splat;*.sog;*.glb;*.usdc", options={"HIDDEN"})
    suffix: EnumProperty(name="Format", description="Which programs the file is for", items=FORMATS)
    apply_transform: BoolProperty(
        name="Apply Transform",
        description="Write the splats where they stand in the scene; off: in the object's own space",
        default=True,
    )
    selected_only: BoolProperty(name="Selected Splats Only", description="Leave out splats that are not selected")

    @classmethod
    def poll(cls, context):
        if not any(splats.is_splats(obj) for obj in _chosen(context)):
            cls.poll_message_set("Select a splat object")
            return False
        return True

    def check(self, _context):
        wanted = _with_suffix(self.filepath, self.suffix)
        changed, self.filepath = wanted != self.filepath, wanted
        return changed

    @reports_errors
    def execute(self, context):
        whole = self._gathered(context)
        target = Path(bpy.path.abspath(self.filepath))
        if not convert.needs_backend(target):
            ply.write(target, whole)
            self.report({"INFO"}, said("{count:,} splats written to {file}", count=len(whole), file=target))
            return {"FINISHED"}
        python = preferences.backend_python()
        if bpy.app.background:
            _write_by_backend(python, whole, target)
        else:  # which takes its seconds: the window goes on, and the panel tells of what went wrong
            self.report({"INFO"}, said("The backend is writing {file}", file=target))
            session.background(lambda: _write_by_backend(python, whole, target), lambda _: None, type(self).bl_idname)
        return {"FINISHED"}

    def _gathered(self, context):
        depsgraph = context.evaluated_depsgraph_get()
        parts = []
        for obj in _chosen(context):
            if splats.is_splats(obj):
                evaluated = obj.evaluated_get(depsgraph)
                part = splats.from_point_cloud(evaluated.data)
                if self.selected_only:
                    part = splats.masked(part, selection.get(evaluated.data))
                parts.append(splats.transformed(part, evaluated.matrix_world) if self.apply_transform else part)
        whole = splats.joined(parts)
        if len(whole) == 0:
            raise UserError("No splat is selected", hint="Select some, or switch Selected Splats Only off")
        return whole


def _with_suffix(path, suffix):
    """The path with the ending of a format in place of another format's."""
    known = sorted((ending for ending, _, _ in FORMATS), key=len, reverse=True)
    ending = next((ending for ending in known if path.lower().endswith(ending)), "")
    return path[: len(path) - len(ending)] + suffix


def _write_by_backend(python, cloud, target):
    with tempfile.TemporaryDirectory(prefix="skyworld_") as folder:
        plain = Path(folder) / "splats.ply"
        ply.write(plain, cloud)
        return convert.convert(python, plain, target)


def _chosen(context):
    return context.selected_objects or [obj for obj in [context.object] if obj]


class ImportCameras(bpy.types.Operator, DroppedFiles):
    """Import a camera path (nerfstudio, Skyfall-GS, COLMAP, SuperSplat) as an animated camera with exact intrinsics"""

    bl_idname = "skyworld.import_cameras"
    bl_label = "Import Cameras"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json;*.ssproj;images.txt", options={"HIDDEN"})

    @reports_errors
    def execute(self, context):
        path = Path(self.filepath)
        if path.name == "world.json":  # one may be dropped
            return bpy.ops.skyworld.import_world(directory=str(path.parent))
        if path.name == "meta.json":  # a .sog that is not packed
            return bpy.ops.skyworld.import_splats(filepath=str(path))
        if path.suffix == ".ssproj":
            keys = supersplat.read(path)
            cameras.add_keys(context.scene, path.stem, keys, context.collection)
            self.report({"INFO"}, said("{count} camera keys imported", count=len(keys.frames)))
            return {"FINISHED"}
        camera_path = camera_files.read(path)
        name = path.parent.name if path.suffix == ".txt" else path.stem
        cameras.add(context.scene, name or "Cameras", camera_path, context.collection)
        self.report({"INFO"}, said("{count} frames imported", count=len(camera_path)))
        return {"FINISHED"}


class ExportCameras(bpy.types.Operator, ExportHelper):
    """Export the scene's camera, frame by frame, with exact intrinsics, for other programs"""

    bl_idname = "skyworld.export_cameras"
    bl_label = "Export Cameras"

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json;*.txt", options={"HIDDEN"})
    kind: EnumProperty(
        name="Format",
        description="Which program the cameras are for",
        items=[
            ("NERFSTUDIO", "nerfstudio", "camera_path.json, which SkyWorld reads too"),
            ("SKYFALL", "Skyfall-GS", "The same with what the camera looks at: its target, or the 3D cursor"),
            ("COLMAP", "COLMAP", "images.txt and cameras.txt in the folder, for many programs"),
            ("SUPERSPLAT", "SuperSplat", "cameras.json, as trainers of 3D Gaussian splatting write it, too"),
        ],
    )

    @classmethod
    def poll(cls, context):
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera")
            return False
        return True

    def check(self, _context):
        wanted = Path(self.filepath).with_suffix(".json")
        if self.kind == "COLMAP":
            wanted = Path(self.filepath).with_name("images.txt")
        changed, self.filepath = self.filepath != str(wanted), str(wanted)
        return changed

    @reports_errors
    def execute(self, context):
        scene = context.scene
        frames = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        camera_path = cameras.sample(scene, scene.camera, frames)
        path = Path(self.filepath)
        if self.kind == "COLMAP":
            path = path.with_name("images.txt")
        if self.kind == "SUPERSPLAT":
            camera_files.write_list(path, camera_path)
        else:
            camera_files.write(path, camera_path, _target(scene) if self.kind == "SKYFALL" else None)
        self.report({"INFO"}, said("{count} frames written to {file}", count=len(camera_path), file=path))
        return {"FINISHED"}


def _target(scene):
    """[3] what the scene's camera looks at: its target, or the 3D cursor."""
    looks = [c.target for c in scene.camera.constraints if c.type == "TRACK_TO" and c.target]
    return tuple(looks[0].matrix_world.translation if looks else scene.cursor.location)


class DropHandler:
    """Takes files that are dropped into a 3D viewport."""

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


class DropSplats(DropHandler, bpy.types.FileHandler):
    bl_idname = "SKYWORLD_FH_splats"
    bl_label = "Gaussian Splats"
    bl_import_operator = "skyworld.import_splats"
    bl_file_extensions = ";".join(READ)


class DropPictures(bpy.types.FileHandler):
    """What worlds and cities are made of, dropped on the tab SkyWorld."""

    @classmethod
    def poll_drop(cls, context):
        region = context.region
        return region is not None and region.type == "UI" and region.active_panel_category == Sidebar.bl_category


class DropPhotograph(DropPictures, bpy.types.FileHandler):
    bl_idname = "SKYWORLD_FH_photograph"
    bl_label = "Photograph of a World"
    bl_import_operator = "skyworld.take_photograph"
    bl_file_extensions = ".jpg;.jpeg;.png;.webp;.tif;.tiff;.exr"


class DropImages(DropPictures, bpy.types.FileHandler):
    bl_idname = "SKYWORLD_FH_satellite"
    bl_label = "Satellite Images"
    bl_import_operator = "skyworld.add_satellite_images"
    bl_file_extensions = ".tif;.tiff;.ntf;.jp2"


class DropWorld(DropHandler, bpy.types.FileHandler):
    """world.json of a world, or a camera path."""

    bl_idname = "SKYWORLD_FH_world"
    bl_label = "SkyWorld World or Camera Path"
    bl_import_operator = "skyworld.import_cameras"
    bl_file_extensions = ".json;.ssproj"


CLASSES = (
    DropSplats,
    DropWorld,
    DropPhotograph,
    DropImages,
    ImportSplats,
    ExportSplats,
    ImportCameras,
    ExportCameras,
)


def import_menu(self, _context):
    self.layout.operator("skyworld.import_splats", text="Gaussian Splats (.ply, .spz, .sog, .splat, .glb, USD)")
    self.layout.operator("skyworld.import_cameras", text="Camera Path (.json, .ssproj, COLMAP)")


def export_menu(self, _context):
    self.layout.operator("skyworld.export_splats", text="Gaussian Splats (.ply, .spz, .sog, .splat, .glb, USD)")
    self.layout.operator("skyworld.export_cameras", text="Camera Path (.json, COLMAP)")
    self.layout.operator("skyworld.export_city", text="City of Satellite Images (.glb, .tif, .png)")


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
