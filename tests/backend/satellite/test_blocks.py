import numpy as np
import pytest
import torch
from plain_scenes import camera_above

from skyworld.satellite.blocks import crop_heights, crop_sight, cut
from skyworld.satellite.export import from_above
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box
from skyworld.satellite.sheet import Sight, sheet
from skyworld.splats.gaussians import Gaussians

WHOLE = Box((-30.0, 30.0), (-20.0, 20.0), (0.0, 12.0))


@pytest.mark.parametrize("size", [0, 16, 25, 200])
def test_every_place_lies_in_one_core(size):
    places = np.random.default_rng(0).uniform((-30, -20), (30, 20), (500, 2))
    places[:3] = ((-30, -20), (30, 20), (0, 0))
    owners = np.zeros(500, int)
    for block in cut(WHOLE, size):
        (west, east), (south, north) = block.core.east, block.core.north
        x, y = places.T
        owners += (x >= west) & (x < east) & (y >= south) & (y < north)
    assert (owners == 1).all()


def test_a_block_sees_its_margin_and_no_more():
    blocks = cut(WHOLE, 20, margin=5)
    assert len(blocks) == 6
    first = blocks[0].outer
    assert first.east == (-30, pytest.approx(-5)) and first.north == (-20, pytest.approx(5))


def test_merged_blocks_have_no_seam_and_nothing_twice():
    hills = HeightMap.over(-30, -20, 30, 20, 0.5, lambda east, north: 3 * np.sin(east / 5) * np.cos(north / 7))
    whole = sheet(hills, 0.5)
    blocks = cut(WHOLE, 20, margin=5)
    parts = [sheet(crop_heights(hills, block.outer), 0.5) for block in blocks]
    assert sum(map(len, parts)) > 1.3 * len(whole)
    city = Gaussians.concatenate([block.keeps(part) for block, part in zip(blocks, parts, strict=True)])
    assert len(city) == len(whole)

    def order(gaussians):
        return gaussians.means[np.lexsort(gaussians.means.round(decimals=3).T.numpy())]

    # The cells beside a cut know one neighbour less, so that their slope may differ a little.
    assert torch.allclose(order(city)[:, :2], order(whole)[:, :2], atol=1e-3)
    _, found = from_above(city, WHOLE, 0.5)
    assert np.isfinite(found.up).all() and found.confidence.min() > 0.8


def test_a_cut_of_an_image_sees_what_the_image_saw_there():
    camera = camera_above(20, 70, size=80)
    picture = np.random.default_rng(0).random((80, 80, 3)).astype(np.float32)
    sight = Sight(camera, picture, np.ones((80, 80), bool))
    box = Box((5.0, 15.0), (-15.0, 0.0), (0.0, 6.0))
    part = crop_sight(sight, box)
    assert part.picture.shape[:2] == (part.camera.height, part.camera.width) and part.picture.size < picture.size / 4
    places = box.grid(3)
    a, b = camera.project(places)[0], part.camera.project(places)[0]
    np.testing.assert_allclose(a - b, np.tile((a - b)[0], (len(a), 1)), atol=1e-9)
    column, row = b[13].astype(int)
    np.testing.assert_array_equal(part.picture[row, column], picture[tuple(a[13].astype(int)[::-1])])
    assert crop_sight(sight, Box((500.0, 510.0), (0.0, 9.0), (0.0, 6.0))) is None
