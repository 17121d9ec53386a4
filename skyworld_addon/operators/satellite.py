"""Cities from satellite images: jobs of the backend."""

import json
import re
from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from .. import files, parameters, preferences
from ..errors import UserError, reports_errors
from ..jobs import session
from ..scene import splats, world
from ..translations import CONTEXT
from .generate import CITY, EXPORT, OVERVIEW, REFINE, default_output, no_job_runs

SUFFIXES = "*.tif;*.tiff;*.ntf;*.jp2;*.png;*.jpg"
FOOTPRINTS = "footprints.json"  # beside the picture of an overview: which area the images share
MESH, EXPORTS = "mesh.glb", "exports"  # of Add Mesh, in the city's folder; a folder in it, of a backend elsewhere
HIDES, IS_MESH = "skyworld_mesh_hides_splats", "skyworld_city_mesh"  # kept at the city's collection, at its mesh
WRITTEN = {"MESH": (".glb",), "HEIGHTS": (".tif", ".tiff", ".npz"), "ORTHO": (".png", ".jpg")}  # the first by itself
CELL = {
    "name": "Cell",
    "description": "Distance between two heights, pixels, or vertices of the mesh; 0: as the city's own height map",
    "default": 0.0,
    "min": 0.0,
    "max": 100.0,
    "unit": "LENGTH",
}


def images_of(group):
    return parameters.words(group.images)


def default_city_output(group):
    """A folder for the city: named after what its images' names begin with; None where there are none."""
    images = [Path(path) for path in images_of(group)]
    if not images:
        return None
    names = [image.stem if image.suffix else image.name for image in images]
    common = names[0]
    while not all(name.startswith(common) for name in names):
        common = common[:-1]
    name = re.sub(r"[\W_]+$", "", common) or names[0]
    return default_output(f"{name}_city")


def _wish(group):
    values = parameters.to_json(group, CITY)
    missing = next((path for path in values["images"] if not Path(path).exists()), None)
    if missing:
        raise UserError("there is no such image", file=missing, hint="Remove it from the list, or add it again")
    return values


class ImagesOperator:
    @classmethod
    def poll(cls, context):
        if not context.scene.skyworld_city.images:
            cls.poll_message_set("Add satellite images first")
            return False
        return no_job_runs(cls)


class AddImages(bpy.types.Operator):
    """Add satellite images (GeoTIFF with RPC) to the list; several at once"""

    bl_idname = "skyworld.add_satellite_images"
    bl_label = "Add Images"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(name="Folder", description="Where the images lie", subtype="DIR_PATH")
    files: CollectionProperty(
        name="Files",
        description="Names of the images",
        type=bpy.types.OperatorFileListElement,
        options={"HIDDEN", "SKIP_SAVE"},
    )
    filter_glob: StringProperty(default=SUFFIXES, options={"HIDDEN"})

    def invoke(self, context, _event):
        if self.files:  # dropped on the panel
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @reports_errors
    def execute(self, context):
        group = context.scene.skyworld_city
        chosen = [str(Path(self.directory) / file.name) for file in self.files if file.name]
        if not chosen:
            raise UserError("No image was chosen", hint="Select some, or take the whole folder of a scene")
        kept = [path for path in images_of(group) if not Path(path).is_dir()]
        group.images = parameters.BETWEEN.join(dict.fromkeys([*kept, *chosen]))
        return {"FINISHED"}


class ChooseScene(bpy.types.Operator):
    """Take the folder of a scene in place of images: prepared before, of Skyfall-GS's layout, or a COLMAP model"""

    bl_idname = "skyworld.choose_satellite_scene"
    bl_label = "Choose Scene Folder"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(name="Folder", description="Folder of the scene", subtype="DIR_PATH")

    def invoke(self, context, _event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        context.scene.skyworld_city.images = self.directory.rstrip("/\\")
        return {"FINISHED"}


class RemoveImage(bpy.types.Operator):
    """Take an image off the list; its file stays"""

    bl_idname = "skyworld.remove_satellite_image"
    bl_label = "Remove Image"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(name="Index", description="Place in the list", min=0)

    def execute(self, context):
        group = context.scene.skyworld_city
        images = images_of(group)
        group.images = parameters.BETWEEN.join(images[: self.index] + images[self.index + 1 :])
        return {"FINISHED"}


class ShowArea(ImagesOperator, bpy.types.Operator):
    """Show from above where the images lie on the ground, and the area that is taken"""

    bl_idname = "skyworld.show_satellite_area"
    bl_label = "Show Area"
    bl_options = {"REGISTER"}

    @reports_errors
    def execute(self, context):
        wish = {name: value for name, value in _wish(context.scene.skyworld_city).items() if name in ("images", "area")}
        session.submit(OVERVIEW, {**wish, "output": str(Path(bpy.app.tempdir) / "satellite_area")})
        return {"FINISHED"}


class TakeMiddle(bpy.types.Operator):
    """Take a square block in the middle of what all images show"""

    bl_idname = "skyworld.take_satellite_middle"
    bl_label = "Take the Middle"
    bl_options = {"REGISTER", "UNDO"}

    percent: IntProperty(
        name="Share", description="Percent of the sides of what all images show", min=1, max=100, default=50
    )

    @reports_errors
    def execute(self, context):
        group = context.scene.skyworld_city
        common = shared_area(group)
        if common is None:
            raise UserError("It is not known yet what all images show", hint="Press Show Area first")
        group.area, group.use_area = middle(common, self.percent / 100), True
        return {"FINISHED"}


def shared_area(group):
    """(south, west, north, east) that all images show, once an overview of them was made; else None.

    A scene is taken as a whole: none of its area can be chosen.
    """
    made = last_overview(group)
    file = Path((made or {"parameters": {}})["parameters"].get("output", "")) / FOOTPRINTS
    if not (made and file.is_file()):
        return None
    shared = json.loads(file.read_text(encoding="utf-8")).get("shared")
    return tuple(shared) if shared else None


def last_overview(group):
    """The last finished overview of the images that are listed, or None."""
    images = images_of(group)
    made = [job for job in session.jobs.values() if job["kind"] == OVERVIEW and job["state"] == "done"]
    return made[-1] if made and made[-1]["parameters"]["images"] == images else None


def middle(area, share):
    """The middle of an area in degrees, with that share of its sides."""
    south, west, north, east = area
    trim = (1 - share) / 2
    up, across = trim * (north - south), trim * (east - west)
    return south + up, west + across, north - up, east - across


class GenerateCity(ImagesOperator, bpy.types.Operator):
    """Make a city of splats of the satellite images: cameras, heights, Gaussians, views from low"""

    bl_idname = "skyworld.generate_city"
    bl_label = "Generate City"
    bl_options = {"REGISTER"}

    @reports_errors
    def execute(self, context):
        group = context.scene.skyworld_city
        values = _wish(group)
        values["output"] = values["output"] or str(default_city_output(group))
        session.submit(CITY, values)
        return {"FINISHED"}


class CityOperator:
    @classmethod
    def poll(cls, context):
        if not city_of(context):
            cls.poll_message_set("There is no city of satellite images in the scene")
            return False
        return no_job_runs(cls)


class RefineCity(CityOperator, bpy.types.Operator):
    """Go on refining the city that is in the scene, from lower and lower, with the settings above"""

    bl_idname = "skyworld.refine_city"
    bl_label = "Refine Further"
    bl_options = {"REGISTER"}

    @reports_errors
    def execute(self, context):
        known = {field["name"] for field in parameters.SCHEMA[REFINE]}
        settings = parameters.to_json(context.scene.skyworld_city, CITY)
        wish = {name: value for name, value in settings.items() if name in known}
        session.submit(REFINE, {**wish, "world": city_of(context).skyworld.folder, "further": True})
        return {"FINISHED"}


class AddCityMesh(CityOperator, bpy.types.Operator):
    """Make a textured mesh of the city and put it where its splats stand, for Blender's lights and modifiers"""

    bl_idname = "skyworld.add_city_mesh"
    bl_label = "Add Mesh"
    bl_options = {"REGISTER", "UNDO"}

    cell: FloatProperty(**CELL)
    hide_splats: BoolProperty(
        name="Hide Splats", description="The mesh takes the splats' place; they stay in the file", default=True
    )

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if not hasattr(bpy.types, "IMPORT_SCENE_OT_gltf"):
            cls.poll_message_set("Blender's glTF importer is off: switch it on in Preferences > Add-ons")
            return False
        return True

    @reports_errors
    def execute(self, context):
        collection = city_of(context)
        collection[HIDES] = self.hide_splats
        folder = _folder(collection)
        output = str(folder / MESH)
        targets.pop(output, None)
        _submit_export(context, folder, output, self.cell)
        return {"FINISHED"}


class ExportCity(CityOperator, bpy.types.Operator, ExportHelper):
    """Write the city as a file for maps or other programs: a height map, its picture from above, or a textured mesh"""

    bl_idname = "skyworld.export_city"
    bl_label = "Export City"
    bl_options = {"REGISTER"}

    filename_ext = ""  # as the content has it
    filter_glob: StringProperty(default="*.glb;*.tif;*.tiff;*.npz;*.png;*.jpg", options={"HIDDEN"})
    content: EnumProperty(
        name="Content",
        description="What of the city is written",
        items=[
            ("MESH", "Mesh", "Triangles under the city's own picture, with its place on the Earth (.glb)"),
            ("HEIGHTS", "Height Map", "GeoTIFF in the local UTM zone (.tif), or NumPy's arrays (.npz)"),
            ("ORTHO", "Ortho", "The picture from straight above, north at its top (.png, .jpg)"),
        ],
        translation_context=CONTEXT,
    )
    cell: FloatProperty(**CELL)

    def invoke(self, context, event):
        folder = _folder(city_of(context))
        home = folder.parent if folder.parent.is_dir() else Path.home()
        self.filepath = str(home / f"{folder.name}{_suffix(context, self.content)}")
        return ExportHelper.invoke(self, context, event)

    def check(self, context):
        if self.filepath.lower().endswith(WRITTEN[self.content]):
            return False
        path = Path(self.filepath)
        known = {suffix for suffixes in WRITTEN.values() for suffix in suffixes}
        stem = path.with_suffix("") if path.suffix.lower() in known else path
        self.filepath = f"{stem}{_suffix(context, self.content)}"
        return True

    @reports_errors
    def execute(self, context):
        folder, target = _folder(city_of(context)), bpy.path.abspath(self.filepath)
        # On another computer the backend writes into the world's folder, from where the file is fetched.
        remote = preferences.get().backend == "REMOTE"
        output = str(folder / EXPORTS / Path(target).name) if remote else target
        targets[output] = target
        _submit_export(context, folder, output, self.cell)
        return {"FINISHED"}


targets = {}  # {output of a job of Export City: the artist's file}


def _folder(collection):
    return Path(bpy.path.abspath(collection.skyworld.folder))


def _suffix(context, content):
    """Of a new file. What has no place on the Earth goes into no GeoTIFF."""
    return ".npz" if content == "HEIGHTS" and "SRID" not in city_of(context) else WRITTEN[content][0]


def _submit_export(context, folder, output, cell):
    wish = {"world": str(folder), "output": output, "cell": round(cell, 6)}
    session.submit(EXPORT, wish | {"device": context.scene.skyworld_city.device})


def last_export():
    """The file that the last job has written, if it was an export; or None."""
    last = next(reversed(session.jobs.values()), None)
    if not last or last["kind"] != EXPORT or last["state"] != "done":
        return None
    output = last["parameters"]["output"]
    file = Path(targets.get(output, output))
    return file if file.is_file() else None


def bring_in(job):
    """When an own export is done: fetches the file where the backend is elsewhere; puts the mesh of Add Mesh in the
    scene, as one step to undo."""
    if job["kind"] != EXPORT:
        return
    client, folder, output = session.client, job["parameters"]["world"], job["parameters"]["output"]
    target = targets.get(output)

    def read():
        file = Path(target or output)
        if str(file) == output and file.is_file():
            return file
        data = client.file(folder, Path(output).relative_to(folder).as_posix())
        file = file if target else Path(bpy.app.tempdir) / file.name
        files.write(file, data)
        return file

    def bring(file):
        homes = [c for c in bpy.data.collections if c.skyworld.folder and _folder(c) == Path(folder)]
        if target or not homes:
            return
        add_mesh(homes[0], file)
        if not bpy.app.background:
            bpy.ops.ed.undo_push(message="Add Mesh")

    session.background(read, bring, EXPORT)


def add_mesh(collection, file):
    """The textured mesh of a .glb, by Blender's own importer, as an object of a city's collection, where its splats
    stand. An older one is hidden, and so are the splats if that was wished."""
    before = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=str(file))
    (obj,) = set(bpy.data.objects) - before
    for home in list(obj.users_collection):
        home.objects.unlink(obj)
    clouds = [other for other in collection.objects if splats.is_splats(other)]
    shown = [cloud for cloud in clouds if not cloud.hide_viewport] or clouds
    if shown:
        obj.matrix_world = shown[0].matrix_world.copy()
    older = [other for other in collection.objects if other.get(IS_MESH)]
    for other in older + (clouds if collection.get(HIDES, True) else []):
        other.hide_viewport = other.hide_render = True
    obj.name, obj[IS_MESH] = f"{collection.name} Mesh", True
    collection.objects.link(obj)
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    if preferences.get().set_up_scene:
        _show_textures()
    return obj


def _show_textures():
    """Viewports that show materials by one colour each show their pictures: the mesh would be grey."""
    spaces = (space for screen in bpy.data.screens for area in screen.areas for space in area.spaces)
    for space in spaces:
        if space.type == "VIEW_3D" and space.shading.color_type == "MATERIAL":
            space.shading.color_type = "TEXTURE"


def city_of(context):
    """Collection of the city at hand, or None."""
    collection = world.of(context)
    return collection if collection and collection.skyworld.city else None


CLASSES = (AddImages, ChooseScene, RemoveImage, ShowArea, TakeMiddle, GenerateCity, RefineCity, AddCityMesh, ExportCity)


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_done.append(bring_in)


def unregister():
    if bring_in in session.on_done:
        session.on_done.remove(bring_in)
    targets.clear()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
