"""The command `measure`, on pictures in files."""

import json

import numpy as np
import pytest
from PIL import Image

from skyworld.cli import main

RNG = np.random.default_rng(4)
PIXELS = RNG.integers(60, 190, (3, 100, 120, 3), np.uint8)


@pytest.fixture
def folders(tmp_path):
    """Three pictures, and the same ten levels brighter."""
    for name, shift in (("frames", 0), ("truth", 10)):
        (tmp_path / name).mkdir()
        for i, pixels in enumerate(PIXELS):
            Image.fromarray(pixels + np.uint8(shift)).save(tmp_path / name / f"{i}.png")
    return tmp_path / "frames", tmp_path / "truth"


def told(capsys, *words) -> str:
    assert main(["measure", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_folders_are_measured_picture_by_picture(folders, capsys):
    result = json.loads(told(capsys, *folders, "--metrics", "psnr", "sharpness_difference", "--json"))
    assert result["metrics"]["psnr"] == pytest.approx(20 * np.log10(255 / 10), abs=1e-4)
    assert result["metrics"]["sharpness_difference"] > 60 and result["skipped"] == {}


def test_without_names_all_that_apply_are_measured_and_the_rest_skipped_with_a_reason(folders, capsys):
    lines = dict(line.split(maxsplit=1) for line in told(capsys, *folders).splitlines())
    assert "higher is better" in lines["psnr"] and lines["niqe"].startswith("skipped: niqe_modelparameters.mat")
    assert "clip_score" not in lines and "seam_ratio" not in lines
    alone = told(capsys, folders[0])
    assert "psnr" not in alone and "niqe" in alone


def test_panoramas_are_known_by_their_shape(tmp_path, capsys):
    Image.fromarray(RNG.integers(0, 255, (64, 128, 3), np.uint8)).save(tmp_path / "p.png")
    assert "seam_ratio" in told(capsys, tmp_path / "p.png")


def test_distances_of_sets_may_be_taken_over_patches(tmp_path, capsys, monkeypatch):
    Image.fromarray(RNG.integers(0, 255, (600, 700, 3), np.uint8)).save(tmp_path / "p.png")
    seen = []
    monkeypatch.setattr("skyworld.evaluate.registry.Metric.available", lambda *_: None)
    monkeypatch.setattr("skyworld.evaluate.distribution.cmmd", lambda *sets: seen.extend(sets[:2]) or 0.0)
    told(capsys, tmp_path / "p.png", tmp_path / "p.png", "--metrics", "cmmd", "psnr", "--patches")
    assert [len(each) for each in seen] == [9 * 16] * 2 and seen[0][0].shape == (512, 512, 3)
    Image.new("RGB", (400, 600)).save(tmp_path / "small.png")
    words = (tmp_path / "small.png", tmp_path / "p.png", "--metrics", "cmmd", "--patches")
    assert "skipped: a picture of 400x600 pixels has no patch" in told(capsys, *words)


def test_equal_pictures_make_json_that_every_reader_takes(folders, capsys):
    words = (folders[0] / "0.png", folders[0] / "0.png", "--metrics", "psnr", "--json")
    assert json.loads(told(capsys, *words), parse_constant=pytest.fail)["metrics"]["psnr"] == "inf"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["frames/0.png", "frames/1.png", "--metrics", "pnsr"], "no metric is called pnsr"),
        (["empty"], "holds no pictures"),
        (["frames/nothing.png"], "there is no such file"),
    ],
)
def test_a_mistake_is_one_sentence(folders, tmp_path, monkeypatch, capsys, words, says):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["measure", *words]) == 2
    assert says in capsys.readouterr().err
