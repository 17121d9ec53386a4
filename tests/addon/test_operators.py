"""What every operator owes the artist: a name, a tooltip, a reason when it is greyed out, undo, and a place for F3."""

import bpy
import messages
import pytest
from drawn import drawn

from skyworld_addon.panels import menu

# Operators that change nothing in the file, so that there is nothing to undo.
CHANGES_NOTHING = {
    "generate_world": "starts a job; the world comes in as an undo step of its own",
    "fit_pictures": "starts a job",
    "show_satellite_area": "starts a job",
    "generate_city": "starts a job; the city comes in as an undo step of its own",
    "refine_city": "starts a job; the city comes in as an undo step of its own",
    "export_city": "starts a job that writes a file",
    "offer_seeds": "starts a job",
    "cancel_job": "speaks to the backend",
    "retry_job": "speaks to the backend",
    "start_backend": "the backend is no part of the file",
    "stop_backend": "the backend is no part of the file",
    "restart_backend": "the backend is no part of the file",
    "install_backend": "the backend is no part of the file",
    "cancel_install": "the backend is no part of the file",
    "refresh_models": "speaks to the backend",
    "download_models": "starts a job",
    "export_splats": "writes a file",
    "export_cameras": "writes a file",
    "preview_shot": "plays",
    "render_shot": "writes files and puts the scene's settings back",
}
# Operators that need what only their button knows, so that F3 has no use for them.
BUTTONS_ONLY = {
    "use_seed": "a number of the sheet that is shown",
    "pick_splats": "where the mouse is",
    "remove_satellite_image": "which line of the list",
    "take_satellite_middle": "the area of the picture that is shown",
    "choose_path": "the parameter that takes the path",
    "use_models": "which models do instead of those that did not",
    "use_device": "what did not do",
}


def operators():
    """{name: class} of all registered operators of the add-on."""
    found, waiting = {}, [bpy.types.Operator]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.__module__.startswith("skyworld_addon.") and cls.is_registered:
            found[cls.bl_idname.removeprefix("skyworld.")] = cls
    return found


def call(name):
    return getattr(bpy.ops.skyworld, name)


def in_menus():
    """Ids of the operators that F3 finds: in the add-on's entries of Blender's menus, and in the menus they open."""
    entries = [getattr(bpy.types, name).draw._draw_funcs for name in ("TOPBAR_MT_file_import", "TOPBAR_MT_file_export")]
    waiting = [entry for entries in entries for entry in entries if entry.__module__.startswith("skyworld_addon")]
    waiting += [entry for _, entry in menu.ENTRIES]
    found = set()
    while waiting:
        layout = drawn(waiting.pop(), bpy.context)
        found.update(layout.operators)
        waiting += [getattr(bpy.types, name).draw for name in layout.menus]
    return {name.removeprefix("skyworld.") for name in found}


def test_every_operator_has_a_name_and_a_tooltip_and_so_have_its_settings():
    assert len(operators()) > 25
    for name in operators():
        rna = call(name).get_rna_type()
        assert rna.name and rna.name == rna.name.strip() and rna.name[0].isupper(), name
        assert len(rna.description) > 20 and not rna.description.endswith("."), name
        for setting in rna.properties:
            if setting.identifier != "rna_type" and not setting.is_hidden:
                assert setting.description, f"{name}.{setting.identifier}"


def test_no_operator_is_greyed_out_without_saying_why():
    """In an empty scene without a backend, where most of them have nothing to do."""
    silent = []
    for name in operators():
        if not call(name).poll():
            with pytest.raises(RuntimeError) as caught:
                call(name)()
            reason = str(caught.value).partition(".poll() ")[2]
            if len(reason) < 15 or "context is incorrect" in reason:
                silent.append(name)
    assert not silent


def test_every_operator_that_changes_the_file_can_be_undone():
    for name, cls in operators().items():
        assert ("UNDO" in getattr(cls, "bl_options", ())) == (name not in CHANGES_NOTHING), name
    assert CHANGES_NOTHING.keys() <= operators().keys(), "no exception outlives its operator"


def test_every_operator_is_found_by_f3():
    assert operators().keys() - BUTTONS_ONLY.keys() == in_menus() & operators().keys()
    for name, cls in operators().items():
        assert "INTERNAL" not in getattr(cls, "bl_options", ()) or name in BUTTONS_ONLY, name


def test_every_preference_and_parameter_and_each_of_their_choices_explains_itself():
    """Choices of the backend's parameters are explained by the parameter itself."""
    for cls in messages.classes():
        if issubclass(cls, bpy.types.AddonPreferences | bpy.types.PropertyGroup):
            inherited = {prop.identifier for prop in cls.bl_rna.base.properties}
            for prop in cls.bl_rna.properties:
                if prop.identifier in inherited or prop.is_hidden:
                    continue
                assert len(prop.description) > 12, f"{cls.__name__}.{prop.identifier}"
                explained = prop.type != "ENUM" or cls.__name__.endswith("Parameters")
                assert explained or all(item.description for item in prop.enum_items), prop.identifier


def test_undo_takes_back_a_camera_move():
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.skyworld.add_orbit()
    bpy.ops.ed.undo_push(message="Add Orbit")
    assert len(bpy.data.cameras) == 1
    bpy.ops.ed.undo()
    assert not bpy.data.cameras and bpy.context.scene.camera is None
