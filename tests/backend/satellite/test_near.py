import numpy as np
import pytest
from plain_scenes import BOX, camera_above

from skyworld.errors import UserError
from skyworld.satellite.near import difference, drawable
from skyworld.satellite.scene import Box


def test_a_satellite_is_drawn_as_a_parallel_camera_and_an_aircraft_as_it_is():
    near = camera_above(30, 70, distance=1000)
    assert drawable(near, BOX) is near
    far = camera_above(30, 70, distance=600_000)
    drawn = drawable(far, BOX)
    assert drawn.model == "ortho" and difference(drawn, far, BOX) < 0.01
    assert drawn.project(BOX.grid(5))[1].min() > 0


def test_a_picture_off_the_axis_of_its_satellite_keeps_its_pixels():
    """A crop at the edge of a strip: the principal point lies kilometres beside the block."""
    far = camera_above(30, 70, distance=600_000)
    K = np.add(far.K, [[0, 0, 9000], [0, 0, -4000], [0, 0, 0]])
    shift = far.rotation[:, :2] @ (9000, -4000)
    pose = far.camera_to_world.copy()
    pose[:3, 3] += shift
    aside = type(far)(pose, K, 40, 40)
    drawn = drawable(aside, BOX)
    np.testing.assert_allclose(drawn.project(BOX.centre)[0], aside.project(BOX.centre)[0], atol=0.01)
    assert difference(drawn, aside, BOX) < 0.01


def test_an_area_that_no_parallel_camera_shows_is_refused():
    with pytest.raises(UserError, match="px from the nearest parallel one"):
        drawable(camera_above(30, 70, distance=200_000), Box((-900, 900), (-900, 900), (0, 900)))
    with pytest.raises(UserError, match="inside or behind"):
        drawable(camera_above(30, 70, distance=10), BOX)
