"""Omni-directional stereo against the rays that Cycles shoots."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyworld.camera import Camera, turned
from skyworld.camera.stereo import Eye
from skyworld.errors import UserError

ANGLE = st.floats(-3.1, 3.1)


def ray(eye, yaw, elevation):
    """Origin and direction, x right, y down, z forward: along the pixel from the eye beside it, turned to converge."""
    forward = np.array([np.cos(elevation) * np.sin(yaw), -np.sin(elevation), np.cos(elevation) * np.cos(yaw)])
    offset = eye.offset
    if eye.fade:
        share = np.clip((abs(elevation) - eye.fade[0]) / (eye.fade[1] - eye.fade[0]), 0, 1)
        offset *= np.cos(share * np.pi / 2)
    side = offset * np.array([np.cos(yaw), 0, -np.sin(yaw)])
    towards = forward if eye.convergence is None else eye.convergence * forward - side
    return side, towards / np.linalg.norm(towards)


@given(
    ANGLE, st.floats(-1.2, 1.2), st.floats(0.5, 50), st.sampled_from([-0.0325, 0.0325]), st.sampled_from([None, 1.95])
)
def test_a_point_is_seen_in_the_pixel_whose_ray_meets_it(yaw, elevation, along, offset, convergence):
    eye, camera = Eye(offset, convergence), Camera(turned((1, 2, 3), 0.4), np.eye(3), 4096, 2048, "equirect")
    origin, direction = ray(eye, yaw, elevation)
    point = camera.rotation @ (origin + along * direction) + camera.position
    (u, v), _ = camera.project(eye.moved(point[None], camera)[0])
    expected = (yaw / (2 * np.pi) + 0.5) * 4096, (0.5 - elevation / np.pi) * 2048
    # Converging rays are a little less steep than their pixels at an elevation.
    assert (u, v) == pytest.approx(expected, abs=0.02 if convergence is None else 0.6)


def test_the_poles_close():
    eye, camera = Eye(0.03, None, (np.radians(60), np.radians(75))), Camera.equirect((0, 0, 0), 64)
    high, low = np.array([[0.1, 0.1, 3.0]]), np.array([[2.0, 2.0, 0.5]])
    assert np.allclose(eye.moved(high, camera), high)
    assert not np.allclose(eye.moved(low, camera), low, atol=1e-3)
    assert np.allclose(eye.moved(low, camera), Eye(0.03).moved(low, camera))


def test_what_is_no_eye_is_refused():
    with pytest.raises(UserError, match="eye"):
        Eye.from_json({"offset": "wide"})
