"""A city in one: which parts are done in which order, with what, and what is left out the second time."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from skyworld.parameters import SatelliteCityParameters, check
from skyworld.progress import Progress
from skyworld.satellite import city
from skyworld.satellite.height_map import HeightMap
from skyworld.world import World


@pytest.fixture
def asked(root, monkeypatch) -> list:
    """The parameters of each part, in order; what the parts leave is there, what they cost is not."""
    small, seen = root / "tests" / "data" / "scenes" / "city", []

    def prepare(given):
        seen.append(given)
        shutil.copytree(small, given.output, dirs_exist_ok=True, ignore=shutil.ignore_patterns("truth"))
        yield Progress(1.0)

    def measure_heights(given):
        seen.append(given)
        flat = HeightMap.over(-20, -20, 20, 20, 1.0, lambda east, north: np.zeros_like(east))
        flat.write(given.scene / "height.npz")
        yield Progress(1.0)

    def last(given):
        seen.append(given)
        yield Progress(1.0, overall=1.0)

    for name, part in dict(prepare=prepare, measure_heights=measure_heights, reconstruct=last, refine=last).items():
        monkeypatch.setattr(city, name, part)
    return seen


def wish(root, output: Path, **more) -> SatelliteCityParameters:
    values = {"images": [root / "tests" / "data" / "scenes" / "city"], "output": output}
    return check(SatelliteCityParameters, values | more)


def test_the_parts_follow_one_another_each_with_what_concerns_it(root, asked, tmp_path):
    wanted = wish(root, tmp_path / "w", steps=5, edit_steps=20, curriculum="low", seed=3, quality="full", by="restorer")
    reports = list(city.make(wanted))
    kinds = [type(given).kind.removeprefix("satellite_") for given in asked]
    assert kinds == ["prepare", "height", "reconstruct", "refine"]
    scene, heights, reconstruction, refinement = asked
    folder = tmp_path / "w" / "scene"
    assert scene.output == heights.scene == reconstruction.scene == refinement.scene == folder
    assert heights.output == folder / "dsm.tif", "its place on Earth is known"
    assert (reconstruction.steps, reconstruction.quality, reconstruction.seed) == (5, "full", 3)
    assert (refinement.edit_steps, refinement.curriculum, refinement.by) == (20, "low", "restorer")
    assert reconstruction.output == refinement.world == World.open(tmp_path / "w").root
    shares = [report.overall for report in reports]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_blocks_and_where_they_are_done_concern_reconstruction_and_refinement(root, asked, tmp_path):
    list(city.make(wish(root, tmp_path / "w", block=64, executor="ray", address="auto", workers=3)))
    for part in asked[2:]:
        assert (part.block, part.executor, part.address, part.workers) == (64, "ray", "auto", 3)


def test_scene_and_heights_are_made_once_and_again_for_other_images(root, asked, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(root / "tests" / "data" / "scenes" / "city", images)
    for _ in range(2):
        list(city.make(wish(root, tmp_path / "w", images=[images])))
    assert [type(given).kind for given in asked].count("satellite_prepare") == 1
    (images / "sidecar.rpb").write_text("other")
    list(city.make(wish(root, tmp_path / "w", images=[images])))
    kinds = [type(given).kind for given in asked]
    assert kinds.count("satellite_prepare") == kinds.count("satellite_height") == 2
    assert kinds.count("satellite_refine") == 3


def test_what_a_panel_has_as_one_line_of_text_is_taken_apart(root, tmp_path):
    given = wish(root, tmp_path, images="a.tif; b.tif", area="43.1, 1.2 43.2 1.3")
    assert given.images == [Path("a.tif"), Path("b.tif")] and given.area == (43.1, 1.2, 43.2, 1.3)
