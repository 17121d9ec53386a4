"""The values of the sensor beside the pictures of a scene: heights are matched on them, with the RPC itself.

raw/<name>.tif: the part of the image that shows the scene, all its bits, with an RPC that knows the crop and the
shift that the tie points found.
"""

from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.satellite.rasters import grey, open_raster
from skyworld.satellite.rpc import RPC
from skyworld.satellite.scene import SatelliteImage, SatelliteScene
from skyworld.satellite.views import View, by_rpc
from skyworld.world.files import atomic_write

FOLDER = "raw"


def write_raw(folder: Path, name: str, values: np.ndarray, valid: np.ndarray, rpc: RPC) -> None:
    """values: [h, w, bands] as the sensor gave them; what does not count is written as 0."""
    import rasterio

    whole = bool((values == np.round(values)).all() and values.min() >= 0 and values.max() <= 65535)
    profile = dict(
        driver="GTiff", width=values.shape[1], height=values.shape[0], count=values.shape[2], compress="deflate",
        dtype="uint16" if whole else "float32", nodata=0, photometric="minisblack", rpcs=rpc.to_rasterio(),
    )  # fmt: skip
    with atomic_write(folder / FOLDER / f"{name}.tif") as temporary, rasterio.open(temporary, "w", **profile) as file:
        file.write(np.moveaxis(np.where(valid[..., None], values, 0), -1, 0).astype(profile["dtype"]))


def matching_views(scene: SatelliteScene) -> list[View]:
    """The scene's images for matching: raw values and RPCs where the scene has them all, else pictures and pinholes."""
    files = [scene.folder / FOLDER / f"{image.name}.tif" for image in scene.images]
    if scene.georeference is not None and all(file.is_file() for file in files):
        return [_raw_view(scene, image, file) for image, file in zip(scene.images, files, strict=True)]
    return [_picture_view(image) for image in scene.images]


def _raw_view(scene: SatelliteScene, image: SatelliteImage, file: Path) -> View:
    raster = open_raster(file)
    values, valid = raster.read((0, 0, raster.width, raster.height))
    if not valid.any():
        raise UserError("holds no data", file=file, hint="Prepare the scene again")
    return View(image.name, grey(values), valid, by_rpc(raster.rpc, scene.georeference))


def _picture_view(image: SatelliteImage) -> View:
    picture, valid = image.read()
    return View(image.name, grey(picture), valid, lambda places: image.camera.project(places)[0])
