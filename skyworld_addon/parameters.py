"""parameters.json -> PropertyGroups. The file is generated from the backend's models; nothing is defined here."""

import json
from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .translations import CONTEXT, said

SCHEMA = json.loads(Path(__file__).with_name("parameters.json").read_text(encoding="utf-8"))
USE = "use_"  # a number that may be left to the program gets a check box of this name before it
NUMBER = {"float": FloatProperty, "int": IntProperty}
BETWEEN = ";"  # what stands between the words of a list, in a panel's one line


def group_class(kind, fields):
    """A PropertyGroup with one property a field of parameters.json."""
    annotations = {}
    for field in fields:
        if "automatic" in field or (field["optional"] and (field["type"] in NUMBER or field.get("length"))):
            text = f"Set {field['title'].lower()} instead of leaving it to the program"
            annotations[USE + field["name"]] = BoolProperty(name=f"Set {field['title']}", description=text)
        annotations[field["name"]] = _property(field)
    name = f"SkyWorld{kind.title().replace('_', '')}Parameters"
    return type(name, (bpy.types.PropertyGroup,), {"__annotations__": annotations, "__module__": __name__})


def _property(field):
    kind, default = field["type"], field.get("automatic", field["default"])
    options = {"name": field["title"], "description": field["description"], "translation_context": CONTEXT}
    if kind == "bool":
        return BoolProperty(default=bool(default), **options)
    if kind == "enum":
        labels = field.get("labels") or [str(item).replace("_", " ").title() for item in field["items"]]
        items = [(str(item), label, "") for item, label in zip(field["items"], labels, strict=True)]
        return EnumProperty(items=items, default=str(default), **options)
    if kind in NUMBER:
        limits = {name: field[name] for name in ("min", "max") if field[name] is not None}
        options |= {"unit": field["unit"]} if field["unit"] else {}
        return NUMBER[kind](default=default or 0, **limits, **options)
    if kind == "list" and field["length"]:
        return FloatVectorProperty(size=field["length"], precision=6, **options)
    if kind == "list":
        return StringProperty(default=BETWEEN.join(default or ()), **options)
    if kind == "path":
        options["options"] = {"PATH_SUPPORTS_BLEND_RELATIVE"}
    return StringProperty(default=default or "", subtype=field["subtype"] or "NONE", **options)


def to_json(group, kind):
    """The values of a group as the backend takes them; what was left out is left out."""
    values = {}
    for field in SCHEMA[kind]:
        name = field["name"]
        value = getattr(group, name) if getattr(group, USE + name, True) else None
        if value is None and not field["optional"]:
            value = field["default"]
        if field["optional"] and value in ("", None):
            continue
        if field["type"] == "string":
            value = value or field["default"]
        if field["type"] == "enum":
            value = next(item for item in field["items"] if str(item) == value)
        elif field["type"] == "list":
            value = [round(number, 6) for number in value] if field["length"] else words(value)
        elif field["type"] == "path":
            value = bpy.path.abspath(value)
        elif field["type"] == "float":
            value = round(value, 6)  # Blender keeps 32 bits: 1.6 would go out as 1.60000002
        values[name] = value
    return values


def words(line):
    """The words of a list's one line, those that are paths made absolute."""
    return [bpy.path.abspath(word.strip()) for word in line.split(BETWEEN) if word.strip()]


def draw(layout, group, kind, *, advanced, skip=()):
    """The fields of a group, the advanced or the others."""
    for field in SCHEMA[kind]:
        name = field["name"]
        if field["advanced"] != advanced or name in skip:
            continue
        if hasattr(group, USE + name):
            row = layout.row(heading=field["title"], heading_ctxt=CONTEXT)
            row.prop(group, USE + name, text="")
            value = row.row()
            value.active = getattr(group, USE + name)
            value.prop(group, name, text="")
        else:
            empty = field.get("empty") or (field["default"] if field["type"] == "string" else "")
            layout.prop(group, name, **({"placeholder": said(empty)} if empty else {}))


class SkyWorldCollection(bpy.types.PropertyGroup):
    folder: StringProperty(
        name="World Folder", description="Folder of the world in this collection", subtype="DIR_PATH"
    )
    models: StringProperty(name="Models", description="What made the world")
    city: BoolProperty(name="City", description="Whether the world was made of satellite images")
    held_out: StringProperty(name="Held Out", description="How well pictures are met that were not fitted")


class SkyWorldObject(bpy.types.PropertyGroup):
    display: EnumProperty(
        name="Display",
        description="How the splats are shown in the viewport; what is rendered stays the same",
        items=[
            ("SPLATS", "Splats", "As they are rendered, sorted and blended, in every shading mode"),
            ("POINTS", "Points", "Coloured dots, in every shading mode; the fastest"),
            ("SPHERES", "Spheres", "Blender's own point cloud; coloured in Material Preview"),
            ("BOUNDS", "Bounds", "Only the box around them"),
        ],
        default="SPHERES",
        update=lambda self, _: self.apply(),
    )
    fraction: FloatProperty(
        name="Amount",
        description="Share of the splats that is drawn; fewer are faster",
        min=0.001,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
    )
    size: FloatProperty(
        name="Size",
        description="Size of the points, as a share of the splats' own",
        min=0.05,
        max=4.0,
        default=1.0,
    )

    def apply(self):
        # drawn as points by this add-on, Blender's grey spheres would lie over them
        self.id_data.display_type = "TEXTURED" if self.display == "SPHERES" else "BOUNDS"


CLASSES = (
    group_class("world", SCHEMA["world"]),
    group_class("fit", SCHEMA["fit"]),
    group_class("satellite_city", SCHEMA["satellite_city"]),
    SkyWorldCollection,
    SkyWorldObject,
)


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.skyworld = PointerProperty(type=CLASSES[0])
    bpy.types.Scene.skyworld_fit = PointerProperty(type=CLASSES[1])
    bpy.types.Scene.skyworld_city = PointerProperty(type=CLASSES[2])
    bpy.types.Collection.skyworld = PointerProperty(type=SkyWorldCollection)
    bpy.types.Object.skyworld = PointerProperty(type=SkyWorldObject)


def unregister():
    del bpy.types.Scene.skyworld_city
    del bpy.types.Scene.skyworld_fit
    for owner in (bpy.types.Scene, bpy.types.Collection, bpy.types.Object):
        del owner.skyworld
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
