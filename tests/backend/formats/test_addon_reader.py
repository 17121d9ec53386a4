"""The add-on reads .ply with numpy code of its own, as Blender has no torch: both readers find the same in a file."""

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_scenes import make_scene

from skyworld.errors import UserError
from skyworld.splats.formats.ply import read_ply, write_ply

TYPES = {"float": "f4", "double": "f8", "float32": "f4"}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": None}


@pytest.fixture
def addon(monkeypatch, root):
    """The add-on's module `scene.ply` without its package, which needs Blender."""
    for name in ("skyworld_addon", "skyworld_addon.scene"):
        package = ModuleType(name)
        package.__path__ = [str(root / name.replace(".", "/"))]
        monkeypatch.setitem(sys.modules, name, package)
    for name in ("skyworld_addon.errors", "skyworld_addon.scene.ply"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("skyworld_addon.scene.ply")


def rewritten(path, form: str, kind: str, order) -> None:
    """The same columns in another `order` (a random generator), type and encoding."""
    text, _, data = path.read_bytes().partition(b"end_header\n")
    names = [line.split()[2].decode() for line in text.splitlines() if line.startswith(b"property")]
    rows = np.frombuffer(data, "<f4").reshape(-1, len(names))
    columns = list(range(len(names)))
    order.shuffle(columns)
    head = ["ply", f"format {form} 1.0", "comment shuffled", f"element vertex {len(rows)}"]
    head += [*(f"property {kind} {names[i]}" for i in columns), "end_header", ""]
    body = rows[:, columns]
    if ORDERS[form]:
        data = body.astype(ORDERS[form] + TYPES[kind]).tobytes()
    else:
        data = "\n".join(" ".join(map(repr, row)) for row in body.tolist()).encode()
    path.write_bytes("\n".join(head).encode() + data)


def assert_equal(theirs, ours) -> None:
    assert np.array_equal(theirs.means, ours.means.numpy())
    np.testing.assert_allclose(theirs.scales, ours.log_scales.exp().numpy(), rtol=1e-6)
    np.testing.assert_allclose(theirs.quats, torch.nn.functional.normalize(ours.quats).numpy(), atol=1e-6)
    np.testing.assert_allclose(theirs.opacities, ours.logit_opacities.sigmoid().numpy(), atol=1e-6)
    assert np.array_equal(theirs.dc, ours.sh[:, 0].numpy())
    assert np.array_equal(theirs.sh, ours.sh[:, 1:].transpose(0, 1).numpy())
    assert {name: column.tolist() for name, column in theirs.extra.items()} == {
        name: column.tolist() for name, column in ours.extra.items()
    }


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    degree=st.integers(0, 3),
    extra=st.lists(st.sampled_from(["label", "confidence", "layer"]), unique=True),
    form=st.sampled_from(list(ORDERS)),
    kind=st.sampled_from(list(TYPES)),
    order=st.randoms(use_true_random=False),
)
def test_both_readers_find_the_same_in_any_order_type_and_encoding(addon, tmp_path, degree, extra, form, kind, order):
    gaussians = make_scene(count=60, degree=degree)
    gaussians.quats *= torch.linspace(0.1, 9, 60)[:, None]
    gaussians.extra = {name: torch.arange(60.0) + i for i, name in enumerate(extra)}
    write_ply(tmp_path / "a.ply", gaussians)
    rewritten(tmp_path / "a.ply", form, kind, order)
    assert_equal(addon.read(tmp_path / "a.ply"), read_ply(tmp_path / "a.ply"))


@pytest.mark.parametrize("degree", [0, 3])
def test_both_readers_find_the_same_in_files_of_either_writer(addon, tmp_path, degree):
    write_ply(tmp_path / "backend.ply", make_scene(count=70_000, degree=degree))  # more than one block of rows
    addon.write(tmp_path / "addon.ply", addon.read(tmp_path / "backend.ply"))
    for name in ("backend.ply", "addon.ply"):
        assert_equal(addon.read(tmp_path / name), read_ply(tmp_path / name))


def damaged(path, what: str) -> None:
    data = path.read_bytes()
    if what == "truncated":
        path.write_bytes(data[:-3])
    elif what == "a promise":
        path.write_bytes(data.replace(b"vertex 60\n", b"vertex 1099511627776\n"))
    elif what == "NaN":
        path.write_bytes(data[:-4] + np.float32(np.nan).tobytes())
    else:
        path.write_bytes(data.replace(b"f_rest_8\n", b"f_test_8\n"))


@pytest.mark.parametrize("what", ["truncated", "a promise", "NaN", "a missing harmonic"])
def test_both_readers_refuse_the_same(addon, tmp_path, what):
    write_ply(tmp_path / "a.ply", make_scene(count=60, degree=1))
    damaged(tmp_path / "a.ply", what)
    for read, error in ((addon.read, addon.UserError), (read_ply, UserError)):
        with pytest.raises(error, match=r"a\.ply"):
            read(tmp_path / "a.ply")
