"""Text-to-image checkpoints and the upscaler, tiny and with random weights: what holds whatever the weights are."""

import numpy as np
import pytest
import tiny
import torch

from skyworld.errors import UserError
from skyworld.models.checkpoints import load
from skyworld.models.checkpoints.around import margins_alike, rolled
from skyworld.models.checkpoints.tiles import in_tiles
from skyworld.models.settings import Settings

CPU = torch.device("cpu")
NAMES = [
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "FluxPipeline",
    "Flux2KleinPipeline",
    "QwenImagePipeline",
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
    kept = {}

    def get(name: str):
        if name not in kept:
            settings = Settings(precision="float32", steps=4)
            kept[name] = load("text_to_image", tiny.save(name, folder), settings, CPU)
        return kept[name]

    return get


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).random((40, 60, 3), np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_words_make_a_picture_of_any_size(loaded, name):
    imagine = loaded(name).imagine
    answer = imagine("a forest", 70, 50, seed=1)
    assert answer.shape == (50, 70, 3)
    assert answer.dtype == np.float32
    assert answer.min() >= 0 and answer.max() <= 1 and answer.std() > 0.01
    assert np.array_equal(answer, imagine("a forest", 70, 50, seed=1))
    assert not np.array_equal(answer, imagine("a forest", 70, 50, seed=2))
    assert not np.array_equal(answer, imagine("a lake", 70, 50, seed=1))


@pytest.mark.parametrize("name", NAMES)
def test_refinement_goes_over_the_picture_itself(loaded, name, picture):
    refine = loaded(name).refine
    answer = refine(picture, "a forest", strength=0.5, seed=1)
    assert answer.shape == picture.shape and answer.dtype == np.float32
    assert np.array_equal(answer, refine(picture, "a forest", strength=0.5, seed=1))
    assert not np.array_equal(answer, refine(picture[:, ::-1], "a forest", strength=0.5, seed=1))
    assert np.array_equal(refine(picture, "a forest", strength=0, seed=1), picture)


@pytest.mark.parametrize("name", ["StableDiffusionXLPipeline", "ZImagePipeline"])
def test_refinement_uses_the_last_share_of_the_steps_and_no_more_memory(loaded, name, picture, monkeypatch):
    adapter, calls = loaded(name), []
    denoiser = getattr(adapter.pipe, "unet", None) or adapter.pipe.transformer
    assert denoiser is (getattr(adapter._refiner, "unet", None) or adapter._refiner.transformer)
    plain = denoiser.forward
    monkeypatch.setattr(denoiser, "forward", lambda *a, **k: calls.append(1) or plain(*a, **k))
    adapter.refine(picture, "a forest", strength=0.5, seed=1)
    assert len(calls) == 2


def seam(picture: np.ndarray) -> float:
    """How much the first and the last column differ, in steps between usual neighbours."""
    return float(np.abs(picture[:, 0] - picture[:, -1]).mean() / np.abs(np.diff(picture, axis=1)).mean())


@pytest.mark.parametrize("name", NAMES)
def test_the_edges_of_a_panorama_meet(loaded, name, monkeypatch):
    adapter = loaded(name)
    monkeypatch.setattr(adapter, "panoramic", True)
    closed = adapter.imagine("a forest", 128, 64, seed=1)
    assert seam(closed) < 1.3
    if name in ("FluxPipeline", "Flux2KleinPipeline", "QwenImagePipeline"):  # whose random weights make smooth pictures
        monkeypatch.setattr(adapter, "panoramic", False)
        assert seam(adapter.imagine("a forest", 128, 64, seed=1)) > 1.5


class Steps:
    num_timesteps = 3


@pytest.mark.parametrize("shape", [(1, 4, 6, 16), (1, 3 * 8, 5)], ids=["plain", "packed"])
def test_latents_are_turned_and_turned_back(shape):
    latents = torch.rand(shape)
    callback, now = rolled(8), latents
    for step in range(3):
        now = callback(Steps, step, None, {"latents": now})["latents"]
        assert now.shape == latents.shape
        assert torch.equal(now, latents) == (step == 2)


@pytest.mark.parametrize("packed", [False, True])
def test_margins_become_what_lies_on_the_other_side(packed):
    grid = torch.rand(1, 2, 3, 8)  # 2 columns of margin, 4 of picture, 2 of margin
    latents = grid.flatten(2).transpose(1, 2) if packed else grid
    after = margins_alike(8, 2)(Steps, 0, None, {"latents": latents})["latents"]
    after = after.transpose(1, 2).unflatten(2, (3, 8)) if packed else after
    assert torch.equal(after[..., 2:6], grid[..., 2:6])
    assert torch.equal(after[..., :2], grid[..., 4:6])
    assert torch.equal(after[..., 6:], grid[..., 2:4])


@pytest.mark.parametrize("around", [False, True])
def test_tiles_are_put_together_again(around):
    picture = np.random.default_rng(0).random((50, 100, 3), np.float32)
    sizes = []
    again = in_tiles(picture, lambda tile, number: sizes.append(tile.shape) or tile, 32, 8, around=around)
    assert np.allclose(again, picture, atol=1e-6)
    assert max(max(size[:2]) for size in sizes) <= 32
    doubled = in_tiles(picture, lambda tile, number: tile.repeat(2, 0).repeat(2, 1), 32, 8, around=around)
    assert np.allclose(doubled, picture.repeat(2, 0).repeat(2, 1), atol=1e-6)


def test_tiles_that_disagree_fade_into_one_another_even_across_the_edge():
    again = in_tiles(np.zeros((16, 100, 3), np.float32), lambda tile, number: tile + number % 2, 32, 8, around=True)
    assert again.min() == 0 and again.max() == 1
    assert np.abs(np.diff(np.concatenate([again, again[:, :1]], 1), axis=1)).max() < 0.25


def test_swin2sr_enlarges_in_tiles(folder, monkeypatch):
    upscaler = load("upscaler", tiny.save("swin2sr", folder), Settings(precision="float32", tiled=True), CPU)
    monkeypatch.setattr(upscaler, "_tile", 24)
    large = upscaler.upscale(np.random.default_rng(0).random((30, 50, 3), np.float32))
    assert large.shape == (60, 100, 3)
    assert upscaler.factor == 2 and upscaler.footprint > 0 and not upscaler.provenance.builtin
    assert large.min() >= 0 and large.max() <= 1


def test_an_upscaler_that_breaks_down_says_so(folder):
    upscaler = load("upscaler", tiny.save("swin2sr", folder), Settings(precision="float32"), CPU)
    next(upscaler._model.parameters()).data.fill_(float("nan"))
    with pytest.raises(UserError, match="not numbers"):
        upscaler.upscale(np.zeros((16, 16, 3), np.float32))
