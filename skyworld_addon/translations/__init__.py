"""What the add-on says, in the language that Blender is set to.

Blender itself translates names, tooltips and labels that are given to it as they stand in a dictionary; its own words
come before ours, and are at times about something else: such names are given CONTEXT. `said` is for the rest: sentences
with values in them, and text that is wrapped before it is drawn.
"""

CONTEXT = "SkyWorld"  # in which a name has this add-on's translation and never Blender's

_state = {"translate": str}  # once the dictionaries are registered; readers of files do without Blender


def said(message, **values):
    """The message in Blender's language, its {braces} filled with `values`."""
    text = _state["translate"](message) if message else ""
    return text.format(**values) if values else text
