"""The panel before, during and after a job of a fake backend, and its world."""

import bpy
import window
from bl_ext.user_default.skyworld import jobs, preferences


def steps(gui):
    session = jobs.session
    root, photo = window.world_folder(), window.photograph()
    preferences.get().backend, preferences.get().python = "LOCAL", "/nowhere/python"
    yield from window.open_panels(gui, "generate", "world", "camera", "shot")
    yield from window.shot(gui, "panel-first")

    backend = window.connected()
    scene = bpy.context.scene
    scene.skyworld.photo, scene.skyworld.output = str(photo), str(root)
    yield from window.shot(gui, "panel-ready")
    with gui.override():
        bpy.ops.skyworld.generate_world()
    yield from window.until(lambda: backend.jobs)
    job = backend.jobs[0]
    backend.pictures[job["id"]] = window.preview_picture()
    backend.move(job, "running")
    backend.progress(
        job, stage="panorama", fraction=0.37, elapsed=8.2, remaining=14.0, preview=True, message="horizon, view 5 of 8"
    )
    yield from window.until(lambda: session.previews)
    assert session.active()["progress"]["stage"] == "panorama"
    yield from window.shot(gui, "panel-running")
    with gui.override():
        bpy.ops.skyworld.cancel_job(job=job["id"])
    yield from window.shot(gui, "panel-cancelling")
    backend.move(
        job, "failed", error=f"{photo}: the picture is cut short. Save it again from the program it came from."
    )
    yield from window.until(lambda: session.jobs[job["id"]]["state"] == "failed")
    yield from window.shot(gui, "panel-failed")
    with gui.override():
        bpy.ops.skyworld.retry_job(job=job["id"])
    yield from window.until(lambda: job["state"] == "queued")
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(root)})
    yield from window.until(lambda: scene.camera)
    assert "hill_village" in bpy.data.collections and scene.render.engine == "SKYWORLD"
    # The viewport as after a click on the camera's side: the whole scene, in solid mode
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield from window.shot(gui, "panel-camera-view", region=None)
    with gui.override():
        bpy.ops.view3d.view_camera()
    region = gui.area.spaces.active.region_3d
    region.view_location, region.view_distance = (0, 8, 1), 26
    yield from window.shot(gui, "panel-done")
    backend.close()
    yield from window.until(lambda: session.state == "lost", 40)
    yield from window.shot(gui, "panel-lost")
