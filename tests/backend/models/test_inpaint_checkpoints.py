"""Inpainting checkpoints of every architecture, tiny and with random weights: what holds whatever the weights are."""

import numpy as np
import pytest
import tiny
import torch

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.models.checkpoints import architectures, load, vram
from skyworld.models.checkpoints.diffusion import of_same_parts
from skyworld.models.checkpoints.inpaint import DiffusionInpainter
from skyworld.models.roles import InpaintView
from skyworld.models.settings import Settings

CPU = torch.device("cpu")
SETTINGS = Settings(precision="float32", steps=2)
NAMES = [
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLInpaintPipeline",
    "FluxFillPipeline",
    "Flux2KleinPipeline",
    "QwenImagePipeline",
    "QwenImageEditPipeline",
    "ZImagePipeline",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Layers this small only wait for other threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def loaded(folder):
    """name -> adapter, loaded once."""
    kept = {}

    def get(name: str) -> DiffusionInpainter:
        if name not in kept:
            kept[name] = load("inpainter", tiny.save(name, folder), SETTINGS, CPU)
        return kept[name]

    return get


@pytest.fixture(autouse=True)
def small_edits(monkeypatch):
    """Qwen-Image-Edit works on a megapixel whatever it is given; here on 64 x 64."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint as pipeline

    plain = pipeline.calculate_dimensions
    monkeypatch.setattr(pipeline, "calculate_dimensions", lambda area, ratio: plain(64 * 64, ratio))
    monkeypatch.setattr(architectures, "MEGAPIXEL", 64 * 64)


def view(height: int = 64, width: int = 64, **more) -> InpaintView:
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    unknown = np.zeros((height, width), bool)
    unknown[:, width // 3 :] = True
    camera = Camera.pinhole(turned((0, 0, 0)), 1.2, width, height)
    return InpaintView(
        **dict(
            dict(picture=picture, unknown=unknown, camera=camera, region="horizon", prompt="a forest", seed=1), **more
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_view_of_any_size_is_completed_and_its_known_pixels_stay_exactly(loaded, name):
    for asked in (view(), view(50, 77)):
        answer = loaded(name).inpaint(asked)
        assert answer.shape == asked.picture.shape
        assert answer.dtype == np.float32
        assert answer.min() >= 0 and answer.max() <= 1
        assert np.array_equal(answer[~asked.unknown], asked.picture[~asked.unknown])
        assert answer[asked.unknown].std() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_and_the_prompt_make_the_picture(loaded, name):
    inpaint = loaded(name).inpaint
    first = inpaint(view())
    assert np.array_equal(first, inpaint(view()))
    assert not np.array_equal(first, inpaint(view(seed=2)))
    assert not np.array_equal(first, inpaint(view(prompt="a lake")))


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_where_pixels_are_unknown_counts_only_below_full_strength(loaded, name):
    inpaint = loaded(name).inpaint
    one, other = view(), view()
    other.picture[other.unknown] = 0.9
    assert np.array_equal(*(inpaint(each)[one.unknown] for each in (one, other)))
    weaker = [inpaint(view(picture=each.picture, strength=0.5))[one.unknown] for each in (one, other)]
    assert np.abs(weaker[0] - weaker[1]).mean() > 1e-4


@pytest.mark.parametrize(
    "name", ["StableDiffusionInpaintPipeline", "StableDiffusionXLInpaintPipeline", "QwenImagePipeline"]
)
def test_the_negative_prompt_counts(loaded, name):
    inpaint = loaded(name).inpaint
    assert not np.array_equal(inpaint(view(negative="people")), inpaint(view(negative="a car")))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "QwenImageEditPipeline"])
def test_words_are_read_once(loaded, name, monkeypatch):
    adapter, calls = loaded(name), []
    plain = adapter.pipe.text_encoder.forward
    monkeypatch.setattr(adapter.pipe.text_encoder, "forward", lambda *a, **k: calls.append(1) or plain(*a, **k))
    adapter.inpaint(view(prompt="a brook"))
    once = len(calls)
    assert once >= 1
    adapter.inpaint(view(prompt="a brook", seed=7))
    adapter.prepare([("a brook", ""), ("a pond", "")])
    assert len(calls) == 2 * once
    adapter.inpaint(view(prompt="a pond"))
    assert len(calls) == 2 * once


def test_a_few_steps_keep_the_strength():
    klein, xl = (architectures.INPAINT[name] for name in ("Flux2KleinPipeline", "StableDiffusionXLInpaintPipeline"))
    assert klein.denoising(4, 0.9)["sigmas"] == pytest.approx([0.9, 0.675, 0.45, 0.225])
    assert klein.denoising(4, 0.3)["sigmas"] == pytest.approx([0.3, 0.15])
    assert "sigmas" not in klein.denoising(4, 1.0)
    assert xl.denoising(30, 0.3) == {"num_inference_steps": 30, "strength": 0.3}
    assert xl.denoising(2, 0.3)["num_inference_steps"] == 4


def seam(picture: np.ndarray) -> float:
    """How much the first and the last column differ, in steps between usual neighbours."""
    return float(np.abs(picture[:, 0] - picture[:, -1]).mean() / np.abs(np.diff(picture, axis=1)).mean())


@pytest.mark.parametrize("name", ["Flux2KleinPipeline", "QwenImagePipeline"])  # whose random weights paint smoothly
def test_an_equirectangular_view_closes(loaded, name, monkeypatch):
    adapter = loaded(name)
    unknown = np.ones((64, 128), bool)
    unknown[24:40, 48:80] = False
    around = view(64, 128, unknown=unknown, camera=Camera.equirect((0, 0, 0), 128))
    assert seam(adapter.inpaint(around)) < 1.1
    monkeypatch.setattr(adapter, "_closes", lambda asked: False)
    assert seam(adapter.inpaint(around)) > 1.3


@pytest.mark.parametrize(("value", "says"), [(float("nan"), "not numbers"), (-1.0, "black picture")])
def test_broken_and_black_pictures_are_refused_with_a_way_out(loaded, monkeypatch, value, says):
    adapter = loaded("ZImagePipeline")
    monkeypatch.setattr(adapter.pipe.vae, "decode", lambda latents, **_: (torch.full((1, 3, 64, 64), value),))
    with pytest.raises(UserError, match=says) as refused:
        adapter.inpaint(view())
    assert refused.value.hint


def held(plain: DiffusionInpainter, name: str, **how) -> DiffusionInpainter:
    """The same weights, held otherwise; made by hand, for the CPU is given none of it by `load`."""
    pipe = of_same_parts(plain.architecture.pipeline, tiny.pipeline(name))
    settings = Settings(precision="float32", steps=2, **how)
    return DiffusionInpainter(pipe, plain.architecture, plain.provenance, settings, CPU)


@pytest.mark.parametrize("name", ["FluxFillPipeline", "Flux2KleinPipeline", "QwenImagePipeline", "ZImagePipeline"])
def test_eight_bit_weights_still_make_the_picture(loaded, name):
    plain = loaded(name)
    narrow = held(plain, name, quantisation="fp8")
    wide = [weight.dtype for weight in narrow.pipe.text_encoder.parameters()]
    assert wide[0] == torch.float32, "embeddings tell the pipelines the type of the words"
    types = [weight.dtype for weight in narrow.pipe.transformer.parameters()]
    assert types.count(torch.float8_e4m3fn) > len(types) / 4
    assert narrow.footprint < 0.9 * plain.footprint
    assert np.abs(narrow.inpaint(view()) - plain.inpaint(view())).mean() < 0.1


@pytest.mark.parametrize("offload", ["model", "group"])
def test_weights_that_wait_in_memory_make_the_same_picture(loaded, offload):
    plain = loaded("ZImagePipeline")
    waiting = held(plain, "ZImagePipeline", offload=offload)
    for asked in (view(), view(seed=2)):
        assert np.allclose(waiting.inpaint(asked), plain.inpaint(asked), atol=1e-5)


@pytest.mark.parametrize("name", ["Flux2KleinPipeline", "QwenImagePipeline", "ZImagePipeline"])
def test_a_tiled_vae_never_decodes_more_than_a_tile(loaded, monkeypatch, name):
    plain = loaded(name)
    monkeypatch.setattr(vram, "TILE", 80)
    tiled = held(plain, name, tiled=True)
    widths = []
    tiled.pipe.vae.decoder.register_forward_pre_hook(lambda _, given: widths.append(given[0].shape[-1]))
    answer = tiled.inpaint(view(128, 128))
    assert len(widths) == 4 and max(widths) == 10
    assert answer.shape == (128, 128, 3)
    assert np.abs(answer - plain.inpaint(view(128, 128))).mean() < 0.1, "norms see less in a tile"


def test_the_encoder_and_the_denoiser_are_never_on_the_gpu_together(loaded, monkeypatch):
    moves = []

    class Parked:
        def __init__(self, modules, device):
            self.what = type(modules[0]).__name__

        def bring(self):
            moves.append(f"{self.what} comes")

        def park(self):
            moves.append(f"{self.what} goes")

    monkeypatch.setattr(vram, "Parked", Parked)
    waiting = held(loaded("ZImagePipeline"), "ZImagePipeline", offload="model")
    waiting.inpaint(view())
    encoder, denoiser = "Qwen3Model", "ZImageTransformer2DModel"
    assert moves == [f"{denoiser} goes", f"{encoder} comes", f"{encoder} goes", f"{denoiser} comes"]
    waiting.inpaint(view(seed=2))
    assert moves[4:] == [f"{denoiser} comes"], "which is there already"


def lora(folder, name: str):
    """A tiny LoRA of that pipeline's denoiser, not zero."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipe = tiny.pipeline(name)
    pipe.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k"], init_lora_weights=False))
    place = folder / f"lora-{name}"
    pipe.save_lora_weights(place, transformer_lora_layers=get_peft_model_state_dict(pipe.transformer))
    return place


def test_a_lora_changes_the_picture_and_makes_it_panoramic(loaded, folder):
    plain = loaded("Flux2KleinPipeline")
    place = lora(folder, "Flux2KleinPipeline")
    bent = load("inpainter", folder / "Flux2KleinPipeline", SETTINGS, CPU, lora=str(place))
    assert bent.panoramic and not plain.panoramic
    assert str(place) in bent.provenance.name
    assert bent.footprint == plain.footprint
    assert not np.array_equal(bent.inpaint(view()), plain.inpaint(view()))


def test_a_lora_of_another_model_is_refused(folder):
    place = lora(folder, "FluxFillPipeline")
    checkpoint = tiny.save("Flux2KleinPipeline", folder)
    with pytest.raises(UserError, match="does not fit"):
        load("inpainter", checkpoint, SETTINGS, CPU, lora=str(place))


def test_the_cpu_works_in_float32_and_says_so(folder):
    asked = Settings(precision="bfloat16", offload="model", steps=2)
    with pytest.warns(UserWarning, match="float32"):
        adapter = load("inpainter", tiny.save("ZImagePipeline", folder), asked, CPU)
    assert adapter.pipe.transformer.dtype == torch.float32
