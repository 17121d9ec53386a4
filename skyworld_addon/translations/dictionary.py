"""The dictionaries of all languages, handed to Blender while the add-on is on."""

import bpy

from . import _state, de

LANGUAGES = {"de_DE": de.MESSAGES}
CONTEXTS = ("*", "Operator")  # Blender looks labels up in the first, and what is written on buttons in the second


def register():
    dictionary = {
        language: {(context, message): text for message, text in messages.items() for context in CONTEXTS}
        for language, messages in LANGUAGES.items()
    }
    bpy.app.translations.register(__package__, dictionary)
    _state["translate"] = bpy.app.translations.pgettext_iface


def unregister():
    _state["translate"] = str
    bpy.app.translations.unregister(__package__)
