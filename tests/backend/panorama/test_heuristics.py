"""The order in which a perspective model completes the sphere, what it is told, and what is kept of its answers."""

import numpy as np
import pytest
from drawn_pictures import camera
from painters import Dreamer, Painter, rainbow

from skyworld.camera import directions
from skyworld.errors import UserError
from skyworld.evaluate.panorama import seam_ratio
from skyworld.models.roles import Description, Photograph
from skyworld.panorama.generate import generate
from skyworld.panorama.schedule import HEURISTICS, Anchor, Look
from skyworld.panorama.views import complete_view

WIDTH, SIDE = 256, 128
LOOKS = {name: [step for step in steps if isinstance(step, Look)] for name, steps in HEURISTICS.items()}
MARKET = Description("outdoor", "a calm market place", "a blue sky", "cobble stones", "people")


def photograph(fov=60.0):
    view = camera(240, 160, fov)
    return Photograph(rainbow(view.rays()).astype(np.float32), view, True, np.zeros((160, 240), np.float32))


def made(model, source="photograph", **wish):
    steps = generate(photograph() if source == "photograph" else None, model, width=WIDTH, side=SIDE, **wish)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def truth(width=WIDTH):
    return rainbow(directions(width, width // 2))


@pytest.mark.parametrize("heuristic", HEURISTICS)
def test_every_heuristic_completes_the_sphere_around_an_untouched_photograph(heuristic):
    model = Painter()
    panorama = made(model, heuristic=heuristic)
    assert len(model.views) <= len(LOOKS[heuristic])
    assert np.abs(panorama.picture - truth()).max() < 0.03
    assert seam_ratio(panorama.picture) < 1.2
    other = made(Painter(shift=0.2), heuristic=heuristic)
    assert (other.picture[panorama.photograph_mask] == panorama.picture[panorama.photograph_mask]).all()


def test_the_anchored_order_sees_sky_and_ground_between_placing_and_removing_the_copy():
    steps = HEURISTICS["anchored"]
    placed, removed = steps.index(Anchor.PLACE), steps.index(Anchor.REMOVE)
    between = steps[placed + 1 : removed]
    assert [look.region for look in between] == ["sky"] * 4 + ["ground"] * 4
    assert {look.fov for look in between} == {120}
    around = [look for look in steps[removed + 1 :] if look.region == "horizon"]
    assert len(around) == 8 and {look.fov for look in around} == {85}


def test_the_words_of_all_regions_are_read_before_the_first_view_and_not_where_all_views_are_kept(tmp_path):
    class Reader(Painter):
        read = ()

        def prepare(self, prompts):
            self.read = self.read or (len(self.views), [prompt for prompt, _ in prompts])

    first, second = Reader(), Reader()
    for model in (first, second):
        made(model, prompts=MARKET, cache=tmp_path)
    asked = {view.prompt for view in first.views}
    assert first.read[0] == 0 and asked <= set(first.read[1])
    assert second.views == [] and second.read == ()


def test_what_stands_at_the_horizon_is_not_painted_by_the_words_for_the_sky():
    class Regions(Painter):
        def inpaint(self, view):
            self.views.append(view)
            shade = {"sky": 1.0, "horizon": 0.5, "ground": 0.0}[view.region]
            return np.full(view.picture.shape, shade, np.float32)

    panorama = made(Regions())
    grey = np.where(panorama.photograph_mask, 0.5, panorama.picture[..., 0])
    elevation = 90 - (np.arange(WIDTH // 2) + 0.5) / WIDTH * 360
    assert np.abs(grey[np.abs(elevation) < 23] - 0.5).max() < 0.02
    assert grey[elevation > 30].min() > 0.98 and grey[elevation < -30].max() < 0.02


def test_the_sequential_order_goes_around_first_and_places_no_copy():
    steps = HEURISTICS["sequential"]
    assert not any(isinstance(step, Anchor) for step in steps)
    assert np.diff([look.yaw for look in steps[:8]]).tolist() == [45] * 7
    assert {look.region for look in steps[8:]} == {"sky", "ground"}


def test_the_adhoc_order_asks_once_for_the_whole_equirectangular_picture():
    model = Painter()
    made(model, heuristic="adhoc", prompts=MARKET)
    assert [(view.camera.model, view.region) for view in model.views] == [("equirect", "whole")]
    assert model.views[0].picture.shape == (SIDE, 2 * SIDE, 3)


def test_what_a_view_adds_runs_softly_into_what_was_there_and_never_into_what_is_fixed():
    look, width = Look(0.0, 0.0, 85.0, "horizon"), 1024
    for fixed in (False, True):
        picture, known = np.full((512, 1024, 3), 0.4, np.float32), np.zeros((512, 1024), bool)
        known[:, :512] = True
        complete_view(
            picture,
            known,
            known & fixed,
            look.camera(512),
            lambda seen, unknown: np.where(unknown[..., None], 0.6, seen),
        )
        row = picture[width // 4, 480:540, 0]
        assert row[0] == pytest.approx(0.4) and row[-1] == pytest.approx(0.6)
        assert (np.diff(row) >= -1e-6).all()
        assert (row[:32] == np.float32(0.4)).all() if fixed else np.diff(row).max() < 0.1


def test_each_region_is_asked_for_in_its_own_words():
    model = Painter()
    made(model, prompts=MARKET)
    words = {view.region: view.prompt for view in model.views}
    assert words["sky"] == "a blue sky, a calm market place"
    assert words["ground"] == "cobble stones, a calm market place"
    assert words["horizon"] == "a calm market place"
    assert {view.negative for view in model.views} == {"people"}


def test_the_artists_prompt_replaces_the_atmosphere_and_stands_in_for_a_captioner():
    described, alone = Painter(), Painter()
    made(described, prompts=MARKET, prompt="a fair at dusk")
    made(alone, prompt="a fair at dusk")
    words = {view.region: view.prompt for view in described.views}
    assert words["sky"] == "a blue sky, a fair at dusk" and words["horizon"] == "a fair at dusk"
    assert {view.region: view.prompt for view in alone.views}["ground"] == "the ground, a fair at dusk"


def test_a_killed_job_goes_on_at_the_next_view_and_ends_as_if_it_had_not_been_killed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(Painter(stop_after=5), cache=tmp_path)
    again, once = Painter(), Painter()
    resumed, whole = made(again, cache=tmp_path), made(once)
    assert len(again.views) == len(once.views) - 5
    assert (resumed.picture == whole.picture).all()


def test_other_words_redo_the_views_that_use_or_see_them(tmp_path):
    def asked(**wish):
        model = Painter(**wish.pop("painter", {}))
        made(model, cache=tmp_path, **wish)
        return [view.region for view in model.views]

    first = asked(prompts=MARKET)
    assert asked(prompts=MARKET) == []
    sand = Description("outdoor", MARKET.atmosphere, MARKET.sky, "sand", MARKET.negative)
    # This painter paints the same whatever it is told: only the views with other words are asked again.
    assert asked(prompts=sand) == [region for region in first if region == "ground"]
    assert asked(prompts=sand, painter={"version": "2"}) == first
    assert asked(prompts=sand, seed=1, painter={"version": "2"}) == first


def test_what_no_run_used_is_deleted(tmp_path):
    made(Painter(), cache=tmp_path)
    kept = set(tmp_path.iterdir())
    made(Painter(), cache=tmp_path, seed=1)
    assert not kept & set(tmp_path.iterdir())


def test_numbers_that_are_no_colours_are_told_and_not_kept(tmp_path):
    class Broken(Painter):
        def inpaint(self, view):
            return np.full_like(view.picture, np.nan)

    with pytest.raises(UserError, match="painter answered with numbers that are no colours"):
        made(Broken(), cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_refinement_changes_all_but_the_photograph_and_leaves_no_seam():
    model, dreamer = Painter(), Dreamer()
    before = made(model)
    after = made(model, text_to_image=dreamer, refinement=0.3)
    mask = before.photograph_mask
    assert (before.picture[mask] == after.picture[mask]).all()
    change = (after.picture - before.picture).mean(-1)
    assert change[:, : WIDTH // 4] == pytest.approx(0.1, abs=0.01)
    rim = change[WIDTH // 4, mask[WIDTH // 4].argmax() - 1]
    assert rim < 0.08, "it sets in softly beside the photograph"
    assert len(dreamer.asked) == 12 and {strength for _, strength in dreamer.asked} == {0.3}


def test_a_refinement_that_changes_nothing_changes_nothing():
    before = made(Painter())
    after = made(Painter(), text_to_image=Dreamer(brighter=0.0), refinement=0.3)
    assert np.abs(after.picture - before.picture).max() < 0.004, "half a step of 8 bits"


def test_without_a_photograph_the_prompts_first_view_takes_its_place():
    dreamer, model = Dreamer(), Painter()
    panorama = made(model, source="prompt", prompt="a lake", text_to_image=dreamer)
    assert dreamer.asked[0] == ("a lake", 1024, 1024)
    assert np.degrees(model.photograph.camera.fov[0]) == pytest.approx(85)
    assert 0.05 < panorama.photograph_mask.mean() < 0.25


def test_a_panoramic_model_makes_the_whole_sphere_and_its_ends_are_joined():
    dreamer, model = Dreamer(panoramic=True), Painter(world=lambda rays: np.full(rays.shape, 0.5))
    panorama = made(model, source="prompt", prompt="a lake", text_to_image=dreamer)
    assert dreamer.asked[0][1:] == (WIDTH, WIDTH // 2)
    assert len(model.views) >= 1 and not panorama.photograph_mask.any()
    assert np.abs(panorama.picture[:, 0] - 0.5).max() < 0.05
    middle = panorama.picture[WIDTH // 4, 4:-4, 0]
    assert middle == pytest.approx(np.linspace(0.2, 0.8, WIDTH)[4:-4], abs=0.01), "the rest is as imagined"
