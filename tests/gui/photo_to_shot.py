"""Run inside Blender's window: a photograph becomes a world and a frame, through the panel, with the real backend.

BG_PASS_URL, BG_PASS_TOKEN: a running backend.  BG_PASS_PHOTO, BG_PASS_OUTPUT: visible inside under the same path.
"""

import os
import time

import bpy
from bl_ext.user_default.skyworld import jobs, preferences

session = jobs.session
STALL = 0.05  # seconds that nothing of ours may hold the main thread while a job runs


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (session.state, session.error, session.jobs)
        yield 0.1


def steps(gui):
    longest = [0.0]
    pump = session.pump

    def watched(*arguments):
        start = time.thread_time()  # of this thread: others may hold the processors meanwhile
        try:
            return pump(*arguments)
        finally:
            if session.active():
                longest[0] = max(longest[0], time.thread_time() - start)

    session.pump = watched
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    settings = preferences.get()
    settings.backend = "REMOTE"
    settings.url, settings.token = os.environ["BG_PASS_URL"], os.environ["BG_PASS_TOKEN"]
    scene = bpy.context.scene
    scene.skyworld.photo = os.environ["BG_PASS_PHOTO"]
    scene.skyworld.output = os.environ["BG_PASS_OUTPUT"]
    scene.skyworld.quality, scene.skyworld.panorama_width = "draft", "1024"
    yield from gui.open_sidebar("SkyWorld")
    with gui.override():
        bpy.ops.skyworld.generate_world()
    yield from until(lambda: session.previews and (session.active() or {}).get("state") == "running", 120)
    yield 2
    gui.shot("generating")
    gui.shot("generating-panel", region="UI")
    yield from until(lambda: scene.camera, 500)
    with gui.override():
        bpy.ops.view3d.view_camera()
    yield 1.5
    gui.shot("done")
    gui.shot("done-panel", region="UI")
    with gui.override():
        bpy.ops.view3d.view_camera()
        view = gui.area.spaces.active.region_3d
        view.view_location, view.view_distance = (0, 8, 2), 30
    yield 1.5
    gui.shot("world")
    render = scene.render
    render.resolution_x, render.resolution_y = 640, 360
    render.filepath = os.path.join(os.environ["BG_PASS_OUTPUT"], "shots", "f12.png")
    assert render.engine == "SKYWORLD"
    bpy.ops.render.render(write_still=True)
    frame = bpy.data.images.load(render.filepath)
    pixels = list(frame.pixels[:: 4 * 997])
    assert max(pixels) - min(pixels) > 0.3, "the frame shows something"
    bpy.ops.render.view_show("INVOKE_DEFAULT")
    yield 1.5
    gui.shot("f12")
    print(f"longest hold of the main thread while the job ran: {1000 * longest[0]:.1f} ms", flush=True)
    assert longest[0] < STALL, longest[0]
