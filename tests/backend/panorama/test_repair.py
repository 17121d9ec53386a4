"""A stitched 360 with holes is made whole, and nothing else of it changes."""

import numpy as np
import pytest
from drawn_pictures import landscape, speckle
from painters import Dreamer, Painter
from PIL import Image

from skyworld.camera import Camera, directions
from skyworld.errors import UserError
from skyworld.models.builtin.panorama import BuiltinInpainter
from skyworld.models.builtin.patchmatch import complete
from skyworld.panorama.generate import repair
from skyworld.panorama.own import read_own
from skyworld.panorama.repair import black, repair_plan, transparent

WIDTH = 256
RAYS = directions(WIDTH, WIDTH // 2)
ELEVATION = np.degrees(np.arcsin(RAYS[..., 2]))
YAW = np.degrees(np.arctan2(RAYS[..., 0], RAYS[..., 1]))
HOLES = {
    "nadir": ELEVATION < -62,
    "zenith": ELEVATION > 70,
    "across the seam": (np.abs(ELEVATION) < 12) & (np.abs(YAW) > 170),
    "both poles": np.abs(ELEVATION) > 60,
    "a narrow strip only": np.abs(ELEVATION) > 25,
}


def repaired(picture, unknown, model, **wish):
    steps = repair(picture, unknown, model, side=128, **wish)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.picture


@pytest.fixture(scope="module")
def stitched():
    return landscape(Camera.equirect((0, 0, 0), WIDTH))


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("builtin", [True, False])
def test_every_hole_is_filled_and_every_other_pixel_stays(stitched, hole, builtin):
    unknown = HOLES[hole]
    picture = repaired(np.where(unknown[..., None], 0, stitched), unknown, BuiltinInpainter() if builtin else Painter())
    assert (picture[~unknown] == stitched[~unknown]).all()
    assert np.isfinite(picture).all() and (picture[unknown].max(-1) > 0.05).all()


def test_the_plan_sees_a_hole_whole_in_one_view():
    regions = {name: [look.region for look in repair_plan(hole)] for name, hole in HOLES.items()}
    assert regions["nadir"] == ["ground"] and regions["zenith"] == ["sky"]
    assert regions["across the seam"] == ["horizon"]
    assert sorted(regions["both poles"]) == ["ground", "sky"]
    assert repair_plan(np.zeros((WIDTH // 2, WIDTH), bool)) == ()


def test_the_built_in_model_fills_the_nadir_with_ground_and_the_zenith_with_sky(stitched):
    for name, blue in (("nadir", False), ("zenith", True)):
        unknown = HOLES[name]
        filled = repaired(np.where(unknown[..., None], 0, stitched), unknown, BuiltinInpainter())[unknown]
        around = stitched[(np.abs(ELEVATION) > 50) & ~unknown & (ELEVATION > 0 if blue else ELEVATION < 0)]
        assert filled.mean(0) == pytest.approx(around.mean(0), abs=0.06)
        assert filled.std() == pytest.approx(around.std(), rel=0.5), "as busy as what is around it"


def test_patches_continue_a_pattern_into_the_hole():
    rows, columns = np.mgrid[0:120, 0:120]
    stripes = (columns // 6 % 2)[..., None] * 0.6 + 0.1 * speckle(np.stack([rows, columns], -1))[..., None] + 0.1
    picture = np.repeat(stripes, 3, -1).astype(np.float32)
    hole = np.hypot(rows - 60, columns - 60) < 22
    filled = complete(np.where(hole[..., None], 0, picture), hole, seed=0)
    assert (filled[~hole] == picture[~hole]).all()
    assert np.abs(filled - picture)[hole].mean() < 0.08
    assert (complete(picture, hole, 0) == complete(picture, hole, 0)).all(), "the same seed, the same picture"


def test_a_hole_without_any_whole_patch_around_it_takes_the_colours_there_are():
    picture, hole = np.full((64, 64, 3), 0.3, np.float32), np.ones((64, 64), bool)
    hole[::9] = False
    assert complete(picture, hole, 0) == pytest.approx(picture, abs=1e-3)


def test_black_pieces_are_holes_and_black_specks_are_not(stitched):
    picture = stitched.copy()
    picture[40, 50] = 0
    picture[HOLES["nadir"]] = 0
    found = black(picture)
    assert found[HOLES["nadir"]].all() and not found[:90].any()
    assert found.sum() < 1.2 * HOLES["nadir"].sum() + 3 * WIDTH, "and little more than a rim"
    assert not black(stitched).any()


def test_what_is_not_opaque_is_a_hole(tmp_path, stitched):
    pixels = np.concatenate([stitched, np.where(HOLES["zenith"], 0, 1)[..., None]], -1)
    Image.fromarray((pixels * 255).astype(np.uint8)).save(tmp_path / "stitched.png")
    Image.fromarray((stitched * 255).astype(np.uint8)).save(tmp_path / "opaque.png")
    assert (transparent(tmp_path / "stitched.png") == HOLES["zenith"]).all()
    assert transparent(tmp_path / "opaque.png") is None


def test_what_a_mask_shows_white_is_completed_too(tmp_path, stitched):
    Image.fromarray((stitched * 255).astype(np.uint8)).save(tmp_path / "own.png")
    Image.fromarray((HOLES["nadir"] * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    _, unknown = read_own(tmp_path / "own.png", WIDTH, with_holes=True, mask=tmp_path / "mask.png")
    assert (unknown == HOLES["nadir"]).all()
    Image.new("L", (256, 96)).save(tmp_path / "mask.png")
    with pytest.raises(UserError, match="twice as wide"):
        read_own(tmp_path / "own.png", WIDTH, with_holes=True, mask=tmp_path / "mask.png")


def test_the_refinement_of_a_repair_stays_in_the_hole(stitched):
    unknown = HOLES["nadir"]
    picture = repaired(stitched, unknown, Painter(), text_to_image=Dreamer(), refinement=0.3)
    assert (picture[~unknown] == stitched[~unknown]).all()
