"""Cities from satellite images: jobs of the backend."""

import json
import re
from pathlib import Path

import bpy
from bpy.props import CollectionProperty, IntProperty, StringProperty

from .. import parameters
from ..errors import UserError, reports_errors
from ..jobs import session
from ..scene import world
from .generate import CITY, OVERVIEW, REFINE, default_output, no_job_runs

SUFFIXES = "*.tif;*.tiff;*.ntf;*.jp2;*.png;*.jpg"
FOOTPRINTS = "footprints.json"  # beside the picture of an overview: which area the images share


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


class RefineCity(bpy.types.Operator):
    """Go on refining the city that is in the scene, from lower and lower, with the settings above"""

    bl_idname = "skyworld.refine_city"
    bl_label = "Refine Further"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not city_of(context):
            cls.poll_message_set("There is no city of satellite images in the scene")
            return False
        return no_job_runs(cls)

    @reports_errors
    def execute(self, context):
        known = {field["name"] for field in parameters.SCHEMA[REFINE]}
        settings = parameters.to_json(context.scene.skyworld_city, CITY)
        wish = {name: value for name, value in settings.items() if name in known}
        session.submit(REFINE, {**wish, "world": city_of(context).skyworld.folder, "further": True})
        return {"FINISHED"}


def city_of(context):
    """Collection of the city at hand, or None."""
    collection = world.of(context)
    return collection if collection and collection.skyworld.city else None


CLASSES = (AddImages, ChooseScene, RemoveImage, ShowArea, TakeMiddle, GenerateCity, RefineCity)


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister():
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
