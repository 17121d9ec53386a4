"""The parts of the built-in inpainter."""

from itertools import pairwise

import numpy as np
import pytest
from drawn_pictures import camera, landscape
from hypothesis import given, settings
from hypothesis import strategies as st

from skyworld.models.builtin.cap import Cap
from skyworld.models.builtin.chain import OUTDOORS, arrange
from skyworld.models.builtin.pyramid import CyclicBlend, pull_push
from skyworld.models.builtin.quilting import Exemplar, quilt
from skyworld.models.builtin.seams import vertical_seam
from skyworld.models.builtin.strips import render_tile
from skyworld.models.roles import Photograph


def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@given(
    curvature=st.sampled_from([0.0, 0.25, 1.0]),
    up=st.sampled_from([-1, 1]),
    row=st.integers(0, 63),
    column=st.integers(0, 63),
)
@settings(deadline=None, max_examples=40)
def test_a_cap_finds_its_directions_again(curvature, up, row, column):
    cap = Cap(64, 1.5, up, curvature)
    vectors = cap.directions()
    assert np.linalg.norm(vectors[row, column]) == pytest.approx(1)
    u, v = cap.positions(vectors[row, column])
    assert (float(u), float(v)) == pytest.approx((column, row), abs=1e-2)


def test_forward_is_at_the_top_of_a_cap_and_right_on_the_right():
    vectors = Cap(65, 1.0, -1, 0.25).directions()
    assert vectors[0, 32, 1] > 0.5 and vectors[32, 64, 0] > 0.5 and (vectors[..., 2] < 0).all()


def test_a_seam_follows_the_cheap_valley():
    cost = np.ones((40, 30), np.float32)
    valley = (15 + 8 * np.sin(np.arange(40) / 6)).astype(int)
    cost[np.arange(40), valley] = 0
    assert (vertical_seam(cost) == valley).mean() > 0.9


def test_filling_keeps_what_is_known_and_stays_between_its_colours():
    picture = np.zeros((33, 47, 3), np.float32)
    known = np.zeros((33, 47), bool)
    known[3:5, 4:6], known[20:30, 40:45] = True, True
    picture[3:5, 4:6], picture[20:30, 40:45] = 0.2, 0.8
    filled = pull_push(picture, known)
    assert (filled[known] == picture[known]).all()
    assert filled.min() >= 0.19 and filled.max() <= 0.81


def test_blending_one_picture_around_the_wrap_gives_it_back():
    picture = np.random.default_rng(0).random((64, 128, 3)).astype(np.float32)
    wrapped = np.concatenate([picture, picture], 1)
    blend = CyclicBlend(64, 128, 3)
    for left, first, beyond in ((-16, 16, 64), (40, 24, 96)):
        mask = np.zeros((64, 112), np.float32)
        mask[:, first - 8 : beyond - 8] = 1
        blend.add(wrapped[:, left % 128 : left % 128 + 112], mask, left)
    _, known = blend.result()
    assert known.mean() > 0.8


def test_quilting_takes_nothing_from_outside_the_mask():
    picture = np.zeros((120, 160, 3), np.float32)
    picture[..., 0] = 1
    mask = np.zeros((120, 160), bool)
    mask[10:90, 20:100] = True
    picture[mask] = np.random.default_rng(0).random((mask.sum(), 3)) * [0, 1, 1]
    texture = finish(quilt([Exemplar(picture, mask)], 100, 30, 0, np.ones((100, 100), bool)))
    assert texture.shape == (100, 100, 3)
    assert texture[..., 0].max() == 0 and texture[..., 1].std() > 0.2


def test_quilting_without_room_for_a_patch_says_so():
    assert (
        finish(quilt([Exemplar(np.zeros((40, 40, 3), np.float32), np.zeros((40, 40), bool))], 50, 20, 0, None)) is None
    )


def test_the_strips_go_once_around_and_leave_the_photograph_out():
    view = camera(240, 160, 60, -5)
    photograph = Photograph(landscape(view), view, True, np.zeros((160, 240), np.float32))
    tiles = [render_tile(photograph, 512, scale, mirrored) for scale in (1.0, 1.2) for mirrored in (False, True)]
    strips = finish(arrange(tiles, np.zeros(160), 512, OUTDOORS, seed=1, rounds=6))
    assert all(a.last == b.first for a, b in pairwise(strips))
    width = strips[-1].last - strips[0].first
    assert width + tiles[0].columns == pytest.approx(512, abs=4)
    assert all(strip.last - strip.first >= 20 for strip in strips)


def test_a_tile_shows_what_the_camera_saw_there():
    view = camera(480, 320, 60, -5)
    picture = landscape(view)
    tile = render_tile(Photograph(picture, view, False, np.zeros((320, 480), np.float32)), 1024)
    mirrored = render_tile(Photograph(picture, view, False, np.zeros((320, 480), np.float32)), 1024, mirrored=True)
    assert tile.left == pytest.approx(-tile.columns / 2, abs=1)
    assert np.abs(tile.colour - mirrored.colour[:, ::-1])[tile.known].mean() < 1e-3
