import pytest
import torch
from random_scenes import random_gaussians

from skyworld.errors import UserError
from skyworld.parameters import ExportParameters
from skyworld.splats import formats
from skyworld.splats.export import export
from skyworld.splats.formats.ply import read_ply, write_ply
from skyworld.world import World


def test_the_splats_of_a_world_are_written_where_the_artist_wants_them(tmp_path):
    world = World.create(tmp_path / "world")
    write_ply(world.path("splats.ply"), random_gaussians(0, 20, 1))
    reports = list(export(ExportParameters(world=world.root, output=tmp_path / "out" / "a.ply")))
    assert reports[-1].fraction == 1
    assert torch.equal(read_ply(tmp_path / "out" / "a.ply").sh, random_gaussians(0, 20, 1).sh)
    list(export(ExportParameters(world=world.root, output=tmp_path / "a.glb")))
    assert torch.equal(formats.read(tmp_path / "a.glb").means, random_gaussians(0, 20, 1).means)


def test_a_world_without_splats_and_an_unknown_suffix_are_refused(tmp_path):
    world = World.create(tmp_path / "world")
    with pytest.raises(UserError, match="no splats yet"):
        list(export(ExportParameters(world=world.root, output=tmp_path / "a.ply")))
    with pytest.raises(UserError, match=r"\.obj"):
        list(export(ExportParameters(world=world.root, output=tmp_path / "a.obj")))
