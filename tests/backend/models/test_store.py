"""Checkpoints come from the hub whole or not at all, and what is wrong with them is said in one sentence."""

import json
import shutil

import numpy as np
import pytest
import tiny_transformers as tiny
import torch
from small_hub import COMMIT, SmallHub

from skyworld import cli
from skyworld.errors import UserError
from skyworld.models import download, profiles, store
from skyworld.models import hub as hub_module
from skyworld.parameters import DownloadParameters

NAME = "Intel/zoedepth-nyu-kitti"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder as its authors would put it on the hub, with copies of the weights that nobody needs."""
    folder = tiny.zoedepth(tmp_path_factory.mktemp("made"))
    (folder / "pytorch_model.bin").write_bytes(b"a second copy")
    (folder / "model.fp16.safetensors").write_bytes(b"a third copy")
    (folder / "README.md").write_text("# A card")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.bin").write_bytes(b"a fourth copy")
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch, checkpoint):
    served = SmallHub()
    served.repositories[NAME] = checkpoint
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    yield served
    served.close()


def fetch(model=NAME):
    return list(download.download(DownloadParameters(model=model, accept=True)))


def fetched(hub):
    """The files whose bytes were asked for."""
    return [path.split(f"/{COMMIT}/")[1] for path, *_ in hub.asked if "/resolve/" in path]


def test_a_download_is_what_transformers_finds_by_the_hub_id(hub, checkpoint):
    reports = fetch("zoedepth")
    fractions = [report.overall for report in reports]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert sorted(set(fetched(hub))) == ["config.json", "model.safetensors", "preprocessor_config.json"]
    from transformers import AutoModelForDepthEstimation

    model = AutoModelForDepthEstimation.from_pretrained(NAME, cache_dir=store.cache(), local_files_only=True)
    assert torch.isfinite(next(model.parameters())).all()
    found = store.state(NAME)
    assert (found.state, store.version(NAME)) == ("complete", COMMIT)
    assert store.complete(NAME) == found.folder


def test_what_is_here_is_not_fetched_again(hub):
    fetch()
    hub.asked.clear()
    fetch()
    assert fetched(hub) == []


def test_a_broken_connection_goes_on_where_it_broke(hub, checkpoint):
    size = (checkpoint / "model.safetensors").stat().st_size
    hub.broken["model.safetensors"] = size // 2
    fetch()
    ranges = [wanted for path, wanted, _ in hub.asked if path.endswith("model.safetensors")]
    assert ranges == ["", f"bytes={size // 2}-"]
    assert store.state(NAME).state == "complete"


def test_a_cancelled_download_goes_on_where_it_stopped(hub, monkeypatch):
    monkeypatch.setattr(download, "_CHUNK", 4096)
    running = download.download(DownloadParameters(model=NAME, accept=True))
    weights = next(file for file in download.listing(NAME).files if file.name == "model.safetensors")
    part = store.repository(NAME) / "blobs" / f"{weights.digest}.incomplete"
    while not part.exists() or part.stat().st_size == 0:
        next(running)
    running.close()
    begun = part.stat().st_size
    assert begun > 0 and store.state(NAME).state == "partial"
    hub.asked.clear()
    fetch()
    assert (f"bytes={begun}-") in [wanted for _, wanted, _ in hub.asked]
    assert store.state(NAME).state == "complete"


def test_a_connection_that_breaks_again_and_again_is_told(hub, monkeypatch):
    class Always(dict):
        def pop(self, file, otherwise):
            return 100

    hub.broken = Always()
    monkeypatch.setattr(download, "TRIES", 3)
    monkeypatch.setattr(hub, "answer_ranges", False)
    with pytest.raises(UserError, match=r"connection to the hub broke.*it goes on where it stopped"):
        fetch()


def test_bytes_that_came_damaged_are_thrown_away(hub, checkpoint):
    hub.swapped["model.safetensors"] = bytes((checkpoint / "model.safetensors").stat().st_size)
    with pytest.raises(UserError, match=r"model\.safetensors of Intel/zoedepth-nyu-kitti came damaged"):
        fetch()
    hub.swapped.clear()
    fetch()
    assert store.state(NAME).state == "complete"


def test_a_pipeline_comes_without_single_files_of_the_same_weights(hub, tmp_path):
    folder = tmp_path / "pipeline"
    for name in ("model_index.json", "unet/config.json", "scheduler/scheduler_config.json", "vae/config.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"unet": ["a", "b"], "vae": ["a", "b"]}')
    for name in ("whole.safetensors", "unet/a.safetensors", "unet/a.fp16.safetensors", "vae/a.bin"):
        (folder / name).write_bytes(name.encode())
    hub.repositories["a/pipeline"] = folder
    names = {file.name for file in download.listing("a/pipeline").files}
    assert names == {
        *("model_index.json", "unet/config.json", "unet/a.safetensors"),
        *("scheduler/scheduler_config.json", "vae/config.json", "vae/a.bin"),
    }


# ------------------------------------------------------------------ refusals


def test_a_licence_that_was_not_accepted_stops_a_download(hub):
    with pytest.raises(UserError, match="licence has not been accepted"):
        list(download.download(DownloadParameters(model=NAME)))
    assert hub.asked == []


def test_an_unknown_checkpoint_is_told(hub):
    with pytest.raises(UserError, match=r"there is no model 'zoedeep'.*one of: 8gb, 16gb"):
        fetch("zoedeep")
    with pytest.raises(UserError, match="the hub has no model nobody/nothing"):
        fetch("nobody/nothing")


def test_a_gated_checkpoint_wants_a_token(hub, monkeypatch):
    hub.gated.add(NAME)
    monkeypatch.setattr(hub_module, "token", lambda: None)
    with pytest.raises(UserError, match=r"accept its licence on the hub.*hf auth login"):
        fetch()
    monkeypatch.setattr(hub_module, "token", lambda: "secret")
    fetch()
    assert all(authorization == "Bearer secret" for *_, authorization in hub.asked[1:])


def test_no_network_is_told(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"hub at 127\.0\.0\.1:9 cannot be reached.*Go online"):
        fetch()


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(hub, monkeypatch):
    monkeypatch.setattr(store, "free_disk", lambda: 1 << 20)
    with pytest.raises(UserError, match=r"needs 0\.0 GB, and 0\.0 GB of the disk are free.*HF_HUB_CACHE"):
        fetch()
    assert fetched(hub) == []


def test_without_the_packages_for_checkpoints_it_says_how_to_install_them(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"not installed.*skyworld-backend\[checkpoints\]"):
        fetch()


def test_a_repository_without_weights_is_refused(hub, tmp_path):
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "config.json").write_text("{}")
    hub.repositories["a/card"] = tmp_path / "card"
    with pytest.raises(UserError, match="has no weights that are read here"):
        fetch("a/card")


# ------------------------------------------------------------------ verify


def problems(source):
    return [problem for *_, problem in store.verify(source) if problem]


def test_a_whole_checkpoint_verifies_and_a_changed_byte_is_found(hub):
    fetch()
    assert problems(NAME) == []
    weights = store.complete(NAME) / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.resolve().write_bytes(data)
    assert problems(NAME) == ["model.safetensors is damaged (its checksum differs)"]
    config = store.complete(NAME) / "config.json"
    config.resolve().write_text(config.read_text().replace("64", "65"))
    assert len(problems(NAME)) == 2, "small files have checksums too"


def test_a_folder_of_ones_own_is_checked_by_its_headers(tmp_path, checkpoint):
    folder = shutil.copytree(checkpoint, tmp_path / "mine", ignore=shutil.ignore_patterns("*.fp16*", "onnx"))
    assert problems(folder) == []
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"more")
    assert len(problems(folder)) == 1 and "not the" in problems(folder)[0]
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    assert problems(folder)
    with pytest.raises(UserError, match="is no whole model"):
        store.complete(folder)


def test_a_folder_that_lacks_a_shard_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "zoedepth"}')
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(3)}, tmp_path / "model-00001-of-00002.safetensors")
    assert "model-00002-of-00002.safetensors is missing" in store.state(tmp_path).problem


# ------------------------------------------------------------------ the command


def skyworld(capsys, *words):
    status = cli.main(["models", *words])
    return status, capsys.readouterr()


def test_the_list_names_every_checkpoint_and_what_is_here(hub, capsys):
    fetch()
    status, told = skyworld(capsys, "list")
    assert status == 0 and all(name in told.out for name in profiles.checkpoints())
    lines = {
        line[3:].split()[0]: line for line in told.out.splitlines() if line[:1] in ("*", "!", " ") and line.strip()
    }
    assert lines["zoedepth"].startswith("*") and lines["moge-2"].startswith(" ")
    assert "non-commercial" in lines["flux1-fill"] and "gated" in lines["flux1-fill"]
    assert "Profile 8gb: 22.9 GB in all" in told.out
    assert json.loads(skyworld(capsys, "list", "--json")[1].out)["profiles"][0]["name"] == "8gb"


def test_show_tells_what_a_folder_of_ones_own_is_good_for(checkpoint, tmp_path, capsys):
    told = skyworld(capsys, "show", str(checkpoint))[1].out
    assert "ZoeDepthForDepthEstimation" in told and "for           depth" in told
    assert "neither model_index.json nor config.json" in skyworld(capsys, "show", str(tmp_path))[1].out


def test_show_tells_licence_size_and_where_it_lies(hub, capsys):
    assert "here          no" in skyworld(capsys, "show", "zoedepth")[1].out
    fetch()
    told = skyworld(capsys, "show", NAME)[1].out
    assert "MIT" in told and "1.4 GB" in told and str(store.complete(NAME)) in told and "yes" in told
    assert "flux2-klein-4b" in skyworld(capsys, "show", "8gb")[1].out
    assert skyworld(capsys, "show", "nonsense")[0] == 2


def test_download_shows_the_licence_and_waits_for_a_yes(hub, capsys, monkeypatch):
    status, told = skyworld(capsys, "download", "zoedepth")
    assert status == 2 and "licence: MIT (its card now says apache-2.0)" in told.out and "--yes" in told.err
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert "Nothing was downloaded" in skyworld(capsys, "download", "zoedepth")[1].out
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert skyworld(capsys, "download", "zoedepth")[0] == 0 and store.state(NAME).state == "complete"


def test_a_profile_that_is_larger_than_the_gpu_is_said_so(hub, capsys, monkeypatch):
    small = type("Card", (), {"total_memory": 8 << 30})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: small)
    assert download.too_large_for_the_gpu("8gb") == download.too_large_for_the_gpu("zoedepth") == ""
    monkeypatch.setattr(download, "wanted", lambda model: [NAME])
    status, told = skyworld(capsys, "download", "16gb")
    assert status == 2 and "The profile 16gb wants a GPU of 16 GB, and this computer's has 8 GB." in told.out
    with pytest.warns(UserWarning, match="wants a GPU of 24 GB"):
        fetch("24gb")


def test_verify_names_what_is_damaged(hub, capsys):
    assert "No checkpoint is here" in skyworld(capsys, "verify")[1].out
    fetch()
    assert "Intel/zoedepth-nyu-kitti: whole" in skyworld(capsys, "verify")[1].out
    weights = (store.complete(NAME) / "model.safetensors").resolve()
    weights.write_bytes(np.random.default_rng(0).bytes(weights.stat().st_size))
    status, told = skyworld(capsys, "verify", "zoedepth")
    assert status == 1 and "! Intel/zoedepth-nyu-kitti: model.safetensors" in told.out
