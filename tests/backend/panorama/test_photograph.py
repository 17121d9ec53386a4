"""A picture is given a camera and a sky."""

import numpy as np
import pytest
from drawn_pictures import camera, landscape, room

from skyworld.panorama.photograph import analyse
from skyworld.panorama.sky_matte import sky_matte
from skyworld.panorama.vanishing import field_of_view, find_segments

NOISE = np.random.default_rng(0).random((120, 180, 3)).astype(np.float32)


def fov(photograph) -> float:
    return float(np.degrees(photograph.camera.fov[0]))


def pitch(photograph) -> float:
    return float(np.degrees(np.arcsin(photograph.camera.rotation[2, 2])))


def test_the_given_field_of_view_wins_over_exif_and_exif_over_sixty():
    assert fov(analyse(NOISE, fov_degrees=40, exif_fov=70)) == pytest.approx(40)
    assert fov(analyse(NOISE, fov_degrees=0, exif_fov=70)) == pytest.approx(70)
    assert fov(analyse(NOISE)) == pytest.approx(60)


@pytest.mark.parametrize("true", [65, 80, 95])
def test_a_rooms_lines_tell_its_field_of_view(true):
    segments = find_segments(room(camera(900, 600, true, pitch=-4)))
    assert np.degrees(field_of_view(segments)) == pytest.approx(true, abs=7)


def test_a_rooms_upright_lines_tell_its_pitch():
    assert pitch(analyse(room(camera(900, 600, 75, pitch=-9)), fov_degrees=75)) == pytest.approx(-9, abs=1.5)


@pytest.mark.parametrize("true", [-12, 0, 9])
def test_the_horizon_tells_the_pitch_outdoors(true):
    photograph = analyse(landscape(camera(480, 320, 60, true)), fov_degrees=60)
    assert photograph.outdoor
    assert pitch(photograph) == pytest.approx(true, abs=2)


def test_the_given_pitch_wins_and_the_camera_keeps_heading_and_place():
    photograph = analyse(landscape(camera()), pitch_degrees=20)
    assert pitch(photograph) == pytest.approx(20)
    assert photograph.camera.rotation[:, 0] == pytest.approx([1, 0, 0])
    assert photograph.camera.position == pytest.approx([0, 0, 0])


def test_the_sky_is_found_and_nothing_else():
    view = camera(480, 320, 60, 4)
    picture = landscape(view)
    blue = (picture[..., 2] > picture[..., 1]) & (view.rays()[..., 2] > 0)
    found = sky_matte(picture) > 0.5
    assert (found & blue).sum() / (found | blue).sum() > 0.95


def test_a_room_has_no_sky():
    photograph = analyse(room(camera(480, 320, 80)))
    assert not photograph.outdoor
    assert not photograph.sky.any()
