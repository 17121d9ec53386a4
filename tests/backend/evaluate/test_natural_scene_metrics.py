"""NIQE and BRISQUE: the statistics recover what noise was made of, the models are read as published."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import gamma
from scipy.stats import gennorm

from skyworld.errors import UserError
from skyworld.evaluate import Skipped, measure
from skyworld.evaluate.natural_scene import (
    aggd,
    brisque_features,
    fit_pristine,
    ggd,
    halved,
    mscn,
    niqe_features,
)

RNG = np.random.default_rng(3)


def scene(height=288, width=384, sharp=1.0):
    """A picture with the 1/f spectrum of natural ones."""
    noise = sum(gaussian_filter(RNG.normal(size=(height, width, 3)), (s, s, 0)) * s for s in (sharp, 2, 4, 8, 16))
    return (noise - noise.min()) / np.ptp(noise)


@pytest.mark.parametrize("alpha", [0.6, 1.0, 2.0, 3.5])
def test_the_generalised_gaussian_fit_recovers_shape_and_variance(alpha):
    x = gennorm.rvs(alpha, scale=1.7, size=400_000, random_state=4)
    shape, variance = ggd(x)
    assert shape == pytest.approx(alpha, rel=0.03)
    assert variance == pytest.approx(1.7**2 * gamma(3 / alpha) / gamma(1 / alpha), rel=0.02)


@pytest.mark.parametrize("alpha", [0.8, 2.0])
def test_the_asymmetric_fit_recovers_both_sides(alpha):
    n = 400_000
    left, right = 1.0, 2.5  # betas; the sides' masses are in proportion to them
    sign = RNG.random(n) < left / (left + right)
    x = np.abs(gennorm.rvs(alpha, size=n, random_state=5)) * np.where(sign, -left, right)
    shape, sigma_left, sigma_right = aggd(x)
    deviation = np.sqrt(gamma(3 / alpha) / gamma(1 / alpha))
    assert shape == pytest.approx(alpha, rel=0.03)
    assert (sigma_left, sigma_right) == (
        pytest.approx(left * deviation, rel=0.02),
        pytest.approx(right * deviation, rel=0.02),
    )


def test_normalised_white_noise_has_a_shape_near_two_and_lower_products():
    normalised, deviation = mscn(RNG.normal(128, 20, (400, 400)), "nearest")
    assert ggd(normalised.ravel())[0] == pytest.approx(2.4, abs=0.6)
    assert deviation.mean() == pytest.approx(20, rel=0.1)


def test_normalisation_is_that_of_its_definition_at_a_pixel():
    grey = RNG.uniform(0, 255, (20, 20))
    y, x = np.mgrid[-3:4, -3:4]
    window = np.exp(-(x**2 + y**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    around = grey[7:14, 5:12]
    mean = (window * around).sum()
    deviation = np.sqrt((window * (around - mean) ** 2).sum())
    normalised, deviations = mscn(grey, "constant")
    assert deviations[10, 8] == pytest.approx(deviation)
    assert normalised[10, 8] == pytest.approx((grey[10, 8] - mean) / (deviation + 1))


def test_halving_keeps_planes_and_rounds_the_size_up():
    y, x = np.mgrid[:41, :60]
    half = halved(2.0 * x + 3.0 * y)
    assert half.shape == (21, 30)
    yy, xx = np.mgrid[:21, :30]
    inside = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(half[inside], (2 * (2 * xx + 0.5) + 3 * (2 * yy + 0.5))[inside])


def test_halving_weighs_the_eight_taps_of_the_stretched_cubic():
    impulse = np.zeros((1, 32))
    impulse[0, 16] = 1
    # Keys' cubic, a = -1/2, at 1.75, 0.75, 0.25, 1.25
    np.testing.assert_allclose(halved(impulse)[0, 6:10], np.array([-3, 29, 111, -9]) / 256)


def write_niqe(folder, model):
    with (folder / "niqe_modelparameters.mat").open("wb") as file:
        np.savez(file, **model)


def test_niqe_is_zero_against_its_own_gaussian_and_grows_with_blur(tmp_path):
    picture = scene()
    write_niqe(tmp_path, fit_pristine([picture], sharpest=0))
    same, blurred = (
        measure(["niqe"], [gaussian_filter(picture, (s, s, 0))], weights=tmp_path)["niqe"] for s in (0, 1.5)
    )
    assert same == pytest.approx(0, abs=1e-6) and blurred > 1


def test_niqe_reads_the_releases_mat_file_and_gives_the_mahalanobis_distance(tmp_path):
    from scipy.io import savemat

    picture = scene()
    own = fit_pristine([picture], sharpest=0)
    covariance = own["cov_prisparam"]
    away = {"mu_prisparam": own["mu_prisparam"][None] + 0.1, "cov_prisparam": covariance}
    savemat(tmp_path / "niqe_modelparameters.mat", away)
    expected = np.sqrt(np.full(36, 0.1) @ np.linalg.pinv(covariance) @ np.full(36, 0.1))
    assert measure(["niqe"], [picture], weights=tmp_path)["niqe"] == pytest.approx(expected, rel=1e-6)


def test_a_pristine_model_is_made_of_the_sharp_blocks():
    picture = scene()
    picture[:, :192] = gaussian_filter(picture[:, :192], (4, 4, 0))
    features, sharpness = niqe_features(np.round(picture @ [0.299, 0.587, 0.114] * 255))
    assert features.shape == (12, 36)
    left = np.tile([True, True, False, False], 3)
    assert sharpness[left].max() < 0.75 * sharpness.max() < sharpness[~left].min()


def test_niqe_says_when_there_is_too_little_to_go_by(tmp_path):
    write_niqe(tmp_path, fit_pristine([scene()]))
    flat = np.full((200, 200, 3), 0.5)
    for picture in (flat, flat[:50]):
        assert isinstance(measure(["niqe"], [picture], weights=tmp_path)["niqe"], Skipped)
    (tmp_path / "niqe_modelparameters.mat").write_text("nothing")
    with pytest.raises(UserError, match="no NIQE model"):
        measure(["niqe"], [flat], weights=tmp_path)


def write_brisque(folder, ranges, vectors, coefficients, kind="epsilon_svr"):
    (folder / "brisque").mkdir(exist_ok=True)
    rows = "\n".join(f"{i + 1} {low!r} {high!r}" for i, (low, high) in enumerate(ranges.tolist()))
    (folder / "brisque" / "allrange").write_text(f"x\n-1 1\n{rows}\n")
    head = (
        f"svm_type {kind}\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv {len(vectors)}\nrho -30.5\nprobA 6\nSV\n"
    )
    entries = [
        [c, *(f"{i + 1}:{x!r}" for i, x in enumerate(v) if x)]
        for c, v in zip(coefficients, vectors.tolist(), strict=True)
    ]
    (folder / "brisque" / "allmodel").write_text(head + "\n".join(" ".join(map(str, e)) for e in entries) + "\n")


def test_brisque_scales_the_features_and_evaluates_the_regression(tmp_path):
    picture = scene(120, 160)
    features = brisque_features(np.round(np.round(picture * 255) @ [0.299, 0.587, 0.114]))
    assert features.shape == (36,)
    ranges = np.stack([features - 1, features + 3], 1)  # the picture scales to -0.5 everywhere
    vectors = np.zeros((2, 36))
    vectors[0] = -0.5
    write_brisque(tmp_path, ranges, vectors, [12.0, -4.0])
    expected = 12 - 4 * np.exp(-0.05 * 36 * 0.25) + 30.5
    assert measure(["brisque"], [picture], weights=tmp_path)["brisque"] == pytest.approx(expected, rel=1e-9)


def test_brisque_refuses_another_kind_of_model(tmp_path):
    write_brisque(tmp_path, np.tile([0.0, 1.0], (36, 1)), np.ones((1, 36)), [1.0], kind="c_svc")
    with pytest.raises(UserError, match=r"allmodel.*epsilon-SVR"):
        measure(["brisque"], [scene(64, 64)], weights=tmp_path)
