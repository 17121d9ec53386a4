import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from plain_scenes import BOX, plain_scene

from skyworld.errors import UserError
from skyworld.satellite.scene import Box, ground_pixel, read_picture, read_scene, write_scene


def edited(folder, name, change):
    document = json.loads((folder / name).read_text())
    change(document)
    (folder / name).write_text(json.dumps(document))


def test_a_scene_that_was_written_reads_back_the_same(tmp_path):
    written, read = plain_scene(tmp_path), read_scene(tmp_path)
    for one, other in zip(written.images, read.images, strict=True):
        np.testing.assert_allclose(one.camera.camera_to_world, other.camera.camera_to_world, atol=1e-12)
        np.testing.assert_array_equal(one.camera.K, other.camera.K)
        assert (one.name, one.picture, one.date, one.sun) == (other.name, other.picture, other.date, other.sun)
    np.testing.assert_array_equal(written.xyz, read.xyz)
    np.testing.assert_array_equal(written.rgb, read.rgb)
    assert read.box == BOX and read.georeference is None and read.held_out == []
    assert read.pixel == pytest.approx(1.0, rel=0.01)


def test_held_out_images_go_into_the_test_transforms(tmp_path):
    scene = plain_scene(tmp_path)
    write_scene(replace(scene, images=scene.images[:2], held_out=scene.images[2:]))
    read = read_scene(tmp_path)
    assert [image.name for image in read.held_out] == ["view2"] and len(read.images) == 2
    assert read.held_out[0].date == "2024-03-01"


def test_without_a_mask_black_pixels_do_not_count_and_a_mask_decides_where_there_is_one(tmp_path):
    image = plain_scene(tmp_path).images[0]
    picture = cv2.imread(str(image.picture))
    picture[:10] = 0
    cv2.imwrite(str(image.picture), picture)
    assert read_scene(tmp_path).images[0].read()[1].sum() == 30 * 40
    (tmp_path / "masks").mkdir()
    mask = np.zeros((40, 40), np.uint8)
    mask[:, :7] = 1
    np.save(tmp_path / "masks" / "view0.npy", mask)
    assert read_scene(tmp_path).images[0].read()[1].sum() == 7 * 40
    (tmp_path / "masks" / "view0.npy").unlink()
    cv2.imwrite(str(tmp_path / "masks" / "view0.png"), mask * 255)
    assert read_scene(tmp_path).images[0].read()[1].sum() == 7 * 40


def test_sixteen_bits_are_read_as_sixteen(tmp_path):
    deep = np.full((4, 5, 3), (1000, 1001, 40000), np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    np.testing.assert_allclose(read_picture(tmp_path / "deep.png")[0, 0] * 65535, (40000, 1001, 1000), rtol=1e-5)


def test_r_and_t_bring_the_scene_into_the_units_of_skyfall(tmp_path):
    scene = plain_scene(tmp_path)
    quarter = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    shift = np.array([5.0, 6.0, 7.0])

    def rotate(document):
        document["R"], document["T"] = quarter, shift.tolist()
        for frame in document["frames"]:
            pose = np.array(frame["transform_matrix"])
            pose[:3] = np.array(quarter) @ pose[:3]
            pose[:3, 3] -= shift
            frame["transform_matrix_rotated"] = pose.tolist()

    edited(tmp_path, "transforms_train.json", rotate)
    (tmp_path / "scene.json").unlink()
    read = read_scene(tmp_path)
    turned = scene.xyz @ np.array(quarter).T - shift
    scale = 256 / np.percentile(np.abs(turned), 99)
    floor = np.percentile(turned[:, 2] * scale, 1)
    np.testing.assert_allclose(read.xyz, turned * scale - (0, 0, floor), atol=1e-9)
    # The pictures see the points where they saw them.
    for before, after in zip(scene.images, read.images, strict=True):
        np.testing.assert_allclose(before.camera.project(scene.xyz)[0], after.camera.project(read.xyz)[0], atol=1e-6)
    assert ground_pixel(read.images[0].camera, read.box.centre) == pytest.approx(scale, rel=0.02)


def test_the_box_of_a_scene_without_one_is_that_of_its_points():
    points = np.random.default_rng(0).uniform((0, 0, 0), (100, 50, 10), (5000, 3))
    box = Box.around(points)
    assert box.east == pytest.approx((-4, 104), abs=1) and box.up == pytest.approx((-10, 20), abs=1)


@pytest.mark.parametrize(
    ("file", "break_it", "sentence"),
    [
        ("transforms_train.json", lambda d: d.update(frames=[]), "has no frames"),
        ("transforms_train.json", lambda d: d["frames"][1].pop("fl_x"), "frame 1 is not a posed image"),
        ("transforms_train.json", lambda d: d["frames"][1].update(file_path="../x.png"), "leads out of its folder"),
        ("transforms_train.json", lambda d: d["frames"][1].update(file_path="images/none.png"), "no such file"),
        ("transforms_train.json", lambda d: d["frames"][1].update(file_path="images/view0.png"), "named view0"),
        ("transforms_train.json", lambda d: d.update(camera_model="OPENCV"), "not PINHOLE"),
        ("transforms_train.json", lambda d: d["frames"][0]["transform_matrix"][0].__setitem__(0, 9), "not a rotation"),
        ("scene.json", lambda d: d.update(format=9), "format 9"),
        ("scene.json", lambda d: d["box"].update(east=[3, 1]), "its box is none"),
    ],
)
def test_a_broken_scene_is_refused_with_a_sentence(tmp_path, file, break_it, sentence):
    plain_scene(tmp_path)
    edited(tmp_path, file, break_it)
    with pytest.raises(UserError, match=sentence):
        read_scene(tmp_path)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(UserError, match=r"holds no transforms_train.json"):
        read_scene(tmp_path)
    plain_scene(tmp_path)
    points = tmp_path / "points3D.txt"
    points.write_text("# none\n")
    with pytest.raises(UserError, match=r"points3D.txt: holds no points"):
        read_scene(tmp_path)
    points.write_text("1 0 0 nan 1 2 3 0\n")
    with pytest.raises(UserError, match="line 1 is not a point"):
        read_scene(tmp_path)
    points.unlink()
    with pytest.raises(UserError, match=r"points3D.txt: there is no such file"):
        read_scene(tmp_path)


def test_masks_and_pictures_of_another_size_are_refused(tmp_path):
    image = plain_scene(tmp_path).images[0]
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "view0.npy", np.ones((40, 30), np.uint8))
    with pytest.raises(UserError, match="is 30 x 40 pixels, and its image 40 x 40"):
        read_scene(tmp_path).images[0].read()
    np.save(tmp_path / "masks" / "view0.npy", np.zeros((40, 40), np.uint8))
    with pytest.raises(UserError, match="no pixel that counts"):
        read_scene(tmp_path).images[0].read()
    (tmp_path / "masks" / "view0.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match="not a mask"):
        read_scene(tmp_path).images[0].read()
    cv2.imwrite(str(image.picture), np.ones((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="is 8 x 8 pixels, and its camera 40 x 40"):
        read_scene(tmp_path).images[0].read()
