"""Fix it: a button beside what went wrong that mends it."""

from .. import preferences
from ..translations import said

# What the button of a fix (UserError.fix, here and in the backend) says, and the operator behind it with its settings.
FIXES = {
    "start": ("Start the Backend", "skyworld.start_backend", {}),
    "restart": ("Restart the Backend", "skyworld.restart_backend", {}),
    "memory": ("Free the Memory", "skyworld.restart_backend", {}),
    "install": ("Install the Backend", "skyworld.install_backend", {}),
    "packages": ("Set Up the GPU Backend", "skyworld.install_backend", {"device": "CUDA"}),
    "preferences": ("Open the Preferences", "preferences.addon_show", {"module": preferences.PACKAGE}),
    "online": ("Allow Online Access", "extensions.userpref_allow_online", {}),
    "photo": ("Choose Another Picture", "skyworld.choose_path", {"field": "photo"}),
    "output": ("Choose Another Folder", "skyworld.choose_path", {"field": "output"}),
    "choose": ("Choose Another", "skyworld.choose_path", {}),
    "download": ("Download {name}", "skyworld.download_models", {}),
    "smaller": ("Take Smaller Models", "skyworld.use_models", {"profile": "SMALLER"}),
    "builtin": ("Use Built-in Models", "skyworld.use_models", {"profile": "builtin"}),
    "device": ("Compute on What Is There", "skyworld.use_device", {}),
}
ARGUMENTS = {"download": "model", "choose": "field"}  # the setting that takes what follows the fix's colon


def draw_fix(layout, fix, **settings):
    """The button of a fix. None where there is none, or where the backend is newer and knows more of them."""
    kind, _, argument = fix.partition(":")
    if kind not in FIXES:
        return
    text, operator, known = FIXES[kind]
    text = said(text, name=argument) if kind == "download" else said(text)
    row = layout.row()
    row.scale_y = 1.2
    button = row.operator(operator, text=f"{said('Fix It')}: {text}", icon="TOOL_SETTINGS", translate=False)
    given = {ARGUMENTS[kind]: argument} if kind in ARGUMENTS else {}
    for name, value in {**known, **given, **settings}.items():
        setattr(button, name, value)
