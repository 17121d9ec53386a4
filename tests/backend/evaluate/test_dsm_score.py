"""A height map's score does not depend on where its grid was put, but on every cell."""

import numpy as np
import pytest

from skyworld.errors import UserError
from skyworld.evaluate.dsm import score_dsm, shifted, slope

CELL = 0.5


def terrain(east=0.0, north=0.0):
    x, y = np.meshgrid(np.arange(90) * CELL - east, -np.arange(80) * CELL - north)
    return 10 + 4 * np.sin(x / 3) * np.cos(y / 4) + 3 * (np.abs(x - 20) < 6) * (np.abs(y + 20) < 5)


def test_a_map_that_lies_elsewhere_is_brought_over_before_it_is_judged():
    score = score_dsm(terrain(-1.5, 0.75) - 7.0, terrain(), CELL)
    found = score.registration
    assert (found.east, found.north) == pytest.approx((1.5, -0.75), abs=0.13)
    assert found.up == pytest.approx(7.0, abs=0.05)
    assert score.median < 0.05


def test_errors_are_those_that_were_put_in():
    wrong = terrain()
    wrong[10:20, 10:60] += 1.5  # 500 of 7200 cells
    score = score_dsm(wrong, terrain(), CELL)
    assert score.registration.east == score.registration.north == 0
    assert score.mae == pytest.approx(1.5 * 500 / 7200, abs=1e-3)
    assert score.rmse == pytest.approx(1.5 * np.sqrt(500 / 7200), abs=1e-3)
    assert score.within_1 == pytest.approx(1 - 500 / 7200) and score.within_2 == 1


def test_leaving_cells_out_does_not_pay():
    sparse = terrain()
    sparse[::2] = np.nan
    score = score_dsm(sparse, terrain(), CELL)
    assert score.known == pytest.approx(0.5, abs=0.02) and score.within_1 < 0.52


def test_cells_that_the_reference_does_not_know_are_not_counted():
    reference = terrain()
    reference[:, :45] = np.nan
    wrong = terrain()
    wrong[:, :45] += 50
    assert score_dsm(wrong, reference, CELL).mae < 1e-6


def test_steep_cells_are_told_apart():
    score = score_dsm(terrain(), terrain(), CELL)
    assert 0 < score.steep.cells < score.cells / 3
    ramp = np.tile(np.arange(20) * CELL, (20, 1))
    assert slope(ramp, CELL) == pytest.approx(np.full((20, 20), 45.0))


def test_a_shift_moves_east_and_north():
    peak = np.zeros((9, 9))
    peak[4, 4] = 1
    assert shifted(peak, 2, 1)[3, 6] == 1


def test_maps_with_nothing_in_common_are_refused():
    with pytest.raises(UserError, match="no ground in common"):
        score_dsm(np.full((30, 30), np.nan), np.ones((30, 30)), CELL)
