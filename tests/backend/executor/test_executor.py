"""Pieces of work: here, and on a Ray cluster where the package is there."""

import importlib.util

import numpy as np
import pytest
import work

from skyworld import executor as executors
from skyworld.errors import UserError
from skyworld.executor import Local, Ray, executor

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
    assert next(results) == 11 and done == [1]
    assert list(results) == [12, 13]


@needs_ray
def test_a_cluster_gives_what_one_process_gives(cluster):
    here, there = (list(hands.run(work.noise, 2.0, range(5))) for hands in (Local(), cluster))
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))


@needs_ray
def test_results_come_in_the_order_of_the_pieces_from_several_processes(cluster):
    results = list(cluster.run(work.slower_first, 0.1, range(4)))
    assert [piece for piece, _ in results] == [0, 1, 2, 3]
    assert len({process for _, process in results}) == 2


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
