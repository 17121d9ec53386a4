"""Images of every maker are read by window, with the pixels that count; the others are refused in one sentence."""

import made_up_ground as ground
import numpy as np
import pytest
import rasterio

from skyworld.errors import UserError
from skyworld.satellite.rasters import grey, open_raster, tone_curve

RPC = ground.made_up_rpc()


def ramp(bands=1, dtype=np.uint16, top=4000, size=40):
    across = np.linspace(0.05, 1, size) * top
    return np.stack([np.tile(across * (1 - 0.2 * band), (size, 1)) for band in range(bands)]).astype(dtype)


@pytest.mark.parametrize(("dtype", "top"), [("u1", 255), ("u2", 2047), ("u2", 4095), ("u2", 65535), ("f4", 1)])
def test_values_are_those_of_the_file_whatever_its_bits(tmp_path, dtype, top):
    raster = open_raster(ground.write_image(tmp_path / "a.tif", RPC, ramp(1, dtype, top)))
    values, valid = raster.read((3, 5, 20, 10))
    assert values.shape == (10, 20, 1) and valid.all()
    assert np.array_equal(values[..., 0], ramp(1, dtype, top)[0, 5:15, 3:23].astype(np.float32))


def test_a_window_beyond_the_edge_counts_where_there_is_an_image(tmp_path):
    raster = open_raster(ground.write_image(tmp_path / "a.tif", RPC, ramp()))
    valid = raster.read((-4, 30, 20, 20))[1]
    assert valid[:10, 4:].all() and valid.sum() == 10 * 16
    assert not raster.read((500, 500, 10, 10))[1].any()


def test_nodata_black_and_masked_pixels_do_not_count(tmp_path):
    values = ramp(3)
    values[:, 0:5], values[:, 10:15, :7] = 0, 999
    raster = open_raster(ground.write_image(tmp_path / "a.tif", RPC, values, nodata=999))
    _, valid = raster.read((0, 0, 40, 40))
    assert not valid[:5].any() and not valid[10:15, :7].any() and valid[20:].all()


@pytest.mark.parametrize(("bands", "red"), [(3, 1), (4, 1), (8, 5)])
def test_red_green_and_blue_are_picked_out_of_more_bands(tmp_path, bands, red):
    values = np.stack([np.full((8, 8), 10 * (band + 1), np.uint16) for band in range(bands)])
    raster = open_raster(ground.write_image(tmp_path / "a.tif", RPC, values, photometric="minisblack"))
    assert raster.read((0, 0, 8, 8))[0][0, 0, 0] == 10 * red
    assert raster.read((0, 0, 8, 8))[0].shape == (8, 8, 3)


def test_the_picture_of_all_images_has_one_tone_curve(tmp_path):
    bright, dark = (
        open_raster(ground.write_image(tmp_path / f"{top}.tif", RPC, ramp(3, top=top))) for top in (4000, 2000)
    )
    read = [raster.read((0, 0, 40, 40)) for raster in (bright, dark)]
    shown = tone_curve(*zip(*read, strict=True))
    pictures = [shown(values) for values, _ in read]
    assert pictures[0].dtype == np.uint8 and pictures[0].max() >= 254
    assert 150 < pictures[1].max() < 200  # half the light, seen through the curve
    assert (np.diff(pictures[0][5, :, 0].astype(int)) >= 0).all()
    assert grey(read[0][0]).shape == (40, 40)


def test_time_and_sun_are_taken_from_the_tags(tmp_path, shared_data):
    path = ground.write_image(tmp_path / "a.tif", RPC, ramp())
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(TIFFTAG_DATETIME="2021:06:03 10:35:11", SUN_AZIMUTH="151.5", SUN_ELEVATION="66")
    assert (open_raster(path).date, open_raster(path).sun) == ("2021-06-03T10:35:11", (151.5, 66.0))
    assert open_raster(shared_data / "satellite_triplet" / "img_01.tif").date == "2013-04-17T10:36:44"


def test_fifty_gigapixels_are_read_by_window(tmp_path):
    # Sparse: a BigTIFF of 224,000 x 224,000 pixels that takes a few hundred kilobytes on the disk.
    side, path = 224_000, tmp_path / "huge.tif"
    profile = dict(driver="GTiff", width=side, height=side, count=1, dtype="uint16", tiled=True, blockxsize=4096)
    with rasterio.open(
        path, "w", **profile, blockysize=4096, BIGTIFF="YES", SPARSE_OK=True, compress="deflate", rpcs=RPC.to_rasterio()
    ) as raster:
        raster.write(ramp(size=64), window=rasterio.windows.Window(150_000, 160_000, 64, 64))
    raster = open_raster(path)
    values, valid = raster.read((149_990, 160_000, 64, 32))
    assert raster.width * raster.height > 50e9
    assert np.array_equal(values[:, 10:, 0], ramp(size=64)[0, :32, :54]) and not valid[:, :10].any()


@pytest.mark.parametrize("bands", [2, 5, 7])
def test_a_strange_number_of_bands_is_refused(tmp_path, bands):
    path = ground.write_image(tmp_path / "a.tif", RPC, ramp(bands), photometric="minisblack")
    with pytest.raises(UserError, match=rf"a.tif: has {bands} bands.*panchromatic"):
        open_raster(path)


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "notes.tif").write_text("no image")
    for name, said in (
        ("notes.tif", "is not a satellite image"),
        ("missing.tif", "no such file"),
        (".", "is a folder"),
    ):
        with pytest.raises(UserError, match=said):
            open_raster(tmp_path / name)
    with pytest.raises(UserError, match="has no RPC"):
        open_raster(ground.write_image(tmp_path / "plain.tif", None, ramp()))
    with pytest.raises(UserError, match="complex64 pixels"):
        open_raster(ground.write_image(tmp_path / "radar.tif", RPC, ramp().astype(np.complex64)))


def test_a_file_that_is_cut_short_says_so(tmp_path):
    path = ground.write_image(tmp_path / "a.tif", RPC, ramp(size=400))
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(UserError, match=r"a.tif.*(damaged or cut short|not a satellite image)"):
        open_raster(path).read((0, 0, 400, 400))
