"""SkyWorld: worlds of Gaussian splats from one photograph, inside Blender."""

from . import engine, jobs, parameters, preferences
from .operators import (
    assets,
    camera_path,
    camera_views,
    compositing,
    edit_splats,
    exchange,
    generate,
    models,
    proxy,
    satellite,
    select_splats,
    shot,
    splat_tools,
)
from .panels import menu, sidebar
from .translations import dictionary
from .viewport import points, show

MODULES = (
    dictionary,
    preferences,
    parameters,
    jobs,
    generate,
    satellite,
    models,
    exchange,
    assets,
    select_splats,
    edit_splats,
    splat_tools,
    camera_path,
    camera_views,
    shot,
    sidebar,
    menu,
    engine,
    compositing,
    proxy,
    points,
    show,
)


def register():
    for module in MODULES:
        module.register()


def unregister():
    for module in reversed(MODULES):
        module.unregister()
