"""Run inside Blender's window: the panel Satellite before, during and after jobs of a fake backend, and its city.

BG_PASS_REPOSITORY is the repository, visible inside under the same path.
"""

import json
import math
import os
import sys
import tempfile
from pathlib import Path

import bpy

REPOSITORY = Path(os.environ["BG_PASS_REPOSITORY"])
sys.path[:0] = [str(REPOSITORY / "tests/addon"), str(REPOSITORY / "tests/gui")]

import fake_backend  # noqa: E402
import panel  # noqa: E402
from bl_ext.user_default.skyworld import jobs, preferences  # noqa: E402
from bl_ext.user_default.skyworld.panels import generate, satellite  # noqa: E402
from bl_ext.user_default.skyworld.scene import camera_files, world  # noqa: E402

OVERVIEW = REPOSITORY / "docs/pictures/satellite-overview.jpg"
PLACE = {"latitude": 43.2615, "longitude": 5.4432, "altitude": 180.0, "epsg": 32631}


def city():
    """The world of a city: splats, its place on the Earth, a path around it."""
    import numpy as np

    root = panel.world_folder()
    told = {"format": 1, "name": "quarry_city", "georeference": PLACE, "satellite": {"images": ["img_01"]}}
    (root / "world.json").write_text(json.dumps(told))
    e, radius, poses = world.ELEVATION, 12.0, []
    for angle in np.linspace(0, 2 * math.pi, 24, endpoint=False):
        back = np.array([math.sin(angle) * math.cos(e), math.cos(angle) * math.cos(e), math.sin(e)])
        right = np.cross((0, 0, 1), back) / math.cos(e)
        axes = np.stack([right, np.cross(back, right), back], 1)
        poses.append(np.block([[axes, radius * back[:, None]], [np.zeros((1, 3)), 1]]))
    K = np.tile(np.array([[600, 0, 480], [0, 600, 360], [0, 0, 1]], float), (24, 1, 1))
    (root / "cameras").mkdir()
    camera_files.write(root / world.ORBIT, camera_files.CameraPath(np.array(poses), K, 960, 720, 24))
    return root


def steps(gui):
    session, scene = jobs.session, bpy.context.scene
    # Panels cannot be opened or closed by a script: these are, before they are drawn for the first time
    for cls, options in ((satellite.SatellitePanel, set()), (generate.GeneratePanel, {"DEFAULT_CLOSED"})):
        bpy.utils.unregister_class(cls)
        cls.bl_options = options
        bpy.utils.register_class(cls)
    home = Path(tempfile.mkdtemp())
    names = ("img_01.tif", "img_02.tif", "img_03.tif")
    for name in names:
        (home / name).write_bytes(b"")
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "shot.blend"))
    backend = fake_backend.FakeBackend()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", backend.url, fake_backend.TOKEN
    yield from panel.open_all(gui)
    gui.shot("empty", region="UI")
    bpy.ops.skyworld.add_satellite_images(directory=str(home), files=[{"name": name} for name in names])
    with gui.override():
        bpy.ops.skyworld.show_satellite_area()
    yield from panel.until(lambda: backend.jobs)
    job = backend.jobs[0]
    folder = Path(job["parameters"]["output"])
    folder.mkdir()
    (folder / "footprints.json").write_text('{"shared": [43.25918, 5.43949, 43.26383, 5.44687]}')
    backend.pictures[job["id"]] = OVERVIEW.read_bytes()
    backend.move(job, "running")
    backend.progress(job, stage="satellite_overview", fraction=1.0, preview=True)
    yield from panel.until(lambda: session.previews)
    backend.move(job, "done")
    yield from panel.until(lambda: session.jobs[job["id"]]["state"] == "done")
    bpy.ops.skyworld.take_satellite_middle(percent=50)
    gui.region("UI").tag_redraw()
    yield panel.SETTLE
    gui.shot("ready", region="UI")
    with gui.override():
        bpy.ops.skyworld.generate_city()
    yield from panel.until(lambda: len(backend.jobs) == 2)
    job = backend.jobs[1]
    backend.pictures[job["id"]] = panel.preview_picture()
    backend.move(job, "running")
    backend.progress(job, stage="heights", fraction=0.22, elapsed=31.0, remaining=104.0, preview=True, message="sweep")
    yield from panel.until(lambda: job["id"] in session.previews)
    gui.shot("running", region="UI")
    backend.move(job, "failed", error=f"{home / 'img_02.tif'}: does not show the area. Leave it out.")
    yield from panel.until(lambda: session.jobs[job["id"]]["state"] == "failed")
    gui.shot("failed", region="UI")
    with gui.override():
        bpy.ops.skyworld.retry_job(job=job["id"])
    yield 1
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(city())})
    yield from panel.until(lambda: scene.camera)
    assert scene["SRID"] == "EPSG:32631" and scene.camera.name == "Orbit Camera"
    assert bpy.ops.skyworld.refine_city.poll()
    gui.shot("done", region="UI")
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield panel.SETTLE
    gui.shot("camera-view")
    backend.close()
