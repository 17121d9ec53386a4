"""From a photograph to the full sphere."""

import cv2
import numpy as np
import pytest
from drawn_pictures import camera, landscape, room

from skyworld.camera import resample_view
from skyworld.evaluate.panorama import seam_ratio
from skyworld.models.builtin.panorama import BuiltinInpainter
from skyworld.models.roles import Provenance
from skyworld.panorama.generate import generate
from skyworld.panorama.measure import photograph_psnr, unknown_pixels
from skyworld.panorama.photograph import analyse
from skyworld.panorama.placement import place

WIDTH = 256


def finish(steps):
    """All reports and the result of a pipeline."""
    reports = []
    while True:
        try:
            reports.append(next(steps))
        except StopIteration as end:
            return reports, end.value


def panorama_of(picture, inpainter=None, width=WIDTH, seed=0, preview=None, **analysis):
    photograph = analyse(picture, **analysis)
    reports, panorama = finish(
        generate(photograph, inpainter or BuiltinInpainter(), width=width, seed=seed, preview=preview, side=128)
    )
    return photograph, reports, panorama


@pytest.fixture(scope="module")
def outdoors():
    return panorama_of(landscape(camera(480, 320, 60, -6)), width=1024, fov_degrees=60)


@pytest.fixture(scope="module")
def indoors():
    return panorama_of(room(camera(480, 320, 75, -3)), width=1024, fov_degrees=75)


@pytest.mark.parametrize("world", ["outdoors", "indoors"])
def test_every_pixel_is_known_and_the_photograph_is_untouched(world, request):
    photograph, _, panorama = request.getfixturevalue(world)
    placed, mask = place(photograph, 1024)
    assert unknown_pixels(panorama.picture) == 0
    assert (panorama.photograph_mask == mask).all()
    assert (panorama.picture[mask] == placed[mask]).all()
    assert photograph_psnr(panorama.picture, photograph) >= 33  # of speckle as fine as a pixel, at half size


@pytest.mark.parametrize("world", ["outdoors", "indoors"])
def test_the_ends_meet(world, request):
    assert seam_ratio(request.getfixturevalue(world)[2].picture) <= 1.2


def test_the_sky_is_above_and_blue_and_the_ground_is_not_sky(outdoors):
    _, _, panorama = outdoors
    height = panorama.sky.shape[0]
    assert panorama.sky[: height // 4].all()
    assert not panorama.sky[height // 2 + 8 :].any()
    zenith, nadir = panorama.picture[: height // 8].mean((0, 1)), panorama.picture[-height // 8 :].mean((0, 1))
    assert zenith[2] > zenith[0] + 0.1
    assert nadir[1] > nadir[2]


def test_the_ground_at_the_feet_has_the_texture_of_the_photographs_ground(outdoors):
    _, _, panorama = outdoors
    down = resample_view(panorama.picture, camera(200, 200, 60, -90))
    assert 0.03 < cv2.cvtColor(down, cv2.COLOR_RGB2GRAY).std() < 0.2


def test_a_room_has_no_sky_and_a_calm_ceiling(indoors):
    _, _, panorama = indoors
    assert not panorama.sky.any()
    assert resample_view(panorama.picture, camera(100, 100, 40, 90)).std((0, 1)).max() < 0.06


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    picture = landscape(camera(320, 214, 60, -6))
    first, again, other = (panorama_of(picture, seed=seed)[2].picture for seed in (3, 3, 4))
    assert (first == again).all()
    band = np.s_[WIDTH // 4 - WIDTH // 26 : WIDTH // 4 + WIDTH // 13]  # 14 degrees above the horizon to 28 below
    assert np.abs(first[band] - other[band]).mean() > 0.02


def test_progress_only_grows_and_the_preview_fills_in(tmp_path):
    preview = tmp_path / "preview.jpg"
    steps = generate(analyse(landscape(camera())), BuiltinInpainter(), width=WIDTH, seed=0, preview=preview)
    dark, fractions = [], []
    try:
        while True:
            report = next(steps)
            fractions.append(report.fraction)
            if report.preview is not None:
                assert report.preview == preview
                dark.append((cv2.imread(str(preview)).max(-1) < 8).mean())
    except StopIteration:
        pass
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert len(fractions) > 20
    assert dark[0] > 0.8 and dark[-1] < 0.01 and any(0.02 < share < 0.8 for share in dark)
    assert cv2.imread(str(preview)).shape == (384, 768, 3)


class PlainColour:
    """A stand-in for a perspective model: paints what it is asked for in one colour, and disturbs all the rest."""

    provenance = Provenance("inpainter", "plain colour", "1", "none", False)
    schedule = "anchored"

    def __init__(self):
        self.views = []

    def begin(self, photograph):
        self.photograph = photograph

    def inpaint(self, view):
        self.views.append(view)
        return np.where(view.unknown[..., None], [0.2, 0.5, 0.3], [1.0, 0.0, 1.0]).astype(np.float32)


@pytest.fixture(scope="module")
def view_by_view():
    model = PlainColour()
    photograph, _, panorama = panorama_of(landscape(camera(pitch=0)), model)
    return model, photograph, panorama


def test_a_perspective_model_completes_the_sphere_view_by_view(view_by_view):
    model, photograph, panorama = view_by_view
    placed, mask = place(photograph, WIDTH)
    assert (panorama.picture[mask] == placed[mask]).all()
    wrong = np.abs(panorama.picture[~mask] - (0.2, 0.5, 0.3)).max(-1) > 0.02
    assert wrong.mean() < 1e-3, "but for a pixel that no view of 128 px looks at"
    regions = [view.region for view in model.views]
    assert regions.index("ground") < regions.index("horizon") and regions[0] == "sky"
    assert all(view.camera.model == "pinhole" for view in model.views)


def test_the_copy_behind_the_viewer_is_seen_from_the_poles_only(view_by_view):
    model = view_by_view[0]
    back = [view for view in model.views if view.region == "sky" and view.camera.rotation[1, 2] < -0.5]
    assert back and not back[0].unknown.all()
    last = next(view for view in model.views if view.region == "horizon" and view.camera.rotation[1, 2] < -0.9)
    assert last.unknown[last.unknown.shape[0] // 2].mean() > 0.3


GREY = np.full((100, 150, 3), 0.5, np.float32)
RNG = np.random.default_rng(5)


def line_art() -> np.ndarray:
    picture = np.ones((200, 300, 3), np.float32)
    for _ in range(30):
        a, b = RNG.integers(0, 300, 2), RNG.integers(0, 200, 2)
        cv2.line(picture, (int(a[0]), int(b[0])), (int(a[1]), int(b[1])), (0, 0, 0), 2)
    return picture


def night() -> np.ndarray:
    picture = landscape(camera(240, 160)) * 0.06
    picture[RNG.integers(0, 70, 40), RNG.integers(0, 240, 40)] = 1
    return picture


HARD = {
    "portrait": lambda: landscape(camera(200, 360, 45)),
    "night": night,
    "line art": line_art,
    "grey scale": lambda: np.repeat(landscape(camera(240, 160)).mean(-1, keepdims=True), 3, 2),
    "tiny": lambda: landscape(camera(64, 64)),
    "wide": lambda: landscape(camera(4000, 640, 100)),
    "all sky": lambda: landscape(camera(240, 160, 60, 40)),
    "all ground": lambda: landscape(camera(240, 160, 50, -50)),
    "one colour": lambda: GREY,
    "black": lambda: GREY * 0,
    "sky blue": lambda: GREY * 0 + np.float32([0.4, 0.6, 0.95]),
    "noise": lambda: RNG.random((90, 120, 3)).astype(np.float32),
}


@pytest.mark.parametrize("kind", HARD)
def test_hard_pictures_give_a_whole_panorama(kind):
    photograph, _, panorama = panorama_of(HARD[kind]())
    assert unknown_pixels(panorama.picture) == 0
    assert panorama.picture.shape == (WIDTH // 2, WIDTH, 3)
    # Colours stay those of the photograph.
    inside = panorama.picture.reshape(-1, 3).mean(0)
    low, high = photograph.picture.min((0, 1)) - 0.1, photograph.picture.max((0, 1)) + 0.1
    assert ((inside >= low) & (inside <= high)).all()
