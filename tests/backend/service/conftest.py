"""A real service process over real HTTP."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from running_backend import Backend


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    """Shared by the tests of one file."""
    service = Backend(tmp_path_factory.mktemp("state"))
    yield service
    service.end()


@pytest.fixture
def start(tmp_path):
    """Starts further services on one state folder; ends what is left of them."""
    started = []

    def begin(*arguments, **more):
        started.append(Backend(tmp_path / "state", *arguments, **more))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.end()
