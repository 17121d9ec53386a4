"""Satellite cameras that can be drawn in float32.

A satellite's pinhole stands 500 km and more away with a focal length of a million pixels: float32 then knows depth to
centimetres only, and its pixels shake. Over a block of a city such a camera is parallel to a tenth of a pixel, so it
is drawn as the `ortho` camera that fits it best; a camera that stands near (aircraft, Google Earth, a rendered
scene) is drawn as it is.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.satellite.scene import Box

# Pixels that a drawn camera may differ from the true one, anywhere in the box.
MOST_ERROR = 0.25
# What float32 may lose before a camera counts as far: pixels, and metres of depth between two numbers.
_PIXEL, _DEPTH = 0.02, 0.01
_GRID = 9  # places along each side of the box


def drawable(camera: Camera, box: Box, most: float = MOST_ERROR) -> Camera:
    """The camera, or the `ortho` camera that shows the box as it does.

    Raises UserError where the box does not lie in front of it, or where no parallel camera comes within `most` pixels
    of it.
    """
    places = box.grid(_GRID)
    pixels, depth = camera.project(places)
    if not np.isfinite(pixels).all() or depth.min() <= 0:
        raise UserError("an image's camera stands inside or behind the area", hint="Check its pose and the box")
    if camera.model == "ortho" or _fits_float32(camera, places, pixels, depth):
        return camera
    near = _parallel(camera, places, pixels, box.centre)
    error = difference(near, camera, box)
    if error > most:
        raise UserError(
            f"a camera cannot be drawn: {error:.2f} px from the nearest parallel one, and {most:g} are allowed",
            hint="Give a smaller area, or cut it in blocks with --block",
        )
    return near


def difference(a: Camera, b: Camera, box: Box) -> float:
    """The largest distance in px between where two cameras see a place of the box."""
    places = box.grid(_GRID)
    return float(np.linalg.norm(a.project(places)[0] - b.project(places)[0], axis=-1).max())


def _fits_float32(camera: Camera, places, pixels, depth) -> bool:
    view, K = (matrix.astype(np.float32) for matrix in (camera.world_to_camera, camera.K))
    x, y, z = (places.astype(np.float32) @ view[:3, :3].T + view[:3, 3]).T
    rounded = np.stack([K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]], -1)
    return np.abs(rounded - pixels).max() < _PIXEL and np.spacing(np.float32(depth.max())) < _DEPTH


def _parallel(camera: Camera, places, pixels, centre) -> Camera:
    """The rigid ortho camera with square-on pixels (fx, fy, no skew) nearest to the pinhole in the box, in px.

    It stands far enough from the box that nothing of it lies behind the camera.
    """
    forward = camera.rotation[:, 2]
    away = 2 * np.abs((places - centre) @ forward).max() + 100.0
    depth = float(camera.project(centre)[1])
    start = np.r_[0.0, 0.0, 0.0, np.log(camera.K[0, 0] / depth), np.log(camera.K[1, 1] / depth), 0.0, 0.0]
    # The middle of the box keeps its pixel to begin with; the rotation is the pinhole's ray through it.
    toward = (centre - camera.position) / np.linalg.norm(centre - camera.position)
    axis = np.cross(forward, toward)
    bend = Rotation.from_rotvec(axis / max(np.linalg.norm(axis), 1e-300) * np.arcsin(min(np.linalg.norm(axis), 1.0)))
    turn = (bend * Rotation.from_matrix(camera.rotation)).as_matrix()
    anchor = camera.project(centre)[0]

    def of(values) -> Camera:
        pose = np.eye(4)
        pose[:3, :3] = turn @ Rotation.from_rotvec(values[:3]).as_matrix()
        pose[:3, 3] = centre - away * pose[:3, 2]
        fx, fy = np.exp(values[3:5])
        K = np.array([[fx, 0, anchor[0] + values[5]], [0, fy, anchor[1] + values[6]], [0, 0, 1]])
        return replace(camera, camera_to_world=pose, K=K, model="ortho")

    solved = least_squares(lambda values: (of(values).project(places)[0] - pixels).ravel(), start, x_scale="jac")
    return of(solved.x)
