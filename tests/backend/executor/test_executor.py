"""Pieces of work: here, and on a Ray cluster where the package is there."""

import importlib.util

import numpy as np
import pytest
import work

from skyworld import executor as executors
from skyworld.errors import UserError
from skyworld.executor import Local, Ray, executor
from skyworld.progress import Progress

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the package ray is not installed")


@pytest.fixture(scope="module")
def cluster():
    """Two local workers, started once."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield Ray(workers=2)
    ray.shutdown()


def test_pieces_are_done_in_order_and_only_when_asked_for():
    done = []
    results = Local().run(lambda setup, piece: done.append(piece) or setup + piece, 10, [1, 2, 3])
    assert next(results) == (0, 11) and done == [1]
    assert list(results) == [(1, 12), (2, 13)]


def test_pieces_are_made_only_when_there_are_hands_for_them():
    made = []
    results = Local().run(lambda setup, piece: piece, None, (made.append(index) or index for index in range(3)))
    assert next(results) == (0, 0) and made == [0]


def test_what_a_piece_reports_on_its_way_comes_before_its_result():
    assert list(Local().run(work.telling, 2, "ab")) == [
        *((0, Progress(0.0)), (0, Progress(0.5)), (0, "aa")),
        *((1, Progress(0.0)), (1, Progress(0.5)), (1, "bb")),
    ]


@needs_ray
def test_a_cluster_gives_the_results_of_pieces_that_report(cluster):
    assert sorted(cluster.run(work.telling, 2, "ab")) == [(0, "aa"), (1, "bb")]


@needs_ray
def test_a_cluster_takes_no_more_pieces_than_it_has_workers(cluster):
    made = []
    results = cluster.run(work.noise, 1.0, (made.append(index) or index for index in range(6)))
    next(results)
    assert len(made) == 2
    results.close()


@needs_ray
def test_a_cluster_gives_what_one_process_gives(cluster):
    here, there = (dict(hands.run(work.noise, 2.0, range(5))) for hands in (Local(), cluster))
    assert len(here) == len(there) == 5 and all(np.array_equal(here[index], there[index]) for index in here)


@needs_ray
def test_what_is_done_first_comes_first_from_several_processes(cluster, tmp_path):
    results = list(cluster.run(work.first_one_last, tmp_path, range(4)))
    assert [index for index, _ in results] == [1, 2, 3, 0]
    assert [piece for _, (piece, _) in results] == [1, 2, 3, 0]
    assert len({process for _, (_, process) in results}) == 2


@needs_ray
def test_what_a_worker_refuses_is_told_as_it_said_it(cluster):
    results = cluster.run(work.refusing, "the model", range(5))
    with pytest.raises(UserError, match=r"x\.png: the model will not\. Try another\.") as refusal:
        list(results)
    assert refusal.value.hint == "Try another"


@needs_ray
def test_what_is_given_up_leaves_the_cluster_free(cluster):
    results = cluster.run(work.noise, 1.0, range(50))
    next(results)
    results.close()
    assert len(list(cluster.run(work.noise, 1.0, range(2)))) == 2


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr(executors, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"ray is not installed\. Run `pip install 'skyworld-backend\[ray\]'`"):
        executor("ray")
    assert isinstance(executor("local"), Local)
