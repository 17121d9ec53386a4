"""A small made-up place, whose geometry is known, is lifted and looked at from around its centre."""

import numpy as np
import pytest
import torch
from made_up_place import CENTRE, EYE, FAR, PILLAR, WALL, finished, lifted_faces, place, seen

from skyworld.camera import Camera, directions, resample_view, turned
from skyworld.camera.paths import cube_positions
from skyworld.lift.disocclusion import hidden_layer
from skyworld.lift.holes import shell
from skyworld.lift.init import gaussians_of_view
from skyworld.lift.lift import lift
from skyworld.lift.points import MARGIN, Layer, depth_view, face_camera, write_points
from skyworld.models.roles import Photograph
from skyworld.splats import losses, rasterize


def test_the_centre_sees_the_panorama_and_its_distance():
    layer = place()
    gaussians = lifted_faces(layer)
    for yaw, pitch in ((0, 0), (100, -20), (200, 30)):
        camera, render = seen(gaussians, CENTRE, yaw, pitch)
        assert render.alpha.mean() > 0.97
        truth = torch.from_numpy(resample_view(layer.picture, camera))
        assert losses.psnr(render.colour[0], truth) > 20
        cosine = camera.rays() @ camera.rotation[:, 2]
        depth = resample_view(layer.distance, camera, 0) * cosine
        assert (np.abs(render.depth[0].numpy() / depth - 1) < 0.1).mean() > 0.9


def test_ground_keeps_together_when_the_camera_walks_and_comes_closer():
    layer = place()
    flat = Layer(layer.picture, layer.distance, layer.mask & (directions(512, 256)[..., 2] < -0.1), layer.sky)
    gaussians = lifted_faces(flat)
    for position in ((0, -1.5, EYE), (0, -1.5, 0.8)):
        _, render = seen(gaussians, position, 180, -35, fov=40)
        assert render.alpha.min() > 0.85 and render.alpha.mean() > 0.95


def test_gaussians_lie_in_the_plane_of_the_ground():
    below = depth_view(place(), face_camera(CENTRE, 0, -np.pi / 2, 96, MARGIN), MARGIN)
    gaussians = gaussians_of_view(below, 1)
    assert gaussians.means[:, 2].abs().max() < 0.02
    thinnest = gaussians.log_scales.argmin(1)
    w, x, y, z = torch.nn.functional.normalize(gaussians.quats, dim=1).unbind(1)
    up = torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1)  # third row of R
    assert (up.gather(1, thinnest[:, None]).abs() > 0.99).float().mean() > 0.97


def test_nothing_is_stretched_across_a_silhouette():
    gaussians = lifted_faces(place())
    y = gaussians.means[:, 1]
    ahead = (
        (gaussians.means[:, 0].abs() < 0.5) & (y > 2.3) & (gaussians.means[:, 2] > 0.3) & (gaussians.means[:, 2] < 1.9)
    )
    between = ahead & (y > PILLAR + 0.3) & (y < WALL - 0.5)
    assert ahead.sum() > 100 and between.sum() == 0


def test_the_wall_goes_on_behind_the_pillar_and_the_ground_below_it():
    layer = place()
    behind = hidden_layer(layer, 1.7, EYE)
    rays = directions(512, 256)
    pillar = np.isclose(layer.distance * rays[..., 1], PILLAR, atol=0.01) & (np.abs(rays[..., 0]) < 0.1)
    middle = pillar & (rays[..., 2] > -0.15) & (rays[..., 2] < 0.1)
    assert middle.sum() > 50 and behind.mask[middle].mean() > 0.95
    there = behind.mask & middle
    assert np.allclose((behind.distance * rays[..., 1])[there], WALL, rtol=0.08)
    # Its colours are the wall's, not the pillar's red.
    assert (behind.picture[there][:, 1] > 0.45).mean() > 0.95
    assert (behind.distance[behind.mask] > layer.distance[behind.mask]).all()
    point = rays * behind.distance[..., None] + CENTRE
    assert point[behind.mask & ~behind.sky][:, 2].min() > -0.05


def test_open_country_hides_nothing():
    rays = directions(256, 128)
    distance = np.where(rays[..., 2] < -0.02, -EYE / np.minimum(rays[..., 2], -0.02), FAR * 2).astype(np.float32)
    layer = Layer(np.zeros((128, 256, 3), np.float32), distance, np.ones((128, 256), bool), rays[..., 2] >= -0.02)
    # But for the last rows before the horizon, behind which there is sky.
    assert not hidden_layer(layer, 1.7, EYE).mask[rays[..., 2] < -0.12].any()


def test_the_cube_has_fourteen_positions_around_its_centre():
    positions = cube_positions(CENTRE, 2.0)
    assert positions.shape == (14, 3) and np.allclose(positions.mean(0), CENTRE)
    assert np.allclose(np.abs(positions - CENTRE).max(1), 1)


def test_the_shell_lies_beyond_everything():
    far = shell(place(), CENTRE, 1.7)
    assert (far.means - torch.from_numpy(CENTRE)).norm(dim=1).min() > FAR
    _, render = seen(far, (1.0, 1.0, EYE), 77, -60)
    assert render.alpha.min() > 0.9


@pytest.fixture(scope="module")
def world():
    layer = place()
    camera = Camera.pinhole(turned(CENTRE, 0, np.radians(-8)), np.radians(65), 384, 256)
    picture = resample_view(place(2048).picture, camera)
    photograph = Photograph(picture, camera, True, np.zeros(picture.shape[:2], np.float32))
    steps = lift(
        layer.picture, layer.distance, layer.sky, photograph,
        eye_height=EYE, quality="draft", cube=2.0, device="cpu", seed=0, scratch=None,
    )  # fmt: skip
    gaussians, reports = finished(steps)
    return gaussians, reports, photograph


def test_no_view_from_the_cube_shows_a_hole(world):
    gaussians, _, _ = world
    alphas = [
        seen(gaussians, position, yaw, size=48)[1].alpha.mean().item()
        for position in cube_positions(CENTRE, 2.0)
        for yaw in range(0, 360, 45)
    ]
    assert np.mean(alphas) >= 0.98 and min(alphas) >= 0.95


def test_the_photograph_is_seen_at_its_camera(world):
    gaussians, _, photograph = world
    with torch.no_grad():
        render = rasterize(gaussians, [photograph.camera]).colour[0]
    assert losses.psnr(render, torch.from_numpy(photograph.picture)) > 24


def test_beside_the_pillar_the_wall_is_seen_and_not_the_pillar(world):
    gaussians, _, _ = world
    # From 0.9 m to the right the pillar hides another piece of the wall; what the centre could not see is open.
    camera = Camera.pinhole(turned((0.9, 0, EYE)), np.radians(70), 120, 120)
    with torch.no_grad():
        colour = rasterize(gaussians, [camera]).colour[0].numpy()
    at, _ = camera.project(np.array([(-0.2, WALL, 1.2), (0.0, WALL, 1.5), (0.2, WALL, 1.0)]))
    for column, row in at.astype(int):
        patch = colour[row - 1 : row + 2, column - 1 : column + 2].mean((0, 1))
        assert patch[1] > 0.45, "the wall's brown, not the pillar's red"


def test_progress_grows_from_start_to_end(world):
    _, reports, _ = world
    fractions = [report.fraction for report in reports]
    assert np.diff(fractions).min() > -1e-9 and fractions[-1] == 1 and len(fractions) > 50


def test_points_are_written_without_the_sky(tmp_path):
    layer = place(128)
    write_points(tmp_path / "points.ply", layer.picture, layer.distance, layer.sky, EYE)
    header, body = (tmp_path / "points.ply").read_bytes().split(b"end_header\n")
    points = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    assert f"element vertex {len(points)}".encode() in header and 1000 < len(points) < layer.sky.size
    assert np.linalg.norm(points["xyz"] - CENTRE, axis=1).max() < FAR * 1.01
    assert np.isclose(points["xyz"][:, 2], 0, atol=1e-3).mean() > 0.5
