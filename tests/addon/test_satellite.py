"""Cities of satellite images: what the panel asks for, and a city in the scene, at its place on the Earth."""

import json
import math
import struct

import bpy
import numpy as np
import pytest

from skyworld_addon import parameters, preferences
from skyworld_addon.operators import satellite
from skyworld_addon.scene import camera_files, georeference, ply, world

PLACE = {"crs": "WGS84 ENU", "latitude": 48.5, "longitude": 2.25, "altitude": 61.0, "epsg": 32631}
RADIUS, TARGET = 300.0, (5.0, -4.0, 12.0)


@pytest.fixture
def images(tmp_path):
    names = ("lyon_a.tif", "lyon_b.tif", "lyon_c.tif")
    for name in names:
        (tmp_path / name).write_bytes(b"")
    bpy.ops.skyworld.add_satellite_images(directory=str(tmp_path), files=[{"name": name} for name in names])
    return [str(tmp_path / name) for name in names]


@pytest.fixture
def city(tmp_path, splats):
    """A city as a job leaves it: its place on the Earth, and a path around it at 17 degrees."""
    root = tmp_path / "lyon_city"
    (root / "cameras").mkdir(parents=True)
    ply.write(root / "splats.ply", splats(200, 1))
    e, poses = world.ELEVATION, []
    for angle in np.linspace(0, 2 * math.pi, 24, endpoint=False):
        back = np.array([math.sin(angle) * math.cos(e), math.cos(angle) * math.cos(e), math.sin(e)])
        right = np.cross((0, 0, 1), back) / math.cos(e)
        axes = np.stack([right, np.cross(back, right), back], 1)
        poses.append(np.block([[axes, (TARGET + RADIUS * back)[:, None]], [np.zeros((1, 3)), 1]]))
    K = np.tile([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]], (24, 1, 1))
    camera_files.write(root / world.ORBIT, camera_files.CameraPath(np.array(poses), K, 160, 120, 24))
    document = {"format": 1, "name": "lyon_city", "georeference": PLACE, "satellite": {"images": ["a"]}}
    (root / "world.json").write_text(json.dumps(document))
    return root


def group():
    return bpy.context.scene.skyworld_city


def test_images_are_added_once_and_removed_by_their_cross(images, tmp_path):
    bpy.ops.skyworld.add_satellite_images(directory=str(tmp_path), files=[{"name": "lyon_b.tif"}])
    assert satellite.images_of(group()) == images
    bpy.ops.skyworld.remove_satellite_image(index=1)
    assert satellite.images_of(group()) == [images[0], images[2]]


def test_a_scene_folder_takes_the_place_of_the_images_and_they_of_it(images, tmp_path):
    bpy.ops.skyworld.choose_satellite_scene(directory=str(tmp_path) + "/")
    assert satellite.images_of(group()) == [str(tmp_path)]
    bpy.ops.skyworld.add_satellite_images(directory=str(tmp_path), files=[{"name": "lyon_a.tif"}])
    assert satellite.images_of(group()) == images[:1]


def test_the_button_posts_the_images_as_a_list_and_the_area_as_four_numbers(backend, pump, images, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    group().use_area, group().area = True, (48.1, 2.2, 48.2, 2.3)
    assert bpy.ops.skyworld.generate_city() == {"FINISHED"}
    pump(lambda: backend.jobs)
    job, wish = backend.jobs[0], backend.jobs[0]["parameters"]
    assert job["kind"] == "satellite_city" and wish["images"] == images and wish["quality"] == "preview"
    np.testing.assert_allclose(wish["area"], (48.1, 2.2, 48.2, 2.3), atol=4e-6)
    assert wish["output"] == str(tmp_path / "SkyWorld" / "lyon_city")


def test_without_an_area_all_that_the_images_share_is_taken(images):
    assert "area" not in parameters.to_json(group(), "satellite_city")


def test_without_images_the_buttons_are_off_and_a_lost_image_is_told(images):
    group().images = images[0] + ";/nowhere/x.tif"
    with pytest.raises(RuntimeError, match=r"x\.tif.*no such image"):
        bpy.ops.skyworld.generate_city()
    group().images = ""
    assert not bpy.ops.skyworld.generate_city.poll() and not bpy.ops.skyworld.show_satellite_area.poll()


def test_after_the_overview_a_share_of_the_common_ground_can_be_taken(backend, pump, images):
    with pytest.raises(RuntimeError, match="Show Area first"):
        bpy.ops.skyworld.take_satellite_middle(percent=50)
    bpy.ops.skyworld.show_satellite_area()
    pump(lambda: backend.jobs)
    job = backend.jobs[0]
    assert job["kind"] == "satellite_overview" and set(job["parameters"]) == {"images", "output"}
    folder = satellite.Path(job["parameters"]["output"])
    folder.mkdir(exist_ok=True)
    (folder / satellite.FOOTPRINTS).write_text('{"shared": [48.0, 2.0, 48.4, 2.8]}')
    backend.move(job, "running")
    backend.move(job, "done")
    pump(lambda: satellite.last_overview(group()))
    bpy.ops.skyworld.take_satellite_middle(percent=50)
    assert group().use_area
    np.testing.assert_allclose(group().area, (48.1, 2.2, 48.3, 2.6), atol=4e-6)


def test_a_city_stands_at_its_place_and_is_circled_at_17_degrees(city):
    bpy.ops.skyworld.import_world(directory=str(city))
    scene, collection = bpy.context.scene, bpy.data.collections["lyon_city"]
    for owner in (scene, collection):
        assert (owner["SRID"], owner["latitude"], owner["altitude"]) == ("EPSG:32631", 48.5, 61.0)
    assert scene.unit_settings.scale_length == 1.0 and collection.skyworld.city
    for frame in (1, 40):
        scene.frame_set(frame)
        away = np.array(scene.camera.matrix_world)[:3, 3] - TARGET
        assert math.degrees(math.asin(away[2] / np.linalg.norm(away))) == pytest.approx(17, abs=0.1)
        assert np.linalg.norm(away) == pytest.approx(RADIUS, rel=2e-3)
        assert -np.array(scene.camera.matrix_world)[:3, 2] @ away == pytest.approx(-RADIUS, rel=2e-3)


def test_another_orbit_over_a_city_stands_at_17_degrees_or_as_it_is_told(city):
    bpy.ops.skyworld.import_world(directory=str(city))
    bpy.ops.skyworld.add_orbit()
    assert bpy.context.object.location.z == pytest.approx(TARGET[2] + RADIUS * math.sin(math.radians(17)), abs=0.1)
    bpy.ops.skyworld.add_orbit(elevation=math.radians(45))
    assert bpy.context.object.location.z == pytest.approx(TARGET[2] + RADIUS * math.sin(math.radians(45)), abs=0.1)


def test_a_second_city_elsewhere_leaves_the_scenes_place_alone(city):
    bpy.ops.skyworld.import_world(directory=str(city))
    (city / "world.json").write_text(
        json.dumps({"format": 1, "name": "other", "georeference": PLACE | {"latitude": 44.0}, "satellite": {"x": 1}})
    )
    bpy.ops.skyworld.import_world(directory=str(city))
    assert bpy.context.scene["latitude"] == 48.5 and bpy.data.collections["other"]["latitude"] == 44.0


def test_refining_further_posts_the_city_at_hand_and_puts_the_old_splats_away(backend, pump, city):
    assert not bpy.ops.skyworld.refine_city.poll()
    bpy.ops.skyworld.import_world(directory=str(city))
    (old,) = (obj for obj in bpy.data.objects if obj.type == "POINTCLOUD")
    bpy.ops.skyworld.refine_city()
    pump(lambda: backend.jobs)
    job, wish = backend.jobs[0], backend.jobs[0]["parameters"]
    assert job["kind"] == "satellite_refine" and wish["further"] and satellite.Path(wish["world"]) == city
    assert wish.keys() <= {field["name"] for field in parameters.SCHEMA["satellite_refine"]}
    backend.move(job, "running")
    backend.move(job, "done", result={"output": None})
    pump(lambda: sum(obj.type == "POINTCLOUD" for obj in bpy.data.objects) == 2)
    assert old.hide_render and old.hide_viewport


def glb():
    """A triangle of one metre, 7 m above the origin, with its place on the Earth."""
    corners = np.array([[0, 7, 0], [1, 7, 0], [0, 7, -1]], "<f4")  # Y is up
    body = corners.tobytes() + np.arange(3, dtype="<u4").tobytes()
    views = [{"buffer": 0, "byteOffset": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 12}]
    places = {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 7, -1], "max": [1, 7, 0]}
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "lyon_city", "extras": {"SRID": "EPSG:32631"}}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [places, {"bufferView": 1, "componentType": 5125, "count": 3, "type": "SCALAR"}],
        "bufferViews": views,
        "buffers": [{"byteLength": len(body)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


@pytest.mark.parametrize("local", [True, False])
def test_the_mesh_of_a_city_stands_where_its_splats_stand_and_takes_their_place(backend, pump, city, local):
    assert not bpy.ops.skyworld.add_city_mesh.poll()
    bpy.ops.skyworld.import_world(directory=str(city))
    (cloud,) = (obj for obj in bpy.data.objects if obj.type == "POINTCLOUD")
    cloud.location, cloud.scale = (10, 20, 30), (2, 2, 2)

    def added():
        before = set(bpy.data.objects)
        bpy.context.view_layer.update()
        assert bpy.ops.skyworld.add_city_mesh() == {"FINISHED"}
        pump(lambda: backend.jobs and backend.jobs[-1]["state"] == "queued")
        job = backend.jobs[-1]
        assert job["kind"] == "satellite_export" and satellite.Path(job["parameters"]["world"]) == city
        assert satellite.Path(job["parameters"]["output"]) == city / satellite.MESH and job["parameters"]["cell"] == 0
        if local:
            (city / satellite.MESH).write_bytes(glb())
        else:
            backend.files[satellite.MESH] = glb()
        backend.move(job, "running")
        backend.move(job, "done", result={"output": job["parameters"]["output"]})
        pump(lambda: len(bpy.data.objects) > len(before))
        (mesh,) = set(bpy.data.objects) - before
        return mesh

    older = added()
    mesh = added()
    bpy.context.view_layer.update()
    corners = np.array([mesh.matrix_world @ vertex.co for vertex in mesh.data.vertices])
    np.testing.assert_allclose(corners, [[10, 20, 44], [12, 20, 44], [10, 22, 44]], atol=1e-5)
    assert [c.name for c in mesh.users_collection] == ["lyon_city"] and mesh["SRID"] == "EPSG:32631"
    assert cloud.hide_render and cloud.hide_viewport and older.hide_render and not mesh.hide_render
    spaces = [space for screen in bpy.data.screens for area in screen.areas for space in area.spaces]
    shown = {space.shading.color_type for space in spaces if space.type == "VIEW_3D"}
    assert shown == {"TEXTURE"}, "its picture is seen"
    assert bpy.context.object == mesh and satellite.city_of(bpy.context), "more can be made of the city"


@pytest.mark.parametrize("place", ["LOCAL", "REMOTE"])
def test_maps_of_a_city_go_where_the_artist_says(backend, pump, city, tmp_path, place):
    bpy.ops.skyworld.import_world(directory=str(city))
    target = tmp_path / "maps" / "lyon.tif"
    target.parent.mkdir()
    satellite.session.connect()
    pump(lambda: satellite.session.state == "on")
    preferences.get().backend = place
    bpy.ops.skyworld.export_city(filepath=str(target), content="HEIGHTS", cell=0.5)
    pump(lambda: backend.jobs)
    job, output = backend.jobs[0], satellite.Path(backend.jobs[0]["parameters"]["output"])
    assert job["parameters"]["cell"] == 0.5
    if place == "LOCAL":
        assert output == target
        target.write_bytes(b"heights")
    else:
        assert output == city / "exports" / "lyon.tif"
        backend.files["exports/lyon.tif"] = b"heights"
    backend.move(job, "running")
    backend.move(job, "done", result={"output": str(output)})
    pump(lambda: satellite.last_export() == target)
    assert target.read_bytes() == b"heights" and not any(obj.type == "MESH" for obj in bpy.data.objects)


@pytest.mark.parametrize(
    ("latitude", "longitude", "epsg", "easting", "northing"),
    [
        (0.0, 3.0, 32631, 500_000.0, 0.0),
        (48.5, 2.25, 32631, 444_596.30312, 5_372_147.16772),
        (-33.9, 18.4, 32734, 259_583.22166, 6_245_888.04544),
    ],
)
def test_the_origin_is_told_on_the_map_too(latitude, longitude, epsg, easting, northing):
    found = georeference.utm(latitude, longitude, epsg)
    np.testing.assert_allclose(found, (easting, northing), rtol=0, atol=1e-3)
