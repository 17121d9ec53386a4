"""Residency on a real GPU: what full memory does, what is left on the card. Skipped where there is none."""

import gc

import numpy as np
import pytest
import tiny_transformers as tiny
import torch

from skyworld.camera import Camera, turned
from skyworld.models import checkpoints
from skyworld.models.residency import Order, Residency
from skyworld.models.roles import Provenance
from skyworld.models.settings import Settings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
MB = 1 << 20


class Heavy:
    """300 MB of weights, on the GPU while it works or always, and 300 MB for each call."""

    def __init__(self, settings):
        self.waits = settings.offload != "none"
        self.weights = torch.ones(300 * MB // 4, device="cpu" if self.waits else "cuda")

    def inpaint(self, view):
        work = torch.zeros(300 * MB // 4, device="cuda")
        return float(work[0] + (self.weights[:1].cuda() if self.waits else self.weights)[0])


def heavy(name):
    provenance = Provenance("inpainter", name, "1", "MIT", False)
    return Order(provenance, Settings("float32"), torch.device("cuda"), Heavy, {"": 300 * MB})


@pytest.fixture
def cap():
    """cap(megabytes): the allocator gives no more than that."""

    def to(megabytes):
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(megabytes * MB / total)

    gc.collect()
    torch.cuda.empty_cache()
    yield to
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_a_call_that_fills_the_card_is_done_again_with_the_weights_off_loaded(cap):
    cap(450)
    painter = Residency().hold(heavy("a"))
    with pytest.warns(UserWarning, match="a filled the GPU's memory"):
        assert painter.inpaint(None) == 1.0
    assert "off-loaded" in painter.provenance.version
    assert torch.cuda.memory_allocated() < 100 * MB


def test_what_is_put_out_leaves_the_card():
    residency = Residency(free=lambda device: 400 * MB - torch.cuda.memory_allocated())
    before = torch.cuda.memory_allocated()
    residency.hold(heavy("a"))
    residency.hold(heavy("b"))
    assert residency.names() == ["b"] and torch.cuda.memory_allocated() - before < 310 * MB
    residency.clear()
    assert torch.cuda.memory_allocated() - before < 10 * MB


@pytest.mark.parametrize("make", [tiny.depth_anything, tiny.zoedepth, tiny.depth_pro])
def test_depth_is_the_same_on_the_gpu_and_an_off_loaded_model_leaves_it(make, tmp_path):
    folder = make(tmp_path / "model")
    picture = np.random.default_rng(0).random((72, 96, 3), np.float32)
    camera = Camera.pinhole(turned(np.zeros(3)), np.radians(60), 96, 72)
    found = []
    for device, settings in (
        ("cpu", Settings("float32")),
        ("cuda", Settings("float32")),
        ("cuda", Settings("float32", offload="model")),
    ):
        gc.collect()
        before = torch.cuda.memory_allocated()
        adapter = checkpoints.load("depth", folder, settings, torch.device(device), local_only=True)
        found.append(adapter.estimate(picture, camera))
        if settings.offload == "model":
            assert torch.cuda.memory_allocated() - before < MB
    for other in found[1:]:
        both = found[0].valid & other.valid
        assert both.mean() > 0.99 * found[0].valid.mean()
        ratio = np.log(other.depth[both] / found[0].depth[both])
        assert np.quantile(np.abs(ratio), 0.95) < 1e-2


def test_a_captioner_and_a_segmenter_answer_on_the_gpu_in_bfloat16_and_float32(tmp_path):
    picture = np.random.default_rng(0).random((72, 96, 3), np.float32)
    device = torch.device("cuda")
    captioner = checkpoints.load(
        "captioner", tiny.qwen3_vl(tmp_path / "vlm"), Settings("bfloat16", offload="model"), device, local_only=True
    )
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]
    from PIL import Image

    assert isinstance(captioner._answer(Image.new("RGB", (64, 48)), turns), str)
    masks = tiny.sam2(tmp_path / "masks")
    for make in (tiny.grounding_dino, tiny.owlv2):
        segmenter = checkpoints.load(
            "segmenter", make(tmp_path / make.__name__), Settings("float32"), device, lora=str(masks), local_only=True
        )
        segmenter.threshold = 0.0
        assert segmenter.segment(picture, ("sky", "person")).shape == (2, 72, 96)
