"""Lets the tests here import the painters and oracles of the rooms beside."""

import sys
from pathlib import Path

for room in ("panorama", "distance"):
    sys.path.insert(0, str(Path(__file__).parent.parent / room))
