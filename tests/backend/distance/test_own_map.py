"""An artist's own distance map."""

import cv2
import numpy as np
import OpenEXR
import pytest

from skyworld.errors import UserError
from skyworld.lift.distance import read_distance
from skyworld.world.exr import write_exr


@pytest.fixture
def ramp():
    return np.linspace(0.5, 60, 32 * 64, dtype=np.float32).reshape(32, 64)


def test_what_is_written_is_read_back(tmp_path, ramp):
    write_exr(tmp_path / "d.exr", ramp)
    np.testing.assert_array_equal(read_distance(tmp_path / "d.exr", 64, 32), ramp)
    assert list(OpenEXR.File(str(tmp_path / "d.exr")).channels()) == ["V"]


def test_png_holds_millimetres_and_npy_metres(tmp_path, ramp):
    cv2.imwrite(str(tmp_path / "d.png"), np.round(ramp * 1000).astype(np.uint16))
    np.save(tmp_path / "d.npy", ramp.astype(np.float64))
    np.testing.assert_allclose(read_distance(tmp_path / "d.png", 64, 32), ramp, atol=6e-4)
    np.testing.assert_allclose(read_distance(tmp_path / "d.npy", 64, 32), ramp, rtol=1e-6)


def test_another_size_is_filled_with_values_of_the_map(tmp_path, ramp):
    np.save(tmp_path / "d.npy", ramp)
    larger = read_distance(tmp_path / "d.npy", 160, 80)
    assert larger.shape == (80, 160) and np.isin(larger, ramp).all()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.exr", None, "does not exist"),
        ("d.tif", b"II*", "cannot be read"),
        ("d.exr", b"", "cannot be read"),
        ("d.png", b"", "cannot be read"),
        ("d.npy", b"", "cannot be read"),
    ],
)
def test_what_is_no_map_is_named_with_what_to_do(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says) as raised:
        read_distance(tmp_path / name, 64, 32)
    assert name in str(raised.value) and raised.value.hint


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.full((32, 64), np.nan), "finite"),
        (np.zeros((32, 64)), "positive"),
        (np.ones((64, 64)), "twice as wide"),
        (np.ones((32, 64, 3)), "two dimensions"),
    ],
)
def test_a_map_with_impossible_values_is_refused(tmp_path, values, says):
    np.save(tmp_path / "d.npy", values)
    with pytest.raises(UserError, match=says):
        read_distance(tmp_path / "d.npy", 64, 32)


def test_an_eight_bit_png_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "d.png"), np.ones((32, 64), np.uint8))
    with pytest.raises(UserError, match="16 bits"):
        read_distance(tmp_path / "d.png", 64, 32)
