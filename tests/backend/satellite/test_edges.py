"""Near a step every cell chooses its height anew, by the images that see it there."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, maximum_filter

from skyworld.satellite import edges
from skyworld.satellite.edges import HIDDEN, at_edges, ground_below
from skyworld.satellite.height import _at_edges
from skyworld.satellite.sweep import make_rig
from skyworld.satellite.views import View

SIZE, ROOF = 56, 10.0  # cells of a metre, and metres
LEANS = ((0.4, 0.0), (-0.4, 0.1), (0.0, 0.45), (0.1, -0.4), (0.3, 0.3))
AXIS = np.arange(SIZE) - (SIZE - 1) / 2
ALL = slice(0, SIZE)


@pytest.fixture(scope="module")
def truth():
    """Two houses with a gap of 6 metres between them, [SIZE, SIZE]."""
    east, north = np.meshgrid(AXIS, -AXIS)
    return np.where((np.abs(north) < 9) & (np.abs(east) > 3) & (np.abs(east) < 16), ROOF, 0).astype(np.float32)


@pytest.fixture(scope="module")
def views(truth):
    rng = np.random.default_rng(3)
    ground, roofs = (gaussian_filter(rng.normal(0, 60, truth.shape), 0.7) for _ in range(2))
    return [seen_from(lean, truth, ground + 90, roofs + 160) for lean in LEANS]


def seen_from(lean, truth, ground, roofs):
    """What a parallel camera shows that moves a place by `lean` metres when it is lifted by one; walls are grey."""
    across, down = np.meshgrid(np.arange(-8, SIZE + 8), np.arange(-8, SIZE + 8))
    values = np.zeros(across.shape, np.float32)
    open_, inside = np.ones(across.shape, bool), slice(0, SIZE)
    for up in np.arange(ROOF, -0.01, -0.25):
        column, row = (np.round(at).astype(int) for at in (across - lean[0] * up, down + lean[1] * up))
        column, row = np.clip(column, 0, SIZE - 1), np.clip(row, 0, SIZE - 1)
        here = open_ & (truth[row, column] >= up)
        shown = ground if up == 0 else roofs if up == ROOF else np.full(truth.shape, 60.0)
        values[here] = shown[inside, inside][row, column][here]
        open_ &= ~here

    def project(places):
        east, north, up = np.moveaxis(places, -1, 0)
        return np.stack([east + lean[0] * up - AXIS[0], -north - lean[1] * up - AXIS[0]], -1) + 8.5

    return View("", values, np.ones(values.shape, bool), project)


@pytest.fixture(scope="module")
def rig(views):
    return make_rig(views, AXIS, -AXIS, -1.0, ROOF + 1)


def test_roofs_that_are_too_wide_shrink_and_the_gap_between_them_opens(rig, truth):
    wide = maximum_filter(truth, 5)
    gap = np.s_[20:36, 25:31]
    assert (wide[gap] == ROOF).mean() > 0.6
    found, cost, margin = at_edges(rig, wide, ground_below(wide), ALL, 1.0)
    wrong, before = np.abs(found - truth) > 1, np.abs(wide - truth) > 1
    assert wrong.sum() < 0.4 * before.sum()
    assert (found[gap] == 0).mean() > 0.8
    assert np.nanmedian(cost[~wrong]) < 0.5 * 127.5 and (margin[np.isfinite(margin)] >= 0).all()


def test_what_is_right_stays(rig, truth):
    found, _, _ = at_edges(rig, truth, ground_below(truth), ALL, 1.0)
    assert (found == truth).mean() > 0.98


def test_where_no_step_is_near_nothing_is_asked(rig):
    slope = np.broadcast_to(0.5 * AXIS[None].astype(np.float32), (SIZE, SIZE))
    found, cost, margin = at_edges(rig, slope, ground_below(slope), ALL, 1.0)
    assert (found == slope).all() and np.isnan(cost).all() and np.isnan(margin).all()


def test_a_part_of_the_rows_knows_what_stands_beside_it(rig, views, truth):
    rows, wide = slice(20, 44), maximum_filter(truth, 5)
    part = make_rig(views, AXIS, -AXIS[rows], -1.0, ROOF + 1)
    whole, _, _ = at_edges(rig, wide, ground_below(wide), ALL, 1.0)
    found, _, _ = at_edges(part, wide, ground_below(wide), rows, 1.0)
    assert (found == whole[rows])[6:-6].mean() > 0.97


def test_a_wall_hides_its_foot_from_the_views_on_its_other_side(rig, truth):
    paths = np.stack(rig.paths)
    horizons = np.empty(paths.shape[:3], np.float32)
    edges._horizons(truth, 0, paths, np.float32(rig.half), np.float32(ROOF), horizons)
    foot = SIZE // 2, int(SIZE / 2 + 16 + 1)  # a metre and a half east of the eastern house
    assert 0 < horizons[0][foot] <= ROOF - edges._NEAR / 0.41  # what looks from the west sees no ground there
    assert horizons[1][foot] <= 0


def test_the_bottom_of_a_shaft_is_taken_on_trust_and_said_to_be_a_guess(views):
    roof = np.full((SIZE, SIZE), ROOF, np.float32)
    roof[:, :12] = 0
    roof[26:31, 26:31] = -30
    found, cost, _ = at_edges(make_rig(views, AXIS, -AXIS, -31.0, ROOF), roof, ground_below(roof), ALL, 1.0)
    assert set(np.unique(found[26:31, 26:31])) <= {-30.0, 0.0, ROOF}
    assert (cost[27:30, 27:30][found[27:30, 27:30] < ROOF] == HIDDEN).all()
    up, sure = _at_edges(views, AXIS, -AXIS, (-31.0, ROOF), 1.0, roof, np.ones_like(roof))
    asked = np.isfinite(cost)
    assert (up[~asked] == roof[~asked]).all() and (sure[~asked] == 1).all()
    assert (sure[asked & (np.abs(up - roof) > 1) & (cost == HIDDEN)] == 0).all()
