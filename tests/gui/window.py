"""What the scripts of this folder need inside Blender's window: waiting, pictures, an empty scene, panels, files."""

import hashlib
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import bpy
import fake_backend
import scene_of_splats
from bl_ext.user_default.skyworld import jobs, preferences
from bl_ext.user_default.skyworld.panels import sidebar
from bl_ext.user_default.skyworld.scene import ply

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
PHOTO = REPOSITORY / "docs/sample/hill_village.jpg"
HOME = Path("/home/artist/SkyWorld")  # of the window's own system
os.environ["HOME"] = str(HOME.parent)  # where a world's folder is chosen by itself
LOOK, LOOKS = 0.25, 24  # seconds between two looks whether the picture still changes; most of them
jobs.GIVE_UP_SECONDS = 3.0
_opened = []


# -------------------------------------------------------------------- time


def until(condition, seconds=20):
    """Waits while Blender draws and its timers run."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (jobs.session.state, jobs.session.error, jobs.session.jobs)
        yield 0.1


def settled(gui, region="WINDOW"):
    """Waits until two looks at a region are the same: software drawing on a busy machine shows what is new late."""
    area = gui.region(region)
    area.tag_redraw()
    place = f"{area.width}x{area.height}+{area.x}+{gui.window.height - area.y - area.height}"
    seen = None
    for _ in range(LOOKS):
        yield LOOK
        command = ["import", "-window", "root", "-crop", place, "-depth", "8", "rgb:-"]
        now = hashlib.sha1(subprocess.run(command, check=True, capture_output=True).stdout).digest()
        if now == seen:
            return
        seen = now


def shot(gui, name, region="UI"):
    """A picture of a region, or of the whole window (None), once it stands still."""
    yield from settled(gui, region or "WINDOW")
    gui.shot(name, region=region)


# -------------------------------------------------------------------- scene and panels


def fresh(gui):
    """An empty scene, nothing connected, the viewport as it is at first."""
    jobs.session.disconnect()
    jobs.session.jobs, jobs.session.previews = {}, {}
    old, scene = list(bpy.data.scenes), bpy.data.scenes.new("Scene")
    gui.window.scene = scene
    for each in old:
        bpy.data.scenes.remove(each)
    bpy.data.batch_remove([*bpy.data.objects, *bpy.data.collections, *bpy.data.pointclouds])
    region = gui.area.spaces.active.region_3d
    region.view_perspective = "PERSP"


def open_panels(gui, *names):
    """The sidebar's tab with only these panels (names of their files) open.

    Panels cannot be opened by a script, only be open when they are drawn for the first time: so they are made anew.
    """
    _opened.append(names)
    for cls in reversed(sidebar.CLASSES):
        bpy.utils.unregister_class(cls)
    for cls in sidebar.CLASSES:
        cls.bl_idname = f"{cls.bl_idname.partition('_v')[0]}_v{len(_opened)}"
        if hasattr(cls, "bl_parent_id"):
            cls.bl_parent_id = f"{cls.bl_parent_id.partition('_v')[0]}_v{len(_opened)}"
        cls.bl_options = set() if cls.__module__.rpartition(".")[2] in names else {"DEFAULT_CLOSED"}
        bpy.utils.register_class(cls)
    yield from gui.open_sidebar("SkyWorld")


def connected():
    """A fake backend, and preferences that name it."""
    backend = fake_backend.FakeBackend()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", backend.url, fake_backend.TOKEN
    return backend


# -------------------------------------------------------------------- files


def home():
    """An empty folder of the artist's, as its path stands in pictures."""
    HOME.mkdir(parents=True, exist_ok=True)
    return HOME


def photograph():
    """The sample, among the artist's own files."""
    file = home().parent / PHOTO.name
    file.write_bytes(PHOTO.read_bytes())
    return file


def world_folder(name="hill_village"):
    """A finished world."""
    root = home() / name
    root.mkdir(exist_ok=True)
    ply.write(root / "splats.ply", scene_of_splats.make(ply, N=20_000))
    document = {"format": 1, "name": name, "cube": 2.0, "focus_distance": 8.0}
    document |= {"panorama": {"position": [0, 0, 1.6]}, "artifacts": {}, "models": []}
    (root / "world.json").write_text(json.dumps(document))
    return root


def preview_picture():
    """A PNG, 2:1, through Blender's own images."""
    import numpy as np

    image = bpy.data.images.new("preview", 512, 256)
    x, y = np.meshgrid(np.linspace(0, 1, 512), np.linspace(0, 1, 256))
    hills = y < 0.42 + 0.08 * np.sin(9 * x) + 0.04 * np.sin(31 * x)
    sky = np.stack([0.45 + 0.4 * (1 - y), 0.6 + 0.3 * (1 - y), 0.95 + 0 * y], -1)
    land = np.stack([0.25 + 0.3 * y, 0.35 + 0.3 * y, 0.15 + 0 * y], -1)
    rgb = np.where(hills[..., None], land, sky)
    image.pixels.foreach_set(np.concatenate([rgb, np.ones((256, 512, 1))], -1).astype("f4").ravel())
    path = Path(tempfile.mkdtemp()) / "preview.png"
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path.read_bytes()
