"""Where on the Earth a world stands, so that it can be put on a map again.

World frame of a georeferenced world: ENU, metres: X east, Y north, Z up in the plane that touches the WGS84
ellipsoid's normal at the origin. Latitudes and longitudes are WGS84 degrees, altitudes metres above the ellipsoid
(not above the sea). pyproj does the geodesy; it is loaded with the first conversion.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from skyworld.errors import UserError

_TO_RADIANS = "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad"


@dataclass(frozen=True)
class Georeference:
    """The world's origin: degrees, metres above the ellipsoid, and the EPSG code of its UTM zone."""

    latitude: float
    longitude: float
    altitude: float
    epsg: int

    def __post_init__(self):
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180 and np.isfinite(self.altitude)):
            raise UserError(
                f"latitude {self.latitude:g}, longitude {self.longitude:g} is no place on Earth",
                hint="Latitude comes first and lies between -90 and 90",
            )
        if not (32601 <= self.epsg <= 32660 or 32701 <= self.epsg <= 32760):
            raise UserError(f"EPSG:{self.epsg} is no UTM zone of WGS84", hint="Use 32601-32660 or 32701-32760")

    @classmethod
    def at(cls, latitude: float, longitude: float, altitude: float = 0.0) -> "Georeference":
        """The origin with the UTM zone that it lies in (south of the equator one of the southern zones)."""
        return cls(float(latitude), float(longitude), float(altitude), utm_zone(latitude, longitude))

    def enu(self, latitude, longitude, altitude) -> np.ndarray:
        """WGS84 degrees and metres, broadcast together -> world [..., 3] metres, float64."""
        places = np.broadcast_arrays(longitude, latitude, altitude)
        return np.stack(_pipeline(self._topocentric).transform(*map(_doubles, places)), -1)

    def geodetic(self, enu: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """World [..., 3] -> latitude, longitude (degrees), altitude (metres)."""
        columns = map(_doubles, np.moveaxis(np.asarray(enu, np.float64), -1, 0))
        longitude, latitude, altitude = _pipeline(self._topocentric).transform(*columns, direction="INVERSE")
        return latitude, longitude, altitude

    def utm(self, enu: np.ndarray) -> np.ndarray:
        """World [..., 3] -> easting, northing in the UTM zone, altitude: [..., 3] metres."""
        columns = map(_doubles, np.moveaxis(np.asarray(enu, np.float64), -1, 0))
        return np.stack(_pipeline(self._from_utm).transform(*columns, direction="INVERSE"), -1)

    def from_utm(self, utm: np.ndarray) -> np.ndarray:
        """Easting, northing, altitude [..., 3] -> world [..., 3]."""
        columns = map(_doubles, np.moveaxis(np.asarray(utm, np.float64), -1, 0))
        return np.stack(_pipeline(self._from_utm).transform(*columns), -1)

    @property
    def _topocentric(self) -> str:
        return f"{_TO_RADIANS} {self._to_enu}"

    @property
    def _from_utm(self) -> str:
        south = " +south" if self.epsg >= 32701 else ""
        return f"+proj=pipeline +step +inv +proj=utm +zone={self.epsg % 100}{south} +ellps=WGS84 {self._to_enu}"

    @property
    def _to_enu(self) -> str:
        origin = f"+lon_0={self.longitude!r} +lat_0={self.latitude!r} +h_0={self.altitude!r}"
        return f"+step +proj=cart +ellps=WGS84 +step +proj=topocentric +ellps=WGS84 {origin}"

    def to_json(self) -> dict:
        """Plain numbers, as world.json keeps them under "georeference"."""
        return {"crs": "WGS84 ENU", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict) -> "Georeference":
        """Reads what `to_json` writes; UserError where something is missing or out of range."""
        try:
            place = (float(data[key]) for key in ("latitude", "longitude", "altitude"))
            return cls(*place, int(data["epsg"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"not a georeference: {error!r}") from error


def utm_zone(latitude: float, longitude: float) -> int:
    """EPSG code of the plain 6 degree zone (without the exceptions of Norway and Svalbard)."""
    zone = int((longitude + 180) // 6) % 60 + 1
    return (32600 if latitude >= 0 else 32700) + zone


def _doubles(values: np.ndarray) -> np.ndarray:
    """pyproj wants whole arrays of doubles of its own."""
    return np.array(values, np.float64, order="C")


@lru_cache(maxsize=16)
def _pipeline(text: str):
    try:
        from pyproj import Transformer
    except ImportError as error:
        raise UserError(
            "maps need pyproj, which is not installed", hint="Run: pip install skyworld-backend[satellite]"
        ) from error
    return Transformer.from_pipeline(text)
