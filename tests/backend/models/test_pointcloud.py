"""Pictures are warped to other poses and back, and a ControlNet learns from them to complete such renders."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.models.checkpoints import load
from skyworld.models.pointcloud import components, train
from skyworld.models.pointcloud.data import Pairs, make_pairs, read_posed
from skyworld.models.pointcloud.warp import forward, forward_backward
from skyworld.models.roles import InpaintView
from skyworld.models.settings import Settings
from skyworld.parameters import TrainParameters

SIZE, F = 48, 60.0
K = np.array([[F, 0, SIZE / 2], [0, F, SIZE / 2], [0, 0, 1.0]])
RNG = np.random.default_rng(0)
NOISE = RNG.random((SIZE, SIZE, 3)).astype(np.float32)


def camera(x=0.0, z=0.0):
    """Looks along +Y; x to its right, z forward."""
    return Camera(turned((x, z, 0.0)), K, SIZE, SIZE)


def returned(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@settings(max_examples=25, deadline=None)
@given(shift=st.integers(-20, 20), depth=st.floats(1, 50))
def test_a_plane_seen_from_beside_is_shifted_by_its_parallax(shift, depth):
    flat = np.full((SIZE, SIZE), depth, np.float32)
    # As far as moves the plane by whole pixels, and a hair more, off the border between two.
    warped = forward(NOISE, flat, camera(), camera((shift + 1e-3) * depth / F))
    columns = np.arange(SIZE) + shift
    there = (columns >= 0) & (columns < SIZE)
    assert np.allclose(warped.depth[:, : SIZE - shift] if shift > 0 else warped.depth[:, -shift:], depth, rtol=1e-5)
    middle = there & (np.arange(SIZE) > 1) & (np.arange(SIZE) < SIZE - 2)
    assert warped.known[2:-2, middle].all()
    assert warped.known.sum() <= SIZE * (SIZE - abs(shift) + 2)


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-0.3, 0.3), z=st.floats(-0.3, 0.3), seed=st.integers(0, 99))
def test_what_is_left_after_going_there_and_back_lies_exactly_where_it_was(x, z, seed):
    depth = 2 + np.random.default_rng(seed).random((SIZE, SIZE)).astype(np.float32).cumsum(1) / 20
    back = forward_backward(NOISE, depth, camera(), camera(x, z))
    assert np.array_equal(back.picture[back.known], NOISE[back.known])
    assert np.array_equal(back.depth[back.known], depth[back.known]) and not back.picture[~back.known].any()


def test_the_hole_is_what_the_other_view_does_not_see():
    depth = np.full((SIZE, SIZE), 4.0, np.float32)
    depth[:, 20:28] = 2.0
    # From the left by 0.4 m the near strip hides (1/2 - 1/4) F 0.4 = 6 px of the wall to its right.
    back = forward_backward(NOISE, depth, camera(), camera(-0.4))
    hidden = ~back.known[SIZE // 2]
    assert back.known[:, 20:28].all() and hidden[29:33].all() and not hidden[36:42].any()
    assert back.known[SIZE // 2, 12:20].all()


def test_a_nearer_surface_hides_the_farther_one_and_has_no_pores():
    depth = np.full((SIZE, SIZE), 4.0, np.float32)
    depth[16:32, 16:32] = 1.0
    picture = np.zeros((SIZE, SIZE, 3), np.float32)
    picture[16:32, 16:32] = 1
    warped = forward(picture, depth, camera(), camera(0, 0.4))  # closer: the square is 1 / 0.6 as large
    inner = np.s_[13:35, 13:35]
    assert (warped.picture[inner] == 1).all() and warped.depth[24, 24] == pytest.approx(0.6, rel=1e-4)


def test_pairs_are_made_of_posed_pictures_with_depth_or_of_single_ones(root):
    posed = read_posed(root / "tests" / "data" / "scenes" / "room", SIZE)
    there = returned(make_pairs(posed[:6], 4, 0))
    assert there.condition.shape[1:] == (SIZE, SIZE, 4) and len(there) > 4
    known = there.condition[..., 3] == 255
    assert np.array_equal(there.condition[..., :3][known], there.target[known]), "there and back: exactly aligned"
    forth = returned(make_pairs(posed, 4, 0, warp="forward"))
    known = forth.condition[..., 3] == 255
    assert 2 < np.abs(forth.condition[..., :3][known].astype(float) - forth.target[known]).mean() < 40
    with pytest.raises(UserError, match="no depth"):
        read_posed(root / "tests" / "data" / "scenes" / "room" / "images", SIZE)


@pytest.fixture(scope="module")
def pairs(root, tmp_path_factory):
    """Four pairs of 16 px in a file."""
    posed = read_posed(root / "tests" / "data" / "scenes" / "room", 16)
    made = returned(make_pairs(posed[:4], 3, 0))
    path = tmp_path_factory.mktemp("pairs") / "pairs.npz"
    Pairs(made.condition[:4], made.target[:4], [""] * 4).write(path)
    return path


@pytest.fixture
def small(monkeypatch):
    """Of a few thousand weights, on one thread: more wait for each other longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = components.from_scratch
    monkeypatch.setattr(components, "from_scratch", lambda size, seed: whole(size, (8, 16), seed))
    monkeypatch.setattr(train, "MEAN_OF", 5)
    monkeypatch.setattr(train, "WARM_UP", 5)
    yield
    torch.set_num_threads(threads)


def parameters(pairs, output, **more):
    common = dict(base="scratch", batch=4, size=16, rate=5e-3, precision="fp32", device="cpu", ema=True)
    return TrainParameters(data=pairs, output=output, **common | more)


def test_the_loss_falls_and_the_trained_folder_is_an_inpainter(pairs, small, tmp_path):
    reports = list(train.train(parameters(pairs, tmp_path / "model", steps=30)))
    losses = [float(r.message.split("loss ")[1].split(",")[0]) for r in reports if r.message.startswith("step")]
    assert losses[-1] < 0.7 * losses[0] and reports[-2].preview.is_file()
    inpainter = load("inpainter", tmp_path / "model", Settings(steps=2), torch.device("cpu"))
    unknown = np.zeros((24, 32), bool)
    unknown[:, 20:] = True
    view = InpaintView(np.full((24, 32, 3), 0.5, np.float32), unknown, camera(), "horizon", "", 3, strength=0.9)
    made = inpainter.inpaint(view)
    assert inpainter.schedule == "anchored" and not inpainter.provenance.builtin and inpainter.footprint > 10_000
    assert made.shape == (24, 32, 3) and (made[~unknown] == 0.5).all() and made[unknown].std() > 0
    assert np.array_equal(made, inpainter.inpaint(view)) and not np.array_equal(
        made, inpainter.inpaint(replace(view, seed=4))
    )


def test_a_run_that_was_stopped_ends_with_the_same_bits(pairs, small, tmp_path):
    list(train.train(parameters(pairs, tmp_path / "whole", steps=10)))
    begun = train.train(parameters(pairs, tmp_path / "parts", steps=10))
    for report in begun:
        if report.message == "kept at step 5":
            begun.close()
    assert not (tmp_path / "parts" / "model_index.json").exists()
    list(train.train(parameters(pairs, tmp_path / "parts", steps=10)))
    for part in ("unet", "controlnet"):
        name = f"{part}/diffusion_pytorch_model.safetensors"
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    with pytest.raises(UserError, match="other values of: rate"):
        list(train.train(parameters(pairs, tmp_path / "parts", steps=10, rate=1e-3)))


@pytest.mark.parametrize("base", ["StableDiffusionInpaintPipeline", "StableDiffusionPipeline"])
def test_a_checkpoint_learns_to_follow_points_and_its_own_weights_stay(base, root, small, tmp_path):
    folder = tiny.save(base, tmp_path)
    posed = read_posed(root / "tests" / "data" / "scenes" / "room", 64)
    made = returned(make_pairs(posed[:3], 2, 0))
    Pairs(made.condition[:2], made.target[:2], ["a room", ""]).write(tmp_path / "pairs.npz")
    asked = parameters(
        tmp_path / "pairs.npz", tmp_path / "m", base=str(folder), steps=2, batch=2, size=64, checkpointing=True
    )
    list(train.train(asked))
    assert not (tmp_path / "m" / "unet").exists(), "the base is named, not copied"
    inpainter = load("inpainter", tmp_path / "m", Settings(steps=2, guidance=3.0), torch.device("cpu"))
    fresh = components.from_base(str(folder))
    for mine, theirs in zip(inpainter.model.unet.parameters(), fresh.unet.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    trained = zip(inpainter.model.controlnet.parameters(), fresh.controlnet.parameters(), strict=True)
    assert any(not torch.equal(mine, theirs) for mine, theirs in trained)
    unknown = np.zeros((64, 64), bool)
    unknown[:, 40:] = True
    view = InpaintView(
        posed[0].picture, unknown, posed[0].camera, "horizon", "a room", 0, negative="people", strength=0.9
    )
    filled = inpainter.inpaint(view)
    assert np.array_equal(filled[~unknown], posed[0].picture[~unknown]) and np.isfinite(filled).all()


def test_bad_input_is_told_in_a_sentence(pairs, tmp_path):
    (tmp_path / "no.npz").write_bytes(b"no")
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    with pytest.raises(UserError, match="holds no pairs"):
        list(train.train(parameters(tmp_path / "no.npz", tmp_path / "m")))
    with pytest.raises(UserError, match="are 16 px wide"):
        list(train.train(parameters(pairs, tmp_path / "m", size=32)))
    with pytest.raises(UserError, match="has no UNet"):
        list(train.train(parameters(pairs, tmp_path / "m", base=str(tmp_path))))
