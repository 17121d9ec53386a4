import contextlib
import struct
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_scenes import random_gaussians

from skyworld.errors import UserError
from skyworld.splats.formats.ply import read_ply, write_ply

NAMES = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2"]
NAMES += ["rot_0", "rot_1", "rot_2", "rot_3"]


def header(form="binary_little_endian", count=2, names=NAMES, kind="float") -> bytes:
    lines = ["ply", f"format {form} 1.0", "comment made by a test", f"element vertex {count}"]
    return "\n".join([*lines, *(f"property {kind} {name}" for name in names), "end_header", ""]).encode()


def rows(names=NAMES, count=2) -> np.ndarray:
    return np.arange(1, count * len(names) + 1, dtype=np.float64).reshape(count, -1) / 8


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_what_is_written_is_read_back(tmp_path, degree):
    gaussians = random_gaussians(degree, 100, degree)
    gaussians.extra["layer"] = torch.arange(100.0)
    write_ply(tmp_path / "a.ply", gaussians)
    again = read_ply(tmp_path / "a.ply")
    for (name, a), (other, b) in zip(gaussians.tensors(), again.tensors(), strict=True):
        assert name == other and torch.equal(a, b)


def test_the_harmonics_lie_channel_by_channel(tmp_path):
    gaussians = random_gaussians(0, 1, 1)
    write_ply(tmp_path / "a.ply", gaussians)
    data = (tmp_path / "a.ply").read_bytes()
    text, body = data.split(b"end_header\n")
    names = [line.split()[-1].decode() for line in text.splitlines() if line.startswith(b"property")]
    values = dict(zip(names, np.frombuffer(body, "<f4"), strict=True))
    assert values["f_rest_0"] == gaussians.sh[0, 1, 0] and values["f_rest_3"] == gaussians.sh[0, 1, 1]
    assert values["nx"] == 0 and names[:6] == ["x", "y", "z", "nx", "ny", "nz"]


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("kind", ["float", "double"])
def test_every_encoding_any_order_and_foreign_columns_are_read(tmp_path, form, kind):
    names = [*reversed(NAMES), "confidence"]
    values = rows(names)
    if form == "ascii":
        body = "\n".join(" ".join(f"{value:g}" for value in row) for row in values).encode()
    else:
        body = values.astype(("<" if "little" in form else ">") + {"float": "f4", "double": "f8"}[kind]).tobytes()
    (tmp_path / "a.ply").write_bytes(header(form, 2, names, kind) + body)
    gaussians = read_ply(tmp_path / "a.ply")
    at = {name: values[:, index] for index, name in enumerate(names)}
    assert np.allclose(gaussians.means[:, 1], at["y"]) and np.allclose(gaussians.quats[:, 3], at["rot_3"])
    assert np.allclose(gaussians.sh[:, 0, 2], at["f_dc_2"]) and np.allclose(
        gaussians.extra["confidence"], at["confidence"]
    )


def broken(**change) -> bytes:
    return header(**change) + rows().astype("<f4").tobytes()


BAD = {
    "not a PLY": (b"solid teapot\n", "not a PLY"),
    "empty": (b"", "not a PLY"),
    "header without end": (b"ply\nformat ascii 1.0\n", "no end"),
    "binary rubbish": (b"ply\n" + bytes(range(256)) * 20, "no end|no sense"),
    "missing properties": (header(names=NAMES[:6]) + b"\0" * 999, "no opacity, scale_0"),
    "zero vertices": (header(count=0), "no Gaussians"),
    "truncated": (broken()[:-5], "truncated"),
    "hostile count": (header(count=2**40) + b"\0" * 100, "truncated"),
    "hostile ASCII count": (header("ascii", 2**40) + b"1 2 3\n", "truncated"),
    "wrong harmonics": (header(names=[*NAMES, "f_rest_0"]) + b"\0" * 200, "1 f_rest"),
    "mesh": (header(names=["x", "y", "z"]) + b"\0" * 24, "holds no f_dc_0"),
    "compressed": (header(names=["packed_position"], kind="uint") + b"\0" * 8, "compressed"),
    "short ASCII row": (header("ascii", 1) + b"1 2 3 4 5 6 7 8 9 10 11 12 13\n\n\n\n\n", "14 numbers"),
    "list property": (header().replace(b"end_header", b"property list uchar int faces\nend_header"), "type 'list'"),
    "other element": (
        header().replace(b"element vertex", b"element a 1\nproperty int x\nproperty int x\nelement vertex"),
        "truncated",
    ),
    "unknown format": (broken(form="binary_middle_endian"), "middle"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_one_sentence_that_names_it(tmp_path, name):
    content, sentence = BAD[name]
    path = tmp_path / "bad.ply"
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence) as caught:
        read_ply(path)
    assert "bad.ply" in str(caught.value)


def test_damaged_values_are_counted(tmp_path):
    values = rows(count=5).astype("<f4")
    values[1, 0] = np.nan
    values[3, 4] = np.inf
    (tmp_path / "a.ply").write_bytes(header(count=5) + values.tobytes())
    with pytest.raises(UserError, match="means of 1, sh of 1 of 5 Gaussians"):
        read_ply(tmp_path / "a.ply")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.ply"):
        read_ply(tmp_path / "nowhere.ply")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(b"old")
    gaussians = random_gaussians(0, 10)
    gaussians.extra["broken"] = torch.zeros(10)
    object.__setattr__(gaussians, "extra", {"broken": torch.zeros(3)})
    with pytest.raises(ValueError):
        write_ply(path, gaussians)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_ends_in_gaussians_or_a_sentence(tmp_path, data):
    content = bytearray(broken())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = struct.pack("<I", data.draw(st.integers(0, 2**32 - 1)))[:3]
    (tmp_path / "a.ply").write_bytes(bytes(content))
    started = time.perf_counter()
    with contextlib.suppress(UserError):
        assert len(read_ply(tmp_path / "a.ply")) > 0
    assert time.perf_counter() - started < 5
