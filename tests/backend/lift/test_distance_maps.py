"""An artist's own distance map is read in three forms, and refused with a sentence that names it."""

import cv2
import numpy as np
import pytest

from skyworld.errors import UserError
from skyworld.lift.distance import read_distance, write_distance
from skyworld.lift.point_cloud import write_points

MAP = np.linspace(0.5, 60, 64 * 32).reshape(32, 64).astype(np.float32)


def test_an_exr_keeps_every_bit(tmp_path):
    write_distance(tmp_path / "d.exr", MAP)
    assert np.array_equal(read_distance(tmp_path / "d.exr", 64, 32), MAP)


def test_npy_is_metres_and_png_is_millimetres(tmp_path):
    np.save(tmp_path / "d.npy", MAP)
    cv2.imwrite(str(tmp_path / "d.png"), (MAP * 1000).astype(np.uint16))
    assert np.array_equal(read_distance(tmp_path / "d.npy", 64, 32), MAP)
    assert np.abs(read_distance(tmp_path / "d.png", 64, 32) - MAP).max() <= 0.001


def test_resizing_invents_no_distance(tmp_path):
    np.save(tmp_path / "d.npy", np.where(MAP > 30, 100.0, 2.0))
    assert set(np.unique(read_distance(tmp_path / "d.npy", 256, 128))) == {2.0, 100.0}


@pytest.mark.parametrize(
    "make",
    [
        lambda f: np.save(f.with_suffix(".npy"), np.where(MAP > 50, np.nan, MAP)),
        lambda f: np.save(f.with_suffix(".npy"), MAP - 10),
        lambda f: np.save(f.with_suffix(".npy"), MAP[:, :40]),
        lambda f: f.with_suffix(".npy").write_bytes(b"no"),
        lambda f: f.with_suffix(".exr").write_bytes(b"no"),
        lambda f: cv2.imwrite(str(f.with_suffix(".png")), np.zeros((32, 64), np.uint8)),
        lambda f: f.with_suffix(".jpg").write_bytes(b"no"),
    ],
)
def test_what_is_no_distance_map_is_refused_by_name(tmp_path, make):
    make(tmp_path / "bad")
    file = next(tmp_path.iterdir())
    with pytest.raises(UserError, match=file.name.replace(".", r"\.")):
        read_distance(file, 64, 32)


def test_points_lie_at_their_distance_and_leave_out_the_sky(tmp_path):
    sky = np.zeros(MAP.shape, bool)
    sky[:8] = True
    write_points(tmp_path / "p.ply", np.full((32, 64, 3), 0.5, np.float32), np.full_like(MAP, 3.0), sky, 1.6)
    content = (tmp_path / "p.ply").read_bytes()
    body = content[content.index(b"end_header\n") + 11 :]
    points = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
    assert np.allclose(np.linalg.norm(points["xyz"] - (0, 0, 1.6), axis=1), 3.0, atol=1e-5)
    assert points["xyz"][:, 2].max() < 1.6 + 3 * np.sin(np.pi / 4) + 0.01
    assert len(points) < 0.75 * MAP.size, "the poles are thinned"
