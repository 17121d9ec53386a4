"""The measures tell good panoramas from bad ones."""

import numpy as np
import pytest
from drawn_pictures import camera

from skyworld.camera import directions
from skyworld.models.roles import Photograph
from skyworld.panorama.measure import photograph_psnr, repetition, unknown_pixels


def smooth() -> np.ndarray:
    """A panorama that goes around without a seam."""
    vectors = directions(512, 256)
    waves = np.random.default_rng(0).normal(0, 4, (12, 3))
    return (0.5 + 0.04 * np.sin(vectors @ waves.T)[..., None].repeat(3, -1).sum(-2)).astype(np.float32).clip(0, 1)


def test_wallpaper_is_more_repetitive_than_noise():
    noise = np.random.default_rng(0).random((256, 512, 3)).astype(np.float32)
    assert repetition(np.tile(noise[:, :64], (1, 8, 1)))[0] == pytest.approx(1, abs=0.01)
    assert repetition(noise)[0] < 0.2
    assert repetition(np.concatenate([noise[:, :256], noise[:, 255::-1]], 1))[1] == pytest.approx(1, abs=0.05)


def test_an_error_in_the_photographs_place_lowers_its_psnr_and_elsewhere_not():
    picture, view = smooth(), camera(80, 60, 50)
    seen = Photograph(np.zeros((60, 80, 3), np.float32), view, False, np.zeros((60, 80), np.float32))
    dark = np.zeros_like(picture)
    assert photograph_psnr(dark, seen) > 90
    dark[:, :50] = 1
    assert photograph_psnr(dark, seen) > 90
    dark[120:130, 250:260] = 1
    assert photograph_psnr(dark, seen) < 25


def test_pixels_that_are_no_colour_are_counted():
    picture = smooth()
    picture[3, 4], picture[5, 6, 0] = np.nan, 2
    assert unknown_pixels(picture) == 2
