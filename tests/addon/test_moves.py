"""Camera moves: what they show, that they stay editable, and that they keep clear of the world."""

import math

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from skyworld_addon.scene import curves, splats, views
from skyworld_addon.scene.ply import Splats
from skyworld_addon.scene.surroundings import Surroundings


def scene_camera(location=(1.0, -3.0, 1.6), yaw=0.0, angle=1.0):
    scene = bpy.context.scene
    data = bpy.data.cameras.new("start")
    data.sensor_fit, data.angle = "HORIZONTAL", angle
    camera = bpy.data.objects.new("start", data)
    scene.collection.objects.link(camera)
    camera.matrix_world = Matrix.LocRotScale(location, Euler((math.pi / 2, 0, yaw)), None)
    scene.camera = camera
    bpy.context.view_layer.update()
    return camera


def poses(frames):
    scene, found = bpy.context.scene, []
    for frame in frames:
        scene.frame_set(frame)
        found.append(np.array(scene.camera.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world))
    return np.array(found)


def cloud(points):
    """Solid grey splats at points [N, 3]."""
    count = len(points)
    made = Splats(
        means=np.asarray(points, np.float32),
        scales=np.full((count, 3), 0.05, np.float32),
        quats=np.tile(np.float32([1, 0, 0, 0]), (count, 1)),
        opacities=np.full(count, 0.9, np.float32),
        dc=np.zeros((count, 3), np.float32),
        sh=np.zeros((0, count, 3), np.float32),
    )
    return splats.add("cloud", made, bpy.context.scene.collection)


def ground_points(height=lambda x, y: 0.1 * x):
    x, y = np.meshgrid(np.arange(-10, 10, 0.2), np.arange(-10, 10, 0.2))
    return np.stack([x, y, height(x, y)], -1).reshape(-1, 3)


@pytest.mark.parametrize(("move", "way"), [("DOLLY", (0, 1, 0)), ("TRUCK", (1, 0, 0)), ("CRANE", (0, 0, 1))])
def test_a_straight_move_begins_at_the_cameras_pose_and_goes_its_way(move, way):
    scene_camera()
    assert bpy.ops.skyworld.add_move(move=move, distance=2.0, frames=11, ease=False) == {"FINISHED"}
    seen = poses([1, 6, 11])
    np.testing.assert_allclose(seen[0, :3, 3], (1, -3, 1.6), atol=1e-4)
    np.testing.assert_allclose(seen[2, :3, 3] - seen[0, :3, 3], 2 * np.array(way), atol=1e-3)
    np.testing.assert_allclose(seen[1, :3, 3], (seen[0, :3, 3] + seen[2, :3, 3]) / 2, atol=2e-2)
    assert bpy.context.scene.camera.data.angle == pytest.approx(1.0, abs=1e-4)
    if move != "CRANE":
        np.testing.assert_allclose(seen[2, :3, :3], seen[0, :3, :3], atol=1e-4)
    else:
        assert seen[2, 2, 2] > 0.2, "a crane looks down at what it rises above"


def test_a_walk_is_at_eye_height_above_the_ground_and_looks_along_the_curve():
    cloud(ground_points())
    path = curves.add_path("drawn", np.array([(-6, 0, 3), (0, 2, 0), (6, 0, -1)]), bpy.context.scene.collection)
    bpy.context.view_layer.objects.active = path
    bpy.context.view_layer.update()
    assert bpy.ops.skyworld.add_walk(height=1.7, frames=50) == {"FINISHED"}
    seen = poses([1, 25, 50])
    np.testing.assert_allclose(seen[:, 2, 3], 0.1 * seen[:, 0, 3] + 1.7, atol=0.12)
    assert (-seen[:, 0, 2] > 0.8).all(), "it looks ahead"
    assert (np.abs(seen[:, 2, 0]) < 0.02).all(), "and stands upright"


def test_a_walk_without_splats_says_so_and_keeps_the_curves_height():
    path = curves.add_path("drawn", np.array([(-6, 0, 0.5), (6, 0, 0.5)]), bpy.context.scene.collection)
    bpy.context.view_layer.objects.active = path
    assert bpy.ops.skyworld.add_walk(height=1.5, frames=5) == {"FINISHED"}
    assert poses([1])[0, 2, 3] == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("kind", ["NURBS", "POLY"])
def test_a_walk_follows_what_is_drawn_whatever_kind_of_curve_it_is(kind):
    cloud(ground_points(lambda x, y: 0 * x))
    curve = bpy.data.curves.new("drawn", "CURVE")
    curve.dimensions, curve.bevel_depth = "3D", 0.2
    spline = curve.splines.new(kind)
    corners = [(-5, 0, 0), (-5, 5, 0), (5, 5, 0), (5, 0, 0)]
    spline.points.add(3)
    for point, corner in zip(spline.points, corners, strict=True):
        point.co = (*corner, 1)
    spline.use_endpoint_u = True
    drawn = bpy.data.objects.new("drawn", curve)
    bpy.context.scene.collection.objects.link(drawn)
    bpy.context.view_layer.objects.active = drawn
    bpy.context.view_layer.update()
    mesh = drawn.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bpy.ops.skyworld.add_walk(frames=41)
    seen = poses(range(1, 42))[:, :3, 3]
    np.testing.assert_allclose(seen[[0, -1], :2], [(-5, 0), (5, 0)], atol=0.05)
    highest = {"NURBS": 3.75, "POLY": 5.0}[kind]  # a cubic over four points passes three quarters of the way up
    assert seen[:, 1].max() == pytest.approx(highest, abs=0.15)
    assert {obj.name for obj in bpy.data.objects} == {"cloud", "drawn", "Walk Path", "Walk Camera"}
    assert drawn.data.bevel_depth == pytest.approx(0.2) and mesh


def test_a_curve_that_is_still_being_drawn_is_walked_along():
    path = curves.add_path("drawn", np.array([(-6, 0, 0), (6, 0, 0)], float), bpy.context.scene.collection)
    bpy.context.view_layer.objects.active = path
    bpy.ops.object.mode_set(mode="EDIT")
    assert bpy.ops.skyworld.add_walk(frames=5) == {"FINISHED"}
    assert bpy.context.mode == "OBJECT" and bpy.context.object.name == "Walk Path"


def test_every_move_goes_at_even_speed_unless_its_start_and_stop_are_soft():
    cloud(ground_points(lambda x, y: 0 * x))
    path = curves.add_path("drawn", np.array([(-6, 0, 3), (0, 4, 0), (3, 4, 0)], float), bpy.context.scene.collection)
    moves = {"add_walk": {}, "add_flythrough": {}, "add_orbit": {"around": "CURSOR"}, "add_move": {"distance": 3.0}}
    for move, options in moves.items():
        for ease in (False, True):
            bpy.context.view_layer.objects.active = path
            bpy.context.view_layer.update()
            getattr(bpy.ops.skyworld, move)(frames=61, ease=ease, **options)
            speed = np.linalg.norm(np.diff(poses(range(1, 62))[:, :3, 3], axis=0), axis=1)
            middle = speed[15:-15]
            assert middle.max() < 1.08 * middle.min(), (move, ease)
            assert (speed[0] < 0.4 * middle.mean()) if ease else (speed[0] > 0.9 * middle.mean()), (move, ease)


def three_views():
    home = bpy.context.scene.collection
    places, yaws, angles = [(0, 0, 1.6), (3, 1, 2), (4, 5, 1)], [0.0, -1.0, 0.5], [1.2, 0.6, 0.9]
    made = [
        views.add_view(home, Matrix.LocRotScale(place, Euler((math.pi / 2, 0, yaw)), None), angle)
        for place, yaw, angle in zip(places, yaws, angles, strict=True)
    ]
    bpy.context.view_layer.update()
    return made, np.array(places, float), angles


@pytest.mark.parametrize("ease", [False, True])
def test_a_fly_through_passes_every_view_with_its_direction_and_angle(ease):
    made, places, angles = three_views()
    assert bpy.ops.skyworld.fly_through_views(frames=601, ease=ease) == {"FINISHED"}
    frames = range(1, 602, 4)
    scene, seen, shown = bpy.context.scene, poses(frames), []
    for frame in frames:
        scene.frame_set(frame)
        shown.append(scene.camera.data.angle_x)
    for view, place, angle in zip(made, places, angles, strict=True):
        apart = np.linalg.norm(seen[:, :3, 3] - place, axis=1)
        nearest = apart.argmin()
        assert apart[nearest] < 0.03
        np.testing.assert_allclose(seen[nearest, :3, :3], np.array(view.matrix_world)[:3, :3], atol=0.05)
        assert shown[nearest] == pytest.approx(angle, abs=0.03)
    speed = np.linalg.norm(np.diff(seen[:, :3, 3], axis=0), axis=1)
    middle = speed[len(speed) // 4 : -len(speed) // 4]
    assert middle.max() < 1.1 * middle.min(), "the speed is even"
    assert speed[0] < 0.5 * middle.mean() if ease else speed[0] > 0.9 * middle.mean()


def test_only_selected_views_are_flown_through_when_there_are_two():
    made, _, _ = three_views()
    for view in made:
        view.select_set(view is not made[1])
    bpy.ops.skyworld.fly_through_views(frames=10)
    path = bpy.context.object
    assert len(path.data.splines[0].bezier_points) == 2


def test_views_need_two_places_to_fly_between():
    assert not bpy.ops.skyworld.fly_through_views.poll()
    views.add_view(bpy.context.scene.collection, Matrix(), 1.0)
    views.add_view(bpy.context.scene.collection, Matrix(), 1.0)
    with pytest.raises(RuntimeError, match="stand in one place"):
        bpy.ops.skyworld.fly_through_views()


def test_add_view_keeps_the_cameras_pose_and_angle():
    camera = scene_camera(yaw=0.7, angle=0.8)
    bpy.ops.skyworld.add_view()
    (view,) = views.views_of(bpy.context.scene.collection)
    np.testing.assert_allclose(np.array(view.matrix_world), np.array(camera.matrix_world), atol=1e-6)
    assert view.data.angle_x == pytest.approx(0.8)


def test_a_path_bends_round_what_stands_in_its_way_and_stays_where_it_was_elsewhere():
    post = np.stack([np.zeros(41), np.zeros(41), np.linspace(0, 3, 41)], 1)
    cloud(post)
    home = bpy.context.scene.collection
    path = curves.add_path("path", np.array([(-5, 0.05, 1.5), (5, 0.05, 1.5)]), home)
    bpy.context.view_layer.objects.active = path
    bpy.context.view_layer.update()
    assert bpy.ops.skyworld.keep_clear(distance=0.6) == {"FINISHED"}
    points, _ = curves.sampled(path)
    assert np.linalg.norm(points[:, :2], axis=1).min() > 0.55
    np.testing.assert_allclose(points[[0, -1]], [(-5, 0.05, 1.5), (5, 0.05, 1.5)], atol=0.05)


def test_the_ground_is_found_under_what_stands_on_it():
    roof = ground_points(lambda x, y: 6 + 0 * x)[::7]
    found = Surroundings(np.concatenate([ground_points(), roof])).ground(np.array([[0.0, 0, 9], [5, -3, 0]]))
    np.testing.assert_allclose(found, [0, 0.5], atol=0.08)


def test_banking_leans_into_the_bend_and_zero_levels_it():
    home = bpy.context.scene.collection
    left_bend = np.array([(0, 0, 0), (0, 4, 0), (-4, 8, 0)], float)
    path = curves.add_path("path", left_bend, home)
    camera = curves.add_camera("camera", path, (1, 101), home)
    bpy.context.scene.camera = camera
    bpy.context.view_layer.objects.active = path
    bpy.ops.skyworld.bank_path(amount=2.0)
    right_arm = poses([50])[0, :3, 0]
    assert right_arm[2] > 0.05, "in a bend to the left the right side rises"
    bpy.ops.skyworld.bank_path(amount=0.0)
    assert abs(poses([50])[0, 2, 0]) < 1e-3


def test_look_at_target_and_focal_zoom_change_the_scenes_camera():
    camera = scene_camera(angle=1.0)
    bpy.context.scene.cursor.location = (4, -3, 1.6)
    bpy.ops.skyworld.look_at_target()
    ahead = -Vector(poses([1])[0, :3, 2])
    assert ahead.dot(Vector((1, 0, 0))) > 0.999
    bpy.context.scene.frame_end = 21
    bpy.ops.skyworld.focal_zoom(to=0.4)
    shown = []
    for frame in (1, 21):
        bpy.context.scene.frame_set(frame)
        shown.append(camera.data.angle_x)
    assert shown == pytest.approx([1.0, 0.4], abs=1e-3)
