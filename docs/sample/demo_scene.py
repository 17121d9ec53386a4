"""The Blender half of the demo: a world becomes a .blend, and the .blend a rendered shot.

    .venv/bin/python docs/sample/demo_scene.py --world WORLD --blend FILE.blend --frames FOLDER --film FILE.mp4

Runs with Blender's module and drives the add-on as the panel does, through its operators.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# The backend is the one beside this Blender module.
os.environ.setdefault("SKYWORLD_BACKEND_PYTHON", sys.executable)

import bpy  # noqa: E402

import skyworld_addon  # noqa: E402


def build_scene(world: Path, blend: Path, frames: int) -> None:
    """An empty scene with the world, its camera path and its camera, saved as `blend`."""
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.skyworld.import_world(directory=str(world))
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 960, 540
    scene.render.fps = 24
    bpy.ops.skyworld.add_flythrough(frames=frames)
    blend.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), compress=True)


def render_shot(blend: Path, frames: Path, film: Path) -> None:
    """Every frame of the saved scene as PNG, and a film of them."""
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    count = scene.frame_end - scene.frame_start + 1

    def tell(*_):
        done = scene.frame_current - scene.frame_start + 1
        print(json.dumps({"fraction": done / (count + 1), "message": f"frame {done} of {count}"}), flush=True)

    bpy.app.handlers.render_write.append(tell)
    shutil.rmtree(frames, ignore_errors=True)
    bpy.ops.skyworld.render_shot(directory=str(frames.parent), shot_name=frames.name)
    made = frames.with_name(f"{frames.name}.mp4")
    if made.is_file() and made != film:
        made.replace(film)
    missing = count - len(list(frames.glob("*.png")))
    if missing or not film.is_file():
        sys.exit(f"{missing} of {count} frames and {'no' if film.is_file() else 'the'} film are missing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--frames", type=Path, required=True)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--count", type=int, default=72, help="frames of the shot")
    parser.add_argument("--step", choices=["scene", "shot"], required=True)
    arguments = parser.parse_args()
    skyworld_addon.register()
    try:
        if arguments.step == "scene":
            build_scene(arguments.world.resolve(), arguments.blend.resolve(), arguments.count)
        else:
            render_shot(arguments.blend.resolve(), arguments.frames.resolve(), arguments.film.resolve())
    finally:
        skyworld_addon.unregister()


if __name__ == "__main__":
    main()
    # All is written and the backend has ended. Blender's module can wait for ever for a thread of its own
    # when Python takes itself down after a film was encoded, so it is not given the chance.
    sys.stdout.flush()
    os._exit(0)
