"""Rays and projections are each other's inverse, and the world's axes are the documented ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyworld.camera import Camera, directions, look_at, pixels, resample_view, turned
from skyworld.errors import UserError

angle = st.floats(-3.1, 3.1)
tilt = st.floats(-1.4, 1.4)


@settings(max_examples=40, deadline=None)
@given(angle, tilt, angle, st.floats(0.2, 2.2), st.floats(-40, 40))
def test_a_point_along_a_pixels_ray_projects_to_that_pixel(yaw, pitch, roll, fov, shift):
    camera = Camera.pinhole(turned((1.0, -2.0, 3.0), yaw, pitch, roll), fov, 40, 30)
    K = camera.K.copy()
    K[0, 2] += shift
    camera = Camera(camera.camera_to_world, K, 40, 30)
    pixel, depth = camera.project(camera.position + 7.0 * camera.rays())
    u, v = np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5)
    assert np.abs(pixel - np.stack([u, v], -1)).max() < 1e-6
    assert (depth > 0).all() and (depth <= 7.0 + 1e-9).all()


def test_an_equirectangular_camera_agrees_with_the_panorama_directions():
    camera = Camera.equirect((0, 0, 1.6), 64)
    assert np.allclose(camera.rays(), directions(64, 32))
    pixel, distance = camera.project(camera.position + 3 * camera.rays())
    assert np.allclose(pixel, pixels(camera.rays(), 64, 32))
    assert np.allclose(distance, 3)


def test_yaw_0_looks_along_y_and_yaw_grows_to_the_right_and_pitch_upward():
    assert np.allclose(turned((0, 0, 0))[:3, 2], (0, 1, 0))
    assert np.allclose(turned((0, 0, 0), yaw=np.pi / 2)[:3, 2], (1, 0, 0))
    assert np.allclose(turned((0, 0, 0), pitch=np.pi / 2)[:3, 2], (0, 0, 1))
    assert np.allclose(turned((0, 0, 0))[:3, 1], (0, 0, -1)), "y points down"
    assert directions(64, 32)[16, 48, 0] > 0.99, "a quarter to the right is +X"
    assert directions(64, 32)[0, 0, 2] > 0.99, "row 0 is the zenith"


def test_looking_at_a_place_puts_it_in_the_middle_of_the_picture():
    camera = Camera.pinhole(look_at((3, 1, 2), (-4, 5, 0.5)), 1.0, 80, 60)
    pixel, depth = camera.project(np.array([-4, 5, 0.5]))
    assert np.allclose(pixel, (40, 30)) and depth > 0
    above, _ = camera.project(np.array([-4, 5, 1.5]))
    assert above[1] < 30, "up in the world is up in the picture"


def test_points_behind_a_pinhole_have_no_pixel():
    pixel, depth = Camera.pinhole(turned((0, 0, 0)), 1.0, 8, 8).project(np.array([0, -1.0, 0]))
    assert np.isnan(pixel).all() and depth < 0


def test_a_resized_camera_sees_the_same():
    camera = Camera.pinhole(turned((0, 0, 0), 0.3, 0.1), 1.2, 100, 50)
    assert np.allclose(camera.resized(400).fov, camera.fov)
    assert np.allclose(camera.resized(400).project(np.array([1, 5, 0]))[0], 4 * camera.project(np.array([1, 5, 0]))[0])


def test_a_camera_survives_json():
    camera = Camera.pinhole(turned((1, 2, 3), 0.4), 1.1, 33, 44)
    again = Camera.from_json(camera.to_json())
    assert np.array_equal(camera.camera_to_world, again.camera_to_world) and np.array_equal(camera.K, again.K)


@pytest.mark.parametrize(
    "change", [{"K": [[0, 0, 1], [0, 1, 1], [0, 0, 1]]}, {"K": [1, 2]}, {"width": 0}, {"camera_to_world": "no"}]
)
def test_an_impossible_camera_is_refused_with_a_sentence(change):
    good = Camera.pinhole(turned((0, 0, 0)), 1.0, 8, 8).to_json()
    with pytest.raises(UserError):
        Camera.from_json({**good, **change})


def test_a_view_across_the_seam_is_seamless():
    d = directions(256, 128)
    panorama = d.astype(np.float32)  # a picture whose colour is its direction
    camera = Camera.pinhole(turned((0, 0, 0), yaw=np.pi), 1.2, 64, 48)
    assert np.abs(resample_view(panorama, camera) - camera.rays()).max() < 0.02
