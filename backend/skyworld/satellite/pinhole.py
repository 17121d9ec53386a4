"""The pinhole camera that comes closest to a satellite's over one piece of ground, and the image that it sees.

A push-broom camera is none, but over a city block a projective one meets it to a tenth of a pixel (SatelliteSfM;
Skyfall-GS, arXiv 2510.15869). In float64 throughout: the camera stands hundreds of kilometres away.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import rq
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize_scalar

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.satellite.views import Project

GRID = 15  # places along each side of the volume
NEAREST, FARTHEST = 1e5, 1e7  # metres to the camera; only across its track is a push-broom one in perspective
GOOD, WORST = 0.15, 0.5  # px: what is reached over a city block; what is refused


@dataclass(frozen=True)
class Fit:
    """camera: without skew.  shear: px right that a pixel down moved in the image that it was fitted to.

    error: px, the most that it differs from the sensor's own camera anywhere in the volume.
    """

    camera: Camera
    shear: float
    error: float


def fit_pinhole(project: Project, places: np.ndarray, width: int, height: int) -> Fit:
    """Direct linear transform of places [N, 3] that fill the volume, taken apart into K, rotation and position.

    The image of the result is wide enough to hold the sheared one; see `unsheared`.
    """
    K, pose = _decomposed(_direct_linear_transform(places, project(places)))
    shear = K[0, 1] / K[1, 1]
    # A shear about row 0 moves the last row by this much: the image gets as much wider on that side.
    left = max(0.0, np.ceil(shear * height))
    K = np.array([[K[0, 0], 0, K[0, 2] - shear * K[1, 2] + left], [0, K[1, 1], K[1, 2]], [0, 0, 1]])
    wider = int(np.ceil(abs(shear) * height))
    camera = Camera(pose, K, width + wider, height)
    seen = camera.project(places)[0]
    # Back into the image that is there: u = u' - left + shear v.
    seen[..., 0] += shear * seen[..., 1] - left
    return Fit(camera, float(shear), float(np.linalg.norm(seen - project(places), axis=-1).max()))


def check_fit(fit: Fit, name: str, extent: float) -> None:
    """Raises UserError where no pinhole comes near; extent: metres that the volume is wide."""
    if fit.error > WORST:
        raise UserError(
            f"over {extent:.0f} m no pinhole camera meets the RPC of {name} better than {fit.error:.2f} pixels",
            hint=f"Choose a smaller area: up to {WORST} pixels are taken",
        )


def unsheared(values: np.ndarray, valid: np.ndarray, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """The image [h, w, bands] and what counts of it [h, w] as the fit's camera sees them: rows moved sideways."""
    height, width = fit.camera.height, fit.camera.width
    left = max(0.0, np.ceil(fit.shear * height))
    v, u = np.mgrid[0:height, 0:width].astype(np.float64)
    places = np.stack([v, u - left + fit.shear * (v + 0.5)])
    bands = [map_coordinates(band, places, order=3, mode="nearest") for band in np.moveaxis(values, -1, 0)]
    # Cubic interpolation reads two pixels around: all of them must count.
    counted = map_coordinates(valid.astype(np.float32), places, order=1, mode="constant") > 0.999
    moved = np.clip(np.stack(bands, -1), values.min(), values.max())
    return np.where(counted[..., None], moved, 0).astype(np.float32), counted


def _direct_linear_transform(places: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """[3, 4] with the principal ray through the middle of the volume, along the line of sight there.

    Left free, that ray is all but undetermined: it comes out somewhere hundreds of thousands of pixels away, and over a
    small area the camera may even turn up below the ground. Fixed, it costs nothing (0.083 px either way over half
    a kilometre), and what remains is linear but for one number, the distance.
    """
    centre, middle = places.mean(0), pixels.mean(0)
    X = np.concatenate([places - centre, np.ones((len(places), 1))], 1)
    along_x, along_y = np.linalg.lstsq(X, pixels, rcond=None)[0][:3].T
    upward = np.cross(along_x, along_y)
    upward *= np.sign(upward[2]) / np.linalg.norm(upward)

    def rows(closeness: float) -> tuple[np.ndarray, np.ndarray]:
        depth = 1 - X[:, :3] @ upward * closeness
        table = np.linalg.lstsq(X, (pixels - middle) * depth[:, None], rcond=None)[0]
        return table.T, X @ table / depth[:, None] + middle - pixels

    closeness = minimize_scalar(
        lambda value: float((rows(value)[1] ** 2).mean()), bounds=(1 / FARTHEST, 1 / NEAREST), options={"xatol": 1e-10}
    ).x
    P = np.vstack([rows(closeness)[0], np.append(-upward * closeness, 1.0)])
    to_pixels = np.array([[1, 0, middle[0]], [0, 1, middle[1]], [0, 0, 1]])
    to_centre = np.eye(4)
    to_centre[:3, 3] = -centre
    return to_pixels @ P @ to_centre


def _decomposed(P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] with a positive diagonal and K[2, 2] = 1, and camera_to_world [4, 4]; P @ (place, 1) is in front."""
    K, R = rq(P[:, :3])
    sign = np.diag(np.sign(np.diag(K)))
    K, R = K @ sign, sign @ R
    if np.linalg.det(R) < 0:
        raise UserError(
            "an RPC shows the ground as in a mirror", hint="Its lines or samples run the wrong way: check the file"
        )
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = R.T, -np.linalg.solve(P[:, :3], P[:, 3])
    return K / K[2, 2], pose
