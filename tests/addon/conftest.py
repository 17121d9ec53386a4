"""Every test starts in a fresh factory file; the add-on may import Blender, numpy and the standard library only."""

import builtins
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

import bpy  # noqa: E402

BLENDER = {"bpy", "bpy_extras", "bl_operators", "mathutils", "blf", "gpu", "gpu_extras", "cycles"}
ALLOWED = BLENDER | {"numpy", "skyworld_addon"}
_import = builtins.__import__


def _guarded(name, namespace=None, local=None, fromlist=(), level=0):
    importer = (namespace or {}).get("__name__", "")
    top = name.partition(".")[0]
    if level == 0 and importer.startswith("skyworld_addon") and top not in ALLOWED | sys.stdlib_module_names:
        raise ImportError(f"{importer} imports {name}, which Blender does not have")
    return _import(name, namespace, local, fromlist, level)


builtins.__import__ = _guarded
import skyworld_addon  # noqa: E402


def fresh():
    bpy.ops.wm.read_homefile(app_template="", use_factory_startup=True, use_empty=True)


@pytest.fixture(autouse=True)
def addon(monkeypatch, tmp_path):
    """The registered add-on, in an empty file, with a user folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.delenv("SKYWORLD_BACKEND_PYTHON", raising=False)
    fresh()
    skyworld_addon.register()
    yield skyworld_addon
    skyworld_addon.unregister()
    fresh()


@pytest.fixture
def splats():
    """Makes random splats: `splats(count, degree)`."""
    import numpy as np

    from skyworld_addon.scene.ply import Splats

    def make(N=50, degree=3, seed=0):
        rng = np.random.default_rng(seed)
        quats = rng.normal(size=(N, 4))
        arrays = {
            "means": rng.normal(size=(N, 3)),
            "scales": rng.uniform(0.01, 0.3, (N, 3)),
            "quats": quats / np.linalg.norm(quats, axis=1, keepdims=True),
            "opacities": rng.uniform(0.02, 0.98, N),
            "dc": rng.normal(size=(N, 3)),
            "sh": 0.2 * rng.normal(size=((degree + 1) ** 2 - 1, N, 3)),
        }
        return Splats(**{name: values.astype(np.float32) for name, values in arrays.items()})

    return make


@pytest.fixture
def ply_file(tmp_path, splats):
    """A small splat file."""
    from skyworld_addon.scene import ply

    path = tmp_path / "hill.ply"
    ply.write(path, splats())
    return path


@pytest.fixture
def backend():
    """A fake backend that the session is told to attach to."""
    from fake_backend import TOKEN, FakeBackend

    from skyworld_addon import preferences

    fake = FakeBackend()
    settings = preferences.get()
    settings.backend, settings.url, settings.token = "REMOTE", fake.url, TOKEN
    yield fake
    fake.close()


@pytest.fixture
def local_backend(tmp_path, monkeypatch):
    """A stand-in for the environment's Python that starts the fake backend as a process."""
    script = tmp_path / "python"
    fake = Path(__file__).with_name("fake_backend.py")
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}"\n')
    script.chmod(0o755)
    monkeypatch.setenv("SKYWORLD_BACKEND_PYTHON", str(script))
    return script


@pytest.fixture
def pump():
    """pump(condition): turns the session's pump until the condition holds; a slow machine has 10 seconds."""
    import time

    from skyworld_addon.jobs import session

    def until(condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"state {session.state}, error {session.error!r}, jobs {session.jobs}"
            session.pump()
            time.sleep(0.005)

    return until


@pytest.fixture
def world_folder(tmp_path, splats):
    """A finished world as the backend leaves it."""
    import json

    from skyworld_addon.scene import ply

    root = tmp_path / "valley"
    root.mkdir()
    ply.write(root / "splats.ply", splats(200, 1))
    document = {"format": 1, "name": "valley", "cube": 2.0, "focus_distance": 5.0}
    document |= {"panorama": {"position": [0, 0, 1.6]}, "artifacts": {}, "models": [{"name": "built-in"}]}
    (root / "world.json").write_text(json.dumps(document))
    return root
