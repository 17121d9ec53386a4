"""Files dropped into the viewport: what Blender then calls, without a file browser."""

import bpy
import pytest

from skyworld_addon.operators import exchange


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
