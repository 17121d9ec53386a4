"""The add-on in a real Blender window: scripts that drive it and assert, and leave pictures to be looked at."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def tools():
    """The script that opens a Blender window, and the extension's zip."""
    tool, extension = os.environ.get("BLENDER_GUI"), os.environ.get("SKYWORLD_EXTENSION")
    if not tool:
        pytest.skip("BLENDER_GUI does not name a script that opens a Blender window")
    if not extension or not Path(extension).is_file():
        pytest.skip("SKYWORLD_EXTENSION does not name the extension's zip (`python build.py extension` makes it)")
    return tool, extension


def in_window(script, folder, timeout=600, **settings):
    """Runs a script of this folder in the window that the tool named by BLENDER_GUI opens; what it printed.

    Its pictures are left in `folder` as window-*.png. settings: for its os.environ, as BG_PASS_*.
    """
    tool, extension = tools()
    env = {
        **os.environ,
        "BG_BINDS": str(REPOSITORY),
        "BG_PASS_REPOSITORY": str(REPOSITORY),
        "BG_SIZE": "1600x1200",
        "BG_TIMEOUT": str(timeout),
        **{f"BG_PASS_{name}": value for name, value in settings.items()},
    }
    command = ["bash", tool, "shot", extension, str(HERE / script), str(folder / "window.png")]
    said = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout + 100)
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-2000:]
    kept = os.environ.get("SKYWORLD_PICTURES")
    if kept:
        shutil.copytree(folder, kept, dirs_exist_ok=True)
    return said.stdout


class Window:
    """What several scripts left that ran one after the other in one window."""

    def __init__(self, folder, *scripts):
        self.folder = folder
        self.log = in_window("several.py", folder, SCRIPTS=",".join(scripts))

    def passed(self, script, *pictures):
        """Asserts that a script passed; the sizes of its pictures."""
        assert f"script {script}: passed" in self.log, self.log[-6000:]
        sizes = [(self.folder / f"window-{picture}.png").stat().st_size for picture in pictures]
        assert all(size > 5_000 for size in sizes)
        return sizes


@pytest.fixture(scope="module")
def panels(tmp_path_factory):
    """A window with the panels; the last of the scripts switches the add-on off and on."""
    scripts = ("panel", "fit_panel", "satellite_panel", "models_preferences", "languages")
    return Window(tmp_path_factory.mktemp("panels"), *scripts)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """A window with splats in its viewport; the last of the scripts opens a second one."""
    return Window(tmp_path_factory.mktemp("view"), "viewport", "editing", "drop", "shot")


@pytest.mark.timeout(700)
def test_the_panel_leads_from_a_photograph_to_a_world_in_the_scene(panels):
    states = ("first", "ready", "running", "cancelling", "failed", "done", "lost")
    panels.passed("panel", *(f"panel-{state}" for state in states))


@pytest.mark.timeout(700)
def test_the_panel_leads_from_posed_pictures_to_a_world_in_the_scene(panels):
    panels.passed("fit_panel", *(f"fit-{state}" for state in ("empty", "ready", "running", "failed", "done")))


@pytest.mark.timeout(700)
def test_the_panel_leads_from_satellite_images_to_a_city_in_the_scene(panels):
    states = ("empty", "ready", "running", "lost", "failed", "done", "exported")
    panels.passed("satellite_panel", *(f"satellite-{state}" for state in states))


@pytest.mark.timeout(700)
def test_the_preferences_list_models_and_ask_for_their_licences_before_a_download(panels):
    states = ("first", "listed", "running", "licences")
    panels.passed("models_preferences", *(f"models-{state}" for state in states))


@pytest.mark.timeout(700)
def test_the_panel_speaks_german_is_read_on_light_themes_and_leaves_nothing_behind(panels):
    states = ("dark", "light", "german", "german-first", "enabled-again")
    panels.passed("languages", *(f"lang-{state}" for state in states))


@pytest.mark.timeout(700)
def test_render_shot_writes_frames_and_film_while_the_window_lives(view):
    view.passed("shot")


@pytest.mark.timeout(700)
def test_the_viewport_shows_splats_among_blenders_objects(view):
    states = ("splats", "cube", "path", "hidden")
    *_, path, hidden = view.passed("viewport", *(f"viewport-{state}" for state in states))
    assert hidden < 0.7 * path, "what is hidden is not drawn"


@pytest.mark.timeout(700)
def test_an_artist_picks_crops_selects_deletes_and_takes_it_back(view):
    states = ("picked", "lasso", "deleted", "brush", "crop")
    picked, *_, crop = view.passed("editing", *(f"editing-{state}" for state in states))
    assert crop < 0.9 * picked, "what is cropped away is not drawn"


@pytest.mark.timeout(700)
def test_files_are_dropped_into_the_viewport_and_on_the_tab(view):
    view.passed("drop")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["SKYWORLD", "CYCLES"])
def test_blender_without_a_window_says_that_there_is_no_backend_before_it_renders_and_renders_with_one(
    tmp_path, engine
):
    tool, extension = tools()
    (tmp_path / "home").mkdir()
    env = {**os.environ, "BG_HOME": str(tmp_path / "home"), "BG_BINDS": f"{REPOSITORY}:{Path(extension).parent}"}

    def blender(*arguments):
        command = ["bash", tool, "exec", *map(str, arguments)]
        run = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        return run.returncode, run.stdout + run.stderr

    installed, said = blender("--command", "extension", "install-file", "-r", "user_default", "-e", extension)
    assert installed == 0, said
    blend, attach = tmp_path / "shot.blend", HERE / "farm_backend.py"
    made, said = blender("-b", "--python-exit-code", 3, "--python", HERE / "farm_scene.py", "--", blend, engine)
    assert made == 0, said
    status, said = blender("-b", blend, "-o", tmp_path / "none" / "####", "-a")
    assert status == 1 and "The backend is not installed" in said and not (tmp_path / "none").exists()
    assert "Sample 1/1" not in said and "Fra: 2" not in said, "nothing is rendered first"
    status, said = blender("-b", blend, "--python", attach, "-o", tmp_path / "####", "-a")
    assert status == 0 and {file.name for file in tmp_path.glob("*.png")} == {"0001.png", "0002.png"}, said


@pytest.mark.timeout(900)
def test_a_photograph_becomes_a_world_and_a_frame_with_the_real_backend(tmp_path):
    with backend_process(tmp_path / "state") as said:
        shared = REPOSITORY / "build" / "gui"  # the window sees the repository under its own path
        shutil.rmtree(shared, ignore_errors=True)
        shared.mkdir(parents=True)
        log = in_window(
            "photo_to_shot.py",
            tmp_path,
            URL=said["url"],
            TOKEN=said["token"],
            PHOTO=str(REPOSITORY / "docs" / "sample" / "hill_village.jpg"),
            OUTPUT=str(shared / "world"),
        )
        assert "longest hold of the main thread" in log
        assert (shared / "world" / "shots" / "f12.png").stat().st_size > 50_000


@pytest.mark.timeout(2400)
def test_a_scene_of_satellite_images_becomes_a_city_and_is_refined_with_the_real_backend(tmp_path):
    shared = REPOSITORY / "build" / "gui_city"
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(parents=True)
    episode = {"episodes": [{"elevation": 35, "radius": 45, "fov": 60}], "extent": 40, "grid": 1, "azimuths": 2}
    numbers = {"format": 1, "samples": 1, "pixels": 96, "iterations": 10, "densify_end": 0, "reset_every": 0}
    (shared / "curriculum.json").write_text(json.dumps(episode | numbers))
    with backend_process(tmp_path / "state") as said:
        in_window(
            "satellite_city.py",
            tmp_path,
            timeout=1800,
            URL=said["url"],
            TOKEN=said["token"],
            SCENE=str(REPOSITORY / "tests" / "data" / "scenes" / "city"),
            CURRICULUM=str(shared / "curriculum.json"),
            OUTPUT=str(shared / "city"),
        )
    for state in ("overview", "running", "city", "mesh", "refined"):
        assert (tmp_path / f"window-{state}.png").stat().st_size > 5_000


@contextlib.contextmanager
def backend_process(state):
    """The real backend, as a child that ends with the test."""
    command = [sys.executable, "-m", "skyworld", "serve", "--state", str(state)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(20)
