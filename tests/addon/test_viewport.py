"""Splats in the viewport: what is drawn is what the rasterizer's formulas say, wherever bpy draws without a window."""

import time

import bpy
import gpu
import numpy as np
import pytest
from mathutils import Euler, Matrix

from skyworld_addon.scene import splats as scene_splats
from skyworld_addon.viewport import gaussians

needs_gpu = pytest.mark.skipif(bpy.app.version < (5, 2, 0), reason="bpy draws without a window from 5.2 on")
WIDTH, HEIGHT = 96, 64
NEAR, FAR = 0.01, 1000.0


def perspective(f=80.0, cx=50.0, cy=30.0):
    P = np.zeros((4, 4))
    P[0, 0], P[1, 1], P[0, 2], P[1, 2] = 2 * f / WIDTH, 2 * f / HEIGHT, 1 - 2 * cx / WIDTH, 2 * cy / HEIGHT - 1
    P[2, 2], P[2, 3], P[3, 2] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR), -1
    return P


def parallel(scale=9.0):
    P = np.diag([2 * scale / WIDTH, 2 * scale / HEIGHT, -2 / (2 * FAR), 1.0])
    return P


def view(yaw=0.2, location=(0.3, -4.0, 0.2)):
    pose = np.array(Matrix.LocRotScale(location, Euler((np.pi / 2 + 0.05, 0.1, yaw)), None))
    return np.linalg.inv(pose)


def drawn(cloud, view, projection, depth=None):
    """[H, W, 4] premultiplied, row 0 at the top."""
    gpu.init()
    canvas = gpu.types.GPUOffScreen(WIDTH, HEIGHT, format="RGBA32F")
    with canvas.bind():
        target = gpu.state.active_framebuffer_get()
        target.clear(color=(0, 0, 0, 0))
        assert gaussians.Drawing(cloud).draw(view, projection, WIDTH, HEIGHT, depth=depth, wait=True)
        found = target.read_color(0, 0, WIDTH, HEIGHT, 4, 0, "FLOAT")
    found.dimensions = WIDTH * HEIGHT * 4
    canvas.free()
    return np.array(found, np.float32).reshape(HEIGHT, WIDTH, 4)[::-1]


def expected(cloud, view, P):
    """The same by the formulas of EWA splatting, splat by splat, in float64."""
    N = len(cloud)
    at = cloud.means @ view[:3, :3].T + view[:3, 3]
    depth = -at[:, 2]
    xx, xy, xz, yy, yz, zz = gaussians.covariances(cloud.scales.astype(float), cloud.quats.astype(float)).T
    spread = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], 1).reshape(N, 3, 3)
    V = view[:3, :3] @ spread @ view[:3, :3].T
    f, size = np.array([P[0, 0] * WIDTH, P[1, 1] * HEIGHT]) / 2, np.array([WIDTH, HEIGHT])
    flat = P[3, 3] > 0.5
    middle = P[:2, 3] if flat else -P[:2, 2]
    slope = at[:, :2] if flat else at[:, :2] / depth[:, None]
    J = np.zeros((N, 2, 3))
    J[:, 0, 0], J[:, 1, 1] = f if flat else f[:, None] / depth
    if not flat:
        limits = [(sign * 1.3 - middle) / (2 * f / size) for sign in (-1, 1)]
        J[:, :, 2] = f * np.clip(slope, *limits) / depth[:, None]
    C = J @ V @ J.transpose(0, 2, 1) + gaussians.EPS2D * np.eye(2)
    inverse = np.linalg.inv(C)
    means = (f * slope + (middle + 1) / 2 * size) * (1, -1) + (0, HEIGHT)
    inverse[:, 0, 1] *= -1
    inverse[:, 1, 0] *= -1
    away = np.broadcast_to((0, 0, -1.0), (N, 3)) if flat else at
    d = away @ view[:3, :3]
    x, y, z = (d / np.linalg.norm(d, axis=1, keepdims=True)).T
    colours = 0.5 + 0.28209479177387814 * cloud.dc
    for k, basis in enumerate((-y, z, -x)[: len(cloud.sh)]):
        colours = colours + 0.4886025119029199 * basis[:, None] * cloud.sh[k]
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    image, through = np.zeros((HEIGHT, WIDTH, 4)), np.ones((HEIGHT, WIDTH, 1))
    for i in np.argsort(depth, kind="stable"):
        if depth[i] < gaussians.NEAR and not flat:
            continue
        dx, dy = u - means[i, 0], v - means[i, 1]
        a, b, c = inverse[i, 0, 0], inverse[i, 0, 1], inverse[i, 1, 1]
        alpha = np.minimum(0.999, cloud.opacities[i] * np.exp(-0.5 * (a * dx**2 + c * dy**2) - b * dx * dy))[..., None]
        alpha = np.where(alpha < 1 / 255, 0, alpha)
        image += through * alpha * np.append(np.maximum(colours[i], 0), 1)
        through = through * (1 - alpha)
    return image


@needs_gpu
@pytest.mark.parametrize("projection", [perspective(), parallel()], ids=["perspective", "parallel"])
@pytest.mark.parametrize("degree", [0, 1])
def test_what_is_drawn_is_what_the_formulas_say(splats, projection, degree):
    cloud = splats(300, degree, seed=3)
    apart = drawn(cloud, view(), projection) - expected(cloud, view(), projection)
    assert -10 * np.log10((apart**2).mean()) > 55


@needs_gpu
def test_turning_and_scaling_the_object_is_turning_and_scaling_its_splats(splats):
    cloud = splats(200, 3, seed=5)
    matrix = Matrix.LocRotScale((0.5, 1.0, -0.2), Euler((0.4, -0.3, 1.2)), (1.7,) * 3)
    moved = drawn(cloud, view() @ np.array(matrix), perspective())
    baked = drawn(scene_splats.transformed(cloud, matrix), view(), perspective())
    assert np.abs(moved - baked).max() < 0.01


@needs_gpu
def test_what_stands_nearer_hides_the_splats_behind_it(splats):
    cloud = splats(200, 0, seed=1)
    gpu.init()
    P, far = perspective(), np.ones((HEIGHT, WIDTH), np.float32)
    wall = far.copy()
    wall[:, WIDTH // 2 :] = 0.5 * (1 + (-P[2, 2] * 0.5 + P[2, 3]) / 0.5)  # half a metre away
    textures = [
        gpu.types.GPUTexture((WIDTH, HEIGHT), format="R32F", data=gpu.types.Buffer("FLOAT", depth.size, depth.ravel()))
        for depth in (far, wall)
    ]
    free, hidden = (drawn(cloud, view(), P, texture) for texture in textures)
    np.testing.assert_allclose(free, drawn(cloud, view(), P), atol=1e-6)
    assert np.abs(hidden[:, WIDTH // 2 :]).max() == 0 and free[:, WIDTH // 2 :, 3].max() > 0.5
    np.testing.assert_allclose(hidden[:, : WIDTH // 2], free[:, : WIDTH // 2], atol=1e-6)


@needs_gpu
def test_a_budget_keeps_what_shows_most(splats):
    cloud = splats(500, 0, seed=2)
    gpu.init()
    kept = gaussians.Drawing(cloud, budget=200)
    importance = cloud.opacities * np.sort(cloud.scales, axis=1)[:, 1:].prod(1)
    assert len(kept) == 200
    assert importance[kept.chosen].min() >= np.sort(importance)[-200]


@pytest.mark.parametrize("flat", [False, True])
def test_the_farthest_comes_first(flat):
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(20_000, 3)) * (2, 2, 30)).astype(np.float32)
    row = np.array([0.0, 0.0, -1.0, 100.0])
    depth = 100 - points[:, 2]
    ordered = depth[gaussians.sort_by_depth(points, row, flat)]
    # Within a key, which is a share of the depth's range or, in perspective, of its logarithm's, any order will do.
    if flat:
        assert np.diff(ordered).max() <= 1.01 * np.ptp(depth) / 65535
    else:
        seen = np.log(np.maximum(ordered, gaussians.NEAR))
        assert np.diff(seen).max() <= 1.01 * np.ptp(seen) / 65535


def test_a_million_are_sorted_beside_the_main_thread_which_waits_for_nothing():
    points = np.random.default_rng(0).normal(size=(1_000_000, 3)).astype(np.float32)
    sorter, first, second = gaussians.Sorter(points), view(0.2), view(0.9)
    started = time.perf_counter()
    assert sorter.order(first) == (None, False)
    assert time.perf_counter() - started < 0.02, "asking starts a thread and no more"
    order, ready = sorter.order(first, wait=True)
    assert ready and len(order) == len(points)
    assert sorter.order(first) == (None, True), "nothing is sorted twice"
    assert sorter.order(second)[1] is False, "a turned view is sorted anew"
    order, ready = sorter.order(second, wait=True)
    depth = -(points[order] @ second[2, :3] + second[2, 3])
    assert ready and np.diff(np.maximum(depth, gaussians.NEAR)).max() < 0.01
