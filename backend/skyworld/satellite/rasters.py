"""Satellite images as they are delivered: GeoTIFF, NITF or JPEG 2000, read by window and never as a whole."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.satellite.rpc import RPC, find_rpc

Window = tuple[int, int, int, int]  # column, row, width, height

# How many pixels of one image may be looked at: more than a city block, less than this machine's memory.
MOST_PIXELS = 64_000_000
_KINDS = ("uint8", "uint16", "int16", "float32")
# Bands of red, green and blue by the number of bands, where the file does not tell colours apart. Eight: WorldView.
_COLOURS = {1: (1,), 3: (1, 2, 3), 4: (1, 2, 3), 8: (5, 3, 2)}
# Percentiles of the brightness that become black and white, and the exponent of the tone curve: sensors count
# photons, and sRGB is brighter in the dark.
_BLACK, _WHITE, _GAMMA = 0.5, 99.7, 1 / 1.8


@dataclass(frozen=True)
class Raster:
    """What is known of an image before its pixels are read.

    bands: 1-based, of grey or of red, green, blue.  date: ISO 8601 or "".
    sun:   azimuth clockwise from north and elevation in degrees, or None.
    """

    path: Path
    width: int
    height: int
    bands: tuple[int, ...]
    nodata: float | None
    rpc: RPC
    date: str = ""
    sun: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values [h, w, bands] float32 as they are stored, and which count [h, w] bool.

        What is nodata, outside the file, not finite, or 0 in every band does not count.
        """
        import rasterio
        from rasterio.windows import Window as Part

        column, row, width, height = window
        left, top = max(column, 0), max(row, 0)
        right, bottom = min(column + width, self.width), min(row + height, self.height)
        values = np.zeros((height, width, len(self.bands)), np.float32)
        valid = np.zeros((height, width), bool)
        if right <= left or bottom <= top:
            return values, valid
        with opened(self.path) as raster:
            try:
                part = Part(left, top, right - left, bottom - top)
                read = raster.read(self.bands, window=part).astype(np.float32)
                counted = raster.dataset_mask(window=part) > 0
            except rasterio.errors.RasterioIOError as error:
                raise UserError("is damaged or cut short", file=self.path, hint="Copy it again") from error
        read = np.moveaxis(read, 0, -1)
        counted &= np.isfinite(read).all(-1) & (read != 0).any(-1)
        if self.nodata is not None:
            counted &= (read != self.nodata).any(-1)
        inside = (slice(top - row, bottom - row), slice(left - column, right - column))
        values[inside], valid[inside] = np.where(counted[..., None], read, 0), counted
        return values, valid


@contextmanager
def opened(path: Path) -> Iterator:
    """rasterio's dataset; UserError for what is none."""
    import warnings

    try:
        import rasterio
    except ImportError as error:
        hint = "Run: pip install skyworld-backend[satellite]"
        raise UserError("satellite images need rasterio, which is not installed", hint=hint) from error
    if not path.is_file():
        problem = "is a folder, not an image" if path.is_dir() else "there is no such file"
        raise UserError(problem, file=path, hint="Check the name")
    try:
        with warnings.catch_warnings():
            # An image in the geometry of its sensor has no map coordinates; that is why it has an RPC.
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            raster = rasterio.open(path)
    except rasterio.errors.RasterioIOError as error:
        raise UserError("is not a satellite image that can be read", file=path, hint="Give a GeoTIFF") from error
    with raster:
        yield raster


def open_raster(path: Path | str) -> Raster:
    """Raises UserError for what is no image, has another number of bands or bits, or carries no RPC."""
    path = Path(path)
    with opened(path) as raster:
        bands = _bands(path, raster)
        kinds = {raster.dtypes[band - 1] for band in bands}
        if not kinds <= set(_KINDS):
            raise UserError(
                f"has {kinds.pop()} pixels", file=path, hint="Give 8 or 16 bits a band, or 32-bit floating point"
            )
        if raster.crs is not None and raster.rpcs is None:
            problem = f"lies on a map already ({raster.crs.to_string()[:40]}), so it shows no parallax"
            hint = "Give images as the sensor saw them, with RPC; or this one alone with its heights, --dsm"
            raise UserError(problem, file=path, hint=hint)
        rpc = find_rpc(path, raster.rpcs)
        date, sun = _circumstances(raster)
        return Raster(path, raster.width, raster.height, bands, raster.nodata, rpc, date, sun)


def _bands(path: Path, raster) -> tuple[int, ...]:
    """Those of red, green and blue, or the one of a panchromatic image."""
    from rasterio.enums import ColorInterp

    told = {colour: band for band, colour in enumerate(raster.colorinterp, 1)}
    if all(colour in told for colour in (ColorInterp.red, ColorInterp.green, ColorInterp.blue)):
        return told[ColorInterp.red], told[ColorInterp.green], told[ColorInterp.blue]
    count = raster.count - (ColorInterp.alpha in told)
    if count not in _COLOURS:
        raise UserError(
            f"has {count} bands",
            file=path,
            hint="Give a panchromatic image (1 band), RGB (3), RGB and near infrared (4) or WorldView's 8 bands",
        )
    return _COLOURS[count]


def _circumstances(raster) -> tuple[str, tuple[float, float] | None]:
    """When it was taken, and where the sun stood, from whatever tags the maker left."""
    imagery, details = raster.tags(ns="IMAGERY"), raster.tags(ns="IMD")
    plain = raster.tags()
    stated = imagery.get("ACQUISITIONDATETIME") or plain.get("ACQUISITIONDATETIME") or plain.get("TIFFTAG_DATETIME", "")
    numbers = re.match(r"(\d{4})[-:](\d\d)[-:](\d\d)[ T](\d\d):(\d\d):(\d\d)", stated)
    if numbers is None:  # Pleiades and SPOT carry the time in the name of the product
        numbers = re.search(r"(?:PHR\d[A-Z]|SPOT\d)_(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", " ".join(plain.values()))
    date = "{}-{}-{}T{}:{}:{}".format(*numbers.groups()) if numbers else ""
    known = {key.rsplit(".", 1)[-1].lower(): value for tags in (plain, details) for key, value in tags.items()}
    azimuth, elevation = (
        next((known[name] for name in names if name in known), None)
        for names in (("meansunaz", "sunaz", "sun_azimuth"), ("meansunel", "sunel", "sun_elevation"))
    )
    try:
        return date, (float(azimuth), float(elevation))
    except (TypeError, ValueError):  # not told, or not as a number
        return date, None


def grey(values: np.ndarray) -> np.ndarray:
    """[h, w, bands] -> [h, w]: what is matched."""
    return values.mean(-1, dtype=np.float32)


def tone_curve(values: Sequence[np.ndarray], valid: Sequence[np.ndarray]):
    """One curve for all images of a scene: from stored values [h, w, bands] to a picture [h, w, 3] uint8.

    Robust percentiles over all images and bands together, so that colours stay those of the sensor and one image
    beside another keeps its light; then a curve that lifts the dark.
    """
    samples = np.concatenate(
        [v[m][:: max(1, int(m.sum()) // 200_000)].ravel() for v, m in zip(values, valid, strict=True)]
    )
    if not samples.size:
        raise UserError("the images hold no data in this area", hint="Choose another area")
    black, white = np.percentile(samples, (_BLACK, _WHITE))
    white = max(white, black + 1e-6)

    def shown(image: np.ndarray) -> np.ndarray:
        picture = np.clip((image - black) / (white - black), 0, 1) ** _GAMMA
        return np.round(np.repeat(picture, 3, 2) * 255 if picture.shape[2] == 1 else picture * 255).astype(np.uint8)

    return shown
