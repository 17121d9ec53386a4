"""Views of a panorama that is not complete yet, and how a view's answer is laid back into it.

Everything is done view by view and in strips of rows: a panorama of 4096 x 2048 needs little more than itself.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from skyworld.camera import Camera, resample_view

FEATHER = 12 / 1024  # of a view's width over which what it adds runs into what an earlier one added
ROWS = 256  # of a strip


def see(picture: np.ndarray, known: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """What the camera sees of a panorama [H, W, 3] known in part: [h, w, 3], and bool [h, w], True where unknown.

    Known colours are not darkened by unknown neighbours; a panorama much denser than the view is made smaller first.
    """
    shrink = max(1, int(picture.shape[1] / (2 * np.pi) / density(camera)))
    layers = np.concatenate([picture * known[..., None], known[..., None].astype(np.float32)], -1)
    if shrink > 1:
        size = (layers.shape[1] // shrink, layers.shape[0] // shrink)
        layers = cv2.resize(layers, size, interpolation=cv2.INTER_AREA)
    seen = resample_view(layers, camera)
    share = seen[..., 3:]
    unknown = cv2.dilate((share[..., 0] < 0.999).astype(np.uint8), np.ones((5, 5))) > 0
    return (seen[..., :3] / np.maximum(share, 1e-3)).clip(0, 1), unknown


def density(camera: Camera) -> float:
    """Pixels per radian in the middle of a view."""
    return camera.width / (2 * np.pi) if camera.model == "equirect" else float(camera.K[0, 0])


def feathered(unknown: np.ndarray) -> np.ndarray:
    """[h, w] float32: share of a view's answer, 1 where unknown, 0 from FEATHER away from it on."""
    away = cv2.distanceTransform((~unknown).astype(np.uint8), cv2.DIST_L2, 5) / (FEATHER * unknown.shape[1])
    return (0.5 + 0.5 * np.cos(np.pi * away.clip(0, 1))).astype(np.float32)


def border_distance(height: int, width: int) -> np.ndarray:
    """[h, w] float32: pixels from each pixel's centre to the nearest border of a picture."""
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    return np.minimum(np.minimum(y, height - y)[:, None], np.minimum(x, width - x)).astype(np.float32)


def onto(view: np.ndarray, camera: Camera, width: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """A view [h, w, C] on a panorama `width` wide, strip by strip: rows, values [n, W, C] and bool [n, W], inside it.

    Strips that the view does not reach are left out.
    """
    margin = 4 if camera.model == "equirect" else 0
    if margin:
        view = np.concatenate([view[:, -margin:], view, view[:, :margin]], 1)
    for top in range(0, width // 2, ROWS):
        rows = slice(top, min(top + ROWS, width // 2))
        at = camera.project(_rays(width, rows) + camera.position)[0].astype(np.float32)
        with np.errstate(invalid="ignore"):
            inside = ((at > 0.5) & (at < (camera.width - 0.5, camera.height - 0.5))).all(-1)
        inside |= camera.model == "equirect"
        if inside.any():
            at = np.nan_to_num(at, nan=-1).clip(-1, max(view.shape) + 1) - np.float32(0.5)
            u, v = at[..., 0] + margin, at[..., 1]
            yield rows, cv2.remap(view, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), inside


def _rays(width: int, rows: slice) -> np.ndarray:
    """Some rows of `skyworld.camera.directions`."""
    yaw = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    pitch = (0.5 - (np.arange(rows.start, rows.stop) + 0.5) / (width // 2)) * np.pi
    cos, sin = np.cos(pitch)[:, None], np.sin(pitch)[:, None]
    return np.stack([cos * np.sin(yaw), cos * np.cos(yaw), np.broadcast_to(sin, (len(pitch), width))], -1)


def complete_view(picture, known, fixed, camera: Camera, answer: Callable[[np.ndarray, np.ndarray], np.ndarray]):
    """Lays what `answer(seen [h, w, 3], unknown bool [h, w])` says into picture [H, W, 3] and known [H, W], in place.

    Taken over is what was unknown, and a feather of what earlier views added, for which the view asks as well; never
    `fixed` (bool [H, W]). False where the view has nothing unknown.
    """
    seen, unknown = see(picture, known, camera)
    if not unknown.any():
        return False
    share = feathered(unknown)
    held = resample_view(fixed.astype(np.float32), camera.resized(camera.width // 4))
    share *= unknown | (cv2.resize(held, unknown.shape[::-1]) < 0.001)
    layers = np.concatenate([answer(seen, share > 0), share[..., None]], -1).astype(np.float32)
    for rows, laid, inside in onto(layers, camera, picture.shape[1]):
        part = np.where(known[rows], laid[..., 3], 1) * (inside & ~fixed[rows])
        picture[rows] += part[..., None].astype(np.float32) * (laid[..., :3] - picture[rows])
        known[rows] |= inside
    return True
