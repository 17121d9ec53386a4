"""A light mesh of splats: where the surfaces are, facing who sees them, within its budget."""

import json
import struct

import numpy as np
import pytest
import torch

from skyworld.errors import UserError
from skyworld.parameters import ProxyParameters
from skyworld.proxy import make as proxy
from skyworld.proxy.files import write_mesh
from skyworld.proxy.surface import clustered, compact, in_sight, surface_nets
from skyworld.splats import Gaussians
from skyworld.splats.formats.ply import write_ply
from skyworld.splats.rasterize.occluders import read_ply_mesh


@pytest.fixture(scope="module")
def floor_and_wall(tmp_path_factory):
    """A file of opaque flat splats: a floor of 6 x 6 m at z = 0 and a wall at y = 2.5."""
    a, b = (grid.ravel() for grid in np.meshgrid(np.linspace(-3, 3, 61), np.linspace(-3, 3, 61)))
    high = b > 0
    means = np.concatenate([np.stack([a, b, 0 * a], -1), np.stack([a[high], 2.5 + 0 * a[high], b[high]], -1)])
    log_scales = np.log(
        np.concatenate([np.tile([0.08, 0.08, 0.005], (len(a), 1)), np.tile([0.08, 0.005, 0.08], (high.sum(), 1))])
    )
    count = len(means)
    gaussians = Gaussians(
        means=torch.tensor(means, dtype=torch.float32),
        log_scales=torch.tensor(log_scales, dtype=torch.float32),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1),
        logit_opacities=torch.full((count,), 5.0),
        sh=torch.zeros(count, 1, 3),
    )
    file = tmp_path_factory.mktemp("splats") / "room.ply"
    write_ply(file, gaussians)
    return file


@pytest.fixture(scope="module")
def mesh(floor_and_wall, tmp_path_factory):
    """The proxy of floor and wall, seen from around 1.5 m above the floor."""
    output = tmp_path_factory.mktemp("proxy") / "proxy.ply"
    wish = ProxyParameters(world=floor_and_wall, output=output, detail=64, device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proxy, "SIDE", 96)
        patch.setattr(proxy, "RING", 2)
        patch.setattr(proxy, "_source", lambda path: (floor_and_wall, np.array([0, 0, 1.5]), 1.0))
        reports = list(proxy.make(wish))
    assert reports[-1].fraction == 1 and len(reports) > 18
    return read_ply_mesh(output.read_bytes())


def test_the_mesh_lies_on_the_splats_and_faces_the_viewer(mesh):
    _, y, z = mesh.vertices.T
    voxel = 6 / 63
    away = np.minimum(np.abs(z), np.abs(y - 2.5))
    assert np.quantile(away, 0.9) < voxel and len(mesh.triangles) > 2000
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    normals, centres = np.cross(b - a, c - a), (a + b + c) / 3
    floor = (np.abs(centres[:, 2]) < voxel) & (centres[:, 1] < 2)
    up = normals[floor] / np.linalg.norm(normals[floor], axis=1, keepdims=True)
    assert (up[:, 2] > 0.7).mean() > 0.95
    wall = (np.abs(centres[:, 1] - 2.5) < voxel) & (centres[:, 2] > 0.5)
    assert (normals[wall, 1] < 0).mean() > 0.95


def test_the_mesh_keeps_to_its_budget(mesh):
    vertices, triangles = clustered(mesh.vertices, mesh.triangles, 500)
    assert 250 < len(triangles) <= 500
    assert np.quantile(np.minimum(np.abs(vertices[:, 2]), np.abs(vertices[:, 1] - 2.5)), 0.9) < 0.3


def test_gltf_has_y_up(mesh, tmp_path):
    write_mesh(tmp_path / "proxy.glb", mesh.vertices, mesh.triangles)
    data = (tmp_path / "proxy.glb").read_bytes()
    magic, version, size, length = struct.unpack("<4sIII", data[:16])
    document = json.loads(data[20 : 20 + length])
    assert (magic, version, size) == (b"glTF", 2, len(data))
    positions = document["accessors"][0]
    assert positions["max"][1] == pytest.approx(3, abs=0.3) and positions["min"][1] == pytest.approx(0, abs=0.2)
    assert positions["min"][2] == pytest.approx(-2.5, abs=0.7)
    with pytest.raises(UserError, match="glb"):
        write_mesh(tmp_path / "proxy.obj", mesh.vertices, mesh.triangles)


def test_the_surface_of_a_ball_is_closed_and_faces_outwards():
    grid = np.stack(np.meshgrid(*[np.arange(24) - 11.4] * 3, indexing="ij"), -1)
    vertices, triangles = surface_nets((np.linalg.norm(grid, axis=-1) - 8).astype(np.float32))
    assert np.abs(np.linalg.norm(vertices - 11.4, axis=1) - 8).max() < 0.1
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->i", a - 11.4, np.cross(b - 11.4, c - 11.4)).sum() / 6
    assert volume == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.02)
    fewer = clustered(vertices, triangles, 300)
    assert len(fewer[1]) <= 300 and np.abs(np.linalg.norm(fewer[0] - 11.4, axis=1) - 8).max() < 1


def test_what_nobody_sees_is_left_out():
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    up = np.array([0, 0, 0.5])
    vertices = np.concatenate([4 * square, square - up, square + up])  # ground, something below it, something above
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    triangles = np.concatenate([triangles, triangles + 4, triangles + 8])
    seen = in_sight(vertices, triangles, list(proxy.rig(np.array([0, 0, 1.5]), 1.0)), 0.1)
    assert seen.tolist() == [True, True, False, False, True, True]
    assert len(compact(vertices, triangles[seen])[0]) == 8


def test_splats_without_surface_are_said(monkeypatch, tmp_path, floor_and_wall):
    monkeypatch.setattr(proxy, "SIDE", 16)
    monkeypatch.setattr(proxy, "RING", 0)
    wish = ProxyParameters(world=floor_and_wall, output=tmp_path / "a.ply", radius=0.1, detail=16, device="cpu")
    monkeypatch.setattr(proxy, "_source", lambda path: (floor_and_wall, np.array([0, 0, 1.5]), 0.1))
    with pytest.raises(UserError, match="surface"):
        list(proxy.make(wish))
