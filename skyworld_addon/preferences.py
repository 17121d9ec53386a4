"""What is the same in every file: where the backend is and what happens when a world is done."""

import os
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from .connection import install

PACKAGE = __package__
ENVIRONMENT_VARIABLE = "SKYWORLD_BACKEND_PYTHON"


class SkyWorldPreferences(bpy.types.AddonPreferences):
    bl_idname = PACKAGE

    backend: EnumProperty(
        name="Backend",
        description="Where worlds are made and splats are rendered",
        items=[
            (
                "LOCAL",
                "On This Computer",
                "A process of its own, started by the add-on and ended with Blender",
            ),
            ("REMOTE", "At a URL", "A backend that runs already: `skyworld serve --stay` prints its URL and token"),
        ],
    )
    python: StringProperty(
        name="Backend's Python",
        description=(
            "Python of an environment that has the backend. Empty: the environment variable "
            f"{ENVIRONMENT_VARIABLE}, else the one that Install Backend makes"
        ),
        subtype="FILE_PATH",
    )
    url: StringProperty(name="URL", description="Like http://127.0.0.1:8188", default="http://127.0.0.1:8188")
    token: StringProperty(name="Token", description="The secret that the backend printed", subtype="PASSWORD")
    base_python: StringProperty(
        name="Python to Install With",
        description="A Python 3.11 to 3.14 from which the backend's environment is made. Empty: found by itself",
        subtype="FILE_PATH",
    )
    device: EnumProperty(
        name="Computes On",
        description="Which build of PyTorch Install Backend takes",
        items=[
            ("CPU", "CPU", "Works everywhere; about 3 GiB of disk"),
            ("CUDA", "NVIDIA GPU", "With CUDA and gsplat; about 8 GiB of disk"),
        ],
    )
    models_folder: StringProperty(
        name="Models Folder",
        description=(
            "Where the backend keeps downloaded models, taken up when it starts anew. Empty: the cache that other "
            "programs use too, or the environment variable HF_HUB_CACHE"
        ),
        subtype="DIR_PATH",
    )
    profile: EnumProperty(
        name="Models For",
        description="Which set of models is shown: for a GPU with that much memory",
        items=[
            ("8gb", "8 GB", "For a GPU of 8 GB and more"),
            ("16gb", "16 GB", "For a GPU of 16 GB and more"),
            ("24gb", "24 GB", "For a GPU of 24 GB and more"),
        ],
    )
    auto_import: BoolProperty(
        name="Bring In Finished Worlds",
        description="When a world that was started here is done, add it to the scene",
        default=True,
    )
    set_up_scene: BoolProperty(
        name="Set Up the Scene for the Shot",
        description="With a new world: its camera, the SkyWorld render engine and the view transform Standard; with a "
        "city's mesh: textures in solid shading",
        default=True,
    )

    most_splats: IntProperty(
        name="Most Splats in the Viewport",
        description=(
            "Of all splat objects that are shown; of more, a share is drawn, larger. A million takes about "
            "300 MB of the GPU's memory. Renders and exports always have all of them"
        ),
        min=10_000,
        soft_max=16_000_000,
        default=3_000_000,
    )

    def draw(self, context):
        from .panels import models  # which needs the session, which needs these preferences

        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.row().prop(self, "backend", expand=True)
        if self.backend == "REMOTE":
            column.prop(self, "url")
            column.prop(self, "token")
        else:
            column.prop(self, "python", placeholder=str(environment_python()))
            column.separator()
            column.prop(self, "base_python")
            column.row().prop(self, "device", expand=True)
            column.operator("skyworld.install_backend", icon="IMPORT")
        header, body = layout.panel("skyworld_models", default_closed=False)
        header.label(text="Models")
        if body:
            models.draw(body.column(), context, self)
        layout.separator()
        column = layout.column(heading="Finished Worlds")
        column.prop(self, "auto_import")
        column.prop(self, "set_up_scene")
        layout.separator()
        layout.column().prop(self, "most_splats")


def get():
    """The preferences. Where Blender has no entry for the add-on (bpy module) one is made until `unregister`."""
    addons = bpy.context.preferences.addons
    if PACKAGE not in addons:
        addons.new().module = PACKAGE
    return addons[PACKAGE].preferences


def folder():
    """The user's folder of this add-on, which survives its updates."""
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE, create=True))
    except ValueError:  # not run as an extension
        base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local/share"
        return Path(base) / "skyworld"


def environment_python():
    """Python of the environment that the installer makes."""
    return install.python_of(folder() / "environment")


def backend_python():
    """The Python that runs the backend."""
    chosen = bpy.path.abspath(get().python) if get().python else os.environ.get(ENVIRONMENT_VARIABLE)
    return chosen or environment_python()


def models_folder():
    """Where a local backend is to keep models, or ""."""
    return bpy.path.abspath(get().models_folder) if get().models_folder else ""


def installed():
    return Path(backend_python()).is_file()


def log(name):
    return folder() / f"{name}.log"


def register():
    bpy.utils.register_class(SkyWorldPreferences)


def unregister():
    bpy.utils.unregister_class(SkyWorldPreferences)
    addons = bpy.context.preferences.addons
    # an extension's entry belongs to Blender
    if PACKAGE in addons and not PACKAGE.startswith("bl_ext."):
        addons.remove(addons[PACKAGE])
