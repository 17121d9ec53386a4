"""Makes the pictures of docs/panel.md, models.md and editing.md in a real Blender window, around the demo's world.

    BLENDER_GUI=TOOL SKYWORLD_EXTENSION=ZIP .venv/bin/python docs/sample/panel_pictures.py demo/world

TOOL and ZIP are what tests/gui needs, too. The world must lie in this folder, which is all that the window sees.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs/pictures"
MOST_BYTES = 200_000
SCRIPTS = "models_preferences,pictures,panel,fit_panel,satellite_panel,languages"
# picture: the shots beside each other, and the rows of pixels that are kept
PANELS = {
    "panel.png": (("running", "world"), 1000),
    "panel_cameras.png": (("shot", "edit"), 760),
    "panel_first.png": (("panel-first",), 790),
    "panel_fix.png": (("lang-dark",), 790),
    "panel_light.png": (("lang-light",), 790),
    "panel_german.png": (("lang-german",), 790),
    "fit_panel.png": (("fit-ready", "fit-running"), 880),
    "satellite_panel.png": (("satellite-ready", "satellite-exported"), 1000),
}
MODELS = (184, 386, 1304, 794)  # of the window with the preferences
# picture: a shot of the window, and its size
WINDOWS = {
    "window.jpg": ("world-window", (1200, 900)),
    "viewport_splats.jpg": ("cube-window", (1200, 900)),
    "editing_lasso.jpg": ("lasso-window", (1200, 900)),
    "editing_crop.jpg": ("crop-window", (1200, 900)),
}


def main() -> None:
    tool, extension = os.environ["BLENDER_GUI"], os.environ["SKYWORLD_EXTENSION"]
    world = Path(sys.argv[1]).resolve().relative_to(ROOT)
    env = {
        **os.environ,
        "BG_BINDS": str(ROOT),
        "BG_SIZE": "1600x1200",
        "BG_TIMEOUT": "900",
        "BG_PASS_REPOSITORY": str(ROOT),
        "BG_PASS_SCRIPTS": SCRIPTS,
        "BG_PASS_WORLD": str(ROOT / world),
    }
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "window.png"
        script = ROOT / "tests/gui/several.py"
        subprocess.run(["bash", tool, "shot", extension, str(script), str(picture)], env=env, check=True)
        for name, (shots, rows) in PANELS.items():
            keep([Image.open(picture.with_name(f"window-{shot}.png")) for shot in shots], rows, PICTURES / name)
        keep([Image.open(picture.with_name("window-models-running.png")).crop(MODELS)], 1000, PICTURES / "models.png")
        for name, (shot, size) in WINDOWS.items():
            whole = Image.open(picture.with_name(f"window-{shot}.png")).convert("RGB")
            whole.resize(size, Image.LANCZOS).save(PICTURES / name, quality=82, optimize=True)


def keep(pictures: list[Image.Image], rows: int, file: Path) -> None:
    """Beside each other; in 256 colours where all of them take too much."""
    width, gap = pictures[0].width, 12
    whole = Image.new("RGB", (len(pictures) * (width + gap) - gap, min(rows, pictures[0].height)))
    for index, picture in enumerate(pictures):
        whole.paste(picture.convert("RGB"), (index * (width + gap), 0))
    whole.save(file, optimize=True)
    if file.stat().st_size > MOST_BYTES:
        whole.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, optimize=True)
    print(file.relative_to(ROOT), file.stat().st_size)


if __name__ == "__main__":
    main()
