"""From a photograph to frames and a film on the command line, as a user would do it."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from skyworld.evaluate.fidelity import native_width, panorama_fidelity, report
from skyworld.world import World


def test_a_photograph_becomes_a_world_that_keeps_it(made_world):
    measured = report(made_world)
    assert measured["panorama PSNR, native"] >= 35
    assert measured["splats PSNR, 512 px"] >= 24
    assert measured["mean alpha in the cube"] >= 0.98
    assert measured["seam ratio"] <= 1.2


def test_the_world_folder_says_what_it_is_and_what_made_it(made_world):
    document = json.loads((made_world / "world.json").read_text())
    assert (document["units"], document["up_axis"], document["format"]) == ("metre", "Z", 1)
    assert all(model["builtin"] and model["licence"] for model in document["models"])
    assert document["photograph"]["camera"]["width"] == 480
    assert np.allclose(document["panorama"]["position"], (0, 0, 1.6))
    for name in ("panorama.png", "distance.exr", "points.ply", "splats.ply"):
        assert (made_world / name).stat().st_size > 1000


def test_the_photographs_camera_finds_the_photograph_in_the_panorama_and_a_turned_one_does_not(made_world):
    world = World.open(made_world)
    right = panorama_fidelity(world, native_width(world))
    camera = world.document["photograph"]["camera"]
    turned = np.array(camera["camera_to_world"])
    turned[:3, :3] = turned[:3, :3] @ [[0.995, 0, 0.0998], [0, 1, 0], [-0.0998, 0, 0.995]]
    world.document["photograph"]["camera"] = {**camera, "camera_to_world": turned.tolist()}
    assert panorama_fidelity(world, native_width(world)) < right - 8


@pytest.mark.parametrize("kind", ["orbit", "flythrough"])
def test_a_path_is_rendered_to_frames_depth_and_a_film(made_world, tmp_path, kind, skyworld):
    path = tmp_path / f"{kind}.json"
    size = ("--frames", "4", "--width", "160", "--height", "90")
    run = skyworld("path", made_world, "--kind", kind, "-o", path, *size)
    assert run.returncode == 0, run.stderr
    film = tmp_path / "shot.mp4"
    run = skyworld("render", made_world, "--path", path, "-o", tmp_path / "frames", "--depth", "--video", film)
    assert run.returncode == 0, run.stderr
    frames = sorted((tmp_path / "frames").glob("frame_*.png"))
    assert len(frames) == 4 and len(list((tmp_path / "frames").glob("depth_*.exr"))) == 4
    pictures = [np.asarray(Image.open(frame), float) for frame in frames]
    assert pictures[0].shape == (90, 160, 3)
    assert all(picture.std() > 10 for picture in pictures), "something is to be seen"
    assert np.abs(pictures[0] - pictures[2]).mean() > 2, "the camera moves"
    assert film.stat().st_size > 1000


def test_an_export_is_the_worlds_splats_and_opens_again(made_world, tmp_path, skyworld):
    from skyworld.splats.formats.ply import read_ply

    file = tmp_path / "village.ply"
    run = skyworld("export", made_world, "-o", file)
    assert run.returncode == 0, run.stderr
    assert len(read_ply(file)) == len(read_ply(made_world / "splats.ply"))


def test_the_same_command_again_finds_everything_done(made_world, photo, tmp_path, skyworld):
    folder = tmp_path / "again"
    shutil.copytree(made_world, folder)
    before = (folder / "splats.ply").stat().st_mtime_ns
    start = time.monotonic()
    run = skyworld("world", photo, "-o", folder, "--quality", "draft", "--panorama-width", "1024", "--device", "cpu")
    assert run.returncode == 0, run.stderr
    assert (folder / "splats.ply").stat().st_mtime_ns == before
    assert time.monotonic() - start < 10


def test_another_eye_height_redoes_the_distance_but_not_the_panorama_pixels(made_world, photo, tmp_path, skyworld):
    folder = tmp_path / "tall"
    shutil.copytree(made_world, folder)
    command = ("--quality", "draft", "--panorama-width", "1024", "--device", "cpu", "--eye-height", "3.2")
    assert skyworld("world", photo, "-o", folder, *command).returncode == 0
    from skyworld.lift.distance import read_distance

    low = read_distance(made_world / "distance.exr", 1024, 512)
    high = read_distance(folder / "distance.exr", 1024, 512)
    below = slice(400, 512)
    assert np.allclose(np.median(high[below] / low[below]), 2, atol=0.05)


def test_a_job_killed_in_the_middle_leaves_a_world_that_opens_and_goes_on(photo, tmp_path, skyworld):
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "skyworld", "world", photo, "-o", folder, "--quality", "draft"]
    command += ["--panorama-width", "1024", "--device", "cpu"]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (folder / "distance.exr").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    world = World.open(folder)
    assert "panorama" in world.document["stages"]
    made = (folder / "panorama.png").stat().st_mtime_ns
    run = skyworld(*command[3:])
    assert run.returncode == 0, run.stderr
    assert (folder / "panorama.png").stat().st_mtime_ns == made, "the panorama was not made again"
    assert (folder / "splats.ply").exists()


def test_ones_own_panorama_and_distance_take_the_place_of_the_generated(photo, made_world, tmp_path, skyworld):
    folder = tmp_path / "own"
    own = ("--panorama", made_world / "panorama.png", "--distance", made_world / "distance.exr")
    run = skyworld(
        "world", photo, "-o", folder, "--quality", "draft", "--panorama-width", "1024", "--device", "cpu", *own
    )
    assert run.returncode == 0, run.stderr
    ours, theirs = (np.asarray(Image.open(f / "panorama.png")) for f in (folder, made_world))
    assert np.array_equal(ours, theirs)


def _truncated(tmp_path, photo):
    file = tmp_path / "cut.jpg"
    file.write_bytes(photo.read_bytes()[:4000])
    return ("world", file, "-o", tmp_path / "w"), "cut.jpg"


def _empty(tmp_path, photo):
    file = tmp_path / "empty.png"
    file.touch()
    return ("world", file, "-o", tmp_path / "w"), "empty.png"


def _missing(tmp_path, photo):
    return ("world", tmp_path / "none.jpg", "-o", tmp_path / "w"), "none.jpg"


def _tiny(tmp_path, photo):
    Image.new("RGB", (10, 10)).save(tmp_path / "tiny.png")
    return ("world", tmp_path / "tiny.png", "-o", tmp_path / "w"), "tiny.png"


def _not_a_world(tmp_path, photo):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letters.txt").write_text("dear")
    return ("world", photo, "-o", tmp_path / "full"), "full"


def _newer(tmp_path, photo):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "world.json").write_text('{"format": 99}')
    return ("path", tmp_path / "new", "--kind", "orbit", "-o", tmp_path / "p.json"), "new"


def _not_equirect(tmp_path, photo):
    return ("world", photo, "-o", tmp_path / "w", "--panorama", photo), "village.jpg"


def _bad_path(tmp_path, photo):
    (tmp_path / "new").mkdir()
    return ("render", tmp_path / "new", "--path", tmp_path / "p.json", "-o", tmp_path / "f"), "new"


@pytest.mark.parametrize("case", [_truncated, _empty, _missing, _tiny, _not_a_world, _newer, _not_equirect, _bad_path])
def test_bad_input_gets_one_sentence_that_names_it_and_status_2(case, tmp_path, photo, skyworld):
    command, named = case(tmp_path, photo)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    run = skyworld(*command)
    assert run.returncode == 2, run.stdout + run.stderr
    last = [line for line in run.stderr.splitlines() if line.strip()][-1]
    assert named in last and "Traceback" not in run.stderr
    assert all(p.read_bytes() == content for p, content in before.items()), "what was there stays as it was"
