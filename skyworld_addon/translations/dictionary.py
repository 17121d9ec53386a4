"""The dictionaries of all languages, handed to Blender while the add-on is on."""

import bpy

from . import CONTEXT, _state, de

LANGUAGES = {"de_DE": de.MESSAGES}
CONTEXTS = ("*", "Operator", CONTEXT)  # Blender looks labels up in the first, what is written on buttons in the second


def translated(message):
    """Our words before Blender's: pgettext asks them the other way round."""
    ours = bpy.app.translations.pgettext_iface(message, CONTEXT)
    known = message in LANGUAGES.get(bpy.app.translations.locale, {})
    return ours if known else bpy.app.translations.pgettext_iface(message)


def register():
    dictionary = {
        language: {(context, message): text for message, text in messages.items() for context in CONTEXTS}
        for language, messages in LANGUAGES.items()
    }
    bpy.app.translations.register(__package__, dictionary)
    _state["translate"] = translated


def unregister():
    _state["translate"] = str
    bpy.app.translations.unregister(__package__)
