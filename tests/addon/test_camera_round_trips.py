"""Random cameras of Blender through every format and back: no point moves by more than a hundredth of a pixel."""

import json
import math
import zipfile

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mathutils import Euler, Matrix, Quaternion, Vector

from skyworld_addon.scene import camera_files, cameras, supersplat

FORMATS = {"NERFSTUDIO": "path.json", "SKYFALL": "path.json", "COLMAP": "images.txt", "SUPERSPLAT": "path.json"}
PIXEL = 0.01
many = settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
angle = st.floats(-math.pi, math.pi)


@st.composite
def shots(draw, shifted=True):
    """What a Blender camera may be: two poses, lens, sensor, shift; and the size of the picture.

    Up to a focal length of 8,000 pixels: beyond, the single precision of Blender's rotations is the limit.
    """
    place = st.tuples(*[st.floats(-20, 20)] * 3)
    return {
        "poses": [(draw(place), draw(st.tuples(angle, angle, angle))) for _ in range(2)],
        "lens": draw(st.floats(12, 100)),
        "fit": draw(st.sampled_from(["AUTO", "HORIZONTAL", "VERTICAL"])),
        "sensor": (draw(st.floats(24, 60)), draw(st.floats(24, 60))),
        "shift": draw(st.tuples(*[st.floats(-0.4, 0.4)] * 2)) if shifted else (0.0, 0.0),
        "size": (draw(st.integers(16, 2000)), draw(st.integers(16, 2000))),
        "percentage": draw(st.sampled_from([100, 50, 37])),
    }


def build(shot):
    """The scene's camera as `shot` tells, with a keyframe for each pose."""
    scene = bpy.context.scene
    data = bpy.data.cameras.new("shot")
    camera = bpy.data.objects.new("shot", data)
    scene.collection.objects.link(camera)
    data.sensor_fit, data.lens, (data.sensor_width, data.sensor_height) = shot["fit"], shot["lens"], shot["sensor"]
    data.shift_x, data.shift_y = shot["shift"]
    poses = np.array([Matrix.LocRotScale(place, Euler(turn), None) for place, turn in shot["poses"]])
    cameras.bake(camera, [1, 2], poses)
    scene.camera, scene.frame_start, scene.frame_end = camera, 1, len(poses)
    render = scene.render
    (render.resolution_x, render.resolution_y), render.resolution_percentage = shot["size"], shot["percentage"]
    render.pixel_aspect_x = render.pixel_aspect_y = 1
    return camera


def pixels(points):
    """Where Blender's camera of now sees world-space points [frames, points, 3]: pixels [frames, points, 2].

    In double precision, of what Blender keeps in single: its own `world_to_camera_view` errs by more than a hundredth.
    """
    scene = bpy.context.scene
    path = cameras.sample(scene, scene.camera, range(scene.frame_start, scene.frame_end + 1))
    homogeneous = np.concatenate([points, np.ones_like(points[..., :1])], -1)
    local = np.einsum("nij,npj->npi", np.linalg.inv(path.camera_to_world), homogeneous)[..., :3] * (1, -1, -1)
    seen = np.einsum("nij,npj->npi", path.K, local)
    return seen[..., :2] / seen[..., 2:]


def points_before():
    """World-space points [frames, 9, 3] that lie all over the picture, at several depths."""
    scene = bpy.context.scene
    path = cameras.sample(scene, scene.camera, range(scene.frame_start, scene.frame_end + 1))
    places = np.array([(u * path.width, v * path.height, 1.0) for u in (0.02, 0.5, 0.98) for v in (0.02, 0.5, 0.98)])
    depths = np.array([2, 3, 40, 7, 2.5, 200, 12, 2, 5.0])
    local = np.einsum("nij,pj->npi", np.linalg.inv(path.K), places) * depths[:, None] * (1, -1, -1)
    return np.einsum("nij,npj->npi", path.camera_to_world[:, :3, :3], local) + path.camera_to_world[:, None, :3, 3]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_back_what_blender_saw(kind, tmp_path):
    @many
    @given(shots(shifted=kind != "SUPERSPLAT"))
    def check(shot):
        build(shot)
        points = points_before()
        before = pixels(points)
        file = tmp_path / FORMATS[kind]
        assert bpy.ops.skyworld.export_cameras(filepath=str(file), kind=kind) == {"FINISHED"}
        bpy.ops.skyworld.import_cameras(filepath=str(file))
        worst = float(np.abs(pixels(points) - before).max())
        assert worst < PIXEL

    check()


@pytest.mark.parametrize(("shift_x", "shift_y"), [(0.1, 0), (0, -0.02)])
def test_a_shifted_camera_is_refused_where_the_format_has_no_shift(shift_x, shift_y, tmp_path):
    bpy.ops.skyworld.add_orbit(frames=4)
    data = bpy.context.scene.camera.data
    data.shift_x, data.shift_y = shift_x, shift_y
    with pytest.raises(RuntimeError, match="shifted"):
        bpy.ops.skyworld.export_cameras(filepath=str(tmp_path / "a.json"), kind="SUPERSPLAT")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FORMATS)
def test_oblong_pixels_are_refused_by_every_format(kind, tmp_path):
    bpy.ops.skyworld.add_orbit(frames=4)
    bpy.context.scene.render.pixel_aspect_y = 1.5
    with pytest.raises(RuntimeError, match="square pixels"):
        bpy.ops.skyworld.export_cameras(filepath=str(tmp_path / "a.json"), kind=kind)
    assert not list(tmp_path.iterdir())


def project_of(path, keys, splat):
    """A project file as SuperSplat saves it."""
    document = {"version": 0, "camera": {"fov": 65}, "timeline": {"frames": 90, "frameRate": 30, "frame": 0}}
    document |= {"poseSets": [{"name": "set0", "poses": keys}], "splats": [splat]}
    with zipfile.ZipFile(path, "w") as project:
        project.writestr("document.json", json.dumps(document))


def test_keys_of_supersplat_stand_and_look_where_they_did_about_the_splats(tmp_path):
    """The splats lie turned, moved and scaled in SuperSplat; in Blender they lie as in their file."""
    turn = Quaternion((0.7, -0.7, 0.1, 0.1)).normalized()
    placed = Matrix.LocRotScale((1, 2, 3), turn, (2, 2, 2))
    splat = {"position": [1, 2, 3], "rotation": [turn.x, turn.y, turn.z, turn.w], "scale": [2, 2, 2]}
    eyes, aims = [(0, 0, 4), (3, 1, 4)], [(1, 2, 3), (1, 1, 0)]
    home = [placed.inverted() @ Vector(point) for point in (*eyes, *aims)]
    keys = [
        {"name": f"camera_{k}", "frame": 45 * k, "position": eye, "target": aim, "fov": 50 + 20 * k}
        for k, (eye, aim) in enumerate(zip(eyes, aims, strict=True))
    ]
    project_of(tmp_path / "a.ssproj", keys[::-1], splat)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 800, 400
    bpy.ops.skyworld.import_cameras(filepath=str(tmp_path / "a.ssproj"))
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1, 90, 30)
    for k, frame in enumerate((1, 46)):
        scene.frame_set(frame)
        np.testing.assert_allclose(scene.camera.matrix_world.translation, home[k], atol=1e-5)
        middle = world_to_camera_view(scene, scene.camera, home[2 + k])
        assert (middle.x, middle.y) == pytest.approx((0.5, 0.5), abs=1e-5)
        assert middle.z > 0
        K = cameras.sample(scene, scene.camera, [frame]).K[0]
        assert math.degrees(2 * math.atan(400 / K[0, 0])) == pytest.approx(50 + 20 * k, abs=1e-3)
        upward = scene.camera.matrix_world.to_3x3() @ Vector((1, 0, 0))
        assert (placed.to_3x3() @ upward).y == pytest.approx(0, abs=1e-5), "no roll in SuperSplat's space"
    assert scene.camera.animation_data.action.name, "keys stay editable"


def test_a_project_without_keys_or_of_another_program_is_refused(tmp_path):
    project_of(tmp_path / "empty.ssproj", [], {})
    with pytest.raises(camera_files.UserError, match="no camera keys"):
        supersplat.read(tmp_path / "empty.ssproj")
    (tmp_path / "b.ssproj").write_bytes(b"PK nothing")
    with pytest.raises(camera_files.UserError, match="not a project"):
        supersplat.read(tmp_path / "b.ssproj")
    with pytest.raises(camera_files.UserError, match="cannot be read"):
        supersplat.read(tmp_path / "none.ssproj")


def test_cameras_json_of_a_trainer_is_read_in_the_order_of_its_ids(tmp_path):
    entry = {"width": 640, "height": 480, "fx": 500.0, "fy": 500.0, "rotation": np.eye(3).tolist()}
    entries = [{**entry, "id": 2, "position": [2, 0, 0]}, {**entry, "id": 1, "position": [1, 0, 0]}]
    (tmp_path / "cameras.json").write_text(json.dumps(entries))
    path = camera_files.read(tmp_path / "cameras.json")
    assert path.camera_to_world[:, 0, 3].tolist() == [1, 2] and path.camera_to_world[0, 2, 2] == -1
