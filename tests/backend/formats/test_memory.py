"""Scenes that fill half of the memory are read and written: neither makes a copy of them."""

import runpy
import sys

import pytest

from skyworld.splats import formats

COUNT = 600_000  # with all harmonics 142 MB, 115 of them the harmonics

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="how much memory a process holds is asked of Linux")


@pytest.fixture(scope="module")
def benchmark(root) -> dict:
    return runpy.run_path(str(root / "benchmarks" / "formats.py"))


@pytest.fixture(scope="module")
def large(benchmark):
    return benchmark["random_scene"](COUNT, 3)


@pytest.mark.filterwarnings("ignore::skyworld.splats.formats.FormatLoss")
@pytest.mark.parametrize(
    ("suffix", "megabytes"),
    [(".ply", 10), (".splat", 25), (".spz", 60), (".4.spz", 100), (".compressed.ply", 90), (".glb", 90)],
)
def test_reading_and_writing_need_the_memory_of_some_chunks(benchmark, large, tmp_path, suffix, megabytes):
    path, options = tmp_path / f"a{suffix}", benchmark["VARIANTS"].get(suffix, {})
    _, written = benchmark["peak_memory"](lambda: formats.write(path, large, **options))
    gaussians, read = benchmark["peak_memory"](lambda: formats.read(path))
    assert written < megabytes * 1e6
    assert read - gaussians.nbytes < megabytes * 1e6


def test_the_pictures_of_a_sog_take_less_than_half_of_a_scene_with_harmonics(benchmark, tmp_path):
    scene = benchmark["random_scene"](COUNT, 0)
    _, written = benchmark["peak_memory"](lambda: formats.write(tmp_path / "a.sog", scene))
    gaussians, read = benchmark["peak_memory"](lambda: formats.read(tmp_path / "a.sog"))
    assert written < 0.5 * 236 * COUNT
    assert read - gaussians.nbytes < 0.5 * 236 * COUNT


@pytest.mark.filterwarnings("ignore::skyworld.splats.formats.FormatLoss")
def test_broken_gaussians_are_left_out_without_a_copy_of_the_others(benchmark, large, tmp_path):
    large.means[5] = float("nan")
    formats.write(tmp_path / "a.ply", large)
    gaussians, read = benchmark["peak_memory"](lambda: formats.read(tmp_path / "a.ply", drop_invalid=True))
    assert len(gaussians) == COUNT - 1 and gaussians.means[5].equal(large.means[6])
    assert read - gaussians.nbytes < 70e6
