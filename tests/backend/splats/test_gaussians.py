import numpy as np
import pytest
import torch
from random_scenes import CAMERA, random_gaussians

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.splats import Gaussians, rasterize
from skyworld.splats.gaussians import quaternion
from skyworld.splats.spherical_harmonics import basis, rotated


def moved() -> np.ndarray:
    matrix = turned((0.5, -1.0, 2.0), 0.7, -0.4, 1.1)
    matrix[:3, :3] *= 1.7
    return matrix


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_moving_gaussians_and_camera_together_leaves_the_picture(degree):
    gaussians, matrix = random_gaussians(5, degree=degree), moved()
    pose = matrix @ CAMERA.camera_to_world
    pose[:3, :3] /= 1.7
    camera = Camera(pose, CAMERA.K, CAMERA.width, CAMERA.height)
    before, after = rasterize(gaussians, [CAMERA]), rasterize(gaussians.transformed(matrix), [camera])
    assert (before.colour - after.colour).abs().max() < 2e-3
    assert (before.colour - after.colour).abs().mean() < 1e-5


def test_turned_harmonics_give_the_old_value_in_the_turned_direction():
    rotation = turned((0, 0, 0), 1.0, 0.3, -2.0)[:3, :3]
    directions = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=1)
    sh = torch.randn(1, 16, 3, dtype=torch.float64)
    before = torch.einsum("dk,kc->dc", basis(directions, 3), sh[0])
    after = torch.einsum("dk,kc->dc", basis(directions @ torch.from_numpy(rotation).T, 3), rotated(sh, rotation)[0])
    assert torch.allclose(before, after, atol=1e-10)


@pytest.mark.parametrize("bad", [np.diag([1.0, 1, -1, 1]), np.diag([1.0, 2, 1, 1]), np.diag([0.0, 0, 0, 1])])
def test_mirrors_and_uneven_scales_are_refused(bad):
    with pytest.raises(UserError, match="not mirrored"):
        random_gaussians(0).transformed(bad)


def test_concatenated_gaussians_keep_the_higher_degree_and_shared_columns():
    a, b = random_gaussians(0, 10), random_gaussians(1, 5, degree=2)
    a.extra, b.extra = {"layer": torch.zeros(10), "only": torch.zeros(10)}, {"layer": torch.ones(5)}
    both = Gaussians.concatenate([a, b])
    assert len(both) == 15 and both.sh_degree == 2 and set(both.extra) == {"layer"}
    assert torch.equal(both.sh[:10, 0], a.sh[:, 0]) and not both.sh[:10, 1:].any()
    assert both.nbytes == 15 * 4 * (3 + 3 + 4 + 1 + 27 + 1)


def test_quaternions_turn_like_their_matrices():
    from dense_reference import rotation_matrices

    matrices = np.stack(
        [turned((0, 0, 0), *angles)[:3, :3] for angles in np.random.default_rng(0).normal(0, 2, (50, 3))]
    )
    again = rotation_matrices(torch.from_numpy(quaternion(matrices)))
    assert np.allclose(again, matrices, atol=1e-12)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="quats"):
        Gaussians(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 1, 3))
