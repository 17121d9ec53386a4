"""Files dragged from a file browser into the viewport and onto the tab SkyWorld. The window stays split."""

import shutil
import subprocess
from pathlib import Path

import bpy
import window

ROW = 22  # pixels of a line of the browser's list


def steps(gui):
    folder = Path("/tmp/drop")
    folder.mkdir()
    world = window.world_folder("dropped")
    for name in ("splats.ply", "world.json"):
        shutil.copy(world / name, folder / name)
    shutil.copy(window.PHOTO, folder / "a_photo.jpg")
    yield from gui.open_sidebar("SkyWorld")
    with gui.override():
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.6)
    yield 0.5
    areas = [area for area in gui.window.screen.areas if area.type == "VIEW_3D"]
    browser = max(areas, key=lambda area: area.x)
    browser.ui_type = "FILES"
    yield 0.5
    browser.spaces.active.params.directory = str(folder).encode()
    browser.spaces.active.params.display_type = "LIST_VERTICAL"
    yield 1
    names = sorted(path.name for path in folder.iterdir())
    yield from drag(gui, browser, names.index("a_photo.jpg"), "UI")
    yield from window.shot(gui, "drop-menu", region=None)
    gui.key("Return")  # Blender offers its own use of pictures, too
    yield from window.until(lambda: Path(bpy.context.scene.skyworld.photo) == folder / "a_photo.jpg")
    yield from drag(gui, browser, names.index("world.json"), "WINDOW")
    yield from window.until(lambda: bpy.context.scene.camera)
    assert "dropped" in bpy.data.collections, "the viewport takes a world"


def drag(gui, browser, line, kind):
    """Takes the browser's file of that line to the middle of the view's region."""
    high = gui.window.height
    region = next(region for region in browser.regions if region.type == "WINDOW")
    x, y = region.x + 80, high - region.y - region.height + 30 + ROW * line
    view = min((a for a in gui.window.screen.areas if a.type == "VIEW_3D"), key=lambda area: area.x)
    target = next(region for region in view.regions if region.type == kind)
    to_x, to_y = target.x + target.width // 2, high - target.y - target.height // 2
    gui.move(x, y)
    yield 0.4
    subprocess.run(["xdotool", "mousedown", "1"], check=True)
    yield 0.2
    for step in range(1, 11):
        gui.move(x + (to_x - x) * step / 10, y + (to_y - y) * step / 10)
        yield 0.08
    subprocess.run(["xdotool", "mouseup", "1"], check=True)
    yield 0.5
