"""The panel Satellite before, during and after jobs of a fake backend, and its city."""

import json
import math
from pathlib import Path

import bpy
import numpy as np
import window
from bl_ext.user_default.skyworld import jobs
from bl_ext.user_default.skyworld.scene import camera_files, world

OVERVIEW = window.REPOSITORY / "docs/pictures/satellite-overview.jpg"
PLACE = {"latitude": 43.2615, "longitude": 5.4432, "altitude": 180.0, "epsg": 32631}


def city():
    """The world of a city: splats, its place on the Earth, a path around it."""
    root = window.world_folder("quarry_city")
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
    home = window.home()
    names = ("img_01.tif", "img_02.tif", "img_03.tif")
    for name in names:
        (home / name).write_bytes(b"")
    backend = window.connected()
    yield from window.open_panels(gui, "satellite", "world")
    yield from window.shot(gui, "satellite-empty")
    bpy.ops.skyworld.add_satellite_images(directory=str(home), files=[{"name": name} for name in names])
    with gui.override():
        bpy.ops.skyworld.show_satellite_area()
    yield from window.until(lambda: backend.jobs)
    job = backend.jobs[0]
    folder = Path(job["parameters"]["output"])
    folder.mkdir()
    (folder / "footprints.json").write_text('{"shared": [43.25918, 5.43949, 43.26383, 5.44687]}')
    backend.pictures[job["id"]] = OVERVIEW.read_bytes()
    backend.move(job, "running")
    backend.progress(job, stage="satellite_overview", fraction=1.0, preview=True)
    yield from window.until(lambda: job["id"] in session.previews)
    backend.move(job, "done")
    yield from window.until(lambda: session.jobs[job["id"]]["state"] == "done")
    bpy.ops.skyworld.take_satellite_middle(percent=50)
    yield from window.shot(gui, "satellite-ready")
    with gui.override():
        bpy.ops.skyworld.generate_city()
    yield from window.until(lambda: len(backend.jobs) == 2)
    job = backend.jobs[1]
    backend.pictures[job["id"]] = window.preview_picture()
    backend.move(job, "running")
    backend.progress(job, stage="heights", fraction=0.22, elapsed=31.0, remaining=104.0, preview=True, message="sweep")
    yield from window.until(lambda: job["id"] in session.previews)
    yield from window.shot(gui, "satellite-running")
    backend.move(job, "failed", error=f"{home / 'img_02.tif'}: does not show the area. Leave it out.")
    yield from window.until(lambda: session.jobs[job["id"]]["state"] == "failed")
    yield from window.shot(gui, "satellite-failed")
    with gui.override():
        bpy.ops.skyworld.retry_job(job=job["id"])
    yield from window.until(lambda: job["state"] == "queued")
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(city())})
    yield from window.until(lambda: scene.camera)
    assert scene["SRID"] == "EPSG:32631" and scene.camera.name == "Orbit Camera"
    assert bpy.ops.skyworld.refine_city.poll()
    yield from window.shot(gui, "satellite-done")
    heights = home / "quarry.tif"
    with gui.override():
        bpy.ops.skyworld.export_city(filepath=str(heights), content="HEIGHTS")
    yield from window.until(lambda: len(backend.jobs) == 3)
    job = backend.jobs[2]
    backend.files["exports/quarry.tif"] = b"heights"
    backend.move(job, "running")
    backend.move(job, "done", result={"output": job["parameters"]["output"]})
    yield from window.until(heights.is_file)
    yield from window.shot(gui, "satellite-exported")
    with gui.override():
        bpy.ops.skyworld.refine_city()
    yield from window.until(lambda: len(backend.jobs) == 4)
    backend.move(backend.jobs[3], "running")
    yield from window.until(lambda: session.active())
    backend.close()
    yield from window.until(lambda: session.state == "lost", 60)
    yield from window.shot(gui, "satellite-lost")
