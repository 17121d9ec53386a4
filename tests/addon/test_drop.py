"""Files dropped into the viewport: what Blender then calls, without a file browser."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from skyworld_addon.connection import convert
from skyworld_addon.operators import exchange, satellite
from skyworld_addon.scene import ply, selection
from skyworld_addon.scene import splats as room

FORMATS = Path(__file__).resolve().parents[2] / "backend/skyworld/splats/formats/__init__.py"


@pytest.mark.parametrize(
    "handler", [exchange.DropSplats, exchange.DropWorld, exchange.DropPhotograph, exchange.DropImages]
)
def test_a_handler_names_an_operator_that_is_there(handler):
    assert bpy.types.FileHandler.bl_rna_get_subclass_py(handler.bl_idname) is handler
    group, name = handler.bl_import_operator.split(".")
    assert getattr(getattr(bpy.ops, group), name).get_rna_type()


def test_dropped_splats_come_in_at_once(ply_file):
    folder, files = str(ply_file.parent), [{"name": ply_file.name}]
    assert bpy.ops.skyworld.import_splats("INVOKE_DEFAULT", directory=folder, files=files) == {"FINISHED"}
    assert bpy.context.object.name == "hill"


def test_all_that_can_be_read_can_be_dropped():
    (formats,) = [
        node.value
        for node in ast.parse(FORMATS.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "FORMATS"
    ]
    suffixes = {call.args[0].value for call in formats.elts} - {".compressed.ply"}
    assert suffixes <= set(exchange.DropSplats.bl_file_extensions.split(";"))


def test_a_picture_dropped_on_the_tab_is_the_photograph_and_a_geotiff_a_satellite_image(tmp_path):
    photo = tmp_path / "hill.jpg"
    assert bpy.ops.skyworld.take_photograph("INVOKE_DEFAULT", filepath=str(photo)) == {"FINISHED"}
    dropped = {"directory": str(tmp_path), "files": [{"name": "a.tif"}, {"name": "b.tif"}]}
    assert bpy.ops.skyworld.add_satellite_images("INVOKE_DEFAULT", **dropped) == {"FINISHED"}
    assert bpy.context.scene.skyworld.photo == str(photo)
    assert satellite.images_of(bpy.context.scene.skyworld_city) == [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    over = SimpleNamespace(region=SimpleNamespace(type="UI", active_panel_category="SkyWorld"))
    beside = SimpleNamespace(region=SimpleNamespace(type="UI", active_panel_category="Item"))
    assert exchange.DropPhotograph.poll_drop(over) and not exchange.DropPhotograph.poll_drop(beside)


def test_a_compressed_ply_is_known_by_what_is_in_it(tmp_path, ply_file):
    (tmp_path / "a.ply").write_bytes(b"ply\nformat binary_little_endian 1.0\nelement chunk 3\nproperty float min_x\n")
    assert convert.needs_backend(tmp_path / "a.ply") and not convert.needs_backend(ply_file)


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
