"""Clouds go on beyond the photograph, where there are any."""

import numpy as np
import pytest

from skyworld.camera import directions
from skyworld.models.builtin.sky import paint_sky

WIDTH = 512


def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def sky(cloudy: bool):
    """A panorama of sky [H, W, 3] and where of it the photograph shows something: 60 by 30 degrees."""
    rays = directions(WIDTH, WIDTH // 2)
    picture = np.array([0.35, 0.55, 0.9]) + np.clip(0.5 - rays[..., 2:], 0, 0.5) * [0.6, 0.4, 0.1]
    plane = 7 * rays[..., :2] / (rays[..., 2:].clip(0) + 0.25)
    puff = np.sin(2.1 * plane[..., 0] + np.sin(1.3 * plane[..., 1])) * np.sin(1.7 * plane[..., 1])
    picture = picture * (0.8 + 0.25 * cloudy * puff[..., None].clip(0))
    seen = np.zeros(picture.shape[:2], np.float32)
    seen[84:126, WIDTH // 2 - 43 : WIDTH // 2 + 43] = 1
    return picture.clip(0, 1).astype(np.float32), seen


def behind(painted):
    """The sky opposite to the photograph, without its gradient."""
    strip = painted[84:120, :100].mean(-1)
    return strip - strip.mean(1, keepdims=True)


@pytest.fixture(scope="module")
def painted():
    return {seed: finish(paint_sky(*sky(True), seed)) for seed in (0, 1)}


def test_clouds_seen_ahead_drift_behind_the_viewer_too(painted):
    ahead = sky(True)[0][84:120, 220:300].mean(-1)
    there = (ahead - ahead.mean(1, keepdims=True)).std()
    assert 0.4 * there < behind(painted[0]).std() < 1.6 * there


def test_a_clean_sky_stays_clean():
    assert behind(finish(paint_sky(*sky(False), 0))).std() < 0.01


def test_seeds_move_the_clouds_and_one_seed_keeps_them(painted):
    assert (finish(paint_sky(*sky(True), 0)) == painted[0]).all()
    assert np.abs(painted[0] - painted[1]).mean() > 0.01


def test_there_is_no_rim_around_the_photograph(painted):
    picture, seen = sky(True)
    whole = np.where(seen[..., None] > 0, picture, painted[0])
    step = np.abs(np.diff(whole[84:126].mean(-1), axis=1)).mean(0)
    assert max(step[WIDTH // 2 - 44], step[WIDTH // 2 + 42]) < 3 * step.mean()
