"""Scenes that others made, in their own axes, folders and coordinate systems, come out in metres and upright."""

import json

import cv2
import made_up_ground as ground
import numpy as np
import pytest
import rasterio
from plain_scenes import plain_scene
from rasterio.warp import Resampling, calculate_default_transform, reproject
from scipy.spatial.transform import Rotation
from test_prepare import made, ortho

from skyworld.camera.formats.nerfstudio import OPENGL
from skyworld.errors import UserError
from skyworld.satellite import imports
from skyworld.satellite.height_map import HeightMap

# Structure from motion knows no up: its y axis points down here, and its origin lies somewhere.
LYING = Rotation.from_euler("x", 90, degrees=True).as_matrix()
AWAY = np.array((100.0, -30.0, 7.0))


def turned(pose: np.ndarray) -> np.ndarray:
    found = pose.copy()
    found[:3, :3], found[:3, 3] = LYING @ pose[:3, :3], LYING @ pose[:3, 3] + AWAY
    return found


def write_colmap(folder, scene):
    """COLMAP's text model of a scene, lying on its side."""
    (folder / "sparse" / "0").mkdir(parents=True)
    cameras, images = ["# cameras"], ["# images"]
    for number, image in enumerate(scene.images, 1):
        K, view = image.camera.K, np.linalg.inv(turned(image.camera.camera_to_world))
        size = f"{image.camera.width} {image.camera.height}"
        cameras.append(f"{number} PINHOLE {size} {K[0, 0]} {K[1, 1]} {K[0, 2]} {K[1, 2]}")
        x, y, z, w = Rotation.from_matrix(view[:3, :3]).as_quat()
        images += [f"{number} {w} {x} {y} {z} {' '.join(map(str, view[:3, 3]))} {number} {image.picture.name}", ""]
    points = [
        f"{n} {' '.join(map(str, LYING @ xyz + AWAY))} {' '.join(map(str, (255 * rgb).round().astype(int)))} 0.5"
        for n, (xyz, rgb) in enumerate(zip(scene.xyz, scene.rgb, strict=True), 1)
    ]
    for name, lines in (("cameras", cameras), ("images", images), ("points3D", points)):
        (folder / "sparse" / "0" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    scene.images[0].picture.parent.rename(folder / "images")
    return folder


def write_nerfstudio(folder, scene):
    """transforms.json of a scene, lying on its side, with a mask each and points as PLY."""
    (folder / "masks").mkdir(parents=True)
    frames = []
    for image in scene.images:
        mask = np.full((image.camera.height, image.camera.width), 255, np.uint8)
        mask[:, :10] = 0
        cv2.imwrite(str(folder / "masks" / image.picture.name), mask)
        K = image.camera.K
        frames.append(
            {
                "file_path": f"images/{image.picture.name}",
                "mask_path": f"masks/{image.picture.name}",
                **{"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]},
                **{"w": image.camera.width, "h": image.camera.height},
                "transform_matrix": (turned(image.camera.camera_to_world) @ OPENGL).tolist(),
            }
        )
    names = "property float x\nproperty float y\nproperty float z\n" + "".join(
        f"property uchar {colour}\n" for colour in ("red", "green", "blue")
    )
    rows = "\n".join(f"{' '.join(map(str, LYING @ xyz + AWAY))} 9 9 9" for xyz in scene.xyz)
    head = f"ply\nformat ascii 1.0\nelement vertex {len(scene.xyz)}\n{names}end_header\n"
    (folder / "points.ply").write_text(head + rows + "\n")
    (folder / "transforms.json").write_text(json.dumps({"ply_file_path": "points.ply", "frames": frames}))
    scene.images[0].picture.parent.rename(folder / "images")
    return folder


@pytest.mark.parametrize("write", [write_colmap, write_nerfstudio])
def test_a_model_that_lies_on_its_side_stands_upright_with_pictures_points_and_poses(tmp_path, write):
    given = plain_scene(tmp_path / "given", size=64)
    pictures = [image.read()[0] for image in given.images]
    scene, _ = made(tmp_path / "s", [write(tmp_path / "model", given)])
    assert [image.name for image in scene.images] == ["view0", "view1", "view2"]
    # Upright up to what the cameras' mean lean leaves, and the ground lies level.
    low, high = np.percentile(scene.xyz[:, 2], (2, 98))
    assert 8 < high - low < 16
    for image, old, picture in zip(scene.images, given.images, pictures, strict=True):
        assert np.abs(image.read()[0] - picture).max() < 1 / 255
        assert image.camera.position[2] > 700
        assert np.abs(image.camera.project(scene.xyz)[0] - old.camera.project(given.xyz)[0]).max() < 0.01
    masked = write is write_nerfstudio
    assert all(image.read()[1][:, :10].any() != masked and image.read()[1][:, 10:].all() for image in scene.images)


def test_models_without_points_and_with_equal_names_are_refused(tmp_path):
    model = write_nerfstudio(tmp_path / "model", plain_scene(tmp_path / "given", size=64))
    document = json.loads((model / "transforms.json").read_text())
    (model / "images" / "more").mkdir()
    (model / "images" / "view0.png").rename(model / "images" / "more" / "view1.png")
    document["frames"][0]["file_path"] = "images/more/view1.png"
    (model / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="two pictures are named view1"):
        made(tmp_path / "s", [model])
    del document["ply_file_path"]
    (model / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"holds no points.*Export the whole model"):
        made(tmp_path / "s", [model])
    with pytest.raises(UserError, match="is posed already: it takes no area"):
        made(tmp_path / "s", [model], area=(1.0, 2.0, 3.0, 4.0))


# ------------------------------------------------------------------ an ortho photo and its heights


def reprojected(path, target, crs):
    """The raster in another coordinate system."""
    with rasterio.open(path) as raster:
        transform, width, height = calculate_default_transform(
            raster.crs, crs, raster.width, raster.height, *raster.bounds
        )
        profile = raster.profile | {"crs": crs, "transform": transform, "width": width, "height": height}
        with rasterio.open(target, "w", **profile) as out:
            for band in range(1, raster.count + 1):
                source, to = rasterio.band(raster, band), rasterio.band(out, band)
                reproject(source, to, resampling=Resampling.bilinear)
    return target


@pytest.fixture(scope="module")
def heights(tmp_path_factory):
    file = tmp_path_factory.mktemp("heights") / "dsm.tif"
    HeightMap.over(-45, -45, 45, 45, 1.0, ground.height).write(file, ground.PLACE)
    return file


def test_photo_and_heights_may_lie_in_different_coordinate_systems(tmp_path, heights):
    photo = reprojected(ortho(tmp_path / "utm.tif"), tmp_path / "photo.tif", "EPSG:3857")
    degrees = reprojected(heights, tmp_path / "dsm.tif", "EPSG:4326")
    scene, _ = made(tmp_path / "s", [photo], dsm=degrees)
    places = ground.PLACE.enu(*scene.georeference.geodetic(scene.xyz))
    near = (np.abs(places[:, :2]) < 25).all(1)
    assert np.abs(ground.height(*places[near, :2].T) - places[near, 2]).mean() < 0.6
    picture, _ = scene.images[0].read()
    column, row = np.floor(scene.images[0].camera.project(scene.xyz[near])[0]).astype(int).T
    assert np.corrcoef(picture[row, column, 0], ground.brightness(*places[near, :2].T))[0, 1] > 0.95


def test_an_area_off_the_photo_and_one_too_large_are_told(tmp_path, heights, monkeypatch):
    photo = ortho(tmp_path / "photo.tif")
    latitude, longitude = ground.PLACE.latitude, ground.PLACE.longitude
    some = 1e-4
    with pytest.raises(UserError, match=r"does not show the area.*Latitude comes first"):
        swapped = (longitude - some, latitude - some, longitude + some, latitude + some)
        made(tmp_path / "s", [photo], dsm=heights, area=swapped)
    with pytest.raises(UserError, match=r"does not show the area.*Give an area on the photo"):
        made(tmp_path / "s", [photo], dsm=heights, area=(10.0, 20.0, 10.1, 20.1))
    scene, _ = made(
        tmp_path / "s",
        [photo],
        dsm=heights,
        area=(latitude - some, longitude - some, latitude + some, longitude + some),
    )
    assert np.ptp(scene.box.north) == pytest.approx(2 * some * ground.METRES_A_DEGREE[0], rel=0.02)
    monkeypatch.setattr(imports, "MOST_PIXELS", 100 * 100)
    with pytest.raises(UserError, match=r"the area is too large: 13\d x 13\d pixels"):
        made(tmp_path / "t", [photo], dsm=heights)
