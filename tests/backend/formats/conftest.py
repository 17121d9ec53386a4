"""Fixtures of the format suite."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from skyworld.splats.gaussians import Gaussians

sys.path.insert(0, str(Path(__file__).parent))

from known_scenes import HOW_TO_GET_THE_JUDGE, find_judge, make_scene, plain


@pytest.fixture
def scene() -> Callable[..., Gaussians]:
    return make_scene


@pytest.fixture(scope="session")
def judge(tmp_path_factory) -> Callable[..., Gaussians | Path]:
    """judge(path) -> the Gaussians that the judge reads in it; judge(path, to) -> the file `to` that it converts to."""
    command = find_judge()
    if command is None:
        pytest.skip(HOW_TO_GET_THE_JUDGE)
    folder = tmp_path_factory.mktemp("judge")

    def convert(path: Path, to: Path | None = None, *options: str):
        target = to or folder / f"{path.name}.ply"
        ran = subprocess.run(
            [*command, "-q", "-w", path, *options, target], capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr + ran.stdout
        return to or plain(target)

    return convert
