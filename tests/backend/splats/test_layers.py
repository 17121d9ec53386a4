"""Splats in front of and behind a depth: what a renderer of splats and objects together would draw."""

import numpy as np
import pytest
import torch

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats import Gaussians, rasterize
from skyworld.splats.rasterize.layers import front_and_back
from skyworld.splats.rasterize.occluders import Occluders, read_ply_mesh

SQUARE = np.array([[-1, 3, -1], [1, 3, -1], [1, 3, 1], [-1, 3, 1]], np.float32)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.fixture(scope="module")
def cloud():
    """300 Gaussians 1 to 5 m in front of the origin."""
    random = torch.Generator().manual_seed(3)
    means = torch.rand(300, 3, generator=random) * torch.tensor([3, 4, 2]) + torch.tensor([-1.5, 1, -1])
    return Gaussians(
        means=means,
        log_scales=torch.rand(300, 3, generator=random) - 2.8,
        quats=torch.randn(300, 4, generator=random),
        logit_opacities=torch.randn(300, generator=random),
        sh=torch.randn(300, 4, 3, generator=random) * 0.4,
    )


def camera_of(model, width=60, height=40):
    scale = {"pinhole": 40.0, "ortho": 15.0}[model]
    K = np.array([[scale, 0, width / 2], [0, scale, height / 2], [0, 0, 1]])
    return Camera(turned((0, 0, 0)), K, width, height, model)


def nearer(cloud, camera, limit):
    return torch.from_numpy(camera.project(cloud.means.numpy())[1] < limit)


@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_each_pixel_splits_at_its_own_depth(cloud, model):
    camera = camera_of(model)
    depth = np.full((40, 60), 2.0, np.float32)
    depth[:, 30:] = 3.5
    front, back = front_and_back(cloud, camera, lambda _: depth)
    for columns, limit in ((slice(0, 30), 2.0), (slice(30, 60), 3.5)):
        kept = nearer(cloud, camera, limit)
        for layer, part in ((front, cloud[kept]), (back, cloud[~kept])):
            whole = rasterize(part, [camera])
            for name in ("colour", "alpha", "depth"):
                expected = getattr(whole, name)[:, :, columns]
                assert torch.allclose(getattr(layer, name)[:, :, columns], expected, atol=2e-5)


@pytest.mark.parametrize("camera", [camera_of("pinhole"), Camera.equirect((0, 0, 0), 64)], ids=["pinhole", "panorama"])
def test_the_two_layers_over_each_other_are_the_whole_picture(cloud, camera):
    square = Occluders(SQUARE, TRIANGLES)
    front, back = front_and_back(cloud, camera, square.depth)
    whole = rasterize(cloud, [camera])
    over = front.colour + (1 - front.alpha)[..., None] * back.colour
    error = (over - whole.colour).abs()
    # Pixels of a panorama are mixed from pixels of a face: at the square's edge not the same in two layers as in one.
    assert error.max() < 1e-3 if camera.model == "pinhole" else error.mean() < 1e-3 and error.max() < 0.15
    assert back.alpha.max() > 0.5 and front.alpha.max() > 0.5


def test_where_nothing_stands_all_is_in_front(cloud):
    camera = camera_of("pinhole")
    front, back = front_and_back(cloud, camera, lambda _: np.full((40, 60), np.inf, np.float32))
    assert torch.equal(front.colour, rasterize(cloud, [camera]).colour) and not back.alpha.any()


def test_no_splats_at_all_are_two_empty_layers():
    front, back = front_and_back(Gaussians.empty(), camera_of("pinhole"), lambda _: np.ones((40, 60), np.float32))
    assert not front.alpha.any() and not back.alpha.any()


def test_the_depth_of_a_square_is_where_its_plane_is():
    tilted = SQUARE + np.array([[0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]], np.float32)  # 4 m below, 3 m above
    camera = camera_of("pinhole")
    depth = Occluders(tilted, TRIANGLES).depth(camera)
    rays = camera.rays()
    # the plane y = 3.5 - z / 2 met by t (x, y, z)
    t = 3.5 / (rays[..., 1] + rays[..., 2] / 2)
    expected = t * rays[..., 1]
    assert depth[20, 30] == pytest.approx(expected[20, 30], abs=1e-5)
    covered = np.isfinite(depth)
    inside = np.lib.stride_tricks.sliding_window_view(np.pad(covered, 1), (3, 3)).all((2, 3))
    assert np.abs(depth - expected)[inside].max() < 1e-4 and inside.sum() > 300
    assert np.isinf(depth[0, 0])


def test_a_floor_that_passes_under_the_camera_is_cut_at_the_near_plane():
    floor = np.array([[-9, -9, -1], [9, -9, -1], [9, 9, -1], [-9, 9, -1]], np.float32)
    camera = camera_of("pinhole")
    depth = Occluders(floor, TRIANGLES).depth(camera)
    assert np.isinf(depth[:18]).all() and np.isfinite(depth[26:]).all()
    assert depth[39, 30] == pytest.approx(40 / 19.5, rel=1e-3)


def test_the_nearest_of_several_counts_and_edges_reach_half_a_pixel_further():
    both = Occluders(np.concatenate([SQUARE, SQUARE / 2]), np.concatenate([TRIANGLES + 4, TRIANGLES]))
    camera = camera_of("ortho")
    depth = both.depth(camera)
    assert depth[20, 30] == 1.5 and depth[8, 30] == 3
    covered = np.isfinite(depth).sum(1)[20]
    assert covered == 2 * 15 + 2


def test_a_mesh_arrives_as_ply():
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
    head += "property float z\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n"
    faces = b"".join(b"\3" + row.astype("<i4").tobytes() for row in TRIANGLES)
    mesh = read_ply_mesh(head.encode() + SQUARE.tobytes() + faces)
    assert np.array_equal(mesh.vertices, SQUARE) and np.array_equal(mesh.triangles, TRIANGLES)
    with pytest.raises(UserError, match="triangle mesh"):
        read_ply_mesh(head.encode() + SQUARE.tobytes())
    with pytest.raises(UserError, match="vertex"):
        Occluders(SQUARE, TRIANGLES + 2).depth(camera_of("pinhole"))
    with pytest.raises(UserError, match="equirect"):
        mesh.depth(Camera.equirect((0, 0, 0), 8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_the_gpu_draws_the_same_layers(cloud, model):
    pytest.importorskip("gsplat")
    camera = camera_of(model)
    depth = np.full((40, 60), np.inf, np.float32)
    depth[5:35, 10:50] = np.linspace(1.5, 4, 40)
    here = front_and_back(cloud, camera, lambda _: depth)
    there = front_and_back(cloud.to("cuda"), camera, lambda _: depth)
    for one, other in zip(here, there, strict=True):
        assert torch.allclose(one.colour, other.colour.cpu(), atol=2e-3)
        assert torch.allclose(one.alpha, other.alpha.cpu(), atol=2e-3)
        assert torch.allclose(one.accumulated_depth, other.accumulated_depth.cpu(), atol=5e-3)
