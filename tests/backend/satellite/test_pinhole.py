"""Over a city block the pinhole sees what the RPC sees, without skew."""

import made_up_ground as ground
import numpy as np
import pytest
import rasterio

from skyworld.camera import Camera, look_at
from skyworld.errors import UserError
from skyworld.satellite.pinhole import check_fit, fit_pinhole, unsheared
from skyworld.satellite.rpc import RPC
from skyworld.satellite.scene import Box
from skyworld.satellite.views import by_rpc
from skyworld.world.georeference import Georeference


def sheared_satellite(shear):
    """A camera 600 km away whose pixels are no squares: project, and what it really is."""
    pose = look_at((90_000.0, -60_000, 590_000), (0, 0, 0))
    camera = Camera(pose, np.array([[1.2e6, 0, 110.0], [0, 1.21e6, 90.0], [0, 0, 1]]), 220, 180)

    def project(places):
        seen = camera.project(places)[0]
        seen[..., 0] += shear * seen[..., 1]
        return seen

    return project, camera


@pytest.mark.parametrize("shear", [0.0, 0.06, -0.08])
def test_a_pinhole_with_skew_is_found_exactly_and_its_skew_taken_out(shear):
    project, camera = sheared_satellite(shear)
    places = Box((-50, 50), (-40, 40), (0, 60)).grid(9)
    fit = fit_pinhole(project, places, 220, 180)
    assert fit.error < 1e-3
    assert fit.shear == pytest.approx(shear, abs=1e-4)
    assert fit.camera.K[0, 1] == 0 and fit.camera.height == 180
    assert np.abs(fit.camera.position - camera.position).max() < 5_000  # metres, of 600 km


def test_the_image_without_skew_shows_places_where_its_camera_says():
    project, _ = sheared_satellite(0.07)
    places = Box((-40, 40), (-30, 30), (0, 40)).grid(7)
    fit = fit_pinhole(project, places, 220, 180)
    v, u = np.mgrid[0:180, 0:220] + 0.5
    coordinates = np.stack([u, v], -1)  # each pixel says where it lay
    moved, counted = unsheared(coordinates, np.ones((180, 220), bool), fit)
    seen = fit.camera.project(places)[0]
    inside = (np.abs(seen - (fit.camera.width / 2, 90)) < (100, 80)).all(1)
    column, row = np.floor(seen[inside]).astype(int).T
    fraction = seen[inside] - np.stack([column, row], -1) - 0.5
    assert inside.sum() > 200 and counted[row, column].all()
    # The centre's coordinate plus the rest of a pixel is where the original image shows the place.
    there = moved[row, column] + np.stack([fraction[:, 0] + fit.shear * fraction[:, 1], fraction[:, 1]], -1)
    assert np.abs(there - project(places)[inside]).max() < 0.02


def test_what_lies_outside_the_image_does_not_count_after_the_shear():
    project, _ = sheared_satellite(0.07)
    fit = fit_pinhole(project, Box((-40, 40), (-30, 30), (0, 40)).grid(7), 220, 180)
    moved, counted = unsheared(np.full((180, 220, 1), 500.0), np.ones((180, 220), bool), fit)
    assert counted.shape == (180, 220 + 13) and 0.9 * 180 * 220 < counted.sum() < 180 * 220
    assert (moved[~counted] == 0).all() and np.allclose(moved[counted], 500)


def test_a_real_sensor_is_met_to_a_seventh_of_a_pixel_over_half_a_kilometre(shared_data):
    for name in ("img_01", "img_02", "img_03"):
        with rasterio.open(shared_data / "satellite_triplet" / f"{name}.tif") as raster:
            rpc, width, height = RPC.from_rasterio(raster.rpcs), raster.width, raster.height
        latitude, longitude = rpc.localize(np.array([width / 2, height / 2]), 170.0)
        project = by_rpc(rpc, Georeference.at(float(latitude), float(longitude), 170.0))
        fit = fit_pinhole(project, Box((-260, 260), (-260, 260), (-90, 150)).grid(15), width, height)
        assert fit.error < 0.15


def test_an_area_that_is_too_large_is_refused():
    rpc = ground.made_up_rpc(0.2, 0.1, bend=0.02)
    fit = fit_pinhole(by_rpc(rpc, ground.PLACE), Box((-300, 300), (-300, 300), (0, 50)).grid(9), 1200, 1200)
    with pytest.raises(UserError, match=r"over 600 m no pinhole.*img_9.*smaller area"):
        check_fit(fit, "img_9", 600)
