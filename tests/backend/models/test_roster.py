"""Who plays a role, what is loaded, what is put out, and what happens when the memory is full."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_transformers as tiny
import torch

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.models import profiles, store
from skyworld.models.residency import Kept, Order, Residency
from skyworld.models.roles import Completion, ProgressiveInpainter, Provenance
from skyworld.models.roster import Roster
from skyworld.models.settings import Settings

CPU, GPU = torch.device("cpu"), torch.device("cuda")
BARE = Settings(precision="float32")
MB = 10**6


# ------------------------------------------------------------------ profiles


def test_every_profile_fills_its_roles_with_checkpoints_that_can_play_them():
    for profile in profiles.profiles().values():
        assert set(profile.roles) == set(profiles.ROLES)
        for role, assigned in profile.roles.items():
            assert role in assigned.checkpoint.roles
            if assigned.companion:
                assert "masks" in assigned.companion.roles or "lora" in assigned.companion.roles


def test_no_profile_has_a_checkpoint_that_is_gated_or_not_for_commercial_work():
    for profile in profiles.profiles().values():
        for checkpoint in profile.checkpoints():
            assert checkpoint.commercial and not checkpoint.gated and not checkpoint.package


def test_every_checkpoint_tells_its_size_its_licence_and_how_well_these_are_known():
    for checkpoint in profiles.checkpoints().values():
        assert checkpoint.download_gb > 0 and checkpoint.licence and checkpoint.licence_url.startswith("https://")
        assert checkpoint.checked in ("card", "recalled") and checkpoint.good_for and checkpoint.vram
        assert checkpoint.id.count("/") == 1


def test_the_profile_for_a_card_is_the_largest_that_fits():
    assert [getattr(profiles.fitting(gb), "name", None) for gb in (4, 7.6, 12, 15.7, 23.6, 80)] == [
        *(None, "8gb", "8gb", "16gb", "24gb", "24gb")
    ]


# ------------------------------------------------------------------ choosing


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def snapshot(cache, name, make):
    """A checkpoint in the cache, as a download leaves it."""
    kept = cache / f"models--{name.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("c0ffee")
    return make(kept / "snapshots" / "c0ffee")


def test_the_builtin_profile_needs_nothing(cache):
    roster = Roster("builtin")
    assert roster.provenance("inpainter").builtin and roster.get("inpainter").schedule == "whole"
    for role in set(profiles.ROLES) - {"inpainter"}:
        assert roster.provenance(role) is None and roster.get(role) is None


def test_a_profile_tells_what_it_would_use_before_anything_is_downloaded(cache):
    told = Roster("8gb").provenance("inpainter")
    assert (told.name, told.licence, told.builtin) == ("black-forest-labs/FLUX.2-klein-4B", "Apache-2.0", False)
    with pytest.raises(UserError, match=r"is not downloaded\. Run `skyworld models download zoedepth` \(1\.4 GB\)"):
        Roster("8gb").get("depth")


def test_an_override_takes_the_place_of_the_profiles(cache, tmp_path):
    folder = tiny.depth_anything(tmp_path / "mine")
    roster = Roster("8gb", {"depth": str(folder), "inpainter": "builtin", "captioner": ""}, residency=Residency())
    estimate = roster.get("depth").estimate(np.zeros((56, 70, 3), np.float32), camera())
    assert estimate.depth.shape == (56, 70)
    assert roster.provenance("depth").name == str(folder) and roster.provenance("inpainter").builtin
    assert roster.provenance("captioner").name == "Qwen/Qwen3-VL-2B-Instruct"
    assert roster.get("detail") is None, "one's own depth is not mixed with the profile's"


def camera(width=70, height=56):
    return Camera.pinhole(turned(np.zeros(3)), np.radians(60), width, height)


def test_what_was_downloaded_is_known_by_its_commit(cache):
    snapshot(cache, "Intel/zoedepth-nyu-kitti", tiny.zoedepth)
    roster = Roster("8gb", residency=Residency())
    told = roster.provenance("depth")
    assert (told.name, told.version, told.licence) == ("Intel/zoedepth-nyu-kitti", "c0ffee", "MIT")
    assert roster.get("depth").provenance == told


def test_a_changed_folder_is_another_version(tmp_path):
    folder = tiny.depth_anything(tmp_path / "mine")
    before = Roster(overrides={"depth": str(folder)}).provenance("depth")
    (folder / "preprocessor_config.json").write_text("{}")
    assert Roster(overrides={"depth": str(folder)}).provenance("depth").version != before.version


@pytest.mark.filterwarnings("ignore:on the CPU")
def test_a_model_of_another_kind_in_a_role_is_refused_with_what_it_fits(tmp_path):
    folder = tiny.depth_anything(tmp_path / "mine")
    with pytest.raises(UserError, match=r"DepthAnythingForDepthEstimation.*fits as depth"):
        Roster(overrides={"inpainter": str(folder)}).get("inpainter")


def test_a_half_downloaded_checkpoint_says_so(cache):
    folder = snapshot(cache, "Intel/zoedepth-nyu-kitti", tiny.zoedepth)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"downloaded in part: model\.safetensors is cut short.*where it stopped"):
        Roster("8gb").get("depth")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="weights of the model are missing"):
        Roster("8gb").get("depth")


def test_all_that_is_missing_is_told_at_once_before_any_work(cache, tmp_path):
    with pytest.raises(UserError, match=r"3 models of the profile 8gb are not downloaded: Intel/zoe.*download 8gb"):
        Roster("8gb").require(["depth", "segmenter"])
    snapshot(cache, "Intel/zoedepth-nyu-kitti", tiny.zoedepth)
    Roster("8gb").require(["depth"])
    with pytest.raises(UserError, match="grounding-dino-tiny is not downloaded"):
        Roster("8gb", {"segmenter": "IDEA-Research/grounding-dino-tiny"}).require(["depth", "segmenter"])
    Roster("8gb", {"depth": str(tiny.depth_anything(tmp_path / "mine"))}).require(["depth"])
    Roster("builtin").require(profiles.ROLES)


def test_what_is_neither_a_folder_nor_a_hub_id_is_refused():
    with pytest.raises(UserError, match="there is no model 'nonsense'"):
        Roster(overrides={"depth": "nonsense"}).get("depth")
    with pytest.raises(UserError, match="there is no profile '12gb'"):
        Roster("12gb")


def test_weights_are_counted_by_parts_and_without_second_copies(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "model_index.json").write_text(json.dumps({"unet": ["a", "b"], "vae": ["a", "b"], "_class_name": "X"}))
    for part, shape in (("unet", (30, 10)), ("vae", (5, 10))):
        (tmp_path / part).mkdir()
        save_file({"w": torch.zeros(shape, dtype=torch.bfloat16)}, tmp_path / part / "model.safetensors")
        save_file({"w": torch.zeros(shape, dtype=torch.float16)}, tmp_path / part / "model.fp16.safetensors")
    save_file({"w": torch.zeros(999)}, tmp_path / "single-file.safetensors")
    assert store.weights(tmp_path) == {"unet": 1200, "vae": 200}


# ------------------------------------------------------------------ residency


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
