"""An outside program, @playcanvas/splat-transform, reads our files and writes files for us."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
import torch
from known_scenes import assert_same, plain
from PIL import Image

from skyworld.splats import formats
from skyworld.splats.formats.ply import write_ply


@pytest.mark.parametrize(
    ("name", "options", "degree"),
    [
        ("ours.spz", {"version": 2}, 1),
        ("ours.spz", {"version": 3}, 0),
        ("ours.spz", {"version": 3}, 3),
        ("ours.spz", {"version": 4}, 0),
        ("ours.spz", {"version": 4, "sh_bits": (8, 8)}, 2),
        ("ours.compressed.ply", {}, 0),
        ("ours.compressed.ply", {}, 3),
        ("ours.sog", {}, 0),
        ("ours.sog", {}, 2),
        ("ours.ply", {}, 3),
    ],
)
def test_the_judge_reads_in_our_files_what_we_read_in_them(scene, judge, tmp_path, name, options, degree):
    formats.write(tmp_path / name, scene(degree=degree), **options)
    assert_same(formats.read(tmp_path / name), judge(tmp_path / name))


def test_the_judge_reads_our_splat_but_for_its_own_zero_of_quaternions(scene, judge, tmp_path):
    formats.write(tmp_path / "ours.splat", scene(degree=0))
    ours, theirs = formats.read(tmp_path / "ours.splat"), judge(tmp_path / "ours.splat")
    # It takes 127.5 for 0, the viewer that the format comes from takes 128.
    assert (ours.quats - theirs.quats).abs().max() < 2.1 * 0.5 / 127.5
    theirs.quats = ours.quats
    assert_same(ours, theirs)


@pytest.mark.parametrize(
    ("name", "flags", "degree"),
    [
        ("theirs.spz", ("--spz-version", "3"), 3),
        ("theirs.spz", ("--spz-version", "4"), 0),
        ("theirs.spz", ("--spz-version", "4"), 2),
        ("theirs.compressed.ply", (), 0),
        ("theirs.compressed.ply", (), 3),
    ],
)
def test_we_read_in_files_of_the_judge_what_it_reads_in_them(scene, judge, tmp_path, name, flags, degree):
    write_ply(tmp_path / "source.ply", scene(degree=degree))
    theirs = judge(tmp_path / "source.ply", tmp_path / name, *flags)
    assert_same(formats.read(theirs), judge(theirs))


def test_we_read_a_sog_of_the_judge(scene, judge, tmp_path):
    # Few Gaussians: its palette takes minutes for many.
    write_ply(tmp_path / "source.ply", scene(count=400, degree=1))
    theirs = judge(tmp_path / "source.ply", tmp_path / "theirs.sog", "--gpu", "cpu", "-i", "1")
    assert_same(formats.read(theirs), judge(theirs))


def test_we_read_a_sog_of_version_1_as_the_judge_does(judge, tmp_path):
    path = tmp_path / "old.sog"
    _write_sog_1(path, count=150, seed=2)
    assert_same(formats.read(path), judge(path))


def test_our_glb_is_that_of_the_judge(scene, judge, tmp_path):
    gaussians = scene()
    write_ply(tmp_path / "source.ply", gaussians)
    theirs = judge(tmp_path / "source.ply", tmp_path / "theirs.glb")
    formats.write(tmp_path / "ours.glb", gaussians, up="-y")
    assert_same(formats.read(theirs, up="-y"), plain(tmp_path / "source.ply"))
    (ours_json, ours), (theirs_json, theirs) = (_glb(tmp_path / name) for name in ("ours.glb", "theirs.glb"))
    ours_json["asset"].pop("generator"), theirs_json["asset"].pop("generator")
    assert ours_json == theirs_json
    colours = slice(12 * 1500, 16 * 1500)
    octets = [np.frombuffer(data[colours], np.uint8).astype(int) for data in (ours, theirs)]
    assert np.abs(octets[0] - octets[1]).max() <= 1
    floats = [np.frombuffer(data[: colours.start] + data[colours.stop :], "<f4") for data in (ours, theirs)]
    assert np.abs(floats[0] - floats[1]).max() < 2e-6


def test_a_turn_of_ours_is_a_turn_of_the_judge(scene, judge, tmp_path):
    """Euler angles about x: of positions, quaternions and harmonics."""
    gaussians = scene()
    write_ply(tmp_path / "source.ply", gaussians)
    theirs = judge(tmp_path / "source.ply", tmp_path / "turned.ply", "-r", "90,0,0")
    angle = np.pi / 2
    # The judge turns in a space that is half a turn about z away from that of the file.
    half, turn = np.diag([-1.0, -1.0, 1.0, 1.0]), np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert_same(gaussians.transformed(half @ turn @ half), plain(theirs), tolerance=1e-5)


def _glb(path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    size = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def _write_sog_1(path, count: int, seed: int) -> None:
    """A bundle of the first version, made of random bytes."""
    random = np.random.default_rng(seed)
    names = {name: f"{name}.webp" for name in ("means_l", "means_u", "quats", "scales", "sh0", "labels", "centroids")}
    with zipfile.ZipFile(path, "w") as bundle:
        for name, file in names.items():
            shape = (3, 512) if name == "centroids" else (12, 16)
            pixels = random.integers(0, 256, (*shape, 4), np.uint8)
            if name == "quats":
                pixels[..., :3] = 128 + random.integers(-60, 60, (*shape, 3))
                pixels[..., 3] = random.integers(252, 256, shape)
            if name == "labels":
                pixels[..., 0], pixels[..., 1] = pixels[..., 0] % 192, 0
            memory = io.BytesIO()
            Image.fromarray(pixels).save(memory, "WEBP", lossless=True, exact=True)
            bundle.writestr(file, memory.getvalue())
        meta = {
            "means": {"shape": [count, 3], "mins": [-2, -1, -3], "maxs": [2, 1.5, 3],
                      "files": [names["means_l"], names["means_u"]]},
            "scales": {"mins": [-7, -6, -5], "maxs": [0, 1, 2], "files": [names["scales"]]},
            "quats": {"files": [names["quats"]]},
            "sh0": {"mins": [-1, -2, -1, -5], "maxs": [1, 2, 3, 6], "files": [names["sh0"]]},
            "shN": {"mins": -0.8, "maxs": 0.9, "files": [names["centroids"], names["labels"]]},
        }  # fmt: skip
        bundle.writestr("meta.json", json.dumps(meta))


def test_a_shared_scene_reads_equal_from_every_format_that_the_judge_reads(scene, judge, tmp_path):
    """The axes agree: one landmark stands at one place whatever the file."""
    gaussians = scene(count=300, degree=0)
    gaussians.means[0] = torch.tensor([11.0, -7.0, 3.0])
    for name in ("a.ply", "a.splat", "a.spz"):
        formats.write(tmp_path / name, gaussians)
        assert (judge(tmp_path / name).means[0] - gaussians.means[0]).abs().max() < 1e-3
