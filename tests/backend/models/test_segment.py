"""Segmenters: phrases become boxes, boxes become masks."""

import types

import numpy as np
import pytest
import tiny_transformers as tiny
import torch

from skyworld.errors import UserError
from skyworld.models import checkpoints
from skyworld.models.settings import Settings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    return tiny.sam2(tmp_path_factory.mktemp("masks") / "sam2")


@pytest.fixture(scope="module", params=[tiny.grounding_dino, tiny.owlv2])
def segmenter(request, masks, tmp_path_factory):
    folder = request.param(tmp_path_factory.mktemp("detector") / "model")
    return checkpoints.load("segmenter", folder, Settings(precision="float32"), CPU, lora=str(masks), local_only=True)


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((72, 96, 3), np.float32)


def with_threshold(segmenter, monkeypatch, threshold):
    monkeypatch.setattr(segmenter, "threshold", threshold)
    return segmenter


def test_every_phrase_has_its_mask(segmenter, picture, monkeypatch):
    found = with_threshold(segmenter, monkeypatch, 0.0).segment(picture, ("sky", "person", "Sky."))
    assert found.shape == (3, 72, 96) and found.dtype == bool and found.any()
    assert np.array_equal(found[0], found[2]), "case and full stop do not matter"


def test_what_is_not_found_has_an_empty_mask(segmenter, picture, monkeypatch):
    assert not with_threshold(segmenter, monkeypatch, 1.0).segment(picture, ("sky",)).any()


def test_another_box_gives_another_mask(segmenter, picture, monkeypatch):
    masks = []
    for box in ((0.0, 0.0, 0.3, 0.3), (0.5, 0.4, 1.0, 1.0)):
        monkeypatch.setattr(segmenter, "_boxes", lambda *_, box=box: torch.tensor([box]))
        masks.append(segmenter.segment(picture, ("sky",))[0])
    assert not np.array_equal(*masks)


def test_only_sure_boxes_count_and_lie_where_they_are_in_the_picture(segmenter, picture, monkeypatch):
    """The upper left quarter of the picture, as centre and size of what the detector saw."""
    share = 96 / 72 if isinstance(segmenter, checkpoints.segment.Owl) else 1.0  # it saw a square
    sure, unsure = [0.25, 0.25 / share, 0.5, 0.5 / share], [0.5, 0.5, 1.0, 1.0]
    logits = torch.tensor([[[20.0], [-20.0]]])
    if share == 1.0:
        logits = torch.cat([logits, torch.full_like(logits, -torch.inf)], -1)  # a word that is none
    found = types.SimpleNamespace(logits=logits, pred_boxes=torch.tensor([[sure, unsure]]))
    detector = types.SimpleNamespace(config=segmenter._models[0].config)
    answers = type("Detector", (), {"config": detector.config, "__call__": lambda self, **inputs: found})()
    boxes = segmenter._boxes(answers, picture, "sky")
    assert torch.allclose(boxes, torch.tensor([[0.0, 0.0, 0.5, 0.5]]), atol=1e-6)


def test_what_is_not_a_number_is_refused(masks, picture, tmp_path):
    folder = tiny.owlv2(tmp_path / "model")
    broken = checkpoints.load("segmenter", folder, Settings(precision="float32"), CPU, lora=str(masks), local_only=True)
    for parameter in broken._models[0].parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(UserError, match="gave a score that is not a number"):
        broken.segment(picture, ("sky",))


def test_without_a_model_of_masks_it_says_which_to_download(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(UserError, match=r"sam2\.1-hiera-small is not downloaded.*models download sam2-small"):
        checkpoints.load("segmenter", tiny.owlv2(tmp_path / "model"), Settings(precision="float32"), CPU)
