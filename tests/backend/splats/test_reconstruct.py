"""A folder of posed pictures becomes a world, and a killed job goes on."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from skyworld.camera.formats import nerfstudio
from skyworld.errors import UserError
from skyworld.parameters import FitParameters
from skyworld.splats import formats, reconstruct
from skyworld.world import World


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Twelve steps; a checkpoint after every fourth."""
    full = reconstruct.preset

    def shortened(*arguments):
        chosen = full(*arguments)
        return replace(chosen, schedule=replace(chosen.schedule, steps=12))

    monkeypatch.setattr(reconstruct, "preset", shortened)


@pytest.fixture
def room(root):
    return root / "tests" / "data" / "scenes" / "room"


def run(pictures, output, **options):
    return list(reconstruct.reconstruct(FitParameters(pictures=pictures, output=output, device="cpu", **options)))


def test_pictures_become_a_world_with_their_cameras(room, tmp_path):
    reports = run(room, tmp_path / "w", hold_out=8)
    world = World.open(tmp_path / "w")
    assert len(formats.read(world.path("splats.ply"))) > 1000
    assert len(nerfstudio.read(world.path("cameras/pictures.json")).cameras) == 24
    assert world.document["held_out"]["views"] == 3 and world.document["held_out"]["psnr"] > 8
    assert reports[-1].overall == pytest.approx(1)


def test_a_killed_job_goes_on_to_the_same_bits(room, tmp_path, monkeypatch):
    run(room, tmp_path / "whole")
    steps = reconstruct.reconstruct(FitParameters(pictures=room, output=tmp_path / "killed", device="cpu"))
    for _ in steps:
        if list((tmp_path / "killed" / "stages" / "splats").glob("*.pt")):
            break
    steps.close()
    fits = []
    fit = reconstruct.fit
    monkeypatch.setattr(reconstruct, "fit", lambda *args, **k: fits.append(k["resume"]["step"]) or fit(*args, **k))
    run(room, tmp_path / "killed")
    assert fits[0] > 0
    one, other = (formats.read(tmp_path / name / "splats.ply") for name in ("whole", "killed"))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one.tensors(), other.tensors(), strict=True))
    assert not list((tmp_path / "killed" / "stages" / "splats").glob("*.pt"))


def test_a_checkpoint_of_another_quality_is_no_beginning(room, tmp_path):
    steps = reconstruct.reconstruct(FitParameters(pictures=room, output=tmp_path / "w", device="cpu", quality="quick"))
    for _ in steps:
        if list((tmp_path / "w" / "stages" / "splats").glob("*.pt")):
            break
    steps.close()
    run(room, tmp_path / "w", quality="full")
    run(room, tmp_path / "fresh", quality="full")
    one, other = (formats.read(tmp_path / name / "splats.ply") for name in ("w", "fresh"))
    assert torch.equal(one.means, other.means)


def test_pictures_without_points_are_refused_with_the_way_out(room, tmp_path):
    folder = tmp_path / "capture"
    shutil.copytree(room, folder)
    document = json.loads((folder / "transforms.json").read_text())
    del document["ply_file_path"]
    (folder / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="without points"):
        run(folder, tmp_path / "w")
