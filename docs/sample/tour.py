"""Makes the pictures of docs/tour.md: a real Blender window, the real backend, from an empty scene to the shot.

    BLENDER_GUI=TOOL SKYWORLD_EXTENSION=dist/skyworld-0.1.0.zip .venv/bin/python docs/sample/tour.py

TOOL is what tests/gui needs, too: a script that opens a Blender window and runs tests/gui/tour.py in it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs/pictures/tour"
MOST_BYTES = 150_000


def main() -> None:
    tool, extension = os.environ["BLENDER_GUI"], os.environ["SKYWORLD_EXTENSION"]
    home = ROOT / "build/tour"  # the window sees the repository under its own path
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "skyworld", "serve", "--state", str(home / "state")]
    backend = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(backend.stdout.readline())
        env = {
            **os.environ,
            "BG_BINDS": str(ROOT),
            "BG_SIZE": "1600x1200",
            "BG_TIMEOUT": "1500",
            "BG_PASS_URL": said["url"],
            "BG_PASS_TOKEN": said["token"],
            "BG_PASS_PHOTO": str(ROOT / "docs/sample/hill_village.jpg"),
            "BG_PASS_OUTPUT": str(home / "hill_village"),
        }
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "tour.png"
            subprocess.run(["bash", tool, "shot", extension, str(ROOT / "tests/gui/tour.py"), str(picture)], env=env)
            PICTURES.mkdir(parents=True, exist_ok=True)
            for found in sorted(Path(folder).glob("tour-*.png")):
                keep(found, PICTURES / f"{found.stem.removeprefix('tour-')}.jpg")
    finally:
        backend.stdin.close()
        backend.wait(20)


def keep(picture: Path, file: Path) -> None:
    """As JPEG, 1200 pixels wide, as good as 150 kB allow."""
    image = Image.open(picture).convert("RGB")
    image = image.resize((1200, round(1200 * image.height / image.width)), Image.LANCZOS)
    for quality in range(90, 40, -5):
        image.save(file, quality=quality, optimize=True, progressive=True)
        if file.stat().st_size <= MOST_BYTES:
            break
    print(file.relative_to(ROOT), file.stat().st_size)


if __name__ == "__main__":
    main()
