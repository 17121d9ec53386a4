"""Lets the tests of this folder import the modules beside them; gives them small scenes with truth."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def small_scene(root) -> Callable:
    """small_scene(name) -> Dataset of 24 views of 160 x 120 with depth and points; room, street or landscape."""
    from skyworld.splats.dataset import read_dataset

    return cache(lambda name: read_dataset(root / "tests" / "data" / "scenes" / name))
