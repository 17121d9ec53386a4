"""The session against a backend that the test moves: jobs, events, cancel, loss, catching up."""

import struct
import time
import zlib
from pathlib import Path

import bpy
import pytest
from fake_backend import FakeBackend

from skyworld_addon import preferences
from skyworld_addon.jobs import session
from skyworld_addon.operators import generate
from skyworld_addon.panels import preview


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "hill.png"
    path.write_bytes(picture())
    bpy.context.scene.skyworld.photo = str(path)
    return path


def picture(width=8, height=4):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(
        b"\0" + b"\xff\0\0" * (width // 4) + b"\0\xff\0" * (width // 2) + b"\xff\0\0" * (width // 4)
        for _ in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def connected(pump):
    session.connect()
    pump(lambda: session.state == "on")


def test_generate_starts_the_connection_and_sends_the_parameters(backend, pump, photo, tmp_path):
    bpy.context.scene.skyworld.eye_height = 2.5
    bpy.context.scene.skyworld.output = str(tmp_path / "world")
    assert bpy.ops.skyworld.generate_world() == {"FINISHED"}
    assert session.waiting() and not bpy.ops.skyworld.generate_world.poll()
    pump(lambda: backend.jobs)
    sent = backend.jobs[0]["parameters"]
    assert sent["photo"] == str(photo) and sent["eye_height"] == 2.5 and sent["output"] == str(tmp_path / "world")


def test_a_world_goes_next_to_the_blend_file_when_no_folder_is_given(tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert generate.default_output("/pictures/hill.png") == tmp_path / "SkyWorld" / "hill"


def test_a_missing_photograph_is_told_before_anything_starts(photo):
    photo.unlink()
    with pytest.raises(RuntimeError, match=r"hill\.png.*no such picture"):
        bpy.ops.skyworld.generate_world()
    assert session.state == "off"


def test_progress_comes_in_and_a_refusal_is_shown_as_it_is(backend, pump, photo):
    bpy.ops.skyworld.generate_world()
    pump(lambda: session.active())
    job = backend.jobs[0]
    backend.move(job, "running")
    backend.progress(job, stage="distance", fraction=0.4, message="measuring")
    pump(lambda: (session.active() or {}).get("progress"))
    assert session.active()["progress"]["stage"] == "distance"
    backend.move(job, "failed", error="hill.png: there is no sky in it. Choose another.")
    pump(lambda: session.jobs["1"]["state"] == "failed")
    assert session.active() is None
    backend.refuse = "fov: must be below 170."
    bpy.ops.skyworld.generate_world()
    pump(lambda: session.error)
    assert session.error == "fov: must be below 170."


def test_cancel_is_shown_at_once_and_retry_goes_on(backend, pump, photo):
    bpy.ops.skyworld.generate_world()
    pump(lambda: session.active())
    backend.move(backend.jobs[0], "running")
    pump(lambda: session.jobs["1"]["state"] == "running")
    backend.may_answer.clear()
    start = time.perf_counter()
    bpy.ops.skyworld.cancel_job(job="1")
    assert time.perf_counter() - start < 0.1 and "1" in session.cancelling, "Blender does not wait for the answer"
    backend.may_answer.set()
    backend.move(backend.jobs[0], "cancelled")
    pump(lambda: session.jobs["1"]["state"] == "cancelled")
    assert "1" not in session.cancelling
    bpy.ops.skyworld.retry_job(job="1")
    pump(lambda: session.jobs["1"]["state"] == "queued")


def test_an_answer_that_comes_after_the_news_does_not_set_a_job_back(backend, pump, photo):
    connected(pump)
    backend.may_answer.clear()
    backend.pictures["1"] = picture()
    bpy.ops.skyworld.generate_world()
    pump(lambda: backend.jobs)
    backend.move(backend.jobs[0], "running")
    pump(lambda: session.jobs.get("1", {}).get("state") == "running")
    backend.may_answer.set()
    pump(lambda: "1" in session.own)
    backend.progress(backend.jobs[0], stage="distance", preview=True)
    pump(lambda: "1" in session.previews)
    assert session.jobs["1"]["state"] == "running" and session.jobs["1"]["progress"]["stage"] == "distance"


def test_a_world_that_is_done_before_its_request_is_answered_comes_in(backend, pump, photo, world_folder):
    connected(pump)
    backend.may_answer.clear()
    bpy.ops.skyworld.generate_world()
    pump(lambda: backend.jobs)
    backend.move(backend.jobs[0], "running")
    backend.move(backend.jobs[0], "done", result={"output": str(world_folder)})
    pump(lambda: session.jobs.get("1", {}).get("state") == "done")
    backend.may_answer.set()
    pump(lambda: "valley" in bpy.data.collections)


def test_a_world_that_is_done_while_the_stream_is_broken_comes_in(backend, pump, photo, world_folder):
    connected(pump)
    bpy.ops.skyworld.generate_world()
    pump(lambda: "1" in session.own)
    backend.breaks += 1
    backend.move(backend.jobs[0], "running")
    backend.move(backend.jobs[0], "done", result={"output": str(world_folder)})
    pump(lambda: "valley" in bpy.data.collections)


def test_a_finished_world_comes_into_the_scene(backend, pump, photo, world_folder):
    bpy.context.scene.skyworld.output = str(world_folder)
    bpy.ops.skyworld.generate_world()
    pump(lambda: backend.jobs)
    backend.move(backend.jobs[0], "running")
    backend.move(backend.jobs[0], "done", result={"output": str(world_folder)})
    pump(lambda: "valley" in bpy.data.collections)
    pump(lambda: bpy.context.scene.camera)
    scene = bpy.context.scene
    assert (scene.render.engine, scene.view_settings.view_transform) == ("SKYWORLD", "Standard")
    assert {obj.type for obj in bpy.data.collections["valley"].objects} == {"POINTCLOUD", "CURVE", "CAMERA", "EMPTY"}


def test_a_job_of_an_earlier_time_is_listed_but_not_brought_in(backend, pump, world_folder):
    job = backend.submit("world", {"output": str(world_folder)})
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(world_folder)})
    connected(pump)
    time.sleep(0.3)
    pump(lambda: "1" in session.jobs)
    for _ in range(20):
        session.pump()
        assert session.jobs["1"]["state"] == "done"  # no event of what has been sets it back
        time.sleep(0.01)
    assert "valley" not in bpy.data.collections


def test_jobs_survive_opening_another_file_and_a_panel_that_was_closed(backend, pump, photo):
    bpy.ops.skyworld.generate_world()
    pump(lambda: session.active())
    bpy.ops.wm.read_homefile(app_template="", use_factory_startup=True)
    backend.move(backend.jobs[0], "running")
    for k in range(50):  # nobody looks for a while
        backend.progress(backend.jobs[0], fraction=k / 50)
    pump(lambda: (session.active()["progress"] or {}).get("fraction") == 0.98)


def test_a_thousand_events_never_hold_the_main_thread_long(backend, pump):
    connected(pump)
    job = backend.submit("world", {})
    backend.move(job, "running")
    for k in range(1000):
        backend.progress(job, fraction=k / 1000, message="x" * 500)
    time.sleep(0.5)
    longest = 0.0
    end = time.monotonic() + 10
    while (session.jobs.get("1", {}).get("progress") or {}).get("fraction") != 0.999:
        assert time.monotonic() < end
        start = time.thread_time()  # the machine may be busy: our own time counts
        session.pump()
        longest = max(longest, time.thread_time() - start)
        time.sleep(0.002)
    assert longest < 0.05


def test_the_preview_is_a_square_with_what_is_ahead_on_top(backend, pump):
    connected(pump)
    job = backend.submit("world", {})
    backend.pictures["1"] = picture()
    backend.move(job, "running")
    backend.progress(job, preview=True)
    pump(lambda: session.previews)
    pixels = preview.read(session.previews["1"], "world")
    assert pixels.shape == (preview.SIDE, preview.SIDE, 4)
    top, bottom = pixels[-20, preview.SIDE // 2], pixels[20, preview.SIDE // 2]
    assert top[1] > 0.9 > 0.1 > top[0] and bottom[0] > 0.9 > 0.1 > bottom[1]
    assert not bpy.data.images


def test_a_backend_that_is_not_there_or_not_ours_is_told_in_a_sentence(pump, monkeypatch):
    from skyworld_addon import jobs

    monkeypatch.setattr(jobs, "GIVE_UP_SECONDS", 0.1)
    settings = preferences.get()
    settings.backend, settings.url = "REMOTE", "http://127.0.0.1:9"
    session.connect()
    pump(lambda: session.state == "lost")
    assert "does not answer" in session.error
    settings.url = "ftp://somewhere"
    session.connect()
    pump(lambda: session.state == "lost")
    assert "no address" in session.error


def test_a_wrong_token_is_told(backend, pump):
    preferences.get().token = "guess"
    session.connect()
    pump(lambda: session.state == "lost")
    assert "token" in session.error


def test_a_reply_of_an_older_connection_is_dropped(backend, pump):
    connected(pump)
    heard = []
    session.background(lambda: time.sleep(0.1) or "late", heard.append)
    session.disconnect()
    time.sleep(0.3)
    session.pump()
    assert heard == []


def test_a_local_backend_is_started_found_dead_and_started_again(local_backend, pump):
    bpy.ops.skyworld.start_backend()
    pump(lambda: session.state == "on")
    process = session.process.process
    process.kill()
    pump(lambda: session.state == "lost")
    assert "has ended" in session.error
    bpy.ops.skyworld.restart_backend()
    pump(lambda: session.state == "on")
    assert session.process.process.pid != process.pid and session.error == ""


def test_a_local_backend_ends_with_its_pipe(local_backend, pump):
    bpy.ops.skyworld.start_backend()
    pump(lambda: session.state == "on")
    process = session.process.process
    bpy.ops.skyworld.stop_backend()
    assert process.wait(5) == 0


def test_a_backend_that_fails_to_start_says_why(local_backend, pump):
    local_backend.write_text("#!/bin/sh\necho 'No module named skyworld' >&2\nexit 1\n")
    bpy.ops.skyworld.start_backend()
    pump(lambda: session.state == "lost")
    assert "No module named skyworld" in session.error


def test_without_a_backend_the_operator_says_what_to_do():
    with pytest.raises(RuntimeError, match="Install Backend"):
        bpy.ops.skyworld.start_backend()


def test_the_fake_backend_refuses_strangers():
    from skyworld_addon.connection.client import Client
    from skyworld_addon.errors import UserError

    fake = FakeBackend()
    with pytest.raises(UserError, match="token"):
        Client(fake.url, "wrong").ask("GET", "/jobs")
    fake.close()


def test_choices_are_asked_for_the_photograph_and_the_chosen_seed_is_the_worlds(backend, photo, pump):
    connected(pump)
    bpy.context.scene.skyworld.seed = 5
    assert bpy.ops.skyworld.offer_seeds() == {"FINISHED"}
    pump(lambda: backend.jobs)
    job = backend.jobs[0]
    assert (job["kind"], job["parameters"]["photo"], job["parameters"]["seed"]) == ("choices", str(photo), 5)
    bpy.ops.skyworld.use_seed(seed=7)
    assert bpy.context.scene.skyworld.seed == 7


def test_a_world_may_start_from_a_prompt_or_a_panorama_alone(backend, pump, photo):
    group = bpy.context.scene.skyworld
    group.photo = ""
    assert not bpy.ops.skyworld.generate_world.poll()
    group.prompt = "A quiet harbour, at dawn in the fog"
    assert bpy.ops.skyworld.generate_world.poll() and not bpy.ops.skyworld.offer_seeds.poll()
    assert bpy.ops.skyworld.generate_world() == {"FINISHED"}
    pump(lambda: backend.jobs)
    sent = backend.jobs[0]["parameters"]
    assert "photo" not in sent and sent["prompt"] == group.prompt
    assert Path(sent["output"]).name == "a_quiet_harbour_at_dawn"
    group.panorama = str(photo.with_name("gone.png"))
    session.jobs.clear()
    with pytest.raises(RuntimeError, match=r"gone\.png.*no such picture"):
        bpy.ops.skyworld.generate_world()
