"""What this machine has and lacks."""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from skyworld import __version__

_NEEDED_GIB = 4  # memory that a world of standard quality takes at most


@dataclass(frozen=True)
class Check:
    """finding: what was found, and where it is not good, what to do."""

    name: str
    finding: str
    good: bool = True


def examine() -> Iterator[Check]:
    """One check after the other; importing torch makes one of them slow."""
    yield Check("SkyWorld", __version__)
    yield Check("Python", f"{platform.python_version()} at {sys.executable}")
    yield from _packages()
    yield from _device()
    yield _kernels()
    yield _ffmpeg()
    yield _memory()
    yield from _disks()


def _packages() -> Iterator[Check]:
    """The backend's own requirements, as its distribution lists them."""
    for requirement in importlib.metadata.requires("skyworld-backend") or ():
        if "extra ==" in requirement:
            continue
        name = re.match(r"[\w.-]+", requirement)[0]
        try:
            yield Check(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, f"missing: pip install '{requirement}'", False)


def _device() -> Iterator[Check]:
    """The GPU, what it lacks, and the profile of models that fits it."""
    import torch

    if not torch.cuda.is_available():
        yield Check("device", f"cpu, {os.cpu_count()} cores (no CUDA GPU that PyTorch can use)")
        yield Check("models", "built-in: the checkpoints of the profiles want a GPU of 8 GB and more")
        return
    free, total = (size / 2**30 for size in torch.cuda.mem_get_info())
    name = f"cuda:0 {torch.cuda.get_device_name(0)}, {free:.1f} of {total:.1f} GiB free"
    try:
        yield Check("device", f"{name}, gsplat {importlib.metadata.version('gsplat')}")
    except importlib.metadata.PackageNotFoundError:
        yield Check("device", f"{name}; gsplat is missing: pip install 'gsplat>=1.5.3,<1.6'", False)
    if importlib.util.find_spec("triton") is None:
        package = "triton-windows" if sys.platform == "win32" else "triton"
        yield Check("triton", f"Triton is missing: fits run step by step; pip install {package}", False)
    yield _models(total)


def _models(vram: float) -> Check:
    """Which profile a card of so many GiB takes, and whether its checkpoints are here."""
    from skyworld.models import profiles, store

    profile = profiles.fitting(vram)
    if profile is None:
        return Check("models", f"built-in: a GPU of {vram:.1f} GiB is too small for the profiles of checkpoints")
    states = [store.state(checkpoint.id).state for checkpoint in profile.checkpoints()]
    here = f"{states.count('complete')} of {len(states)} of its checkpoints are here"
    way = "" if states.count("complete") == len(states) else f": skyworld models download {profile.name}"
    return Check("models", f"profile {profile.name} fits this GPU; {here}{way}")


def _kernels() -> Check:
    """Whether numba has compiled the rasterizer's kernels for this machine, and where it keeps them."""
    from skyworld.splats.rasterize import cpu

    stats = (getattr(value, "stats", None) for value in vars(cpu).values())
    folder = Path(next(found.cache_path for found in stats if found and found.cache_path))
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        return Check("kernels", f"{folder} cannot be written: set NUMBA_CACHE_DIR to a folder of yours", False)
    if any(folder.glob("composite.*.nbi")):
        return Check("kernels", f"compiled, in {folder}")
    return Check("kernels", f"not compiled yet; the first world takes half a minute longer ({folder})")


def _ffmpeg() -> Check:
    import imageio_ffmpeg

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        told = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return Check(
            "ffmpeg", f"does not run, so no films ({error}): pip install --force-reinstall imageio-ffmpeg", False
        )
    return Check("ffmpeg", f"{told.split()[2]} at {program}")


def _memory() -> Check:
    """Linux tells what is free; elsewhere the size is all that the standard library knows."""
    told = Path("/proc/meminfo")
    if told.exists():
        available = int(re.search(r"MemAvailable:\s+(\d+)", told.read_text())[1]) / 2**20
        good = available >= _NEEDED_GIB
        return Check("memory", f"{available:.1f} GiB free" + ("" if good else "; close other programs"), good)
    if hasattr(os, "sysconf"):
        return Check("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB")
    return Check("memory", "not known on this system")


def _disks() -> Iterator[Check]:
    from skyworld.service.__main__ import default_state

    state = default_state()
    standing = next(folder for folder in (state, *state.parents) if folder.exists())
    for name, folder in (("disk, here", Path.cwd()), ("disk, job list", standing)):
        free = shutil.disk_usage(folder).free / 2**30
        yield Check(name, f"{free:.1f} GiB free at {folder}" + ("" if free >= 1 else ": free some"), free >= 1)
