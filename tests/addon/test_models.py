"""Models in the preferences: what the backend tells of them, and downloads as its jobs."""

import bpy
import pytest

from skyworld_addon import preferences
from skyworld_addon.connection.process import LocalBackend
from skyworld_addon.jobs import session
from skyworld_addon.operators import models
from skyworld_addon.panels import models as section


def checkpoint(name, state="absent", **more):
    entry = {"name": name, "id": f"owner/{name}", "roles": ["depth"], "licence": "MIT", "commercial": True}
    entry |= {"licence_url": "https://example.org/licence", "gated": False, "download_gb": 1.5, "good_for": "tests"}
    return {**entry, "state": state, "problem": "", "bytes": 0, "folder": None, **more}


@pytest.fixture
def hub(backend):
    backend.models["profiles"] = [
        {"name": "8gb", "title": "8 GB", "vram_gb": 8, "checkpoints": ["painter", "depth"]},
        {"name": "16gb", "title": "16 GB", "vram_gb": 16, "checkpoints": ["depth"]},
    ]
    backend.models["checkpoints"] = [
        checkpoint("depth", "complete"),
        checkpoint("painter", "partial", gated=True, commercial=False),
        checkpoint("other"),
    ]
    return backend


def listed(pump):
    assert bpy.ops.skyworld.refresh_models() == {"FINISHED"}
    pump(lambda: models.catalogue.found)
    return models.catalogue


def test_the_list_comes_when_the_backend_is_there(hub, pump):
    catalogue = listed(pump)
    assert [each["name"] for each in catalogue.profile("8gb")] == ["painter", "depth"]
    assert [each["name"] for each in catalogue.checkpoints("other")] == ["other"]
    assert catalogue.checkpoints("unknown") == []


def test_a_licence_tells_what_is_special_about_it():
    assert models.licence(checkpoint("a")) == "MIT"
    assert models.licence(checkpoint("a", gated=True, commercial=False)) == "MIT, not for commercial work, gated"


def test_a_download_is_a_job_with_progress_and_cancel_and_the_list_is_asked_again(hub, pump):
    listed(pump)
    assert bpy.ops.skyworld.download_models(model="8gb") == {"FINISHED"}
    pump(lambda: hub.jobs)
    job = hub.jobs[0]
    assert (job["kind"], job["parameters"]) == ("download", {"model": "8gb", "accept": True})
    hub.move(job, "running")
    hub.progress(job, stage="download", fraction=0.25, message="owner/painter: 0.40 of 1.50 GB, 12 MB/s")
    pump(lambda: (models.downloading() or {}).get("progress"))
    assert not bpy.ops.skyworld.download_models.poll(), "one job at a time"
    assert bpy.ops.skyworld.cancel_job(job=job["id"]) == {"FINISHED"}
    hub.models["checkpoints"][1]["state"] = "complete"
    hub.move(job, "cancelled")
    pump(lambda: models.catalogue.profile("8gb")[0]["state"] == "complete")
    assert models.downloading() is None


def test_a_refused_download_is_said_in_its_own_words(hub, pump):
    listed(pump)
    bpy.ops.skyworld.download_models(model="other")
    pump(models.downloading)
    hub.move(hub.jobs[0], "running")
    hub.move(hub.jobs[0], "failed", error="the download needs 16.0 GB, and 2.0 GB of the disk are free.")
    pump(lambda: session.jobs["1"]["state"] == "failed")
    assert "2.0 GB of the disk" in session.jobs["1"]["error"]


def test_nothing_can_be_downloaded_before_the_list_is_there(hub):
    assert not bpy.ops.skyworld.download_models.poll()


class Layout:
    """Keeps what is drawn: labels, properties and operators."""

    def __init__(self, drawn):
        self.drawn = drawn

    def __getattr__(self, name):
        def call(*words, **more):
            self.drawn.append((name, *words, more.get("text", "")))
            if name == "panel":
                return self, self
            return self if name in ("row", "box", "column", "split") else type("Operator", (), {})()

        return call


def drawn():
    found = []
    section.draw(Layout(found), bpy.context, preferences.get())
    return found


def test_the_section_shows_the_profiles_models_and_then_the_others(hub, pump):
    assert ("operator", "skyworld.refresh_models", "Show Models") in drawn()
    listed(pump)
    said = [entry[-1] for entry in drawn() if entry[0] in ("label", "operator")]
    assert said.index("owner/painter") < said.index("owner/depth") < said.index("owner/other")
    assert "MIT, not for commercial work, gated" in said and "Resume" in said and "Downloaded" in said
    assert "About 1.5 GB are missing, 80.0 GB are free" in said
    preferences.get().profile = "16gb"
    assert "All of it is here" in [entry[-1] for entry in drawn()]


def test_a_local_backend_is_told_the_folder_for_models(tmp_path):
    preferences.get().models_folder = str(tmp_path / "models")
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\necho "{\\"folder\\": \\"$HF_HUB_CACHE\\"}"\n')
    script.chmod(0o755)
    started = LocalBackend(script, tmp_path / "log", preferences.models_folder())
    assert started.started.wait(10)
    assert started.handshake == {"folder": str(tmp_path / "models")}
    started.stop()
