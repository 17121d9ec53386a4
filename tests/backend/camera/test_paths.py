"""Paths stay where the world has been made for them, move evenly, and survive their file."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyworld.camera import Camera, turned
from skyworld.camera.formats import nerfstudio
from skyworld.camera.paths import CameraPath, fly_through, orbit
from skyworld.errors import UserError

CENTRE = np.array([0, 0, 1.6])


def test_a_fly_through_stays_inside_the_walking_room_and_starts_and_ends_level():
    poses = np.stack(fly_through(CENTRE, 1.0, 120))
    assert np.abs(poses[:, :3, 3] - CENTRE).max() <= 1.0 + 1e-9
    for end in (poses[0], poses[-1]):
        assert np.allclose(end[:3, 2], (0, 1, 0), atol=1e-6)
    assert poses[-1][1, 3] - poses[0][1, 3] > 1.8, "it gets somewhere"


def test_a_fly_through_has_no_jerks():
    positions = np.stack(fly_through(CENTRE, 1.0, 120))[:, :3, 3]
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    assert np.abs(np.diff(steps)).max() < 0.15 * steps.max()


def test_an_orbit_closes_and_keeps_its_target_in_the_middle():
    target = np.array([0, 6, 1.0])
    poses = orbit(target, CENTRE, 0.9, 48)
    for pose in poses:
        pixel, _ = Camera.pinhole(pose, 1.0, 100, 100).project(target)
        assert np.allclose(pixel, 50)
    gap = np.linalg.norm(poses[0][:3, 3] - poses[-1][:3, 3])
    assert gap < 1.5 * np.linalg.norm(poses[0][:3, 3] - poses[1][:3, 3])


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.floats(-1.4, 1.4), st.floats(0.1, 2.5), st.floats(-30, 30), st.floats(-1e4, 1e4))
def test_a_camera_path_survives_its_file(tmp_path_factory, yaw, pitch, fov, shift, x):
    camera = Camera.pinhole(turned((x, 2, 3), yaw, pitch), fov, 64, 48)
    K = camera.K.copy()
    K[:2, 2] += shift
    file = tmp_path_factory.mktemp("path") / "path.json"
    nerfstudio.write(file, CameraPath([Camera(camera.camera_to_world, K, 64, 48)], 24))
    again = nerfstudio.read(file)
    assert np.allclose(again.cameras[0].camera_to_world, camera.camera_to_world, atol=1e-9)
    assert np.allclose(again.cameras[0].K, K) and again.fps == 24


def test_a_path_without_our_intrinsics_uses_its_vertical_field_of_view(tmp_path):
    file = tmp_path / "path.json"
    nerfstudio.write(file, CameraPath([Camera.pinhole(turned((0, 0, 0)), 1.0, 64, 48)], 24))
    document = json.loads(file.read_text())
    del document["camera_path"][0]["K"]
    file.write_text(json.dumps(document))
    assert np.allclose(nerfstudio.read(file).cameras[0].fov[0], 1.0)


def test_a_published_skyfall_path_is_read(shared_data):
    path = nerfstudio.read(next((shared_data / "camera_paths").glob("*.json")))
    assert len(path.cameras) > 10 and path.fps == 24
    first = path.cameras[0]
    assert (first.width, first.height) == (960, 540)
    assert np.allclose(np.degrees(first.fov[1]), 20)
    pixel, _ = first.project(np.array([-93.87, -65.01, -35.0]))
    assert np.allclose(pixel, (480, 270), atol=1.0), "its target lies in the middle of the picture"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b'{"camera_path": []}',
        b'{"camera_path": [{}], "render_width": 8, "render_height": 8}',
        b'{"camera_path": [{"camera_to_world": [1, 2], "fov": 50}], "render_width": 8, "render_height": 8}',
        b'{"camera_path": [{"camera_to_world": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0], "fov": 50}],'
        b' "render_width": 8, "render_height": 8}',
        b'{"camera_path": [{}], "render_width": "wide", "render_height": 8}',
        b'{"camera_type": "fisheye", "camera_path": [{}], "render_width": 8, "render_height": 8}',
    ],
)
def test_a_file_that_is_no_camera_path_gets_one_sentence_that_names_it(tmp_path, content):
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.json"):
        nerfstudio.read(file)


def test_a_missing_camera_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.json"):
        nerfstudio.read(tmp_path / "none.json")
