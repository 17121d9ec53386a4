"""Captioners: what is taken for a description, what is asked again, what is refused."""

import json

import numpy as np
import pytest
import tiny_transformers as tiny
import torch

from skyworld.errors import UserError
from skyworld.models import checkpoints
from skyworld.models.checkpoints.caption import LONGEST, QUESTION, read_description
from skyworld.models.settings import Settings

GOOD = {
    "scene_type": "outdoor",
    "atmosphere": "a quiet harbour at dusk, oil on canvas",
    "sky_or_ceiling": "a pale sky with a few clouds",
    "ground_or_floor": "wet cobblestones",
    "negative": "people, text",
}


def load(folder):
    return checkpoints.load(
        "captioner", folder, Settings(precision="float32"), torch.device("cpu"), local_only=True, licence="Apache-2.0"
    )


@pytest.fixture(scope="module", params=[tiny.qwen3_vl, tiny.smolvlm])
def captioner(request, tmp_path_factory):
    return load(request.param(tmp_path_factory.mktemp("captioner") / "model"))


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((48, 64, 3), np.float32)


def speaking(captioner, monkeypatch, *answers):
    """A captioner that gives these answers; returns what it was shown and asked."""
    asked, left = [], list(answers)

    def answer(picture, turns):
        asked.append((picture.size, json.loads(json.dumps(turns))))
        return left.pop(0)

    monkeypatch.setattr(captioner, "_answer", answer)
    return asked


def test_a_random_model_is_asked_twice_and_its_nonsense_refused(captioner, picture, monkeypatch):
    monkeypatch.setattr("skyworld.models.checkpoints.caption.WORDS", 8)
    with pytest.raises(UserError, match=r"did not describe the picture, asked twice.*builtin and word the prompt"):
        captioner.describe(picture)


def test_the_model_sees_the_picture(captioner, picture, monkeypatch):
    seen = []
    monkeypatch.setattr("skyworld.models.checkpoints.caption.WORDS", 1)
    model = captioner._models[0]
    generate = model.generate

    def watched(**inputs):
        out = generate(**inputs, return_dict_in_generate=True, output_logits=True)
        seen.append(out.logits[0])
        return out.sequences

    monkeypatch.setattr(model, "generate", watched)
    for shown in (picture, 1 - picture):
        with pytest.raises(UserError):
            captioner.describe(shown)
    assert not torch.allclose(seen[0], seen[2]), "another picture, other words"


def test_a_good_answer_becomes_a_description(captioner, picture, monkeypatch):
    asked = speaking(captioner, monkeypatch, json.dumps(GOOD))
    found = captioner.describe(picture)
    assert (found.scene, found.sky, found.negative) == ("outdoor", GOOD["sky_or_ceiling"], GOOD["negative"])
    assert len(asked) == 1 and asked[0][1][0]["content"][1]["text"] == QUESTION


def test_nonsense_is_answered_with_what_was_wrong(captioner, picture, monkeypatch):
    asked = speaking(captioner, monkeypatch, "What a lovely picture!", json.dumps(GOOD))
    assert captioner.describe(picture).ground == "wet cobblestones"
    assert "it has no { ... }" in asked[1][1][2]["content"][0]["text"]


def test_a_large_picture_is_shown_smaller(captioner, monkeypatch):
    asked = speaking(captioner, monkeypatch, json.dumps(GOOD))
    captioner.describe(np.zeros((1000, 2000, 3), np.float32))
    assert asked[0][0] == (768, 384)


@pytest.mark.parametrize(
    "answer",
    [
        f"```json\n{json.dumps(GOOD, indent=1)}\n```",
        f"<think>It could be {{indoor}}.</think>Here you are: {json.dumps(GOOD)} I hope that helps.",
        str(GOOD),  # single quotes
        json.dumps(GOOD)[:-1] + ",}",
        json.dumps({**GOOD, "scene_type": "Outdoors", "negative": ["people", "text"]}),
    ],
)
def test_the_description_is_found_in_what_models_say_around_it(answer):
    found = read_description(answer)
    assert (found.scene, found.atmosphere, found.negative) == ("outdoor", GOOD["atmosphere"], "people, text")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "no {"),
        ("{scene_type: outdoor}", "not JSON"),
        ("[1, 2]", "no {"),
        ("{1, 2}", "not JSON"),
        (json.dumps({**GOOD, "scene_type": "outdoor or indoor"}), "not outdoor or indoor"),
        (json.dumps({**GOOD, "sky_or_ceiling": "..."}), "sky_or_ceiling"),
        (json.dumps({**GOOD, "ground_or_floor": "only what is seen when one looks straight down"}), "ground_or_floor"),
        (json.dumps({**GOOD, "atmosphere": None}), "atmosphere"),
    ],
)
def test_what_describes_nothing_is_nonsense(answer, problem):
    with pytest.raises(ValueError, match=problem):
        read_description(answer)


def test_an_endless_prompt_is_cut_at_a_word():
    found = read_description(json.dumps({**GOOD, "atmosphere": "grey stones " * 200}))
    assert len(found.atmosphere) <= LONGEST and found.atmosphere.endswith(("grey", "stones"))
