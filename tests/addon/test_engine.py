"""Rendering through a fake backend whose frames are one colour with a black top row."""

import math

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector

from skyworld_addon import preferences
from skyworld_addon.jobs import session
from skyworld_addon.scene import layers, ply
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
    return pixels_of(scene.render.filepath)


def pixels_of(file):
    """[H, W, 4], rows from the top."""
    image = bpy.data.images.load(str(file))
    width, height = image.size
    pixels = np.array(image.pixels[:]).reshape(height, width, 4)[::-1]
    bpy.data.images.remove(image)
    return pixels


def sky(scene, colour):
    """A world of one colour; of None: one whose colour at a direction is that direction, as far as it is positive."""
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    tree = scene.world.node_tree
    shader = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBackground")
    if colour is None:
        where = tree.nodes.new("ShaderNodeTexCoord")
        tree.links.new(where.outputs["Generated"], shader.inputs["Color"])
    else:
        shader.inputs["Color"].default_value = (*colour, 1)


def directions(scene, width=32, height=16):
    """[H, W, 3] of the rays through the pixels, in the world."""
    v, u = np.mgrid[:height, :width] + 0.5
    reach = math.tan(scene.camera.data.angle_x / 2) / (width / 2)
    rays = np.stack([(u - width / 2) * reach, (height / 2 - v) * reach, -np.ones_like(u)], -1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    return rays @ np.array(scene.camera.matrix_world.to_3x3()).T


def linear(v):
    v = np.asarray(v, float)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def test_standard_shows_the_rasterizers_colour_exactly(scene, backend, tmp_path):
    encoded = (0.5, 0.25, 0.125)
    backend.colour = linear(encoded)
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_depth = "8"
    pixels = render(scene, tmp_path, ".png")
    assert pixels.shape == (16, 32, 4)
    np.testing.assert_allclose(pixels[5, 5, :3], encoded, atol=0.6 / 255)
    assert pixels[0].max() <= 1 and (pixels[0, :, :3] == 0).all()  # the top row is at the top


def test_half_covered_pixels_lie_over_the_worlds_colour(scene, backend, tmp_path):
    backend.alpha, backend.colour = 0.5, (0.3, 0.2, 0.1)
    sky(scene, (0.1, 0.2, 0.3))
    pixels = render(scene, tmp_path)
    assert backend.frames[0]["background"] == pytest.approx((0.1, 0.2, 0.3))
    np.testing.assert_allclose(pixels[5, 5], (0.35, 0.3, 0.25, 1), atol=1e-4)


def test_a_transparent_film_keeps_alpha(scene, backend, tmp_path):
    backend.alpha, backend.colour = 0.5, (0.3, 0.2, 0.1)
    scene.render.film_transparent = True
    pixels = render(scene, tmp_path)
    assert backend.frames[0]["background"] is None
    np.testing.assert_allclose(pixels[5, 5], [0.3, 0.2, 0.1, 0.5], atol=1e-4)


def passes_of(path):
    """{name: [H, W, channels]} of a multi-layer EXR, read by itself: uncompressed, 32 bits, rows from the top."""
    data = path.read_bytes()
    at, attributes = 8, {}
    while data[at]:
        name, _, rest = data[at : at + 300].partition(b"\0")
        kind, _, rest = rest.partition(b"\0")
        at += len(name) + len(kind) + 2
        size = int.from_bytes(data[at : at + 4], "little")
        attributes[name.decode()] = data[at + 4 : at + 4 + size]
        at += 4 + size
    left, top, right, bottom = np.frombuffer(attributes["dataWindow"], "<i4")
    channels, text = [], attributes["channels"]
    while text[0]:
        name, _, text = text.partition(b"\0")
        channels.append((name.decode(), int.from_bytes(text[:4], "little")))
        text = text[16:]
    width, height = right - left + 1, bottom - top + 1
    rows = np.frombuffer(data[at + 1 + 8 * height :], np.uint8).reshape(height, -1)[:, 8:]
    pictures, start = {}, 0
    for name, kind in channels:
        size = width * (2 if kind == 1 else 4)
        row = np.ascontiguousarray(rows[:, start : start + size])
        pictures[name] = row.view("<f2" if kind == 1 else "<f4")
        start += size
    return pictures


def test_a_multilayer_exr_has_colour_alpha_and_depth_in_metres(scene, backend, tmp_path):
    scene.view_layers[0].use_pass_z, scene.render.film_transparent = True, True
    backend.alpha, backend.colour = 0.5, (0.3, 0.2, 0.1)
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE"
    image.file_format, image.color_depth, image.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
    if hasattr(image, "use_exr_interleave"):
        image.use_exr_interleave = True
    scene.render.filepath = str(tmp_path / "frame.exr")
    bpy.ops.render.render(write_still=True)
    pictures = passes_of(tmp_path / "frame.exr")
    combined = [pictures[f"ViewLayer.Combined.{c}"][5, 5] for c in "RGBA"]
    assert combined == pytest.approx((0.3, 0.2, 0.1, 0.5)) and (pictures["ViewLayer.Depth.Z"] == backend.depth).all()


def test_the_backend_gets_the_camera_and_the_splats_with_their_matrix(scene, backend, tmp_path):
    scene.camera.data.shift_x = 0.1
    render(scene, tmp_path)
    (view,) = backend.frames[0]["views"]
    camera = view["camera"]
    assert (camera["width"], camera["height"], camera["axes"]) == (32, 16, "opencv")
    f = 16 / math.tan(scene.camera.data.angle_x / 2)
    np.testing.assert_allclose(camera["K"], [[f, 0, 16 - 3.2], [0, f, 8], [0, 0, 1]], atol=1e-4)
    pose = np.array(scene.camera.matrix_world) @ np.diag([1, -1, -1, 1])
    np.testing.assert_allclose(camera["camera_to_world"], pose, atol=1e-5)
    matrix = np.array(view["matrices"][0]).reshape(4, 4)
    np.testing.assert_allclose(matrix, Matrix.Translation((1, 2, 3)))
    (sent,) = backend.splats.values()
    (tmp_path / "sent.ply").write_bytes(sent)
    assert len(ply.read(tmp_path / "sent.ply")) == 60


def test_a_border_renders_its_part_with_the_same_camera(scene, backend, tmp_path):
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.75
    scene.render.border_min_y, scene.render.border_max_y = 0.5, 1.0
    assert render(scene, tmp_path).shape == (8, 16, 4)
    K = np.array(backend.frames[0]["views"][0]["camera"]["K"])
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
    places = [frame["views"][0]["camera"]["camera_to_world"][1][3] for frame in backend.frames]
    assert places == sorted(places) and places[0] < places[-1]


def test_a_backend_that_dies_is_started_again_and_no_frame_is_lost(scene, local_backend, tmp_path):
    """Once between two frames, once while a frame is drawn; the files are those of an undisturbed animation."""
    preferences.get().backend, scene.frame_end = "LOCAL", 8
    killed = []

    def kill(scene, *_):
        if scene.frame_current in (3, 6):
            killed.append(session.process.process.pid)
            session.process.process.kill()

    for name, handler in (("calm", []), ("killed", [kill])):
        scene.render.filepath = str(tmp_path / name / "####")
        bpy.app.handlers.render_pre.extend(handler)
        bpy.ops.render.render(animation=True)
    bpy.app.handlers.render_pre.remove(kill)
    calm, disturbed = ([pixels_of(file) for file in sorted((tmp_path / name).iterdir())] for name in ("calm", "killed"))
    assert len(set(killed)) == 2 and len(calm) == 8
    assert np.array_equal(calm, disturbed)


def test_a_backend_that_dies_and_is_not_ours_ends_the_animation_with_a_sentence(scene, backend, tmp_path):
    scene.frame_end = 4

    def close(scene, *_):
        if scene.frame_current == 3:
            backend.close()

    bpy.app.handlers.render_pre.append(close)
    scene.render.filepath = str(tmp_path / "frames" / "####")
    try:
        with pytest.raises(RuntimeError, match="does not answer"):
            bpy.ops.render.render(animation=True)
    finally:
        bpy.app.handlers.render_pre.remove(close)
    files = sorted(path.stem for path in (tmp_path / "frames").iterdir())
    assert files in (["0001", "0002"], ["0001", "0002", "0003"]), "a frame that failed leaves no file"


@pytest.mark.parametrize("case", ["fisheye", "half a panorama", "no backend", "no camera"])
def test_what_cannot_be_rendered_is_said(scene, backend, tmp_path, case, monkeypatch):
    if case == "fisheye":
        scene.camera.data.type, words = "PANO", "lens"
    elif case == "half a panorama":
        scene.camera.data.type, scene.camera.data.panorama_type, words = "PANO", "EQUIRECTANGULAR", "all around"
        scene.camera.data.longitude_min = 0
    elif case == "no camera":
        scene.camera = None
        words = "(?i)camera"
    else:
        preferences.get().backend = "LOCAL"
        words = "not installed"
    with pytest.raises(RuntimeError, match=words):
        render(scene, tmp_path)


def project(camera, point):
    """Pixel of a world point through the backend's camera."""
    local = np.linalg.inv(camera["camera_to_world"]) @ (*point, 1)
    w = 1 if camera["model"] == "ortho" else local[2]
    return (np.array(camera["K"]) @ (local[0] / w, local[1] / w, 1))[:2]


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
@pytest.mark.parametrize(
    ("size", "aspect"), [((64, 32), (1, 1)), ((32, 64), (1, 1)), ((64, 32), (1, 2)), ((40, 40), (2, 1))]
)
def test_a_point_is_drawn_where_blender_sees_it(scene, backend, tmp_path, kind, fit, size, aspect):
    from bpy_extras.object_utils import world_to_camera_view

    render_, camera = scene.render, scene.camera.data
    render_.resolution_x, render_.resolution_y = (2 * side for side in size)
    render_.pixel_aspect_x, render_.pixel_aspect_y = aspect
    camera.type, camera.sensor_fit, camera.shift_x, camera.shift_y, camera.ortho_scale = kind, fit, 0.13, -0.2, 5
    render(scene, tmp_path)
    seen = backend.frames[0]["views"][0]["camera"]
    assert (seen["width"], seen["height"]) == size
    for offset in ((0.3, 0.2, -3), (-0.5, 0.7, -6)):
        point = scene.camera.matrix_world @ Vector(offset)
        x, y, _ = world_to_camera_view(scene, scene.camera, point)
        np.testing.assert_allclose(project(seen, point), (x * size[0], (1 - y) * size[1]), atol=1e-3)


def test_a_panorama_is_drawn_whole_and_a_border_cut_from_it(scene, backend, tmp_path):
    camera = scene.camera.data
    camera.type, camera.panorama_type = "PANO", "EQUIRECTANGULAR"
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.5, 1.0
    scene.render.border_min_y, scene.render.border_max_y = 0.5, 1.0
    pixels = render(scene, tmp_path)
    seen = backend.frames[0]["views"][0]["camera"]
    assert (seen["model"], seen["width"], seen["height"], pixels.shape[:2]) == ("equirect", 32, 16, (8, 16))
    assert (pixels[0, :, :3] == 0).all() and pixels[1, 0, 0] > 0  # the top row is in it


def eyes(scene, backend, tmp_path):
    """The left and the right eye's views of a stereo render: of the queries that the pictures in the files are of."""
    scene.render.use_multiview, scene.render.image_settings.file_format = True, "PNG"
    scene.render.filepath = str(tmp_path / "eye.png")
    queries = []

    def colour(query):
        queries.append(query)
        return ((1, 0, 0), (0, 1, 0))[len(queries) - 1]

    backend.colour = colour
    bpy.ops.render.render(write_still=True)
    assert {file.name for file in tmp_path.glob("eye*")} == {"eye_L.png", "eye_R.png"} and len(queries) == 2
    shown = [pixels_of(tmp_path / f"eye_{side}.png")[8, 16, :2].argmax() for side in "LR"]
    assert sorted(shown) == [0, 1]
    return [queries[number]["views"][0] for number in shown]


def test_each_eye_of_a_stereo_panorama_has_its_own_place(scene, backend, tmp_path):
    camera = scene.camera.data
    camera.type, camera.panorama_type = "PANO", "EQUIRECTANGULAR"
    camera.stereo.use_spherical_stereo, camera.stereo.interocular_distance = True, 0.07
    camera.stereo.convergence_mode, camera.stereo.use_pole_merge = "PARALLEL", True
    left, right = eyes(scene, backend, tmp_path)
    assert left["eye"]["offset"] == pytest.approx(-0.035) and right["eye"]["offset"] == pytest.approx(0.035)
    assert left["camera"] == right["camera"] and left["eye"]["convergence"] is None and left["eye"]["fade"]


def test_the_two_eyes_of_a_perspective_camera_converge(scene, backend, tmp_path):
    stereo = scene.camera.data.stereo
    stereo.interocular_distance, stereo.convergence_distance, stereo.convergence_mode = 0.1, 4.0, "OFFAXIS"
    left, right = (view["camera"] for view in eyes(scene, backend, tmp_path))
    apart = np.array(right["camera_to_world"])[:3, 3] - np.array(left["camera_to_world"])[:3, 3]
    np.testing.assert_allclose(apart, 0.1 * np.array(scene.camera.matrix_world)[:3, 0], atol=1e-5)
    meeting = scene.camera.matrix_world @ Vector((0.4, 0.1, -4))
    np.testing.assert_allclose(project(left, meeting), project(right, meeting), atol=0.01)


def test_motion_blur_is_the_mean_over_the_open_shutter(scene, backend, tmp_path):
    hill = bpy.data.objects["hill"]
    hill.keyframe_insert("location", frame=1)
    hill.location.x += 2
    hill.keyframe_insert("location", frame=3)
    scene.render.use_motion_blur, scene.render.motion_blur_shutter, scene.skyworld_render.samples = True, 0.5, 8
    scene.frame_set(2)
    render(scene, tmp_path)
    (query,) = backend.frames
    places = np.array([view["matrices"][0][3] for view in query["views"]])
    poses = np.array([view["camera"]["camera_to_world"] for view in query["views"]])
    assert len(places) == 8 and places.mean() == pytest.approx(2, abs=0.01)
    assert np.all(np.diff(places) > 0) and 0.4 < np.ptp(places) < 0.7  # metres; eased keys
    assert np.ptp(poses[:, :3, 3], axis=0).max() > 0, "the camera flies meanwhile"
    assert hill.matrix_world.translation.x == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("blades", [0, 6])
def test_depth_of_field_keeps_sharp_what_is_in_focus(scene, backend, tmp_path, blades):
    dof = scene.camera.data.dof
    dof.use_dof, dof.focus_distance, dof.aperture_fstop, dof.aperture_blades = True, 3.0, 1.4, blades
    scene.skyworld_render.samples = 12
    render(scene, tmp_path)
    cameras = [view["camera"] for view in backend.frames[0]["views"]]
    assert len(cameras) == 12
    sharp, far = (scene.camera.matrix_world @ Vector((0.2, 0.1, -z)) for z in (3, 9))
    assert np.ptp([project(camera, sharp) for camera in cameras], axis=0).max() < 1e-4
    blur = np.array([project(camera, far) for camera in cameras])
    radius = scene.camera.data.lens * 1e-3 / 2.8
    circle = radius * cameras[0]["K"][0][0] * (1 / 3 - 1 / 9)
    reach = np.linalg.norm(blur - blur.mean(0), axis=1).max()
    assert 0.75 * circle < reach < 1.1 * circle


def test_the_focus_follows_its_object(scene, backend, tmp_path):
    target = bpy.data.objects.new("sharp", None)
    scene.collection.objects.link(target)
    target.location = scene.camera.matrix_world @ Vector((1, 0.5, -5))
    scene.camera.data.dof.use_dof, scene.camera.data.dof.focus_object = True, target
    render(scene, tmp_path)
    cameras = [view["camera"] for view in backend.frames[0]["views"]]
    assert np.ptp([project(camera, target.location) for camera in cameras], axis=0).max() < 1e-3


def cube(scene, place, colour=(0.8, 0.1, 0.1)):
    bpy.ops.mesh.primitive_cube_add(size=1, location=place)
    cube = bpy.context.object
    cube.data.materials.append(emitting(colour))
    scene.cycles.samples, scene.cycles.use_denoising = 8, False
    return cube


def emitting(colour):
    material = bpy.data.materials.new("glow")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    glow, output = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeOutputMaterial")
    glow.inputs["Color"].default_value = (*colour, 1)
    tree.links.new(glow.outputs[0], output.inputs[0])
    return material


def test_cycles_draws_the_objects_over_the_back_layer(scene, backend, tmp_path):
    obj = cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    backend.alpha, backend.colour = 0.5, (0.3, 0.2, 0.1)
    scene.render.film_transparent = True
    pixels = render(scene, tmp_path)
    (query,) = backend.frames
    assert query["layers"] == ["front", "back", "depth"] and query["background"] is None
    np.testing.assert_allclose(pixels[8, 16], (0.8, 0.1, 0.1, 1), atol=1e-3)
    np.testing.assert_allclose(pixels[4, 1], (0.3, 0.2, 0.1, 0.5), atol=1e-3)
    mesh = backend.splats[query["views"][0]["occluders"]]
    assert b"element vertex 8" in mesh and b"element face 12" in mesh
    vertices = np.frombuffer(mesh, "<f4", 24, mesh.index(b"end_header\n") + 11).reshape(8, 3)
    np.testing.assert_allclose(vertices.mean(0), obj.location, atol=1e-5)
    assert not scene.render.use_border and bpy.data.objects["hill"].visible_camera


def test_the_world_lies_behind_objects_and_splats(scene, backend, tmp_path):
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    backend.alpha, backend.colour = 0.5, (0.3, 0.2, 0.1)
    sky(scene, (0.1, 0.2, 0.3))
    pixels = render(scene, tmp_path)
    np.testing.assert_allclose(pixels[4, 1], (0.35, 0.3, 0.25, 1), atol=1e-3)
    np.testing.assert_allclose(pixels[8, 16], (0.8, 0.1, 0.1, 1), atol=1e-3)


@pytest.mark.parametrize("objects", ["CYCLES", "NONE"])
def test_a_sky_of_many_colours_lies_behind_objects_and_splats(scene, backend, tmp_path, objects):
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    sky(scene, None)
    backend.alpha, backend.colour, scene.skyworld_render.objects = 0.5, (0.3, 0.2, 0.1), objects
    pixels = render(scene, tmp_path)
    seen = np.array(backend.colour) + 0.5 * directions(scene)
    np.testing.assert_allclose(pixels[2:6, 1:5, :3], seen[2:6, 1:5], atol=0.01)
    middle = (0.8, 0.1, 0.1) if objects == "CYCLES" else seen[8, 16]
    np.testing.assert_allclose(pixels[8, 16], (*middle, 1), atol=0.02)
    assert (pixels[..., 3] == 1).all()


@pytest.mark.parametrize("objects", ["CYCLES", "NONE"])
def test_splats_of_an_instanced_collection_are_the_backends_and_objects_cycles(scene, backend, tmp_path, objects):
    home = bpy.data.collections.new("asset")
    for obj in (bpy.data.objects["hill"], cube(scene, (0, 0, 0))):
        scene.collection.objects.unlink(obj)
        home.objects.link(obj)
        obj.location = 0, 0, 0
    instance = bpy.data.objects.new("instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", home
    instance.location = scene.camera.matrix_world @ Vector((0, 0, -4))
    scene.collection.objects.link(instance)
    sky(scene, None)
    backend.alpha, backend.colour, scene.skyworld_render.objects = 0.0, (0, 0, 0), objects
    is_sky = np.abs(render(scene, tmp_path)[..., :3] - directions(scene)).max(-1) < 0.02
    assert len(backend.frames[0]["splats"]) == 1
    assert is_sky.all() if objects == "NONE" else 0.7 < is_sky.mean() < 0.95 and not is_sky[8, 16]


def test_objects_need_no_splats(scene, backend, tmp_path):
    bpy.data.objects["hill"].hide_render = True
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    assert render(scene, tmp_path)[8, 16, 0] == pytest.approx(0.8, abs=1e-3) and not backend.frames


def test_shadow_catchers_and_hidden_objects_split_nothing(scene, backend, tmp_path):
    catcher, hidden = (cube(scene, scene.camera.matrix_world @ Vector((x, 0, -4))) for x in (-1, 1))
    catcher.is_shadow_catcher, hidden.hide_render = True, True
    render(scene, tmp_path)
    assert backend.frames[0]["views"][0]["occluders"] is None


def test_splats_only_leaves_the_objects_out(scene, backend, tmp_path):
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    scene.skyworld_render.objects = "NONE"
    render(scene, tmp_path)
    (query,) = backend.frames
    assert query["views"][0]["occluders"] is None and query["layers"] == ["combined", "depth"]


def test_the_backend_draws_the_next_frame_while_blender_writes_this_one(scene, backend, tmp_path):
    cube(scene, (0, 5, 1)).keyframe_insert("location", frame=1)
    bpy.context.object.location.x = 1
    bpy.context.object.keyframe_insert("location", frame=3)
    scene.skyworld_render.objects = "LAYERS"
    scene.render.filepath = str(tmp_path / "frames" / "####")
    bpy.ops.render.render(animation=True)
    assert len(backend.frames) == 3, "each frame is drawn once: the guesses were right"


def test_after_an_animation_a_still_asks_for_its_own_frame_only(scene, backend, tmp_path):
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    bpy.ops.skyworld.set_up_compositing()
    scene.render.filepath = str(tmp_path / "frames" / "####")
    bpy.ops.render.render(animation=True)
    assert len(backend.frames) == 3
    scene.frame_set(1)
    render(scene, tmp_path)
    assert len(backend.frames) == 4


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


def test_the_compositor_lays_splats_around_what_cycles_draws(scene, backend, tmp_path):
    """Front and back are distinct in the fake backend; where the cube is, the back is hidden."""
    backend.colour, backend.alpha = (0.3, 0.2, 0.1), 0.5
    scene.render.engine, scene.render.film_transparent = "CYCLES", True
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    assert bpy.ops.skyworld.set_up_compositing() == {"FINISHED"}
    pixels = render(scene, tmp_path)
    np.testing.assert_allclose(pixels[8, 16], (0.8, 0.1, 0.1, 1), atol=2e-3)
    np.testing.assert_allclose(pixels[4, 1], (0.3, 0.2, 0.1, 0.5), atol=2e-3)
    (query,) = backend.frames
    assert query["layers"] == ["combined", "front", "back", "depth"] and query["views"][0]["occluders"]
    np.testing.assert_allclose(np.array(query["views"][0]["matrices"][0]).reshape(4, 4), Matrix.Translation((1, 2, 3)))


def test_the_layers_follow_their_scene_and_the_button_twice_adds_nothing(scene, backend, tmp_path):
    backend.colour, backend.alpha = (0.3, 0.2, 0.1), 0.5
    scene.render.engine = "CYCLES"
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    sky(scene, (0.1, 0.2, 0.3))
    for _ in range(2):
        bpy.ops.skyworld.set_up_compositing()
    assert len(bpy.data.scenes) == 2 and sum(room.is_splats(obj) for obj in bpy.data.objects) == 2
    scene.render.resolution_x, bpy.data.objects["hill"].location.z = 80, 4
    other = cube(scene, (9, 9, 9))
    layers.tick()
    pixels = render(scene, tmp_path)
    assert pixels.shape == (16, 40, 4)
    np.testing.assert_allclose(pixels[4, 1], (0.35, 0.3, 0.25, 1), atol=2e-3)
    assert backend.frames[0]["views"][0]["matrices"][0][11] == 4
    assert other.name in bpy.data.scenes["SkyWorld Splats"].objects


def test_the_compositor_lays_the_world_behind_objects_and_splats(scene, backend, tmp_path):
    backend.colour, backend.alpha = (0.3, 0.2, 0.1), 0.5
    scene.render.engine = "CYCLES"
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    sky(scene, None)
    bpy.ops.skyworld.set_up_compositing()
    pixels = render(scene, tmp_path)
    seen = np.array(backend.colour) + 0.5 * directions(scene)
    np.testing.assert_allclose(pixels[2:6, 1:5, :3], seen[2:6, 1:5], atol=0.01)
    np.testing.assert_allclose(pixels[8, 16], (0.8, 0.1, 0.1, 1), atol=0.01)


def sent_means(backend):
    """[N, 3] of the splats of the last frame."""
    (digest,) = backend.frames[-1]["splats"]
    head, _, body = backend.splats[digest].partition(b"end_header\n")
    N = int(head.split(b"element vertex ")[1].split()[0])
    return np.frombuffer(body, "<f4").reshape(N, -1)[:, :3]


@pytest.mark.parametrize("is_composited", [False, True])
def test_what_a_crop_leaves_is_what_is_rendered(scene, backend, tmp_path, is_composited):
    from skyworld_addon.scene import crop

    hill = bpy.data.objects["hill"]
    volume = crop.add_volume("half", (0, -9, -9), (9, 9, 9), hill.matrix_world, scene.collection)
    if is_composited:
        scene.render.engine = "CYCLES"
        bpy.ops.skyworld.set_up_compositing()
    crop.add(hill, volume)
    layers.tick()
    means = room.positions(hill.data)
    render(scene, tmp_path)
    np.testing.assert_allclose(sent_means(backend), means[means[:, 0] > 0])
    volume.location.x += 4.5
    render(scene, tmp_path)
    assert len(backend.frames) == 1, "nothing is left, and nothing is asked for"
    hill.modifiers.clear()
    layers.tick()
    render(scene, tmp_path)
    assert len(sent_means(backend)) == 60


def test_splats_that_are_hidden_with_their_collection_are_no_layer(scene, backend, tmp_path):
    home = bpy.data.collections.new("world")
    scene.collection.children.link(home)
    hill = bpy.data.objects["hill"]
    scene.collection.objects.unlink(hill)
    home.objects.link(hill)
    scene.render.engine = "CYCLES"
    bpy.ops.skyworld.set_up_compositing()
    home.hide_render = True
    layers.tick()
    render(scene, tmp_path)
    assert not backend.frames


def test_an_engine_without_shadow_catchers_gets_the_shadows_with_the_layers(scene, backend, tmp_path):
    backend.colour, backend.alpha, scene.render.engine = (0.3, 0.2, 0.1), 1, "BLENDER_WORKBENCH"
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    scene.collection.objects.link(sun)
    sun.rotation_euler = scene.camera.matrix_world.to_euler()
    ground = cube(scene, scene.camera.matrix_world @ Vector((0, 0, -9)))
    ground.scale, ground.is_shadow_catcher = (9, 0.1, 9), True
    ground.data.materials.clear()
    blocker = cube(scene, scene.camera.matrix_world @ Vector((-1, 0, -4)))
    blocker.visible_camera = False
    cube(scene, scene.camera.matrix_world @ Vector((1, 0, -4)))
    bpy.ops.skyworld.set_up_compositing()
    layered = layers.scene_of(scene)
    layered.render.image_settings.file_format = "OPEN_EXR"
    layered.cycles.use_denoising, layered.render.filepath = False, str(tmp_path / "layers.exr")
    bpy.ops.render.render(write_still=True, scene=layered.name)
    pixels = pixels_of(layered.render.filepath)
    assert pixels[8, :16, 0].min() < 0.05 and pixels[8, 31, 0] == pytest.approx(0.3, abs=0.01)
    assert b"element vertex 8" in backend.splats[backend.frames[0]["views"][0]["occluders"]], "one cube is seen"


def test_a_frame_that_lacks_its_layers_cannot_be_taken_for_a_good_one(scene, backend, tmp_path):
    scene.render.engine = "CYCLES"
    cube(scene, scene.camera.matrix_world @ Vector((0, 0, -4)))
    bpy.ops.skyworld.set_up_compositing()
    backend.close()
    pixels = render(scene, tmp_path)
    assert (pixels == (1, 0, 1, 1)).all(), "the colour of what is missing"


def test_compositing_is_refused_where_there_is_nothing_to_lay(scene, backend):
    assert not bpy.ops.skyworld.set_up_compositing.poll()
    scene.render.engine = "CYCLES"
    bpy.data.objects.remove(bpy.data.objects["hill"])
    with pytest.raises(RuntimeError, match="no splats"):
        bpy.ops.skyworld.set_up_compositing()
