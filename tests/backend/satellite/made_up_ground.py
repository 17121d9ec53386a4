"""A small piece of ground with a hill and a flat-roofed house, and satellite images of it with exact RPCs."""

import numpy as np
import rasterio
from scipy.ndimage import gaussian_filter, map_coordinates

from skyworld.satellite.rpc import RPC
from skyworld.world.georeference import Georeference

PLACE = Georeference.at(43.2623, 5.4420, 0.0)
METRES_A_DEGREE = 111_100.0 * np.array([1.0, np.cos(np.radians(PLACE.latitude))])
PIXEL = 0.5  # metres


def made_up_rpc(right: float = 0.0, down: float = 0.0, size: int = 200, bend: float = 0.0) -> RPC:
    """Looks from above; a metre of height moves the ground by `right` and `down` metres in the image.

    bend: share of curvature, as the rotation of a real sensor in its orbit gives.
    """
    scale = 600.0  # metres that the normalised coordinates reach
    samp_num, line_num, den = np.zeros(20), np.zeros(20), np.zeros(20)
    samp_num[[1, 3, 7]] = 1.0, right, bend
    line_num[[2, 3, 8]] = -1.0, down, bend
    den[[0, 3]] = 1.0, -1e-4
    lat_scale, long_scale = scale / METRES_A_DEGREE
    return RPC(size / 2 - 0.5, size / 2 - 0.5, PLACE.latitude, PLACE.longitude, 0.0, scale / PIXEL, scale / PIXEL,
               lat_scale, long_scale, scale, line_num, den, samp_num, den)  # fmt: skip


def height(east, north):
    """Metres above the ellipsoid: a hill in the north-west, a house of 8 m in the south-east."""
    hill = 15 * np.exp(-((east + 15) ** 2 + (north - 12) ** 2) / 300)
    house = (np.abs(east - 15) < 8) & (np.abs(north + 14) < 6)
    return 30 + hill + 8.0 * house


_NOISE = np.random.default_rng(5).standard_normal((1200, 1200))
_TEXTURE = sum(a * gaussian_filter(_NOISE, s) * s for a, s in ((1.0, 1.0), (1.0, 2.5), (2.0, 8.0)))


def brightness(east, north):
    """Texture of the ground, about 200 to 1800."""
    place = np.stack([600 - np.asarray(north) / 0.25, 600 + np.asarray(east) / 0.25])
    return np.clip(900 + 400 * map_coordinates(_TEXTURE, place, order=1, mode="reflect"), 50, 4000)


def picture(rpc: RPC, size: int = 200) -> np.ndarray:
    """[size, size] uint16: every pixel looks down its line of sight for the highest ground."""
    pixels = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), -1)
    # Over so little ground a line of sight is straight in the frame of the place.
    low, high = (PLACE.enu(*rpc.localize(pixels, float(altitude)), altitude)[..., :2] for altitude in (20, 60))
    place, met = np.zeros((size, size, 2)), np.zeros((size, size), bool)
    for altitude in np.arange(56, 29.8, -0.2):
        here = low + (high - low) * ((altitude - 20) / 40)
        hit = ~met & (height(*np.moveaxis(here, -1, 0)) >= altitude)
        place, met = np.where(hit[..., None], here, place), met | hit
    place = np.where(met[..., None], place, low + (high - low) * 0.25)
    return brightness(*np.moveaxis(place, -1, 0)).astype(np.uint16)


def write_image(path, rpc: RPC | None, values: np.ndarray, **more):
    """values: [H, W] or [bands, H, W]."""
    values = values[None] if values.ndim == 2 else values
    profile = dict(driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2])
    rpcs = {} if rpc is None else {"rpcs": rpc.to_rasterio()}
    with rasterio.open(path, "w", **profile, dtype=values.dtype, **rpcs, **more) as raster:
        raster.write(values)
    return path
