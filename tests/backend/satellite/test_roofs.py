"""Straight outlines of roofs, and what is left as it is."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.roofs import outline, runs_of, straightened

CELL = 0.4


def ground(shape=None) -> HeightMap:
    """40 x 40 m at 0, and 9 m where shape(east, north) says so."""
    found = HeightMap.over(-20, -20, 20, 20, CELL, lambda east, north: np.where(shape(east, north), 9.0, 0.0))
    return HeightMap(found.up, np.full(found.shape, 0.8, np.float32), found.west, found.north, CELL)


def house(degrees: float, notch: bool = False):
    """18 x 12 m, turned to the left; with a notch an L."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))

    def shape(east, north):
        along, across = c * east + s * north, c * north - s * east
        inside = (np.abs(along) < 9) & (np.abs(across) < 6)
        return inside & ~((along > 2) & (across > 0)) if notch else inside

    return shape


def worn(height_map: HeightMap, seed: int = 0) -> HeightMap:
    """As a sweep finds it: corners rounded, eaves that waver by a cell or two."""
    waver = gaussian_filter(np.random.default_rng(seed).normal(size=height_map.shape), 2.5)
    solid = gaussian_filter((height_map.up > 4).astype(np.float32), 2.0) + 0.35 * waver / waver.std() * 0.4
    height_map.up[...] = np.where(solid > 0.5, 9.0, 0.0)
    return height_map


def corners(up) -> int:
    outlines, _ = cv2.findContours((up > 4).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return len(cv2.approxPolyDP(max(outlines, key=len), 1.3, True))


@pytest.mark.parametrize("notch", [False, True])
def test_the_outline_of_a_house_becomes_straight_and_is_truer(notch):
    wrong, counts = np.zeros(2), []
    for degrees in (0, 12, 33, 45, 70):
        for seed in range(3):
            truth = ground(house(degrees, notch)).up
            found = worn(ground(house(degrees, notch)), seed)
            made = straightened(found)
            assert set(np.unique(made.up)) == {0.0, 9.0}
            assert (made.confidence[made.up != found.up] < 0.5).all()
            assert (made.confidence[made.up == found.up] > 0.7).all()
            wrong += [((each.up > 4) != (truth > 4)).sum() for each in (found, made)]
            counts.append([corners(found.up), corners(made.up)])
    before, after = np.median(counts, 0)
    assert before > 10 and after <= (8 if notch else 6) and wrong[1] < 0.8 * wrong[0]


def test_a_round_tower_a_rock_and_a_house_at_the_border_stay_as_they_are():
    rock = gaussian_filter(np.random.default_rng(3).normal(size=(100, 100)), 6)
    shapes = (
        lambda east, north: np.hypot(east, north) < 7,
        lambda east, north: (rock > 0.3 * rock.std()) & (np.hypot(east, north) < 15),
        lambda east, north: house(12)(east - 14, north),
    )
    for shape in shapes:
        found = ground(shape)
        assert np.array_equal(straightened(found).up, found.up)


def test_a_house_on_a_slope_and_a_tower_on_it_keep_their_own_heights():
    found = worn(ground(house(12)))
    east, north = found.centres()
    tower = np.maximum(np.abs(east + 4), np.abs(north + 1)) < 3
    found.up[...] = np.where(tower, 30.0, found.up) + 0.1 * east
    made = straightened(found)
    level = made.up - 0.1 * east
    assert np.abs(level[..., None] - np.array([0.0, 9.0, 30.0])).min(-1).max() < 0.2
    assert np.abs((level > 20).sum() * CELL**2 - 36) < 3


def test_what_is_not_known_stays_unknown():
    found = worn(ground(house(12)))
    found.up[:, :20] = np.nan
    assert np.array_equal(np.isnan(straightened(found).up), np.isnan(found.up))
    found.up[...] = np.nan
    assert np.isnan(straightened(found).up).all()


def test_an_outline_goes_along_the_outer_sides_of_its_cells():
    mask = np.zeros((30, 30), bool)
    mask[5:21, 8:28] = True
    corners = outline(runs_of(mask), 0.0)
    assert len(corners) == 4
    assert np.allclose(corners.min(0), (7.5, 4.5), atol=0.01) and np.allclose(corners.max(0), (27.5, 20.5), atol=0.01)
