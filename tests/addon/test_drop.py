"""Files dropped into the viewport: what Blender then calls, without a file browser."""

import importlib.util
import sys

import bpy
import numpy as np
import pytest

from skyworld_addon.operators import exchange
from skyworld_addon.scene import ply, selection
from skyworld_addon.scene import splats as room


@pytest.mark.parametrize("handler", [exchange.DropSplats, exchange.DropWorld])
def test_a_handler_names_an_operator_that_is_there(handler):
    assert bpy.types.FileHandler.bl_rna_get_subclass_py(handler.bl_idname) is handler
    group, name = handler.bl_import_operator.split(".")
    assert getattr(getattr(bpy.ops, group), name).get_rna_type()


def test_dropped_splats_come_in_at_once(ply_file):
    folder, files = str(ply_file.parent), [{"name": ply_file.name}]
    assert bpy.ops.skyworld.import_splats("INVOKE_DEFAULT", directory=folder, files=files) == {"FINISHED"}
    assert bpy.context.object.name == "hill"


def test_a_dropped_world_is_opened_whole(world_folder):
    file = world_folder / "world.json"
    done = bpy.ops.skyworld.import_cameras("INVOKE_DEFAULT", filepath=str(file), directory=str(world_folder))
    assert done == {"FINISHED"}
    assert "valley" in bpy.data.collections and bpy.context.scene.camera


@pytest.mark.skipif(importlib.util.find_spec("skyworld") is None, reason="the backend is not in this environment")
def test_other_formats_go_out_and_come_in_through_the_backend(splats, tmp_path, monkeypatch):
    monkeypatch.setenv("SKYWORLD_BACKEND_PYTHON", sys.executable)
    cloud = splats(300, 2)
    room.add("hill", cloud, bpy.context.scene.collection).select_set(True)
    file = str(tmp_path / "hill.spz")
    assert bpy.ops.skyworld.export_splats(filepath=file) == {"FINISHED"}
    dropped = {"directory": str(tmp_path), "files": [{"name": "hill.spz"}]}
    assert bpy.ops.skyworld.import_splats("INVOKE_DEFAULT", **dropped) == {"FINISHED"}
    back = room.from_point_cloud(bpy.context.object.data)
    np.testing.assert_allclose(back.means, cloud.means, atol=1 / 4096)
    np.testing.assert_allclose(back.opacities, cloud.opacities, atol=1 / 255)
    np.testing.assert_allclose(back.sh, cloud.sh, atol=0.07)


def test_without_the_backend_other_formats_are_refused_with_what_to_do(splats, tmp_path, monkeypatch):
    monkeypatch.setenv("SKYWORLD_BACKEND_PYTHON", str(tmp_path / "python"))
    room.add("hill", splats(), bpy.context.scene.collection).select_set(True)
    with pytest.raises(RuntimeError, match="need the backend"):
        bpy.ops.skyworld.export_splats(filepath=str(tmp_path / "hill.sog"))
    assert not (tmp_path / "hill.sog").exists()


def test_the_chosen_format_is_the_ending_of_the_file(splats, tmp_path):
    assert exchange._with_suffix("/a/hill.compressed.ply", ".spz") == "/a/hill.spz"
    assert exchange._with_suffix("/a/hill.ply", ".compressed.ply") == "/a/hill.compressed.ply"
    assert exchange._with_suffix("/a/hill.v2", ".sog") == "/a/hill.v2.sog"


def test_only_the_selected_splats_are_exported_on_request(splats, tmp_path):
    cloud = splats()
    obj = room.add("hill", cloud, bpy.context.scene.collection)
    obj.select_set(True)
    selection.put(obj.data, cloud.opacities > 0.5)
    bpy.ops.skyworld.export_splats(filepath=str(tmp_path / "part.ply"), selected_only=True)
    np.testing.assert_array_equal(ply.read(tmp_path / "part.ply").means, cloud.means[cloud.opacities > 0.5])
