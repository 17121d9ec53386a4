#!/usr/bin/env python3
"""Sets SkyWorld up, and everything else that a fresh machine needs. Standard library only.

python build.py demo        environment, extension, a world from the sample picture, a .blend, the shot
python build.py test        environment and the whole test suite
python build.py test --matrix   the add-on's tests in each Blender module that it supports
python build.py extension   the zip that Blender installs, in dist/
python build.py serve       the backend, for Blender to attach to
python build.py doctor      what this machine has and lacks
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
SAMPLE = ROOT / "docs" / "sample" / "hill_village.jpg"

TORCH = "torch==2.13.0"
# Blender's own module for each Python that it is published for.
BPY = {(3, 11): "bpy==4.5.*", (3, 13): "bpy==5.2.*"}
# Each series that the add-on supports, and the Python that its module is made for.
MATRIX = {"4.5": "3.11", "5.0": "3.11", "5.1": "3.13", "5.2": "3.13"}


# Seconds that a step usually takes on two cores; they only shape the progress bar.
EXPECTED = {
    "environment": 5,
    "packages": 90,
    "kernels": 40,
    "backend wheel": 5,
    "extension": 2,
    "validation": 1,
    "world": 90,
    "scene": 8,
    "shot": 60,
}


class Failed(Exception):  # noqa: N818
    """One sentence that ends the program with status 1."""


# ------------------------------------------------------------------------------------- progress


class Steps:
    """Runs commands one after the other under one progress bar, and remembers how long each took."""

    def __init__(self, last: str):
        """last: the name of the step that ends the plan, one of EXPECTED."""
        names = list(EXPECTED)
        self.total = sum(EXPECTED[name] for name in names[: names.index(last) + 1])
        self.finished: list[tuple[str, float]] = []
        self.begun = time.monotonic()
        self.tty = sys.stderr.isatty()

    def run(self, name: str, command: list, *, env: dict | None = None, cwd: Path = ROOT) -> None:
        """Runs `command`. Its lines go to build/logs; lines of JSON with a `fraction` move the bar."""
        start = time.monotonic()
        log = BUILD / "logs" / f"{name.replace(' ', '_')}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._say(name, 0.0, "")
        with open(log, "w", encoding="utf-8") as out:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            try:
                last = self._follow(process, name, start, out)
            except BaseException:
                process.kill()
                raise
        if process.wait() != 0:
            self._clear()
            print("".join(last[-15:]), file=sys.stderr)
            raise Failed(f"{name} did not succeed (status {process.returncode}); the whole log is in {log}")
        took = time.monotonic() - start
        self.finished.append((name, took))
        self._clear()
        print(f"  {name:<34} {took:6.1f} s", file=sys.stderr, flush=True)

    def _follow(self, process, name, start, out) -> list[str]:
        import queue
        import threading

        lines: queue.Queue = queue.Queue()

        def read():
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        last, message, fraction = [], "", None
        while True:
            try:
                line = lines.get(timeout=0.2)
            except queue.Empty:
                line = ""
            if line is None:
                return last
            if line:
                out.write(line)
                last = [*last[-40:], line]
                if line.startswith("{") and '"fraction"' in line:
                    report = json.loads(line)
                    fraction, message = report["fraction"], report.get("message", "")
                else:
                    message = line.strip()
            # Without reports of its own a step is taken to run as long as it usually does.
            passed = (time.monotonic() - start) / EXPECTED[name]
            self._say(name, min(fraction if fraction is not None else 1 - 2.7 ** (-1.5 * passed), 1.0), message)

    def _say(self, name: str, fraction: float, message: str) -> None:
        if not self.tty:
            return
        before = sum(EXPECTED[n] for n, _ in self.finished)
        overall = (before + EXPECTED[name] * fraction) / self.total
        elapsed = time.monotonic() - self.begun
        bar = "█" * round(24 * overall) + "░" * (24 - round(24 * overall))
        line = f"{bar} {100 * overall:3.0f} %  {elapsed // 60:.0f}:{elapsed % 60:02.0f}  {name}: {message}"
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\x1b[2K" + line[:width])
        sys.stderr.flush()

    def _clear(self) -> None:
        if self.tty:
            sys.stderr.write("\r\x1b[2K")


# ---------------------------------------------------------------------------------- environment


def suitable_python() -> Path:
    """This Python if Blender's module exists for it, else one on PATH that it exists for."""
    if sys.version_info[:2] in BPY:
        return Path(sys.executable)
    for major, minor in BPY:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            print(
                f"This is Python {sys.version_info[0]}.{sys.version_info[1]}; using {found} instead.", file=sys.stderr
            )
            return Path(found)
    wanted = " or ".join(f"{a}.{b}" for a, b in BPY)
    raise Failed(
        f"SkyWorld needs Python {wanted} (Blender's module is made for those), and this is "
        f"{sys.version_info[0]}.{sys.version_info[1]}; install one of them and run this again"
    )


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment(steps: Steps, *, tests: bool = False) -> Path:
    """Makes or completes .venv and answers with its Python; does nothing when all is as it should be."""
    python = python_of(VENV)
    base = suitable_python()
    if not python.exists():
        steps.run("environment", [base, "-m", "venv", "--clear", VENV])
    version = subprocess.run(
        [str(python), "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    bpy = BPY[tuple(int(n) for n in version.stdout.split())]
    # One command, so that pip finds versions (of numpy, for one) which suit Blender and the backend alike.
    wanted = [TORCH, bpy, "-e", f"{ROOT / 'backend'}{'[test,metrics,checkpoints,satellite,usd,ray]' if tests else ''}"]
    state = hashlib.sha256(
        "\n".join(map(str, wanted)).encode() + (ROOT / "backend" / "pyproject.toml").read_bytes()
    ).hexdigest()
    mark = VENV / f"skyworld-{'test' if tests else 'run'}.txt"
    if not mark.exists() or mark.read_text() != state:
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
        steps.run("packages", [*pip, *wanted])
        mark.write_text(state)
    compiled = VENV / "skyworld-kernels.txt"
    sources = hashlib.sha256(b"".join(p.read_bytes() for p in sorted((ROOT / "backend").rglob("*.py")))).hexdigest()
    if not compiled.exists() or compiled.read_text() != sources:
        steps.run("kernels", [python, "-m", "skyworld.compile"])
        compiled.write_text(sources)
    return python


# ------------------------------------------------------------------------------------ extension


def extension(steps: Steps, python: Path) -> Path:
    """Stages manifest, add-on and the backend's wheel, builds the zip with Blender's own tool, validates it."""
    stage, dist = BUILD / "extension", ROOT / "dist"
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(ROOT / "skyworld_addon", stage, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy(ROOT / "blender_manifest.toml", stage)
    shutil.copy(ROOT / "LICENSE", stage)
    dist.mkdir(exist_ok=True)
    source = BUILD / "backend"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(
        ROOT / "backend", source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build")
    )
    pip = [python, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-deps", "-w", stage / "backend"]
    steps.run("backend wheel", [*pip, source])
    tool, tags = blender_tool(python)
    steps.run("extension", [python, tool, "build", "--source-dir", stage, "--output-dir", dist])
    made = max(dist.glob("*.zip"), key=lambda p: p.stat().st_mtime)
    steps.run("validation", [python, tool, "validate", made, f"--valid-tags={tags}"])
    return made


def blender_tool(python: Path) -> tuple[Path, Path]:
    """Blender's own builder of extensions and its list of allowed tags, out of the bpy package."""
    found = subprocess.run(
        [str(python), "-c", "import importlib.util as u; print(u.find_spec('bpy').submodule_search_locations[0])"],
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise Failed("Blender's module is not in the environment; remove .venv and run this again")
    scripts = next(Path(found.stdout.strip()).glob("*.*/scripts"))
    tool = scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    return tool, scripts / "modules" / "_bpy_internal" / "extensions" / "tags.py"


# ------------------------------------------------------------------------------------- commands


def demo(arguments) -> None:
    """From nothing to a rendered shot."""
    out = Path(arguments.output).resolve()
    photo = Path(arguments.photo).resolve()
    steps = Steps("shot")
    print(f"Making a world from {photo.name} in {out}", file=sys.stderr)
    python = environment(steps)
    zipped = extension(steps, python)
    world = out / "world"
    progress = {"SKYWORLD_PROGRESS": "json"}
    steps.run(
        "world", [python, "-m", "skyworld", "world", photo, "-o", world, "--quality", arguments.quality], env=progress
    )
    scene = ROOT / "docs" / "sample" / "demo_scene.py"
    common = [python, scene, "--world", world, "--blend", out / "world.blend", "--frames", out / "frames"]
    steps.run("scene", [*common, "--step", "scene", "--count", str(arguments.frames)])
    steps.run("shot", [*common, "--step", "shot", "--film", out / "shot.mp4"])
    print("\nThere it is:")
    for what, where in (
        ("extension for Blender", zipped), ("world folder", world), ("panorama", world / "panorama.png"),
        ("splats", world / "splats.ply"), ("Blender scene", out / "world.blend"),
        ("frames", out / "frames"), ("film", out / "shot.mp4"),
    ):  # fmt: skip
        if not where.exists():
            raise Failed(f"{what} was not made ({where})")
        print(f"  {what:<22} {where}")
    print("\nTime:")
    for name, seconds in steps.finished:
        print(f"  {name:<22} {seconds:6.1f} s")
    print(f"  {'all':<22} {time.monotonic() - steps.begun:6.1f} s")
    peak = peak_memory()
    if peak:
        print(f"Largest process: {peak / 2**30:.2f} GiB")


def peak_memory() -> int | None:
    """Bytes of the largest child so far, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test(arguments) -> None:
    """Everything under tests/, in the environment that this makes."""
    if arguments.matrix:
        return matrix()
    steps = Steps("validation")
    python = environment(steps, tests=True)
    zipped = extension(steps, python)
    env = {**os.environ, "SKYWORLD_EXTENSION": str(zipped)}
    status = subprocess.run([str(python), "-m", "ruff", "check", "."], cwd=ROOT).returncode
    if arguments.suites:
        run = [str(python), "-m", "pytest", "-q", *arguments.suites]
        status = subprocess.run(run, cwd=ROOT, env=env).returncode or status
    else:
        status = side_by_side(python, env) or status
    if status:
        raise Failed("some tests failed; see above")


def matrix() -> None:
    """The add-on's tests in each Blender module for which there is a Python here; made once, in build/matrix."""
    results = {}
    for series, version in MATRIX.items():
        base, venv = interpreter(version), BUILD / "matrix" / series
        if base is None:
            results[series] = f"not tried: there is no Python {version}"
            continue
        python, steps = python_of(venv), Steps("packages")
        if not python.exists():
            steps.run("environment", [base, "-m", "venv", venv])
            pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
            steps.run("packages", [*pip, f"bpy=={series}.*", "pytest>=8", "pytest-timeout", "hypothesis"])
        print(f"--- Blender {series}", flush=True)
        status = subprocess.run([str(python), "-m", "pytest", "-q", "tests/addon"], cwd=ROOT).returncode
        results[series] = "failed" if status else "passed"
    for series, result in results.items():
        print(f"Blender {series}: {result}")
    if "failed" in results.values():
        raise Failed("some tests failed; see above")


def interpreter(version: str) -> str | None:
    """A Python of that version that runs: on PATH, or one of pyenv's, whose shims run only those that are chosen."""
    known = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    for candidate in filter(None, [shutil.which(f"python{version}"), *map(str, known)]):
        if subprocess.run([candidate, "--version"], capture_output=True).returncode == 0:
            return candidate
    return None


def side_by_side(python: Path, env: dict) -> int:
    """Runs all suites, two at a time, the long ones first, and prints each when it ends; 0 if all passed.

    Blender's module and torch each bring libraries of their own: a process each keeps them apart. The real window
    comes last and alone: it is timed how long it is held. Each of two has half of the cores: threads that share a core
    wait for each other for much longer than they compute.
    """
    backend = ROOT / "tests/backend"
    named = [["splats", "formats"], ["models", "lift"], ["panorama", "distance", "recipe"]]
    folders = {path.name for path in backend.iterdir() if path.is_dir() and path.name[0] not in "_."}
    rest = folders - {name for group in named for name in group}
    suites = [[f"tests/backend/{name}" for name in group] for group in [*named, sorted(rest)]]
    suites = [*suites[:2], ["tests/end_to_end"], *suites[2:], ["tests/addon"]]

    beside = min(2, os.cpu_count() or 1)
    share = str((os.cpu_count() or 1) // beside)
    halved = env | {"OMP_NUM_THREADS": share, "NUMBA_NUM_THREADS": share}

    def run(suite: list[str], env: dict = halved) -> int:
        started = time.monotonic()
        command = [str(python), "-m", "pytest", "-q", *suite]
        ended = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"--- {' '.join(suite)}  {time.monotonic() - started:.0f} s\n{ended.stdout}", flush=True)
        return ended.returncode

    with ThreadPoolExecutor(beside) as pool:
        together = list(pool.map(run, suites))
    return max(*together, run(["tests/gui"], env))


def command_extension(_) -> None:
    steps = Steps("validation")
    print(extension(steps, environment(steps)))


def serve(arguments) -> None:
    steps = Steps("kernels")
    python = environment(steps)
    sys.exit(subprocess.run([str(python), "-m", "skyworld", "serve", "--stay", *arguments.rest]).returncode)


def doctor(_) -> None:
    print(f"Python           {sys.version.split()[0]} at {sys.executable}")
    print(f"suitable Python  {suitable_python()}")
    python = python_of(VENV)
    print(f"environment      {VENV if python.exists() else 'not made yet: run `python build.py demo`'}")
    print(f"free disk        {shutil.disk_usage(ROOT).free / 2**30:.1f} GiB (an environment takes about 3)")
    if python.exists():
        sys.exit(subprocess.run([str(python), "-m", "skyworld", "doctor"]).returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("demo", help="from nothing to a rendered shot")
    add.add_argument("--photo", default=SAMPLE, help="another picture than the sample")
    add.add_argument("-o", "--output", default=ROOT / "demo", help="folder for all that is made")
    add.add_argument("--quality", default="standard", choices=["draft", "standard", "high"])
    add.add_argument("--frames", type=int, default=48, help="length of the shot")
    add.set_defaults(run=demo)
    add = commands.add_parser("test", help="the whole test suite")
    add.add_argument("suites", nargs="*", help="only these folders or files")
    add.add_argument("--matrix", action="store_true", help="the add-on's tests in each Blender that it supports")
    add.set_defaults(run=test)
    commands.add_parser("extension", help="the zip that Blender installs").set_defaults(run=command_extension)
    add = commands.add_parser("serve", help="the backend")
    add.add_argument("rest", nargs="*")
    add.set_defaults(run=serve)
    commands.add_parser("doctor", help="what this machine has and lacks").set_defaults(run=doctor)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except Failed as failure:
        print(f"\nbuild.py: {failure}.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nbuild.py: stopped.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
