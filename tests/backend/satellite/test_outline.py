"""Which pixels of a view ought to show the area."""

import numpy as np
import pytest

from skyworld.camera import Camera, look_at
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.outline import over


def from_the_south(elevation: float) -> Camera:
    e = np.radians(elevation)
    return Camera.pinhole(look_at((0, -100 * np.cos(e), 100 * np.sin(e)), (0, 0, 0)), np.radians(40), 80, 80)


@pytest.mark.parametrize("elevation", [17, 45, 89.9])
def test_level_ground_is_expected_where_its_outline_is(elevation):
    camera = from_the_south(elevation)
    found = over(camera, HeightMap.over(-20, -20, 20, 20, 0.5, lambda east, north: np.zeros_like(east)))
    rays = camera.rays()
    places = camera.position[:2] - rays[..., :2] * (camera.position[2] / np.minimum(rays[..., 2], -1e-9))[..., None]
    wanted = (np.abs(places) < 20).all(-1) & (rays[..., 2] < 0)
    assert (found != wanted).mean() < 0.01 and wanted.mean() > 0.05


def test_a_hill_is_expected_where_it_stands_up_and_not_under_it_where_the_border_cuts_it():
    camera = from_the_south(20)
    hill = HeightMap.over(-20, -20, 20, 20, 0.5, lambda east, north: np.full_like(east, 15.0))
    found = over(camera, hill)
    column, row = camera.project(np.array([(0, -19, 15), (0, 10, 15), (0, -20.0, 5), (0, 0, 30)]))[0].astype(int).T
    assert found[row, column].tolist() == [True, True, False, False]


def test_unknown_ground_is_not_expected_and_a_hole_in_the_midst_is():
    half = HeightMap.over(-20, -20, 20, 20, 0.5, lambda east, north: np.where(east < 0, 0.0, np.nan))
    half.up[38:44, 20:26] = np.nan
    camera = from_the_south(60)
    found = over(camera, half)
    column, row = camera.project(np.array([(-10.0, 5, 0), (10, 5, 0), (-8.5, -0.5, 0)]))[0].astype(int).T
    assert found[row, column].tolist() == [True, False, True]
    nothing = HeightMap.over(-20, -20, 20, 20, 0.5, lambda east, north: np.full_like(east, np.nan))
    assert not over(camera, nothing).any()
