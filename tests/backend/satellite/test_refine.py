"""Refining a small city: what comes out, and what a job that was killed, or whose model fails, leaves behind."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import small_city

from skyworld.camera import Camera, look_at
from skyworld.errors import UserError
from skyworld.models.roles import Provenance
from skyworld.parameters import SatelliteRefineParameters
from skyworld.satellite import curriculum, refine, repaint
from skyworld.satellite.curriculum import Curriculum, Episode
from skyworld.satellite.repaint import Piece, Repainter
from skyworld.splats.formats.ply import read_ply, write_ply
from skyworld.splats.spherical_harmonics import C0
from skyworld.world import digest
from skyworld.world.folder import ALREADY_DONE

TINY = Curriculum(
    (Episode(35, 50),),
    extent=40,
    grid=1,
    azimuths=3,
    samples=2,
    pixels=64,
    iterations=3,
    densify_end=0,
    reset_every=0,
)


@pytest.fixture
def world(tmp_path):
    curriculum.write(tmp_path / "tiny.json", TINY)
    return small_city.made(tmp_path)


def parameters(world, **more):
    tiny = str(world.root.parent / "tiny.json")
    return SatelliteRefineParameters(world=world.root, curriculum=tiny, device="cpu", **more)


def done(world, **more) -> list[str]:
    """Messages of the whole job."""
    return [report.message for report in refine.refine(parameters(world, **more))]


def pictures(world, episode: int) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in world.path(f"stages/refine_{episode}/pictures").glob("*.png")}


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    """Seeds of the pieces that were repainted."""
    seeds, plain = [], refine.repaint
    monkeypatch.setattr(refine, "repaint", lambda who, piece: seeds.append(piece.seed) or plain(who, piece))
    return seeds


def test_a_city_is_refined_and_tells_by_whom(world, asked):
    before = digest(world.path("splats.ply"))
    messages = done(world)
    document = json.loads((world.root / "world.json").read_text())
    assert digest(world.path("before_refine.ply")) == before != digest(world.path("splats.ply"))
    assert [model["role"] for model in document["models"]] == ["restorer"] and document["models"][0]["builtin"]
    assert len(asked) == len(pictures(world, 1)) == 3, "a restorer has one answer to each view"
    assert "3 of 3 views restored" in messages and world.path("stages/refine_1/preview.jpg").is_file()
    assert len(read_ply(world.path("splats.ply"))) > 0


def test_what_was_done_is_not_done_again_and_other_parameters_begin_with_the_same_city(world, asked):
    done(world)
    before = digest(world.path("before_refine.ply"))
    asked.clear()
    assert done(world).count(ALREADY_DONE) == 1 and not asked
    done(world, seed=5)
    assert len(asked) == 3 and digest(world.path("before_refine.ply")) == before
    refined = digest(world.path("splats.ply"))
    done(world, seed=5, further=True)
    assert digest(world.path("before_refine.ply")) == refined != digest(world.path("splats.ply"))


def test_views_that_nobody_changes_leave_the_city_as_solid_and_as_bright_as_it_was(world, monkeypatch):
    monkeypatch.setattr(refine, "repaint", lambda who, piece: piece.picture)
    curriculum.write(world.root.parent / "tiny.json", replace(TINY, iterations=20))
    done(world)
    before, after = (read_ply(world.path(name)) for name in ("before_refine.ply", "splats.ply"))
    camera = look_at((0, -30, 40), (0, 0, 2))
    seen = [refine.render(city, Camera.pinhole(camera, 0.7, 64, 64)) for city in (before, after)]
    (old, alpha, _), (new, solid, _) = seen
    assert np.clip(alpha.astype(int) - solid, 0, None).mean() < 1, "nothing became transparent"
    assert np.abs(new.astype(int) - old).mean() < 6


def test_refining_does_not_thin_out_what_lies_in_the_shade(world):
    """Over black it looks the same whether it is there or not."""
    dark = read_ply(world.path("splats.ply"))
    sh = dark.sh.clone()
    sh[:, 0], sh[:, 1:] = -0.5 / C0 + 0.02, 0
    write_ply(world.path("splats.ply"), replace(dark, sh=sh))
    curriculum.write(world.root.parent / "tiny.json", replace(TINY, iterations=30))
    done(world)
    camera = Camera.pinhole(look_at((0, -30, 40), (0, 0, 2)), 0.7, 64, 64)
    before, after = (
        refine.render(read_ply(world.path(name)), camera)[1].astype(int) for name in ("before_refine.ply", "splats.ply")
    )
    lawn = before > 200
    assert after[lawn].mean() > before[lawn].mean()


@pytest.mark.parametrize(("radius", "rates"), [(30, (0.04, 0.05)), (120, (0.008, 0.03))])
def test_the_coarser_the_views_the_slower_all_goes(world, monkeypatch, radius, rates):
    """A Gaussian far smaller than their pixels would walk at random: a city of 600 m became grainy."""
    seen, plain = [], refine.fit
    monkeypatch.setattr(refine, "fit", lambda *a, **k: seen.append(a[2]) or plain(*a, **k))
    curriculum.write(world.root.parent / "tiny.json", replace(TINY, episodes=(Episode(60, radius),)))
    done(world)
    assert rates[0] <= seen[0].rates["logit_opacities"] <= rates[1]


def test_a_soft_render_does_not_take_contrast_from_its_image():
    random = np.random.default_rng(0)
    streets = np.kron(random.uniform(0.3, 0.7, (8, 8)), np.ones((20, 20)))[..., None].repeat(3, 2)
    picture = (streets + random.normal(0, 0.1, streets.shape)).astype(np.float32)
    counts = np.ones(picture.shape[:2], bool)
    counts[:, :40] = False
    render = np.where(counts[..., None], 0.8 * cv2.GaussianBlur(picture, (0, 0), 2) + 0.1, 0)
    gain, offset = refine.tone_of(picture, render, counts)
    assert np.allclose(gain, 0.8, atol=0.05) and np.allclose(offset, 0.1, atol=0.03)


def test_the_next_episode_begins_with_what_the_last_one_left(world):
    curriculum.write(world.root.parent / "tiny.json", replace(TINY, episodes=(Episode(60, 50), *TINY.episodes)))
    done(world)
    first, second = (world.path(f"stages/refine_{number}/splats.ply") for number in (1, 2))
    assert digest(second) == digest(world.path("splats.ply")) != digest(first)
    assert (
        np.abs(read_ply(second).sh - read_ply(first).sh).max()
        < np.abs(read_ply(second).sh - read_ply(world.path("before_refine.ply")).sh).max()
    )


def test_an_episode_that_was_killed_goes_on_at_the_next_picture(world, asked):
    running = refine.refine(parameters(world))
    assert any(report.message == "2 of 3 views restored" for report in running)
    running.close()
    kept = pictures(world, 1)
    assert len(kept) == 2 and len(asked) == 2
    asked.clear()
    done(world)
    assert len(asked) == 1 and kept.items() <= pictures(world, 1).items()


def test_a_model_that_fails_at_a_picture_loses_nothing_and_keeps_no_bad_one(world, monkeypatch):
    plain = refine.repaint

    def failing(who, piece):
        if len(pictures(world, 1)) == 1:
            raise UserError("the model gave a black picture")
        return plain(who, piece)

    monkeypatch.setattr(refine, "repaint", failing)
    before = digest(world.path("splats.ply"))
    with pytest.raises(UserError, match="black picture"):
        done(world)
    assert len(pictures(world, 1)) == 1 and digest(world.path("splats.ply")) == before


def test_a_distortion_field_bends_edited_views_only(world, monkeypatch):
    seen = []
    plain = refine.Distortion
    monkeypatch.setattr(refine, "Distortion", lambda *a, **k: seen.append((a, k)) or plain(*a, **k))
    done(world, distortion=True)
    assert [(count, set(more["frozen"])) for (count,), more in seen] == [(3 + 3, {0, 1, 2})]


def test_a_curriculum_that_looks_past_the_city_is_refused(world):
    curriculum.write(world.root.parent / "tiny.json", replace(TINY, extent=4000, grid=2))
    with pytest.raises(UserError, match="nothing of the city is seen from 35 degrees"):
        done(world)


def test_an_editor_is_asked_for_where_there_is_none(world):
    with pytest.raises(UserError, match="no editor is there"):
        done(world, by="editor")


def test_a_world_that_was_not_made_of_satellite_images_asks_for_the_scene(world):
    world.record("satellite", {})
    with pytest.raises(UserError, match=r"was not made of satellite images here\. Name their scene with --scene"):
        done(world)


# ------------------------------------------------------------------ one picture


class Painter:
    """Answers every picture with `answer`."""

    provenance = Provenance("editor", "painter", "1", "MIT", builtin=False)

    def __init__(self, answer):
        self.answer = answer

    def get(self, role):
        return self

    def edit(self, picture, source, target, *, seed, schedule):
        return self.answer(picture)


def piece(**more) -> Piece:
    alpha = np.full((8, 8), 255, np.uint8)
    alpha[:, :4] = 0
    made = Piece(np.full((8, 8, 3), 99, np.uint8), alpha, np.ones((8, 8), np.float32), alpha > 0, (), 3)
    return replace(made, **more)


def test_an_editor_paints_nothing_beyond_the_city(monkeypatch):
    monkeypatch.setattr(repaint, "_roster", lambda who: Painter(lambda picture: np.ones_like(picture)))
    black = piece(picture=np.zeros((8, 8, 3), np.uint8))
    answer = repaint.repaint(Repainter("editor"), black)
    assert (answer[:, 4:] == 255).all() and (answer[:, :4] == 0).all()


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_black_or_broken_answer_is_refused(monkeypatch, value):
    monkeypatch.setattr(repaint, "_roster", lambda who: Painter(lambda picture: np.full_like(picture, value)))
    with pytest.raises(UserError, match="painter gave a black or broken picture"):
        repaint.repaint(Repainter("editor"), piece(alpha=np.full((8, 8), 255, np.uint8)))


def test_a_pictures_name_tells_all_that_it_depends_on():
    told = Repainter("editor").told(Painter.provenance)
    names = {
        piece().fingerprint(told),
        piece(seed=4).fingerprint(told),
        piece(picture=np.full((8, 8, 3), 98, np.uint8)).fingerprint(told),
        piece().fingerprint(Repainter("editor", target="a castle").told(Painter.provenance)),
        piece().fingerprint(Repainter("editor").told(replace(Painter.provenance, version="2"))),
    }
    assert len(names) == 5 and piece().fingerprint(told) in names
