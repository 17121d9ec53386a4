"""An animation whose backend is killed in the middle: no frame may be lost, and each must be the one of a calm run.

    python benchmarks/animation.py                    twice the worker that draws; a running service is attached to
    python benchmarks/animation.py --kill backend     twice the whole backend, which Blender itself has started
    python benchmarks/animation.py --blender "blender"    `blender -b shot.blend -a`; the extension is installed there

Options: --frames 250 --width 96 --height 54 --splats 500. Without --blender it wants a Python with Blender's module and
the backend. Prints how many frames came, how many differ, and the seconds of both runs.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
ATTACH = (
    "import bpy, sys; name = next(m.module for m in bpy.context.preferences.addons if 'skyworld' in m.module); "
    "p = bpy.context.preferences.addons[name].preferences; p.backend, p.url, p.token = 'REMOTE', {url!r}, {token!r}"
)


def make(blend, options):
    """A scene that looks around among splats."""
    import bpy
    from frame import splats

    file = blend.with_suffix(".ply")
    file.write_bytes(splats(options.splats))
    bpy.ops.skyworld.import_splats(filepath=str(file))
    scene, render = bpy.context.scene, bpy.context.scene.render
    scene.camera = bpy.data.objects.new("view", bpy.data.cameras.new("view"))
    scene.collection.objects.link(scene.camera)
    scene.frame_end, render.engine, render.image_settings.file_format = options.frames, "SKYWORLD", "PNG"
    render.resolution_x, render.resolution_y = options.width, options.height
    for frame, turn in ((1, 0.0), (options.frames, 6.0)):
        scene.camera.rotation_euler = np.pi / 2, 0, turn
        scene.camera.keyframe_insert("rotation_euler", frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))


def inside(options):
    """What Blender as a module does in a process of its own: makes the file, or renders it."""
    sys.path.insert(0, str(ROOT))
    import bpy

    bpy.ops.wm.read_homefile(app_template="", use_factory_startup=True, use_empty=True)
    import skyworld_addon
    from skyworld_addon import preferences

    skyworld_addon.register()
    if options.url:
        settings = preferences.get()
        settings.backend, settings.url, settings.token = "REMOTE", options.url, options.token
    if options.inside == "make":
        make(options.blend, options)
    else:
        bpy.ops.wm.open_mainfile(filepath=str(options.blend))
        bpy.context.scene.render.filepath = str(options.output / "####")
        bpy.ops.render.render(animation=True)
    skyworld_addon.unregister()
    sys.stdout.flush()
    os._exit(0)  # Blender as a module may wait forever in its own end


def processes():
    """[(pid, parent, command)] of this computer."""
    said = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [row.split(None, 2) for row in said.splitlines()[1:]]
    return [(int(pid), int(parent), command) for pid, parent, command in rows]


def children(parent, word):
    """Processes below `parent` whose command has the word."""
    rows, found, below = processes(), [], {parent}
    while below:
        rows_below = [row for row in rows if row[1] in below]
        found += [pid for pid, _, command in rows_below if word in command]
        below = {pid for pid, _, _ in rows_below}
    return found


def kill_twice(output, options, whose, killed):
    """Kills the first below a process whose command has a word when a third and two thirds of the frames are there."""
    for share in (options.frames // 3, 2 * options.frames // 3):
        while len(list(output.glob("*.png"))) < share:
            time.sleep(0.01)
        killed.append(children(*whose)[0])
        os.kill(killed[-1], signal.SIGKILL)


def run(command, log, **more):
    with log.open("w") as file:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **more)
        return process, lambda: (process.wait(), time.perf_counter() - started)


def measure(options, folder):
    import cv2

    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'backend'}{os.pathsep}{ROOT / 'benchmarks'}"}
    environment.setdefault("SKYWORLD_BACKEND_PYTHON", sys.executable)
    service, attach = None, []
    if options.kill == "worker":
        command = [sys.executable, "-m", "skyworld.service", "--state", str(folder / "state")]
        service = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        shake = json.loads(service.stdout.readline())
        attach = ["--url", shake["url"], "--token", shake["token"]]
    numbers = [f"--{name}={getattr(options, name)}" for name in ("frames", "width", "height", "splats")]
    blend = folder / "shot.blend"
    module = [sys.executable, __file__, *numbers, *attach, "--blend", str(blend), "--inside"]
    subprocess.run([*module, "make"], env=environment, check=True, stdout=subprocess.DEVNULL)
    seconds, killed = {}, []
    for name in ("calm", "killed"):
        output = folder / name
        output.mkdir()
        command = [*module, "play", "--output", str(output)]
        if options.blender:
            expression = ["--python-exit-code", "3", "--python-expr", ATTACH.format(**shake)] if service else []
            command = [*shlex.split(options.blender), "-b", str(blend), *expression, "-o", str(output / "####"), "-a"]
        process, wait = run(command, folder / f"{name}.log", env=environment)
        if name == "killed":
            # A worker is the service's; a service is Blender's, and takes its own worker along.
            whose = (service.pid, "--frames") if service else (process.pid, "skyworld.service")
            arguments = (output, options, whose, killed)
            threading.Thread(target=kill_twice, args=arguments, daemon=True).start()
        status, seconds[name] = wait()
        if status:
            print((folder / f"{name}.log").read_text()[-2000:], file=sys.stderr)
    if service:
        service.stdin.close()
        service.wait(10)
    names = [f"{frame:04d}.png" for frame in range(1, options.frames + 1)]
    pairs = [[cv2.imread(str(folder / run / name)) for run in ("calm", "killed")] for name in names]
    return {
        "killed": len(killed),
        "frames": sum(picture is not None for _, picture in pairs),
        "different": sum(not np.array_equal(*pair) for pair in pairs if pair[0] is not None and pair[1] is not None),
        "calm_seconds": round(seconds["calm"], 1),
        "killed_seconds": round(seconds["killed"], 1),
    }


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("frames", 250), ("width", 96), ("height", 54), ("splats", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--kill", choices=["worker", "backend"], default="worker")
    parser.add_argument("--blender", help="command of Blender, in place of its module")
    for name in ("blend", "output"):
        parser.add_argument(f"--{name}", type=Path, help=argparse.SUPPRESS)
    for name in ("inside", "url", "token"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return inside(options)
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(options, Path(folder))
    shown = {name: getattr(options, name) for name in ("frames", "width", "height", "splats", "kill", "blender")}
    print(json.dumps({"asked": shown, **measured}))
    complete = measured["frames"] == options.frames and not measured["different"] and measured["killed"] == 2
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
