"""What is loaded, what is put out, and what happens when the memory is full."""

import dataclasses

import pytest
import torch

from skyworld.errors import UserError
from skyworld.models.residency import Kept, Order, Residency
from skyworld.models.roles import Completion, ProgressiveInpainter, Provenance
from skyworld.models.settings import Settings

CPU, GPU = torch.device("cpu"), torch.device("cuda")
BARE = Settings(precision="float32")
MB = 10**6


class Painter:
    """An adapter whose memory is full for the first `fills` calls."""

    schedule = "anchored"

    def __init__(self, settings, fills):
        self.settings, self.fills, self.photograph = settings, fills, None

    def begin(self, photograph):
        self.photograph = photograph

    def inpaint(self, view):
        if self.fills:
            self.fills.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return (self.photograph, view, self.settings)

    def steps(self, view):
        yield Completion(0.5, "half")
        yield Completion(1.0, picture=self.inpaint(view))


def order(name="a", weights=MB, fills=(), settings=BARE, device=CPU, **more):
    loaded, fills = [], list(fills)

    def load(held):
        loaded.append(held)
        return Painter(held, fills)

    made = Order(Provenance("inpainter", name, "1", "MIT", False), settings, device, load, {"": weights}, **more)
    return made, loaded


def test_a_checkpoint_is_loaded_once():
    residency, (wanted, loaded) = Residency(), order()
    painter = residency.hold(wanted)
    painter.inpaint(1), painter.inpaint(2), residency.hold(wanted).inpaint(3)
    assert len(loaded) == 1


def test_the_longest_unused_is_put_out_before_one_that_would_not_fit():
    residency = Residency(free=lambda device: 2.5 * MB - len(residency.names()) * MB)
    held = {name: residency.hold(order(name)[0]) for name in "ab"}
    held["a"].inpaint(0)
    residency.hold(order("c")[0])
    assert residency.names() == ["a", "c"]


def test_one_that_was_put_out_comes_back_with_the_photograph_it_was_told():
    residency = Residency(free=lambda device: 1.5 * MB - len(residency.names()) * MB)
    wanted, loaded = order("a")
    painter = residency.hold(wanted)
    painter.begin("photograph")
    residency.hold(order("b")[0])
    assert residency.names() == ["b"]
    assert painter.inpaint("view")[:2] == ("photograph", "view") and len(loaded) == 2


def test_one_that_would_not_fit_even_alone_is_refused_before_it_is_loaded():
    wanted, loaded = order("vast", weights=30_000 * MB)
    with pytest.raises(UserError, match=r"vast needs 30\.0 GB of memory for its weights, and 8\.0 GB can be had"):
        Residency(free=lambda device: 8_000 * MB).hold(wanted)
    assert not loaded


def test_a_profile_keeps_to_its_size_on_a_larger_card():
    residency = Residency(free=lambda device: 80_000 * MB)
    wanted, loaded = order("large", weights=20_000 * MB, device=GPU, limit=8e9)
    with pytest.warns(UserWarning, match=r"large needs 20\.0 GB of GPU memory .* 6\.4 GB .*layers off-loaded"):
        held = residency.hold(wanted)
    assert [settings.offload for settings in loaded] == ["group"]
    assert "groups of layers off-loaded" in held.provenance.version
    vast, loaded = order("vast", weights=200_000 * MB, device=GPU, limit=8e9)
    with pytest.raises(UserError, match=r"vast needs 200\.0 GB of .*memory .*smaller profile"):
        residency.hold(vast)
    assert not loaded


def test_one_that_was_held_thriftier_is_so_again_after_it_was_put_out():
    residency, (wanted, loaded) = Residency(), order("a", fills=[1])
    painter = residency.hold(wanted)
    with pytest.warns(UserWarning):
        painter.inpaint("view")
    residency.clear()
    painter.inpaint("view")
    assert loaded == [BARE, BARE.thriftier(), BARE.thriftier()]


def test_thriftier_settings_need_less_of_the_gpu_and_wait_in_memory():
    wanted = dataclasses.replace(order(device=GPU)[0], weights={"text": 8 * MB, "denoiser": 16 * MB})
    assert wanted.needs(Settings(precision="bfloat16")) == {GPU: 12 * MB}
    settings, needs = Settings(precision="bfloat16").thriftier(), []
    while settings is not None:
        needs.append(wanted.needs(settings))
        settings = settings.thriftier()
    assert [need[CPU] for need in needs] == [12 * MB, 12 * MB, 6 * MB]
    assert needs[0][GPU] == 8 * MB > needs[1][GPU] > needs[2][GPU]


def test_too_little_memory_for_what_waits_or_comes_through_there_is_told_too():
    narrow = Settings(offload="group", quantisation="fp8")
    wanted, _ = order("long", weights=40_000 * MB, device=GPU, settings=narrow)
    assert wanted.needs(narrow)[CPU] == 10_000 * MB
    with pytest.raises(UserError, match=r"long needs 20\.0 GB of memory for its weights, and 16\.0 GB can be had"):
        Residency(free=lambda device: 16_000 * MB).hold(wanted)


def test_a_call_that_fills_the_memory_is_done_again_thriftier_and_said_so():
    residency, (wanted, loaded) = Residency(), order("a", fills=[1])
    painter = residency.hold(wanted)
    painter.begin("photograph")
    assert painter.provenance.version == "1"
    with pytest.warns(UserWarning, match=r"a filled the GPU's memory; it goes on with idle parts off-loaded"):
        photograph, view, settings = painter.inpaint("view")
    assert (photograph, view) == ("photograph", "view")
    assert settings == BARE.thriftier() and loaded == [BARE, BARE.thriftier()]
    assert painter.provenance.version == "1 (idle parts off-loaded, the VAE in tiles, for the GPU's memory)"
    assert wanted.provenance.version == "1", "what a stage is known by does not change under it"


def test_it_is_done_again_once_only():
    residency, (wanted, _) = Residency(), order(fills=[1, 2])
    painter = residency.hold(wanted)
    with pytest.warns(UserWarning), pytest.raises(torch.OutOfMemoryError):
        painter.inpaint("view")


def test_reports_begin_again_when_the_memory_was_full():
    residency, (wanted, _) = Residency(), order(fills=[1])
    painter = residency.hold(wanted)
    painter.begin("photograph")
    with pytest.warns(UserWarning):
        fractions = [report.fraction for report in painter.steps("view")]
    assert fractions == [0.5, 0.5, 1.0]


def test_a_full_memory_puts_everything_else_out():
    residency = Residency()
    residency.hold(order("other")[0])
    painter = residency.hold(order("a", fills=[1])[0])
    with pytest.warns(UserWarning):
        painter.inpaint("view")
    assert residency.names() == ["a"]


def test_where_nothing_is_thriftier_the_user_is_told():
    thriftiest = Settings(precision="float32", quantisation="fp8", offload="group", tiled=True)
    painter = Residency().hold(order("a", fills=[1], settings=thriftiest)[0])
    with pytest.raises(UserError, match=r"memory is too small for a, however thriftily"):
        painter.inpaint("view")


def test_what_is_not_asked_any_more_makes_room_on_the_gpu_only():
    residency = Residency(free=lambda device: 9_000 * MB - len(residency.names()) * 2_000 * MB)
    for name in "abc":
        residency.hold(order(name, device=GPU)[0])
    residency.make_room(CPU, 8e9)
    assert residency.names() == ["a", "b", "c"]
    residency.make_room(GPU, 6e9)
    assert residency.names() == ["c"]


def test_what_is_held_passes_for_the_adapter():
    painter = Residency().hold(order()[0])
    assert isinstance(painter, Kept) and isinstance(painter, ProgressiveInpainter)
    assert painter.schedule == "anchored" and not hasattr(painter, "factor")
