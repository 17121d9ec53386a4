"""The built-in distance model on rendered panoramas whose distance is known; their seeds were never tuned on."""

import cv2
import numpy as np
import pytest

from skyworld.models.builtin.distance import BuiltinDistance
from skyworld.models.builtin.room import fit_box
from skyworld.models.builtin.silhouettes import upsample

EYE = 1.6
SCENES = ("village_11", "street_11", "park_11", "room_11")


@pytest.fixture(scope="module")
def panoramas(root):
    """scene -> (picture [512, 1024, 3], truth [256, 512] metres, inf where sky)."""
    made = {}
    for scene in SCENES:
        path = root / "tests" / "data" / "panoramas" / scene
        picture = cv2.imread(f"{path}.jpg")[:, :, ::-1].astype(np.float32) / 255
        packed = cv2.imread(f"{path}.png", cv2.IMREAD_UNCHANGED)
        made[scene] = picture, np.where(packed > 0, 0.1 * np.exp((packed - 1.0) / 6000), np.inf)
    return made


@pytest.fixture(scope="module")
def estimates(panoramas):
    model = BuiltinDistance()

    def sky(truth):
        return cv2.resize(np.isinf(truth).astype(np.uint8), (1024, 512), interpolation=cv2.INTER_NEAREST) > 0

    return {
        name: model.estimate(picture, eye_height=EYE, sky=sky(truth)) for name, (picture, truth) in panoramas.items()
    }


def within(distance, truth, counted):
    """(AbsRel, share within a factor 1.25) by solid angle."""
    weight = np.sin((np.arange(len(truth)) + 0.5) / len(truth) * np.pi)[:, None] * counted
    distance, truth = distance[::2, ::2], np.where(counted, truth, 1)
    ratio = np.maximum(distance / truth, truth / distance)
    return np.average(np.abs(distance - truth) / truth, weights=weight), np.average(ratio < 1.25, weights=weight)


def test_distance_is_near_the_truth_on_average(panoramas, estimates):
    scores = [within(estimates[name].distance, truth, truth < 150) for name, (_, truth) in panoramas.items()]
    absolute, share = np.mean(scores, 0)
    assert absolute <= 0.10
    assert share >= 0.89


@pytest.mark.parametrize(("scene", "least"), [("village_11", 0.55), ("street_11", 0.55), ("room_11", 0.9)])
def test_things_that_stand_are_stood_up(panoramas, estimates, scene, least):
    _, truth = panoramas[scene]
    pitch = (0.5 - (np.arange(256) + 0.5) / 256) * np.pi
    off_ground = np.abs(np.where(np.isfinite(truth), truth, 0) * np.sin(pitch)[:, None] + EYE) > 0.08
    assert within(estimates[scene].distance, truth, (truth < 150) & off_ground)[1] >= least


@pytest.mark.parametrize("scene", SCENES)
def test_every_pixel_has_a_distance_and_the_sky_lies_behind_all_else(estimates, scene):
    estimate = estimates[scene]
    assert estimate.distance.dtype == np.float32 and estimate.distance.shape == (512, 1024)
    assert np.isfinite(estimate.distance).all() and (estimate.distance > 0).all()
    if scene == "room_11":
        assert not estimate.sky.any()
    else:
        assert estimate.distance[estimate.sky].min() > 2 * estimate.distance[~estimate.sky].max()


def test_the_sky_is_found_where_nobody_tells_it(panoramas):
    picture, truth = panoramas["village_11"]
    found = BuiltinDistance().estimate(picture, eye_height=EYE).sky[::2, ::2]
    true = np.isinf(truth)
    assert (found & true).sum() / (found | true).sum() > 0.95


def test_distance_grows_with_the_eye_height(panoramas, estimates):
    picture, _ = panoramas["street_11"]
    taller = BuiltinDistance().estimate(picture, eye_height=2 * EYE, sky=estimates["street_11"].sky)
    np.testing.assert_allclose(taller.distance, 2 * estimates["street_11"].distance, rtol=1e-3)


def test_a_box_is_fitted_to_the_room(panoramas):
    picture, truth = panoramas["room_11"]
    box = fit_box(picture, EYE)
    assert box.ceiling + EYE == pytest.approx(truth[0].mean() + EYE, abs=0.15)


def test_edges_follow_the_large_picture_and_nothing_is_blended():
    small, large = np.zeros((32, 64, 3), np.float32), np.zeros((128, 256, 3), np.float32)
    large[:, 133:] = 1  # the edge lies within a small pixel
    small[:, 33:], small[:, 33] = 1, 0.75
    distance = np.where(np.arange(64) < 33, 2.0, 20.0).astype(np.float32) * np.ones((32, 1), np.float32)
    result = upsample(distance, small, large)
    assert set(np.unique(result)) == {2.0, 20.0}
    assert (result[:, 133:200] == 20).all() and (result[:, 60:133] == 2).all()
