"""Heights keep their place: on their own grid, in UTM, and back from any GeoTIFF."""

import numpy as np
import pytest
import rasterio

from skyworld.errors import UserError
from skyworld.satellite.height_map import HeightMap
from skyworld.world.georeference import Georeference

# Far from its zone's meridian, so that UTM's north and the scene's differ by 1.7 degrees.
PLACE = Georeference.at(43.2623, 5.4420, 90.0)


def hills(east, north):
    return 20 + 0.1 * east - 0.05 * north + 5 * np.sin(east / 15) * np.cos(north / 20)


def hilly(cell=0.5):
    return HeightMap.over(-40, -30, 40, 30, cell, hills)


def test_row_0_lies_in_the_north_and_cells_have_their_centres_half_a_cell_inside():
    ground = hilly()
    east, north = ground.centres()
    assert (east[0, 0], north[0, 0]) == (-39.75, 29.75)
    assert ground.up[7, 9] == pytest.approx(hills(east[7, 9], north[7, 9]), abs=1e-4)


def test_heights_are_sampled_between_cells_and_unknown_outside():
    ground = hilly()
    rng = np.random.default_rng(0)
    east, north = rng.uniform(-35, 35, 500), rng.uniform(-25, 25, 500)
    assert np.abs(ground.sample(east, north) - hills(east, north)).max() < 0.005
    assert np.isnan(ground.sample(np.array([50.0]), np.array([0.0]))).all()


def test_an_unknown_cell_does_not_spread():
    ground = hilly()
    ground.up[40:44, 60:64] = np.nan
    east, north = ground.centres()
    again = ground.sample(east, north)
    assert (np.isfinite(again) == np.isfinite(ground.up)).all()
    assert np.nanmax(np.abs(again - ground.up)) < 1e-3


def test_a_geotiff_lies_in_the_local_utm_zone_north_up(tmp_path):
    hilly().write(tmp_path / "dsm.tif", PLACE)
    with rasterio.open(tmp_path / "dsm.tif") as raster:
        assert raster.crs.to_epsg() == 32631
        assert raster.transform.b == 0 and raster.transform.a == 0.5 and raster.transform.e == -0.5
        altitude = raster.read(1, masked=True).filled(np.nan)
        row, column = raster.index(*PLACE.utm(np.array([10.0, -5.0, 20.0]))[:2])
    assert altitude[row, column] == pytest.approx(90 + hills(10, -5), abs=0.3)


def test_a_geotiff_is_read_back_where_it_was(tmp_path):
    ground = hilly()
    ground.confidence[:60] = 0.25
    ground.write(tmp_path / "dsm.tif", PLACE)
    again = HeightMap.read(tmp_path / "dsm.tif", PLACE)
    assert again.cell == pytest.approx(0.5, abs=0.001)
    east, north = np.meshgrid(np.arange(-38, 38, 1.7), np.arange(-28, 28, 1.3))
    assert np.abs(again.sample(east, north) - hills(east, north)).max() < 0.01
    far_north = again.confidence[again.centres()[1] > 5]
    assert np.median(far_north[far_north > 0]) == pytest.approx(0.25, abs=0.01)


def test_a_height_map_in_degrees_is_read_too(tmp_path):
    rows, columns, step = 80, 80, 1e-5
    transform = rasterio.Affine(step, 0, PLACE.longitude - 40 * step, 0, -step, PLACE.latitude + 40 * step)
    values = np.full((rows, columns), 120, np.float32)
    profile = dict(driver="GTiff", width=columns, height=rows, count=1, dtype="float32", crs="EPSG:4326")
    with rasterio.open(tmp_path / "degrees.tif", "w", transform=transform, **profile) as raster:
        raster.write(values, 1)
    ground = HeightMap.read(tmp_path / "degrees.tif", PLACE)
    assert ground.sample(np.zeros(1), np.zeros(1)) == pytest.approx([30], abs=0.01)
    assert 0.8 < ground.cell < 1.2


def test_the_grid_itself_is_kept_exactly_without_a_place_on_earth(tmp_path):
    ground = hilly()
    ground.up[3, 4] = np.nan
    ground.write(tmp_path / "height.npz")
    again = HeightMap.read(tmp_path / "height.npz")
    assert np.array_equal(again.up, ground.up, equal_nan=True) and (again.west, again.north) == (-40, 30)


def test_what_is_no_height_map_is_refused(tmp_path):
    with pytest.raises(UserError, match="needs a place on Earth"):
        hilly().write(tmp_path / "dsm.tif")
    with pytest.raises(UserError, match="no name for a height map"):
        hilly().write(tmp_path / "dsm.xyz", PLACE)
    (tmp_path / "a.tif").write_bytes(b"no tiff")
    (tmp_path / "a.npz").write_bytes(b"no npz")
    for name in ("a.tif", "a.npz", "missing.tif"):
        with pytest.raises(UserError):
            HeightMap.read(tmp_path / name, PLACE)
