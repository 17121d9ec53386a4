"""Views from around a made-up place are completed; what was never seen gets there, and nothing that was seen goes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_place import CENTRE, PILLAR, finished, lifted_faces, place, seen

from skyworld.camera import Camera, turned
from skyworld.lift.alignment import aligned
from skyworld.lift.around import candidates, complete_around, open_shares
from skyworld.lift.points import Layer, depth_view
from skyworld.lift.rim import far_side
from skyworld.models.builtin.completion import BuiltinCompletion, completed
from skyworld.models.roles import DepthEstimate, InpaintView, Provenance
from skyworld.splats import Gaussians, rasterize

MAGENTA = np.array([1.0, 0.0, 1.0], np.float32)


class Painter:
    """Paints everything that is unknown in one colour, and keeps what it was asked."""

    provenance = Provenance("inpainter", "painter", "1", "", builtin=False)
    schedule = "anchored"

    def __init__(self):
        self.asked: list[InpaintView] = []

    def begin(self, photograph):
        pass

    def inpaint(self, view):
        self.asked.append(view)
        return np.where(view.unknown[..., None], MAGENTA, view.picture)


class Interrupted(Painter):
    def inpaint(self, view):
        if len(self.asked) == 1:
            raise KeyboardInterrupt
        return super().inpaint(view)


def marked(layer: Layer) -> Gaussians:
    gaussians = lifted_faces(layer, 96)
    return replace(gaussians, extra=gaussians.extra | {"part": torch.zeros(len(gaussians))})


@pytest.fixture(scope="module")
def layer():
    return place(256)


@pytest.fixture(scope="module")
def world(layer):
    """Every fifth view, completed in magenta."""
    cameras = candidates(layer, CENTRE, 2.0, 96)[::5]
    painter = Painter()
    (gaussians, views), _ = finished(complete_around(marked(layer), layer, cameras, CENTRE, painter))
    return gaussians, views, painter, cameras


def test_there_are_196_views_and_none_from_behind_a_wall(layer):
    assert len(candidates(layer, CENTRE, 2.0, 96)) == 196
    places = {tuple(camera.position) for camera in candidates(layer, CENTRE, 10.0, 96)}
    assert 0 < len(places) < 14 and all(y < 5.9 for _, y, _ in places)


def test_the_view_that_shows_most_comes_first_and_nothing_much_is_left(layer, world):
    gaussians, views, painter, cameras = world
    shares = open_shares(marked(layer), cameras)
    assert views[0].index == int(np.argmax(shares)) and 1 < len(views) < len(cameras)
    assert max(open_shares(gaussians, cameras)) < 0.25 * max(shares)
    assert all(view.strength == 0.9 and view.depth is not None for view in painter.asked)


def test_what_the_inpainter_made_is_seen_from_there_and_not_from_the_centre(layer, world):
    gaussians, _, painter, _ = world
    view = painter.asked[0]
    _, before = seen(marked(layer), CENTRE)
    _, after = seen(gaussians, CENTRE)
    assert (before.colour - after.colour).abs().mean() < 0.01
    magenta = torch.from_numpy(MAGENTA)

    with torch.no_grad():
        shown = rasterize(gaussians, [view.camera]).colour[0]
    filled = torch.from_numpy(view.unknown & (view.depth <= 0))
    assert filled.sum() > 50
    assert ((shown - magenta).abs().max(-1).values[filled] < 0.35).float().mean() > 0.6


def test_a_stopped_job_goes_on_and_asks_only_for_what_is_missing(layer, world, tmp_path):
    gaussians, views, _, cameras = world
    start = marked(layer)
    with pytest.raises(KeyboardInterrupt):
        finished(complete_around(start, layer, cameras, CENTRE, Interrupted(), kept=tmp_path))
    again = Painter()
    (resumed, same), _ = finished(complete_around(start, layer, cameras, CENTRE, again, kept=tmp_path))
    assert len(again.asked) == len(views) - 1
    assert [view.index for view in same] == [view.index for view in views]
    for (_, a), (_, b) in zip(resumed.tensors(), gaussians.tensors(), strict=True):
        assert torch.equal(a, b)


def test_the_far_side_of_a_wide_hole_is_the_far_one():
    inverse = np.full((64, 64), 0.1, np.float32)
    inverse[:, :20] = 0.5
    hole = np.zeros((64, 64), bool)
    hole[:, 20:45] = True
    far = far_side(inverse, hole)
    assert far[:, 45:48].all() and not far[:, 16:20].any()


def test_behind_the_pillar_goes_on_what_is_beside_it(layer):
    camera = Camera.pinhole(turned(CENTRE), np.radians(60), 192, 192)
    view = depth_view(place(1024), camera)
    pillar = np.abs(view.depth - PILLAR) < 0.05
    # The right half of the pillar is taken away and its left half stays: nothing of it may be copied.
    hole = pillar & (np.arange(192) > 96)
    asked = InpaintView(
        np.where(hole[..., None], 0, view.picture).astype(np.float32), hole, camera, "horizon", "", 0,
        strength=0.9, depth=np.where(hole, 0, view.depth).astype(np.float32),
    )  # fmt: skip
    made = BuiltinCompletion().inpaint(asked)
    assert hole.sum() > 500 and np.array_equal(made[~hole], view.picture[~hole])
    red = (made[..., 0] > 0.6) & (made[..., 1] < 0.35)
    assert red[hole].mean() < 0.02
    assert np.array_equal(made, BuiltinCompletion().inpaint(asked))


def test_a_pattern_goes_on_across_a_hole():
    rows, columns = np.mgrid[:128, :128]
    stripes = ((columns // 4) % 2).astype(np.float32)
    picture = np.stack([stripes, 1 - stripes, np.full_like(stripes, 0.5)], -1)
    hole = np.hypot(rows - 64, columns - 64) < 7
    made = completed(np.where(hole[..., None], 0, picture).astype(np.float32), hole, np.ones((128, 128), np.float32))
    assert np.abs(made - picture)[hole].mean() < 0.1


def test_a_depth_models_answer_is_brought_to_metres_in_spite_of_outliers():
    rng = np.random.default_rng(0)
    inverse = (0.05 + 0.3 * np.linspace(0, 1, 80)[None] * np.ones((60, 1))).astype(np.float32)
    told = (inverse - 0.02) / 3
    wrong = rng.random(inverse.shape) < 0.2
    estimate = DepthEstimate((1 / np.where(wrong, 3 * told, told)).astype(np.float32), np.ones(inverse.shape, bool))
    sure = np.zeros(inverse.shape, bool)
    sure[:, :50] = True
    found, valid = aligned(estimate, inverse, sure)
    right = ~wrong & ~sure
    assert valid.all() and np.median(np.abs(found / inverse - 1)[right]) < 0.02


def test_a_depth_model_that_sees_nothing_known_is_not_believed():
    estimate = DepthEstimate(np.ones((40, 40), np.float32), np.ones((40, 40), bool))
    _, valid = aligned(estimate, np.ones((40, 40), np.float32), np.zeros((40, 40), bool))
    assert not valid.any()
