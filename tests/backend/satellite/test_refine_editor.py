"""Refining with an editor, end to end: a FlowEdit checkpoint of random weights, loaded as a downloaded one is."""

import importlib.util
import json

import diffusers
import numpy as np
import pytest
import small_city
import tiny  # of tests/backend/models
import torch

from skyworld.errors import UserError
from skyworld.models.checkpoints.flowedit import FlowEditor
from skyworld.parameters import SatelliteRefineParameters
from skyworld.satellite import curriculum, refine
from skyworld.satellite.curriculum import Curriculum, Episode
from skyworld.satellite.scene import read_picture
from skyworld.world import digest
from skyworld.world.folder import ALREADY_DONE

TINY = Curriculum(
    (Episode(35, 50),),
    extent=40,
    grid=1,
    azimuths=1,
    samples=2,
    pixels=64,
    iterations=2,
    densify_end=0,
    reset_every=0,
)
NAME = "Flux2KleinPipeline"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Layers this small only wait for other threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny.save(NAME, tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def world(tmp_path):
    curriculum.write(tmp_path / "tiny.json", TINY)
    return small_city.made(tmp_path)


@pytest.fixture
def edits(monkeypatch) -> list[int]:
    """Seeds of the edits that were made."""
    seeds, plain = [], FlowEditor.edit
    monkeypatch.setattr(
        FlowEditor,
        "edit",
        lambda self, *words, seed, **more: seeds.append(seed) or plain(self, *words, seed=seed, **more),
    )
    return seeds


def job(world, checkpoint, **more):
    short = {"by": "editor", "edit_steps": 4, "n_max": 3, "n_min": 1, "device": "cpu"}
    tiny_one = str(world.root.parent / "tiny.json")
    parameters = {"world": world.root, "curriculum": tiny_one, "editor": str(checkpoint), **short, **more}
    return refine.refine(SatelliteRefineParameters(**parameters))


def pictures(world) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in world.path("stages/refine_1/pictures").glob("*.png")}


def stopped_after(world, checkpoint, message: str, **more) -> None:
    """Runs the job until it says that, and closes it, as a cancelled or killed one is."""
    running = job(world, checkpoint, **more)
    assert any(report.message == message for report in running)
    running.close()


def test_a_killed_episode_goes_on_at_the_next_edit_and_each_edit_is_another_one(world, checkpoint, edits):
    stopped_after(world, checkpoint, "1 of 2 views edited")
    first, before = pictures(world), digest(world.path("splats.ply"))
    assert len(first) == len(edits) == 1
    (file,) = world.path("stages/refine_1/pictures").glob("*.png")
    shown = read_picture(file).max(-1)
    assert (shown == 0).mean() > 0.1 and np.ptp(shown[shown > 0]) > 0.2, "past the city of 40 m nothing is painted"
    messages = [report.message for report in job(world, checkpoint)]
    assert messages.count("1 of 2 views edited") == 1 and "2 of 2 views edited" in messages
    assert len(edits) == 2 and edits[0] != edits[1], "the first picture is taken from its file"
    assert first.items() < pictures(world).items() and len(set(pictures(world).values())) == 2
    assert digest(world.path("splats.ply")) != before
    (model,) = json.loads((world.root / "world.json").read_text())["models"]
    assert model["role"] == "editor" and model["name"] == str(checkpoint) and not model["builtin"]
    assert [report.message for report in job(world, checkpoint)].count(ALREADY_DONE) == 1 and len(edits) == 2


def test_an_editor_that_gives_black_pictures_is_told_and_nothing_is_lost(world, checkpoint, tmp_path):
    pipe = diffusers.Flux2KleinPipeline.from_pretrained(checkpoint)
    with torch.no_grad():
        pipe.vae.decoder.conv_out.weight.zero_()
        pipe.vae.decoder.conv_out.bias.fill_(-2.0)
    pipe.save_pretrained(tmp_path / "black")
    before = digest(world.path("splats.ply"))
    with pytest.raises(UserError, match=r"black gave a black picture.*Word the prompt otherwise, try another seed"):
        list(job(world, tmp_path / "black"))
    assert digest(world.path("splats.ply")) == before and not pictures(world)
    assert [report.message for report in job(world, checkpoint)].count("2 of 2 views edited") == 1


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the package ray is not installed")
def test_two_workers_of_a_cluster_edit_as_this_process_does(world, checkpoint, tmp_path_factory):
    other = small_city.made(tmp_path_factory.mktemp("other"))
    curriculum.write(other.root.parent / "tiny.json", TINY)
    stopped_after(world, checkpoint, "2 of 2 views edited")
    stopped_after(other, checkpoint, "2 of 2 views edited", executor="ray", workers=2)
    assert len(pictures(other)) == 2 and pictures(other) == pictures(world)
