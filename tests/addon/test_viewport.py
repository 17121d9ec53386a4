"""Splats in the viewport: what is drawn is what the rasterizer's formulas say, wherever bpy draws without a window."""

import time

import bpy
import gpu
import numpy as np
import pytest
from mathutils import Euler, Matrix

from skyworld_addon.scene import splats as scene_splats
from skyworld_addon.viewport import gaussians, sorting
from skyworld_addon.viewport.detail import FEWEST, STILL, WANTED, Pace

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


def drawn(clouds, placements, projection, depth=None, states=None, most=gaussians.MOST):
    """[H, W, 4] premultiplied, row 0 at the top, of one cloud seen through a matrix, or of several at placements."""
    gpu.init()
    if not isinstance(clouds, list):
        clouds, placements = [clouds], [gaussians.Placement(placements)]
    drawing = gaussians.Drawing(clouds)
    if states is not None:
        drawing.set_states(0, states)
    canvas = gpu.types.GPUOffScreen(WIDTH, HEIGHT, format="RGBA32F")
    with canvas.bind():
        target = gpu.state.active_framebuffer_get()
        target.clear(color=(0, 0, 0, 0))
        view = gaussians.View()
        assert drawing.sort(view, placements, projection, most=most, wait=True)
        drawing.draw(view, placements, projection, WIDTH, HEIGHT, depth=depth)
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


def part(cloud, mask):
    """The splats that a mask keeps."""
    arrays = {name: getattr(cloud, name)[mask] for name in ("means", "scales", "quats", "opacities", "dc")}
    return type(cloud)(**arrays, sh=cloud.sh[:, mask])


@needs_gpu
def test_a_share_of_the_splats_shows_the_whole(splats):
    cloud = splats(4000, 0, seed=2)
    cloud.scales[:] = 0.06
    cloud.scales[:3000] /= 2  # fine things, which must not all go first
    gpu.init()
    kept = gaussians.Drawing([cloud], budget=1000)
    assert len(kept) == 1000 and 300 < (kept.chosen[0] < 3000).sum() < 750
    whole = drawn(cloud, view(), perspective())
    any_quarter = drawn(part(cloud, np.arange(4000) % 4 == 0), view(), perspective())
    lost = np.abs(drawn(cloud, view(), perspective(), most=1000) - whole).mean()
    assert 0 < lost < 0.7 * np.abs(any_quarter - whole).mean()


@needs_gpu
def test_several_objects_are_sorted_together_and_one_may_stand_in_several_places(splats):
    a, b = splats(150, 1, seed=7), splats(150, 1, seed=8)
    away = Matrix.LocRotScale((0.4, 0.3, 0.1), Euler((0.1, 0.7, 0.2)), (0.8,) * 3)
    placements = [
        gaussians.Placement(view() @ np.array(matrix), cloud)
        for cloud, matrix in ((0, Matrix()), (1, Matrix()), (0, away))
    ]
    one = scene_splats.joined([a, b, scene_splats.transformed(a, away)])
    assert np.abs(drawn([a, b], placements, perspective()) - drawn(one, view(), perspective())).max() < 0.01


@needs_gpu
@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("ball", [False, True])
def test_a_crop_shows_what_lies_in_its_volume(splats, ball, outside):
    cloud = splats(300, 0, seed=4)
    matrix = np.linalg.inv(np.array(Matrix.LocRotScale((0.3, 0.1, 0), Euler((0.2, 0.1, 0.5)), (0.9, 0.7, 1.1))))
    cropped = [gaussians.Placement(view(), crops=(gaussians.Crop(matrix, ball, outside),))]
    within = np.abs(cloud.means @ matrix[:3, :3].T + matrix[:3, 3])
    kept = ((np.linalg.norm(within, axis=1) if ball else within.max(1)) <= 1) != outside
    assert 30 < kept.sum() < 270
    seen, wanted = drawn([cloud], cropped, perspective()), drawn(part(cloud, kept), view(), perspective())
    assert np.abs(seen - wanted).max() < 0.01


@needs_gpu
def test_selected_splats_are_tinted_and_hidden_ones_gone(splats):
    cloud = splats(200, 0, seed=6)
    plain = drawn(cloud, view(), perspective())
    states = np.zeros(200, np.uint8)
    states[50:] = gaussians.HIDDEN
    hidden = drawn(cloud, view(), perspective(), states=states)
    assert np.abs(hidden - drawn(part(cloud, states == 0), view(), perspective())).max() < 0.01
    tinted = drawn(cloud, view(), perspective(), states=np.full(200, gaussians.SELECTED))
    np.testing.assert_allclose(tinted[..., 3], plain[..., 3], atol=1e-4)
    colours = tinted[..., :3].sum((0, 1)) / tinted[..., 3].sum()
    assert colours[0] > colours[1] > colours[2], "orange"


@pytest.mark.parametrize("flat", [False, True])
def test_the_farthest_comes_first(flat):
    depth = (100 - 30 * np.random.default_rng(0).normal(size=20_000)).astype(np.float32)
    ordered = depth[sorting.depth_order(depth, flat)]
    # Within a key, which is a share of the depth's range or, in perspective, of its logarithm's, any order will do.
    if flat:
        assert np.diff(ordered).max() <= 1.01 * np.ptp(depth) / 65535
    else:
        seen = np.log(np.maximum(ordered, gaussians.NEAR))
        assert np.diff(seen).max() <= 1.01 * np.ptp(seen) / 65535


def piece(points, to_camera):
    return sorting.Piece(np.ascontiguousarray(points.T), np.full(len(points), 0.05, np.float32), 0, to_camera)


def test_a_million_are_sorted_beside_the_main_thread_which_waits_for_nothing():
    points = np.random.default_rng(0).normal(size=(1_000_000, 3)).astype(np.float32)
    sorter, means = sorting.Sorter(), np.ascontiguousarray(points.T)
    first, second = (sorting.Piece(means, np.full(len(points), 0.05, np.float32), 0, view(yaw)) for yaw in (0.2, 0.9))
    P = perspective()
    started = time.thread_time()
    assert sorter.order([first], P, 10**9) == (None, False)
    assert time.thread_time() - started < 0.02, "asking starts a thread and no more"
    found, ready = sorter.order([first], P, 10**9, wait=True)
    assert ready and found[0] > 500_000
    assert sorter.order([first], P, 10**9) == (None, True), "nothing is sorted twice"
    assert sorter.order([second], P, 10**9)[1] is False, "a turned view is sorted anew"
    (count, entries, _), ready = sorter.order([second], P, 10**9, wait=True)
    order = entries[:count, 0].astype(int)
    depth = -(points[order] @ second.to_camera[2, :3] + second.to_camera[2, 3])
    assert ready and np.diff(np.maximum(depth, gaussians.NEAR)).max() < 0.01


def test_what_no_view_reaches_is_not_sorted():
    points = np.random.default_rng(1).normal(size=(5000, 3)).astype(np.float32) * 5
    to_camera, P = view(), perspective()
    (count, entries, _), nearest = sorting.sorted_view([piece(points, to_camera)], P, 10**9)
    at = points @ to_camera[:3, :3].T + to_camera[:3, 3]
    clip = at @ P[:2, :3].T / -at[:, 2:]
    inside = (at[:, 2] < -gaussians.NEAR) & (np.abs(clip) < 1).all(1)
    kept = np.zeros(len(points), bool)
    kept[entries[:count, 0].astype(int)] = True
    assert kept[inside].all() and count < 0.7 * len(points)
    assert nearest == pytest.approx(-at[kept, 2].max(), rel=1e-4)


def test_a_view_in_motion_draws_what_can_be_drawn_in_time_and_all_of_it_when_it_stands():
    pace = Pace()
    assert not pace.moves("here", now=0.0), "a view that has just opened stands"
    assert pace.moves("there", now=1.0)
    pace.took(1.0, 10_000_000)  # a second: far too long
    assert FEWEST < pace.most <= 10_000_000 * WANTED
    before = pace.most
    pace.took(WANTED * 1.2, before)
    assert pace.most == before, "a little more or less keeps the order that is there"
    assert pace.moves("there", now=1.0 + 0.9 * STILL) and not pace.moves("there", now=1.1 + STILL)
