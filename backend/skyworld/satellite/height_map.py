"""Heights of a piece of ground on a regular grid, and how sure they are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt, map_coordinates

from skyworld.errors import UserError
from skyworld.world.files import atomic_write, mendable
from skyworld.world.georeference import Georeference

NODATA = -9999.0
_UNPLACED = "Name it .npz, or prepare a scene of images that know where on Earth they lie"


@dataclass(frozen=True, eq=False)
class HeightMap:
    """A digital surface model in the frame of a scene (metres east, north, up); row 0 lies in the north.

    up:         [H, W] float32 metres, NaN where it is not known.
    confidence: [H, W] float32, 0 (filled in from around) to 1 (all images agree on it).
    west, north: of the grid's corner, metres; cell [0, 0] has its centre half a cell from there.
    cell:       metres that a cell is wide and high.
    """

    up: np.ndarray
    confidence: np.ndarray
    west: float
    north: float
    cell: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.up.shape

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """East and north [H, W] float64 of the cells' centres."""
        rows, columns = self.shape
        east = self.west + (np.arange(columns) + 0.5) * self.cell
        north = self.north - (np.arange(rows) + 0.5) * self.cell
        return tuple(np.meshgrid(east, north))

    def points(self) -> np.ndarray:
        """[H, W, 3] float64 world places of the cells; NaN up where it is not known."""
        return np.stack([*self.centres(), self.up.astype(np.float64)], -1)

    def sample(self, east: np.ndarray, north: np.ndarray) -> np.ndarray:
        """Heights [...] float32 at places: cubic, linear beside unknown cells, NaN in them and outside."""
        return self._at(east, north, self.up)

    def _at(self, east, north, values: np.ndarray) -> np.ndarray:
        columns = (np.asarray(east) - self.west) / self.cell - 0.5
        rows = (self.north - np.asarray(north)) / self.cell - 0.5
        return resample(values, columns, rows)

    def write(self, path: Path | str, georeference: Georeference | None = None) -> None:
        """.tif: GeoTIFF in the local UTM zone, north up, metres above the ellipsoid, the confidence as second band
        (resampled: UTM's north is not quite the scene's). .npz: the grid itself, exactly."""
        path = Path(path)
        if path.suffix.lower() == ".npz":
            with atomic_write(path) as temporary:
                fields = {"west": self.west, "north": self.north, "cell": self.cell}
                np.savez_compressed(temporary, up=self.up, confidence=self.confidence, **fields)
        elif path.suffix.lower() not in (".tif", ".tiff"):
            raise UserError("is no name for a height map", file=path, hint="Name it .tif or .npz")
        elif georeference is None:
            raise UserError(
                "a GeoTIFF needs a place on Earth, and this scene does not know its own", file=path, hint=_UNPLACED
            )
        else:
            _write_geotiff(path, *self.in_utm(georeference), georeference.epsg)

    def in_utm(self, georeference: Georeference) -> tuple[np.ndarray, np.ndarray, float, float, float]:
        """Altitude [H, W] float32 (NaN unknown), confidence [H, W], west, north, cell, in metres of the UTM zone."""
        known = self.up[np.isfinite(self.up)]
        level = float(np.median(known)) if known.size else 0.0
        rows, columns = self.shape
        corners = np.array([(x, y, level) for x in (0, columns) for y in (0, rows)], np.float64) * (
            self.cell,
            -self.cell,
            1,
        ) + (self.west, self.north, 0)
        placed = georeference.utm(corners)[:, :2] / self.cell
        (west, south), (east, north) = np.floor(placed.min(0)), np.ceil(placed.max(0))
        e, n = np.meshgrid(np.arange(west, east) + 0.5, np.arange(north, south, -1) - 0.5)
        utm = np.stack([e * self.cell, n * self.cell, np.full_like(e, level + georeference.altitude)], -1)
        local = georeference.from_utm(utm)
        up = self.sample(local[..., 0], local[..., 1])
        confidence = np.nan_to_num(self._at(local[..., 0], local[..., 1], self.confidence))
        local[..., 2] = np.where(np.isfinite(up), up, level)
        altitude = np.where(np.isfinite(up), georeference.utm(local)[..., 2], np.nan).astype(np.float32)
        return altitude, np.clip(confidence, 0, 1), west * self.cell, north * self.cell, self.cell

    @classmethod
    def read(cls, path: Path | str, georeference: Georeference | None = None) -> "HeightMap":
        """Reads .npz, or a GeoTIFF in whatever coordinate system (first band metres, second band confidence if any).

        georeference: the frame to bring a GeoTIFF into. Raises UserError for what is no height map.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError("there is no such file", file=path, hint="Make it with: skyworld satellite height")
        if path.suffix.lower() == ".npz":
            return cls._read_npz(path)
        if georeference is None:
            raise UserError("its scene does not know where on Earth it lies", file=path, hint=_UNPLACED)
        return _from_raster(path, georeference)

    @classmethod
    def _read_npz(cls, path: Path) -> "HeightMap":
        try:
            with mendable(path), np.load(path, allow_pickle=False) as data:
                numbers = (float(data[name]) for name in ("west", "north", "cell"))
                height_map = cls(data["up"].astype(np.float32), data["confidence"].astype(np.float32), *numbers)
        except (KeyError, ValueError, EOFError, OSError) as error:
            raise UserError(f"is not a height map ({error})", file=path, hint="Make it anew") from error
        if height_map.up.ndim != 2 or height_map.up.shape != height_map.confidence.shape or height_map.cell <= 0:
            raise UserError("is not a height map", file=path, hint="Make it anew")
        return height_map

    @classmethod
    def over(cls, west: float, south: float, east: float, north: float, cell: float, of: Callable) -> "HeightMap":
        """A map that covers the rectangle, with heights `of(east [H, W], north [H, W])`."""
        rows, columns = (max(1, int(np.ceil((high - low) / cell))) for low, high in ((south, north), (west, east)))
        empty = cls(np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32), west, north, cell)
        up = np.asarray(of(*empty.centres()), np.float32)
        return cls(up, np.isfinite(up).astype(np.float32), west, north, cell)


def continued(up: np.ndarray) -> np.ndarray:
    """[H, W] with the nearest known height where it is not finite: no step stands where the knowledge ends. As it is
    where nothing is known."""
    known = np.isfinite(up)
    if not known.any():
        return up
    return up[tuple(distance_transform_edt(~known, return_distances=False, return_indices=True))]


def resample(values: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values [h, w] at fractional indices [...]: cubic, linear beside NaN, NaN in it and outside; float32.

    scipy and not cv2.remap, which rounds places to a thirty-second of a cell.
    """
    known = np.isfinite(values)
    places = np.stack([rows, columns])
    filled = np.where(known, values, 0).astype(np.float32)
    weight = map_coordinates(known.astype(np.float32), places, order=1, mode="grid-constant")
    linear = map_coordinates(filled, places, order=1, mode="grid-constant") / np.maximum(weight, 1e-6)
    # The spline looks far: unknown cells are filled with their nearest neighbour before, and not trusted after.
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    cubic = map_coordinates(filled[tuple(nearest)], places, order=3, mode="nearest")
    inside = binary_erosion(known, np.ones((3, 3)), border_value=1).astype(np.uint8)
    whole = (weight > 0.999) & (map_coordinates(inside, places, order=0, mode="nearest") > 0)
    return np.where(whole, cubic, np.where(weight >= 0.5, linear, np.nan)).astype(np.float32)


def _write_geotiff(path: Path, altitude, confidence, west: float, north: float, cell: float, epsg: int) -> None:
    import rasterio

    profile = {
        "driver": "GTiff", "width": altitude.shape[1], "height": altitude.shape[0], "count": 2, "dtype": "float32",
        "crs": f"EPSG:{epsg}", "transform": rasterio.Affine(cell, 0, west, 0, -cell, north), "nodata": NODATA,
        "compress": "deflate", "predictor": 3, "tiled": True,
    }  # fmt: skip
    with atomic_write(path) as temporary, rasterio.open(temporary, "w", **profile) as raster:
        raster.write(np.where(np.isfinite(altitude), altitude, NODATA).astype(np.float32), 1)
        raster.write(confidence.astype(np.float32), 2)
        raster.set_band_description(1, "height above the WGS84 ellipsoid, metres")
        raster.set_band_description(2, "confidence, 0 to 1")


def _from_raster(path: Path, georeference: Georeference) -> HeightMap:
    """A GeoTIFF of heights on the scene's own grid, with the cells that it has."""
    import rasterio
    from pyproj import Transformer

    try:
        with rasterio.open(path) as raster:
            if raster.crs is None:
                raise UserError("has no coordinate system", file=path, hint="Give a GeoTIFF that a GIS can place")
            values = raster.read(1, masked=True).astype(np.float32).filled(np.nan)
            sure = raster.read(2).astype(np.float32) if raster.count > 1 else np.isfinite(values).astype(np.float32)
            crs, transform = raster.crs, raster.transform
    except rasterio.errors.RasterioIOError as error:
        raise UserError("is not a GeoTIFF that can be read", file=path, hint="Copy it again") from error
    values[~np.isfinite(values) | (np.abs(values) > 1e5)] = np.nan
    if not np.isfinite(values).any():
        raise UserError("has no height at all", file=path, hint="Give another height map")
    degrees = Transformer.from_crs(crs, 4326, always_xy=True)
    level = float(np.nanmedian(values))
    rows, columns = values.shape
    edge = [(x, y) for x in np.linspace(0, columns, 5) for y in np.linspace(0, rows, 5)]
    longitude, latitude = degrees.transform(*_apply(transform, *np.array(edge).T))
    corners = georeference.enu(latitude, longitude, level)[:, :2]
    across = np.linalg.norm(corners[20] - corners[0]) / columns
    down = np.linalg.norm(corners[4] - corners[0]) / rows
    cell = float(round(np.sqrt(across * down), 4))

    def indices(east: np.ndarray, north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        local = np.stack([east, north, np.full_like(east, level - georeference.altitude)], -1)
        latitude, longitude, _ = georeference.geodetic(local)
        x, y = degrees.transform(longitude, latitude, direction="INVERSE")
        column, row = _apply(~transform, x, y)
        return column - 0.5, row - 0.5

    def heights(east: np.ndarray, north: np.ndarray) -> np.ndarray:
        altitude = resample(values, *indices(east, north))
        latitude, longitude, _ = georeference.geodetic(np.stack([east, north, np.zeros_like(east)], -1))
        return georeference.enu(latitude, longitude, altitude)[..., 2]

    (west, south), (east, north) = corners.min(0), corners.max(0)
    found = HeightMap.over(west, south, east, north, cell, heights)
    confidence = np.nan_to_num(resample(sure, *indices(*found.centres())))
    return HeightMap(found.up, np.clip(confidence, 0, 1) * np.isfinite(found.up), west, north, cell)


def _apply(transform, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """rasterio's affine transform of arrays."""
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f
