"""Views from around the centre: where they see nothing, something far is put."""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
import torch

from skyworld.camera import pixels
from skyworld.lift.init import gaussians_of_view
from skyworld.lift.points import FACES, DepthView, Layer, face_camera
from skyworld.progress import Progress
from skyworld.splats import Gaussians, rasterize

# A pixel that shows less than this of anything is a hole.
OPEN = 0.5
# Pixels of a face of the cube around each position: coarse, for what is put there is seen at an angle or not at all.
_SIZE = 160


def cube_positions(centre: np.ndarray, cube: float) -> np.ndarray:
    """[14, 3]: centres of the faces, then corners of a cube with the edge `cube` (Recipe, arXiv 2503.16611)."""
    faces = [sign * axis for axis in np.eye(3) for sign in (-1, 1)]
    corners = [np.array(signs) for signs in itertools.product((-1.0, 1.0), repeat=3)]
    return centre + cube / 2 * np.array([*faces, *corners])


def close_holes(gaussians: Gaussians, layer: Layer, centre: np.ndarray, cube: float) -> Iterator[Progress]:
    """Looks around from each of the 14 positions of the cube and closes what is open.

    A hole takes depth and colour from the farther side of its rim. What would stand in front of
    something that the centre sees is left out. Yields progress; returns all Gaussians.
    """
    positions = cube_positions(centre, cube)
    for index, position in enumerate(positions):
        found = []
        for yaw, pitch in FACES:
            camera = face_camera(position, yaw, pitch, _SIZE)
            with torch.no_grad():
                render = rasterize(gaussians, [camera])
            alpha = render.alpha[0].cpu().numpy()
            hole = alpha < OPEN
            if hole.any() and not hole.all():
                colour = render.colour[0].cpu().numpy() / np.maximum(alpha, 1e-6)[..., None]
                view = _closed(camera, colour, render.depth[0].cpu().numpy(), hole)
                found.append(_behind(gaussians_of_view(view), layer, centre))
        gaussians = Gaussians.concatenate([gaussians, *(part.to(gaussians.device) for part in found)])
        yield Progress(0.85 + 0.15 * (index + 1) / len(positions), "looking around for holes")
    return gaussians


def _closed(camera, colour: np.ndarray, depth: np.ndarray, hole: np.ndarray) -> DepthView:
    """The view with its holes filled from the far side of their rims; its mask is the holes, a pixel wider."""
    known = (~hole).astype(np.uint8)
    inverse = np.where(hole, 1e9, 1 / np.maximum(depth, 1e-3)).astype(np.float32)
    # The farthest surface within a few pixels of the rim, and its colour.
    kernel = np.ones((7, 7), np.uint8)
    farthest = cv2.erode(inverse, kernel)
    back = ~hole & (inverse <= farthest * 1.15)
    _, labels = cv2.distanceTransformWithLabels(
        (~back).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    places = np.zeros((labels.max() + 1, 2), np.int64)
    rows, columns = np.nonzero(back)
    places[labels[rows, columns]] = np.stack([rows, columns], -1)
    source = places[labels]
    filled = np.where(hole, inverse[source[..., 0], source[..., 1]], inverse)
    picture = np.where(hole[..., None], colour[source[..., 0], source[..., 1]], colour)
    soft = cv2.GaussianBlur(picture, (0, 0), 1.5)
    picture = np.where(hole[..., None], soft, picture).astype(np.float32)
    wide = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return DepthView(
        camera,
        np.clip(picture, 0, 1),
        1 / filled,
        wide & (hole | (filled <= farthest * 1.15)),
        np.zeros_like(hole) & (known > 0),
    )


def _behind(gaussians: Gaussians, layer: Layer, centre: np.ndarray) -> Gaussians:
    """Those that lie behind what the centre sees in their direction."""
    height, width = layer.distance.shape
    offset = gaussians.means.numpy() - centre
    at = pixels(offset, width, height).astype(int)
    seen = layer.distance[np.clip(at[:, 1], 0, height - 1), at[:, 0] % width]
    return gaussians[torch.from_numpy(np.linalg.norm(offset, axis=1) > 1.03 * seen)]
