"""Who is let in, how the service starts and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from running_backend import alive, wait_for

from skyworld.world import World


def test_the_service_says_who_it_is(backend):
    health = backend.http.get("/health").json()
    assert health["name"] == "skyworld" and health["pid"] == backend.process.pid == backend.handshake["pid"]
    assert backend.wait_for_worker()["device"] == "tiny device"
    assert isinstance(health["events"], int)


def test_the_service_itself_loads_neither_torch_nor_numpy(tmp_path):
    code = """
import sys, skyworld.service.__main__ as door
end = door.Server.end
door.Server.end = lambda self: (print("torch" in sys.modules, "numpy" in sys.modules), end(self))
sys.argv[1:] = ["--state", sys.argv[1]]
door.main()
"""
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], input=b"", capture_output=True, timeout=20)
    loaded, handshake = sorted(ended.stdout.splitlines())
    assert json.loads(handshake)["url"].startswith("http://127.0.0.1:")
    assert loaded == b"False False"


def test_without_the_token_nothing_is_told(backend):
    url = backend.handshake["url"]
    assert httpx.get(f"{url}/jobs").status_code == 401
    assert httpx.get(f"{url}/jobs", headers={"Authorization": "Bearer guess"}).status_code == 401
    assert httpx.post(f"{url}/shutdown").status_code == 401


def test_web_pages_and_rebound_names_are_refused_even_with_the_token(backend):
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        assert backend.http.get("/jobs", headers=headers).status_code == 403
    port = backend.handshake["url"].rsplit(":", 1)[1]
    assert backend.http.get("/jobs", headers={"Host": f"localhost:{port}"}).status_code == 200


def test_only_this_computer_can_reach_it(backend):
    port = int(backend.handshake["url"].rsplit(":", 1)[1])
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_files_are_given_from_worlds_and_from_nowhere_else(backend, tmp_path):
    world = World.create(tmp_path / "w")
    (world.root / "panorama.png").write_bytes(b"picture")
    (tmp_path / "secret").write_text("secret")
    (world.root / "link").symlink_to(tmp_path / "secret")

    def ask(path, folder=world.root):
        return backend.http.get("/worlds/file", params={"world": str(folder), "path": path})

    assert ask("panorama.png").content == b"picture"
    for path in ("../secret", str(tmp_path / "secret"), "link", "a/../../secret"):
        assert ask(path).status_code == 403, path
    assert ask("secret", tmp_path).status_code == 403, "not a world"
    assert ask("nothing.png").status_code == 404 and "error" in ask("nothing.png").json()


def test_bodies_are_bounded(backend):
    assert backend.http.post("/jobs", content=b" " * (2 << 20)).status_code == 413
    assert backend.http.post("/jobs", content=b"{").status_code == 422
    assert backend.http.post("/jobs", content=b"[]").status_code == 422


@pytest.mark.parametrize("path", ["/nothing", "/jobs/unknown", "/jobs/unknown/events", "/jobs/unknown/preview"])
def test_what_is_not_there_is_a_sentence(backend, path):
    answer = backend.http.get(path)
    assert answer.status_code == 404 and answer.json()["error"].endswith(".")


def test_service_and_worker_end_with_their_parent(start):
    service = start()
    worker = service.wait_for_worker()["pid"]
    service.process.stdin.close()
    assert service.process.wait(3) == 0
    wait_for(lambda: not alive(worker), 2)


def test_a_killed_service_takes_its_worker_along(start):
    service = start()
    worker = service.wait_for_worker()["pid"]
    service.process.kill()
    wait_for(lambda: not alive(worker), 2)


def test_a_service_that_is_to_stay_stays_until_it_is_told_to_end(start):
    service = start("--stay")
    service.process.stdin.close()
    time.sleep(0.5)
    assert service.http.get("/health").status_code == 200
    service.http.post("/shutdown")
    assert service.process.wait(3) == 0


def test_ctrl_c_ends_it_without_a_trace(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "skyworld.service", "--stay", "--state", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdout.readline()
    os.kill(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=5)
    assert b"Traceback" not in errors


def test_an_idle_worker_that_is_killed_is_replaced(start):
    service = start()
    worker = service.wait_for_worker()["pid"]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: (now := service.worker())["state"] == "ready" and now["pid"] != worker)


def test_two_services_do_not_share_a_job_list(start, tmp_path):
    start()
    second = subprocess.run(
        [sys.executable, "-m", "skyworld.service", "--state", tmp_path / "state"], input=b"", capture_output=True
    )
    assert second.returncode == 2 and b"another SkyWorld service uses this folder" in second.stderr


def test_a_second_service_of_one_user_gets_a_job_list_of_its_own(tmp_path):
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "skyworld.service", "--pipelines", "tiny_pipelines"]
    services = []
    for _ in range(2):
        services.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment))
        services[-1].stdout.readline()
    assert sorted(folder.name for folder in (tmp_path / "skyworld").iterdir()) == ["state", "state-2"]
    for service in services:
        service.communicate()


def test_a_port_that_is_taken_is_a_sentence(backend, tmp_path):
    port = backend.handshake["url"].rsplit(":", 1)[1]
    second = subprocess.run(
        [sys.executable, "-m", "skyworld.service", "--state", tmp_path, "--port", port], input=b"", capture_output=True
    )
    assert second.returncode == 2 and f"port {port} cannot be used".encode() in second.stderr


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the process' own time from /proc")
def test_the_service_is_ready_within_a_second_of_computing(start):
    service = start()
    spent = sum(map(int, Path(f"/proc/{service.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    assert spent / os.sysconf("SC_CLK_TCK") < 1.0, "wall-clock time would also count what else this machine does"
