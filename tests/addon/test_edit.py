"""Editing splats: what is selected, deleted, cropped, merged, baked; and that undo brings it back."""

import time

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from skyworld_addon.scene import crop, ply, selection
from skyworld_addon.scene import splats as room
from skyworld_addon.viewport import picking

run = bpy.ops.skyworld


@pytest.fixture
def hill(splats):
    """A selected, active splat object of 400 splats, and what it was made of."""
    cloud = splats(400, 1)
    obj = place("hill", cloud)
    return obj, cloud


def place(name, cloud):
    obj = room.add(name, cloud, bpy.context.scene.collection)
    choose(obj)
    return obj


def choose(*objects):
    bpy.context.view_layer.update()
    for obj in bpy.context.view_layer.objects:
        obj.select_set(obj in objects)
    bpy.context.view_layer.objects.active = objects[0]
    bpy.context.view_layer.update()


def covariances(cloud):
    w, x, y, z = cloud.quats.T
    R = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
        ],
        1,
    )
    M = R * cloud.scales[:, None]
    return M @ M.transpose(0, 2, 1)


def same(obj, cloud, tolerance=1e-5):
    """Whether an object holds these splats, in any order."""
    found = room.from_point_cloud(obj.data)
    assert len(found) == len(cloud)
    here, there = (np.lexsort(c.means.T.round(4)) for c in (found, cloud))
    for name in ("means", "scales", "opacities", "dc"):
        np.testing.assert_allclose(getattr(found, name)[here], getattr(cloud, name)[there], atol=tolerance)
    np.testing.assert_allclose(found.sh[:, here], cloud.sh[:, there], atol=tolerance)


def kept(cloud, mask):
    arrays = {name: getattr(cloud, name)[mask] for name in ("means", "scales", "quats", "opacities", "dc")}
    return ply.Splats(**arrays, sh=cloud.sh[:, mask])


def test_splats_are_selected_by_what_they_are(hill):
    obj, cloud = hill
    for settings, expected in (
        ({"by": "OPACITY", "opacity": 0.3}, cloud.opacities <= 0.3),
        ({"by": "SIZE", "size": 0.25}, cloud.scales.max(1) >= 0.25),
        (
            {"by": "COLOUR", "colour": (0.5, 0.5, 0.5), "tolerance": 0.2},
            (np.abs(cloud.colours - 0.5) <= 0.2).all(1),
        ),
    ):
        assert run.select_splats_by(**settings) == {"FINISHED"}
        assert 0 < expected.sum() < 400
        np.testing.assert_array_equal(selection.get(obj.data), expected)
    run.select_splats_by(by="OPACITY", opacity=0.3, mode="ADD")
    both = expected | (cloud.opacities <= 0.3)
    np.testing.assert_array_equal(selection.get(obj.data), both)
    run.select_splats_by(by="OPACITY", opacity=0.3, mode="SUBTRACT")
    np.testing.assert_array_equal(selection.get(obj.data), expected & (cloud.opacities > 0.3))


def test_the_selection_is_that_of_blenders_edit_mode(hill):
    obj, cloud = hill
    run.select_splats_by(by="OPACITY", opacity=0.5)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.pointcloud.delete()
    bpy.ops.object.mode_set(mode="OBJECT")
    same(obj, kept(cloud, cloud.opacities > 0.5))


def test_floaters_are_those_that_lie_alone_for_their_size(splats):
    rng = np.random.default_rng(2)
    near, far = rng.uniform(-1, 1, (3000, 3)), 20 + 10 * rng.uniform(-1, 1, (3000, 3))
    alone = rng.uniform(-1, 1, (12, 3)) * 2 + (0, 0, 8)
    means = np.concatenate([near, far, alone]).astype(np.float32)
    sizes = np.repeat([0.05, 0.5, 0.05], [3000, 3000, 12]).astype(np.float32)
    found = selection.strays(means, np.repeat(sizes[:, None], 3, 1), deviations=3)
    assert found[-12:].all(), "they float between both"
    assert found[:3000].mean() < 0.01 and found[3000:6000].mean() < 0.01, "coarse parts are no floaters"


def test_hidden_splats_are_left_alone_until_they_are_revealed(hill):
    obj, cloud = hill
    run.select_splats_by(by="OPACITY", opacity=0.3)
    run.hide_splats()
    assert not selection.get(obj.data).any()
    run.select_all_splats(action="SELECT")
    np.testing.assert_array_equal(selection.get(obj.data), cloud.opacities > 0.3)
    assert len(room.from_point_cloud(obj.data)) == 400, "renders and exports contain them"
    run.reveal_splats()
    np.testing.assert_array_equal(selection.get(obj.data), cloud.opacities <= 0.3)


def test_deleted_splats_come_back_with_undo_and_stay_after_saving(hill, tmp_path):
    obj, cloud = hill
    obj.data.attributes.new("mine", "INT", "POINT").data.foreach_set("value", np.arange(400, dtype=np.int32))
    bpy.ops.ed.undo_push(message="made")
    run.select_splats_by(by="OPACITY", opacity=0.4)
    bpy.ops.ed.undo_push(message="selected")
    run.delete_splats()
    bpy.ops.ed.undo_push(message="deleted")
    rest = cloud.opacities > 0.4
    same(obj, kept(cloud, rest))
    mine = np.empty(rest.sum(), np.int32)
    obj.data.attributes["mine"].data.foreach_get("value", mine)
    np.testing.assert_array_equal(np.sort(mine), np.flatnonzero(rest), "attributes of others stay with their splats")
    bpy.ops.ed.undo()
    obj = bpy.data.objects["hill"]
    same(obj, cloud)
    np.testing.assert_array_equal(selection.get(obj.data), ~rest)
    bpy.ops.ed.redo()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    same(bpy.data.objects["hill"], kept(cloud, rest))
    assert bpy.context.mode == "OBJECT"


def test_all_of_an_object_is_not_deleted_but_refused_with_a_sentence(hill):
    run.select_all_splats(action="SELECT")
    with pytest.raises(RuntimeError, match="delete the object"):
        run.delete_splats()
    run.select_all_splats(action="DESELECT")
    with pytest.raises(RuntimeError, match="No splat is selected"):
        run.delete_splats()


def test_only_the_selected_splats_are_kept_on_request(hill):
    obj, cloud = hill
    run.select_splats_by(by="OPACITY", opacity=0.4)
    run.delete_splats(unselected=True)
    same(obj, kept(cloud, cloud.opacities <= 0.4))


def test_separated_splats_stand_where_they_stood(hill):
    obj, cloud = hill
    obj.matrix_world = Matrix.LocRotScale((1, 2, 3), Euler((0.1, 0.2, 0.3)), (2, 2, 2))
    run.select_splats_by(by="OPACITY", opacity=0.4)
    run.separate_splats()
    (other,) = [o for o in bpy.data.objects if o is not obj]
    low = cloud.opacities <= 0.4
    same(obj, kept(cloud, ~low))
    same(other, kept(cloud, low))
    assert other.matrix_world == obj.matrix_world and room.is_splats(other)
    assert list(other.data.materials) == list(obj.data.materials)


def test_merged_objects_become_one_where_they_stand(hill, splats):
    obj, cloud = hill
    other, b = (lambda c: (place("b", c), c))(splats(100, 1, seed=3))
    obj.matrix_world = Matrix.LocRotScale((1, 2, 3), Euler((0.1, 0.2, 0.3)), (2, 2, 2))
    other.matrix_world = Matrix.LocRotScale((0, -2, 1), Euler((1.1, 0.2, -0.3)), (0.5,) * 3)
    choose(obj, other)
    wanted = room.joined([room.transformed(cloud, obj.matrix_world), room.transformed(b, other.matrix_world)])
    run.merge_splats()
    assert [o.name for o in bpy.data.objects] == ["hill"] and len(bpy.data.pointclouds) == 1
    found = room.transformed(room.from_point_cloud(obj.data), obj.matrix_world)
    np.testing.assert_allclose(found.means, wanted.means, atol=1e-5)
    np.testing.assert_allclose(covariances(found), covariances(wanted), atol=1e-5)
    np.testing.assert_allclose(found.sh, wanted.sh, atol=1e-5)


@pytest.mark.parametrize("scale", [(2, 2, 2), (1, 2, 0.5), (-1, 1, 1)], ids=["even", "stretched", "mirrored"])
def test_an_applied_transform_leaves_the_splats_where_they_stand(hill, scale):
    obj, cloud = hill
    obj.matrix_world = Matrix.LocRotScale((1, 2, 3), Euler((0.4, -0.2, 1.3)), scale)
    L = np.array(obj.matrix_world)
    run.apply_splat_transform()
    assert obj.matrix_world == Matrix()
    found = room.from_point_cloud(obj.data)
    np.testing.assert_allclose(found.means, cloud.means @ L[:3, :3].T + L[:3, 3], atol=1e-4)
    np.testing.assert_allclose(covariances(found), L[:3, :3] @ covariances(cloud) @ L[:3, :3].T, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found.quats, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("shape", ["BOX", "BALL"])
def test_a_crop_is_seen_by_blender_as_it_is_drawn_until_it_is_applied(hill, shape):
    obj, cloud = hill
    obj.location = (1, 0, 0)
    run.add_crop(shape=shape, share=0.7)
    volume = bpy.context.object
    assert volume.type == "EMPTY"
    volume.rotation_euler = (0.1, 0.2, 0.7)
    volume.location.x += 0.3
    bpy.context.view_layer.update()
    inside = crop.kept(obj)
    evaluated = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert 50 < inside.sum() < 350 and selection.count(evaluated.data) == inside.sum()
    assert len(room.from_point_cloud(obj.data)) == 400, "nothing is deleted yet"
    run.invert_crop()
    bpy.context.view_layer.update()
    evaluated = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert selection.count(evaluated.data) == 400 - inside.sum()
    run.apply_crop()
    same(obj, kept(cloud, ~inside))
    assert bpy.context.object == obj and len(bpy.data.objects) == 1 and not obj.modifiers


def test_an_export_contains_what_the_crop_leaves(hill, tmp_path):
    obj, _ = hill
    run.add_crop(share=0.6)
    bpy.context.view_layer.update()
    inside = crop.kept(obj)
    choose(obj)
    run.export_splats(filepath=str(tmp_path / "part.ply"))
    assert len(ply.read(tmp_path / "part.ply")) == inside.sum() < 400


def test_splats_inside_an_empty_or_a_cube_are_selected(hill):
    obj, cloud = hill
    ball = crop.add_volume("ball", (-1, -1, -1), (1, 1, 1), np.eye(4), bpy.context.scene.collection, ball=True)
    choose(obj, ball)
    run.select_splats_in_volume()
    np.testing.assert_array_equal(selection.get(obj.data), np.linalg.norm(cloud.means, axis=1) <= 1)
    bpy.ops.mesh.primitive_cube_add(size=2, location=(0.5, 0, 0))
    choose(obj, bpy.context.object)
    run.select_splats_in_volume()
    np.testing.assert_array_equal(selection.get(obj.data), (np.abs(cloud.means - (0.5, 0, 0)) <= 1).all(1))


def test_points_become_splats_and_splats_points(hill):
    obj, cloud = hill
    run.splats_to_points(opacity=0.5)
    points = bpy.context.object
    solid = cloud.opacities >= 0.5
    assert not room.is_splats(points) and selection.count(points.data) == solid.sum() and obj.hide_get()
    run.points_to_splats(width=0.5, opacity=0.8)
    made = room.from_point_cloud(bpy.context.object.data)
    np.testing.assert_allclose(made.means, cloud.means[solid], atol=1e-6)
    np.testing.assert_allclose(made.colours, cloud.colours[solid], atol=2 / 255)
    exact = np.sort(np.linalg.norm(made.means[:, None] - made.means[None], axis=2), axis=1)[:, 1:7].mean(1)
    ratio = made.scales[:, 0] / (0.5 * exact)
    assert 0.9 < np.median(ratio) < 2.5 and ratio.min() > 0.9, "as wide as the points stand apart"


def test_a_lasso_takes_what_lies_inside_its_line():
    polygon = [(10, 10), (60, 12), (60, 50), (30, 25), (12, 55)]
    mask = picking.polygon_mask(polygon, 80, 60)
    x, y = np.meshgrid(np.arange(80) + 0.5, np.arange(60) + 0.5)
    inside = np.zeros((60, 80), bool)
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    np.testing.assert_array_equal(mask, inside)
    pixels = np.array([[20.2, 20.7], [35, 50], [-3, 20], [20.2, 20.7]], np.float32)
    found = picking.mask_at(mask, pixels, np.array([1, 1, 1, -np.inf], np.float32))
    assert found.tolist() == [True, False, False, False], "not what is outside, beyond the edge or behind the eye"


def test_what_is_seen_at_a_pixel_is_the_nearest_that_covers_it():
    pixels = np.array([[50, 50], [50, 50], [50, 50], [70, 50]], np.float32)
    depths, spreads = np.array([5, 2, 9, 1], np.float32), np.full(4, 3.0, np.float32)
    opacities = np.array([0.9, 0.1, 0.9, 0.9], np.float32)
    assert picking.surface_depth(pixels, depths, spreads, opacities, (51, 50)) == 5, "through the faint one"
    assert picking.surface_depth(pixels, depths, spreads, opacities, (10, 10)) is None


def test_operators_say_what_they_lack():
    bpy.ops.object.empty_add()
    for operator in (run.delete_splats, run.select_all_splats, run.merge_splats, run.add_crop, run.apply_crop):
        assert not operator.poll()
        with pytest.raises(RuntimeError, match=r"[Ss]elect"):
            operator()


def test_a_hundred_thousand_are_edited_in_the_blink_of_an_eye(splats):
    obj = place("city", splats(100_000, 3))
    for step in (
        lambda: run.select_splats_by(by="OPACITY", opacity=0.2),
        lambda: run.select_splats_by(by="STRAY"),
        lambda: run.delete_splats(),
    ):
        start = time.process_time()
        step()
        assert time.process_time() - start < 0.4
    assert selection.count(obj.data) < 100_000
