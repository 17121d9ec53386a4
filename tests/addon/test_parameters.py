import bpy
import pytest
from drawn import Drawn

from skyworld_addon import parameters

GROUPS = {"world": "skyworld", "fit": "skyworld_fit"}  # of the scene


def group(kind="world"):
    return getattr(bpy.context.scene, GROUPS[kind])


@pytest.mark.parametrize("kind", GROUPS)
def test_every_field_of_the_file_is_a_property_with_its_limits_and_texts(kind):
    properties = group(kind).bl_rna.properties
    for field in parameters.SCHEMA[kind]:
        found = properties[field["name"]]
        assert (found.name, found.description) == (field["title"], field["description"])
        if field["type"] in parameters.NUMBER:
            low, high = (found.hard_min, found.hard_max) if field["min"] is not None else (None, None)
            assert low == pytest.approx(field["min"], rel=1e-6)
            assert high == pytest.approx(field["max"], rel=1e-6)


@pytest.mark.parametrize("kind", GROUPS)
def test_untouched_parameters_go_out_as_the_backends_defaults(kind):
    values = parameters.to_json(group(kind), kind)
    for field in parameters.SCHEMA[kind]:
        if field["optional"]:
            assert field["name"] not in values
        elif not field["required"]:
            assert values[field["name"]] == field["default"], field["name"]


def test_a_number_that_may_be_left_out_is_sent_only_when_its_box_is_ticked():
    group().pitch = 5
    assert "pitch" not in parameters.to_json(group(), "world")
    group().use_pitch = True
    assert parameters.to_json(group(), "world")["pitch"] == 5


def test_a_number_that_zero_leaves_to_the_program_begins_with_a_sensible_one():
    assert group().fov == 60 and parameters.to_json(group(), "world")["fov"] == 0
    group().use_fov = True
    assert parameters.to_json(group(), "world")["fov"] == 60


def test_a_choice_of_numbers_goes_out_as_a_number():
    group().panorama_width = "4096"
    assert parameters.to_json(group(), "world")["panorama_width"] == 4096


def test_a_path_relative_to_the_blend_file_goes_out_absolute(tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    group().photo = "//hill.jpg"
    assert parameters.to_json(group(), "world")["photo"] == str(tmp_path / "hill.jpg")


def test_an_empty_field_says_what_is_taken_and_is_taken_so():
    group = bpy.context.scene.skyworld_city
    group.curriculum = ""
    shown = Drawn()
    parameters.draw(shown, group, "satellite_city", advanced=False)
    parameters.draw(shown, group, "satellite_city", advanced=True)
    said = {call[2]: call[-1].get("placeholder") for call in shown.calls if call[0] == "prop"}
    assert (said["reference"], said["curriculum"], said["depth"]) == ("The first image", "preview", "None")
    sent = parameters.to_json(group, "satellite_city")
    assert sent["curriculum"] == "preview" and sent["reference"] == ""
