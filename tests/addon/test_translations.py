"""Words: all that the add-on says can be translated, and German is there."""

import re
from types import SimpleNamespace

import bpy
import messages
import pytest
from drawn import drawn

from skyworld_addon.errors import UserError
from skyworld_addon.panels.generate import GeneratePanel
from skyworld_addon.translations import _state, dictionary, said

GERMAN = dictionary.LANGUAGES["de_DE"]


@pytest.fixture
def german(monkeypatch):
    """What `said` answers where Blender is set to German; this Blender has no languages, the real window has."""
    monkeypatch.setitem(_state, "translate", lambda message: GERMAN.get(message, message))


def braces(text):
    return sorted(re.findall(r"{[^}]*}", text))


def test_german_says_nearly_all_that_the_add_on_says():
    """What is missing is said in English; `python tests/addon/messages.py` writes it, ready to be filled in."""
    template = messages.template()
    missing = sorted(template - GERMAN.keys())
    assert len(template) > 600 and len(missing) < 0.03 * len(template), missing


def test_a_translation_keeps_every_value_and_is_not_empty():
    for message, text in GERMAN.items():
        assert text.strip() and braces(text) == braces(message), message
        assert text.endswith("…") == message.endswith("…"), message


def test_blender_is_given_every_language_and_asked_to_forget_it(monkeypatch):
    told = []
    monkeypatch.setattr(dictionary, "bpy", SimpleNamespace(app=SimpleNamespace(translations=Translations(told))))
    dictionary.register()
    assert said("Fly-through") == "FLY-THROUGH (SkyWorld)", "our word, whatever Blender means by it"
    assert said("Vertex") == "VERTEX (*)"
    dictionary.unregister()
    (name, given), (forgotten,) = told
    assert (
        name == forgotten and given["de_DE"]["Operator", "Fly-through"] == given["de_DE"]["*", "Fly-through"] == "Flug"
    )
    assert said("Fly-through") == "Fly-through"


class Translations:
    """Blender's, as far as they are used."""

    def __init__(self, told):
        self.register = lambda *what: told.append(what)
        self.unregister = lambda *what: told.append(what)
        self.pgettext_iface = lambda message, context="*": f"{message.upper()} ({context})"
        self.locale = "de_DE"


def test_what_is_put_together_is_said_in_german(german):
    assert said("{count} frames imported", count=3) == "3 Frames importiert"
    error = UserError("cannot be read ({reason})", file="a.ply", hint="Choose another file", reason="x")
    assert str(error) == "a.ply: lässt sich nicht lesen (x). Wähle eine andere Datei."


def test_a_reason_and_a_label_stay_english_in_english():
    assert said("Fix It") == "Fix It"
    texts = drawn(lambda self, context: GeneratePanel.draw(self, context), bpy.context).texts
    assert any("Choose one." in text for text in texts)
