"""The command `skyworld`: its words are the parameters' words, its mistakes are one sentence."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from skyworld import cli, doctor
from skyworld.parameters import KINDS, TOOLS, check, describe
from skyworld.progress import Progress
from skyworld.world import World

MODELS = {**KINDS, **TOOLS}
SKYWORLD = [sys.executable, "-m", "skyworld"]


def skyworld(*words, **more):
    return subprocess.run([*SKYWORLD, *map(str, words)], capture_output=True, text=True, timeout=60, **more)


def parsed(*words):
    name, *rest = words
    return check(MODELS[name], vars(cli.job_parser(name).parse_args(rest)))


def test_help_names_every_command_and_loads_nothing_heavy():
    code = """
import sys
from skyworld.cli import main
try:
    main(["--help"])
finally:
    print([name for name in ("numpy", "torch", "pydantic", "PIL") if name in sys.modules], file=sys.stderr)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert all(name in told.stdout for name in ("world", "path", "render", "export", "serve", "doctor"))
    assert told.stderr.strip() == "[]"


def test_help_takes_less_than_a_third_of_a_second_of_computing():
    before = os.times()
    assert skyworld("--help").returncode == 0
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 0.3


def test_the_summary_of_a_command_is_that_of_its_parameters():
    assert {kind: model.__doc__.splitlines()[0] for kind, model in MODELS.items()} == {
        **cli.JOBS,
        **cli.grouped(),
        **cli.INNER,
        **cli.TOOLS,
    }


@pytest.mark.parametrize("kind", MODELS)
def test_help_of_a_command_tells_label_description_limits_and_default(kind):
    told = " ".join(cli.job_parser(kind).format_help().split())
    assert "default )" not in told, "an empty text is no default to tell"
    for field in describe(MODELS[kind]):
        assert f"{field['title']}. {field['description']}"[:60] in told.replace("- ", "-")
        if field["default"] not in (None, "") and field["type"] not in ("bool", "enum", "list"):
            default = field["default"]
            assert f"default {default if isinstance(default, str) else f'{default:.10g}'}" in told


def test_the_documented_command_lines_are_understood():
    world = parsed("world", "photo.jpg", "-o", "w", "--fov", "70", "--pitch", "-5", "--panorama-width", "1024")
    assert (world.photo, world.output) == (Path("photo.jpg"), Path("w"))
    assert (world.fov, world.pitch, world.panorama_width, world.seed) == (70, -5, 1024, 0)
    path = parsed("path", "w", "--kind", "orbit", "-o", "p.json")
    assert (path.world, path.type, path.output) == (Path("w"), "orbit", Path("p.json"))
    render = parsed("render", "w", "--path", "p.json", "-o", "frames", "--depth", "--video", "v.mp4")
    assert render.depth and render.video == Path("v.mp4") and not parsed("render", "w", "--path", "p", "-o", "f").depth
    assert parsed("export", "w", "-o", "a.ply").output == Path("a.ply")
    convert = parsed("convert", "a.ply", "b.spz", "c.sog", "--crop-sphere", "0", "0", "-1.5", "9", "--y-down")
    assert (convert.sources, convert.output) == ([Path("a.ply"), Path("b.spz")], Path("c.sog"))
    assert (convert.crop_sphere, convert.y_down, convert.crop_box) == ((0, 0, -1.5, 9), True, None)
    measure = parsed("measure", "a.png", "b.png", "--metrics", "psnr", "ssim", "--json")
    assert (measure.pictures, measure.reference, measure.metrics) == (Path("a.png"), Path("b.png"), ["psnr", "ssim"])
    assert measure.as_json and parsed("measure", "frames").reference is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["world"], "required: -o/--output"),
        (["wrold", "photo.jpg"], "invalid choice: 'wrold'"),
        (["world", "a.jpg", "-o", "w", "--cube", "99"], "Walking Room: input should be less than or equal to 10"),
        (["world", "a.jpg", "-o", "w", "--pitch", "up"], "Pitch: input should be a valid number"),
        (["world", "a.jpg", "-o", "w", "--quality", "best"], "invalid choice: 'best'"),
        (["world", "nowhere.jpg", "-o", "w"], "nowhere.jpg: there is no such picture"),
        (["world", "--panorama", "nowhere.png", "-o", "w"], "nowhere.png: there is no such picture"),
        (["world", "-o", "w", "--prompt", "a harbour"], "cannot make a world from a sentence alone"),
        (["train", "nowhere", "-o", "m", "--base", "scratch"], "nowhere: holds no pictures"),
        (["path", "nowhere", "-o", "p.json"], "nowhere"),
        (["render", "nowhere", "--path", "p.json", "-o", "frames"], "nowhere"),
        (["export", "nowhere", "-o", "a.ply"], "nowhere"),
        (["convert", "nowhere.ply"], "required: OUT"),
        (["convert", "nowhere.ply", "a.ply"], "nowhere.ply: there is no such file"),
        (["convert", "a.ply", "b.obj"], "ends like no format"),
        (["convert", "a.ply", "b.ply", "--crop-box", "1", "2"], "expected 6 arguments"),
        (["convert", "a.ply", "b.ply", "--sh-degree", "4"], "Harmonics: input should be less than or equal to 3"),
        (["measure", "nowhere.png"], "nowhere.png: there is no such file"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(words, says, tmp_path):
    told = skyworld(*words, cwd=tmp_path)
    assert told.returncode == 2 and told.stdout == ""
    last = told.stderr.strip().splitlines()[-1]
    assert says in last and "Traceback" not in told.stderr
    assert os.listdir(tmp_path) == [], "nothing may be left behind"


@pytest.fixture
def tiny(monkeypatch):
    """Replaces the pipeline of `export` by the given one."""

    def install(pipeline):
        monkeypatch.setattr("skyworld.service.pipelines.PIPELINES", {"export": f"{__name__}:run"})
        monkeypatch.setitem(sys.modules, __name__, type(sys)(__name__))
        sys.modules[__name__].run = pipeline

    return install


def two_stages(parameters):
    for stage, overall in (("first", 0.0), ("first", 0.4), ("second", 0.5), ("second", 1.0)):
        yield Progress(0.5, "at it", stage=stage, overall=overall)


def test_a_job_tells_its_stages_on_stderr_and_its_result_on_stdout(tiny, capsys):
    tiny(two_stages)
    assert cli.main(["export", "w", "-o", "a.ply"]) == 0
    told = capsys.readouterr()
    assert told.out == "a.ply\n"
    assert [line.split()[-1] for line in told.err.splitlines()] == ["first", "second"]


def test_another_program_may_have_the_progress_as_json(tiny, capsys, monkeypatch):
    import json

    monkeypatch.setenv("SKYWORLD_PROGRESS", "json")
    tiny(two_stages)
    cli.main(["export", "w", "-o", "a.ply"])
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [state["fraction"] for state in told] == [0.0, 0.4, 0.5, 1.0]


def test_in_a_terminal_one_line_is_redrawn_and_mistakes_are_red(tmp_path):
    Image.new("RGB", (10, 10)).save(tmp_path / "tiny.png")
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "SKYWORLD_PROGRESS")}
    words = [*SKYWORLD, "world", tmp_path / "tiny.png", "-o", tmp_path / "w"]
    child = subprocess.Popen(words, stderr=theirs, stdout=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    told = b""
    try:
        while chunk := os.read(ours, 4096):
            told += chunk
    except OSError:  # Linux's way to say that the other end is closed
        pass
    assert child.wait() == 2
    assert "░░░".encode() in told and b"\r\x1b[2K" in told
    assert b"\x1b[31m" in told and b"too small" in told


@pytest.fixture
def heeding_ctrl_c():
    """What a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_ctrl_c_says_cancelled_and_the_world_still_opens(tiny, tmp_path, capsys):
    def endless(parameters):
        world = World.create(tmp_path / "w")

        def make(folder):
            while True:
                time.sleep(0.01)
                yield Progress(0.1)

        yield from world.stage("endless", {}, (), make)

    tiny(endless)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert cli.main(["export", "w", "-o", "a.ply"]) == 130
    assert "cancelled" in capsys.readouterr().err
    assert World.open(tmp_path / "w").document["stages"] == {}


def test_the_doctor_finds_this_machine_able():
    found = {check.name: check for check in doctor.examine()}
    assert {"Python", "torch", "device", "kernels", "ffmpeg", "memory"} <= set(found)
    assert found["torch"].good and found["ffmpeg"].good


def test_the_doctor_names_what_is_missing_and_how_to_mend_it(monkeypatch, capsys):
    missing = doctor.Check("gsplat", "missing: pip install gsplat", False)
    monkeypatch.setattr(doctor, "examine", lambda: iter([doctor.Check("torch", "2"), missing]))
    assert cli.main(["doctor"]) == 1
    assert "! gsplat           missing: pip install gsplat" in capsys.readouterr().out


def test_serve_prints_the_handshake_and_ends_with_its_input(tmp_path):
    told = skyworld("serve", "--state", tmp_path, input="")
    assert told.returncode == 0 and '"token"' in told.stdout.splitlines()[0]
