"""Add Proxy against the fake backend: the job, and the mesh that comes into the scene."""

import bpy
import numpy as np
import pytest

from skyworld_addon.errors import UserError
from skyworld_addon.jobs import session
from skyworld_addon.operators import proxy
from skyworld_addon.scene import occluders

CORNERS = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], "<f4")


def ply():
    faces = np.zeros(2, occluders.FACE)
    faces["count"], faces["rows"] = 3, [[0, 1, 2], [0, 2, 3]]
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 4\nelement face 2\nend_header\n"
    return head.encode() + CORNERS.tobytes() + faces.tobytes()


@pytest.mark.parametrize("local", [True, False])
def test_a_proxy_is_made_of_the_world_and_catches_shadow(backend, world_folder, pump, local):
    bpy.ops.skyworld.import_world(directory=str(world_folder))
    assert bpy.ops.skyworld.add_proxy(triangles=1234, collision=True) == {"FINISHED"}
    pump(lambda: backend.jobs)
    (job,) = backend.jobs
    assert job["kind"] == "proxy" and job["parameters"]["triangles"] == 1234
    assert job["parameters"]["output"] == str(world_folder / "proxy.ply")
    if local:
        (world_folder / "proxy.ply").write_bytes(ply())
    else:
        backend.files["proxy.ply"] = ply()
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(world_folder)})
    pump(lambda: "valley Proxy" in bpy.data.objects)
    obj = bpy.data.objects["valley Proxy"]
    assert obj.is_shadow_catcher and [m.type for m in obj.modifiers] == ["COLLISION"]
    outputs = {node.target: node for node in obj.active_material.node_tree.nodes if hasattr(node, "target")}
    assert outputs["EEVEE"].inputs["Surface"].links[0].from_node.bl_idname == "ShaderNodeBsdfTransparent"
    assert len(obj.data.polygons) == 2 and obj.data.polygons[0].normal.z == pytest.approx(1)
    np.testing.assert_allclose([vertex.co for vertex in obj.data.vertices], CORNERS)


def test_without_a_world_there_is_nothing_to_make_it_of(backend):
    assert not bpy.ops.skyworld.add_proxy.poll() and not session.jobs


def test_a_damaged_mesh_is_said():
    with pytest.raises(UserError, match="damaged"):
        proxy.decode(ply()[:-3])
