"""Reading posed pictures: nerfstudio's and instant-ngp's layout, COLMAP's text models, and the scenes in tests/data."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reprojection import agreement, times_seen

from skyworld.camera import turned
from skyworld.camera.formats.nerfstudio import OPENGL
from skyworld.errors import UserError
from skyworld.splats.dataset import read_dataset
from skyworld.splats.point_cloud import read_points, write_points
from skyworld.world.exr import write_exr

SCENES = ("room", "street", "landscape")
K = np.array([[90.0, 0, 41.5], [0, 95.0, 31.0], [0, 0, 1]])
POSES = [turned((0.5, -2.0, 1.6), 0.3, -0.1), turned((1.5, -2.2, 1.7), -0.2, 0.1, 0.05)]


def picture(path, width=80, height=64, shade=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), (shade, 50, 200), np.uint8))


def transforms(folder, frame=None, shared=None, poses=POSES, **document):
    """Writes a folder with one picture for each pose; `frame` and `shared` add to or replace what stands there."""
    frames = []
    for index, pose in enumerate(poses):
        picture(folder / "images" / f"{index}.png")
        matrix = (pose @ OPENGL).tolist()
        frames.append({"file_path": f"images/{index}.png", "transform_matrix": matrix, **(frame or {})})
    intrinsics = {"w": 80, "h": 64, "fl_x": 90.0, "fl_y": 95.0, "cx": 41.5, "cy": 31.0} if shared is None else shared
    (folder / "transforms.json").write_text(json.dumps({**intrinsics, "frames": frames, **document}))
    return folder


def colmap(folder, cameras="1 PINHOLE 80 64 90 95 41.5 31", images=None, points="1 1 2 3 255 0 51 0.5 1 0\n"):
    """Writes a COLMAP text model of POSES; `images` replaces the lines of images.txt."""
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    lines = []
    for index, pose in reversed(list(enumerate(POSES))):
        picture(folder / "images" / f"view {index}.png")
        world_to_camera = np.linalg.inv(pose)
        w, x, y, z = quaternion(world_to_camera[:3, :3])
        tx, ty, tz = world_to_camera[:3, 3]
        lines += [f"{index + 1} {w} {x} {y} {z} {tx} {ty} {tz} 1 view {index}.png", "10.5 20.5 1" if index else ""]
    (model / "cameras.txt").write_text(f"# Camera list\n{cameras}\n")
    (model / "images.txt").write_text("# Image list\n" + "\n".join(images or lines) + "\n")
    if points is not None:
        (model / "points3D.txt").write_text(points)
    return folder


def quaternion(R):
    """wxyz of a rotation by less than half a turn."""
    w = np.sqrt(1 + np.trace(R)) / 2
    return w, (R[2, 1] - R[1, 2]) / (4 * w), (R[0, 2] - R[2, 0]) / (4 * w), (R[1, 0] - R[0, 1]) / (4 * w)


# ---- the scenes that lie beside the tests -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
def test_a_small_scene_is_read_whole(small_scene, name):
    dataset = small_scene(name)
    assert len(dataset) == 24
    assert {p.shape for p in dataset.pictures} == {(120, 160, 3)}
    assert {d.shape for d in dataset.depths} == {(120, 160)}
    xyz, rgb = dataset.points
    assert 1000 < len(xyz) <= 3000 and rgb.shape == xyz.shape and rgb.min() >= 0 and rgb.max() <= 1
    assert dataset.masks is None and dataset.names[3] == "images/003.jpg"


@pytest.mark.parametrize("name", SCENES)
def test_every_eighth_view_of_a_small_scene_is_held_out(small_scene, name):
    training, testing = small_scene(name).split()
    assert testing.names == ["images/000.jpg", "images/008.jpg", "images/016.jpg"]
    assert len(training) == 21 and not set(training.names) & set(testing.names)


@pytest.mark.parametrize("name", SCENES)
def test_pictures_depth_and_poses_of_a_small_scene_tell_of_the_same_world(small_scene, name):
    dataset = small_scene(name)
    pairs = [(i, i + 1) for i in range(len(dataset) - 1)]
    found = [a for a in (agreement(dataset, *pair) for pair in pairs) if a.share > 0.3]
    assert len(found) >= 12
    assert np.median([a.depth for a in found]) < 0.008
    assert np.median([a.colour for a in found]) < 0.05
    moved = [agreement(dataset, *pair, nudge=(0.3, 0.3, 0.3)) for pair in pairs]
    assert np.median([a.colour for a in moved if a.share > 0.3]) > 1.3 * np.median([a.colour for a in found])


@pytest.mark.parametrize("name", SCENES)
def test_the_surfaces_of_a_small_scene_are_seen_by_several_views(small_scene, name):
    seen = times_seen(small_scene(name))
    assert np.mean(seen >= 3) > 0.75


@pytest.mark.parametrize("name", SCENES)
def test_the_points_of_a_small_scene_lie_on_its_surfaces_but_for_noise_and_a_few_outliers(small_scene, name):
    dataset = small_scene(name)
    nearest = np.full(len(dataset.points[0]), np.inf)
    for camera, depth in zip(dataset.cameras, dataset.depths, strict=True):
        pixels, z = camera.project(dataset.points[0])
        inside = (z > 0.1) & (pixels >= 0).all(1) & (pixels < (camera.width, camera.height)).all(1)
        column, row = np.floor(pixels[inside]).astype(int).T
        apart = np.abs(depth[row, column] - z[inside]) / z[inside]
        nearest[inside] = np.minimum(nearest[inside], apart)
    assert np.mean(nearest < 0.06) > 0.93


# ---- transforms.json ----------------------------------------------------------------------------------------------


def test_opengl_poses_and_shared_intrinsics_become_our_cameras(tmp_path):
    dataset = read_dataset(transforms(tmp_path))
    for camera, pose in zip(dataset.cameras, POSES, strict=True):
        assert np.allclose(camera.camera_to_world, pose) and np.allclose(camera.K, K)
        assert (camera.width, camera.height) == (80, 64)
    assert np.allclose(dataset.pictures[0][5, 5], np.array([200, 50, 100]) / 255)
    assert dataset.depths is None and dataset.points is None


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.floats(-1.4, 1.4), st.floats(-3, 3), st.tuples(*[st.floats(-50, 50)] * 3))
def test_a_point_falls_on_the_pixel_that_the_opengl_matrix_says(tmp_path_factory, yaw, pitch, roll, position):
    pose = turned(position, yaw, pitch, roll)
    camera = read_dataset(transforms(tmp_path_factory.mktemp("t"), poses=[pose])).cameras[0]
    right, up, back, centre = ((pose @ OPENGL)[:3, column] for column in range(4))
    pixel, z = camera.project(centre + 0.2 * right + 0.1 * up - 2 * back)
    assert np.allclose(pixel, (41.5 + 90 * 0.1, 31 - 95 * 0.05)) and np.isclose(z, 2)


def test_a_frame_may_have_intrinsics_of_its_own(tmp_path):
    folder = transforms(tmp_path, frame={"fl_x": 70.0, "fl_y": 70.0}, shared={"w": 80, "h": 64, "fl_x": 1})
    assert np.allclose(read_dataset(folder).cameras[0].K, [[70, 0, 40], [0, 70, 32], [0, 0, 1]])


def test_instant_ngp_gives_an_angle_and_leaves_the_ending_of_the_picture_out(tmp_path):
    folder = transforms(tmp_path, shared={"camera_angle_x": np.pi / 2})
    document = json.loads((folder / "transforms.json").read_text())
    for frame in document["frames"]:
        frame["file_path"] = "./" + frame["file_path"].removesuffix(".png")
    (folder / "transforms.json").write_text(json.dumps(document))
    camera = read_dataset(folder).cameras[0]
    assert np.allclose(camera.K, [[40, 0, 40], [0, 40, 32], [0, 0, 1]])


def test_pictures_of_half_the_size_get_half_the_focal_length(tmp_path):
    folder = transforms(tmp_path, shared={"w": 160, "h": 128, "fl_x": 180, "fl_y": 190, "cx": 83, "cy": 62})
    camera = read_dataset(folder).cameras[0]
    assert np.allclose(camera.K, K) and (camera.width, camera.height) == (80, 64)


def test_depth_masks_and_points_come_with_the_pictures(tmp_path):
    frame = {"depth_file_path": "depth.exr", "mask_path": "mask.png"}
    folder = transforms(tmp_path, frame=frame, ply_file_path="points.ply")
    depth = np.linspace(1, 9, 80 * 64).reshape(64, 80)
    depth[0] = np.inf
    write_exr(folder / "depth.exr", depth)
    cv2.imwrite(str(folder / "mask.png"), np.repeat([[0] * 30 + [255] * 50], 64, 0).astype(np.uint8))
    xyz, rgb = np.arange(12.0).reshape(4, 3), np.linspace(0, 1, 12).reshape(4, 3)
    write_points(folder / "points.ply", xyz, rgb)
    dataset = read_dataset(folder)
    assert np.allclose(dataset.depths[1], depth)
    assert dataset.masks[0][:, 30:].all() and not dataset.masks[0][:, :30].any()
    assert np.allclose(dataset.points[0], xyz) and np.allclose(dataset.points[1], rgb, atol=0.003)


# ---- COLMAP -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["PINHOLE 80 64 90 95 41.5 31", "SIMPLE_PINHOLE 80 64 90 41.5 31"])
def test_a_colmap_text_model_is_read_in_the_order_of_its_names(tmp_path, model):
    dataset = read_dataset(colmap(tmp_path, cameras=f"1 {model}"))
    assert dataset.names == ["view 0.png", "view 1.png"]
    for camera, pose in zip(dataset.cameras, POSES, strict=True):
        assert np.allclose(camera.camera_to_world, pose)
        assert np.allclose(camera.K, K if model.startswith("PIN") else [[90, 0, 41.5], [0, 90, 31], [0, 0, 1]])
    assert np.allclose(dataset.points[0], [[1, 2, 3]]) and np.allclose(dataset.points[1], [[1, 0, 0.2]])


def test_a_colmap_model_without_points_is_still_a_dataset(tmp_path):
    assert read_dataset(colmap(tmp_path, points=None)).points is None


@pytest.mark.parametrize("model", ["OPENCV 80 64 90 95 40 32 0.1 0 0 0", "SIMPLE_RADIAL 80 64 90 40 32 0.1"])
def test_a_colmap_lens_with_distortion_is_refused_by_name(tmp_path, model):
    with pytest.raises(UserError, match=rf"cameras\.txt.*{model.split()[0]}.*Undistort"):
        read_dataset(colmap(tmp_path, cameras=f"1 {model}"))


def test_a_binary_colmap_model_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    (tmp_path / "sparse" / "0" / "cameras.bin").write_bytes(b"\0")
    with pytest.raises(UserError, match="model_converter"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cameras": "1 PINHOLE 80 64 90"},
        {"cameras": "1 PINHOLE eighty 64 90 95 40 32"},
        {"images": ["1 1 0 0 0 0 0 0 7 view 0.png", ""]},
        {"images": ["1 1 0 0 nan 0 0 0 1 view 0.png", ""]},
        {"images": ["1 1 0 0", ""]},
        {"images": ["1 1 0 0 0 0 0 0 1 ../../secret.png", ""]},
        {"points": "1 1 2\n"},
    ],
)
def test_a_damaged_colmap_model_is_refused_by_the_file_at_fault(tmp_path, wrong):
    fault = {"cameras": "cameras", "images": "images", "points": "points3D"}[next(iter(wrong))]
    with pytest.raises(UserError, match=rf"{fault}\.txt"):
        read_dataset(colmap(tmp_path, **wrong))


# ---- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"frames": 3}', '{"frames": [3]}', '{"frames": [{}]}', "[" * 100_000, "\xff"]
)
def test_broken_json_is_refused_by_the_name_of_the_file(tmp_path, text):
    (tmp_path / "transforms.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"transforms\.json"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    "frame, message",
    [
        ({"file_path": "images/9.png"}, r"9\.png.*no such file"),
        ({"file_path": "../0.png"}, r"leads out"),
        ({"file_path": "/etc/passwd"}, r"leads out"),
        ({"file_path": "C:\\pictures\\0.png"}, r"leads out"),
        ({"file_path": 7}, r"transforms\.json"),
        ({"depth_file_path": "images/0.png"}, r"EXR"),
        ({"mask_path": "images/9.png"}, r"9\.png"),
        ({"transform_matrix": [[1, 0], [0, 1]]}, r"frame 0"),
        ({"transform_matrix": np.diag([2.0, 1, 1, 1]).tolist()}, r"not a rotation"),
        ({"transform_matrix": np.full((4, 4), np.nan).tolist()}, r"transforms\.json.*not finite"),
        ({"fl_x": 0}, r"transforms\.json.*focal length"),
        ({"fl_x": "wide"}, r"frame 0"),
        ({"w": 120}, r"0\.png.*80 x 64"),
        ({"k1": 0.1}, r"k1.*Undistort"),
        ({"camera_model": "OPENCV_FISHEYE"}, r"OPENCV_FISHEYE"),
    ],
)
def test_a_frame_that_is_wrong_is_refused_with_what_is_wrong(tmp_path, frame, message):
    with pytest.raises(UserError, match=message):
        read_dataset(transforms(tmp_path, frame=frame))


def test_no_frames_no_folder_and_no_layout_are_refused(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="no frames"):
        read_dataset(transforms(tmp_path / "none", poses=[]))
    with pytest.raises(UserError, match="no such folder"):
        read_dataset(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"transforms\.json, or images/"):
        read_dataset(tmp_path / "empty")


# ---- points -------------------------------------------------------------------------------------------------------


def test_points_in_ascii_and_without_colours_are_read(tmp_path):
    text = "ply\nformat ascii 1.0\ncomment x\nelement vertex 2\nproperty float x\nproperty float y\nproperty double z\n"
    (tmp_path / "p.ply").write_text(text + "end_header\n1 2 3\n4 5 6\n")
    xyz, rgb = read_points(tmp_path / "p.ply")
    assert np.allclose(xyz, [[1, 2, 3], [4, 5, 6]]) and np.allclose(rgb, 0.5)


@pytest.mark.parametrize(
    "count, body", [(2**40, b"\0" * 24), (3, b"\0" * 24), (2, np.full(6, np.nan, "<f4").tobytes())]
)
def test_points_that_are_cut_short_or_not_finite_are_refused(tmp_path, count, body):
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    (tmp_path / "p.ply").write_bytes(head.encode() + body)
    with pytest.raises(UserError, match=r"p\.ply"):
        read_points(tmp_path / "p.ply")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_points_or_a_user_error(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("p") / "p.ply"
    path.write_bytes(b"ply\nformat ascii 1.0\n" + noise)
    with pytest.raises(UserError):
        read_points(path)
