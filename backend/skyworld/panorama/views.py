"""Views of a panorama that is not complete yet, and how a view's answer is laid back into it.

Everything is done in float32 and tile by tile, and only where a view reaches: a panorama of 4096 x 2048 needs little
more memory than itself, and models need not wait.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from skyworld.camera import Camera

FEATHER = 12 / 1024  # of a view's width over which what it adds runs into what an earlier one added
TILE = 256  # px
COARSE = 16  # px between the directions by which tiles are chosen


def see(picture: np.ndarray, known: np.ndarray | None, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """What the camera sees of a panorama [H, W, 3] that is 0 where not known (None: all is): [h, w, 3] and bool [h, w],
    True where unknown.

    Known colours are not darkened by unknown neighbours; a panorama much denser than the view is made smaller first.
    """
    shrink = max(1, int(picture.shape[1] / (2 * np.pi) / density(camera)))
    layers = [picture] if known is None else [picture, known.astype(np.float32)]
    if shrink > 1:
        size = (picture.shape[1] // shrink, picture.shape[0] // shrink)
        layers = [cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for layer in layers]
    at = positions(camera, layers[0].shape[1])
    layers = [cv2.remap(layer, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP) for layer in layers]
    if known is None:
        return layers[0], np.zeros(layers[0].shape[:2], bool)
    seen, share = layers
    unknown = cv2.dilate((share < 0.999).astype(np.uint8), np.ones((5, 5))) > 0
    return (seen / np.maximum(share, 1e-3)[..., None]).clip(0, 1), unknown


def density(camera: Camera) -> float:
    """Pixels per radian in the middle of a view."""
    return camera.width / (2 * np.pi) if camera.model == "equirect" else float(camera.K[0, 0])


def positions(camera: Camera, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Column and row [h, w] float32, as cv2.remap counts them, of a view's pixels on a panorama `width` wide."""
    u, v = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in (camera.width, camera.height))
    if camera.model == "equirect":
        x, y = np.meshgrid(u * (width / camera.width), v * (width / 2 / camera.height))
    else:
        across = (u - np.float32(camera.K[0, 2])) / np.float32(camera.K[0, 0])
        down = ((v - np.float32(camera.K[1, 2])) / np.float32(camera.K[1, 1]))[:, None]
        right, front, up = (r[0] * across + (r[1] * down + r[2]) for r in camera.rotation.astype(np.float32))
        x = (np.arctan2(right, front) / np.float32(2 * np.pi) + np.float32(0.5)) * width
        y = (np.float32(0.5) - np.arctan2(up, np.hypot(right, front)) / np.float32(np.pi)) * (width // 2)
    return x - np.float32(0.5), (y - np.float32(0.5)).clip(0, width // 2 - 1)


def feathered(unknown: np.ndarray) -> np.ndarray:
    """[h, w] float32: share of a view's answer, 1 where unknown, 0 from FEATHER away from it on."""
    away = cv2.distanceTransform((~unknown).astype(np.uint8), cv2.DIST_L2, 5) / (FEATHER * unknown.shape[1])
    return (0.5 + 0.5 * np.cos(np.pi * away.clip(0, 1))).astype(np.float32)


def border_distance(height: int, width: int) -> np.ndarray:
    """[h, w] float32: pixels from each pixel's centre to the nearest border of a picture."""
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    return np.minimum(np.minimum(y, height - y)[:, None], np.minimum(x, width - x)).astype(np.float32)


def onto(view: np.ndarray, camera: Camera, width: int) -> Iterator[tuple[tuple[slice, slice], np.ndarray, np.ndarray]]:
    """A view [h, w, C] on a panorama `width` wide, tile by tile: its place, values [n, m, C], bool [n, m]: inside it.

    Tiles that the view does not reach are left out.
    """
    pad = 4 if camera.model == "equirect" else 0
    view = np.concatenate([view[:, -pad:], view, view[:, :pad]], 1) if pad else view
    # Two coarse steps in pixels of the view, towards whose corners a step grows up to fourfold.
    slack = 4 * 2 * COARSE * 2 * np.pi / width * density(camera)
    for top in range(0, width // 2, TILE):
        for left in range(0, width, TILE):
            rows, columns = np.arange(top, min(top + TILE, width // 2)), np.arange(left, min(left + TILE, width))
            if not pad and not _inside(_pixels(camera, width, rows[::COARSE], columns[::COARSE]), camera, slack).any():
                continue
            at = _pixels(camera, width, rows, columns)
            inside = np.ones(at[0].shape, bool) if pad else _inside(at, camera, -0.5)
            if inside.any():
                u, v = (x.clip(-1, max(view.shape) + 1) - np.float32(0.5) for x in at)
                laid = cv2.remap(view, u + pad, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                yield np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], laid, inside


def _pixels(camera: Camera, width: int, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera sees a panorama's pixels: u, v [n, m] float32; -1e4 behind it."""
    yaw = ((columns + 0.5) / width - 0.5) * 2 * np.pi
    pitch = (0.5 - (rows + 0.5) / (width // 2)) * np.pi
    if camera.model == "equirect":
        u = np.broadcast_to((yaw / (2 * np.pi) + 0.5) * camera.width, (len(rows), len(columns)))
        v = np.broadcast_to(((0.5 - pitch / np.pi) * camera.height)[:, None], u.shape)
        return u.astype(np.float32), v.astype(np.float32)
    level = np.stack([np.sin(yaw), np.cos(yaw)])
    flat, up = np.cos(pitch).astype(np.float32)[:, None], np.sin(pitch).astype(np.float32)[:, None]
    x, y, z = (flat * (axis[:2] @ level).astype(np.float32) + np.float32(axis[2]) * up for axis in camera.rotation.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = (
            np.where(z > 1e-6, np.float32(camera.K[i, i]) * a / z + np.float32(camera.K[i, 2]), np.float32(-1e4))
            for i, a in ((0, x), (1, y))
        )
    return u, v


def _inside(at: tuple[np.ndarray, np.ndarray], camera: Camera, slack: float) -> np.ndarray:
    u, v = at
    return (u > -slack) & (u < camera.width + slack) & (v > -slack) & (v < camera.height + slack)


def complete_view(
    picture: np.ndarray,
    known: np.ndarray,
    fixed: np.ndarray,
    camera: Camera,
    answer: Callable[[np.ndarray, np.ndarray], np.ndarray],
    taken: np.ndarray | None = None,
) -> bool:
    """Lays what `answer(seen [h, w, 3], unknown bool [h, w])` says into picture [H, W, 3] and known [H, W], in place.

    Taken over is what was unknown, and a feather of what earlier views added, for which the view asks as well; never
    `fixed` (bool [H, W]), and only rows that are `taken` (bool [H]; None: all). False where there is nothing to ask.
    """
    width = picture.shape[1]
    taken = np.ones(len(picture), bool) if taken is None else taken
    seen, unknown = see(picture, known, camera)
    if not (unknown & taken[(positions(camera, width)[1] + 0.5).astype(int)]).any():
        return False
    share = feathered(unknown)
    held = cv2.remap(fixed.astype(np.float32), *positions(camera.resized(camera.width // 4), width), cv2.INTER_LINEAR)
    share *= unknown | (cv2.resize(held, unknown.shape[::-1]) < 0.001)
    asked = share > 0
    painted = np.where(asked[..., None], answer(seen, asked), seen)
    layers = np.concatenate([painted, share[..., None]], -1).astype(np.float32)
    for place, laid, inside in onto(layers, camera, width):
        inside &= taken[place[0], None]
        part = np.where(known[place], laid[..., 3], 1) * (inside & ~fixed[place])
        picture[place] += part[..., None].astype(np.float32) * (laid[..., :3] - picture[place])
        known[place] |= inside
    return True
