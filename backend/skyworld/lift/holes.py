"""Views from around the centre: where they see nothing, something far is put."""

from collections.abc import Iterator

import cv2
import numpy as np
import torch

from skyworld.camera import Camera, pixels
from skyworld.camera.paths import cube_positions
from skyworld.lift.init import gaussians_of_view
from skyworld.lift.points import FACES, DepthView, Layer, face_camera, face_views
from skyworld.lift.rim import far_side, nearest
from skyworld.progress import Progress
from skyworld.splats import Gaussians, rasterize

# A pixel that shows less than this of anything is a hole.
OPEN = 0.5
# Pixels of a face of the cube around each position: coarse, for what is put there is seen at an angle or not at all.
_SIZE = 128


def close_holes(gaussians: Gaussians, layer: Layer, centre: np.ndarray, cube: float) -> Iterator[Progress]:
    """Looks around from each of the 14 positions of the cube and closes what is open.

    A hole takes depth and colour from the farther side of its rim. What would stand in front of
    something that the centre sees is left out. Yields progress; returns the new Gaussians, on the CPU.
    """
    found = []
    positions = cube_positions(centre, cube)
    for index, position in enumerate(positions):
        for face, (yaw, pitch) in enumerate(FACES):
            camera = face_camera(position, yaw, pitch, _SIZE)
            with torch.no_grad():
                render = rasterize(gaussians, [camera])
            alpha = render.alpha[0].cpu().numpy()
            hole = alpha < OPEN
            if hole.any() and not hole.all():
                colour = render.colour[0].cpu().numpy() / np.maximum(alpha, 1e-6)[..., None]
                view = _closed(camera, colour, render.depth[0].cpu().numpy(), hole)
                found.append(_behind(gaussians_of_view(view), layer, centre))
                gaussians = Gaussians.concatenate([gaussians, found[-1].to(gaussians.device)])
            yield Progress((index + (face + 1) / len(FACES)) / len(positions), "looking around for holes")
    return found


def _closed(camera: Camera, colour: np.ndarray, depth: np.ndarray, hole: np.ndarray) -> DepthView:
    """The view with its holes filled from the far side of their rims; its mask is the holes, a pixel wider."""
    inverse = np.where(hole, 0, 1 / np.maximum(depth, 1e-3)).astype(np.float32)
    rim = far_side(inverse, hole)
    rows, columns = nearest(rim)
    filled = np.where(hole, inverse[rows, columns], inverse)
    soft = cv2.GaussianBlur(colour[rows, columns], (0, 0), 1.5)
    picture = np.clip(np.where(hole[..., None], soft, colour), 0, 1).astype(np.float32)
    wider = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return DepthView(camera, picture, 1 / np.maximum(filled, 1e-6), wider & (hole | rim), np.zeros_like(hole))


def shell(layer: Layer, centre: np.ndarray, reach: float) -> Gaussians:
    """A blurred panorama behind everything: through a crack that is left one sees about the right colour.

    Lies beyond the farthest surface and beyond `reach` metres, where a camera may stand, even outside of a room.
    """
    width = 256
    step = layer.distance.shape[1] // width
    picture = cv2.resize(layer.picture, (width, width // 2), interpolation=cv2.INTER_AREA)
    around = np.pad(picture, ((0, 0), (32, 32), (0, 0)), mode="wrap")
    picture = cv2.GaussianBlur(around, (0, 0), 4)[:, 32:-32]
    distance = np.full(picture.shape[:2], 1.5 * float(layer.distance.max()) + 2 * reach, np.float32)
    # The sky is a shell already: what it needs behind it is only below its rim.
    sky = cv2.erode(layer.sky[step // 2 :: step, step // 2 :: step].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    far = Layer(picture, distance, ~sky, np.ones_like(sky))
    views = face_views(far, centre, width // 4)
    return Gaussians.concatenate([gaussians_of_view(view, 2, even=0.08, sigma=1.0) for view in views])


def _behind(gaussians: Gaussians, layer: Layer, centre: np.ndarray) -> Gaussians:
    """Those that lie behind what the centre sees in their direction."""
    height, width = layer.distance.shape
    offset = gaussians.means.numpy() - centre
    at = pixels(offset, width, height).astype(int)
    seen = layer.distance[np.clip(at[:, 1], 0, height - 1), at[:, 0] % width]
    return gaussians[torch.from_numpy(np.linalg.norm(offset, axis=1) > 1.03 * seen)]
