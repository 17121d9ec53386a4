"""What lies beside the tests here, such as `plain_scenes`, and the tiny checkpoints of models/ can be imported."""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "models")]
