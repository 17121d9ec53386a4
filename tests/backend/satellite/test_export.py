"""What leaves a city: maps and a textured mesh."""

import json
import struct

import cv2
import numpy as np
import pytest
import torch

from skyworld.errors import UserError
from skyworld.parameters import SatelliteExportParameters
from skyworld.satellite.export import export
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.mesh import closed, divided, surface, textured
from skyworld.satellite.sheet import sheet
from skyworld.splats.formats.ply import write_ply
from skyworld.splats.gaussians import rotation_matrices
from skyworld.splats.spherical_harmonics import C0
from skyworld.world import World
from skyworld.world.georeference import Georeference

PLACE = Georeference(43.6, 1.44, 190.0, 32631)
GREY, RED = (0.5, 0.5, 0.5), (0.9, 0.1, 0.1)
WALLS = {(0, 1): (0.1, 0.8, 0.1), (1, 0): (0.1, 0.1, 0.9), (0, -1): (0.9, 0.9, 0.1), (-1, 0): (0.1, 0.8, 0.8)}


def turned(east, north, degrees: float):
    """Both in the axes of a house that stands turned so far to the left."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return c * east + s * north, c * north - s * east


def house(degrees=0.0) -> HeightMap:
    """8 x 8 m and 5 m high, in the middle of 20 x 20 m."""

    def height(east, north):
        along, across = turned(east, north, degrees)
        return np.where((abs(along) < 4) & (abs(across) < 4), 5.0, 0.0)

    return HeightMap.over(-10, -10, 10, 10, 0.5, height)


def painted(height_map: HeightMap, degrees=0.0):
    """Grey ground, a red roof, each wall in a colour of its own."""
    gaussians = sheet(height_map, 0.4)
    normals = rotation_matrices(gaussians.quats)[..., 2].numpy()
    along, across = turned(*normals[:, :2].T, degrees)
    colour = np.where(gaussians.means[:, 2:].numpy() > 4.5, RED, GREY)
    for (east, north), own in WALLS.items():
        colour[along * east + across * north > 0.9] = own
    sh = torch.from_numpy((colour[:, None].astype(np.float32) - 0.5) / C0)
    gaussians.sh = sh
    return gaussians


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.create(tmp_path_factory.mktemp("city") / "world")
    write_ply(world.path("splats.ply"), painted(house()))
    house().write(world.path("dsm.npz"))
    world.record("georeference", PLACE.to_json())
    return world


def exported(world, output, **more):
    for report in export(SatelliteExportParameters(world=world.root, output=output, device="cpu", **more)):
        last = report
    return last.message


def test_the_surface_faces_up_and_leaves_out_what_is_not_known():
    ground = house()
    ground.up[:3, :3] = np.nan
    vertices, triangles = surface(ground)
    assert len(vertices) == 40 * 40 - 9 and len(triangles) == 2 * (39 * 39 - 9)
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_roof_ground_and_each_wall_have_their_own_colour():
    mesh = textured(painted(house()), house(), 0.2)
    places = mesh.vertices[mesh.triangles].mean(1)
    pixels = (mesh.uv[mesh.triangles].mean(1) * mesh.picture.shape[1::-1]).astype(int)
    colours = mesh.picture[pixels[:, 1], pixels[:, 0]] / 255
    a, b, c = (mesh.vertices[mesh.triangles[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)

    def shown(chosen) -> np.ndarray:
        assert chosen.sum() > 20
        return np.median(colours[chosen], 0)

    assert np.allclose(shown((normals[:, 2] > 0.9) & (np.abs(places[:, :2]).max(-1) < 3)), RED, atol=0.1)
    assert np.allclose(shown(np.abs(places[:, :2]).max(-1) > 6), GREY, atol=0.1)
    for (east, north), own in WALLS.items():
        wall = (normals @ (east, north, 0) > 0.8) & (np.abs(places @ (north, east, 0)) < 3)
        assert np.allclose(shown(wall), own, atol=0.2), (east, north)


def test_walls_that_run_across_the_grid_are_even_and_wholly_of_their_own_colour():
    """No step of the grid is seen in them: not in how they face, and not in the picture that they take."""
    mesh = textured(painted(house(25), 25), house(25), 0.2)
    a, b, c = (mesh.vertices[mesh.triangles[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    area = np.linalg.norm(normals, axis=-1)
    normals /= np.maximum(area, 1e-12)[:, None]
    pixels = (mesh.uv[mesh.triangles].mean(1) * mesh.picture.shape[1::-1]).astype(int)
    colours = mesh.picture[pixels[:, 1], pixels[:, 0]] / 255
    middle = (a + b + c) / 3
    along, across = turned(*middle[:, :2].T, 25)
    out = np.stack(turned(*normals[:, :2].T, 25), -1)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=-1), 1)
    tall = (normals[:, 2] < 0.5) & (abs(middle[:, 2] - 2.5) < 1.5)
    for (east, north), own in WALLS.items():
        wall = tall & (abs(along * east + across * north - 4) < 0.8) & (abs(along * north + across * east) < 2.5)
        weight = area[wall] / area[wall].sum()
        assert (weight * (out[wall] @ (east, north) > np.cos(np.radians(15)))).sum() > 0.9, (east, north)
        assert (weight * (abs(colours[wall] - own).max(-1) < 0.25)).sum() > 0.9, (east, north)
        corners = np.unique(mesh.triangles[wall])
        shading = np.stack(turned(*mesh.normals[corners, :2].T, 25), -1) @ (east, north)
        assert shading.min() > 0.9, "the edges of roof and foot are sharp"
        assert len(corners) < 1.1 * len(np.unique(mesh.vertices[corners], axis=0)), "one picture, without seams"


def test_small_holes_are_closed_and_large_ones_stay():
    ground = house()
    ground.up[10:12, 5:8], ground.up[30:, :8] = np.nan, np.nan
    found = closed(ground)
    assert np.isnan(found.up).sum() == 80 and np.isnan(found.up[30:, :8]).all() and found.up[11, 6] == 0


def test_long_edges_are_cut_without_a_gap():
    vertices, triangles = surface(house())
    finer, pieces = divided(vertices, triangles, 1.0)
    sides = np.stack([pieces, np.roll(pieces, -1, 1)], -1)
    assert np.linalg.norm(finer[sides[..., 0]] - finer[sides[..., 1]], axis=-1).max() <= 1.0
    assert np.isclose(areas(finer, pieces).sum(), areas(vertices, triangles).sum())
    _, count = np.unique(np.sort(sides.reshape(-1, 2), axis=-1), axis=0, return_counts=True)
    assert (count == 1).sum() == 4 * 39, "only the border has edges of one triangle alone"
    assert len(np.unique(finer, axis=0)) == len(finer)


def areas(vertices, triangles):
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 2


def test_a_mesh_is_one_file_with_its_picture_and_its_place_on_earth(world, tmp_path):
    assert "triangles" in exported(world, tmp_path / "city.glb")
    data = (tmp_path / "city.glb").read_bytes()
    magic, version, length, size = struct.unpack_from("<4sIII", data)
    document, body = json.loads(data[20 : 20 + size]), data[28 + size :]
    assert (magic, version, length) == (b"glTF", 2, len(data))
    (node,) = document["nodes"]
    assert node["extras"]["SRID"] == "EPSG:32631" and node["extras"]["latitude"] == 43.6
    assert node["extras"]["crs y"] == pytest.approx(PLACE.utm(np.zeros(3))[1])
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    picture = cv2.imdecode(np.frombuffer(body, np.uint8, view["byteLength"], view["byteOffset"]), cv2.IMREAD_COLOR)
    assert picture.std() > 20
    places = document["accessors"][0]
    assert places["min"][1] == pytest.approx(0, abs=0.3) and places["max"][1] == pytest.approx(5, abs=0.3), "Y is up"
    assert len({view["byteOffset"] % 4 for view in document["bufferViews"]}) == 1


def test_heights_and_view_from_above_are_those_of_the_gaussians(world, tmp_path):
    exported(world, tmp_path / "heights.tif")
    exported(world, tmp_path / "coarse.npz", cell=1.0)
    exported(world, tmp_path / "above.png")
    found = HeightMap.read(tmp_path / "heights.tif", PLACE)
    assert np.allclose(found.sample(np.array([0.0, 7.0]), np.array([0.0, 7.0])), (5, 0), atol=0.1)
    assert HeightMap.read(tmp_path / "coarse.npz").shape == (20, 20)
    above = cv2.imread(str(tmp_path / "above.png"))
    assert above.shape == (40, 40, 3) and np.allclose(above[20, 20] / 255, RED[::-1], atol=0.1)


def test_other_names_and_worlds_without_a_city_are_refused(world, tmp_path):
    with pytest.raises(UserError, match=r"no name for a map or a mesh.*\.glb for a mesh"):
        exported(world, tmp_path / "city.obj")
    with pytest.raises(UserError, match="no city of satellite images"):
        exported(World.create(tmp_path / "empty"), tmp_path / "city.glb")
