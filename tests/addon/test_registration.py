import subprocess
import sys
from pathlib import Path

import bpy

import skyworld_addon

OPERATORS = [
    "generate_world",
    "fit_pictures",
    "import_splats",
    "export_splats",
    "import_cameras",
    "export_cameras",
    "add_orbit",
    "add_flythrough",
    "render_shot",
    "cancel_job",
    "retry_job",
    "import_world",
    "start_backend",
    "stop_backend",
    "restart_backend",
    "install_backend",
    "refresh_models",
    "download_models",
    "bake_camera",
]


def things():
    """What a registration could leave behind."""
    handlers = {
        name: len(getattr(bpy.app.handlers, name)) for name in dir(bpy.app.handlers) if name.endswith(("_pre", "_post"))
    }
    subclasses = {
        base.__name__: sorted(c.__name__ for c in base.__subclasses__() if c.is_registered)
        for base in (bpy.types.Panel, bpy.types.Operator, bpy.types.PropertyGroup, bpy.types.RenderEngine)
    }
    engines = sorted(
        p.__name__ for p in bpy.types.Panel.__subclasses__() if "SKYWORLD" in getattr(p, "COMPAT_ENGINES", ())
    )
    owners = [hasattr(owner, "skyworld") for owner in (bpy.types.Scene, bpy.types.Object, bpy.types.Collection)]
    owners.append(hasattr(bpy.types.Scene, "skyworld_fit"))
    types = bpy.types.TOPBAR_MT_file_import, bpy.types.TOPBAR_MT_file_export, bpy.types.VIEW3D_MT_add
    menus = [len(menu.draw._draw_funcs) for menu in types]
    timers = bpy.app.timers.is_registered(skyworld_addon.jobs.tick)
    return handlers, subclasses, engines, owners, menus, timers, list(bpy.context.preferences.addons.keys())


def test_every_operator_is_there_with_a_tooltip():
    for name in OPERATORS:
        operator = getattr(bpy.ops.skyworld, name).get_rna_type()
        assert len(operator.description) > 20, name


def test_unregister_leaves_nothing_behind_and_register_works_again():
    skyworld_addon.unregister()
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
        "import bpy, time; import skyworld_addon; t = time.perf_counter(); skyworld_addon.register(); "
        "print('seconds:', time.perf_counter() - t); skyworld_addon.unregister()"
    )
    root = Path(skyworld_addon.__file__).parents[1]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60)
    assert float(said.stdout.partition("seconds:")[2].split()[0]) < 0.1
