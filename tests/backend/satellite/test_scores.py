"""Scores of a small city against itself, against a moved one, and with half of what is needed."""

import json

import numpy as np
import pytest
import small_city

from skyworld.camera import Camera
from skyworld.camera.formats import nerfstudio, skyfall
from skyworld.camera.paths import CameraPath, Ring
from skyworld.errors import UserError
from skyworld.parameters import EvaluateSatelliteParameters
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import write_picture
from skyworld.satellite.scores import evaluate, evenly, heights_of
from skyworld.splats import rasterize

RING = Ring((0.0, 0.0, 2.0), 60.0, 40.0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A world, a path of four cameras, and what they see."""
    folder = tmp_path_factory.mktemp("scores")
    world = small_city.made(folder)
    cameras = [Camera.pinhole(pose, 0.8, 64, 48) for pose in RING.poses(4)]
    skyfall.write(folder / "path.json", RING, CameraPath(cameras, 24))
    for index, camera in enumerate(nerfstudio.read(folder / "path.json").cameras):
        colour = rasterize(small_city.city(), [camera]).colour[0].clamp(0, 1).numpy()
        write_picture(folder / "truth" / f"{index}.png", colour)
    return world


def scores(world, **more) -> dict:
    folder = world.root.parent
    output = folder / "scores.json"
    for _ in evaluate(EvaluateSatelliteParameters(world=world.root, output=output, device="cpu", **more)):
        pass
    return json.loads(output.read_text())


def test_a_city_is_told_from_another_one_and_what_lacks_is_said(place):
    folder = place.root.parent
    found = scores(place, path=folder / "path.json", truth=folder / "truth", frames=4, weights=folder)
    assert found["appearance"]["frames"] == 4 and found["appearance"]["psnr"] > 45
    assert found["appearance"]["ssim_luma"] > 0.99 and found["heights"] is None
    assert "alexnet" in found["skipped"]["lpips"] and "no patch of 512" in found["skipped"]["clip_fid"]
    assert found["skipped"]["heights"] == "needs --heights"
    other = folder / "other"
    for index in range(4):
        write_picture(other / f"{index}.png", np.full((48, 64, 3), 0.4))
    assert scores(place, path=folder / "path.json", truth=other, frames=4)["appearance"]["psnr"] < 25


def test_heights_are_seen_from_straight_above_and_scored_after_a_shift(place):
    grid = HeightMap.over(-15, -15, 15, 15, 1.0, lambda east, north: np.zeros_like(east))
    seen = heights_of(small_city.city(), grid)
    east, north = grid.centres()
    middle, lawn = np.hypot(east, north) < 4, np.maximum(abs(east), abs(north)) > 10
    assert np.abs(seen[middle] - 8).max() < 0.5 and np.abs(seen[lawn]).max() < 0.5
    file = place.root.parent / "truth.npz"
    HeightMap(seen + 3, np.ones_like(seen), grid.west, grid.north, grid.cell).write(file)
    found = scores(place, heights=file)
    assert found["heights"]["mae"] < 0.02 and found["heights"]["known"] == 1
    assert found["heights"]["registration"]["up"] == pytest.approx(3, abs=0.02)
    assert found["appearance"] is None and "path" in found["skipped"]["appearance"]


def test_frames_are_taken_as_the_papers_take_them():
    assert evenly(300, 30) == list(np.linspace(0, 299, 30, endpoint=False).astype(int))
    assert evenly(24, 24)[0] == 0 and len(evenly(3, 30)) == 3


def test_what_does_not_fit_is_refused(place):
    folder = place.root.parent
    with pytest.raises(UserError, match="nothing to compare"):
        scores(place)
    with pytest.raises(UserError, match="holds no pictures"):
        scores(place, path=folder / "path.json", truth=folder / "nowhere")
    write_picture(folder / "few" / "0.png", np.zeros((48, 64, 3)))
    with pytest.raises(UserError, match=r"there are 1 pictures, and neither 4 cameras nor the 4 taken"):
        scores(place, path=folder / "path.json", truth=folder / "few")
