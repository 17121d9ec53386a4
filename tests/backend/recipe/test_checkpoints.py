"""A world up to its distance with checkpoints in every role: tiny ones with random weights, through the roster.

The pictures are noise; what is tested is that everything fits together and that the photograph comes through it.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_pictures import camera, landscape
from PIL import Image

from skyworld.lift.distance import read_distance
from skyworld.models.roster import Roster
from skyworld.models.settings import Settings
from skyworld.panorama.placement import place
from skyworld.panorama.stored import read_photograph
from skyworld.parameters import WorldParameters
from skyworld.recipe import generate
from skyworld.world import World

sys.path.insert(0, str(Path(__file__).parent.parent / "models"))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    tiny, transformers = pytest.importorskip("tiny"), pytest.importorskip("tiny_transformers")
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "inpainter": str(tiny.save("StableDiffusionInpaintPipeline", folder)),
        "text_to_image": str(tiny.save("StableDiffusionPipeline", folder)),
        "depth": str(transformers.depth_anything(folder / "depth")),
    }


@pytest.fixture(autouse=True)
def few_and_small(monkeypatch):
    for module in ("stages", "imagine"):
        monkeypatch.setattr(f"skyworld.panorama.{module}.SIDE", 64)
    monkeypatch.setattr("skyworld.lift.merge.side_for", lambda width: 64)
    monkeypatch.setattr("skyworld.lift.stages.lift_stage", lambda wish: iter(()))
    monkeypatch.setattr(Roster, "_held", lambda self, role: Settings(precision="float32", steps=4))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers this small only wait for other threads
    yield
    torch.set_num_threads(threads)


def test_a_photograph_and_a_sentence_become_worlds_with_checkpoints_in_every_role(checkpoints, tmp_path):
    Image.fromarray((landscape(camera(240, 160, 60, -4)) * 255).astype(np.uint8)).save(tmp_path / "photo.png")
    start = WorldParameters(photo=tmp_path / "photo.png", output=tmp_path / "a", device="cpu", fov=60, **checkpoints)
    all_at_once = {"heuristic": "adhoc", "refinement": 0, "output": tmp_path / "c"}
    for source in ({}, {"photo": None, "prompt": "a lake", "output": tmp_path / "b"}, all_at_once):
        wish = start.model_copy(update={"panorama_width": 256, **source})
        list(generate(wish))
        world = World.open(wish.output)
        assert {model["role"]: model["name"] for model in world.document["models"]} == checkpoints
        picture = np.asarray(Image.open(world.path("panorama.png")), np.float32) / 255
        placed, mask = place(read_photograph(world), 256)
        assert np.abs(picture[mask] - placed[mask]).max() < 0.004 and 0.02 < mask.mean() < 0.3
        assert (read_distance(world.path("distance.exr"), 256, 128) > 0).all()
