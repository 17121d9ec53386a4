"""Whatever shows a place from above becomes a scene in metres; what cannot is refused in one sentence."""

import json

import made_up_ground as ground
import numpy as np
import pytest
import rasterio
from plain_scenes import plain_scene

from skyworld.errors import UserError
from skyworld.parameters import SatellitePrepareParameters
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.prepare import prepare
from skyworld.satellite.rasters import open_raster
from skyworld.satellite.raw import matching_views
from skyworld.satellite.scene import read_scene
from skyworld.satellite.views import by_rpc

LEANS = ((0.0, 0.25), (0.2, -0.15), (-0.25, -0.1))
_MIDDLE, _REACH = (ground.PLACE.latitude, ground.PLACE.longitude), 30 / ground.METRES_A_DEGREE
AREA = (*(_MIDDLE - _REACH).tolist(), *(_MIDDLE + _REACH).tolist())  # 60 m of the 100 m that the images show


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three images whose RPCs are off by a few pixels."""
    folder = tmp_path_factory.mktemp("images")
    for index, (lean, shift) in enumerate(zip(LEANS, ((2, -1), (-1, 2), (-1, -1)), strict=True)):
        rpc = ground.made_up_rpc(*lean, bend=1e-4)
        ground.write_image(folder / f"img_{index}.tif", rpc.moved(*shift), ground.picture(rpc))
    return folder


def images(folder):
    return sorted(folder.glob("img_*.tif"))


def made(output, sources, **options):
    reports = list(prepare(SatellitePrepareParameters(images=sources, output=output, **options)))
    return read_scene(output), reports


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    return made(tmp_path_factory.mktemp("scene") / "s", images(folder), altitudes=(20, 60))


def test_cameras_show_the_ground_where_it_was_pictured(prepared):
    scene, _ = prepared
    assert len(scene.images) == 3 and all(image.misfit < 0.15 for image in scene.images)
    # The brightness at tie points is that of the ground there: the shift of the RPCs is out of the cameras.
    ours = ground.PLACE.enu(*scene.georeference.geodetic(scene.xyz))
    assert np.abs(ground.height(*ours[:, :2].T) - ours[:, 2]).mean() < 2.5
    for image, view in zip(scene.images, matching_views(scene), strict=True):
        picture, valid = image.read()
        column, row = np.floor(image.camera.project(scene.xyz)[0]).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < image.camera.width) & (row < image.camera.height)
        seen = picture[row[inside], column[inside], 0][valid[row[inside], column[inside]]]
        truth = ground.brightness(*ours[inside, :2].T)[valid[row[inside], column[inside]]]
        assert np.corrcoef(seen, truth)[0, 1] > 0.8
        # The picture's camera and the RPC beside it agree, but for the rows that moved sideways with the skew.
        assert np.abs(image.camera.project(scene.xyz)[0] - view.project(scene.xyz))[:, 1].max() < 0.1


def test_the_scene_knows_its_place_its_box_and_how_good_it_is(prepared):
    scene, reports = prepared
    assert scene.georeference.epsg == 32631 and scene.box.up[0] >= 0
    assert 50 < np.ptp(scene.box.east) < 110
    document = json.loads((scene.folder / "scene.json").read_text())
    assert document["tie_points"]["residual_px"] < 0.3
    assert {"misfit", "bias"} <= set(document["images"][0])
    assert "tie points" in reports[-1].message and reports[-1].preview.is_file()


def test_altitudes_are_found_when_they_are_not_given(folder, tmp_path):
    scene, _ = made(tmp_path / "s", images(folder))
    low, high = (scene.georeference.altitude + side for side in scene.box.up)
    assert 15 < low < 30 and 45 < high < 75


def test_an_area_in_degrees_is_cut_out_and_an_image_can_be_kept_back(folder, tmp_path):
    scene, _ = made(tmp_path / "s", images(folder), area=AREA, altitudes=(20, 60), hold_out=["img_1"])
    assert np.ptp(scene.box.east) == pytest.approx(60, abs=0.5)
    assert [image.name for image in scene.held_out] == ["img_1"] and len(scene.images) == 2
    assert scene.images[0].camera.width < 200
    raster = open_raster(scene.folder / "raw" / "img_0.tif")
    assert raster.width < 200
    assert by_rpc(raster.rpc, scene.georeference)(scene.xyz).min() > -10


def swapped(area):
    return (area[1], area[0], area[3], area[2])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"area": swapped(AREA)}, "latitude and longitude swapped"),
        ({"area": (10.0, 20.0, 10.1, 20.1)}, r"img_0.tif: does not show the area.*It shows 43\.26"),
        ({"area": (AREA[2], AREA[1], AREA[0], AREA[3])}, "turned over"),
        ({"area": (143.0, 5.0, 144.0, 6.0)}, "lies nowhere on Earth"),
        ({"hold_out": ["img_7"]}, "no image img_7 to hold out"),
        ({"hold_out": ["img_1", "img_2"]}, "one image alone shows no heights"),
    ],
)
def test_a_wrong_wish_is_answered_in_a_sentence(folder, tmp_path, options, said):
    with pytest.raises(UserError, match=said):
        made(tmp_path / "s", images(folder), altitudes=(20, 60), **options)
    assert not (tmp_path / "s").exists()


def test_one_image_images_of_two_places_and_empty_ones_are_refused(folder, tmp_path):
    first = images(folder)[0]
    with pytest.raises(UserError, match=r"img_0.tif: one image alone.*--dsm"):
        made(tmp_path / "s", [first])
    there = ground.made_up_rpc()
    there = type(there)(**{**vars(there), "lat_off": there.lat_off + 0.03})
    far = ground.write_image(tmp_path / "far.tif", there, ground.picture(ground.made_up_rpc()))
    with pytest.raises(UserError, match="the images do not overlap"):
        made(tmp_path / "s", [first, far])
    with pytest.raises(UserError, match="far lies apart"):
        made(tmp_path / "s", [*images(folder), far])
    blank = ground.write_image(
        tmp_path / "blank.tif", ground.made_up_rpc(0.1), np.full((200, 200), 7, np.uint16), nodata=7
    )
    with pytest.raises(UserError, match=r"blank.tif: holds no data in this area"):
        made(tmp_path / "s", [first, blank])


def test_colours_and_grey_and_equal_names_do_not_mix(folder, tmp_path):
    rgb = ground.write_image(tmp_path / "rgb.tif", ground.made_up_rpc(0.1), np.ones((3, 50, 50), np.uint16))
    with pytest.raises(UserError, match="is panchromatic, and other images have colours"):
        made(tmp_path / "s", [images(folder)[0], rgb])
    twin = ground.write_image(tmp_path / "img_0.tif", ground.made_up_rpc(0.1), np.ones((50, 50), np.uint16))
    with pytest.raises(UserError, match="two images are named img_0"):
        made(tmp_path / "s", [images(folder)[0], twin])


def test_an_area_of_gigapixels_asks_for_a_smaller_one(tmp_path):
    rpc = ground.made_up_rpc(size=60_000)
    rpcs = [type(rpc)(**{**vars(rpc), "lat_scale": rpc.lat_scale * 40, "long_scale": rpc.long_scale * 40,
                         "line_scale": rpc.line_scale * 40, "samp_scale": rpc.samp_scale * 40})] * 2  # fmt: skip
    profile = dict(driver="GTiff", width=60_000, height=60_000, count=1, dtype="uint16", tiled=True, SPARSE_OK=True)
    for name, each in zip("ab", rpcs, strict=True):
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile, BIGTIFF="YES", rpcs=each.to_rasterio()):
            pass
    with pytest.raises(UserError, match=r"too large: 30.\d x 30.\d km.*--area"):
        made(tmp_path / "s", [tmp_path / "a.tif", tmp_path / "b.tif"], altitudes=(20, 60))


def test_a_skyfall_data_set_becomes_the_same_scene(tmp_path):
    given = plain_scene(tmp_path / "given")
    scene, _ = made(tmp_path / "s", [given.folder], hold_out=["view2"])
    assert [image.name for image in scene.images] == ["view0", "view1"]
    assert np.allclose(scene.images[1].camera.camera_to_world, given.images[1].camera.camera_to_world)
    assert np.array_equal(scene.images[0].read()[0], given.images[0].read()[0])
    with pytest.raises(UserError, match="written over what it is made from"):
        made(given.folder, [given.folder])


def ortho(path, crs="EPSG:32631", pixel=0.5, size=120):
    """Brightness of the ground seen from straight above, with east and north of UTM."""
    centre = ground.PLACE.utm(np.zeros(3))[:2]
    transform = rasterio.Affine(pixel, 0, centre[0] - size * pixel / 2, 0, -pixel, centre[1] + size * pixel / 2)
    column, row = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    utm = np.stack([transform.c + pixel * column, transform.f - pixel * row, np.full_like(row, 30)], -1)
    local = ground.PLACE.from_utm(utm)
    values = np.clip(ground.brightness(*np.moveaxis(local[..., :2], -1, 0)) / 8, 1, 255).astype(np.uint8)
    return ground.write_image(path, None, np.stack([values] * 3), crs=crs, transform=transform)


def test_one_ortho_photo_and_its_heights_become_a_scene(tmp_path):
    dsm = HeightMap.over(-45, -45, 45, 45, 1.0, lambda east, north: ground.height(east, north))
    dsm.write(tmp_path / "dsm.tif", ground.PLACE)
    scene, _ = made(tmp_path / "s", [ortho(tmp_path / "photo.tif")], dsm=tmp_path / "dsm.tif")
    image = scene.images[0]
    picture, valid = image.read()
    places = ground.PLACE.enu(*scene.georeference.geodetic(scene.xyz))
    assert np.abs(ground.height(*places[:, :2].T) - places[:, 2])[np.abs(places[:, 0]) < 25].mean() < 0.5
    column, row = np.floor(image.camera.project(scene.xyz)[0]).astype(int).T
    near = (np.abs(places[:, :2]) < 25).all(1)
    seen, truth = picture[row[near], column[near], 0], ground.brightness(*places[near, :2].T)
    assert np.corrcoef(seen, truth)[0, 1] > 0.95
    known = HeightMap.read(scene.folder / "height.npz")
    assert known.up.min() >= 0 and valid.mean() > 0.9


def test_an_ortho_photo_is_told_apart_from_images_with_rpc(folder, tmp_path):
    photo = ortho(tmp_path / "photo.tif")
    with pytest.raises(UserError, match=r"photo.tif: lies on a map already \(EPSG:32631\).*--dsm"):
        made(tmp_path / "s", [images(folder)[0], photo])
    with pytest.raises(UserError, match="has no coordinate system"):
        made(tmp_path / "s", [images(folder)[0]], dsm=tmp_path / "dsm.tif")
    HeightMap.over(5000, 0, 5050, 50, 1.0, lambda east, north: east * 0).write(tmp_path / "far.tif", ground.PLACE)
    with pytest.raises(UserError, match=r"far.tif: holds no heights where the photo lies"):
        made(tmp_path / "s", [photo], dsm=tmp_path / "far.tif")
