"""Run by `blender -b` before it renders: attaches to a backend that draws every frame in one colour."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "addon"))
import fake_backend
from bl_ext.user_default.skyworld import preferences

settings, backend = preferences.get(), fake_backend.FakeBackend()
settings.backend, settings.url, settings.token = "REMOTE", backend.url, fake_backend.TOKEN
