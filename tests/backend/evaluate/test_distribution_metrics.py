"""Distances between sets: analytic cases, definitions written out, and Inception's forward pass."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from skyworld.evaluate import measure
from skyworld.evaluate.distribution import frechet, gaussian_mmd, kernel_distance, patches
from skyworld.evaluate.networks import inception_features

RNG = np.random.default_rng(2)


def whitened(n, d):
    """Samples whose mean is 0 and whose covariance is the identity, exactly."""
    x = RNG.normal(size=(n, d))
    x -= x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


def test_frechet_distance_of_two_gaussians_is_the_analytic_one():
    x = whitened(50, 4)
    scale, shift = np.array([1, 2, 3, 0.5]), np.array([1, 0, -2, 0])
    assert frechet(x, x * scale + shift) == pytest.approx(5 + ((1 - scale) ** 2).sum())


def test_frechet_distance_of_a_set_with_itself_is_zero_even_with_fewer_samples_than_dimensions():
    x = RNG.normal(size=(5, 40))
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_that_of_the_matrix_root():
    x, y = RNG.normal(size=(60, 8)), RNG.normal(size=(40, 8)) @ RNG.normal(size=(8, 8))
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet(x, y) == pytest.approx(expected)


def test_kernel_distance_is_the_sum_over_distinct_pairs():
    x, y = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 3))
    kernel = lambda a, b: (a @ b / 3 + 1) ** 3  # noqa: E731
    xx = np.mean([kernel(x[i], x[j]) for i in range(4) for j in range(4) if i != j])
    yy = np.mean([kernel(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
    xy = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(xx + yy - 2 * xy)


def test_kernel_distance_is_unbiased():
    draws = [kernel_distance(*RNG.normal(size=(2, 10, 4))) for _ in range(2000)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / np.sqrt(len(draws))
    assert min(draws) < 0


def test_cmmd_is_the_published_formula():
    x, y = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 4))
    kernel = lambda a, b: np.mean([np.exp(-((p - q) ** 2).sum() / 200) for p in a for q in b])  # noqa: E731
    assert gaussian_mmd(x, y) == pytest.approx(1000 * (kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)))
    assert gaussian_mmd(x, x) == pytest.approx(0, abs=1e-9)


def test_patches_cover_the_frame_at_least_nine_by_sixteen():
    frame = np.arange(1024 * 1024 * 3, dtype=np.float32).reshape(1024, 1024, 3)
    pieces = patches(frame)
    assert len(pieces) == 9 * 16 and all(piece.shape == (512, 512, 3) for piece in pieces)
    assert pieces[0][0, 0, 0] == frame[0, 0, 0] and pieces[-1][-1, -1, -1] == frame[-1, -1, -1]


def inception_weights(thinner=16):
    """Random weights in pt_inception's names, every layer with a sixteenth of its channels."""
    random = np.random.default_rng(0)
    weights = {}

    def conv(name, inputs, outputs, *size):
        kernel = random.normal(size=(outputs, inputs, *(size * 2 if len(size) == 1 else size)))
        kernel *= np.sqrt(2 / kernel[0].size)
        bn = {"weight": 1 + 0.1 * random.normal(size=outputs), "bias": 0.1 * random.normal(size=outputs)}
        bn |= {"running_mean": 0.1 * random.normal(size=outputs), "running_var": random.uniform(0.5, 1.5, outputs)}
        weights[f"{name}.conv.weight"] = torch.tensor(kernel, dtype=torch.float32)
        weights.update({f"{name}.bn.{k}": torch.tensor(v, dtype=torch.float32) for k, v in bn.items()})
        return outputs

    def block(name, inputs, branches):
        """branches: name -> list of (suffix, channels / 16, kernel size...)."""
        for branch, layers in branches.items():
            channels = inputs
            for suffix, outputs, *size in layers:
                side = suffix.endswith(("a", "b"))
                produced = conv(f"{name}.{branch}{suffix}", channels, outputs, *size)
                channels = channels if side else produced

    c = [n // thinner for n in (32, 32, 64, 80, 192)]
    conv("Conv2d_1a_3x3", 3, c[0], 3)
    conv("Conv2d_2a_3x3", c[0], c[1], 3)
    conv("Conv2d_2b_3x3", c[1], c[2], 3)
    conv("Conv2d_3b_1x1", c[2], c[3], 1)
    conv("Conv2d_4a_3x3", c[3], c[4], 3)
    channels = c[4]
    for name, pool in (("Mixed_5b", 2), ("Mixed_5c", 4), ("Mixed_5d", 4)):
        branches = {"branch1x1": [("", 4, 1)], "branch5x5": [("_1", 3, 1), ("_2", 4, 5)]}
        branches |= {"branch3x3dbl": [("_1", 4, 1), ("_2", 6, 3), ("_3", 6, 3)], "branch_pool": [("", pool, 1)]}
        block(name, channels, branches)
        channels = 14 + pool
    down = [("_1", 4, 1), ("_2", 6, 3), ("_3", 6, 3)]
    block("Mixed_6a", channels, {"branch3x3": [("", 24, 3)], "branch3x3dbl": down})
    channels = 48
    for name, n in (("Mixed_6b", 8), ("Mixed_6c", 10), ("Mixed_6d", 10), ("Mixed_6e", 12)):
        deep = [("_1", n, 1), ("_2", n, 7, 1), ("_3", n, 1, 7), ("_4", n, 7, 1), ("_5", 12, 1, 7)]
        branches = {"branch1x1": [("", 12, 1)], "branch7x7": [("_1", n, 1), ("_2", n, 1, 7), ("_3", 12, 7, 1)]}
        block(name, channels, branches | {"branch7x7dbl": deep, "branch_pool": [("", 12, 1)]})
    deep = [("_1", 12, 1), ("_2", 12, 1, 7), ("_3", 12, 7, 1), ("_4", 12, 3)]
    block("Mixed_7a", channels, {"branch3x3": [("_1", 12, 1), ("_2", 20, 3)], "branch7x7x3": deep})
    channels = 80
    for name in ("Mixed_7b", "Mixed_7c"):
        branches = {"branch1x1": [("", 20, 1)], "branch3x3": [("_1", 24, 1), ("_2a", 24, 1, 3), ("_2b", 24, 3, 1)]}
        deep = [("_1", 28, 1), ("_2", 24, 3), ("_3a", 24, 1, 3), ("_3b", 24, 3, 1)]
        block(name, channels, branches | {"branch3x3dbl": deep, "branch_pool": [("", 12, 1)]})
        channels = 128
    return weights


@pytest.fixture(scope="module")
def inception_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    torch.save(inception_weights(), folder / "pt_inception-2015-12-05-6726825d.pth")
    return folder


def test_inception_gives_what_torch_fidelity_gives_for_these_weights():
    """The values were computed with torch-fidelity's feature extractor, thinned in the same way."""
    x = np.random.default_rng(10).integers(0, 256, (1, 3, 299, 299), dtype=np.uint8)
    features = inception_features(inception_weights(), torch.tensor(x, dtype=torch.float32))
    assert features.shape == (1, 128)
    expected = torch.tensor([9.785180, 2.577402, 1.408434, 9.041817, 12.373805])
    torch.testing.assert_close(features[0, [0, 30, 60, 90, 120]], expected, atol=1e-3, rtol=1e-4)


def test_fid_and_kid_tell_a_set_from_itself_and_from_another(inception_folder):
    noise = list(RNG.random((2, 64, 80, 3)))
    blocks = [np.kron(RNG.random((8, 10, 3)), np.ones((8, 8, 1))) for _ in range(2)]
    same = measure(["fid", "kid"], noise, noise, weights=inception_folder)
    other = measure(["fid", "kid"], blocks, noise, weights=inception_folder)
    assert same["fid"] == pytest.approx(0, abs=1e-6) and other["fid"] > 0.01
    assert same["kid"] < 0 < other["kid"]
