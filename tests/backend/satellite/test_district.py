"""Refining a large area block by block: nothing twice, nothing missing, and seams that meet."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import small_city
import torch

from skyworld.parameters import SatelliteRefineParameters
from skyworld.satellite import blocks, curriculum, refine
from skyworld.satellite.blocks import Block
from skyworld.satellite.curriculum import PRESETS, Curriculum, Episode
from skyworld.satellite.district import districts
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box, read_scene
from skyworld.splats.formats.ply import read_ply, write_ply
from skyworld.world.folder import ALREADY_DONE

TINY = Curriculum(
    (Episode(60, 40),), extent=20, grid=1, azimuths=2, samples=1, pixels=64, iterations=4, densify_end=0, reset_every=0
)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """The city of 40 m, in four blocks that see 6 m beyond their cores; nothing stands on the cuts."""
    curriculum.write(tmp_path / "tiny.json", TINY)
    monkeypatch.setattr(blocks, "cut", partial(blocks.cut, margin=6))
    world = small_city.made(tmp_path)
    city = read_ply(world.path("splats.ply"))
    write_ply(world.path("splats.ply"), replace(city, means=city.means + torch.tensor([0.7, 0.7, 0])))
    return world


def job(world, **more):
    tiny = str(world.root.parent / "tiny.json")
    return refine.refine(SatelliteRefineParameters(world=world.root, curriculum=tiny, device="cpu", block=20, **more))


def means(world, name: str) -> np.ndarray:
    found = read_ply(world.path(name)).means.numpy()
    return found[np.lexsort(found.round(0).T)]


def test_nothing_is_lost_or_doubled_and_neighbours_stay_as_they_became(world, monkeypatch):
    fits, plain = [], refine.fit
    monkeypatch.setattr(refine, "fit", lambda city, *a, **k: fits.append((city, k["fixed"])) or plain(city, *a, **k))
    messages = [report.message for report in job(world)]
    assert "block 4 of 4: 2 of 2 views restored" in messages
    before, after = means(world, "before_refine.ply"), means(world, "splats.ply")
    assert before.shape == after.shape
    assert 0 < np.abs(after - before).max() < 0.5
    cuts = blocks.cut(small_city.BOX, 20)
    (first, none), *others = fits
    assert none is None and len(first) < len(before)
    for city, lent in others:
        assert cuts[0].sees(lent).any() and not cuts[0].holds(city).any()
    whole = read_ply(world.path("splats.ply"))
    lent = fits[1][1].means
    assert torch.isin(lent[:, 0], whole.means[:, 0]).all(), "what was lent is what was kept"


def test_a_stopped_job_goes_on_in_its_block(world):
    steps = job(world)
    assert any(report.message == "block 2 of 4: 1 of 2 views restored" for report in steps)
    steps.close()
    messages = [report.message for report in job(world)]
    assert messages.count(f"block 1 of 4: {ALREADY_DONE}") == 1
    assert "block 2 of 4: 0 of 2 views restored" not in messages and "block 3 of 4: 0 of 2 views restored" in messages
    again = [report.message for report in job(world)]
    assert [message for message in again if message] == [
        *(f"block {number} of 4: {ALREADY_DONE}" for number in (1, 2, 3, 4)),
        "the refined city is there",
    ]


def test_a_block_where_nothing_stands_is_no_reason_to_refuse_the_others(world):
    city = read_ply(world.path("splats.ply"))
    empty = (city.means[:, :2] > -7).all(1)
    write_ply(world.path("splats.ply"), city[~empty])
    messages = [report.message for report in job(world)]
    assert any(message.startswith("block 4 of 4: left as it is: no") for message in messages)
    assert len(read_ply(world.path("splats.ply"))) == int((~empty).sum())


def test_views_of_a_block_are_as_near_as_those_of_an_area_of_its_size(world):
    scene = replace(read_scene(world.root.parent / "scene"), box=Box((0.0, 768.0), (0.0, 512.0), (0.0, 30.0)))
    parts = districts(scene, 256)
    assert len(parts) == 6 and {part.side for part in parts} == {256}
    assert [[other.number for other in part.lent] for part in parts] == [[], [1], [2], [1, 2], [1, 2, 3, 4], [2, 3, 5]]
    low = PRESETS["low"]
    for part in parts:
        place = part.block.place(part.area)
        near = curriculum.preset("low", part.side).cameras(low.episodes[-1], place, lambda east, north: 0.0, 30.0)
        away = [np.linalg.norm(camera.position[:2] - place.centre[:2]) for camera in near]
        assert max(away) < np.hypot(128, 128) + low.episodes[-1].radius


def test_heights_of_a_block_reach_as_far_as_it_sees(world):
    scene = read_scene(world.root.parent / "scene")
    flat = HeightMap.over(-21, -21, 21, 21, 1.0, lambda east, north: 0 * east)
    whole, first = districts(scene, 0)[0], districts(scene, 20)[0]
    assert whole.alone and whole.heights(flat) is flat
    assert first.heights(flat).shape == (27, 27), "20 m, 6 m of margin, and a cell where the area ends"


def test_blocks_know_what_they_see_of_others():
    near, far = (
        Block(Box((low, low + 10), (0, 10), (0, 1)), Box((low - 3, low + 13), (0, 10), (0, 1))) for low in (10, 30)
    )
    middle = Block(Box((20, 30), (0, 10), (0, 1)), Box((17, 33), (0, 10), (0, 1)))
    assert middle.touches(near) and middle.touches(far) and not near.touches(far)
