"""Curricula: the published ones, their cameras, and files with mistakes in them."""

import json

import numpy as np
import pytest
from plain_scenes import BOX

from skyworld.errors import UserError
from skyworld.satellite import curriculum
from skyworld.satellite.curriculum import PRESETS, Box, Curriculum, Episode

FLAT = lambda east, north: 3.0  # noqa: E731


def test_the_published_schedules_make_as_many_images_as_published():
    jax, nyc = PRESETS["jax_v1"], PRESETS["nyc_v1"]
    assert (jax.views * jax.samples, nyc.views * nyc.samples) == (108, 192)
    assert [episode.elevation for episode in jax.episodes] == [85, 75, 65, 55, 45]
    assert {episode.radius for episode in nyc.episodes} == {600} and {episode.fov for episode in nyc.episodes} == {20}
    assert (jax.edited, jax.iterations, jax.densify_end, jax.entropy, nyc.entropy) == (0.75, 10_000, 9_000, 0, 10)


def test_the_grid_of_targets_is_that_of_the_paper_and_scales_with_the_area():
    box = Box((0, 256), (100, 356), (0, 50))
    targets = curriculum.preset("jax_v1", 256).targets(box) - box.centre[:2]
    assert sorted(set(targets.ravel())) == [-128, 0, 128] and len(targets) == 9
    half = curriculum.preset("jax_v1", 128)
    assert sorted(set((half.targets(box) - box.centre[:2]).ravel())) == [-64, 0, 64]
    assert half.episodes[0].radius == 150 and half.episodes[0].fov == 60


def test_cameras_orbit_the_ground_and_look_at_it_from_their_elevation():
    small = Curriculum((Episode(40, 100, 50),), extent=60, grid=2, azimuths=5, pixels=64)
    cameras = small.cameras(small.episodes[0], BOX, FLAT, highest=12)
    assert len(cameras) == small.views == 20
    for index, camera in enumerate(cameras):
        target = np.array([*small.targets(BOX)[index // 5], 3.0])
        away = camera.position - target
        assert np.linalg.norm(away) == pytest.approx(100)
        assert np.degrees(np.arcsin(away[2] / 100)) == pytest.approx(40)
        assert camera.project(target)[0] == pytest.approx([32, 32]) and camera.rotation[2, 1] < 0, "upright"
        assert np.degrees(camera.fov) == pytest.approx([50, 50])


def test_a_camera_among_roofs_moves_away_until_it_stands_above_them():
    low = Curriculum((Episode(20, 30),), extent=10, grid=1, azimuths=1, pixels=64)
    (camera,) = low.cameras(low.episodes[0], BOX, FLAT, highest=40)
    assert camera.position[2] == pytest.approx(50)
    away = camera.position - (*BOX.centre[:2], 3.0)
    assert np.degrees(np.arcsin(away[2] / np.linalg.norm(away))) == pytest.approx(20)


@pytest.mark.parametrize("name", PRESETS)
def test_a_curriculum_is_read_as_it_was_written(name, tmp_path):
    made = curriculum.preset(name, 200)
    curriculum.write(tmp_path / "c.json", made)
    assert curriculum.read(tmp_path / "c.json") == made == curriculum.chosen(str(tmp_path / "c.json"), 999)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format 2"),
        ({"episodes": []}, "needs a list of episodes"),
        (
            {"episodes": [{"elevation": 95, "radius": 9}]},
            "elevation of episode 1 must be a number from 1 to 90",
        ),
        ({"episodes": [{"elevation": 45, "radius": "far"}]}, "radius of episode 1 must be a number"),
        ({"episodes": [{"elevation": 45}]}, "episode 1 lacks radius"),
        ({"episodes": [{"elevation": 45, "radius": 9, "tilt": 1}]}, "episode 1 has no tilt"),
        ({"grid": 2.5}, "grid must be a whole number"),
        ({"edited": 1.5}, "edited must be a number from 0.01 to 1, not 1.5"),
        ({"pixels": True}, "pixels must be a whole number"),
        ({"speed": 3}, "a curriculum has no speed"),
        ({"extent": float("nan")}, "extent must be a number"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_the_file(change, told, tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps(PRESETS["low"].to_json() | change))
    with pytest.raises(UserError) as refusal:
        curriculum.read(file)
    assert told in refusal.value.problem and refusal.value.file == str(file)


def test_what_is_no_file_and_no_preset_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no curriculum 'jax'\. There are jax_v1, nyc_v1"):
        curriculum.chosen("jax", 256)
    with pytest.raises(UserError, match="no such file"):
        curriculum.chosen(str(tmp_path / "c.json"), 256)
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(UserError, match="not whole JSON"):
        curriculum.chosen(str(tmp_path / "c.json"), 256)
