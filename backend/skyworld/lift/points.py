"""The panorama as pinhole pictures with depth, and as a coloured point cloud."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from skyworld.camera import Camera, directions, resample_view, turned
from skyworld.world.files import mendable

# Heading and elevation of the six faces of the cube around the panorama's centre.
FACES = tuple(np.radians(face) for face in [(0, 0), (90, 0), (180, 0), (-90, 0), (0, 90), (0, -90)])
# Pixels that a face is sampled beyond its 90 degrees, so that normals are right up to the edge.
MARGIN = 8


@dataclass(frozen=True)
class Layer:
    """Surfaces seen from the panorama's centre, one a pixel.

    picture: [H, W, 3], 0 to 1.  distance: [H, W] metres along the ray.  mask: [H, W] bool, where there is a
    surface.  sky: [H, W] bool, where it is the far shell.
    """

    picture: np.ndarray
    distance: np.ndarray
    mask: np.ndarray
    sky: np.ndarray


@dataclass(frozen=True)
class DepthView:
    """What a pinhole camera sees of a layer: picture [h, w, 3], depth (camera z) [h, w], mask and sky [h, w] bool."""

    camera: Camera
    picture: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    sky: np.ndarray


def face_views(layer: Layer, position: np.ndarray, size: int) -> Iterator[DepthView]:
    """The layer on the faces of a cube, each `size` px for its 90 degrees plus MARGIN at every side (not masked)."""
    for yaw, pitch in FACES:
        yield depth_view(layer, face_camera(position, yaw, pitch, size, MARGIN), MARGIN)


def face_camera(position: np.ndarray, yaw: float, pitch: float, size: int, margin: int = 0) -> Camera:
    """A camera whose 90 degrees are `size` px, with `margin` px beyond at every side."""
    whole = size + 2 * margin
    K = np.array([[size / 2, 0, whole / 2], [0, size / 2, whole / 2], [0, 0, 1.0]])
    return Camera(turned(position, yaw, pitch), K, whole, whole)


def depth_view(layer: Layer, camera: Camera, margin: int = 0) -> DepthView:
    """Colour is interpolated; distance and masks are taken from the nearest pixel: nothing is blended across edges."""
    cosine = camera.rays() @ camera.rotation[:, 2]
    nearest = cv2.INTER_NEAREST
    mask = resample_view(layer.mask.astype(np.uint8), camera, nearest) > 0
    if margin:
        inner = np.zeros_like(mask)
        inner[margin:-margin, margin:-margin] = True
        mask &= inner
    return DepthView(
        camera,
        resample_view(layer.picture, camera),
        (resample_view(layer.distance, camera, nearest) * cosine).astype(np.float32),
        mask,
        resample_view(layer.sky.astype(np.uint8), camera, nearest) > 0,
    )


def fringe(picture: np.ndarray, sky: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sky pixels that show leaves and edges of what stands before the sky, and the picture with sky in their place.

    picture: [h, w, 3].  sky: [h, w] bool.  Left on the far shell they would hang in the air, as soon as the camera
    moves. They lie at the border of the sky, or near it and off its smooth colour.
    Returns the pixels (bool [h, w]) and the picture.
    """
    scale = picture.shape[1] / 900
    standing = (~sky).astype(np.uint8)
    reach = 2 * max(1, round(2.5 * scale)) + 1
    border = sky & (cv2.dilate(standing, np.ones((reach, reach), np.uint8)) > 0)
    near = cv2.distanceTransform(1 - standing, cv2.DIST_L2, 5) < 60 * scale
    clean = sky & ~border
    for _ in range(2):  # the smooth colour, then without what was far off it
        smooth, weight = _smooth(picture, clean, 7 * scale)
        off = np.abs(picture - smooth).max(-1) > 0.06
        clean &= ~(off & near) & (weight > 0)
    smooth, weight = _smooth(picture, clean, 7 * scale)
    wrong = sky & (border | (near & (np.abs(picture - smooth).max(-1) > 0.06))) & (weight > 1e-3)
    return wrong, np.where(wrong[..., None], smooth, picture).astype(np.float32)


def _smooth(picture: np.ndarray, known: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Average [h, w, 3] of the known pixels around each, from as near as there are any, and their share [h, w]."""
    known = known.astype(np.float32)
    total = weight = None
    for times in (1, 5):  # the wider average only speaks where the nearer is silent
        share = cv2.GaussianBlur(known, (0, 0), sigma * times) * (1.0 if times == 1 else 0.02)
        colour = cv2.GaussianBlur(picture * known[..., None], (0, 0), sigma * times)
        colour *= 1.0 if times == 1 else 0.02
        total, weight = (colour, share) if total is None else (total + colour, weight + share)
    return total / np.maximum(weight, 1e-6)[..., None], weight


def write_points(
    path: Path | str, picture: np.ndarray, distance: np.ndarray, sky: np.ndarray | None, eye_height: float
) -> None:
    """The panorama's pixels, sky left out, as a binary PLY of points with colours.

    Rows are thinned towards the poles, where the panorama holds each point many times.
    """
    height, width = distance.shape
    keep = np.zeros(distance.shape, bool)
    for row, cosine in enumerate(np.cos((0.5 - (np.arange(height) + 0.5) / height) * np.pi)):
        count = max(4, round(width * cosine))
        keep[row, ((np.arange(count) + 0.5) * width / count).astype(int)] = True
    if sky is not None:
        keep &= ~sky
    points = directions(width, height)[keep] * distance[keep][:, None] + (0, 0, eye_height)
    rows = np.empty(len(points), [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    rows["xyz"] = points
    rows["rgb"] = np.clip(picture[keep] * 255 + 0.5, 0, 255)
    names = [*(f"float {axis}" for axis in "xyz"), *(f"uchar {colour}" for colour in ("red", "green", "blue"))]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    header += [f"property {name}" for name in names] + ["end_header", ""]
    with mendable(path), open(path, "wb") as file:
        file.write("\n".join(header).encode("ascii"))
        file.write(rows.tobytes())
