"""The world folder: work is not done twice, and whatever is killed, the world on disk opens."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skyworld.errors import UserError
from skyworld.progress import Progress
from skyworld.world import World, atomic_write, digest


def writing(world, name, text, runs=None):
    """A stage's work: writes one file in two steps."""

    def make(folder):
        if runs is not None:
            runs.append(folder)
        yield Progress(0.5, "half")
        with atomic_write(world.path(name)) as path:
            path.write_text(text)
        yield Progress(1.0)

    return make


def run(world, name="draw", inputs=None, text="hello", runs=None):
    return list(world.stage(name, inputs or {"seed": 0}, (f"{name}.txt",), writing(world, f"{name}.txt", text, runs)))


def test_a_stage_that_was_done_is_skipped_in_the_next_session(tmp_path):
    runs = []
    run(World.create(tmp_path / "w"), runs=runs)
    reports = run(World.open(tmp_path / "w"), runs=runs)
    assert len(runs) == 1
    assert [(report.fraction, report.message) for report in reports] == [(1.0, "already done")]


def test_a_stage_is_made_anew_when_its_inputs_change_or_its_output_is_gone(tmp_path):
    world, runs = World.create(tmp_path / "w"), []
    run(world, runs=runs)
    run(world, inputs={"seed": 1}, runs=runs)
    world.path("draw.txt").unlink()
    run(world, inputs={"seed": 1}, runs=runs)
    assert len(runs) == 3


def test_a_changed_stage_changes_those_that_stand_on_it(tmp_path):
    world, runs = World.create(tmp_path / "w"), []
    for seed in (0, 1, 1):
        run(world, "first", {"seed": seed})
        run(world, "second", {"first": world.fingerprint("first")}, runs=runs)
    assert len(runs) == 2


def test_a_cancelled_stage_is_not_recorded_and_finds_its_checkpoint_again(tmp_path):
    world = World.create(tmp_path / "w")
    seen = []

    def make(folder):
        seen.append((folder / "checkpoint").exists())
        (folder / "checkpoint").touch()
        yield Progress(0.5)
        world.path("a.txt").touch()

    work = world.stage("train", {"seed": 0}, ("a.txt",), make)
    next(work)
    work.close()
    assert "train" not in World.open(tmp_path / "w").document["stages"]
    list(world.stage("train", {"seed": 0}, ("a.txt",), make))
    list(world.stage("train", {"seed": 1}, ("a.txt",), make))
    assert seen == [False, True, False], "a checkpoint of other inputs must not be found"


def test_a_stage_that_fails_on_its_way_to_other_inputs_is_not_taken_for_the_old_one(tmp_path):
    world, runs = World.create(tmp_path / "w"), []
    run(world, runs=runs)

    def half(folder):
        world.path("draw.txt").write_text("of two minds")
        yield Progress(0.5)
        raise UserError("no")

    with pytest.raises(UserError):
        list(world.stage("draw", {"seed": 1}, ("draw.txt",), half))
    run(world, runs=runs)
    assert len(runs) == 2 and world.path("draw.txt").read_text() == "hello"


def test_a_stage_that_forgets_an_output_is_a_defect(tmp_path):
    with pytest.raises(RuntimeError, match=r"did not write b\.txt"):
        list(World.create(tmp_path / "w").stage("draw", {}, ("b.txt",), lambda folder: iter(())))


def test_a_world_knows_its_units_and_what_was_recorded(tmp_path):
    World.create(tmp_path / "w").record("prompt", "a village")
    document = json.loads((tmp_path / "w" / "world.json").read_text())
    assert (document["format"], document["units"], document["up_axis"]) == (1, "metre", "Z")
    assert (document["name"], document["prompt"]) == ("w", "a village")


def test_create_goes_on_with_the_world_that_is_there(tmp_path):
    World.create(tmp_path / "w").record("seed", 7)
    assert World.create(tmp_path / "w").document["seed"] == 7


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(UserError, match=r"not a world and not empty \(it holds thesis.doc\)"):
        World.create(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.doc"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"format": 2, "stages": {}}', "newer SkyWorld"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": "x", "stages": {}}', "damaged"),
    ],
)
def test_a_world_that_cannot_be_understood_is_refused_and_left_as_it_was(tmp_path, text, says):
    (tmp_path / "world.json").write_text(text)
    for door in (World.open, World.create):
        with pytest.raises(UserError, match=says):
            door(tmp_path)
    assert (tmp_path / "world.json").read_text() == text and os.listdir(tmp_path) == ["world.json"]


def test_opening_what_is_not_a_world_says_so(tmp_path):
    with pytest.raises(UserError, match=r"holds no world\.json"):
        World.open(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        World.open(tmp_path / "nothing")


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="a file"):
        World.create(tmp_path / "file")
    with pytest.raises(UserError, match="parent folders is a file"):
        World.create(tmp_path / "file" / "w")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission_is_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="may not be written"):
        World.create(tmp_path / "w")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path):
    world = World.create(tmp_path / "w")
    run(world)
    with (
        pytest.raises(UserError, match="disk is full"),
        atomic_write(world.path("draw.txt")),
        open("/dev/full", "w") as full,
    ):
        full.write("x" * 100_000)
    assert world.path("draw.txt").read_text() == "hello"

    def make(folder):
        yield Progress(0.1)
        with open("/dev/full", "w") as full:
            full.write("x" * 100_000)

    with pytest.raises(UserError, match="disk is full"):
        list(world.stage("train", {}, (), make))
    World.open(tmp_path / "w")


def test_an_atomic_write_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a.png") as path:
        assert path.suffix == ".png" and path.parent == tmp_path
        path.write_text("half")
        _ = 1 / 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "link/x"])
def test_nothing_outside_of_the_world_is_reached(tmp_path, path):
    world = World.create(tmp_path / "w")
    (tmp_path / "w" / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="outside of the world"):
        world.path(path)


def test_the_digest_of_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        digest(tmp_path / "x")


OTHER_PROCESS = """
import sys, time
from skyworld.progress import Progress
from skyworld.world import World
world = World.create(sys.argv[1])
def make(folder):
    for step in range(100_000):
        world.record("step", {"number": step, "ballast": "x" * 10_000})
        print(step, flush=True)
        yield Progress(0.0)
for _ in world.stage("long", {}, (), make): pass
"""


@pytest.fixture
def other_process(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "w")], stdout=subprocess.PIPE)
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()


def test_two_processes_do_not_work_on_one_world_but_both_may_read_it(tmp_path, other_process):
    world = World.open(tmp_path / "w")
    assert world.document["name"] == "w"
    with pytest.raises(UserError, match=f"another process .number {other_process.pid}. is working on this world"):
        run(world)


def test_a_killed_process_leaves_a_world_that_opens_and_is_free(tmp_path, other_process):
    for _ in range(20):
        other_process.stdout.readline()
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait()
    world = World.open(tmp_path / "w")
    assert world.document["step"]["number"] >= 20
    run(world)


def test_the_lock_is_given_back_with_the_world(tmp_path):
    run(World.create(tmp_path / "w"))
    child = [
        sys.executable,
        "-c",
        "import sys; from skyworld.world import World; World.open(sys.argv[1]).record('a', 1)",
    ]
    assert subprocess.run([*child, str(tmp_path / "w")]).returncode == 0
