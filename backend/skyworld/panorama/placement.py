"""Puts the photograph on the panorama's grid so that the panorama, seen by its camera, gives it back."""

import cv2
import numpy as np
from scipy.sparse import csr_matrix, diags, vstack

from skyworld.camera import Camera, directions, pixels
from skyworld.models.roles import Photograph

ITERATIONS = 24
TRUST = 1e-3  # weight of the plain sampling, against ringing where the views say little
RIM_TRUST = 0.1  # the same for pixels whose centre lies outside the photograph: they are read, but hardly seen
FINER = 0.1  # weight of the view at twice the density


def native_camera(camera: Camera, width: int) -> Camera:
    """The camera with as many pixels across as a panorama of this width has columns there, never more than it had."""
    columns = round(width * camera.fov[0] / (2 * np.pi))
    return camera.resized(int(np.clip(columns, 1, camera.width)))


def downsample(picture: np.ndarray, camera: Camera) -> np.ndarray:
    """The picture [h, w(, C)] at the size of `camera`, by area."""
    if picture.shape[:2] == (camera.height, camera.width):
        return picture
    return cv2.resize(picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA)


def place(photograph: Photograph, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The photograph on a panorama: picture [H, W, 3] (0 elsewhere) and mask bool [H, W].

    Sampling twice, onto the sphere and back, costs sharpness. So the pixels are solved for: least
    squares of what the bilinear view of the panorama shows at the photograph's camera against the
    photograph itself, at the panorama's own density and, lightly, at twice that. The mask holds every
    pixel that such a view reads.
    """
    height, camera = width // 2, photograph.camera
    native = native_camera(camera, width)
    finer = camera.resized(int(np.clip(2 * native.width, 1, camera.width)))
    views = [(native, 1.0), (finer, FINER)]
    rays = [bilinear_rows(view, width) for view, _ in views]
    support = np.unique(np.concatenate([matrix.indices for matrix in rays]))
    matrix = vstack([rows[:, support] * weight for rows, (_, weight) in zip(rays, views, strict=True)]).tocsr()
    wanted = np.concatenate([weight * downsample(photograph.picture, view).reshape(-1, 3) for view, weight in views])
    start, within = _sampled(photograph, directions(width, height).reshape(-1, 3)[support], native)
    trust = np.where(within, TRUST, RIM_TRUST)
    normal = (matrix.T @ matrix + diags(trust)).tocsr()
    aim = matrix.T @ wanted + trust[:, None] * start
    solved = bounded_least_squares(normal.astype(np.float32), aim.astype(np.float32), start.astype(np.float32))
    picture, mask = np.zeros((height * width, 3), np.float32), np.zeros(height * width, bool)
    picture[support], mask[support] = solved, True
    return picture.reshape(height, width, 3), mask.reshape(height, width)


def bounded_least_squares(normal: csr_matrix, aim: np.ndarray, start: np.ndarray) -> np.ndarray:
    """x [n, c] in 0..1 that minimises x' normal x / 2 - aim' x: back-projection, projected onto colours that exist.

    Projected Landweber iterations with Nesterov's momentum (FISTA, Beck and Teboulle 2009) and restarts.
    """
    step = 1 / float(abs(normal).sum(1).max())  # Gershgorin: no eigenvalue is larger
    x = ahead = start.clip(0, 1)
    momentum = 1.0
    for _ in range(ITERATIONS):
        gradient = normal @ ahead - aim
        new = (ahead - step * gradient).clip(0, 1)
        if float((gradient * (new - x)).sum()) > 0:  # going uphill: momentum has overshot
            momentum = 1.0
        larger = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + np.float32((momentum - 1) / larger) * (new - x)
        x, momentum = new, larger
    return x


def bilinear_rows(camera: Camera, width: int) -> csr_matrix:
    """The bilinear view of a panorama as a sparse matrix [camera's pixels, panorama's pixels]; wraps in x."""
    height = width // 2
    at = pixels(camera.rays().reshape(-1, 3), width, height) - 0.5
    corner = np.floor(at).astype(int)
    part = at - corner
    rows, columns, values = [], [], []
    for right in (0, 1):
        for down in (0, 1):
            x, y = (corner[:, 0] + right) % width, np.clip(corner[:, 1] + down, 0, height - 1)
            columns.append(y * width + x)
            values.append(np.abs(1 - right - part[:, 0]) * np.abs(1 - down - part[:, 1]))
            rows.append(np.arange(len(at)))
    values, rows, columns = (np.concatenate(x) for x in (values, rows, columns))
    return csr_matrix((values, (rows, columns)), shape=(len(at), width * height))


def _sampled(photograph: Photograph, vectors: np.ndarray, native: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Colours [n, 3] of the photograph at world directions [n, 3], at the density of `native`; bool [n]: inside it."""
    at = np.nan_to_num(native.project(vectors + native.position)[0] - 0.5, nan=-1).astype(np.float32)
    within = ((at > -0.5) & (at < (native.width - 0.5, native.height - 0.5))).all(-1)
    small = downsample(photograph.picture, native)
    at = at.clip(-1, max(native.width, native.height) + 1)
    side = 1024  # cv2.remap takes no picture with a side of 32768 or more
    rows = -(-len(at) // side)
    at = np.pad(at, ((0, rows * side - len(at)), (0, 0))).reshape(rows, side, 2)
    sampled = cv2.remap(small, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.reshape(-1, 3)[: len(vectors)].astype(np.float64), within
