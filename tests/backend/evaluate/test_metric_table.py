"""The table of metrics: what `measure` promises for every one of them."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from skyworld.errors import UserError
from skyworld.evaluate import METRICS, Skipped, measure
from skyworld.evaluate.registry import CLIP_B32

PICTURE = np.random.default_rng(0).random((48, 64, 3))


def test_importing_the_room_loads_neither_torch_nor_transformers():
    code = "import sys, json, skyworld.evaluate; print(json.dumps([m for m in sys.modules]))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert not {"torch", "transformers", "torchmetrics", "scipy", "cv2"} & set(loaded)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_definition(name):
    assert len(METRICS[name].definition) > 60


def test_whatever_needs_weights_is_skipped_with_the_missing_file_and_where_to_get_it(tmp_path):
    weighted = [name for name in METRICS if METRICS[name].weights and all(map(find_spec, METRICS[name].packages))]
    measured = measure(weighted, [PICTURE] * 2, [PICTURE] * 2, ["a house"], weights=tmp_path)
    for name in weighted:
        assert isinstance(measured[name], Skipped)
        assert METRICS[name].weights[0].path in measured[name].reason and str(tmp_path) in measured[name].reason
        assert METRICS[name].weights[0].source in measured[name].reason


def test_without_references_or_texts_the_metrics_that_need_them_are_skipped():
    measured = measure([name for name in METRICS if METRICS[name].kind != "picture"], [PICTURE])
    assert all(isinstance(value, Skipped) and value.reason.startswith("needs") for value in measured.values())


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("skyworld.evaluate.registry.find_spec", lambda name: None)
    assert "torchmetrics is not installed" in measure(["ssim"], [PICTURE], [PICTURE])["ssim"].reason


def test_a_hub_model_is_found_in_the_local_cache(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert CLIP_B32.find(None) is None
    model = tmp_path / "models--openai--clip-vit-base-patch32"
    snapshot = model / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0" * 40)
    assert CLIP_B32.find(None) == snapshot


def test_values_are_averaged_over_the_pictures_and_one_reference_may_serve_all():
    others = [np.clip(PICTURE + shift, 0, 1) for shift in (0.1, 0.2)]
    each = [measure(["psnr"], [other], [PICTURE])["psnr"] for other in others]
    assert measure(["psnr"], others, [PICTURE])["psnr"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((["pnsr"], [PICTURE], [PICTURE]), "no metric is called pnsr"),
        ((["psnr"], []), "no picture"),
        ((["psnr"], [PICTURE], [PICTURE[:40]]), "64x48 pixels cannot be compared with a reference of 64x40"),
        ((["psnr"], [PICTURE] * 3, [PICTURE] * 2), "3 pictures and 2 references"),
        ((["psnr"], [PICTURE * 255], [PICTURE]), "outside 0 to 1"),
        ((["psnr"], [PICTURE * np.nan], [PICTURE]), "not numbers"),
        ((["psnr"], [(PICTURE * 255).astype(np.uint8)], [PICTURE]), "not a float array"),
        ((["psnr"], [PICTURE[..., 0]], [PICTURE]), "not a float array"),
    ],
)
def test_unfit_input_is_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        measure(*arguments)


def test_pictures_too_small_for_a_definition_are_said_to_be():
    pytest.importorskip("torchmetrics")
    tiny = PICTURE[:9, :9]
    measured = measure(["ssim", "ms_ssim"], [tiny], [tiny])
    assert "11 x 11" in measured["ssim"].reason and "160" in measured["ms_ssim"].reason
