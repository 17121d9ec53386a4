"""The parameter models and what is made from them."""

import json
from pathlib import Path

import pytest

from skyworld.errors import UserError
from skyworld.parameters import KINDS, PathParameters, check, describe, description

GENERATED = Path(__file__).parents[3] / "skyworld_addon" / "parameters.json"


def test_the_addons_description_is_fresh():
    assert GENERATED.read_text(encoding="utf-8") == description(), (
        "stale: run python -m skyworld.parameters skyworld_addon/parameters.json"
    )


def test_every_field_has_words_for_the_artist():
    for kind, fields in json.loads(description()).items():
        for field in fields:
            assert field["title"] and field["description"], (kind, field["name"])


def test_limits_are_inclusive_so_that_blender_can_hold_them():
    for model in KINDS.values():
        assert "exclusive" not in json.dumps(model.model_json_schema())


@pytest.mark.parametrize("kind", KINDS)
def test_the_described_defaults_limits_and_items_pass_the_models_own_check(kind):
    given = {"list": ["x"]}
    needed = {f["name"]: given.get(f["type"], "x") for f in describe(KINDS[kind]) if f["required"]}
    needed |= {"photo": "x"} if kind == "world" else {}  # one of three things to start from
    for field in describe(KINDS[kind]):
        if field["name"] not in needed:
            values = [field["default"], field["min"], field["max"], *(field["items"] or [])]
            for value in values:
                if value is not None:
                    KINDS[kind](**needed, **{field["name"]: value})


def test_a_field_whose_name_is_taken_answers_to_both_of_its_names():
    common = {"world": "w", "output": "o.json"}
    assert PathParameters(**common, kind="orbit") == PathParameters(**common, type="orbit")


def test_a_misspelt_parameter_is_refused():
    with pytest.raises(ValueError, match="framse"):
        PathParameters(world="w", output="o.json", framse=3)


def test_a_world_starts_from_a_photograph_a_sentence_or_a_panorama():
    for start in ({"photo": "a.jpg"}, {"prompt": "a quiet harbour"}, {"panorama": "b.png"}):
        check(KINDS["world"], {"output": "w", **start})
    with pytest.raises(UserError, match="Give a photograph, a prompt or a panorama to start from"):
        check(KINDS["world"], {"output": "w"})


def test_holding_every_picture_back_is_refused_before_the_job():
    with pytest.raises(UserError, match="Hold Out: 1 would keep every picture back"):
        check(KINDS["fit"], {"pictures": "p", "output": "w", "hold_out": 1})
