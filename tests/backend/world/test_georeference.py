"""A world that knows its place on Earth finds it again in every coordinate system."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from skyworld.errors import UserError
from skyworld.world.georeference import Georeference, utm_zone

QUARRY = Georeference.at(43.2623, 5.4420, 90.0)


def test_the_origin_is_the_origin_and_its_axes_point_east_north_and_up():
    assert np.abs(QUARRY.enu(43.2623, 5.4420, 90.0)).max() < 1e-6
    east, north, up = QUARRY.enu([43.2623, 43.2624, 43.2623], [5.4421, 5.4420, 5.4420], [90, 90, 91])
    assert east[0] > 8 and abs(east[1]) < 1e-3
    assert north[1] > 11 and abs(north[0]) < 1e-6
    assert up == pytest.approx([0, 0, 1], abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(-75, 75), st.floats(-179, 179), st.floats(-400, 8000),
    st.tuples(st.floats(-3e4, 3e4), st.floats(-3e4, 3e4), st.floats(-500, 3000)),
)  # fmt: skip
def test_places_come_back_from_degrees_and_from_utm(latitude, longitude, altitude, place):
    georeference = Georeference.at(latitude, longitude, altitude)
    assert np.abs(georeference.enu(*georeference.geodetic(np.array(place))) - place).max() < 1e-5
    # Transverse Mercator is good to a tenth of a millimetre this near its meridian.
    assert np.abs(georeference.from_utm(georeference.utm(np.array(place))) - place).max() < 1e-3


def test_utm_is_that_of_the_epsg_register():
    points = np.array([[0.0, 0, 0], [250, -310, 40]])
    latitude, longitude, _ = QUARRY.geodetic(points)
    expected = Transformer.from_crs(4326, QUARRY.epsg, always_xy=True).transform(longitude, latitude)
    assert np.abs(QUARRY.utm(points)[:, :2] - np.stack(expected, -1)).max() < 1e-4


def test_zones_are_numbered_from_the_date_line_and_southern_ones_apart():
    assert [utm_zone(43.3, 5.4), utm_zone(-33.9, 18.4), utm_zone(0, -180), utm_zone(10, 179.9)] == [
        32631, 32734, 32601, 32660,
    ]  # fmt: skip


def test_it_is_the_same_after_json():
    assert Georeference.from_json(QUARRY.to_json()) == QUARRY


@pytest.mark.parametrize(
    "broken", [{}, {"latitude": "north"}, {**QUARRY.to_json(), "latitude": 120}, {**QUARRY.to_json(), "epsg": 4326}]
)
def test_what_is_no_place_is_refused(broken):
    with pytest.raises(UserError):
        Georeference.from_json(broken)
