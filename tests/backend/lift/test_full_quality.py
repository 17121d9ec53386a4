"""Quality full at a small size: everything is fitted to the panorama and to completed views; a stopped job goes on."""

import warnings

import numpy as np
import pytest
import torch
from made_up_place import CENTRE, EYE, finished, place, seen

from skyworld.camera import resample_view
from skyworld.camera.paths import cube_positions
from skyworld.lift import lift as lifting
from skyworld.lift.around import candidates
from skyworld.lift.lift import Quality, lift
from skyworld.splats import losses


@pytest.fixture(scope="module")
def small():
    """A quality "full" of a few seconds, on one thread: more wait for each other longer than they compute."""
    kept, threads = lifting.QUALITIES["full"], torch.get_num_threads()
    lifting.QUALITIES["full"] = Quality(256, 256, 256, 96, (10, 10), completed=48)
    every, lifting.candidates = lifting.candidates, lambda *a: candidates(*a)[::7]
    torch.set_num_threads(1)
    yield
    lifting.QUALITIES["full"], lifting.candidates = kept, every
    torch.set_num_threads(threads)


def started(layer, scratch):
    return lift(
        layer.picture, layer.distance, layer.sky, None,
        eye_height=EYE, quality="full", cube=2.0, device="cpu", seed=0, scratch=scratch,
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(small, tmp_path_factory):
    return finished(started(place(256), tmp_path_factory.mktemp("whole")))


def test_the_centre_and_the_cube_see_a_whole_world(world):
    gaussians, reports = world
    layer = place(256)
    for yaw in (0, 120, 240):
        camera, render = seen(gaussians, CENTRE, yaw)
        assert losses.psnr(render.colour[0], torch.from_numpy(resample_view(layer.picture, camera))) > 21
    for position in cube_positions(CENTRE, 2.0)[::3]:
        assert seen(gaussians, position, 30, size=48)[1].alpha.mean() > 0.98
    fractions = [report.fraction for report in reports]
    assert np.diff(fractions).min() > -1e-9 and fractions[-1] == 1


def test_a_job_that_was_killed_in_its_last_fit_ends_with_the_same_world(world, small, tmp_path, monkeypatch):
    monkeypatch.setattr("skyworld.splats.train.REPORT", 0)  # tell of every step
    job = started(place(256), tmp_path)
    for report in job:
        if "step 3 of 4" in report.message:
            job.close()
    assert {"view_001.npz", "visible.pt", "behind.pt"} <= {path.name for path in tmp_path.iterdir()}
    gaussians, _ = finished(started(place(256), tmp_path))
    for (name, a), (_, b) in zip(gaussians.tensors(), world[0].tensors(), strict=True):
        assert torch.equal(a, b), name


def test_a_cpu_is_told_what_full_quality_costs():
    from skyworld.lift.reconstruction import _tell_the_cost

    with pytest.warns(UserWarning, match=r"5,000 steps to 2.0 million Gaussians: about 11 hours on this CPU"):
        _tell_the_cost(5000, 2_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _tell_the_cost(20, 30_000)
