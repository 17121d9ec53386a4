"""A city ends with a straight cut, and nothing lies under all ground around."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_scenes import plain_scene

from skyworld.satellite.border import closed, grounded, shown, straight
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.sheet import sheet
from skyworld.splats.points import gaussians_of_points


def slope(unsure: float = 0.2) -> HeightMap:
    """80 m of ground that rises by 8 m to the east: a courtyard in a block of houses, a pit, and a pit of a quarry."""
    up = np.tile(np.linspace(0, 8, 80, dtype=np.float32), (80, 1))
    confidence = np.full((80, 80), 0.9, np.float32)
    up[10:40, 10:40] = 20
    up[22:28, 22:28] = 3  # the courtyard, as low as the street
    up[55:61, 20:26], confidence[55:61, 20:26] = -15, unsure
    confidence[22:28, 22:28] = 0.1
    return HeightMap(up, confidence, -40.0, 40.0, 1.0)


def test_an_unsure_pit_is_filled_from_its_rim_and_told_to_be():
    found = grounded(slope())
    assert found.up[55:61, 20:26].min() > 1.5 and found.up[55:61, 20:26].max() < 3
    assert (found.confidence[55:61, 20:26] == 0).all()
    others = np.ones((80, 80), bool)
    others[54:62, 19:27] = False
    assert np.array_equal(found.up[others], slope().up[others]), "courtyard, houses and slope stay"


def test_the_world_ends_where_no_image_looks_and_a_masked_cloud_is_no_hole(tmp_path):
    scene = plain_scene(tmp_path, count=1)  # 40 m around the middle
    mask = np.ones((40, 40), np.uint8)
    mask[18:22, 18:22] = 0
    np.save(tmp_path / "mask.npy", mask)
    ground = HeightMap.over(-30, -30, 30, 30, 1.0, lambda east, north: 0.1 * east)
    found = shown(ground, [replace(scene.images[0], mask=tmp_path / "mask.npy")])
    known = np.isfinite(found.up)
    assert known[15:45, 15:45].all() and not known[:5].any() and not known[:, -5:].any()
    assert np.array_equal(found.up[known], ground.up[known])


def test_wrong_heights_at_the_rim_of_what_two_images_show_end_with_the_world_and_unsure_ones_amid_do_not(tmp_path):
    images = plain_scene(tmp_path, count=2, size=160).images  # 160 m around the middle
    ground = HeightMap.over(-100, -100, 100, 100, 1.0, lambda east, north: np.zeros_like(east))
    ground.confidence[:] = 0.9
    ground.confidence[95:105, 95:105] = 0
    ground.confidence[:45], ground.confidence[8:10, 90:92] = 0, 0.9
    ground.up[:45], ground.up[95:105, 95:105] = 30, 5
    ground.up[70:75, 50:55] = np.nan
    found = shown(ground, images).up
    known = np.isfinite(found)
    assert known[60:140, 60:140].all() and not known[:38].any() and known[44:52, 80:120].all()
    assert not known[70:75, 50:55].any(), "what was not known stays so"
    assert (found[known] < 30).all() and (found[95:105, 95:105] == 5).all(), "no tower stands in the rim"


def test_a_pit_that_the_images_are_sure_of_stays():
    assert np.array_equal(grounded(slope(unsure=0.9)).up, slope(unsure=0.9).up)


def test_unknown_ground_stays_unknown_and_no_ground_at_all_is_left_alone():
    holed = slope()
    holed.up[:, 70:] = np.nan
    assert np.isnan(grounded(holed).up[:, 70:]).all() and np.isfinite(grounded(holed).up[:, :70]).all()
    nothing = HeightMap(np.full((4, 4), np.nan, np.float32), np.zeros((4, 4), np.float32), 0, 0, 1)
    assert np.isnan(grounded(nothing).up).all()


def test_a_house_that_the_border_cuts_through_gets_a_wall_there_and_a_slope_none():
    ground = slope()
    ground.up[30:50, :8] = 12
    wide = closed(ground)
    assert wide.shape == (82, 82) and (wide.west, wide.north) == (-41, 41)
    assert np.array_equal(wide.up[1:-1, 1:-1], ground.up)
    assert wide.up[31:51, 0].max() < 1, "down to the street"
    assert np.allclose(wide.up[1:-1, -1], ground.up[:, -1]), "the slope goes on"
    walls = sheet(wide, 1.0)
    walls = walls.means[walls.extra["wall"] > 0]
    assert ((walls[:, 0] < -39) & (walls[:, 1].abs() < 9)).sum() > 100


def test_steep_terraces_that_rise_to_the_border_hang_no_wall_from_it():
    up = np.tile(np.floor(np.arange(160) / 16)[None] * 12, (160, 1)).astype(np.float32)
    terraces = HeightMap(up, np.ones_like(up), -40.0, 40.0, 0.5)
    assert np.allclose(closed(terraces).up[1:-1, -1], up[:, -1]) and np.allclose(closed(terraces).up[0, 1:-1], up[0])


def test_a_wall_in_the_cut_is_plain_and_whole_whatever_a_fit_made_of_it():
    ground = slope()
    ground.up[30:50, :8] = 12
    wide = closed(ground)
    fitted = sheet(wide, 1.0)
    random = torch.Generator().manual_seed(0)
    fitted.sh = 0.5 + torch.randn(fitted.sh.shape, generator=random)
    means = fitted.means.clone()
    in_cut = (fitted.extra["wall"] > 0) & (means[:, 0] < -39) & (means[:, 1].abs() < 8)
    means[in_cut, 2] -= 3  # torn off the roof
    fitted = replace(fitted, means=means, extra={})
    found = straight(fitted, wide)
    wall = (
        (found.means[:, 0] < -39) & (found.means[:, 1].abs() < 8) & (found.means[:, 2] > 1) & (found.means[:, 2] < 11)
    )
    assert found.sh[wall, 0].std() < 0.2 and abs(float(found.sh[wall].mean()) - 0.5) < 0.2
    for level in range(1, 11):
        assert (wall & ((found.means[:, 2] - level).abs() < 1)).sum() > 10, "whole from the street to the roof"
    roof = (found.means[:, :2] - torch.tensor([-36.0, 0.0])).abs().max(-1).values < 3
    assert torch.equal(
        found.sh[roof], fitted.sh[(fitted.means[:, :2] - torch.tensor([-36.0, 0.0])).abs().max(-1).values < 3]
    )


def reach(gaussians) -> np.ndarray:
    """How far east each one draws, as two standard deviations; they are turned to no side."""
    return (gaussians.means[:, 0] + 2 * gaussians.log_scales[:, 0].exp()).numpy()


@pytest.mark.parametrize("known", [40, 80])
def test_gaussians_end_at_the_border_of_what_is_known(known):
    """known: columns; the rest of the area, seen by no two images, is no part of the city."""
    ground = slope()
    ground.up[:, known:] = np.nan
    border = -40.0 + known
    east = torch.arange(border - 3, border + 3, 0.5) + 0.25
    row = gaussians_of_points(torch.stack([east, torch.zeros(12), torch.zeros(12)], -1), torch.ones(12, 3), size=0.6)
    found = straight(row, ground)
    assert (found.means[:, 0] < border).all() and len(found) >= 5
    assert reach(found).max() < border + 0.3 < reach(row[east < border]).max()
    assert torch.allclose(found.log_scales[:, 1], row.log_scales[: len(found), 1]), "along the border all stays closed"
    assert torch.equal(found.log_scales[0], row.log_scales[0]), "what lies inside keeps its size"
