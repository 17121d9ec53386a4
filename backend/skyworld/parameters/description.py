"""The models of parameters as plain data: what the command line, the HTTP API and Blender's panel are made from."""

from skyworld.parameters.model import Parameters


def describe(model: type[Parameters]) -> list[dict]:
    """The fields of a kind as plain data, in order, for the add-on and the command line.

    Each: name, title, description, type ("int" | "float" | "bool" | "enum" | "string" | "path"),
    required, optional (None allowed), default (None where required), min, max (inclusive, or None),
    items (values of an enum, strings or integers; else None), unit, subtype, advanced, labels where the items have
    names that are not their own words, empty where a field that nothing is written in means something: its words, and
    automatic where the default leaves a number to the program: one to begin with where it is not. Fields of `TOOLS` may
    also have words (placeholders of the command line), positional, and the type "list" with a length (None: one or
    more).
    """
    schema = model.model_json_schema(by_alias=True)
    required = schema.get("required", ())
    return [_field(name, field, name in required) for name, field in schema["properties"].items()]


def _field(name: str, field: dict, required: bool) -> dict:
    branches = field.get("anyOf", [field])
    value = next(branch for branch in branches if branch.get("type") != "null")
    return {
        "name": name,
        "title": field["title"],
        "description": field["description"],
        "type": _type(value),
        "required": required,
        "optional": {"type": "null"} in branches,
        "default": field.get("default"),
        "min": value.get("minimum"),
        "max": value.get("maximum"),
        "items": value.get("enum"),
        "unit": field.get("unit"),
        "subtype": field.get("subtype"),
        "advanced": field.get("advanced", False),
        **{key: field[key] for key in ("words", "positional", "labels", "automatic", "empty") if key in field},
        **({"length": value.get("maxItems")} if value.get("type") == "array" else {}),
    }


def _type(value: dict) -> str:
    if "enum" in value:
        return "enum"
    if value.get("format") == "path":
        return "path"
    names = {"integer": "int", "number": "float", "boolean": "bool", "string": "string", "array": "list"}
    return names[value["type"]]
