import numpy as np
import pytest
import torch
from plain_scenes import BOX, camera_above

from skyworld.errors import UserError
from skyworld.satellite.export import _above, from_above
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.sheet import Sight, beside, coloured, seen_colours, sheet, upright
from skyworld.splats.gaussians import rotation_matrices
from skyworld.splats.rasterize import rasterize
from skyworld.splats.spherical_harmonics import C0


def house() -> HeightMap:
    """A block 10 m high on a level ground."""

    def up(east, north):
        return np.where((np.abs(east) < 6) & (np.abs(north) < 8), 10.0, 0.0)

    return HeightMap.over(-20, -20, 20, 20, 0.5, up)


def test_seen_from_above_the_sheet_has_the_heights_that_it_was_made_of():
    height_map = house()
    _, found = from_above(sheet(height_map, 0.5), BOX, 0.5)
    difference = np.abs(found.up - height_map.up)
    assert np.median(difference) < 0.01
    assert (difference > 0.5).mean() < 0.03  # the eaves only: 56 m of them in 1600 square metres


def test_at_a_step_heights_from_above_are_sharper_than_the_mean_of_what_a_cell_shows():
    height_map = house()
    gaussians = sheet(height_map, 0.5)
    camera = _above(-20, 20, 100, 0.5, 80, 80)
    mean = 100 - rasterize(gaussians, [camera]).depth[0].numpy()
    blurred, sharp = (np.abs(up - height_map.up).mean() for up in (mean, from_above(gaussians, BOX, 0.5)[1].up))
    assert sharp < 0.7 * blurred


def test_walls_stand_upright_between_the_roof_and_the_ground():
    gaussians = sheet(house(), 0.5)
    wall = gaussians.extra["wall"] > 0
    normals = rotation_matrices(gaussians.quats[wall])[..., 2]
    assert normals[:, 2].abs().max() < 1e-5
    means = gaussians.means[wall]
    assert means[:, 2].min() > 0 and means[:, 2].max() < 10
    # Just behind the outline, so that from above the house is not larger than it is, facing outwards.
    assert (means[:, 0].abs() < 6).all() and (means[:, 1].abs() < 8).all()
    away = torch.maximum((means[:, 0].abs() - 6).abs() * (means[:, 1].abs() < 8.1), torch.zeros(1))
    assert (torch.minimum(away, (means[:, 1].abs() - 8).abs()) < 0.5).all()
    assert ((normals[:, :2] * means[:, :2]).sum(1) > 0).all()


def test_a_wall_that_a_sweep_left_as_a_ramp_is_upright_again_and_slopes_stay():
    def smeared(east, north):
        return np.clip(10 - 5 * (np.abs(east) - 5), 0, 10) + 0.5 * north  # over two metres, on a hillside

    height_map = HeightMap.over(-20, -20, 20, 20, 0.5, smeared)
    up = upright(height_map).up
    step = np.abs(np.diff(up, axis=1))
    assert (np.sort(step, 1)[:, -2:] > 8).all() and (np.sort(step, 1)[:, :-2] <= 1).all()
    east, north = height_map.centres()
    difference = np.abs(up - (10 * (np.abs(east) < 6) + 0.5 * north))
    assert difference[np.abs(np.abs(east) - 6) > 0.6].max() < 1.1  # the hill's own rise over the cells put right
    slope = HeightMap.over(-20, -20, 20, 20, 0.5, lambda east, north: 1.5 * north)
    np.testing.assert_array_equal(upright(slope).up, slope.up)


def test_ground_keeps_its_height_in_the_corners_of_what_is_known():
    ground = HeightMap.over(-20, -20, 20, 20, 0.5, lambda east, north: 30 + 0.5 * east)
    turned = np.abs(ground.centres()[0]) + np.abs(ground.centres()[1]) < 18  # the known area stands on a corner
    ground.up[~turned] = np.nan
    np.testing.assert_array_equal(upright(ground).up, ground.up)


def test_a_slope_is_a_surface_and_no_stair():
    ramp = HeightMap.over(-20, -20, 20, 20, 0.5, lambda east, north: 0.8 * east)
    gaussians = sheet(ramp, 0.25)
    assert not gaussians.extra["wall"].any()
    inner = gaussians.means[:, 0].abs() < 19
    np.testing.assert_allclose(gaussians.means[inner, 2], 0.8 * gaussians.means[inner, 0], atol=1e-4)
    normals = rotation_matrices(gaussians.quats[inner])[..., 2]
    np.testing.assert_allclose(normals, np.tile([-0.8, 0, 1] / np.hypot(0.8, 1), (len(normals), 1)), atol=1e-4)


def test_only_what_an_image_sees_takes_its_colour():
    """From the east: the roof, the eastern wall and the eastern ground, but nothing in the lee of the house."""
    gaussians = sheet(house(), 0.5)
    camera = camera_above(90, 45, size=60)
    sight = Sight(camera, np.full((60, 60, 3), (0.8, 0.4, 0.2), np.float32), np.ones((60, 60), bool))
    colours, weights = seen_colours(gaussians, sight, 0.5)
    x, y, z = gaussians.means.T.numpy()
    middle, wall = np.abs(y) < 4, gaussians.extra["wall"].numpy() > 0
    assert (weights[middle & (np.abs(x) < 4) & (z > 9.9)] > 0).all()
    assert (weights[middle & wall & (x > 5) & (z > 2) & (z < 8)] > 0).mean() > 0.9
    assert not weights[middle & wall & (x < -5)].any()
    assert not weights[middle & ~wall & (x < -7) & (x > -13)].any()
    lit = coloured(gaussians, [colours], [weights])
    assert torch.allclose(lit.sh[:, 0] * C0 + 0.5, torch.tensor([0.8, 0.4, 0.2]), atol=1e-3)


def test_a_wall_that_no_image_shows_is_plain_and_no_mosaic_of_the_windows_beside_it():
    gaussians = sheet(house(), 0.5)
    x = gaussians.means[:, 0].numpy()
    lee = (gaussians.extra["wall"].numpy() > 0) & (x < -4)
    windows = np.where(np.random.default_rng(0).uniform(size=len(x)) < 0.4, 0.2, 0.7)
    colours = np.where(gaussians.extra["wall"].numpy() > 0, windows, 0.0)[:, None].repeat(3, 1).astype(np.float32)
    lit = coloured(gaussians, [colours], [np.where(lee, 0, 1).astype(np.float32)]).sh[:, 0, 0].numpy() * C0 + 0.5
    assert np.allclose(lit[~lee], colours[~lee, 0], atol=1e-3)
    assert np.std(lit[lee]) < 0.06 and abs(np.median(lit[lee]) - 0.5) < 0.1, "of walls only: the ground is black"


def test_beside_a_place_on_a_wall_are_those_of_the_same_wall_along_it():
    gaussians = sheet(house(), 0.5)
    rows, near = beside(gaussians, 8)
    wall = gaussians.extra["wall"] > 0
    assert wall[rows].all() and len(rows) == wall.sum() and near.shape == (len(rows), 8) and wall[near].all()
    assert not (near == rows[:, None]).any()
    away = (gaussians.means[near] - gaussians.means[rows][:, None]).abs()
    assert away[..., 2].mean() < 0.5 * away[..., :2].norm(dim=-1).mean() and away.max() < 3
    middle = gaussians.means[rows, 1].abs() < 4  # no corner is near
    facing = rotation_matrices(gaussians.quats)[..., 2]
    assert ((facing[near] * facing[rows][:, None]).sum(-1)[middle] > 0.8).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_sheet_with_few_walls_or_none_has_as_few_beside_them(count):
    gaussians = sheet(house(), 0.5)
    few = gaussians[torch.nonzero(gaussians.extra["wall"])[:count, 0]]
    rows, near = beside(few, 8)
    assert len(rows) == count and len(near) == count and near.shape[1] <= max(count, 1)


def test_a_car_of_one_date_does_not_tint_the_street():
    street = HeightMap.over(-20, -20, 20, 20, 1.0, lambda east, north: np.zeros_like(east))
    gaussians = sheet(street, 1.0)
    count = len(gaussians)
    plain, red = np.full((count, 3), 0.3, np.float32), np.full((count, 3), 0.3, np.float32)
    red[:50] = (0.9, 0, 0)
    lit = coloured(gaussians, [plain, red, plain], [np.ones(count, np.float32)] * 3)
    assert torch.allclose(lit.sh[:, 0] * C0 + 0.5, torch.tensor(0.3), atol=1e-3)


def test_unknown_ground_stays_empty_and_a_map_without_heights_is_refused():
    half = HeightMap.over(-20, -20, 20, 20, 1.0, lambda east, north: np.where(east < 0, 0.0, np.nan))
    assert sheet(half, 1.0).means[:, 0].max() < 0
    picture, found = from_above(sheet(half, 1.0), BOX, 1.0)
    assert np.isnan(found.up[:, 22:]).all() and np.isfinite(found.up[:, :18]).all() and picture.shape == (40, 40, 3)
    nothing = HeightMap.over(-20, -20, 20, 20, 1.0, lambda east, north: np.full_like(east, np.nan))
    with pytest.raises(UserError, match="no height at all"):
        sheet(nothing, 1.0)
    camera = camera_above(0, 80)
    black = Sight(camera, np.zeros((40, 40, 3), np.float32), np.zeros((40, 40), bool))
    seen = seen_colours(sheet(half, 1.0), black, 1.0)
    with pytest.raises(UserError, match="no image shows any of the height map"):
        coloured(sheet(half, 1.0), *([part] for part in seen))


def test_seen_at_17_degrees_the_walls_are_closed():
    camera = camera_above(90, 17, size=80)
    alpha = rasterize(sheet(house(), 0.5), [camera], antialiased=True, eps2d=0.1).alpha[0].numpy()
    wall = np.array([(6.0, y, z) for y in np.linspace(-7, 7, 15) for z in np.linspace(1, 9, 9)])
    column, row = camera.project(wall)[0].astype(int).T
    assert alpha[row, column].min() > 0.8
