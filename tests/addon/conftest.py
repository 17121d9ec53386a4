"""Every test starts in a fresh factory file; the add-on may import Blender, numpy and the standard library only."""

import builtins
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

import bpy  # noqa: E402

ALLOWED = {"bpy", "bpy_extras", "bl_operators", "mathutils", "numpy", "blf", "gpu", "gpu_extras", "skyworld_addon"}
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
