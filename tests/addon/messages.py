"""Every message that the add-on can say, found in its sources and in what it registers.

python tests/addon/messages.py     # with Blender's module: those that the German dictionary lacks
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "skyworld_addon"
KEYWORDS = {"text", "heading", "placeholder", "title", "confirm_text", "hint"}  # whose values are read by somebody
CALLS = {"said", "UserError", "UnreachableError", "wrapped", "poll_message_set", "_refusal"}  # whose strings are
NAMES = {"problem", "hint", "text", "texts", "title", "failure", "lost", "states"}  # variables that hold such
TABLES = {"NAMES", "BUILT_IN", "GPU", "ALONE", "FIXES", "STATES"}  # names of modules that hold such
OTHERS = {  # said through a parameter: steps of the installation, stages of a job
    *("Making the environment", "Downloading packages", "Compiling"),
    *("Waiting", "Starting", "Panorama", "Distance", "Splats"),
}
NOT_WORDS = {"DATA_PT", "ERROR", "CUDA", "CPU", "builtin", "SMALLER", "photo", "output"}


def of_sources():
    """Messages of the sources: strings of which it is known from where they stand that somebody reads them."""
    found = set()
    for file in SOURCES.rglob("*.py"):
        if file.parent.name != "translations":
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                found.update(_of_node(node))
    return {text for text in found if _is_a_message(text)} | OTHERS


def _of_node(node):
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        for keyword in node.keywords:
            if keyword.arg in KEYWORDS:
                yield from _strings(keyword.value)
        if name in CALLS:
            for argument in node.args:
                yield from _strings(argument)
    elif isinstance(node, ast.Dict):  # **{"text": ...}
        for key, value in zip(node.keys, node.values, strict=True):
            if _is_text(key or node) and key.value in KEYWORDS:
                yield from _strings(value)
    elif isinstance(node, ast.Assign):
        targets = [each for target in node.targets for each in getattr(target, "elts", [target])]
        names = {getattr(target, "id", "") for target in targets}
        if names & TABLES:
            yield from (each.value for each in ast.walk(node.value) if _is_text(each))
        elif names & NAMES:
            yield from _strings(node.value)


def _strings(node):
    """Constants that a value may be; nothing that is put together at run time."""
    if _is_text(node):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_strings(node.body), *_strings(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _strings(value)
    elif isinstance(node, ast.Tuple):
        for value in node.elts:
            yield from _strings(value)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _strings(value)


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_a_message(text):
    """Not an identifier, an icon's name, a path or a number."""
    words = text.replace("…", "").strip()
    if len(words) < 2 or words in NOT_WORDS or not any(letter.isalpha() for letter in words):
        return False
    identifier = " " not in words and ("_" in words or "." in words or words.islower() or words.isupper())
    return not identifier


def of_registered():
    """Messages of what is registered: names, tooltips, and those of every property and of its choices."""
    import bpy

    found = set()
    for cls in classes():
        rna = cls.bl_rna
        if issubclass(cls, bpy.types.Operator):
            rna = getattr(bpy.ops.skyworld, cls.bl_idname.partition(".")[2]).get_rna_type()
            found.add(rna.description)
        found.add(getattr(cls, "bl_label", ""))
        found.update(_of_properties(rna))
    return {text for text in found if any(letter.isalpha() for letter in text)}


def _of_properties(rna):
    base = {prop.identifier for prop in rna.base.properties} if rna.base else set()
    for prop in rna.properties:
        if prop.identifier in base or prop.is_hidden or prop.identifier in ("rna_type", "name"):
            continue
        yield from {prop.name, prop.description} - {prop.identifier}  # its name where it was given none
        for item in getattr(prop, "enum_items_static", ()):
            yield from (item.name, item.description)


def classes():
    """All classes of the add-on that are registered now."""
    import bpy

    found, bases = [], "Operator Panel Menu PropertyGroup AddonPreferences RenderEngine UIList FileHandler"
    waiting = [getattr(bpy.types, base) for base in bases.split()]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.__module__.startswith("skyworld_addon.") and cls.is_registered:
            found.append(cls)
    return found


def of_parameters():
    """What fields of parameters say while they are empty."""
    from skyworld_addon.parameters import CLASSES, SCHEMA

    shown = {cls.__name__ for cls in CLASSES}
    kinds = [kind for kind in SCHEMA if f"SkyWorld{kind.title().replace('_', '')}Parameters" in shown]
    return {field["empty"] for kind in kinds for field in SCHEMA[kind] if "empty" in field}


def template():
    """All of them."""
    return of_sources() | of_registered() | of_parameters()


def main():
    sys.path.insert(0, str(ROOT))
    import skyworld_addon
    from skyworld_addon.translations.de import MESSAGES

    skyworld_addon.register()
    found = template()
    for message in sorted(found - MESSAGES.keys()):
        print(f'    {message!r}: "",')
    for message in sorted(MESSAGES.keys() - found):
        print(f"# no longer said: {message!r}", file=sys.stderr)
    skyworld_addon.unregister()


if __name__ == "__main__":
    main()
