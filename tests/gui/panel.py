"""Run inside Blender's window: the panel before, during and after a job of a fake backend, and its world.

BG_PASS_REPOSITORY is the repository, visible inside under the same path.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import bpy

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
sys.path[:0] = [str(REPOSITORY / "tests/addon"), str(REPOSITORY / "tests/gui")]

import fake_backend  # noqa: E402
import scene_of_splats  # noqa: E402
from bl_ext.user_default.skyworld import jobs, preferences  # noqa: E402
from bl_ext.user_default.skyworld.scene import ply  # noqa: E402

SETTLE = 3  # software drawing on a busy machine shows a panel's new height late
PHOTO = REPOSITORY / "docs/sample/hill_village.jpg"


def world_folder():
    root = Path(tempfile.mkdtemp()) / "hill_village"
    root.mkdir()
    ply.write(root / "splats.ply", scene_of_splats.make(ply))
    document = {"format": 1, "name": "hill_village", "cube": 2.0, "focus_distance": 8.0}
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


def open_all(gui):
    """The window shows the viewport and a sidebar of usual width only, so that all panels fit."""
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    yield from gui.open_sidebar("SkyWorld")
    yield SETTLE


def until(condition, seconds=20):
    """Waits while Blender draws and its timers run."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (jobs.session.state, jobs.session.error, jobs.session.jobs)
        yield 0.1
    yield SETTLE


def steps(gui):
    session = jobs.session
    root = world_folder()
    yield from open_all(gui)
    gui.shot("first", region="UI")

    backend = fake_backend.FakeBackend()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", backend.url, fake_backend.TOKEN
    scene = bpy.context.scene
    scene.skyworld.photo = str(PHOTO)
    scene.skyworld.output = str(root)
    gui.region("UI").tag_redraw()
    yield SETTLE
    gui.shot("ready", region="UI")
    with gui.override():
        bpy.ops.skyworld.generate_world()
    yield from until(lambda: backend.jobs)
    job = backend.jobs[0]
    backend.pictures[job["id"]] = preview_picture()
    backend.move(job, "running")
    backend.progress(
        job, stage="panorama", fraction=0.37, elapsed=8.2, remaining=14.0, preview=True, message="horizon, view 5 of 8"
    )
    yield from until(lambda: session.previews)
    assert session.active()["progress"]["stage"] == "panorama"
    gui.shot("running", region="UI")
    gui.shot("running-window")
    with gui.override():
        bpy.ops.skyworld.cancel_job(job=job["id"])
    yield SETTLE
    gui.shot("cancelling", region="UI")
    backend.move(
        job, "failed", error=f"{PHOTO}: the picture is cut short. Save it again from the program it came from."
    )
    yield from until(lambda: session.jobs[job["id"]]["state"] == "failed")
    gui.shot("failed", region="UI")
    with gui.override():
        bpy.ops.skyworld.retry_job(job=job["id"])
    yield 1
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(root)})
    yield from until(lambda: scene.camera)
    assert "hill_village" in bpy.data.collections and scene.render.engine == "SKYWORLD"
    # The viewport as after a click on the camera's side: the whole scene, in solid mode
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield SETTLE
    gui.shot("camera-view")
    with gui.override():
        bpy.ops.view3d.view_camera()
        region = gui.area.spaces.active.region_3d
        region.view_location, region.view_distance = (0, 8, 1), 26
    yield 2
    gui.shot("done", region="UI")
    gui.shot("world")
    backend.close()
    yield from until(lambda: session.state == "lost", 40)
    gui.shot("lost", region="UI")
