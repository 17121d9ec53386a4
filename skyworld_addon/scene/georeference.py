"""Where on the Earth a world stands, kept in the Blender scene, so that it can be put on a map again.

The names are those that BlenderGIS reads and writes (`SRID`, `latitude`, `longitude`, `crs x`, `crs y`); `altitude` is
SkyWorld's own. A world's axes point east, north and up at its origin, so they are turned against the grid of the map by
its meridian convergence: nothing in the middle of a zone, some degrees at its edge.
"""

import math

# WGS84 and the transverse Mercator projection of its UTM zones
RADIUS, FLATTENING = 6_378_137.0, 1 / 298.257223563
SCALE, FALSE_EASTING, FALSE_NORTHING = 0.9996, 500_000.0, 10_000_000.0


def write(scene, collection, place):
    """Notes the origin `place` ("georeference" of a world.json) at a collection and at the scene.

    A scene that stands elsewhere on the Earth already keeps its own place: False.
    """
    easting, northing = utm(place["latitude"], place["longitude"], place["epsg"])
    properties = {
        "SRID": f"EPSG:{place['epsg']}",
        "latitude": place["latitude"],
        "longitude": place["longitude"],
        "altitude": place["altitude"],
        "crs x": easting,
        "crs y": northing,
    }
    _note(collection, properties)
    elsewhere = "crs x" in scene and any(scene.get(name) != value for name, value in properties.items())
    if not elsewhere:
        _note(scene, properties)
        scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", 1.0
    return not elsewhere


def _note(owner, properties):
    for name, value in properties.items():
        owner[name] = value


def utm(latitude, longitude, epsg):
    """(easting, northing) in metres in a UTM zone of WGS84: Krueger's series, good to a millimetre within a zone."""
    phi, away = math.radians(latitude), math.radians(longitude - (6 * (epsg % 100) - 183))
    n = FLATTENING / (2 - FLATTENING)
    k = 2 * math.sqrt(n) / (1 + n)
    t = math.sinh(math.atanh(math.sin(phi)) - k * math.atanh(k * math.sin(phi)))
    xi, eta = math.atan2(t, math.cos(away)), math.atanh(math.sin(away) / math.hypot(1, t))
    series = (
        n / 2 - 2 * n**2 / 3 + 5 * n**3 / 16,
        13 * n**2 / 48 - 3 * n**3 / 5,
        61 * n**3 / 240,
    )
    east, north = eta, xi
    for j, alpha in enumerate(series, 1):
        east += alpha * math.cos(2 * j * xi) * math.sinh(2 * j * eta)
        north += alpha * math.sin(2 * j * xi) * math.cosh(2 * j * eta)
    metres = SCALE * RADIUS / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    return FALSE_EASTING + metres * east, metres * north + (FALSE_NORTHING if epsg >= 32701 else 0.0)
