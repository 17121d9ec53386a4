"""The add-on in a real Blender window: scripts that drive it and assert, and leave pictures to be looked at."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def in_window(script, picture):
    """Runs a script of this folder in the window that the tool named by BLENDER_GUI opens."""
    tool, extension = os.environ.get("BLENDER_GUI"), os.environ.get("SKYWORLD_EXTENSION")
    if not tool:
        pytest.skip("BLENDER_GUI does not name a script that opens a Blender window")
    if not extension or not Path(extension).is_file():
        pytest.skip("SKYWORLD_EXTENSION does not name the extension's zip (`python build.py extension` makes it)")
    env = {**os.environ, "BG_BINDS": str(REPOSITORY), "BG_PASS_REPOSITORY": str(REPOSITORY), "BG_SIZE": "1600x1200"}
    command = ["bash", tool, "shot", extension, str(HERE / script), str(picture)]
    said = subprocess.run(command, env=env, capture_output=True, text=True, timeout=400)
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-2000:]
    kept = os.environ.get("SKYWORLD_PICTURES")
    if kept:
        shutil.copytree(picture.parent, kept, dirs_exist_ok=True)
    return said.stdout


def test_the_panel_leads_from_a_photograph_to_a_world_in_the_scene(tmp_path):
    in_window("panel.py", tmp_path / "pictures" / "panel.png")
    for state in ("first", "ready", "running", "cancelling", "failed", "done", "lost"):
        assert (tmp_path / "pictures" / f"panel-{state}.png").stat().st_size > 5_000


def test_render_shot_writes_frames_and_film_while_the_window_lives(tmp_path):
    in_window("shot.py", tmp_path / "pictures" / "shot.png")
