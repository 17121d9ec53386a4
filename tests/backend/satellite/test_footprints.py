"""Where images lie is shown before anything is made of them."""

import json
from dataclasses import replace

import made_up_ground as ground
import numpy as np
import pytest
from PIL import Image
from plain_scenes import plain_scene

from skyworld.errors import UserError
from skyworld.parameters import SatelliteOverviewParameters
from skyworld.satellite.footprints import survey
from skyworld.satellite.scene import write_scene


@pytest.fixture
def images(tmp_path):
    files = []
    for index, lean in enumerate(((0.0, 0.25), (0.2, -0.15))):
        rpc = ground.made_up_rpc(*lean)
        files.append(tmp_path / f"img_{index}.tif")
        ground.write_image(files[-1], rpc, ground.picture(rpc))
    return files


def surveyed(images, folder, **options):
    reports = list(survey(SatelliteOverviewParameters(images=images, output=folder, **options)))
    return json.loads((folder / "footprints.json").read_text()), reports[-1]


def test_the_shared_ground_is_told_in_degrees_and_drawn(images, tmp_path):
    told, report = surveyed(images, tmp_path / "o")
    south, west, north, east = told["shared"]
    assert south < ground.PLACE.latitude < north and west < ground.PLACE.longitude < east
    assert 60 < (north - south) * 111_000 < 130 and told["taken"] == told["shared"]
    for outline in told["outlines"].values():
        low, high = np.min(outline, 0), np.max(outline, 0)
        assert (low <= (south + 2e-5, west + 2e-5)).all() and (high >= (north - 2e-5, east - 2e-5)).all()
    picture = np.asarray(Image.open(report.preview))
    assert picture.shape[2] == 3 and picture.std() > 20


def test_a_given_area_is_what_is_taken(images, tmp_path):
    south, west, north, east = surveyed(images, tmp_path / "o")[0]["shared"]
    area = ((3 * south + north) / 4, (3 * west + east) / 4, (south + 3 * north) / 4, (west + 3 * east) / 4)
    told, report = surveyed(images, tmp_path / "o", area=area)
    np.testing.assert_allclose(told["taken"], area, atol=2e-6)
    assert "are taken" in report.message


def test_a_scene_shows_its_own_cameras(tmp_path):
    scene = plain_scene(tmp_path / "scene")
    reports = list(survey(SatelliteOverviewParameters(images=[scene.folder], output=tmp_path / "o")))
    assert reports[-1].message == "3 posed images of 40 x 40 m"
    assert np.asarray(Image.open(reports[-1].preview)).std() > 20
    assert not (tmp_path / "o" / "footprints.json").exists(), "this scene has no place on Earth"
    write_scene(replace(scene, georeference=ground.PLACE))
    told, _ = surveyed([scene.folder], tmp_path / "o")
    assert set(told) == {"taken", "outlines"}
    south, _, north, _ = told["taken"]
    assert (north - south) * ground.METRES_A_DEGREE[0] == pytest.approx(40, abs=0.5)
    for image in scene.images:
        places = ground.PLACE.enu(*np.transpose(told["outlines"][image.name]), np.percentile(scene.xyz[:, 2], 10))
        corners = image.camera.project(places)[0]
        np.testing.assert_allclose(corners, [(0, 0), (40, 0), (40, 40), (0, 40)], atol=0.1)


def test_a_folder_that_is_no_scene_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match=r"holds no transforms_train.json.*skyworld satellite prepare"):
        surveyed([tmp_path], tmp_path / "o")
