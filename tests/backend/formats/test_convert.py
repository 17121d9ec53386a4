"""The command `convert`, from file to file."""

import pytest
import torch
from known_scenes import assert_same, make_scene

from skyworld.cli import main
from skyworld.splats import formats
from skyworld.splats.edit import crop_box, merge, placement
from skyworld.splats.formats.ply import write_ply


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.ply"
    write_ply(path, make_scene(count=300))
    return path


def convert(*words) -> int:
    return main(["convert", *map(str, words)])


def test_a_file_becomes_one_of_another_format_and_what_that_keeps_is_told(source, tmp_path, capsys):
    assert convert(source, tmp_path / "b.glb") == 0
    assert_same(formats.read(tmp_path / "b.glb"), formats.read(source))
    told = capsys.readouterr().out
    assert "300 Gaussians, harmonics of degree 3" in told and "keeps everything in float32" in told


def test_several_files_become_one(source, tmp_path):
    formats.write(tmp_path / "b.glb", make_scene(count=40, degree=1, seed=5))
    assert convert(source, tmp_path / "b.glb", tmp_path / "both.ply") == 0
    expected = merge([make_scene(count=300), make_scene(count=40, degree=1, seed=5)])
    assert_same(formats.read(tmp_path / "both.ply"), expected)


def test_cropping_comes_before_placing(source, tmp_path):
    box = ["--crop-box", -5, -20, -20, 20, 20, 20]
    place = ["--scale", 2, "--rotate", 0, 0, 1, 90, "--translate", 0, 0, 100]
    assert convert(source, tmp_path / "b.ply", *box, *place, "--sh-degree", 1) == 0
    expected = crop_box(make_scene(count=300), (-5, -20, -20), (20, 20, 20))
    expected.sh = expected.sh[:, :4]
    expected = expected.transformed(placement(translate=(0, 0, 100), degrees=90, scale=2))
    assert_same(formats.read(tmp_path / "b.ply"), expected, tolerance=1e-5)


def test_a_capture_stands_upright_in_glb_if_its_up_is_told(source, tmp_path):
    assert convert(source, tmp_path / "b.glb", "--y-down") == 0
    assert_same(formats.read(tmp_path / "b.glb", up="-y"), make_scene(count=300))
    assert convert(tmp_path / "b.glb", tmp_path / "c.ply", "--y-down") == 0
    assert_same(formats.read(tmp_path / "c.ply"), make_scene(count=300))


def test_a_file_that_is_there_is_written_over_only_by_force(source, tmp_path, capsys):
    there = tmp_path / "b.ply"
    there.write_bytes(b"precious")
    assert convert(source, there) == 2
    assert "--force" in capsys.readouterr().err and there.read_bytes() == b"precious"
    assert convert(source, there, "--force") == 0 and len(formats.read(there)) == 300


def test_broken_gaussians_are_counted_and_left_out_only_if_asked_for(tmp_path, capsys):
    gaussians = make_scene(count=50)
    gaussians.means[7], gaussians.sh[9, 5] = torch.nan, torch.inf
    write_ply(tmp_path / "a.ply", gaussians)
    assert convert(tmp_path / "a.ply", tmp_path / "b.ply") == 2
    assert "means of 1, sh of 1 of 50 Gaussians. `skyworld convert --drop-broken`" in capsys.readouterr().err
    with pytest.warns(formats.FormatLoss, match="2 of 50 Gaussians"):
        assert convert(tmp_path / "a.ply", tmp_path / "b.ply", "--drop-broken") == 0
    assert len(formats.read(tmp_path / "b.ply")) == 48


def test_a_crop_that_leaves_nothing_writes_nothing(source, tmp_path, capsys):
    assert convert(source, tmp_path / "b.ply", "--crop-sphere", 900, 0, 0, 1) == 2
    assert "nothing of it lies" in capsys.readouterr().err and not (tmp_path / "b.ply").exists()
