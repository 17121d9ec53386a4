"""Worlds from posed pictures: the job that goes out, what comes into the scene, and worlds without a panorama."""

import json
import math
import shutil

import bpy
import numpy as np
import pytest

from skyworld_addon import preferences
from skyworld_addon.jobs import session
from skyworld_addon.operators import generate
from skyworld_addon.panels import preview
from skyworld_addon.scene import camera_files, cameras, ply, world

RING, CENTRE = 2.0, (5.0, -3.0, 1.0)


@pytest.fixture
def pictures(tmp_path):
    """A folder, chosen in the panel; what lies in it is the backend's business."""
    folder = tmp_path / "garden.2"
    folder.mkdir()
    bpy.context.scene.skyworld_fit.pictures = str(folder)
    return folder


@pytest.fixture
def fitted_world(tmp_path, splats):
    """A world as a job `fit` leaves it: no panorama, no photograph, the cameras of 24 pictures on a ring."""
    root = tmp_path / "garden"
    (root / "cameras").mkdir(parents=True)
    ply.write(root / "splats.ply", splats(200, 1))
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    poses = []
    for angle in angles:
        place = np.array([math.sin(angle), -math.cos(angle), 0]) * RING + CENTRE
        x, y, z = np.array([math.cos(angle), math.sin(angle), 0]), np.array([0.0, 0, 1]), (place - CENTRE) / RING
        poses.append(np.block([[np.stack([x, y, z], 1), place[:, None]], [np.zeros((1, 3)), 1]]))
    K = np.tile([[150.0, 0, 78], [0, 150, 61], [0, 0, 1]], (24, 1, 1))
    camera_files.write(root / world.PICTURES, camera_files.CameraPath(np.array(poses), K, 160, 120, 24))
    document = {"format": 1, "name": "garden", "models": [], "stages": {}, "artifacts": {}}
    document |= {
        "pictures": {"folder": "/garden", "count": 24},
        "held_out": {"views": 3, "psnr": 27.31, "ssim": 0.8125},
    }
    (root / "world.json").write_text(json.dumps(document))
    return root


def brought_in(backend, pump, folder):
    """The operator is pressed and its job ends with a world in `folder`."""
    bpy.ops.skyworld.fit_pictures()
    pump(lambda: backend.jobs)
    backend.move(backend.jobs[-1], "running")
    backend.move(backend.jobs[-1], "done", result={"output": str(folder)})


def test_the_button_posts_a_fit_job_with_the_panels_settings(backend, pump, pictures, tmp_path):
    settings = bpy.context.scene.skyworld_fit
    settings.output, settings.quality, settings.hold_out = str(tmp_path / "world"), "quick", 8
    assert bpy.ops.skyworld.fit_pictures() == {"FINISHED"}
    pump(lambda: backend.jobs)
    wish = {"pictures": str(pictures), "output": str(tmp_path / "world"), "quality": "quick", "hold_out": 8}
    assert backend.jobs[0]["kind"] == "fit" and backend.jobs[0]["parameters"] == wish | {"device": "auto"}


def test_the_world_of_pictures_goes_next_to_the_blend_file_under_the_folders_whole_name(tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert generate.default_fit_output("/scans/garden.2/") == tmp_path / "SkyWorld" / "garden.2_fit"


def test_without_pictures_or_while_a_job_runs_the_button_is_off(backend, pump, pictures):
    bpy.context.scene.skyworld_fit.pictures = ""
    assert not bpy.ops.skyworld.fit_pictures.poll()
    bpy.context.scene.skyworld_fit.pictures = str(pictures)
    assert bpy.ops.skyworld.fit_pictures.poll()
    bpy.ops.skyworld.fit_pictures()
    pump(lambda: session.active())
    assert not bpy.ops.skyworld.fit_pictures.poll()


def test_a_folder_that_is_not_there_is_told_before_anything_starts(pictures):
    pictures.rmdir()
    with pytest.raises(RuntimeError, match=r"garden\.2.*no such folder"):
        bpy.ops.skyworld.fit_pictures()
    assert session.state == "off"


def test_a_fitted_world_comes_into_the_scene_with_the_cameras_of_its_pictures(backend, pump, pictures, fitted_world):
    brought_in(backend, pump, fitted_world)
    pump(lambda: bpy.context.scene.camera)
    scene, path = bpy.context.scene, camera_files.read(fitted_world / world.PICTURES)
    assert {obj.type for obj in bpy.data.collections["garden"].objects} == {"POINTCLOUD", "CAMERA"}
    assert (scene.render.engine, scene.frame_end) == ("SKYWORLD", 24)
    back = cameras.sample(scene, scene.camera, range(1, 25))
    assert (back.width, back.height) == (160, 120)
    np.testing.assert_allclose(back.camera_to_world, path.camera_to_world, atol=1e-5)
    np.testing.assert_allclose(back.K, path.K, atol=1e-3)
    assert bpy.data.collections["garden"].skyworld.held_out == "3 pictures held out: PSNR 27.3 dB, SSIM 0.812"


def test_a_scene_that_is_set_up_already_keeps_its_camera_size_and_length(backend, pump, pictures, fitted_world):
    preferences.get().set_up_scene = False
    scene = bpy.context.scene
    before = scene.render.engine, scene.render.resolution_x, scene.frame_end
    brought_in(backend, pump, fitted_world)
    pump(lambda: "garden" in bpy.data.collections)
    assert scene.camera is None and before == (scene.render.engine, scene.render.resolution_x, scene.frame_end)


def test_a_fitted_world_on_another_machine_is_fetched_with_its_cameras(backend, pump, pictures, fitted_world, tmp_path):
    for name in generate.WORLD_FILES["fit"]:
        backend.files[name] = (fitted_world / name).read_bytes()
    shutil.rmtree(fitted_world)
    brought_in(backend, pump, fitted_world)
    pump(lambda: bpy.context.scene.camera)
    assert bpy.context.scene.frame_end == 24


def test_a_fitted_world_whose_cameras_are_damaged_is_told_in_a_sentence(backend, pump, pictures, fitted_world):
    (fitted_world / world.PICTURES).write_text("{}")
    brought_in(backend, pump, fitted_world)
    pump(lambda: session.error)
    assert "pictures.json: holds no camera_path" in session.error and "garden" not in bpy.data.collections


def test_focal_lengths_that_differ_a_little_do_not_keep_a_world_out(fitted_world):
    file = fitted_world / world.PICTURES
    file.write_text(file.read_text().replace("[150.0, 0.0, 78.0", "[150.2, 0.0, 78.0"))
    bpy.ops.skyworld.import_world(directory=str(fitted_world))
    data = bpy.context.scene.camera.data
    assert 2 * math.atan(60 / 150) == pytest.approx(2 * math.atan(data.sensor_height / 2 / data.lens), abs=1e-6)


def test_paths_in_a_fitted_world_begin_where_its_first_picture_was_taken(fitted_world):
    bpy.ops.skyworld.import_world(directory=str(fitted_world))
    opened = world.open_world(fitted_world)
    np.testing.assert_allclose(opened.eye, np.add(CENTRE, (0, -RING, 0)), atol=1e-6)
    np.testing.assert_allclose(opened.ahead, CENTRE, atol=1e-6)  # a ring of pictures looks at its middle
    bpy.ops.skyworld.add_orbit()
    np.testing.assert_allclose(bpy.context.object.location, opened.eye, atol=1e-6)


def test_a_world_made_by_hand_without_a_panorama_opens_with_a_fly_through(fitted_world):
    shutil.rmtree(fitted_world / "cameras")
    (fitted_world / "world.json").write_text('{"format": 1}')
    bpy.ops.skyworld.import_world(directory=str(fitted_world))
    types = {obj.type for obj in bpy.data.collections["garden"].objects}
    assert types == {"POINTCLOUD", "CURVE", "CAMERA", "EMPTY"}
    assert bpy.context.scene.camera.name == "Fly-through Camera"


def test_a_world_with_a_panorama_keeps_its_own_path(fitted_world):
    document = json.loads((fitted_world / "world.json").read_text())
    (fitted_world / "world.json").write_text(json.dumps(document | {"panorama": {"position": [0, 0, 1.6]}}))
    bpy.ops.skyworld.import_world(directory=str(fitted_world))
    assert bpy.context.scene.camera.name == "Fly-through Camera"


@pytest.mark.parametrize(("width", "height"), [(96, 32), (64, 64)])
def test_the_preview_keeps_the_pictures_proportions_and_stacks_a_wide_pair(tmp_path, width, height):
    """Left half red (what the splats show), right half green (the picture)."""
    image = bpy.data.images.new("pair", width, height)
    pixels = np.zeros((height, width, 4), np.float32)
    pixels[:, : width // 2], pixels[:, width // 2 :] = (1, 0, 0, 1), (0, 1, 0, 1)
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(tmp_path / "pair.png"), "PNG"
    image.save()
    icon = preview.read(tmp_path / "pair.png", "fit")
    S = preview.SIDE
    assert icon.shape == (S, S, 4)
    if width > height:  # 48 x 64 stacked: three quarters as wide as high
        np.testing.assert_allclose(icon[[-10, 10], S // 2], [(1, 0, 0, 1), (0, 1, 0, 1)], atol=0.02)
        assert icon[:, : S // 8 - 2].max() == 0 and icon[:, S // 8 + 2, 3].min() > 0.98
    else:
        np.testing.assert_allclose(icon[S // 2, [10, -10]], [(1, 0, 0, 1), (0, 1, 0, 1)], atol=0.02)
