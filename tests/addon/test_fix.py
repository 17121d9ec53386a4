"""Fix It: what goes wrong brings the button that mends it."""

import ast
from pathlib import Path

import bpy
import pytest
from drawn import Drawn, drawn

from skyworld_addon import jobs, preferences
from skyworld_addon.errors import UserError
from skyworld_addon.jobs import session
from skyworld_addon.panels import first_run
from skyworld_addon.panels.fit import FitPanel
from skyworld_addon.panels.fix import ARGUMENTS, FIXES, draw_fix
from skyworld_addon.panels.generate import GeneratePanel
from skyworld_addon.panels.progress import draw_errors, draw_failure
from skyworld_addon.panels.satellite import SatellitePanel
from skyworld_addon.panels.shot import ShotPanel
from skyworld_addon.panels.world import WorldPanel
from skyworld_addon.scene import splats as room

BACKEND = Path(__file__).resolve().parents[2] / "backend/skyworld/errors.py"


def operator(identifier):
    module, name = identifier.split(".")
    return getattr(getattr(bpy.ops, module), name).get_rna_type()


def fix_button(layout):
    """(operator, text) of the one button that says Fix It."""
    (found,) = [call for call in layout.calls if call[0] == "operator" and "Fix It" in call[-1].get("text", "")]
    return found[1], found[-1]["text"]


@pytest.mark.parametrize("fix", FIXES)
def test_every_fix_has_an_operator_that_takes_its_settings(fix):
    _, identifier, known = FIXES[fix]
    settings = operator(identifier).properties
    for name, value in {**known, **({ARGUMENTS[fix]: "x"} if fix in ARGUMENTS else {})}.items():
        items = getattr(settings[name], "enum_items", None)
        assert not items or value in items
    layout = Drawn()
    draw_fix(layout, fix)
    assert fix_button(layout)[0] == identifier


def test_the_panel_knows_every_fix_of_the_backend():
    tree = ast.parse(BACKEND.read_text(encoding="utf-8"))
    (told,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "FIXES"]
    assert set(ast.literal_eval(told)) <= FIXES.keys()


def test_a_fix_of_a_newer_backend_draws_nothing():
    layout = Drawn()
    draw_fix(layout, "teleport:somewhere")
    assert not layout.calls


def test_a_failed_job_brings_its_sentence_and_its_button(backend, pump):
    session.connect()
    pump(lambda: session.state == "on")
    job = backend.submit("world", {"output": "/w"})
    backend.move(job, "running")
    backend.move(job, "failed", error="owner/depth is not downloaded.", fix="download:depth")
    pump(lambda: session.last_failure())
    layout = Drawn()
    draw_failure(layout, bpy.context, session.last_failure())
    assert "owner/depth is not downloaded." in " ".join(layout.texts)
    assert fix_button(layout) == ("skyworld.download_models", "Fix It: Download depth")


def test_a_backend_that_cannot_be_reached_is_started_again_at_one_press(backend, pump, monkeypatch):
    monkeypatch.setattr(jobs, "GIVE_UP_SECONDS", 0.1)
    preferences.get().url = "http://127.0.0.1:9"
    session.connect()
    pump(lambda: session.state == "lost")
    layout = Drawn()
    draw_errors(layout, bpy.context)
    assert "does not answer" in " ".join(layout.texts) and fix_button(layout)[0] == "skyworld.restart_backend"


PANELS = {"fit": FitPanel, "satellite": SatellitePanel, "shot": ShotPanel, "world": WorldPanel, "new": GeneratePanel}


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("fit", "fit"),
        ("skyworld.fit_pictures", "fit"),
        ("satellite_city", "satellite"),
        ("skyworld.show_satellite_area", "satellite"),
        ("SKYWORLD", "shot"),
        ("proxy", "shot"),
        ("skyworld.export_splats", "world"),
        ("world", "new"),
        ("skyworld.start_backend", "new"),
        ("", "new"),
    ],
)
def test_an_error_stands_in_the_panel_whose_button_led_to_it_and_nowhere_else(backend, place, shown):
    session.tell(UserError("The backend has ended", fix="restart"), place)
    for name, panel in PANELS.items():
        layout = drawn(panel.draw, bpy.context)
        assert ("The backend has ended." in layout.texts) == (name == shown), name
        if name == shown:
            assert fix_button(layout)[0] == "skyworld.restart_backend"
        if hasattr(panel, "draw_header_preset"):
            header = drawn(panel.draw_header_preset, bpy.context)
            assert bool(header.calls) == (name == shown), "a closed panel shows it in its header"


def test_a_backend_lost_while_it_makes_a_city_is_told_where_the_city_is_made(backend, pump, monkeypatch):
    monkeypatch.setattr(jobs, "GIVE_UP_SECONDS", 0.1)
    session.connect()
    pump(lambda: session.state == "on")
    job = backend.submit("satellite_city", {"output": "/w"})
    backend.move(job, "running")
    pump(lambda: session.active())
    backend.close()
    pump(lambda: session.state == "lost")
    assert session.place == "satellite_city"
    assert session.active() is None, "whether it goes on is not known: the button may be pressed again"


def test_a_render_without_backend_brings_the_button_into_the_panel_shot(splats, tmp_path, monkeypatch):
    monkeypatch.setenv("SKYWORLD_BACKEND_PYTHON", str(tmp_path / "python"))
    scene = bpy.context.scene
    room.add("hill", splats(), scene.collection)
    bpy.ops.skyworld.add_flythrough()
    scene.render.engine, scene.render.resolution_x, scene.render.resolution_y = "SKYWORLD", 32, 18
    with pytest.raises(RuntimeError, match="not installed"):
        bpy.ops.render.render()
    assert fix_button(drawn(ShotPanel.draw, bpy.context)) == ("skyworld.install_backend", "Fix It: Install the Backend")


def test_buttons_that_wait_for_a_job_of_another_panel_say_so(backend, pump):
    session.connect()
    pump(lambda: session.state == "on")
    job = backend.submit("satellite_city", {"output": "/w"})
    backend.move(job, "running")
    backend.progress(job, fraction=0.22)
    pump(lambda: (session.active() or {}).get("progress"))
    assert "City is running: 22%" in drawn(GeneratePanel.draw, bpy.context).texts
    assert "City is running: 22%" not in drawn(SatellitePanel.draw, bpy.context).texts


def test_a_wrong_token_leads_to_the_preferences(backend, pump):
    preferences.get().token = "wrong"
    session.connect()
    pump(lambda: session.state == "lost")
    assert session.fix == "preferences"


def test_a_missing_photograph_is_replaced_at_one_press(tmp_path):
    scene = bpy.context.scene
    scene.skyworld.photo = str(tmp_path / "gone.jpg")
    with pytest.raises(RuntimeError, match="no such picture"):
        bpy.ops.skyworld.generate_world()
    assert session.fix == "choose:photo"
    bpy.ops.skyworld.choose_path(field="photo", filepath=str(tmp_path / "here.jpg"), directory=str(tmp_path))
    assert scene.skyworld.photo == str(tmp_path / "here.jpg") and session.error == session.fix == ""
    bpy.ops.skyworld.choose_path(field="output", filepath=str(tmp_path / "x"), directory=str(tmp_path))
    assert Path(scene.skyworld.output) == tmp_path
    bpy.ops.skyworld.choose_path(field="output", kind="fit", filepath="", directory=str(tmp_path / "fit"))
    assert Path(scene.skyworld_fit.output) == tmp_path / "fit"


def test_smaller_models_go_down_to_the_built_in_ones():
    group = bpy.context.scene.skyworld
    group.profile, group.inpainter = "16gb", "owner/painter"
    seen = []
    for _ in range(3):
        bpy.ops.skyworld.use_models(profile="SMALLER")
        seen.append(group.profile)
    assert seen == ["8gb", "builtin", "builtin"] and group.inpainter == ""


def test_an_error_that_no_button_mends_stays_out_of_the_panel():
    bpy.ops.curve.primitive_bezier_curve_add()
    bpy.context.object.data.splines.clear()
    with pytest.raises(RuntimeError, match="no points"):
        bpy.ops.skyworld.add_walk()
    assert session.error == ""


def test_the_first_run_page_tells_what_both_ways_cost():
    assert first_run.needs_installation()
    layout = drawn(lambda self, context: first_run.draw_installation(self.layout, context), bpy.context)
    said = " ".join(layout.texts)
    for cost in ("Download", "On disk", "A world", "Needs", "Licence", "0.5 GB", "23 to 61 GB", "NVIDIA"):
        assert cost in said
    buttons = [call[-1]["text"] for call in layout.calls if call[1:2] == ("skyworld.install_backend",)]
    assert buttons == ["Use Built-in Models", "Set Up the GPU Backend"]
    assert fix_button(layout)[0] == "extensions.userpref_allow_online", "this Blender may not use the network"


def test_the_sizes_of_the_first_run_page_are_those_of_the_profiles():
    import tomllib

    document = tomllib.loads((BACKEND.parent / "models/profiles.toml").read_text(encoding="utf-8"))
    sizes = []
    for profile in document["profiles"].values():
        used = {each[key] for each in profile["roles"].values() for key in ("checkpoint", "with") if key in each}
        sizes.append(round(sum(document["checkpoints"][name]["download_gb"] for name in used)))
    assert f"{min(sizes)} to {max(sizes)} GB" in dict(first_run.GPU)["Download"]


def test_a_user_error_says_file_problem_and_what_to_do():
    error = UserError("cannot be read ({reason})", file="a.ply", hint="Choose another file.", reason="full")
    assert str(error) == "a.ply: cannot be read (full). Choose another file."
