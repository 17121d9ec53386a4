"""The installer, with a small wheel in place of the real one and no download."""

import sys
import time
import zipfile

import bpy
import pytest

from skyworld_addon import preferences
from skyworld_addon.connection import install
from skyworld_addon.errors import UserError
from skyworld_addon.jobs import session

COMPILE = 'import json\nprint(json.dumps({"fraction": 0.5, "message": "rasterizer"}), flush=True)\n'


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Makes the wheel that is installed; the text is its skyworld/compile.py."""

    def make(compile_text=COMPILE):
        path = tmp_path / "skyworld_backend-0.1.0-py3-none-any.whl"
        info = "skyworld_backend-0.1.0.dist-info"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("skyworld/__init__.py", "")
            file.writestr("skyworld/compile.py", compile_text)
            file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: skyworld-backend\nVersion: 0.1.0\n")
            file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            file.writestr(f"{info}/RECORD", "")
        monkeypatch.setattr(install, "source", lambda: path)
        monkeypatch.setattr(install, "requirements", lambda wheel, device: ["--no-index", str(wheel)])
        return path

    return make


@pytest.fixture
def installer(tmp_path):
    def start():
        made = install.Installer(sys.executable, tmp_path / "environment", "CPU", tmp_path / "install.log")
        made.start()
        return made

    return start


def test_the_environment_runs_the_backend_and_the_log_tells_how_it_was_made(wheel, installer, tmp_path):
    wheel()
    made = installer()
    made.thread.join(120)
    assert (made.state, made.error, made.fraction) == ("done", "", 1.0)
    assert install.python_of(tmp_path / "environment").is_file()
    log = (tmp_path / "install.log").read_text()
    assert "-m venv" in log and "Successfully installed skyworld-backend-0.1.0" in log and "rasterizer" in log


def test_a_failed_installation_says_why_and_leaves_the_old_environment(wheel, installer, tmp_path):
    wheel("raise SystemExit('the disk is full')")
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "old").touch()
    made = installer()
    made.thread.join(120)
    assert made.state == "failed" and "the disk is full" in made.error and "install.log" in made.error
    assert [p.name for p in (tmp_path / "environment").iterdir()] == ["old"]


def test_cancel_ends_the_installation(wheel, installer, tmp_path):
    wheel()
    made = installer()
    time.sleep(0.3)
    start = time.monotonic()
    made.cancel()
    made.thread.join(20)
    assert time.monotonic() - start < 5 and made.state == "cancelled"
    assert not (tmp_path / "environment").exists()


def test_torch_for_the_cpu_is_pinned_and_cuda_brings_gsplat_and_what_checkpoints_need(tmp_path):
    cpu, cuda = (install.requirements(tmp_path / "a.whl", device) for device in ("CPU", "CUDA"))
    assert "torch==2.13.0" in cpu and any("whl/cpu" in word for word in cpu)
    assert "torch==2.13.0" in cuda and any("[cuda,checkpoints]" in word for word in cuda)


def test_a_python_that_does_not_run_is_refused_and_one_is_found(tmp_path):
    with pytest.raises(UserError, match="no Python"):
        install.find_python(str(tmp_path / "python"))
    assert install.OLDEST <= install._version(install.find_python()) <= install.NEWEST


def test_without_leave_to_use_the_network_the_operator_says_so():
    assert bpy.app.online_access or not bpy.ops.skyworld.install_backend.poll()
    assert session.installer is None and not preferences.installed()
