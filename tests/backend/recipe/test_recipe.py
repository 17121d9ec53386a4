"""The Recipe with other models than the built-in: who is asked what, what is kept, what is made anew.

The Gaussians are left out here; tests/end_to_end makes them.
"""

from dataclasses import replace

import numpy as np
import pytest
from drawn_pictures import camera, landscape
from oracles import Oracle
from painters import Dreamer, Painter
from PIL import Image

from skyworld.camera import Camera, directions
from skyworld.errors import UserError
from skyworld.lift.distance import read_distance
from skyworld.models.builtin.panorama import BuiltinInpainter
from skyworld.models.roles import Description, Provenance
from skyworld.parameters import WorldParameters
from skyworld.recipe import generate
from skyworld.world import World

GROUND = 2.4  # metres below the camera, in the depth model's eyes


class Captioner:
    provenance = Provenance("captioner", "captioner", "1", "Apache-2.0", False)

    def describe(self, picture):
        assert picture.ndim == 3
        return Description("outdoor", "a plain with towers", "a blue sky", "grass", "people")


class Segmenter:
    provenance = Provenance("segmenter", "segmenter", "1", "Apache-2.0", False)

    def segment(self, picture, phrases):
        return np.broadcast_to(picture[..., 2] > picture[..., 1] + 0.1, (len(phrases), *picture.shape[:2]))


class Cast:
    """A roster of what is given; counts what is loaded."""

    def __init__(self, **models):
        self.models, self.loaded = models, []

    def provenance(self, role):
        return self.models[role].provenance if role in self.models else None

    played = provenance

    def require(self, roles):
        """Nothing has to be downloaded."""

    def get(self, role):
        self.loaded.append(role)
        return self.models.get(role)


def plain_and_sky():
    up = directions(256, 128)[..., 2]
    return np.where(up < -0.02, GROUND / np.maximum(-up, 1e-6), np.inf)


def cast(**more):
    models = {
        "inpainter": Painter(world=lambda rays: rendered(rays)),
        "text_to_image": Dreamer(brighter=0.02),
        "captioner": Captioner(),
        "depth": Oracle(plain_and_sky()),
    }
    return Cast(**{**models, **more})


def rendered(rays):
    """Blue above, green below."""
    return np.where(rays[..., 2:] > 0, (0.4, 0.6, 0.9), (0.3, 0.5, 0.2))


@pytest.fixture(autouse=True)
def small_and_without_gaussians(monkeypatch):
    monkeypatch.setattr("skyworld.panorama.stages.SIDE", 96)
    monkeypatch.setattr("skyworld.lift.merge.side_for", lambda width: 96)
    monkeypatch.setattr("skyworld.lift.stages.lift_stage", lambda wish: iter(()))


@pytest.fixture
def photo(tmp_path):
    Image.fromarray((landscape(camera(240, 160, 60, -4)) * 255).astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def wish(tmp_path, photo):
    small = {"panorama_width": 256}  # smaller than an artist may choose
    return WorldParameters(photo=photo, output=tmp_path / "world", fov=60, device="cpu").model_copy(update=small)


def made(parameters, roster):
    list(generate(parameters, roster))
    return World.open(parameters.output)


def anew(parameters, roster, **changes):
    """The stages that are run again with other parameters, and the world."""
    before = World.open(parameters.output).document["stages"]
    world = made(parameters.model_copy(update=changes), roster)
    return {name for name, record in world.document["stages"].items() if record != before.get(name)}, world


def test_words_picture_and_distance_come_from_their_models_which_are_recorded_with_their_licences(wish):
    roster = cast()
    document = made(wish, roster).document
    assert document["description"]["ground"] == "grass"
    asked = {view.region: (view.prompt, view.negative) for view in roster.models["inpainter"].views}
    assert asked["ground"] == ("grass, a plain with towers", "people")
    assert {(model["role"], model["licence"]) for model in document["models"]} == {
        ("inpainter", "none"),
        ("depth", "none"),
        ("text_to_image", "none"),
        ("captioner", "Apache-2.0"),
    }
    assert len(roster.models["text_to_image"].asked) == 12, "views are refined"
    assert document["panorama"]["position"] == pytest.approx([0, 0, GROUND], abs=0.02)
    assert np.array(document["photograph"]["camera"]["camera_to_world"])[2, 3] == pytest.approx(GROUND, abs=0.02)


def test_what_is_done_is_not_done_again_and_no_model_is_loaded_for_it(wish):
    made(wish, cast())
    roster = cast()
    redone, _ = anew(wish, roster)
    assert not redone and not roster.loaded


def test_a_change_makes_anew_only_what_uses_it(wish):
    made(wish, cast())
    assert anew(wish, cast(), cube=3.0, quality="draft")[0] == set()
    assert anew(wish, cast(), eye_height=2.0)[0] == {"distance"}
    roster = cast()
    redone, _ = anew(wish, roster, refinement=0.5)
    assert redone == {"panorama", "distance"}
    assert not roster.models["inpainter"].views, "the refinement changed, not the views before it"
    roster = cast(depth=Oracle(plain_and_sky() / 2))
    roster.models["depth"].provenance = replace(roster.models["depth"].provenance, name="another")
    assert anew(wish, roster, refinement=0.5)[0] == {"distance"}


def test_the_eye_height_that_the_artist_chose_sets_the_scale(wish):
    world = made(wish.model_copy(update={"eye_height": 4.8}), cast())
    assert world.document["panorama"]["position"][2] == pytest.approx(4.8)
    chosen = read_distance(world.path("distance.exr"), 256, 128)
    redone, world = anew(wish, cast())
    assert redone == {"distance"}
    own = read_distance(world.path("distance.exr"), 256, 128)
    assert np.median(chosen[80:] / own[80:]) == pytest.approx(4.8 / GROUND, rel=0.01)


def test_a_ground_nearer_than_a_metre_and_a_half_is_not_believed(wish):
    world = made(wish, cast(depth=Oracle(plain_and_sky() / 4)))
    assert world.document["panorama"]["position"][2] == pytest.approx(1.5, abs=0.02)


def test_the_artists_prompt_takes_the_place_of_the_atmosphere(wish):
    roster = cast()
    made(wish.model_copy(update={"prompt": "a fair at dusk"}), roster)
    assert {view.prompt for view in roster.models["inpainter"].views} == {
        "a blue sky, a fair at dusk",
        "a fair at dusk",
        "grass, a fair at dusk",
    }


def test_a_model_that_fails_leaves_the_finished_stages_and_views(wish):
    class Fails(Painter):
        def inpaint(self, view):
            if len(self.views) == 6:
                raise UserError("the model answered with a black picture")
            return super().inpaint(view)

    with pytest.raises(UserError):
        made(wish, cast(inpainter=Fails(world=rendered)))
    assert {"photograph", "description"} <= set(World.open(wish.output).document["stages"])
    roster = cast()
    made(wish, roster)
    assert "captioner" not in roster.loaded
    whole = cast()
    made(wish.model_copy(update={"output": wish.output.with_name("other")}), whole)
    assert len(roster.models["inpainter"].views) == len(whole.models["inpainter"].views) - 6


def test_a_sentence_becomes_a_world(wish):
    roster = cast()
    world = made(wish.model_copy(update={"photo": None, "prompt": "a lake"}), roster)
    assert roster.models["text_to_image"].asked[0] == ("a lake", 1024, 1024)
    assert world.document["photograph"]["path"] == "input/imagined.png"
    assert world.path("input/imagined.png").is_file() and world.path("panorama.png").is_file()


def test_a_panoramic_model_needs_no_first_view(wish):
    roster = cast(text_to_image=Dreamer(panoramic=True))
    world = made(wish.model_copy(update={"photo": None, "prompt": "a lake"}), roster)
    assert world.document["photograph"] is None and world.document["description"] is None
    assert roster.models["text_to_image"].asked[0] == ("a lake", 256, 128)


def test_a_sentence_alone_is_too_little_for_the_built_in_models(wish):
    with pytest.raises(UserError, match="from a sentence alone"):
        made(wish.model_copy(update={"photo": None, "prompt": "a lake"}), Cast(inpainter=BuiltinInpainter()))
    assert not wish.output.exists()


@pytest.fixture
def stitched(tmp_path):
    """A 360 with nothing at the nadir."""
    picture = landscape(Camera.equirect((0, 0, 0), 512))
    picture[230:] = 0
    Image.fromarray((picture * 255 + 0.5).astype(np.uint8)).save(tmp_path / "stitched.png")
    return tmp_path / "stitched.png"


def test_an_own_panorama_is_taken_as_it_is_or_mended(wish, stitched):
    own = wish.model_copy(update={"photo": None, "panorama": stitched})
    roster = Cast(inpainter=BuiltinInpainter(), depth=Oracle(plain_and_sky()))
    picture = np.asarray(Image.open(made(own, roster).path("panorama.png")))
    assert not picture[120:].any() and "inpainter" not in roster.loaded
    redone, world = anew(own, roster, seed=5, heuristic="adhoc", refinement=0.9)
    assert not redone, "what an own panorama does not use does not matter"
    redone, world = anew(own, roster, repair=True)
    mended = np.asarray(Image.open(world.path("panorama.png")))
    assert redone == {"panorama", "distance"} and mended[120:].any(-1).all()
    assert (mended[:110] == picture[:110]).all()


def test_a_checkpoint_mends_an_own_panorama_in_the_captioners_words(wish, stitched):
    roster = cast()
    world = made(wish.model_copy(update={"photo": None, "panorama": stitched, "repair": True}), roster)
    assert world.document["description"]["ground"] == "grass" and "photograph" not in world.document
    assert [(view.region, view.prompt) for view in roster.models["inpainter"].views] == [
        ("ground", "grass, a plain with towers")
    ]
    mended = np.asarray(Image.open(world.path("panorama.png")))
    assert np.abs(mended[122:] / 255 - (0.3, 0.5, 0.2)).max() < 0.05


def test_the_sky_is_the_segmenters_where_there_is_one(wish):
    world = made(wish, cast(segmenter=Segmenter()))
    sky = np.asarray(Image.open(world.path("sky.png"))) > 127
    assert sky[:58].mean() > 0.95 and not sky[68:].any()


def test_a_panorama_that_is_no_panorama_is_told(wish, photo):
    with pytest.raises(UserError, match="twice as wide as high"):
        made(wish.model_copy(update={"photo": None, "panorama": photo}), Cast(inpainter=BuiltinInpainter()))
