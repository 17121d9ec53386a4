"""Twelve perspective views of depth become one panorama of distance."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Oracle

from skyworld.camera import Camera, directions
from skyworld.lift.fusion import FusedDepth, median_ratio, spread_ratio
from skyworld.lift.merge import PanoramaDistance, ground_height, merge, solve, with_shell
from skyworld.models.roles import DepthEstimate, Provenance
from skyworld.panorama.schedule import icosahedron

SCENES = ("village_11", "street_11", "park_11", "room_11")
NO_SKY = np.zeros((128, 256), bool)
GREY = np.full((128, 256, 3), 0.5, np.float32)
UP = directions(256, 128)[..., 2]
AREA = np.sqrt(1 - UP**2)


@pytest.fixture(scope="module")
def truths(root):
    """scene -> metres along the ray [256, 512], inf where sky."""
    folder = root / "tests" / "data" / "panoramas"
    packed = {name: cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED) for name in SCENES}
    return {name: np.where(values > 0, 0.1 * np.exp((values - 1.0) / 6000), np.inf) for name, values in packed.items()}


def estimated(truth, eye_height=1.6, given_height=False, sky=True, **oracle):
    picture = np.zeros((*truth.shape, 3), np.float32)
    model = PanoramaDistance(Oracle(truth, **oracle), given_height=given_height)
    return model.estimate(picture, eye_height=eye_height, sky=np.isinf(truth) if sky else None)


def error(distance, truth):
    """Mean relative error by solid angle; sky and what is beyond 150 m left out, as in the benchmark."""
    counted = truth < 150
    area = np.broadcast_to(np.sin((np.arange(len(truth)) + 0.5) / len(truth) * np.pi)[:, None], truth.shape)
    return np.average(np.abs(distance[counted] / truth[counted] - 1), weights=area[counted])


@pytest.mark.parametrize("scene", SCENES)
def test_perfect_crops_merge_to_the_truth_within_one_percent(truths, scene):
    found = estimated(truths[scene])
    assert error(found.distance, truths[scene]) <= 0.01
    assert (found.sky == np.isinf(truths[scene])).all()


@pytest.mark.parametrize("scene", ["street_11", "room_11"])
def test_a_factor_of_each_views_own_is_taken_out_and_the_eye_height_gives_the_metres(truths, scene):
    found = estimated(truths[scene], metric=False, noise=0.3)
    assert error(found.distance, truths[scene]) <= 0.01


def test_views_that_bend_are_bent_towards_each_other(truths):
    truth = truths["room_11"]
    one = error(estimated(truth, metric=False, tilt=0.1).distance, truth)
    assert one <= 0.025
    ends = estimated(truth, metric=False, noise=0.3, tilt=0.1).distance / truth
    steps = np.abs(np.diff(np.log(ends), axis=1, append=np.log(ends[:, :1])))
    assert np.median(steps[:, -1]) <= 2 * np.median(steps) + 1e-4, "nor is there a seam at the wrap"


def test_a_metric_model_keeps_its_metres_but_for_a_ground_nearer_than_a_metre_and_a_half():
    def ball(radius):
        return np.full((128, 256), float(radius))

    assert np.median(estimated(ball(3), 1.6).distance) == pytest.approx(3, rel=1e-3)
    assert np.median(estimated(ball(3), 3.7, given_height=True).distance) == pytest.approx(
        3 * 3.7 / ground_height(ball(3), NO_SKY), rel=1e-3
    )
    low = estimated(ball(0.5)).distance
    assert ground_height(low, NO_SKY) == pytest.approx(1.5, rel=1e-3)


def test_the_ground_is_as_far_below_as_it_is_in_truth(truths):
    for truth in truths.values():
        assert ground_height(truth, np.isinf(truth)) == pytest.approx(1.6, abs=0.05)
    assert ground_height(np.ones((128, 256)), np.ones((128, 256), bool)) is None


def test_what_no_view_knows_above_the_horizon_is_sky_on_a_far_shell(truths):
    truth = truths["village_11"]
    found = estimated(truth, sky=False)
    assert (found.sky == np.isinf(truth)).mean() > 0.98
    shell = found.distance[found.sky]
    assert shell.min() == shell.max() >= 160 and shell.max() >= found.distance.max()


def test_a_known_sky_is_not_asked_of_the_model():
    truth = np.full((128, 256), 4.0)
    sky = UP > 0.5
    found = PanoramaDistance(Oracle(truth)).estimate(GREY, eye_height=1.6, sky=sky)
    assert (found.distance[sky] > 100).all() and found.distance[~sky] == pytest.approx(4, rel=5e-3)


def test_a_wide_panorama_is_merged_small_and_brought_to_size(monkeypatch):
    monkeypatch.setattr("skyworld.lift.merge.LARGEST", 256)
    truth = 2.0 + (UP > 0)
    picture = np.repeat(np.repeat((0.5 + 0.3 * (UP > 0))[..., None] * np.ones(3), 2, 0), 2, 1).astype(np.float32)
    found = PanoramaDistance(Oracle(truth)).estimate(picture, eye_height=1.6, sky=np.zeros((256, 512), bool))
    assert found.distance.shape == (256, 512)
    assert found.distance[:126] == pytest.approx(3, rel=0.01) and found.distance[130:] == pytest.approx(2, rel=0.01)


def test_pixels_unknown_to_every_view_take_what_is_around_them():
    truth = np.full((128, 256), 5.0)
    truth[70:80, 100:110] = np.inf
    found = estimated(truth, sky=False)
    assert np.isfinite(found.distance).all() and found.distance[75, 105] == pytest.approx(5, rel=0.05)
    nothing = PanoramaDistance(Oracle(np.full((128, 256), np.inf))).estimate(GREY, eye_height=1.6)
    assert np.isfinite(nothing.distance).all() and nothing.sky[UP > 0].all()


@given(seed=st.integers(0, 1000), rows=st.sampled_from([16, 33]), columns=st.sampled_from([32, 50]))
@settings(deadline=None, max_examples=15)
def test_steps_of_a_map_give_the_map_back(seed, rows, columns):
    truth = np.random.default_rng(seed).normal(size=(rows, columns)).cumsum(0)
    found = solve(truth, np.diff(truth, axis=0), np.roll(truth, -1, 1) - truth)
    assert found == pytest.approx(truth, abs=1e-4)
    wrong = truth + np.linspace(-0.3, 0.3, rows)[:, None]
    corrected = solve(wrong, np.diff(truth, axis=0), np.roll(truth, -1, 1) - truth)
    assert np.diff(corrected, axis=0).std() == pytest.approx(np.diff(truth, axis=0).std(), rel=0.05)


def test_every_direction_is_well_inside_a_view():
    cameras = [look.camera(64) for look in icosahedron()]
    inside = [np.nan_to_num(np.abs(camera.project(directions(64, 32))[0] - 32).max(-1), nan=99) for camera in cameras]
    assert np.min(inside, 0).max() < 0.85 * 32


def test_the_sky_stands_behind_everything():
    found = with_shell(np.full((4, 8), 30.0), np.eye(4, 8) > 0, 1.6)
    assert set(np.unique(found.distance)) == {np.float32(30), np.float32(160)}


class Fixed:
    metric = True

    def __init__(self, depth, valid=None, licence="MIT"):
        self.depth, self.valid = np.asarray(depth, np.float32), valid
        self.provenance = Provenance("depth", "fixed", "1", licence, False)

    def estimate(self, picture, camera):
        return DepthEstimate(self.depth, np.ones(self.depth.shape, bool) if self.valid is None else self.valid)


@pytest.mark.parametrize("ratio", [median_ratio, spread_ratio])
def test_the_fusion_has_the_metres_of_one_and_the_edges_of_the_other(ratio):
    sharp = np.where(np.arange(40) < 20, 1.0, 2.5) + np.linspace(0, 0.3, 40)
    blurred = cv2.GaussianBlur((3.0 * sharp)[None], (0, 0), 2)
    fused = FusedDepth(Fixed(blurred), Fixed(sharp[None], licence="Apache-2.0"), ratio)
    depth = fused.estimate(None, None).depth[0]
    assert depth == pytest.approx(3 * sharp, rel=0.03) and fused.metric
    assert fused.provenance.licence == "Apache-2.0 and MIT"


@pytest.mark.parametrize("ratio", [median_ratio, spread_ratio])
def test_a_few_wild_values_do_not_disturb_the_fusion_and_flat_walls_are_matched_too(ratio):
    sharp = np.linspace(1, 2, 100)[None]
    wild = 4 * sharp.copy()
    wild[0, :5] = 1000
    assert FusedDepth(Fixed(wild), Fixed(sharp), ratio).estimate(None, None).depth == pytest.approx(4 * sharp, rel=0.15)
    wall = FusedDepth(Fixed(np.full((1, 9), 6.0)), Fixed(np.full((1, 9), 2.0) + 1e-3 * np.arange(9)), ratio)
    assert wall.estimate(None, None).depth == pytest.approx(6, rel=0.01)


def test_soft_edges_do_not_shrink_the_fusion_by_the_median():
    """Where half of a picture is near and half far, a soft model's spread is too small."""
    sharp = np.tile(np.where(np.arange(64) % 8 < 4, 1.0, 8.0), (64, 1)).astype(np.float32)
    soft = np.exp(cv2.GaussianBlur(np.log(3 * sharp), (0, 0), 2))
    by = {ratio: FusedDepth(Fixed(soft), Fixed(sharp), ratio) for ratio in (median_ratio, spread_ratio)}
    found = {ratio: np.median(fused.estimate(None, None).depth / sharp) for ratio, fused in by.items()}
    assert found[spread_ratio] < 2.7 and found[median_ratio] == pytest.approx(3, rel=0.1)


def test_what_the_sharp_model_does_not_know_the_fusion_does_not_know():
    valid = np.array([[True, False, True, True]])
    fused = FusedDepth(Fixed([[2, 2, 4, 6]]), Fixed([[1, 9, 2, 3]], valid)).estimate(None, None)
    assert (fused.valid == valid).all() and fused.depth[valid] == pytest.approx([2, 4, 6])
    only = FusedDepth(Fixed([[2, 2]]), Fixed([[1, 1]], np.zeros((1, 2), bool))).estimate(None, None)
    assert (only.depth == 2).all(), "with nothing in common the metric model speaks"


def test_a_single_view_is_its_own_panorama_where_it_sees():
    camera = Camera.pinhole(icosahedron()[0].camera(64).camera_to_world, np.pi / 2, 128, 128)
    cosine = camera.rays() @ camera.rotation[:, 2]
    distance, seen = merge([(camera, 7 * cosine, np.ones((128, 128), bool))], 128)
    assert distance[seen] == pytest.approx(7, rel=5e-3) and 0.1 < seen.mean() < 0.25
