"""Measures of equirectangular panoramas."""

import numpy as np
import pytest

from skyworld.evaluate import Skipped, measure
from skyworld.evaluate.panorama import row_weights

RNG = np.random.default_rng(6)


def sphere_texture(height=128):
    """A texture that is a function of the direction alone, alike everywhere on the sphere."""
    latitude = (0.5 - (np.arange(height) + 0.5) / height)[:, None] * np.pi
    longitude = (np.arange(2 * height) + 0.5)[None] / height * np.pi
    up = np.sin(latitude) + 0 * longitude
    directions = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), up], -1)
    waves = sum(np.cos(directions @ (k / np.linalg.norm(k) * 12) + p) for p, k in enumerate(RNG.normal(size=(60, 3))))
    grey = 0.5 + waves / np.abs(waves).max() / 2
    return np.repeat(grey[..., None], 3, -1)


TEXTURE = sphere_texture()


def one(name, picture, *reference):
    return measure([name], [picture], list(reference))[name]


def test_the_seam_shows_only_when_the_ends_do_not_meet():
    assert one("seam_ratio", TEXTURE) == pytest.approx(1, abs=0.3)
    assert one("seam_ratio", np.clip(TEXTURE * np.linspace(0.5, 1, 256)[None, :, None], 0, 1)) > 3


def test_a_seam_of_colour_alone_shows_too():
    reddish = TEXTURE * 0.5
    reddish[:, :128] += (0.2, -0.2 * 0.299 / 0.587, 0)
    assert one("seam_ratio", np.clip(reddish, 0, 1)) > 3


def test_content_smeared_towards_the_poles_counts_as_stretched():
    smeared = TEXTURE.copy()
    smeared[:22], smeared[-22:] = TEXTURE[22], TEXTURE[-23]
    smeared[:22] += np.linspace(0, 1e-3, 22)[:, None, None] * (0.5 - smeared[:22])
    assert one("pole_stretch", TEXTURE) < 0.25
    assert one("pole_stretch", np.clip(smeared, 0, 1)) > 2
    assert isinstance(one("pole_stretch", np.full((32, 64, 3), 0.5)), Skipped)


def test_row_weights_are_the_solid_angles_of_rows():
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 65))
    np.testing.assert_allclose(row_weights(64) / row_weights(64).sum(), np.diff(edges) / 2, rtol=1e-3)


def test_weighted_psnr_counts_an_error_by_its_solid_angle():
    black = np.zeros((64, 128, 3))
    wrong = black.copy()
    wrong[:16] = 0.1  # the cap beyond 45 degrees: (1 - sin 45) / 2 of the sphere
    expected = -10 * np.log10(0.01 * (1 - np.sqrt(0.5)) / 2)
    assert one("ws_psnr", wrong, black) == pytest.approx(expected, abs=0.01)
    assert one("ws_psnr", black + 0.1, black) == pytest.approx(20)


def test_weighted_ssim_forgives_the_poles_and_sees_across_the_seam():
    pytest.importorskip("torchmetrics")
    noise = RNG.normal(0, 0.1, (20, 256, 3))
    pole, horizon = TEXTURE.copy(), TEXTURE.copy()
    pole[:20] = np.clip(pole[:20] + noise, 0, 1)
    horizon[54:74] = np.clip(horizon[54:74] + noise, 0, 1)
    assert one("ws_ssim", horizon, TEXTURE) < one("ws_ssim", pole, TEXTURE) < 1
    turned = [np.roll(x, 77, axis=1) for x in (horizon, TEXTURE)]
    assert one("ws_ssim", *turned) == pytest.approx(one("ws_ssim", horizon, TEXTURE), abs=1e-9)


def test_laplacian_energy_of_stripes_is_the_analytic_one_and_wraps():
    columns = np.cos(np.arange(64) / 64 * 2 * np.pi * 8)
    stripes = np.tile((0.5 + 0.5 * columns)[None, :, None], (32, 1, 3))
    gain = 2 - 2 * np.cos(2 * np.pi * 8 / 64)
    assert one("laplacian_energy", stripes) == pytest.approx((gain * 127.5) ** 2 / 2)
