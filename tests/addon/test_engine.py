"""Rendering through a fake backend whose frames are one colour with a black top row."""

import math

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from skyworld_addon.jobs import session
from skyworld_addon.scene import ply
from skyworld_addon.scene import splats as room


@pytest.fixture
def scene(backend, splats):
    scene = bpy.context.scene
    obj = room.add("hill", splats(60, 1), scene.collection)
    obj.location = (1, 2, 3)
    bpy.ops.skyworld.add_flythrough(frames=3)
    scene.render.engine = "SKYWORLD"
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 64, 32, 50
    scene.render.dither_intensity = 0
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.image_settings.color_mode = "RGBA"
    return scene


def render(scene, tmp_path, suffix=".exr"):
    """[H, W, 4] of F12, rows from the top."""
    scene.render.filepath = str(tmp_path / f"frame{suffix}")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    width, height = image.size
    pixels = np.array(image.pixels[:]).reshape(height, width, 4)[::-1]
    bpy.data.images.remove(image)
    return pixels


def linear(v):
    v = np.asarray(v, float)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def test_standard_shows_the_rasterizers_colour_exactly(scene, backend, tmp_path):
    backend.colour = (0.5, 0.25, 0.125)
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_depth = "8"
    pixels = render(scene, tmp_path, ".png")
    assert pixels.shape == (16, 32, 4)
    np.testing.assert_allclose(pixels[5, 5, :3], backend.colour, atol=0.6 / 255)
    assert pixels[0].max() <= 1 and (pixels[0, :, :3] == 0).all()  # the top row is at the top


def test_half_covered_pixels_lie_over_the_worlds_colour(scene, backend, tmp_path):
    backend.alpha, backend.colour = 0.5, (0.3, 0.2, 0.1)
    scene.world = bpy.data.worlds.new("sky")
    scene.world.color = (0.1, 0.2, 0.3)
    tree = scene.world.node_tree
    if tree:
        tree.nodes.clear()
    pixels = render(scene, tmp_path)
    np.testing.assert_allclose(
        pixels[5, 5, :3], 0.5 * linear((0.6, 0.4, 0.2)) + 0.5 * np.array((0.1, 0.2, 0.3)), atol=1e-4
    )
    assert pixels[5, 5, 3] == 1


def test_a_transparent_film_keeps_alpha(scene, backend, tmp_path):
    backend.alpha, backend.colour = 0.5, (0.3, 0.2, 0.1)
    scene.render.film_transparent = True
    pixels = render(scene, tmp_path)
    np.testing.assert_allclose(pixels[5, 5], [*(0.5 * linear((0.6, 0.4, 0.2))), 0.5], atol=1e-4)


def test_the_depth_pass_is_in_metres(scene, backend, tmp_path, monkeypatch):
    from skyworld_addon import engine

    scene.view_layers[0].use_pass_z = True
    seen, fill = {}, engine._set_pass

    def watched(target, picture):
        fill(target, picture)
        seen[target.name] = np.array(target.rect)

    monkeypatch.setattr(engine, "_set_pass", watched)
    render(scene, tmp_path)
    assert set(seen) == {"Combined", "Depth"} and set(seen["Depth"].ravel()) == {np.float32(backend.depth)}


def test_the_backend_gets_the_camera_and_the_splats_with_their_matrix(scene, backend, tmp_path):
    scene.camera.data.shift_x = 0.1
    render(scene, tmp_path)
    query = backend.frames[0]
    camera = query["camera"]
    assert (camera["width"], camera["height"], camera["axes"]) == (32, 16, "opencv")
    f = 16 / math.tan(scene.camera.data.angle_x / 2)
    np.testing.assert_allclose(camera["K"], [[f, 0, 16 - 3.2], [0, f, 8], [0, 0, 1]], atol=1e-4)
    pose = np.array(scene.camera.matrix_world) @ np.diag([1, -1, -1, 1])
    np.testing.assert_allclose(camera["camera_to_world"], pose, atol=1e-5)
    matrix = np.array(query["splats"][0]["matrix"]).reshape(4, 4)
    np.testing.assert_allclose(matrix, Matrix.Translation((1, 2, 3)))
    (sent,) = backend.splats.values()
    (tmp_path / "sent.ply").write_bytes(sent)
    assert len(ply.read(tmp_path / "sent.ply")) == 60


def test_a_border_renders_its_part_with_the_same_camera(scene, backend, tmp_path):
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.75
    scene.render.border_min_y, scene.render.border_max_y = 0.5, 1.0
    assert render(scene, tmp_path).shape == (8, 16, 4)
    K = np.array(backend.frames[0]["camera"]["K"])
    assert K[0, 2] == pytest.approx(16 - 8) and K[1, 2] == pytest.approx(8 - 0)
    scene.render.use_crop_to_border = False
    assert render(scene, tmp_path).shape == (16, 32, 4)


def test_splats_go_over_once_until_they_change(scene, backend, tmp_path):
    render(scene, tmp_path)
    render(scene, tmp_path)
    assert len(backend.splats) == 1 and len(backend.frames) == 2
    data = bpy.data.objects["hill"].data
    data.attributes["position"].data[0].vector = (9, 9, 9)
    data.update_tag()
    render(scene, tmp_path)
    assert len(backend.splats) == 2
    backend.splats.clear()  # the backend was restarted and has forgotten
    render(scene, tmp_path)
    assert len(backend.splats) == 1


def test_hidden_objects_are_left_out(scene, backend, splats, tmp_path):
    room.add("other", splats(10, 0, seed=5), scene.collection)
    bpy.data.objects["hill"].hide_render = True
    render(scene, tmp_path)
    assert len(backend.frames[0]["splats"]) == 1


def test_an_animation_renders_every_frame(scene, backend, tmp_path):
    scene.render.filepath = str(tmp_path / "frames" / "####")
    bpy.ops.render.render(animation=True)
    assert [p.name for p in sorted((tmp_path / "frames").iterdir())] == ["0001.exr", "0002.exr", "0003.exr"]
    places = [frame["camera"]["camera_to_world"][1][3] for frame in backend.frames]
    assert places == sorted(places) and places[0] < places[-1]


@pytest.mark.parametrize("case", ["ortho", "no backend", "no camera"])
def test_what_cannot_be_rendered_is_said(scene, backend, tmp_path, case, monkeypatch):
    from skyworld_addon import preferences

    if case == "ortho":
        scene.camera.data.type = "ORTHO"
        words = "orthographic"
    elif case == "no camera":
        scene.camera = None
        words = "(?i)camera"
    else:
        preferences.get().backend = "LOCAL"
        words = "not installed"
    with pytest.raises(RuntimeError, match=words):
        render(scene, tmp_path)


def test_render_shot_writes_frames_and_a_film_into_the_world(backend, world_folder):
    bpy.ops.skyworld.import_world(directory=str(world_folder))
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.frame_end = 96, 64, 6
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.filepath = "/nowhere/else"
    bpy.ops.skyworld.render_shot(shot_name="take 1")
    frames = sorted((world_folder / "shots" / "take_1").glob("*.png"))
    assert [frame.stem for frame in frames] == [f"{n:04d}" for n in range(1, 7)]
    film = world_folder / "shots" / "take_1.mp4"
    assert film.read_bytes()[4:8] == b"ftyp"
    assert (scene.render.filepath, scene.render.engine) == ("/nowhere/else", "BLENDER_WORKBENCH")
    assert len(bpy.data.scenes) == 1
    clip = bpy.data.movieclips.load(str(film))
    assert (clip.frame_duration, *clip.size) == (6, 96, 64)


def test_the_session_is_used_where_it_stands(scene, backend, tmp_path):
    assert session.state == "off"
    render(scene, tmp_path)
    assert session.state in ("starting", "on")
