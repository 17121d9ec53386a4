"""Run inside Blender's window: the sub-panel of posed pictures before, during and after a job of a fake backend.

BG_PASS_REPOSITORY is the repository, visible inside under the same path.
"""

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
from bl_ext.user_default.skyworld.panels import fit  # noqa: E402
from bl_ext.user_default.skyworld.scene import camera_files, world  # noqa: E402


def fitted_world():
    """The world of a fit: splats, and the cameras of pictures taken along a path."""
    import numpy as np

    root = panel.world_folder()
    (root / "world.json").write_text(
        '{"format": 1, "name": "garden", "held_out": {"views": 3, "psnr": 27.3, "ssim": 0.81}}'
    )
    poses = np.tile(np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 1.6], [0, 0, 0, 1]], float), (24, 1, 1))
    poses[:, 1, 3] = np.linspace(-3, 3, 24)
    K = np.tile(np.array([[600, 0, 480], [0, 600, 360], [0, 0, 1]], float), (24, 1, 1))
    (root / "cameras").mkdir()
    camera_files.write(root / world.PICTURES, camera_files.CameraPath(poses, K, 960, 720, 24))
    return root


def steps(gui):
    session, scene = jobs.session, bpy.context.scene
    # Panels cannot be opened by a script: this one is, before it is drawn for the first time
    bpy.utils.unregister_class(fit.FitPanel)
    fit.FitPanel.bl_options = set()
    bpy.utils.register_class(fit.FitPanel)
    home = Path(tempfile.mkdtemp())
    (home / "garden").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "shot.blend"))
    backend = fake_backend.FakeBackend()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", backend.url, fake_backend.TOKEN
    yield from panel.open_all(gui)
    gui.shot("empty", region="UI")
    scene.skyworld_fit.pictures, scene.skyworld_fit.output = "//garden", "//worlds/garden"
    scene.skyworld_fit.hold_out = 8
    gui.region("UI").tag_redraw()
    yield panel.SETTLE
    gui.shot("ready", region="UI")
    with gui.override():
        bpy.ops.skyworld.fit_pictures()
    yield from panel.until(lambda: backend.jobs)
    job = backend.jobs[0]
    assert job["parameters"]["pictures"] == str(home / "garden")
    backend.pictures[job["id"]] = panel.preview_picture()
    backend.move(job, "running")
    backend.progress(
        job,
        stage="splats",
        fraction=0.42,
        elapsed=31.0,
        remaining=44.0,
        preview=True,
        message="step 840 of 2,000, loss 0.0713, 41,210 Gaussians",
    )
    yield from panel.until(lambda: session.previews)
    gui.shot("running", region="UI")
    backend.move(job, "failed", error=f"{home / 'garden'}: holds no posed pictures. It needs transforms.json.")
    yield from panel.until(lambda: session.jobs[job["id"]]["state"] == "failed")
    gui.shot("failed", region="UI")
    with gui.override():
        bpy.ops.skyworld.retry_job(job=job["id"])
    yield 1
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(fitted_world())})
    yield from panel.until(lambda: scene.camera)
    assert "garden" in bpy.data.collections and (scene.frame_end, scene.render.resolution_x) == (24, 960)
    gui.shot("done", region="UI")
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield panel.SETTLE
    gui.shot("camera-view")
    backend.close()
