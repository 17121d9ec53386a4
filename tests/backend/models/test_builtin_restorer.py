"""The built-in restorer: what it repairs, what it leaves alone, and that it always does the same."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from skyworld.models.builtin.restorer import BuiltinRestorer, detailed, floaters, softness
from skyworld.models.roles import RestoreView

SIZE = 96


def pavement(seed: int = 0) -> np.ndarray:
    """A picture [96, 96, 3] with fine detail: tiles of two greys, each with its own tone."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    tiles = 0.45 + 0.2 * ((y // 6 + x // 6) % 2) + 0.04 * rng.random((SIZE, SIZE))
    return (tiles[..., None] * np.array([1, 0.95, 0.9])).astype(np.float32)


def view(picture: np.ndarray, **more) -> RestoreView:
    whole = np.ones(picture.shape[:2], np.float32)
    return replace(RestoreView(picture, whole, 20 * whole, whole > 0), **more)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a - b).mean()))


@pytest.fixture(scope="module")
def restore():
    return BuiltinRestorer().restore


def test_a_hole_in_a_wall_is_filled_with_what_stands_around_it(restore):
    truth, alpha = pavement(), np.ones((SIZE, SIZE), np.float32)
    alpha[40:56, 36:60] = 0
    seen = (alpha > 0)[..., None]
    restored = restore(view(truth * seen, alpha=alpha, depth=20 * alpha))
    inside = restored[42:54, 38:58]
    assert inside.min() > 0.3 and inside.max() < truth.max() + 0.01
    assert np.abs(inside.mean((0, 1)) - truth.mean((0, 1))).max() < 0.04


def test_what_lies_beyond_the_place_stays_empty(restore):
    alpha = np.ones((SIZE, SIZE), np.float32)
    alpha[:30] = 0
    wanted = alpha > 0
    restored = restore(view(pavement() * alpha[..., None], alpha=alpha, depth=20 * alpha, wanted=wanted))
    assert restored[:28].max() == 0 and restored[34:].min() > 0.3


def test_a_needle_in_front_of_everything_goes_away(restore):
    truth, depth = pavement(), np.full((SIZE, SIZE), 20, np.float32)
    pierced = truth.copy()
    pierced[20:70, 47:50], depth[20:70, 47:50] = (1, 0, 0), 11
    found = floaters(depth, np.ones((SIZE, SIZE), bool))
    assert found[22:68, 47:50].all() and found.mean() < 0.05
    restored = restore(view(pierced, depth=depth))
    assert (restored[22:68, 47:50, 0] - restored[22:68, 47:50, 1]).max() < 0.15
    assert error(restored, truth) < 0.4 * error(pierced, truth)


def test_a_house_in_front_of_the_street_is_no_floater():
    depth = np.full((SIZE, SIZE), 20, np.float32)
    depth[30:70, 30:70] = 12
    assert not floaters(depth, np.ones((SIZE, SIZE), bool)).any()


def test_a_soft_picture_becomes_sharper_and_nearer_to_the_truth_with_an_example(restore):
    truth, example = pavement(), pavement(5)
    soft = cv2.GaussianBlur(truth, (0, 0), 1.3)
    alone, helped = restore(view(soft)), restore(view(soft, examples=(example,)))
    steps = [np.abs(np.diff(each, axis=1)).mean() for each in (soft, alone, truth)]
    assert 1.15 * steps[0] < steps[1] < 1.2 * steps[2]
    assert error(helped, truth) < error(alone, truth) < error(soft, truth)


def test_an_example_of_something_else_adds_nothing():
    plain = np.full((SIZE, SIZE, 3), (0.2, 0.5, 0.2), np.float32)
    assert np.abs(detailed(plain, pavement(), seed=1) - plain).max() < 0.01


def test_nothing_is_brighter_or_darker_than_the_picture_was(restore):
    picture = pavement()
    restored = restore(view(picture))
    assert restored.min() >= picture.min() - 1e-5 and restored.max() <= picture.max() + 1e-5


def test_a_picture_as_sharp_as_its_example_is_not_sharpened_again():
    """Episodes fit to what was sharpened: without this they would make noise of it."""
    picture, seen = pavement(), np.ones((SIZE, SIZE), bool)
    assert softness(picture, seen, (pavement(3),)) < 0.05
    assert softness(cv2.GaussianBlur(picture, (0, 0), 1.5), seen, (pavement(3),)) > 0.5
    assert softness(picture, seen, ()) == 1


def test_what_lets_a_little_black_through_keeps_its_brightness(restore):
    grey = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    for alpha, wanted in ((0.9, 0.5), (0.85, 0.5), (0.68, 0.625)):
        restored = restore(view(grey, alpha=np.full((SIZE, SIZE), alpha, np.float32)))
        assert np.allclose(restored, wanted, atol=0.01), alpha


def test_it_always_does_the_same(restore):
    given = view(pavement(), examples=(pavement(3),))
    assert np.array_equal(restore(given), restore(given))


def test_a_picture_of_nothing_stays_nothing(restore):
    empty = np.zeros((SIZE, SIZE), np.float32)
    restored = restore(view(np.zeros((SIZE, SIZE, 3), np.float32), alpha=empty, depth=empty))
    assert restored.max() == 0


def test_half_a_megapixel_takes_seconds(restore):
    picture = np.kron(pavement(), np.ones((6, 6, 1), np.float32))[:512, :512]
    restore(view(pavement(), examples=(pavement(3),)))  # compiles
    begin = time.process_time()
    restore(view(picture, examples=(picture[:400, :400],)))
    assert time.process_time() - begin < 12  # 3 s of one core alone; others may be at work beside it
