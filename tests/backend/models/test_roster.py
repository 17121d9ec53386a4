"""Profiles, and who plays a role."""

import json

import numpy as np
import pytest
import tiny_transformers as tiny
import torch

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.models import profiles, store
from skyworld.models.residency import Residency
from skyworld.models.roster import Roster

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
    assert roster.get("restorer").provenance.builtin
    for role in set(profiles.ROLES) - {"inpainter", "restorer"}:
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
