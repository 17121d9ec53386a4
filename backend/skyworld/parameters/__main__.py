"""Writes the description that the add-on reads: `python -m skyworld.parameters skyworld_addon/parameters.json`."""

import sys
from pathlib import Path

from skyworld.parameters import description

Path(sys.argv[1]).write_text(description(), encoding="utf-8")
