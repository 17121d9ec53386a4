import importlib.util
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_transformers as tiny  # of tests/backend/models
import torch
from plain_scenes import plain_scene
from scipy.ndimage import gaussian_filter, median_filter

from skyworld.camera import Camera
from skyworld.camera.formats import nerfstudio
from skyworld.errors import UserError
from skyworld.models.roles import DepthEstimate
from skyworld.parameters import SatelliteReconstructParameters
from skyworld.satellite import blocks, fitting, pseudo
from skyworld.satellite.export import DRAWING
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.reconstruct import _height_file, reconstruct
from skyworld.satellite.scene import read_picture, read_scene
from skyworld.satellite.sheet import beside
from skyworld.splats import losses
from skyworld.splats.formats.ply import read_ply
from skyworld.splats.rasterize import rasterize
from skyworld.world import World
from skyworld.world.folder import ALREADY_DONE


@pytest.fixture(scope="module")
def city(root, tmp_path_factory) -> Path:
    """The small city with heights as a sweep finds them: corners rounded, half a metre of noise."""
    folder = tmp_path_factory.mktemp("city")
    shutil.copytree(root / "tests" / "data" / "scenes" / "city", folder, dirs_exist_ok=True)
    exact = HeightMap.read(folder / "truth" / "dsm.npz")
    noise = np.random.default_rng(0).normal(0, 0.5, exact.shape)
    up = gaussian_filter(median_filter(exact.up, 3) + noise, 0.7)
    replace(exact, up=up.astype(np.float32), confidence=np.full(exact.shape, 0.7, np.float32)).write(folder / "dsm.npz")
    return folder


def wish(city, output, **more):
    return SatelliteReconstructParameters(scene=city, output=output, device="cpu", **more)


def finished(steps):
    """The return value of what yields progress."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_heights_on_the_scene_s_own_grid_go_before_those_that_were_turned_into_a_map(city, tmp_path):
    scene = replace(read_scene(city), folder=tmp_path)
    for name in ("dsm.tif", "height.npz"):
        (tmp_path / name).touch()
    assert _height_file(scene, None).name == "height.npz"
    assert _height_file(scene, tmp_path / "dsm.tif").name == "dsm.tif"


def test_a_scene_becomes_a_city_and_is_not_made_twice(city, tmp_path):
    *told, last = reconstruct(wish(city, tmp_path, steps=12))
    assert last.overall == 1 and any("heights are those of dsm.npz" in report.message for report in told)
    world = World.open(tmp_path)
    scene = read_scene(city)
    assert world.document["georeference"] == scene.georeference.to_json()
    gaussians = read_ply(tmp_path / "splats.ply")
    assert len(gaussians) > 5000 and set(gaussians.extra) <= {"filter_3d"}
    found, exact = HeightMap.read(tmp_path / "dsm.npz"), HeightMap.read(city / "truth" / "dsm.npz")
    assert np.nanmean(np.abs(found.up - exact.up)) < 1.2 and np.isfinite(found.up).mean() > 0.98
    assert (tmp_path / "dsm.tif").is_file() and (tmp_path / "ortho.png").is_file()
    path = nerfstudio.read(tmp_path / "cameras" / "orbit_17.json")
    lowest = min(camera.position[2] for camera in path.cameras)
    assert len(path.cameras) == 240 and lowest > np.nanmax(found.up)
    assert [p.message for p in reconstruct(wish(city, tmp_path, steps=12)) if p.message == ALREADY_DONE]


def test_blocks_make_the_same_city_without_seam_or_double(city, tmp_path, monkeypatch):
    """Margins are as wide as the small city: each block fits all of it, and keeps its own."""
    monkeypatch.setattr(blocks, "cut", partial(blocks.cut, margin=50))
    for _ in reconstruct(wish(city, tmp_path / "whole", steps=4)):
        pass
    for _ in reconstruct(wish(city, tmp_path / "cut", steps=4, block=30)):
        pass
    whole, cut = (read_ply(tmp_path / name / "splats.ply").means.numpy() for name in ("whole", "cut"))
    assert len(whole) == len(cut)
    np.testing.assert_array_equal(*(means[np.lexsort(means.T)] for means in (whole, cut)))


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the package ray is not installed")
def test_two_workers_of_a_cluster_fit_the_same_blocks_and_those_that_are_there_are_kept(tmp_path):
    """Killed after the first block of four, here; the cluster does the others."""
    plain_scene(tmp_path / "scene")
    hill = HeightMap.over(-20, -20, 20, 20, 1.0, lambda east, north: 6 * np.exp(-(east**2 + north**2) / 50))
    hill.write(tmp_path / "scene" / "height.npz")

    def wanted(name, **more):
        return wish(tmp_path / "scene", tmp_path / name, steps=3, block=20, **more)

    finished(reconstruct(wanted("here")))
    stopped = reconstruct(wanted("there"))
    assert any(report.message == "1 of 4 blocks fitted" for report in stopped)
    stopped.close()
    first = tmp_path / "there" / "stages" / "city" / "block_000.pt"
    before = first.stat().st_mtime_ns
    messages = [report.message for report in reconstruct(wanted("there", executor="ray", workers=2))]
    told = [message for message in messages if "block" in message]
    assert told == ["3 images, 4 blocks", *(f"{count} of 4 blocks fitted" for count in (2, 3, 4))]
    assert first.stat().st_mtime_ns == before
    here, there = (read_ply(tmp_path / name / "splats.ply") for name in ("here", "there"))
    assert len(here) > 1000
    for name, column in here.tensors():
        torch.testing.assert_close(dict(there.tensors())[name], column, rtol=0, atol=0)


def test_a_stopped_job_goes_on_and_ends_as_one_that_was_not(city, tmp_path):
    for _ in reconstruct(wish(city, tmp_path / "straight", steps=24)):
        pass
    steps = reconstruct(wish(city, tmp_path / "stopped", steps=24))
    kept = tmp_path / "stopped" / "stages" / "city" / "block_000_fit.pt"
    for _ in steps:
        if kept.is_file():
            break
    steps.close()
    for _ in reconstruct(wish(city, tmp_path / "stopped", steps=24)):
        pass
    assert not kept.exists()
    one, other = (read_ply(tmp_path / name / "splats.ply") for name in ("straight", "stopped"))
    np.testing.assert_array_equal(one.means, other.means)
    np.testing.assert_array_equal(one.sh, other.sh)


def rings(city, gaussians) -> float:
    """Mean PSNR of what stands at 80, 65 and 45 degrees, in the light of the first date."""
    found = []
    for view in json.loads((city / "truth" / "views.json").read_text()):
        if view["elevation"] >= 45:
            render = rasterize(gaussians, [Camera.from_json(view["camera"])], **DRAWING).colour[0].clamp(0, 1)
            picture = torch.from_numpy(read_picture(city / "truth" / f"{view['name']}.jpg"))
            mask = torch.from_numpy(read_picture(city / "truth" / f"{view['name']}_mask.png")[..., 0])
            found.append(losses.psnr(render, picture, mask))
    return float(np.mean(found))


def test_fitting_shows_views_better_that_no_image_has(city):
    scene = read_scene(city)
    height_map = HeightMap.read(city / "dsm.npz")
    start = fitting.prepared(height_map, list(fitting.sights(scene, fitting.tones(scene, height_map))), scene.pixel)
    settings = fitting.Settings(steps=60, appearance=False, pseudo=4)
    result = finished(fitting.fitted(start, height_map, settings))
    assert rings(city, result) > rings(city, start.sheet) + 0.4


def test_walls_are_fitted_without_blotches(city):
    scene = read_scene(city)
    height_map = HeightMap.read(city / "dsm.npz")
    start = fitting.prepared(height_map, list(fitting.sights(scene, fitting.tones(scene, height_map))), scene.pixel)
    rows, near = beside(start.sheet, 8)
    rough, seen = [], []
    for even in (0.0, 1.0):
        result = finished(fitting.fitted(start, height_map, fitting.Settings(steps=40, appearance=False, even=even)))
        colours = result.sh[:, 0]
        rough.append(float((colours[rows] - colours[near].mean(1)).abs().mean()))
        seen.append(rings(city, result))
    assert rough[1] < 0.8 * rough[0] and seen[1] > seen[0] - 0.05


def test_the_best_of_a_fit_is_kept_and_not_its_last(city):
    scene = read_scene(city)
    height_map = HeightMap.read(city / "dsm.npz")
    start = fitting.prepared(height_map, list(fitting.sights(scene, fitting.tones(scene, height_map))), scene.pixel)
    held = [fitting.sight_of(image, scene) for image in scene.held_out]
    judge = fitting._Judge(held, None, 0)
    spoilt = replace(start.sheet, means=start.sheet.means + torch.randn(start.sheet.means.shape))
    assert not judge(start.sheet)
    ends = [judge(spoilt) for _ in range(fitting._PATIENCE)]
    assert ends == [False] * (fitting._PATIENCE - 1) + [True]
    torch.testing.assert_close(judge.best.means, start.sheet.means)


def test_pseudo_cameras_stand_over_the_roofs_and_look_at_the_ground(city):
    height_map = HeightMap.read(city / "dsm.npz")
    lifted = replace(height_map, up=height_map.up + 300)  # far from height 0, as real ground is
    for camera in pseudo.cameras(lifted, 8, 64):
        assert camera.position[2] > np.nanmax(lifted.up)
        pixel, _ = camera.project(np.array((*camera.position[:2], 0)) * 0 + _hit(camera, 300))
        np.testing.assert_allclose(pixel, (32, 32), atol=3)


def _hit(camera, level):
    """Where the axis of a camera meets a height."""
    axis = camera.rotation[:, 2]
    return camera.position + axis * (level - camera.position[2]) / axis[2]


def test_the_light_of_the_city_is_that_of_the_chosen_image(city, tmp_path):
    scene = read_scene(city)
    height_map = HeightMap.read(city / "dsm.npz")
    for reference in (0, 3):
        tones = fitting.tones(scene, height_map, reference)
        start = fitting.prepared(height_map, list(fitting.sights(scene, tones)), scene.pixel)
        own = start.sights[reference]
        np.testing.assert_array_equal(own.picture, scene.images[reference].read()[0])
        shown = start.sheet.sh[:, 0].mean().item() * 0.2821 + 0.5
        assert shown == pytest.approx(float(own.picture[own.valid].mean()), abs=0.04)
    with pytest.raises(UserError, match=r"no image is named or dated 1999.*There are view00 \(2024-"):
        list(reconstruct(wish(city, tmp_path, reference="1999")))


def test_what_is_missing_is_said_before_there_is_a_world(city, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(city, bare, ignore=shutil.ignore_patterns("dsm.*"))
    with pytest.raises(UserError, match="the scene has no height map"):
        list(reconstruct(wish(bare, tmp_path / "world")))
    document = json.loads((bare / "transforms_train.json").read_text())
    (bare / "transforms_train.json").write_text(json.dumps(document | {"frames": []}))
    with pytest.raises(UserError, match="has no frames"):
        list(reconstruct(wish(bare, tmp_path / "world", height=city / "dsm.npz")))
    assert not (tmp_path / "world").exists()


class Ramp:
    """A depth model that believes in a ramp, and in nothing on the left."""

    def estimate(self, picture, camera):
        assert picture.shape == (camera.height, camera.width, 3) and picture.min() >= 0 and picture.max() <= 1
        valid = np.arange(camera.width) >= camera.width // 4
        depth = np.linspace(50, 90, camera.height)[:, None].repeat(camera.width, 1).astype(np.float32)
        return DepthEstimate(depth, np.tile(valid, (camera.height, 1)))


def test_pseudo_views_hold_what_a_depth_model_says_where_there_is_one(city):
    scene, height_map = read_scene(city), HeightMap.read(city / "dsm.npz")
    start = fitting.prepared(height_map, list(fitting.sights(scene, fitting.tones(scene, height_map))), 1.0)
    cameras = pseudo.cameras(height_map, 2, 48)
    of_sheet, of_model = (pseudo.views(start.sheet, cameras, 1.0, model) for model in (None, Ramp()))
    for own, told in zip(of_sheet, of_model, strict=True):
        known = torch.isfinite(told.depth)
        assert known[:, 12:].any() and not known[:, :12].any() and torch.isfinite(own.depth)[:, :12].any()
        rows = torch.linspace(50, 90, 48)[:, None].expand(48, 48)
        assert torch.allclose(told.depth[known], rows[known])


def test_a_depth_checkpoint_takes_part_in_a_whole_run_and_is_named_in_the_world(city, tmp_path):
    folder, up = tiny.depth_anything(tmp_path / "model"), {}
    for name, more in (("without", {}), ("with", {"depth": str(folder)})):
        finished(reconstruct(wish(city, tmp_path / name, steps=12, **more)))
        up[name] = HeightMap.read(tmp_path / name / "dsm.npz").up
    models = {model["role"]: model["name"] for model in World.open(tmp_path / "with").document["models"]}
    assert str(folder) in models["depth"] and not World.open(tmp_path / "without").document["models"]
    changed = np.abs(up["with"] - up["without"])
    assert 0 < np.nanmedian(changed) < 0.2  # its weights are random: it only must not take over


def test_a_depth_model_that_is_not_there_is_told_before_any_work(city, tmp_path):
    with pytest.raises(UserError, match="no-such-model"):
        finished(reconstruct(wish(city, tmp_path / "w", depth=str(tmp_path / "no-such-model"))))
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("settings", [fitting.PREVIEW, fitting.FULL])
def test_few_images_are_not_learnt_by_heart(settings):
    few, many = (fitting.for_images(settings, count).steps for count in (3, 100))
    assert few == 3 * fitting.PER_IMAGE[settings] < many == settings.steps
