"""FlowEdit: the loop against flows that can be solved by hand; the adapters with tiny models of random weights."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tiny
import torch

from skyworld.errors import UserError
from skyworld.models.checkpoints import load
from skyworld.models.checkpoints.flowedit import flow_edit
from skyworld.models.checkpoints.flows import FLOWS
from skyworld.models.roles import EditSchedule
from skyworld.models.settings import Settings

CPU = torch.device("cpu")
SHORT = EditSchedule(steps=4, n_min=1, n_max=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Layers this small only wait for other threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    kept, folder = {}, tmp_path_factory.mktemp("checkpoints")

    def get(name: str):
        if name not in kept:
            kept[name] = load("editor", tiny.save(name, folder), Settings(precision="float32"), CPU)
        return kept[name]

    return get


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).random((40, 60, 3), np.float32)


# ------------------------------------------------------------------ the loop


def normal(seed: int = 0):
    random = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(3, 5, generator=random)


def towards(place: torch.Tensor):
    """The flow of a model that knows one picture only: z = (1 - s) place + s noise moves by (z - place) / s."""
    return lambda z, level: (z - place) / level


def test_an_edit_moves_by_the_difference_of_what_two_models_know():
    latents, before, after = (torch.randn(3, 5, generator=torch.Generator().manual_seed(i)) for i in range(3))
    schedule = EditSchedule(steps=7, n_min=0, n_max=5)
    edited = flow_edit(latents, torch.linspace(1, 0, 8), towards(before), towards(after), schedule, normal())
    assert torch.allclose(edited, latents + after - before, atol=1e-5)


def test_the_last_steps_follow_the_target_alone():
    latents, before, after = (torch.randn(3, 5, generator=torch.Generator().manual_seed(i)) for i in range(3))
    schedule = EditSchedule(steps=7, n_min=2, n_max=5)
    edited = flow_edit(latents, torch.linspace(1, 0, 8), towards(before), towards(after), schedule, normal())
    assert torch.allclose(edited, after, atol=1e-5)


def test_every_step_follows_the_equation_of_the_paper():
    """One step by hand, with a velocity that is no straight line and two noises a step."""
    latents, levels = torch.randn(3, 5, generator=torch.Generator().manual_seed(9)), torch.tensor([0.9, 0.4, 0.0])
    source, target = lambda z, s: z.square() * s, lambda z, s: z.sin() - s
    schedule = EditSchedule(steps=2, n_min=1, n_max=2, average=2)
    edited = flow_edit(latents, levels, source, target, schedule, normal(3))
    noise, moved = normal(3), 0
    for _ in range(2):
        noised = 0.1 * latents + 0.9 * noise()
        moved = moved + (target(noised, 0.9) - source(noised, 0.9)) / 2
    z_edit = latents + (0.4 - 0.9) * moved
    state = z_edit + (0.6 * latents + 0.4 * noise()) - latents
    assert torch.allclose(edited, state + (0.0 - 0.4) * target(state, 0.4), atol=1e-6)


def test_equal_descriptions_change_nothing():
    latents = torch.randn(3, 5, generator=torch.Generator().manual_seed(9))
    same = lambda z, s: z.exp() * s  # noqa: E731
    schedule = EditSchedule(steps=6, n_min=0, n_max=6)
    assert torch.equal(flow_edit(latents, torch.linspace(1, 0, 7), same, same, schedule, normal()), latents)


@pytest.mark.parametrize(
    ("steps", "n_min", "n_max", "average", "passes"), [(28, 4, 10, 1, 16), (28, 0, 24, 1, 48), (5, 2, 4, 3, 14)]
)
def test_an_edit_costs_as_many_passes_as_it_says(steps, n_min, n_max, average, passes):
    schedule, asked = EditSchedule(steps, n_min, n_max, average), []
    counted = lambda z, s: asked.append(float(s)) or z  # noqa: E731
    levels = torch.linspace(1, 0, steps + 1)
    flow_edit(torch.zeros(3, 5), levels, counted, counted, schedule, normal())
    assert len(asked) == schedule.passes == passes
    assert max(asked) == pytest.approx(n_max / steps) and min(asked) > 0


@pytest.mark.parametrize("wrong", [dict(n_min=11), dict(n_max=29), dict(n_max=0, n_min=0), dict(average=0)])
def test_an_impossible_schedule_is_refused(wrong):
    with pytest.raises(UserError, match="edit"):
        EditSchedule(**wrong)


# ------------------------------------------------------------------ the adapters


@pytest.mark.parametrize("name", FLOWS)
def test_an_edit_keeps_the_size_and_follows_seed_and_words(loaded, name, picture):
    edit = loaded(name).edit
    answer = edit(picture, "a forest", "a lake", seed=1, schedule=SHORT)
    assert answer.shape == picture.shape and answer.dtype == np.float32
    assert answer.min() >= 0 and answer.max() <= 1 and answer.std() > 0.01
    assert np.array_equal(answer, edit(picture, "a forest", "a lake", seed=1, schedule=SHORT))
    assert not np.array_equal(answer, edit(picture, "a forest", "a lake", seed=2, schedule=SHORT))
    assert not np.array_equal(answer, edit(picture, "a forest", "a forest", seed=1, schedule=SHORT))


@pytest.mark.parametrize("name", FLOWS)
def test_equal_prompts_and_guidance_give_what_the_vae_keeps_of_the_picture(loaded, name, picture):
    editor = loaded(name)
    same = EditSchedule(steps=3, n_min=0, n_max=2, source_guidance=3.0, target_guidance=3.0)
    answer = editor.edit(picture, "a forest", "a forest", seed=1, schedule=same)
    padded = np.pad(picture, ((0, -40 % editor.architecture.cell), (0, -60 % editor.architecture.cell), (0, 0)), "edge")
    with torch.no_grad():
        latents = editor._flow.encode(torch.from_numpy(2 * padded - 1).permute(2, 0, 1)[None])
        kept = (editor._flow.decode(latents)[0, :, :40, :60] / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()
    assert np.allclose(answer, kept, atol=1e-6)


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_goes_where_the_pipeline_of_diffusers_goes(loaded, name):
    """Euler steps along the flow from the pipeline's own noise end in the pipeline's own latents and picture."""
    editor = loaded(name)
    pipe, architecture, flow = editor.pipe, editor.architecture, editor._flow
    guidance = 1.0 if name == "FluxPipeline" else 2.5
    editor.guidance = guidance  # so that the words have their opposite
    if name == "Flux2KleinPipeline":
        pipe.register_to_config(is_distilled=False)
    words = editor.words("a forest", "")
    seen = []
    given = dict(words, **{architecture.guide: guidance}, width=64, height=48, num_inference_steps=3)
    if name == "StableDiffusion3Pipeline":  # whose own levels begin a thousandth elsewhere
        given["sigmas"] = [1, 2 / 3, 1 / 3]
    pictures = pipe(
        **given,
        generator=torch.Generator().manual_seed(5),
        output_type="pt",
        callback_on_step_end=lambda pipe, step, t, kept: seen.append(kept["latents"]) or kept,
    ).images
    shape = {"FluxPipeline": (1, 2, 6, 8), "Flux2KleinPipeline": (1, 4, 3, 4)}.get(name, (1, 4, 6, 8))
    state = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    levels = flow.levels(3, state)
    with torch.no_grad():
        for level, following in pairwise(levels):
            state = state + (following - level) * flow.velocity(state, level, words, guidance)
        picture = (flow.decode(state) / 2 + 0.5).clamp(0, 1)
    assert len(seen) == 3
    assert torch.allclose(picture, pictures, atol=2e-4)


@pytest.mark.parametrize("name", FLOWS)
def test_the_text_encoders_are_asked_once_for_many_pictures(loaded, name, picture, monkeypatch):
    editor, asked = loaded(name), []
    plain = editor.pipe.text_encoder.forward
    monkeypatch.setattr(editor.pipe.text_encoder, "forward", lambda *a, **k: asked.append(1) or plain(*a, **k))
    for seed in range(3):
        editor.edit(picture, f"a forest by {name}", "a lake at noon", seed=seed, schedule=SHORT)
    first = len(asked)
    editor.edit(picture, f"a forest by {name}", "a lake at noon", seed=9, schedule=SHORT)
    assert 0 < first == len(asked)


def test_a_picture_larger_than_the_model_is_edited_in_tiles(loaded, monkeypatch):
    editor, sizes = loaded("Flux2KleinPipeline"), []
    monkeypatch.setattr(editor, "architecture", replace(editor.architecture, most=64 * 64))
    plain = editor._flow.encode
    monkeypatch.setattr(editor._flow, "encode", lambda p: sizes.append(tuple(p.shape[2:])) or plain(p))
    wide = np.random.default_rng(0).random((50, 120, 3), np.float32)
    answer = editor.edit(wide, "a forest", "a lake", seed=1, schedule=SHORT)
    assert answer.shape == wide.shape and len(sizes) > 1
    assert all(height % 16 == width % 16 == 0 and width <= 64 for height, width in sizes)


@pytest.mark.parametrize("broken", [float("nan"), -1e4])
def test_an_editor_that_breaks_down_or_gives_black_says_so(loaded, picture, monkeypatch, broken):
    editor = loaded("ZImagePipeline")
    monkeypatch.setattr(editor._flow, "decode", lambda latents: torch.full((1, 3, 48, 64), broken))
    with pytest.raises(UserError, match=r"black picture|not numbers"):
        editor.edit(picture, "a forest", "a lake", seed=1, schedule=SHORT)
