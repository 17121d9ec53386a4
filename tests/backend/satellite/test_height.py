"""Heights come out where the ground is, with its steps, and say where they were only filled in."""

import made_up_ground as ground
import numpy as np
import pytest
import rasterio
from plain_scenes import plain_scene

from skyworld.errors import UserError
from skyworld.evaluate.dsm import on_grid_of, score_dsm
from skyworld.parameters import SatelliteHeightParameters, SatellitePrepareParameters
from skyworld.satellite.height import best_pairs, filled, measure_heights, smoothed, sweep_scene, without_spires
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.matching import semi_global, without_speckles
from skyworld.satellite.prepare import prepare
from skyworld.satellite.scene import Box, read_scene
from skyworld.satellite.sweep import box, correlations, make_rig, refined
from skyworld.satellite.views import View, by_rpc

LEANS = ((0.0, 0.25), (0.2, -0.15), (-0.25, -0.1))


def views(dim=False):
    made = []
    for index, lean in enumerate(LEANS):
        rpc = ground.made_up_rpc(*lean)
        values = ground.picture(rpc).astype(np.float32) * (0.6 if dim and index else 1)
        made.append(View(str(index), values, np.ones((200, 200), bool), by_rpc(rpc, ground.PLACE)))
    return made


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    sources = []
    for index, lean in enumerate(LEANS):
        rpc = ground.made_up_rpc(*lean)
        sources.append(ground.write_image(folder / f"img_{index}.tif", rpc, ground.picture(rpc)))
    list(prepare(SatellitePrepareParameters(images=sources, output=folder / "scene", altitudes=(24, 56))))
    return read_scene(folder / "scene")


@pytest.fixture(scope="module")
def measured(scene, tmp_path_factory):
    output = tmp_path_factory.mktemp("dsm") / "dsm.tif"
    reports = list(measure_heights(SatelliteHeightParameters(scene=scene.folder, output=output)))
    return output, reports


def truth_on(found: HeightMap, scene):
    """The made-up ground at the cells of a map, as heights of the scene."""
    places = ground.PLACE.enu(*scene.georeference.geodetic(np.nan_to_num(found.points())))
    return places, ground.height(places[..., 0], places[..., 1]) - places[..., 2]


def test_the_ground_its_hill_and_its_house_are_measured(scene, measured):
    found = HeightMap.read(scene.folder / "height.npz")
    assert found.cell == pytest.approx(0.5, abs=0.02)
    places, error = truth_on(found, scene)
    seen = (np.abs(places[..., :2]) < 38).all(-1)
    error = np.abs(error - np.median(error[seen]))[seen]
    assert np.median(error) < 0.15
    assert (error < 1).mean() > 0.93
    roof = (np.abs(places[..., 0] - 15) < 6) & (np.abs(places[..., 1] + 14) < 4)
    beside = (np.abs(places[..., 0] - 15) < 14) & (np.abs(places[..., 1] + 14) < 12) & ~(
        (np.abs(places[..., 0] - 15) < 10) & (np.abs(places[..., 1] + 14) < 8)
    )  # fmt: skip
    assert np.median(found.up[roof]) - np.median(found.up[beside]) == pytest.approx(8, abs=0.5)


def test_ground_that_only_one_image_shows_has_no_height(scene, measured):
    found = HeightMap.read(scene.folder / "height.npz")
    unknown = np.isnan(found.up)
    places, _ = truth_on(found, scene)
    assert not unknown[(np.abs(places[..., :2]) < 38).all(-1)].any()
    assert (found.confidence[unknown] == 0).all()


def test_cells_that_were_filled_in_say_so_and_matched_ones_are_sure(scene, measured):
    found = HeightMap.read(scene.folder / "height.npz")
    places, error = truth_on(found, scene)
    seen = (np.abs(places[..., :2]) < 38).all(-1)
    error = np.abs(error - np.median(error[seen]))
    sure, unsure = seen & (found.confidence > 0.8), seen & (found.confidence < 0.2)
    assert found.confidence.min() >= 0 and found.confidence.max() <= 1
    assert sure.sum() > 0.5 * seen.sum() and error[sure].mean() < error[unsure].mean()


def test_the_geotiff_lies_in_utm_and_can_be_judged_against_another(scene, measured, tmp_path):
    output, reports = measured
    with rasterio.open(output) as raster:
        assert raster.crs.to_epsg() == 32631 and raster.count == 2
    HeightMap.over(-38, -38, 38, 38, 0.5, ground.height).write(tmp_path / "truth.tif", ground.PLACE)
    score = score_dsm(*on_grid_of(output, tmp_path / "truth.tif"))
    assert score.known > 0.99 and score.mae < 0.4 and score.within_1 > 0.93
    assert reports[-1].preview.is_file() and reports[-1].fraction == 1
    assert all(0 <= report.fraction <= 1 for report in reports)


def test_images_that_agree_on_the_true_surface_agree_less_above_and_below():
    east = np.arange(-25, 25, 0.5)
    rig = make_rig(views(dim=True), east, -east, 20.0, 60.0)
    true = ground.height(*np.meshgrid(east, -east)).astype(np.float32)
    means = []
    for offset in (-1.5, 0.0, 1.5):
        looks = {index: rig.look_up(index, true + np.float32(offset)) for index in range(3)}
        means.append(np.nanmedian(correlations(rig, [(0, 1), (1, 2), (0, 2)], looks, box(7))))
    assert means[1] > 0.9 and means[1] > means[0] + 0.2 and means[1] > means[2] + 0.2


def test_the_last_tenth_of_a_pixel_is_found_where_windows_show_it_and_left_where_they_do_not():
    east = np.arange(-25, 25, 0.5)
    rig = make_rig(views(), east, -east, 20.0, 60.0)
    true = ground.height(*np.meshgrid(east, -east)).astype(np.float32)
    moved = true + np.float32(0.25)
    better = refined(rig, [(0, 1), (1, 2), (0, 2)], moved, 1.0)
    assert np.median(np.abs(better - true)) < 0.12 and np.abs(better - moved).max() <= 0.61
    for spline in rig.splines:
        spline[:] = 0.5
    assert refined(rig, [(0, 1), (1, 2), (0, 2)], moved, 1.0) == pytest.approx(moved)


def test_a_place_outside_an_image_is_not_seen_by_it():
    east = np.arange(0, 120, 1.0)
    rig = make_rig(views(), east, np.arange(20, -20, -1.0), 20.0, 60.0)
    _, seen = rig.look_up(0, np.full(rig.shape, 30, np.float32))
    assert seen[:, :40].all() and not seen[:, 70:].any()


def test_pairs_that_look_from_different_sides_are_liked_and_equal_ones_refused():
    corners = Box((-40, 40), (-40, 40), (0, 40)).grid(3)
    pairs, angle = best_pairs(views(), corners)
    assert len(pairs) == 3 and angle == pytest.approx(np.hypot(0.45, 0.05), abs=0.01)
    with pytest.raises(UserError, match="from the same direction"):
        best_pairs([views()[0]] * 2, corners)


def test_semi_global_matching_keeps_a_step_and_bridges_noise():
    rng = np.random.default_rng(0)
    layer = np.where(np.arange(40) < 20, 5, 14)[None].repeat(30, 0)
    volume = rng.integers(60, 120, (30, 40, 20)).astype(np.uint8)
    np.put_along_axis(volume, layer[..., None], 40, 2)
    volume[rng.random((30, 40)) < 0.2] = 100  # nothing to see
    found, _, margin = semi_global(volume, 4, 60, 3)
    assert np.abs(found - layer)[:, np.r_[0:18, 22:40]].max() < 1
    assert (margin > 0).mean() > 0.95
    alone = volume.argmin(2)
    assert (alone != layer).mean() > 0.15  # the cheapest layer of a cell by itself is wrong where nothing is to see


def test_between_two_layers_the_parabola_finds_the_lowest_point():
    layers = np.arange(16)
    volume = np.broadcast_to(np.clip(3 * (layers - 7.3) ** 2, 0, 255), (12, 12, 16)).astype(np.uint8)
    assert semi_global(volume, 1, 20, 3)[0] == pytest.approx(np.full((12, 12), 7.3), abs=0.1)


def test_speckles_go_and_holes_are_filled_from_around():
    up = np.full((40, 40), 10, np.float32)
    up[5:8, 5:8], up[20:36, 20:36] = 30, 18
    kept = without_speckles(up, 1.0, 20)
    assert np.isnan(kept[5:8, 5:8]).all() and np.isfinite(kept).sum() == 40 * 40 - 9
    assert filled(kept)[6, 6] == pytest.approx(10, abs=0.01)


def test_smoothing_takes_noise_and_leaves_steps():
    rng = np.random.default_rng(1)
    true = np.where(np.arange(60) < 30, 0, 12)[None].repeat(40, 0).astype(np.float32)
    smooth = smoothed(true + rng.normal(0, 0.3, true.shape).astype(np.float32), 1.0, 4)
    assert np.abs(smooth - true).mean() < 0.1


def test_what_cannot_be_measured_is_refused_before_the_work(scene, tmp_path):
    plain = plain_scene(tmp_path / "plain")
    for folder, name, said in (
        (plain.folder, "dsm.tif", "needs a place on Earth"),
        (scene.folder, "dsm.xyz", "no name for a height map"),
        (tmp_path / "none", "dsm.tif", "no such folder"),
    ):
        with pytest.raises(UserError, match=said):
            next(measure_heights(SatelliteHeightParameters(scene=folder, output=tmp_path / name)))
    alone = type(scene)(**{**vars(scene), "images": scene.images[:1]})
    with pytest.raises(UserError, match="one image alone shows no heights"):
        next(sweep_scene(alone, 0.5))


@pytest.mark.parametrize("limit", ["_MOST", "_TALLEST"])
def test_heights_that_span_too_many_pixels_or_metres_are_found_from_coarse_to_fine(scene, monkeypatch, limit):
    monkeypatch.setattr(f"skyworld.satellite.height.{limit}", 0)
    monkeypatch.delattr("skyworld.satellite.height._detailed")
    reports = sweep_scene(scene, 0.5)
    while True:
        try:
            next(reports)
        except StopIteration as stop:
            found = stop.value
            break
    places, error = truth_on(found, scene)
    seen = (np.abs(places[..., :2]) < 38).all(-1)
    error = np.abs(error - np.median(error[seen]))[seen]
    assert np.median(error) < 0.25 and (error < 1).mean() > 0.9


def test_real_images_give_the_heights_of_another_program(shared_data, tmp_path):
    folder = shared_data / "satellite_triplet"
    images = [folder / f"img_0{number}.tif" for number in (1, 2, 3)]
    area = (43.26140, 5.44290, 43.26185, 5.44352)  # 50 m of the quarry's benches
    options = SatellitePrepareParameters(images=images, output=tmp_path / "scene", area=area, altitudes=(70, 330))
    list(prepare(options))
    list(measure_heights(SatelliteHeightParameters(scene=tmp_path / "scene", output=tmp_path / "dsm.tif")))
    found, reference, cell = on_grid_of(tmp_path / "dsm.tif", folder / "dsm_reference.tif")
    rows, columns = (np.nonzero(np.isfinite(found).any(axis))[0] for axis in (1, 0))
    part = np.s_[rows[0] : rows[-1], columns[0] : columns[-1]]
    score = score_dsm(found[part], reference[part], cell, reach=1.0)
    moved = score.registration
    assert max(abs(moved.east), abs(moved.north), abs(moved.up)) < 1
    assert score.median < 0.45 and score.within_1 / score.known > 0.85


def test_an_unsure_spire_goes_and_a_sure_tower_and_a_terrace_stay():
    up = np.tile(np.where(np.arange(80) < 40, 0.0, 12.0).astype(np.float32), (80, 1))
    confidence = np.full((80, 80), 0.7, np.float32)
    confidence[:, 36:44] = 0.1  # at the edge of the terrace
    up[10:14, 10:14] = 40  # a tower
    up[50:56, 20:23], confidence[50:56, 20:23] = 60, 0.1
    found = without_spires(HeightMap(up, confidence, 0.0, 80.0, 1.0))
    assert (found.up[50:56, 20:23] == 0).all() and (found.confidence[50:56, 20:23] == 0).all()
    others = np.ones((80, 80), bool)
    others[50:56, 20:23] = False
    assert (found.up[others] == up[others]).all()


def test_an_unsure_strip_between_the_border_and_unknown_ground_keeps_its_height():
    up = np.full((60, 60), 30.0, np.float32)
    up[40:, 40:] = 0  # the lowest ground, elsewhere
    up[20:24, 4:30] = np.nan
    heights = HeightMap(up, np.full((60, 60), 0.1, np.float32), 0.0, 60.0, 1.0)
    np.testing.assert_array_equal(without_spires(heights).up, up)
