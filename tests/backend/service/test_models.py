"""Models through the service: what there is, and a download as a job that tells its progress and can be cancelled."""

import sys
from pathlib import Path

import pytest
from running_backend import Backend, wait_for

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from small_hub import SmallHub

NAME = "Intel/zoedepth-nyu-kitti"


class SlowHub(SmallHub):
    """Sends the weights in two halves; the second when it may."""

    go_on = False

    def send(self, request, status, data, stop=None):
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2])
        request.wfile.flush()
        if "model.safetensors" in request.path:
            wait_for(lambda: self.go_on, 10)
        request.wfile.write(data[len(data) // 2 :])


@pytest.fixture
def hub(tmp_path, monkeypatch):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "zoedepth"}')
    header = b'{"w": {"dtype": "F32", "shape": [1000000], "data_offsets": [0, 4000000]}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4_000_000))
    served = SlowHub()
    served.repositories[NAME] = folder
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    yield served
    served.go_on = True
    served.close()


def test_a_download_is_a_job_that_can_be_cancelled_and_retried(hub, tmp_path):
    backend = Backend(tmp_path / "state", pipelines="skyworld.service.pipelines")
    try:
        told = backend.http.get("/models").json()
        states = {entry["name"]: entry["state"] for entry in told["checkpoints"]}
        assert states["zoedepth"] == "absent" and [each["name"] for each in told["profiles"]] == ["8gb", "16gb", "24gb"]
        wish = {"kind": "download", "parameters": {"model": "zoedepth"}}
        refused = backend.wait(backend.http.post("/jobs", json=wish).json()["id"])
        assert refused["state"] == "failed" and "licence" in refused["error"]
        wish["parameters"]["accept"] = True
        job = backend.http.post("/jobs", json=wish).json()["id"]
        half = wait_for(lambda: (now := backend.job(job)["progress"]) and now["fraction"] > 0.3 and now)
        assert half["stage"] == "download" and half["message"].startswith(NAME)
        backend.http.post(f"/jobs/{job}/cancel")
        assert backend.wait(job)["state"] == "cancelled"
        hub.go_on = True
        backend.http.post(f"/jobs/{job}/retry")
        assert backend.wait(job)["state"] == "done"
        assert any(wanted.startswith("bytes=") for _, wanted, _ in hub.asked), "the first half was not fetched again"
        found = {entry["name"]: entry for entry in backend.http.get("/models").json()["checkpoints"]}["zoedepth"]
        assert found["state"] == "complete" and Path(found["folder"]).is_dir()
    finally:
        backend.end()
