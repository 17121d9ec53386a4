"""The photograph lies on the panorama so that its own camera gets it back."""

import numpy as np
import pytest
from drawn_pictures import camera, landscape

from skyworld.camera import resample_view
from skyworld.models.roles import Photograph
from skyworld.panorama.measure import photograph_psnr
from skyworld.panorama.placement import bilinear_rows, native_camera, place


def photograph(fov=60.0, pitch=-8.0, width=480, height=320) -> Photograph:
    view = camera(width, height, fov, pitch)
    return Photograph(landscape(view), view, True, (view.rays()[..., 2] > 0).astype(np.float32))


@pytest.mark.parametrize(("fov", "pitch"), [(60, -8), (50, 35), (40, 0)])
def test_the_photograph_survives_in_eight_bits(fov, pitch):
    taken = photograph(fov, pitch)
    picture, _ = place(taken, 2048)
    assert photograph_psnr((np.round(picture * 255) / 255).astype(np.float32), taken) >= 35


def test_solving_is_sharper_than_sampling_twice():
    taken = photograph()
    picture, mask = place(taken, 1024)
    plain, _ = place_by_sampling(taken, 1024, mask)
    assert photograph_psnr(picture, taken) > photograph_psnr(plain, taken) + 3


def place_by_sampling(taken, width, mask):
    from skyworld.camera import directions
    from skyworld.panorama.placement import _sampled

    picture = np.zeros((width // 2, width, 3), np.float32)
    colours, within = _sampled(taken, directions(width, width // 2)[mask], native_camera(taken.camera, width))
    picture[mask] = colours
    return picture, within


def test_the_mask_is_what_the_view_reads_and_the_rest_is_empty():
    taken = photograph()
    picture, mask = place(taken, 1024)
    assert (resample_view(mask.astype(np.float32), native_camera(taken.camera, 1024)) > 0.999).all()
    assert not picture[~mask].any()
    assert mask.mean() < 0.1
    assert picture.min() >= 0 and picture.max() <= 1


def test_the_sparse_view_is_the_view():
    panorama = np.random.default_rng(1).random((128, 256, 3)).astype(np.float32)
    view = camera(90, 60, 100, 30)
    rendered = (bilinear_rows(view, 256) @ panorama.reshape(-1, 3)).reshape(60, 90, 3)
    # cv2.remap rounds coordinates to 1/32 of a pixel.
    assert np.abs(rendered - resample_view(panorama, view)).max() < 0.05
