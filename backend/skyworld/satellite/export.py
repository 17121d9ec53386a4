"""What leaves a city: heights and a picture from straight above for maps, a textured mesh for other programs."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.parameters import SatelliteExportParameters
from skyworld.progress import Progress
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box
from skyworld.splats.device import pick_device
from skyworld.splats.formats.ply import read_ply
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize import rasterize
from skyworld.world import World, atomic_write
from skyworld.world.georeference import Georeference
from skyworld.world.gltf import glb

# Mip-Splatting's 2D filter, as Skyfall-GS has it: what is thinner than a cell does not grow to one.
DRAWING = {"antialiased": True, "eps2d": 0.1}
# Pixels of a side that are drawn at once; what covers less than so much of a cell has no height.
_TILE, _LEAST_ALPHA = 2048, 0.5
# Heights are drawn with Gaussians so much narrower: at a step the mean of roof and street is neither.
_NARROW = 0.78

MAPS, PICTURES, MESHES = (".tif", ".tiff", ".npz"), (".png", ".jpg"), (".glb",)


def export(parameters: SatelliteExportParameters) -> Iterator[Progress]:
    """Job kind `satellite_export`. Yields progress; writes `parameters.output` of the city as it is now, refined or
    not: heights (.tif in the UTM zone, .npz), the view from above (.png, .jpg), or a textured mesh (.glb)."""
    world, output = World.open(parameters.world), Path(parameters.output)
    kind = output.suffix.lower()
    if kind not in (*MAPS, *PICTURES, *MESHES):
        hint = "Name it .tif or .npz for heights, .png or .jpg for the view from above, .glb for a mesh"
        raise UserError("is no name for a map or a mesh", file=output, hint=hint)
    splats, heights = world.path("splats.ply"), world.path("dsm.npz")
    if not (splats.is_file() and heights.is_file()):
        hint = "Make it first with `skyworld satellite reconstruct`"
        raise UserError("this world has no city of satellite images", file=world.root, hint=hint)
    yield Progress(0.0, "reading the city")
    city = read_ply(splats).to(pick_device(parameters.device))
    before, told = HeightMap.read(heights), world.document.get("georeference")
    place = None if told is None else Georeference.from_json(told)
    cell = parameters.cell or before.cell
    box = _around(before)
    yield Progress(0.1, "looking from above")
    picture, found = from_above(city, box, cell)
    if kind in MAPS:
        found.write(output, place)
        yield Progress(1.0, f"{found.shape[1]} x {found.shape[0]} heights in {output}")
    elif kind in PICTURES:
        _write_picture(output, np.round(picture * 255).astype(np.uint8))
        yield Progress(1.0, f"{found.shape[1]} x {found.shape[0]} pixels in {output}")
    else:
        from skyworld.satellite.mesh import textured

        yield Progress(0.3, "looking from the sides")
        mesh = textured(city, found, cell / 2)
        jpeg = cv2.imencode(".jpg", mesh.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        named = {"name": world.document.get("name") or "city", "extras": None if place is None else _properties(place)}
        with atomic_write(output) as temporary:
            temporary.write_bytes(
                glb(mesh.vertices, mesh.triangles, normals=mesh.normals, uv=mesh.uv, picture=jpeg, **named)
            )
        yield Progress(1.0, f"{len(mesh.triangles):,} triangles in {output}")


def _properties(place: Georeference) -> dict:
    """The origin, as BlenderGIS calls it; `altitude` in metres above the ellipsoid."""
    easting, northing, _ = place.utm(np.zeros(3)).tolist()
    where = {"latitude": place.latitude, "longitude": place.longitude, "altitude": place.altitude}
    return {"SRID": f"EPSG:{place.epsg}", "crs x": easting, "crs y": northing, **where}


def _around(height_map: HeightMap) -> Box:
    rows, columns = height_map.shape
    east, south = height_map.west + columns * height_map.cell, height_map.north - rows * height_map.cell
    known = height_map.up[np.isfinite(height_map.up)]
    up = (float(known.min()), float(known.max()) + 1) if known.size else (0.0, 1.0)
    return Box((height_map.west, east), (south, height_map.north), up)


def _write_picture(path: Path, picture: np.ndarray) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode(path.suffix, picture[..., ::-1])[1].tobytes())


@torch.no_grad()
def from_above(gaussians: Gaussians, box: Box, cell: float, narrow: float = _NARROW) -> tuple[np.ndarray, HeightMap]:
    """Ortho image [H, W, 3] 0 to 1 and heights of the box, north at the top, drawn in tiles.

    A parallel camera looks straight down: no perspective, no look-at that degenerates at 90 degrees. Heights are the
    expected depth of narrower Gaussians, or, where these leave a gap, of the Gaussians as they are; their confidence is
    the alpha; NaN where less than half of a cell is covered. narrow: of their width that heights are drawn with.
    """
    columns, rows = (max(1, round((side[1] - side[0]) / cell)) for side in (box.east, box.north))
    top = max(float(gaussians.means[:, 2].max()) if len(gaussians) else 0.0, box.up[1]) + 100
    colour, up = np.zeros((rows, columns, 3), np.float32), np.full((rows, columns), np.nan, np.float32)
    alpha = np.zeros((rows, columns), np.float32)
    narrower = replace(gaussians, log_scales=gaussians.log_scales + math.log(narrow))
    for row in range(0, rows, _TILE):
        for column in range(0, columns, _TILE):
            height, width = min(_TILE, rows - row), min(_TILE, columns - column)
            camera = _above(box.east[0] + column * cell, box.north[1] - row * cell, top, cell, width, height)
            drawn = rasterize(gaussians, [camera], **DRAWING)
            part = np.s_[row : row + height, column : column + width]
            colour[part] = drawn.colour[0].clamp(0, 1).cpu().numpy()
            alpha[part] = drawn.alpha[0].cpu().numpy()
            sharp = rasterize(narrower, [camera], **DRAWING)
            depth = torch.where(sharp.alpha[0] < _LEAST_ALPHA, drawn.depth[0], sharp.depth[0])
            up[part] = top - depth.cpu().numpy()
    up[alpha < _LEAST_ALPHA] = np.nan
    return colour, HeightMap(up, alpha, box.east[0], box.north[1], cell)


def _above(west: float, north: float, top: float, cell: float, width: int, height: int) -> Camera:
    pose = np.array([[1.0, 0, 0, west], [0, -1, 0, north], [0, 0, -1, top], [0, 0, 0, 1]])
    return Camera(pose, np.array([[1 / cell, 0, 0], [0, 1 / cell, 0], [0, 0, 1]]), width, height, "ortho")
