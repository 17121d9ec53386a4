"""F12 with the real backend: Blender's objects in front of, between and behind splats."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from skyworld.camera import Camera
from skyworld.splats import Gaussians
from skyworld.splats.formats.ply import write_ply

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/backend/service"))
sys.path.append(str(ROOT / "tests/backend/splats"))
import dense_reference  # noqa: E402
from running_backend import Backend  # noqa: E402

from skyworld.splats import spherical_harmonics  # noqa: E402

SAMPLES = 5  # a side, of a pixel
GLOW = torch.tensor([0.7, 0.25, 0.05], dtype=torch.float64)


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    service = Backend(tmp_path_factory.mktemp("state"))
    yield service
    service.end()


@pytest.fixture(scope="module")
def cloud():
    """600 Gaussians, thin to dense, all around where the cube stands."""
    random = torch.Generator().manual_seed(5)
    means = torch.rand(600, 3, generator=random) * torch.tensor([3.0, 3.0, 2.0]) + torch.tensor([-1.5, 1.6, -1])
    return Gaussians(
        means=means,
        log_scales=torch.rand(600, 3, generator=random) - 3.0,
        quats=torch.randn(600, 4, generator=random),
        logit_opacities=torch.randn(600, generator=random) + 1,
        sh=torch.randn(600, 1, 3, generator=random) * 0.6,
    )


def depth_of_the_cube(camera, matrix, u, v):
    """Camera z [...] at which the rays through pixels u, v enter a cube of edge 0.9; inf where they miss."""
    local = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.K).T
    to_cube = np.linalg.inv(matrix)
    direction = local @ camera.rotation.T @ to_cube[:3, :3].T
    origin = to_cube[:3, :3] @ camera.position + to_cube[:3, 3]
    with np.errstate(divide="ignore"):
        first, second = (-0.45 - origin) / direction, (0.45 - origin) / direction
    enter, leave = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
    return np.where(enter < leave, enter, np.inf)


def layer(alpha, colours, kept):
    """Scene linear premultiplied colour [P, 3] and alpha [P, 1] of the kept ones of Gaussians in order of depth."""
    alpha = torch.where(kept, alpha, 0.0)
    through = torch.cumprod(1 - alpha, 1)
    weight = alpha * torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], 1)
    total = 1 - through[:, -1:]
    straight = (weight @ colours) / total.clamp_min(1e-9)
    linear = torch.where(straight <= 0.04045, straight / 12.92, ((straight + 0.055) / 1.055) ** 2.4)
    return linear * total, total


def truth(cloud, camera, matrix):
    """[H, W, 4] scene linear: every sample of every pixel laid together at the exact depth of the cube, in float64."""
    cloud = cloud.mapped(lambda tensor: tensor.double())
    means, conics, depths, _ = dense_reference.project(cloud, camera, torch.from_numpy(camera.world_to_camera))
    order = depths.argsort()
    means, conics, depths, opacities = (
        means[order],
        conics[order],
        depths[order],
        cloud.logit_opacities[order].sigmoid(),
    )
    position = torch.from_numpy(camera.position)
    colours = spherical_harmonics.colours(cloud.sh, cloud.means - position, cloud.sh_degree)[order]
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    offset = torch.from_numpy(np.stack([u, v], -1)).reshape(-1, 1, 2) - means
    a, b, c = conics.unbind(-1)
    sigma = 0.5 * (a * offset[..., 0] ** 2 + c * offset[..., 1] ** 2) + b * offset[..., 0] * offset[..., 1]
    alpha = opacities * torch.exp(-sigma)
    alpha = torch.where(alpha >= 1 / 255, alpha.clamp_max(0.999), 0.0)
    total = 0
    for step in np.ndindex(SAMPLES, SAMPLES):
        x, y = (np.array(step) + 0.5) / SAMPLES - 0.5
        z = torch.from_numpy(depth_of_the_cube(camera, matrix, u + x, v + y)).reshape(-1, 1)
        near, far = depths < z, depths >= z
        front, front_alpha = layer(alpha, colours, near)
        back, back_alpha = layer(alpha, colours, far)
        hit = z.isfinite()
        behind = torch.cat([torch.where(hit, GLOW, back), torch.where(hit, 1.0, back_alpha)], 1)
        total = total + torch.cat([front, front_alpha], 1) + (1 - front_alpha) * behind
    return (total / SAMPLES**2).reshape(camera.height, camera.width, 4).numpy()


def shown(picture):
    """[H, W, 3] 0..1 as the Standard view shows it on black."""
    linear = np.clip(picture[..., :3], 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_a_cube_half_inside_of_splats_is_what_one_renderer_of_both_would_draw(backend, cloud, tmp_path):
    write_ply(tmp_path / "cloud.ply", cloud)
    script = Path(__file__).with_name("cube_among_splats.py")
    arguments = [str(backend.http.base_url), backend.handshake["token"], tmp_path / "cloud.ply", tmp_path / "frame.exr"]
    run = subprocess.run([sys.executable, script, *map(str, arguments)], capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    os.environ["OPENCV_IO_ENABLE_OPENEXR"] = "1"
    picture = cv2.imread(str(tmp_path / "frame.exr"), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    seen = json.loads((tmp_path / "frame.json").read_text())
    camera, matrix = Camera.from_json(seen["camera"]), np.array(seen["cube"])
    expected = truth(cloud, camera, matrix)
    error = 255 * np.abs(shown(picture) - shown(expected))
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    hit = np.isfinite(depth_of_the_cube(camera, matrix, u, v))
    assert 0.15 < hit.mean() < 0.6
    print(
        f"mean absolute error {error.mean():.3f}/255, on the cube {error[hit].mean():.3f}/255, most {error.max():.0f}"
    )
    assert error.mean() <= 2 and error[hit].mean() <= 2
    assert np.abs(picture[..., 3] - expected[..., 3]).mean() <= 2 / 255
    without = truth(cloud, camera, np.diag([1e-6, 1e-6, 1e-6, 1.0]))
    assert 255 * np.abs(shown(picture) - shown(without)).mean() > 10, "the cube is to be seen"
