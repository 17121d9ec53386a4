"""Worlds from photographs and from posed pictures: jobs of the backend, and the backend itself."""

import re
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from .. import parameters, preferences
from ..connection import install
from ..errors import UserError, reports_errors
from ..jobs import session
from ..scene import ply, world
from ..translations import said

KIND, FIT, CHOICES = "world", "fit", "choices"
CITY, REFINE, OVERVIEW = "satellite_city", "satellite_refine", "satellite_overview"
EXPORT = "satellite_export"
SATELLITE = (CITY, REFINE, OVERVIEW, EXPORT)  # kinds that the panel Satellite shows
ROLES = (
    "inpainter",
    "text_to_image",
    "depth",
    "captioner",
    "segmenter",
    "editor",
    "restorer",
)  # fields that name a checkpoint themselves
# What of a world folder comes into the scene, for each kind of job that makes one.
WORLD_FILES = {
    KIND: ("world.json", "splats.ply"),
    FIT: ("world.json", "splats.ply", world.PICTURES),
    CITY: ("world.json", "splats.ply", world.ORBIT),
    REFINE: ("world.json", "splats.ply", world.ORBIT),
}


def default_output(source):
    """A folder for the world of a picture: next to the .blend, else among the user's documents."""
    return _worlds() / Path(source).stem


def default_world_output(group):
    """The same for what a world starts from; None where nothing is given. A sentence gives its first words."""
    if group.photo or group.panorama:
        return default_output(bpy.path.abspath(group.photo or group.panorama))
    words = re.findall(r"\w+", group.prompt.lower())[:5]
    return default_output("_".join(words)) if words else None


def default_fit_output(pictures):
    """The same for a folder of pictures; a photograph of that name has another."""
    return _worlds() / f"{Path(pictures).name}_fit"


def _worlds():
    documents = Path.home() / "Documents"
    home = documents if documents.is_dir() else Path.home()
    return (Path(bpy.data.filepath).parent if bpy.data.filepath else home) / "SkyWorld"


def group_of(scene, kind):
    """The settings in the scene that jobs of a kind are made of."""
    return scene.skyworld_city if kind in SATELLITE else scene.skyworld_fit if kind == FIT else scene.skyworld


def no_job_runs(operator):
    if session.active() or session.waiting():
        operator.poll_message_set("A job is running; wait for it or cancel it")
        return False
    return True


def _wish(context):
    """The world's parameters, its pictures checked."""
    values = parameters.to_json(context.scene.skyworld, KIND)
    for name in ("photo", "panorama", "distance"):
        if name in values and not Path(values[name]).is_file():
            hint = "Choose another"
            raise UserError("there is no such picture", file=values[name], hint=hint, fix=f"choose:{name}")
    return values


class GenerateWorld(bpy.types.Operator):
    """Make a world of splats from the photograph, the prompt or the panorama. Blender stays usable meanwhile"""

    bl_idname = "skyworld.generate_world"
    bl_label = "Generate World"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not default_world_output(context.scene.skyworld):
            cls.poll_message_set("Choose a photograph, write a prompt, or give your own panorama first")
            return False
        return no_job_runs(cls)

    @reports_errors
    def execute(self, context):
        values = _wish(context)
        values["output"] = values["output"] or str(default_world_output(context.scene.skyworld))
        session.submit(KIND, values)
        return {"FINISHED"}


class OfferSeeds(bpy.types.Operator):
    """Show what a few seeds would put around the photograph, to choose one before making the world"""

    bl_idname = "skyworld.offer_seeds"
    bl_label = "Show Choices"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not context.scene.skyworld.photo:
            cls.poll_message_set("Choose a photograph first")
            return False
        return no_job_runs(cls)

    @reports_errors
    def execute(self, context):
        wish = {name: value for name, value in _wish(context).items() if name in ("photo", "fov", "pitch", "seed")}
        session.submit(CHOICES, {**wish, "output": str(Path(bpy.app.tempdir) / "choices.jpg")})
        return {"FINISHED"}


class FitPictures(bpy.types.Operator):
    """Fit splats to a folder of pictures whose cameras are known. Blender stays usable meanwhile"""

    bl_idname = "skyworld.fit_pictures"
    bl_label = "Fit Splats"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not context.scene.skyworld_fit.pictures:
            cls.poll_message_set("Choose a folder of posed pictures first")
            return False
        return no_job_runs(cls)

    @reports_errors
    def execute(self, context):
        values = parameters.to_json(context.scene.skyworld_fit, FIT)
        if not Path(values["pictures"]).is_dir():
            hint = "Choose another folder"
            raise UserError("there is no such folder", file=values["pictures"], hint=hint, fix="choose:pictures")
        values["output"] = values["output"] or str(default_fit_output(values["pictures"]))
        session.submit(FIT, values)
        return {"FINISHED"}


class UseSeed(bpy.types.Operator):
    """Make the world with this seed"""

    bl_idname = "skyworld.use_seed"
    bl_label = "Use Seed"
    bl_options = {"REGISTER", "UNDO"}

    seed: IntProperty(name="Seed", description="One of the seeds shown", min=0)

    def execute(self, context):
        context.scene.skyworld.seed = self.seed
        return {"FINISHED"}


class ChoosePath(bpy.types.Operator):
    """Choose another file or folder in place of the one that did not do"""

    bl_idname = "skyworld.choose_path"
    bl_label = "Choose Another"
    bl_options = {"REGISTER", "UNDO"}

    field: StringProperty(name="Field", description="Parameter that takes the path", options={"SKIP_SAVE"})
    kind: StringProperty(name="Job", description="Kind of job that it is a parameter of", options={"SKIP_SAVE"})
    filepath: StringProperty(name="File", description="What is chosen", subtype="FILE_PATH")
    directory: StringProperty(name="Folder", description="What is chosen", subtype="DIR_PATH")
    use_filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, _event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        kind = FIT if self.field == "pictures" else self.kind or KIND
        group = group_of(context.scene, kind)
        folder = group.bl_rna.properties[self.field].subtype == "DIR_PATH"
        setattr(group, self.field, self.directory if folder else self.filepath)
        session.tell(None)
        return {"FINISHED"}


class TakePhotograph(bpy.types.Operator):
    """Take the picture as the photograph that a world is made from"""

    bl_idname = "skyworld.take_photograph"
    bl_label = "Use as Photograph"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="File", description="The picture", subtype="FILE_PATH", options={"SKIP_SAVE"})

    def invoke(self, context, _event):
        if self.filepath:  # dropped on the panel
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        context.scene.skyworld.photo = self.filepath
        session.tell(None)
        return {"FINISHED"}


class UseModels(bpy.types.Operator):
    """Make worlds with other models"""

    bl_idname = "skyworld.use_models"
    bl_label = "Use Models"
    bl_options = {"REGISTER", "UNDO"}

    profile: EnumProperty(
        name="Models",
        description="Which models take the place of the present ones",
        items=[
            ("builtin", "Built-in", "They need no download and no GPU"),
            ("SMALLER", "Smaller", "Those for the next smaller GPU, at last the built-in ones"),
        ],
    )

    def execute(self, context):
        group, profile = group_of(context.scene, (session.last_failure() or {}).get("kind")), self.profile
        if profile == "SMALLER":
            sizes = [item.identifier for item in group.bl_rna.properties["profile"].enum_items]
            profile = sizes[max(0, sizes.index(group.profile) - 1)]
        group.profile = profile
        if profile == "builtin":
            for role in (name for name in ROLES if hasattr(group, name)):
                group.property_unset(role)
        session.tell(None)
        return {"FINISHED"}


class UseDevice(bpy.types.Operator):
    """Compute on the GPU where there is one, else on the processor"""

    bl_idname = "skyworld.use_device"
    bl_label = "Compute on What Is There"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        scene = context.scene
        scene.skyworld.device = scene.skyworld_fit.device = scene.skyworld_city.device = "auto"
        session.tell(None)
        return {"FINISHED"}


class JobOperator:
    job: StringProperty(
        name="Job", description="Number of the job in the backend. Empty: the last", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, _context):
        if session.state != "on":
            cls.poll_message_set("The backend is not running")
            return False
        return True


class CancelJob(JobOperator, bpy.types.Operator):
    """Stop the job. What is finished of it is kept; Retry goes on from there"""

    bl_idname = "skyworld.cancel_job"
    bl_label = "Cancel Job"

    @reports_errors
    def execute(self, _context):
        active = session.active()
        job = self.job or (active["id"] if active else None)
        if job is None:
            raise UserError("There is no job to cancel")
        session.cancel(job)
        return {"FINISHED"}


class RetryJob(JobOperator, bpy.types.Operator):
    """Queue the job again; it goes on from its last finished stage"""

    bl_idname = "skyworld.retry_job"
    bl_label = "Retry Job"

    @reports_errors
    def execute(self, _context):
        failed = session.last_failure()
        job = self.job or (failed["id"] if failed else None)
        if job is None:
            raise UserError("The last job did not fail")
        session.retry(job)
        return {"FINISHED"}


class ImportWorld(bpy.types.Operator):
    """Add a finished world to the scene: its splats, and a camera with a path"""

    bl_idname = "skyworld.import_world"
    bl_label = "Import World"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(name="World Folder", description="Folder with a world.json", subtype="DIR_PATH")

    def invoke(self, context, _event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @reports_errors
    def execute(self, context):
        opened = world.open_world(self.directory)
        obj = world.add(context, opened, ply.read(opened.splats), set_up_scene=preferences.get().set_up_scene)
        count = len(obj.data.attributes["position"].data)
        self.report({"INFO"}, said("{count:,} splats from {folder}", count=count, folder=opened.root))
        return {"FINISHED"}


def bring_in(job):
    """When an own job is done: reads its world in a thread, then adds it on the main thread, as one step to undo."""
    wish = job["parameters"]
    folder = (job.get("result") or {}).get("output") or wish.get("output") or wish.get("world")
    names = WORLD_FILES.get(job["kind"])
    if not names or not folder or not preferences.get().auto_import:
        return
    client, set_up = session.client, preferences.get().set_up_scene

    def read():
        opened = world.open_world(folder if Path(folder).is_dir() else fetch(client, folder, job["id"], names))
        return opened, ply.read(opened.splats)

    def add(found):
        if job["kind"] == REFINE:
            world.put_away(bpy.context.scene, folder)
        obj = world.add(bpy.context, *found, set_up_scene=set_up)
        if job["kind"] in (CITY, REFINE):  # refining names the folder where the backend has it
            obj.users_collection[0].skyworld.folder = str(folder)
        if not bpy.app.background:
            bpy.ops.ed.undo_push(message="Import World")

    session.background(read, add, job["kind"])


def fetch(client, folder, job_id, names):
    """A copy of files of a world that lies on the backend's machine, in Blender's folder for temporary files."""
    here = Path(bpy.app.tempdir) / f"skyworld_{job_id}"
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(client.file(folder, name))
    return here


class StartBackend(bpy.types.Operator):
    """Start the backend, or connect to it, as the preferences say"""

    bl_idname = "skyworld.start_backend"
    bl_label = "Start Backend"

    @classmethod
    def poll(cls, _context):
        if session.state in ("on", "starting"):
            cls.poll_message_set("The backend is running")
            return False
        return True

    @reports_errors
    def execute(self, _context):
        session.connect(type(self).bl_idname)
        return {"FINISHED"}


class RestartBackend(bpy.types.Operator):
    """End the backend if it is there and start it anew; finished work is kept"""

    bl_idname = "skyworld.restart_backend"
    bl_label = "Restart Backend"

    @reports_errors
    def execute(self, _context):
        session.connect()
        return {"FINISHED"}


class StopBackend(bpy.types.Operator):
    """End the backend and free its memory. A running job stops and can be retried later"""

    bl_idname = "skyworld.stop_backend"
    bl_label = "Stop Backend"

    @classmethod
    def poll(cls, _context):
        if session.state == "off":
            cls.poll_message_set("The backend is not running")
            return False
        return True

    def execute(self, _context):
        session.disconnect()
        return {"FINISHED"}


class InstallBackend(bpy.types.Operator):
    """Make the backend's own Python environment and download its packages: 0.5 GB, or about 3 GB for an NVIDIA GPU"""

    bl_idname = "skyworld.install_backend"
    bl_label = "Install Backend"

    device: EnumProperty(
        name="For",
        description="What the backend is to compute on",
        items=[
            ("PREFERENCES", "As Set", "What the preferences say"),
            ("CPU", "CPU", "Every computer; with the built-in models"),
            ("CUDA", "NVIDIA GPU", "With CUDA and what checkpoints need"),
        ],
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context):
        if session.installer and session.installer.state == "running":
            cls.poll_message_set("The installation is running")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set(
                "Blender may not use the network: switch on Preferences > System > Allow Online Access, "
                "or set the Python of an installed backend in the add-on's preferences"
            )
            return False
        return True

    @reports_errors
    def execute(self, _context):
        settings = preferences.get()
        if self.device != "PREFERENCES":
            settings.device = self.device
        session.disconnect()
        session.installer = install.Installer(
            bpy.path.abspath(settings.base_python),
            preferences.folder() / "environment",
            settings.device,
            preferences.log("install"),
        )
        session.installer.start()
        return {"FINISHED"}


class CancelInstall(bpy.types.Operator):
    """Stop the installation; an older backend stays as it was"""

    bl_idname = "skyworld.cancel_install"
    bl_label = "Cancel Installation"

    @classmethod
    def poll(cls, _context):
        if not session.installer or session.installer.state != "running":
            cls.poll_message_set("Nothing is being installed")
            return False
        return True

    def execute(self, _context):
        session.installer.cancel()
        return {"FINISHED"}


CLASSES = (
    GenerateWorld,
    OfferSeeds,
    FitPictures,
    UseSeed,
    ChoosePath,
    TakePhotograph,
    UseModels,
    UseDevice,
    CancelJob,
    RetryJob,
    ImportWorld,
    StartBackend,
    RestartBackend,
    StopBackend,
    InstallBackend,
    CancelInstall,
)


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_done.append(bring_in)


def unregister():
    if bring_in in session.on_done:
        session.on_done.remove(bring_in)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
