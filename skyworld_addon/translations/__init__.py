"""What the add-on says, in the language that Blender is set to.

Blender itself translates names, tooltips and labels that are given to it as they stand in a dictionary. `said` is for
the rest: sentences with values in them, and text that is wrapped before it is drawn.
"""

_state = {"translate": str}  # Blender's, once the dictionaries are registered; readers of files do without Blender


def said(message, **values):
    """The message in Blender's language, its {braces} filled with `values`."""
    text = _state["translate"](message) if message else ""
    return text.format(**values) if values else text
