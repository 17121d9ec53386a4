import json
import math
import time

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from skyworld_addon.scene import camera_files, cameras


def look(yaw, position=(0, 0, 1.6)):
    return np.array(Matrix.LocRotScale(position, Euler((math.pi / 2, 0, yaw)), None))


def a_path(N=40, width=640, height=360, shift=(0, 0)):
    f = np.linspace(300, 500, N)
    K = np.array([[[v, 0, width / 2 + shift[0]], [0, v, height / 2 + shift[1]], [0, 0, 1]] for v in f])
    poses = np.array([look(4 * math.pi * k / N, (k / N, 0, 1.6)) for k in range(N)])
    return camera_files.CameraPath(poses, K, width, height, 24.0)


def export(tmp_path):
    bpy.ops.skyworld.export_cameras(filepath=str(tmp_path / "out.json"))
    return camera_files.read(tmp_path / "out.json")


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (501, 501)])
def test_a_path_comes_through_blender_as_it_was(tmp_path, width, height):
    made = a_path(width=width, height=height, shift=(31.5, -17.25))
    camera_files.write(tmp_path / "in.json", made)
    bpy.ops.skyworld.import_cameras(filepath=str(tmp_path / "in.json"))
    back = export(tmp_path)
    assert (back.width, back.height, back.fps) == (width, height, 24.0)
    np.testing.assert_allclose(back.K, made.K, atol=0.01)
    np.testing.assert_allclose(back.camera_to_world, made.camera_to_world, atol=1e-5)


@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
def test_exported_intrinsics_project_as_blender_does(tmp_path, fit):
    from bpy_extras.object_utils import world_to_camera_view

    scene = bpy.context.scene
    data = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(camera)
    data.sensor_fit, data.lens, data.shift_x, data.shift_y = fit, 35, 0.13, -0.07
    camera.matrix_world = Matrix(look(0.4, (1, -2, 3)).tolist())
    camera.scale = (2, 2, 2)
    scene.camera, scene.frame_end = camera, 1
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 900, 700, 50
    path = export(tmp_path)
    point = np.array([0.3, 4, 2.5])
    local = np.linalg.inv(path.camera_to_world[0]) @ [*point, 1]
    u, v, w = path.K[0] @ (local[:3] * (1, -1, -1))
    seen = world_to_camera_view(scene, camera, Matrix.Translation(point).to_translation())
    assert (u / w, v / w) == pytest.approx((seen.x * 450, (1 - seen.y) * 350), abs=0.01)


def test_rotation_keys_never_turn_the_long_way_round(tmp_path):
    camera_files.write(tmp_path / "in.json", a_path(200))
    bpy.ops.skyworld.import_cameras(filepath=str(tmp_path / "in.json"))
    camera = bpy.context.scene.camera
    curves = [
        camera.animation_data.action.fcurve_ensure_for_datablock(camera, "rotation_quaternion", index=i)
        for i in range(4)
    ]
    quats = np.array([[key.co.y for key in curve.keyframe_points] for curve in curves]).T
    assert ((quats[1:] * quats[:-1]).sum(1) > 0.9).all()


def test_three_thousand_frames_are_baked_in_fifty_milliseconds():
    made, taken = a_path(3000), []
    for _ in range(5):  # the best of them, of this thread alone: the machine may be busy with something else
        start = time.thread_time()
        cameras.add(bpy.context.scene, "long", made, bpy.context.scene.collection)
        taken.append(time.thread_time() - start)
    assert min(taken) < 0.05  # keyframe_insert needs more than 1 s
    assert bpy.context.scene.frame_end == 3000
    poses = cameras.sample(bpy.context.scene, bpy.context.scene.camera, [1, 1500, 3000])
    np.testing.assert_allclose(poses.camera_to_world, made.camera_to_world[[0, 1499, 2999]], atol=1e-5)


def test_nerfstudio_and_skyfall_files_are_read_by_their_vertical_field_of_view(tmp_path):
    frame = {"camera_to_world": look(0.3).ravel().tolist(), "fov": 50.0, "aspect": 2.0, "_elevation": 45}
    document = {"_radius": 10, "_target": [0, 0, 0], "camera_type": "perspective", "render_height": 400}
    document |= {"render_width": 800, "fps": 30, "camera_path": [frame]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    bpy.ops.skyworld.import_cameras(filepath=str(tmp_path / "a.json"))
    scene = bpy.context.scene
    assert (scene.render.resolution_x, scene.render.resolution_y, scene.render.fps) == (800, 400, 30)
    assert math.degrees(scene.camera.data.angle_y) == pytest.approx(50, abs=1e-3)


def test_export_puts_the_frame_back_and_follows_constraints(tmp_path):
    bpy.ops.skyworld.add_flythrough(frames=30)
    scene = bpy.context.scene
    scene.frame_set(7)
    path = export(tmp_path)
    assert scene.frame_current == 7 and len(path) == 30
    scene.frame_set(20)
    np.testing.assert_allclose(path.camera_to_world[19], np.array(scene.camera.matrix_world), atol=1e-5)


def bad(path, **change):
    document = {"camera_type": "perspective", "render_height": 4, "render_width": 8, "fps": 24, "camera_path": [{}]}
    path.write_text(json.dumps(document | change))


FRAME = {"camera_to_world": np.eye(4).ravel().tolist(), "fov": 50}
BAD = {
    "not JSON": (lambda p: p.write_text("ply"), "not a camera path"),
    "another JSON": (lambda p: p.write_text('"sky"'), "no camera_path"),
    "another list": (lambda p: p.write_text("[1, 2]"), "no list of cameras"),
    "an empty list": (lambda p: p.write_text("[]"), "without frames"),
    "no frames": (lambda p: bad(p, camera_path=[]), "without frames"),
    "frame without pose": (lambda p: bad(p), "frame 0"),
    "nine numbers": (lambda p: bad(p, camera_path=[{**FRAME, "camera_to_world": [1.0] * 9}]), "frame 0"),
    "sheared": (lambda p: bad(p, camera_path=[{**FRAME, "camera_to_world": [1.0] * 16}]), "not a rotation"),
    "text as number": (lambda p: bad(p, camera_path=[{**FRAME, "fov": "wide"}]), "frame 0"),
    "impossible view": (lambda p: bad(p, camera_path=[{**FRAME, "fov": 0}]), "frame 0"),
    "flat pixels": (lambda p: bad(p, camera_path=[{**FRAME, "K": [9, 0, 4, 0, 5, 2, 0, 0, 1]}]), "not square"),
    "panoramic": (lambda p: bad(p, camera_type="equirectangular"), "equirectangular"),
    "no width": (lambda p: bad(p, render_width=None), "render_width"),
    "no file": (lambda p: None, "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_camera_file_gets_one_sentence_and_leaves_the_scene(tmp_path, case):
    spoil, words = BAD[case]
    spoil(tmp_path / "bad.json")
    with pytest.raises(RuntimeError, match=words) as caught:
        bpy.ops.skyworld.import_cameras(filepath=str(tmp_path / "bad.json"))
    assert "bad.json" in str(caught.value)
    assert not bpy.data.cameras and bpy.context.scene.camera is None


@pytest.mark.parametrize(
    ("change", "words"), [("pixel", "square"), ("panorama", "panoramic"), ("ortho", "orthographic")]
)
def test_a_camera_that_the_format_cannot_hold_is_refused(tmp_path, change, words):
    bpy.ops.skyworld.add_orbit()
    scene = bpy.context.scene
    if change == "pixel":
        scene.render.pixel_aspect_x = 2
    else:
        scene.camera.data.type = "PANO" if change == "panorama" else "ORTHO"
    with pytest.raises(RuntimeError, match=words):
        export(tmp_path)
    assert not (tmp_path / "out.json").exists()


def test_a_flythrough_stays_in_its_room_and_looks_at_its_target():
    bpy.ops.skyworld.add_flythrough(frames=48, reach=0.8)
    scene = bpy.context.scene
    assert scene.frame_end == 48
    path = cameras.sample(scene, scene.camera, range(1, 49))
    offsets = path.camera_to_world[:, :3, 3]
    assert np.abs(offsets).max() < 0.85 and np.ptp(offsets[:, 1]) > 1.4
    target = np.array(bpy.data.objects["Fly-through Target"].location)
    aim = target - offsets
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)
    assert (-(path.camera_to_world[:, :3, 2] * aim).sum(1)).min() > 0.9999


def test_the_curve_stays_editable():
    bpy.ops.skyworld.add_flythrough(frames=20)
    scene, path = bpy.context.scene, bpy.context.object
    assert path.type == "CURVE"
    before = cameras.sample(scene, scene.camera, [10]).camera_to_world
    path.location.z += 1
    after = cameras.sample(scene, scene.camera, [10]).camera_to_world
    assert after[0, 2, 3] - before[0, 2, 3] == pytest.approx(1, abs=1e-4)


def test_an_orbit_goes_round_once_without_a_doubled_frame():
    bpy.context.scene.cursor.location = (1, 2, 3)
    bpy.ops.skyworld.add_orbit(frames=36, around="CURSOR", radius=2)
    scene = bpy.context.scene
    offsets = cameras.sample(scene, scene.camera, range(1, 37)).camera_to_world[:, :3, 3] - (1, 2, 3)
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), 2, atol=0.01)
    steps = np.linalg.norm(np.diff(offsets, axis=0, append=offsets[:1]), axis=1)
    assert steps == pytest.approx(np.full(36, 2 * math.pi * 2 / 36), rel=0.02)


def test_an_outward_orbit_looks_away_from_its_centre():
    bpy.ops.skyworld.add_orbit(frames=12, around="CURSOR", look="OUTWARD", radius=2)
    scene = bpy.context.scene
    poses = cameras.sample(scene, scene.camera, range(1, 13)).camera_to_world
    np.testing.assert_allclose(-poses[:, :3, 2], poses[:, :3, 3] / 2, atol=0.02)
    np.testing.assert_allclose(poses[:, 2, 1], 1, atol=1e-3)  # upright


def test_a_baked_camera_flies_the_same_path_without_constraints():
    bpy.ops.skyworld.add_flythrough(frames=24)
    scene = bpy.context.scene
    before = cameras.sample(scene, scene.camera, range(1, 25)).camera_to_world
    bpy.ops.skyworld.bake_camera()
    assert not scene.camera.constraints
    np.testing.assert_allclose(cameras.sample(scene, scene.camera, range(1, 25)).camera_to_world, before, atol=1e-5)


def test_a_colmap_model_with_points_and_a_lens_is_read_or_refused(tmp_path):
    (tmp_path / "cameras.txt").write_text("# c\n1 SIMPLE_PINHOLE 640 480 500 320 240\n")
    pose = "1 0 0 0 0 0 0"
    (tmp_path / "images.txt").write_text(f"# i\n2 {pose} 1 b c.png\n1 2 -1\n1 {pose} 1 a.png\n5 6 -1 7 8 -1\n")
    path = camera_files.read(tmp_path / "images.txt")
    assert len(path) == 2 and path.K[0, 0, 0] == 500 and (path.width, path.height) == (640, 480)
    (tmp_path / "cameras.txt").write_text("1 OPENCV 640 480 500 500 320 240 0.1 0 0 0\n")
    with pytest.raises(camera_files.UserError, match="undistort"):
        camera_files.read(tmp_path / "images.txt")
    (tmp_path / "cameras.txt").unlink()
    with pytest.raises(camera_files.UserError, match=r"cameras\.txt.*cannot be read"):
        camera_files.read(tmp_path / "images.txt")


def test_skyfalls_renderer_gets_the_target_and_how_far_and_high_the_cameras_are(tmp_path):
    bpy.ops.skyworld.add_orbit(around="CURSOR", radius=10.0, frames=8)
    bpy.ops.skyworld.export_cameras(filepath=str(tmp_path / "a.json"), kind="SKYFALL")
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["_target"] == [0, 0, 0] and document["_radius"] == pytest.approx(10, abs=0.05)
    assert document["_elevation"] == pytest.approx(0, abs=0.5)


def test_a_real_path_of_skyfall_comes_through_blender(shared_data, tmp_path):
    file = next((shared_data / "camera_paths").glob("skyfall*.json"))
    bpy.ops.skyworld.import_cameras(filepath=str(file))
    frames, back = json.loads(file.read_text())["camera_path"], export(tmp_path)
    poses = np.array([frame["camera_to_world"] for frame in frames]).reshape(-1, 4, 4)
    np.testing.assert_allclose(back.camera_to_world, poses, atol=2e-4)
