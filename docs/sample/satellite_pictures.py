"""Makes the window's pictures of docs/satellite.md: a real Blender window and the real backend, around a finished city.

    BLENDER_GUI=TOOL SKYWORLD_EXTENSION=ZIP .venv/bin/python docs/sample/satellite_pictures.py CITY SCENE

TOOL and ZIP are what tests/gui needs, too. CITY (a world) and its SCENE must lie in this folder,
which is all that the window sees.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs/pictures"
KEPT = {"satellite_window.jpg": "city", "satellite_mesh_window.jpg": "mesh"}  # picture: the shot
PART = (0, 28, 1312, 1088)  # of the window: the viewport


def main() -> None:
    tool, extension = os.environ["BLENDER_GUI"], os.environ["SKYWORLD_EXTENSION"]
    city, scene = (str(ROOT / Path(name).resolve().relative_to(ROOT)) for name in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "skyworld", "serve", "--state", str(Path(folder) / "state")]
        backend = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            said = json.loads(backend.stdout.readline())
            given = {"URL": said["url"], "TOKEN": said["token"], "WORLD": city, "SCENE": scene}
            given |= {"REPOSITORY": str(ROOT), "SCRIPTS": "satellite_pictures"}
            env = {**os.environ, "BG_BINDS": str(ROOT), "BG_SIZE": "1600x1200", "BG_TIMEOUT": "600"}
            env |= {f"BG_PASS_{name}": value for name, value in given.items()}
            picture = Path(folder) / "window.png"
            script = ROOT / "tests/gui/several.py"
            subprocess.run(["bash", tool, "shot", extension, str(script), str(picture)], env=env, check=True)
        finally:
            backend.stdin.close()
            backend.wait(20)
        for name, shot in KEPT.items():
            kept = Image.open(picture.with_name(f"window-{shot}.png")).convert("RGB").crop(PART)
            kept = kept.resize((kept.width * 3 // 4, kept.height * 3 // 4), Image.LANCZOS)
            kept.save(PICTURES / name, quality=84, optimize=True)


if __name__ == "__main__":
    main()
