"""Images are tied together to a fraction of a pixel, and those that do not belong are told by name."""

import made_up_ground as ground
import numpy as np
import pytest
import rasterio

from skyworld.errors import UserError
from skyworld.satellite.rasters import grey, open_raster
from skyworld.satellite.scene import Box
from skyworld.satellite.tie_points import find_tie_points
from skyworld.satellite.views import View, by_rpc
from skyworld.world.georeference import Georeference

LEANS = ((0.0, 0.25), (0.2, -0.15), (-0.25, -0.1))
CORNERS = Box((-45, 45), (-45, 45), (0, 80)).grid(3)


@pytest.fixture(scope="module")
def images():
    rpcs = [ground.made_up_rpc(*lean) for lean in LEANS]
    return [(rpc, ground.picture(rpc).astype(np.float32)) for rpc in rpcs]


def views(images, shifts=((0, 0), (0, 0), (0, 0))):
    """Views whose RPC says that things lie `shifts` further right and down than they do."""
    made = []
    for index, ((rpc, values), shift) in enumerate(zip(images, shifts, strict=True)):
        project = by_rpc(rpc.moved(*shift), ground.PLACE)
        made.append(View(f"image {index}", values, np.ones(values.shape, bool), project))
    return made


def test_tie_points_lie_on_the_ground_that_was_pictured(images):
    ties = find_tie_points(views(images), CORNERS)
    assert ties.used > 100 and ties.residual < 0.25
    error = ties.places[:, 2] - ground.height(*ties.places[:, :2].T)
    away = np.abs(error) < 2  # at the edges of the roof either height is right
    assert away.mean() > 0.9 and np.median(np.abs(error[away])) < 0.3


def test_a_shift_of_the_rpcs_is_found_as_far_as_it_can_be_seen(images):
    shifts = np.array([(3.0, -2.0), (-1.0, 4.0), (-2.0, -2.0)])
    true, off = find_tie_points(views(images), CORNERS), find_tie_points(views(images, shifts), CORNERS)
    assert np.abs(off.bias.sum(0)).max() < 0.05
    assert off.before > 1.0 and off.residual < 0.25
    # What is not seen moves all places alike: without that, the ground is where it was.
    moved = np.median(off.places[:, 2]) - np.median(true.places[:, 2])
    spread = np.percentile(off.places[:, 2] - moved, (2, 98)) - np.percentile(true.places[:, 2], (2, 98))
    assert np.abs(spread).max() < 0.5


def test_an_image_with_the_rpc_of_another_is_told_by_name(images):
    made = views(images)
    made[1] = View("stranger", ground.picture(ground.made_up_rpc(0.2, 0.1).moved(900, 700)).astype(np.float32),
                   made[1].valid, made[1].project)  # fmt: skip
    with pytest.raises(UserError, match=r"stranger.*(another place|RPC of another image)"):
        find_tie_points(made, CORNERS)


def test_an_image_without_detail_is_told_by_name(images):
    made = views(images)
    made[2] = View("cloud", np.full((200, 200), 900, np.float32), made[2].valid, made[2].project)
    with pytest.raises(UserError, match="cloud shows no detail"):
        find_tie_points(made, CORNERS)


def test_real_images_are_tied_to_a_seventh_of_a_pixel(shared_data):
    folder = shared_data / "satellite_triplet"
    rasters = [open_raster(folder / f"img_0{number}.tif") for number in (1, 2, 3)]
    latitude, longitude = rasters[0].rpc.localize(np.array([520.0, 520.0]), 170.0)
    place = Georeference.at(float(latitude), float(longitude), 0.0)
    made = []
    for raster in rasters:
        window = (400, 400, 260, 260)
        values, valid = raster.read(window)
        made.append(View(raster.name, grey(values), valid, by_rpc(raster.rpc.moved(-400, -400), place)))
    ties = find_tie_points(made, Box((-90, 90), (-90, 90), (0, 500)).grid(3))
    assert ties.used > 250 and ties.residual < 0.16 < ties.before
    # What the whole images say, known to a tenth of a pixel from so small a part; only differences can be seen.
    known = np.array([(0.62, -0.16), (-0.04, 0.36), (-0.59, -0.21)])
    assert np.abs(ties.bias - known)[:, 1].max() < 0.15
    with rasterio.open(folder / "dsm_reference.tif") as reference:
        utm = place.utm(ties.places)
        truth = np.array([value[0] for value in reference.sample(utm[:, :2])])
    error = (utm[:, 2] - truth)[np.isfinite(truth)]
    assert np.median(np.abs(error - np.median(error))) < 0.9
