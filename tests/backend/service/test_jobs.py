"""Jobs: run, watched, cancelled, crashed, gone on with."""

import asyncio
import os
import signal
import sqlite3
import threading
import time

import httpx
import pytest
from running_backend import alive, parse, wait_for

from skyworld.service.jobs import Runner
from skyworld.service.store import Store


def test_a_job_runs_to_its_end_and_tells_how_far_it_is(backend, tmp_path):
    job = backend.submit("steps", tmp_path / "a.png", seconds=2)
    running = wait_for(lambda: (now := backend.job(job)["progress"]) and now["remaining"] is not None and now)
    assert running["stage"] == "stepping" and 0 < running["fraction"] < 1 and running["message"].startswith("step")
    assert running["elapsed"] >= 1 and 0 <= running["remaining"] < 5
    done = backend.wait(job)
    assert done["state"] == "done" and done["error"] is None and done["progress"]["fraction"] == 1
    assert done["result"] == {"output": str(tmp_path / "a.png")}
    assert done["created"] <= done["started"] <= done["ended"]


def test_events_can_be_replayed_from_any_number_and_nothing_is_lost(backend, tmp_path):
    job = backend.submit("steps", tmp_path / "a.png", seconds=0.6)
    live = backend.events(job)
    assert [data["state"] for _, event, data in live if event == "state"] == ["queued", "running", "done"]
    assert sum(event == "progress" for _, event, _ in live) >= 3
    numbers = [number for number, _, _ in live]
    assert numbers == sorted(set(numbers))
    middle = len(live) // 2
    assert backend.events(job) == live
    assert backend.events(job, after=numbers[middle]) == live[middle + 1 :]


def test_one_stream_tells_of_all_jobs_and_beats_while_nothing_happens(backend, tmp_path):
    job = backend.submit("steps", tmp_path / "a.png", seconds=0.1)
    with backend.http.stream("GET", "/events?after=0") as answer:
        seen = []
        for event in parse(answer.iter_lines()):
            if event is None:
                break
            seen.append(event)
    assert all("job" in data for _, _, data in seen)
    assert ("state", job, "done") in [(event, data["job"], data.get("state")) for _, event, data in seen]


def test_the_preview_appears(backend, tmp_path):
    job = backend.submit("steps", tmp_path / "a.png", seconds=0.2)
    assert backend.http.get(f"/jobs/{job}/preview").status_code == 404
    assert backend.wait(job)["progress"]["preview"] is True
    answer = backend.http.get(f"/jobs/{job}/preview")
    assert answer.headers["content-type"] == "image/png" and answer.content == (tmp_path / "a.png").read_bytes()


def test_what_the_user_can_mend_arrives_as_the_jobs_error(backend, tmp_path):
    failed = backend.wait(backend.submit("wrong", tmp_path))
    assert (failed["state"], failed["error"]) == ("failed", "sky.png: the sky is green. Paint it blue.")


def test_the_trace_of_a_defect_goes_to_the_log_and_the_worker_lives_on(backend, tmp_path):
    pid = backend.wait_for_worker()["pid"]
    failed = backend.wait(backend.submit("defect", tmp_path))
    assert "ZeroDivisionError" in failed["error"] and "Traceback" not in failed["error"]
    assert "Traceback" in (backend.state / "backend.log").read_text()
    assert backend.wait_for_worker()["pid"] == pid


def test_logs_and_warnings_of_the_pipeline_become_log_lines(backend, tmp_path):
    events = backend.events(backend.submit("talk", tmp_path))
    told = [(data["level"], data["text"]) for _, event, data in events if event == "log"]
    assert ("info", "found the horizon") in told
    assert any(level == "warning" and "this lens is unknown" in text for level, text in told)
    assert not any("chatter" in text for _, text in told)


def test_jobs_run_one_after_the_other_and_the_newest_is_listed_first(backend, tmp_path):
    first = backend.submit("steps", tmp_path / "a.png", seconds=0.5)
    second = backend.submit("steps", tmp_path / "b.png", seconds=0.1)
    assert [job["id"] for job in backend.http.get("/jobs").json()[:2]] == [second, first]
    assert backend.job(second)["state"] == "queued"
    assert backend.wait(second)["started"] >= backend.wait(first)["ended"]


@pytest.mark.parametrize("kind", ["steps", "deaf"])
def test_a_cancelled_job_is_cancelled_within_a_second_and_the_next_one_runs(backend, tmp_path, kind):
    job = backend.submit(kind, tmp_path / "a.png", seconds=30)
    wait_for(lambda: backend.job(job)["progress"])
    asked = time.monotonic()
    backend.http.post(f"/jobs/{job}/cancel")
    assert backend.wait(job)["state"] == "cancelled"
    assert time.monotonic() - asked < 1.0
    assert backend.wait(backend.submit("steps", tmp_path / "b.png", seconds=0))["state"] == "done"


def test_a_job_that_waits_is_cancelled_at_once(backend, tmp_path):
    first = backend.submit("steps", tmp_path / "a.png", seconds=0.5)
    second = backend.submit("steps", tmp_path / "b.png", seconds=30)
    assert backend.http.post(f"/jobs/{second}/cancel").json()["state"] == "cancelled"
    assert backend.wait(first)["state"] == "done"


def test_a_listening_job_is_cancelled_without_losing_the_warm_worker(backend, tmp_path):
    pid = backend.wait_for_worker()["pid"]
    job = backend.submit("steps", tmp_path / "a.png", seconds=30)
    wait_for(lambda: backend.job(job)["progress"])
    backend.http.post(f"/jobs/{job}/cancel")
    backend.wait(job)
    assert backend.wait_for_worker()["pid"] == pid


@pytest.mark.parametrize("kind", ["steps", "deaf"])
def test_a_cancelled_job_can_be_retried_at_once(backend, tmp_path, kind):
    job = backend.submit(kind, tmp_path / "a.png", seconds=1.5)
    wait_for(lambda: backend.job(job)["progress"])
    backend.http.post(f"/jobs/{job}/cancel")
    assert backend.wait(job)["state"] == "cancelled"
    assert backend.http.post(f"/jobs/{job}/retry").json()["state"] == "queued"
    assert backend.wait(job)["state"] == "done"


def test_a_killed_worker_fails_its_job_which_goes_on_from_its_last_stage(backend, tmp_path):
    job = backend.submit("world", tmp_path / "w", seconds=0)
    failed = backend.wait(job)
    assert failed["state"] == "failed" and "killed (signal 9)" in failed["error"]
    before = (tmp_path / "w" / "first.txt").read_text()
    assert backend.http.post(f"/jobs/{job}/retry").json()["state"] == "queued"
    assert backend.wait(job)["state"] == "done"
    assert (tmp_path / "w" / "first.txt").read_text() == before, "the first stage must not run twice"
    assert backend.http.post(f"/jobs/{job}/retry").status_code == 409


def test_a_worker_that_hangs_is_ended_and_its_job_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))

    async def hang():
        store = Store(tmp_path / "jobs.sqlite")
        runner = Runner(store, "tiny_pipelines", tmp_path / "log", patience=3)
        job = store.add("steps", {"output": str(tmp_path / "a.png"), "seconds": 30})["id"]
        while not store.job(job)["progress"]:
            await asyncio.sleep(0.05)
        hung = runner.worker
        os.kill(hung.pid, signal.SIGSTOP)
        while store.job(job)["state"] == "running":
            await asyncio.sleep(0.05)
        await runner.close()
        return store.job(job), hung

    job, hung = asyncio.run(hang())
    assert job["state"] == "failed" and "no sign of life for 3 s" in job["error"]
    assert not hung.alive


def test_a_full_disk_fails_the_job_and_the_next_one_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))

    async def fill():
        store = Store(tmp_path / "jobs.sqlite")
        runner = Runner(store, "tiny_pipelines", tmp_path / "log")
        job = store.add("steps", {"output": str(tmp_path / "a.png"), "seconds": 30})["id"]
        while not store.job(job)["progress"]:
            await asyncio.sleep(0.05)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        while runner.state == "busy":
            await asyncio.sleep(0.05)
        store._db.execute("PRAGMA max_page_count = 1000000")
        while store.job(job)["state"] == "running":
            await asyncio.sleep(0.05)
        after = store.add("steps", {"output": str(tmp_path / "b.png"), "seconds": 0})["id"]
        runner.wake()
        while store.job(after)["state"] != "done":
            await asyncio.sleep(0.05)
        await runner.close()
        return store.job(job)

    job = asyncio.run(asyncio.wait_for(fill(), 40))
    assert job["state"] == "failed" and "disk that holds the job list was full" in job["error"]


def test_jobs_are_still_there_after_the_backend_was_killed_and_the_running_one_goes_on(start, tmp_path):
    service = start()
    done = service.submit("steps", tmp_path / "a.png", seconds=0)
    service.wait(done)
    running = service.submit("world", tmp_path / "w", seconds=30)
    waiting = service.submit("steps", tmp_path / "b.png", seconds=0)
    wait_for((tmp_path / "w" / "stages" / "second" / "been here").exists)
    worker = service.worker()["pid"]
    service.process.kill()
    service.process.wait()
    wait_for(lambda: not alive(worker), 2)
    again = start()
    assert again.job(done)["state"] == "done"
    assert again.wait(running)["state"] == "done"
    assert again.wait(waiting)["state"] == "done"
    messages = [data["message"] for _, event, data in again.events(running) if event == "progress"]
    assert "already done" in messages, "the first stage must be skipped"


def test_a_job_that_takes_the_backend_down_twice_is_not_run_a_third_time(tmp_path):
    async def die(times):
        for _ in range(times):
            store = Store(tmp_path / "jobs.sqlite")
            store.recover()
            if job := store.next_queued():
                store.start(job["id"])
            store.close()
        store = Store(tmp_path / "jobs.sqlite")
        store.recover()
        return store.jobs()[0]

    async def add():
        Store(tmp_path / "jobs.sqlite").add("steps", {"output": "x"})

    asyncio.run(add())
    assert asyncio.run(die(1))["state"] == "queued"
    failed = asyncio.run(die(1))
    assert failed["state"] == "failed" and "ended twice" in failed["error"]


@pytest.mark.parametrize(
    ("body", "says", "field"),
    [
        ({"kind": "nothing"}, "kind must be one of", "kind"),
        ({"kind": "steps", "parameters": {}}, "Output: field required", "output"),
        ({"kind": "steps", "parameters": {"output": "x", "seconds": 99}}, "Seconds: input should be less", "seconds"),
        ({"kind": "steps", "parameters": {"output": "x", "secs": 9}}, "secs is not a parameter", "secs"),
        ({"kind": "steps", "parameters": []}, "must be an object", "parameters"),
    ],
)
def test_a_wrong_parameter_is_refused_in_a_sentence_that_names_it(backend, body, says, field):
    answer = backend.http.post("/jobs", json=body)
    assert answer.status_code == 422
    assert says in answer.json()["error"] and answer.json()["field"] == field


def test_the_schema_of_every_kind_is_told(backend):
    schema = backend.http.get("/parameters").json()
    assert schema["steps"]["properties"]["seconds"]["maximum"] == 60


def test_a_stream_that_waits_does_not_keep_the_service_from_ending(start):
    service = start()
    ended = threading.Event()

    def listen():
        try:
            with service.http.stream("GET", "/events") as answer:
                list(answer.iter_lines())
        except httpx.TransportError:
            pass
        ended.set()

    threading.Thread(target=listen).start()
    time.sleep(0.3)
    service.process.stdin.close()
    service.process.wait(4)
    assert ended.wait(2)


def test_a_worker_that_does_not_start_fails_the_job_in_a_sentence(start, tmp_path):
    service = start(pipelines="broken_pipelines")
    job = service.submit("steps", tmp_path / "a.png")
    failed = service.wait(job)
    assert failed["state"] == "failed" and "does not start" in failed["error"] and "backend.log" in failed["error"]


def test_what_mends_an_error_arrives_with_it_and_goes_with_a_retry(backend, tmp_path):
    failed = backend.wait(backend.submit("wrong", tmp_path))
    assert failed["fix"] == "photo"
    backend.http.post(f"/jobs/{failed['id']}/retry")
    states = [data for _, event, data in backend.events(failed["id"]) if event == "state"]
    assert [(state["state"], state["fix"]) for state in states if state["state"] in ("queued", "failed")][:3] == [
        ("queued", None),
        ("failed", "photo"),
        ("queued", None),
    ]


def test_a_job_list_without_fixes_is_taken_over(tmp_path):
    Store(tmp_path / "jobs.sqlite").close()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as old:
        old.execute("ALTER TABLE jobs DROP COLUMN fix")
    store = Store(tmp_path / "jobs.sqlite")
    job = store.add("world", {})
    assert store.finish(job["id"], "failed", "No.", "memory")["fix"] == "memory"
