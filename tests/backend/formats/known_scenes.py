"""Scenes of known Gaussians, what tells them apart, and where the outside judge of the formats is."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import torch

from skyworld.splats.formats.ply import read_ply
from skyworld.splats.gaussians import Gaussians

HOW_TO_GET_THE_JUDGE = (
    "the judge of the formats, @playcanvas/splat-transform, is not here: with Node 20 or newer run "
    "`npm install --global @playcanvas/splat-transform@2.7.1`, or install it anywhere and set "
    "SPLAT_TRANSFORM to the path of its splat-transform command"
)


def find_judge() -> list[str] | None:
    """The command of splat-transform: from SPLAT_TRANSFORM, PATH, or what npx finds without installing."""
    if wish := os.environ.get("SPLAT_TRANSFORM"):
        return shlex.split(wish)
    if found := shutil.which("splat-transform"):
        return [found]
    if npx := shutil.which("npx"):
        command = [npx, "--no-install", "splat-transform"]
        if subprocess.run([*command, "--version"], capture_output=True, timeout=60).returncode == 0:
            return command
    return None


def plain(path: Path) -> Gaussians:
    """A .ply of the judge, which may hold infinite logits: opacities of 0 and 1 are taken as 1e-6 from them."""
    text, end, data = path.read_bytes().partition(b"end_header\n")
    columns = [line.split()[2].decode() for line in text.splitlines() if line.startswith(b"property")]
    rows = np.frombuffer(data, "<f4").reshape(-1, len(columns)).copy()
    place = columns.index("opacity")
    limit = np.log((1 - 1e-6) / 1e-6)
    rows[:, place] = rows[:, place].clip(-limit, limit)
    path.write_bytes(text + end + rows.tobytes())
    return read_ply(path)


def make_scene(count: int = 1500, degree: int = 3, seed: int = 0) -> Gaussians:
    """Random Gaussians whose every number fits into every format: nothing need be clamped."""
    random = torch.Generator().manual_seed(seed)

    def noise(*shape: int, low: float = -1.0, high: float = 1.0) -> torch.Tensor:
        return torch.rand(*shape, generator=random) * (high - low) + low

    return Gaussians(
        means=noise(count, 3, low=-20, high=20),
        log_scales=noise(count, 3, low=-7, high=1),
        quats=torch.nn.functional.normalize(torch.randn(count, 4, generator=random)),
        logit_opacities=noise(count, low=-5, high=5),
        sh=torch.cat(
            [noise(count, 1, 3, low=-1.7, high=1.7), noise(count, (degree + 1) ** 2 - 1, 3, low=-0.9, high=0.9)], 1
        ),
    )


def angles(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Radians [n] between the rotations of two sets of quaternions."""
    a, b = (torch.nn.functional.normalize(quats.double()) for quats in (a, b))
    apart = torch.minimum((a - b).norm(dim=1), (a + b).norm(dim=1))
    return 4 * torch.asin(apart / 2)


def farthest(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


def assert_same(read: Gaussians, expected: Gaussians, tolerance: float = 2e-6) -> None:
    """Equal but for the arithmetic of float32."""
    assert len(read) == len(expected) and read.sh_degree == expected.sh_degree
    assert farthest(read.means, expected.means) <= tolerance * max(1, float(expected.means.abs().max()))
    assert farthest(read.log_scales, expected.log_scales) <= 10 * tolerance
    assert float(angles(read.quats, expected.quats).max()) <= 1e-3 * tolerance / 2e-6
    assert farthest(read.logit_opacities.sigmoid(), expected.logit_opacities.sigmoid()) <= tolerance
    assert farthest(read.sh, expected.sh) <= 10 * tolerance
