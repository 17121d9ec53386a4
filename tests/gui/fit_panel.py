"""The sub-panel of posed pictures before, during and after a job of a fake backend."""

import bpy
import numpy as np
import window
from bl_ext.user_default.skyworld import jobs
from bl_ext.user_default.skyworld.scene import camera_files, world


def fitted_world():
    """The world of a fit: splats, and the cameras of pictures taken along a path."""
    root = window.world_folder("garden")
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
    home = window.home()
    (home / "photos").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "shot.blend"), copy=True)
    backend = window.connected()
    yield from window.open_panels(gui, "generate", "fit", "world")
    yield from window.shot(gui, "fit-empty")
    scene.skyworld_fit.pictures, scene.skyworld_fit.output = str(home / "photos"), str(home / "garden")
    scene.skyworld_fit.hold_out = 8
    yield from window.shot(gui, "fit-ready")
    with gui.override():
        bpy.ops.skyworld.fit_pictures()
    yield from window.until(lambda: backend.jobs)
    job = backend.jobs[0]
    assert job["parameters"]["pictures"] == str(home / "photos")
    backend.pictures[job["id"]] = window.preview_picture()
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
    yield from window.until(lambda: job["id"] in session.previews)
    yield from window.shot(gui, "fit-running")
    backend.move(job, "failed", error=f"{home / 'photos'}: holds no posed pictures. It needs transforms.json.")
    yield from window.until(lambda: session.jobs[job["id"]]["state"] == "failed")
    yield from window.shot(gui, "fit-failed")
    with gui.override():
        bpy.ops.skyworld.retry_job(job=job["id"])
    yield from window.until(lambda: job["state"] == "queued")
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(fitted_world())})
    yield from window.until(lambda: scene.camera)
    assert "garden" in bpy.data.collections and (scene.frame_end, scene.render.resolution_x) == (24, 960)
    yield from window.shot(gui, "fit-done")
    backend.close()
