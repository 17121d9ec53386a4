import atexit
import subprocess
import sys
import threading
from pathlib import Path
from types import FunctionType

import bpy

import skyworld_addon


def things():
    """What a registration could leave behind, in Blender and in this Python."""
    handlers = {
        name: [f"{function.__module__}.{function.__qualname__}" for function in getattr(bpy.app.handlers, name)]
        for name in dir(bpy.app.handlers)
        if isinstance(getattr(bpy.app.handlers, name), list)
    }
    bases = "Panel Operator PropertyGroup RenderEngine Menu Header FileHandler AddonPreferences UIList Gizmo GizmoGroup"
    subclasses = {
        base: sorted(
            f"{c.__module__}.{c.__name__}"
            for c in getattr(bpy.types, base).__subclasses__()
            if c.is_registered and c.__module__ != "bpy.types"  # Blender makes its own when they are asked for
        )
        for base in bases.split()
    }
    engines = sorted(
        p.__name__ for p in bpy.types.Panel.__subclasses__() if "SKYWORLD" in getattr(p, "COMPAT_ENGINES", ())
    )
    types = [cls for name in dir(bpy.types) if isinstance(cls := getattr(bpy.types, name), type)]
    properties = {
        owner.__name__: sorted(name for name in dir(owner) if name.startswith("skyworld"))
        for owner in types
        if issubclass(owner, bpy.types.ID)
    }
    # Headers, menus and panels into which add-ons append
    drawn = {
        cls.__name__: len(cls.draw._draw_funcs) for cls in types if hasattr(getattr(cls, "draw", None), "_draw_funcs")
    }
    modules = [vars(module) for name, module in sys.modules.items() if name.startswith("skyworld_addon")]
    functions = {f for names in modules for f in names.values() if isinstance(f, FunctionType)}
    timers = sorted(f.__qualname__ for f in functions if bpy.app.timers.is_registered(f))
    configurations = bpy.context.window_manager.keyconfigs
    keymaps = {
        f"{configuration.name}: {keymap.name}": sum(item.idname.startswith("skyworld.") for item in keymap.keymap_items)
        for configuration in configurations
        for keymap in configuration.keymaps
    }
    return {
        "handlers": handlers,
        "classes": subclasses,
        "panels that show for the engine": engines,
        "properties": properties,
        "entries in menus": drawn,
        "timers": timers,
        "keymaps": keymaps,
        "add-ons": list(bpy.context.preferences.addons.keys()),
        "atexit": atexit._ncallbacks(),
        "threads": sorted(thread.name for thread in ours()),
    }


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("SkyWorld")]


def test_unregister_leaves_nothing_behind_and_register_works_again():
    skyworld_addon.unregister()
    for thread in ours():  # of a connection that another test had
        thread.join(20)
    before = things()
    skyworld_addon.register()
    during = things()
    skyworld_addon.unregister()
    assert things() == before
    skyworld_addon.register()
    assert things() == during != before


def test_standard_panels_show_for_the_engine():
    from bl_ui.properties_output import RENDER_PT_format

    assert "SKYWORLD" in RENDER_PT_format.COMPAT_ENGINES


def test_register_takes_less_than_a_tenth_of_a_second():
    code = (
        "import bpy, time; import skyworld_addon; t = time.process_time(); skyworld_addon.register(); "
        "print('seconds:', time.process_time() - t); skyworld_addon.unregister()"
    )
    root = Path(skyworld_addon.__file__).parents[1]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60)
    assert float(said.stdout.partition("seconds:")[2].split()[0]) < 0.1
