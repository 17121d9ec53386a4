"""Depth models, made tiny here and read back as the real ones are: what goes in, what comes out, what is refused.

MoGe and Depth Anything 3 are packages that are not installed here: modules of the interface that they document
stand in for them, so that the wiring is tested and nothing of theirs.
"""

import json
import sys
import types

import numpy as np
import pytest
import tiny_transformers as tiny
import torch

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.models import checkpoints
from skyworld.models.settings import Settings

CPU = torch.device("cpu")
FLOAT = Settings(precision="float32")


def load(folder):
    return checkpoints.load("depth", folder, FLOAT, CPU, local_only=True, licence="MIT")


def camera(fov=60.0, width=96, height=72):
    return Camera.pinhole(turned(np.zeros(3)), np.radians(fov), width, height)


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((72, 96, 3), np.float32)


@pytest.mark.parametrize("make", [tiny.depth_anything, tiny.zoedepth, tiny.depth_pro])
def test_a_saved_model_reads_back_and_measures_every_pixel_alike_each_time(make, tmp_path, picture):
    first, second = (load(make(tmp_path / "model")).estimate(picture, camera()) for _ in range(2))
    assert first.depth.shape == first.valid.shape == (72, 96)
    assert first.depth.dtype == np.float32 and first.valid.dtype == bool
    assert np.isfinite(first.depth).all() and (first.depth > 0).all() and first.valid.any()
    assert np.array_equal(first.depth, second.depth)


def test_an_adapter_tells_what_it_is_and_how_much_it_weighs(tmp_path):
    adapter = load(tiny.depth_anything(tmp_path / "small"))
    assert adapter.metric
    assert (adapter.provenance.role, adapter.provenance.licence, adapter.provenance.builtin) == ("depth", "MIT", False)
    assert adapter.footprint == pytest.approx((tmp_path / "small" / "model.safetensors").stat().st_size, rel=0.2)


def test_depth_anything_stays_within_its_range_and_gives_up_where_it_saturates(tmp_path, picture):
    adapter = load(tiny.depth_anything(tmp_path / "model", max_depth=20))
    found = adapter.estimate(picture, camera())
    assert found.valid.all() and found.depth.min() > 0 and found.depth.max() < 20
    with torch.no_grad():
        adapter._models[0].head.conv3.bias.fill_(50.0)  # everything as far as it can say
    assert not adapter.estimate(picture, camera()).valid.any()


def test_depth_pro_measures_further_through_a_longer_lens(tmp_path, picture):
    adapter = load(tiny.depth_pro(tmp_path / "model"))
    near, far = adapter.estimate(picture, camera(90)), adapter.estimate(picture, camera(30))
    ratio = camera(30).K[0, 0] / camera(90).K[0, 0]
    inside = near.valid & far.valid & (near.depth > 1e-3) & (far.depth < 1e3)  # where the inverse is not cut off
    assert inside.mean() > 0.2
    assert np.allclose(far.depth[inside], ratio * near.depth[inside], rtol=1e-3)


def test_pictures_come_to_the_models_own_size_and_keep_their_shape(tmp_path, monkeypatch):
    adapter, seen = load(tiny.zoedepth(tmp_path / "model")), []
    adapter.preprocessing = {"size": {"height": 384, "width": 512}}  # as the published one has it
    model = type("Model", (), {"__call__": lambda self, pixels: seen.append(pixels.shape[2:]) or 1 / 0})()
    monkeypatch.setattr(adapter, "_models", (model,))
    for shape in ((1024, 1024), (600, 900), (900, 600)):
        with pytest.raises(ZeroDivisionError):
            adapter.estimate(np.zeros((*shape, 3), np.float32), camera())
    assert [tuple(each) for each in seen] == [(512, 512), (384, 576), (736, 512)]


def test_relative_depth_is_no_depth(tmp_path):
    with pytest.raises(UserError, match="tells near from far, but no depth"):
        load(tiny.depth_anything(tmp_path / "model", kind="relative", max_depth=1))


@pytest.mark.parametrize("make", [tiny.depth_anything, tiny.zoedepth])
def test_what_is_not_a_number_is_refused(make, tmp_path, picture):
    adapter = load(make(tmp_path / "model"))
    with torch.no_grad():
        for parameter in adapter._models[0].parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(UserError, match="gave depth that is not a number"):
        adapter.estimate(picture, camera())


def test_weights_that_are_not_all_there_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    file = tiny.depth_anything(tmp_path / "model") / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if "head" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match="lacks 6 of its weights"):
        load(tmp_path / "model")


@pytest.fixture
def moge(tmp_path, monkeypatch):
    """A folder as MoGe's and the module that it is read with; `asked` is what `infer` was told."""
    folder, asked = tmp_path / "moge", {}
    folder.mkdir()
    torch.save({"model_config": {"encoder": {}, "neck": {}, "points_head": {}}, "model": {}}, folder / "model.pt")

    class MoGeModel(torch.nn.Module):
        @classmethod
        def from_pretrained(cls, file):
            assert file == str(folder / "model.pt")
            return cls()

        def infer(self, image, fov_x=None, use_fp16=True):
            asked.update(shape=tuple(image.shape), fov_x=fov_x, range=(float(image.min()), float(image.max())))
            depth = torch.full(image.shape[1:], 3.0)
            depth[:20] = torch.inf
            return {"depth": depth, "mask": torch.isfinite(depth)}

    for name in ("moge", "moge.model", "moge.model.v2"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["moge.model.v2"].MoGeModel = MoGeModel
    return folder, asked


def test_moge_is_told_the_lens_and_its_sky_is_not_valid(moge, picture):
    folder, asked = moge
    found = load(folder).estimate(picture, camera(75))
    assert asked["shape"] == (3, 72, 96) and asked["fov_x"] == pytest.approx(75)
    assert asked["range"][0] >= 0 and asked["range"][1] <= 1
    assert not found.valid[:20].any() and found.valid[20:].all()
    assert np.isfinite(found.depth).all() and (found.depth[found.valid] == 3).all()


def test_a_newer_moge_is_read_by_its_own_class(moge, monkeypatch):
    folder, _ = moge
    torch.save({"model_config": {"encoder": {}, "neck": {}, "refiner": {}}, "model": {}}, folder / "model.pt")
    with pytest.raises(UserError, match="MoGe is not installed"):  # the stand-in is only a version 2
        load(folder)


def test_moge_without_its_package_says_how_to_install_it(tmp_path):
    torch.save({"model_config": {"encoder": {}}, "model": {}}, tmp_path / "model.pt")
    with pytest.raises(UserError, match=r"MoGe is not installed.*pip install git\+https") as told:
        load(tmp_path)
    assert "zoedepth" in told.value.hint


@pytest.fixture
def da3(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3metric-large"}))
    torch.save({}, tmp_path / "weights.pt")
    return tmp_path


def test_depth_anything_3_scales_its_canonical_depth_by_the_focal_length(da3, picture, monkeypatch):
    class DepthAnything3(torch.nn.Module):
        @classmethod
        def from_pretrained(cls, folder):
            return cls()

        def inference(self, images):
            assert images[0].dtype == np.uint8 and images[0].shape == (72, 96, 3)
            sky = np.zeros((1, 36, 48), bool)
            sky[:, :9] = True
            return types.SimpleNamespace(depth=np.full((1, 36, 48), 2.0, np.float32), sky=sky)

    for name in ("depth_anything_3", "depth_anything_3.api"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["depth_anything_3.api"].DepthAnything3 = DepthAnything3
    found = load(da3).estimate(picture, camera(60))
    focal = camera(60).K[0, 0] / 2  # the model saw the picture at half its size
    assert np.allclose(found.depth[found.valid], 2.0 * focal / 300)
    assert not found.valid[:18].any() and found.valid[18:].all()


def test_depth_anything_3_without_its_package_says_how_to_install_it(da3):
    with pytest.raises(UserError, match=r"Depth Anything 3 is not installed.*pip install depth-anything-3"):
        load(da3)


def test_depth_anything_3_of_another_kind_is_refused(da3):
    (da3 / "config.json").write_text(json.dumps({"model_name": "da3-large"}))
    with pytest.raises(UserError, match="does not measure in metres"):
        load(da3)
