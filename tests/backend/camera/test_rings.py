"""Orbits by radius and elevation, and the files that Skyfall-GS keeps them in."""

import json
from pathlib import Path

import numpy as np
import pytest

from skyworld.camera import Camera
from skyworld.camera.formats import nerfstudio, skyfall
from skyworld.camera.paths import CameraPath, Ring, author
from skyworld.errors import UserError
from skyworld.parameters import PathParameters
from skyworld.splats.formats.ply import write_ply
from skyworld.splats.points import gaussians_of_points
from skyworld.world import World

RING = Ring((-10.0, 20.0, 5.0), 328.6, 17.7)


def test_a_ring_looks_at_its_target_from_its_radius_and_elevation_clockwise_from_the_east():
    poses = RING.poses(12)
    for pose in poses:
        away = pose[:3, 3] - RING.target
        assert np.linalg.norm(away) == pytest.approx(328.6)
        assert np.degrees(np.arcsin(away[2] / 328.6)) == pytest.approx(17.7)
        assert np.allclose(pose[:3, 2], -away / 328.6) and np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3))
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1) and pose[2, 1] < 0, "upright"
    assert poses[0][1, 3] == pytest.approx(20) and poses[0][0, 3] > -10 and poses[1][1, 3] < 20


def test_straight_from_above_the_ring_still_turns():
    poses = Ring((0, 0, 0), 100, 90).poses(4)
    assert all(np.allclose(pose[:3, 3], (0, 0, 100)) for pose in poses)
    assert not np.allclose(poses[0], poses[1]) and np.allclose(poses[0][:3, 2], (0, 0, -1))


def test_a_file_holds_the_keys_of_skyfall_and_comes_back_as_it_was(tmp_path):
    cameras = CameraPath([Camera.pinhole(pose, np.radians(20), 96, 54) for pose in RING.poses(5)], 30)
    skyfall.write(tmp_path / "path.json", RING, cameras)
    ring, again = skyfall.read(tmp_path / "path.json")
    assert ring == RING and again.fps == 30
    for one, other in zip(cameras.cameras, again.cameras, strict=True):
        assert np.allclose(one.camera_to_world, other.camera_to_world, atol=1e-9) and np.allclose(one.K, other.K)
    keys = ["_target", "_radius", "_elevation", "camera_type", "render_height", "render_width", "fps", "camera_path"]
    assert list(json.loads((tmp_path / "path.json").read_text())) == keys


def test_a_published_path_is_made_again_number_by_number(shared_data, tmp_path):
    published = shared_data / "camera_paths" / "skyfall_nyc_004_orbit.json"
    ring, path = skyfall.read(published)
    lens = path.cameras[0]
    cameras = [Camera(pose, lens.K, lens.width, lens.height) for pose in ring.poses(len(path.cameras))]
    skyfall.write(tmp_path / "again.json", ring, CameraPath(cameras, path.fps))
    wanted, got = (json.loads(file.read_text()) for file in (published, tmp_path / "again.json"))
    frames = [document.pop("camera_path") for document in (wanted, got)]
    assert got == wanted and list(got) == list(wanted)
    for one, other in zip(*frames, strict=True):
        assert np.allclose(one["camera_to_world"], other["camera_to_world"], atol=1e-8)
        assert other["fov"] == pytest.approx(one["fov"]) and other["aspect"] == one["aspect"]
        assert list(one) == list(other)


def city(folder: Path) -> World:
    world = World.create(folder)
    random = np.random.default_rng(0)
    places = np.c_[random.uniform(-20, 80, 400), random.uniform(-50, 50, 400), np.zeros(400)]
    write_ply(world.path("splats.ply"), gaussians_of_points(places, np.full((400, 3), 0.5)))
    world.record("satellite", {"scene": "nowhere"})
    return world


def test_a_city_is_orbited_about_the_middle_of_its_ground(tmp_path):
    world = city(tmp_path / "city")
    parameters = PathParameters(
        world=world.root, output=tmp_path / "p.json", kind="orbit", elevation=17, frames=6, fov=20
    )
    messages = [report.message for report in author(parameters)]
    ring, path = skyfall.read(tmp_path / "p.json")
    assert ring.elevation == 17 and ring.radius == pytest.approx(118, abs=4) and len(path.cameras) == 6
    assert ring.target == pytest.approx((30, 0, 0), abs=3) and "6 cameras" in messages[-1]
    assert np.degrees(path.cameras[0].fov[0]) == pytest.approx(20)


def test_radius_and_target_need_no_splats(tmp_path):
    world = World.create(tmp_path / "empty")
    given = dict(world=world.root, output=tmp_path / "p.json", kind="orbit", radius=1067.0, frames=3)
    for _ in author(PathParameters(**given, target="-93.87, -65.01 -35", elevation=45.3)):
        pass
    assert skyfall.read(tmp_path / "p.json")[0] == Ring((-93.87, -65.01, -35.0), 1067.0, 45.3)
    with pytest.raises(UserError, match="has no splats yet"):
        list(author(PathParameters(**given)))


def test_what_is_no_ring_is_told(tmp_path):
    camera = Camera.pinhole(RING.poses(1)[0], 1.0, 64, 48)
    nerfstudio.write(tmp_path / "plain.json", CameraPath([camera], 24))
    with pytest.raises(UserError, match="does not tell its orbit"):
        skyfall.read(tmp_path / "plain.json")
    K = camera.K.copy()
    K[0, 2] += 5
    shifted = Camera(camera.camera_to_world, K, 64, 48)
    with pytest.raises(UserError, match="centred pinhole"):
        skyfall.write(tmp_path / "x.json", RING, CameraPath([shifted], 24))
    for wrong in ((0, 45), (10, 95), (float("nan"), 45)):
        with pytest.raises(UserError, match="orbit"):
            Ring((0, 0, 0), *wrong)
