"""Trees and towers that a copy's upper edge cuts off are given a top."""

import cv2
import numpy as np

from skyworld.models.builtin.band import Band
from skyworld.models.builtin.strips import Tile


def continue_crowns(band: Band, seed: int, reach_degrees: float = 11.0) -> Band:
    """Continues what stands at the band's upper edge by reflection, inside a ragged dome.

    A dome is as wide as what is cut, at most `reach_degrees` high, and ends where the colour changes.
    """
    height, width = band.known.shape
    half, scale = height // 2, width / 2048
    colour, alpha = band.colour[:half], band.foreground[:half]
    rows, columns = np.mgrid[:half, :width]
    top = np.where(band.known[:half].any(0), band.known[:half].argmax(0), half - 1).astype(np.float32)
    top = np.round(_cyclic_blur(top, scale)).astype(int).clip(0, half - 6) + 3
    cut = np.array([alpha[top[x] : top[x] + 5, x].mean() for x in range(width)]) > 0.4
    if not cut.any():
        return band
    depth = _like_the_edge(colour, alpha, top, rows)
    reach = np.minimum(reach_degrees / 180 * height, 0.8 * depth).clip(1)
    inward = np.minimum(_distance_to_end(cut) / reach, 1)
    dome = reach * np.sqrt(np.clip(1 - (1 - inward) ** 2, 0, 1))
    over = top[None] - rows
    inside = (over > 0) & (over < dome + _ragged(half, width, scale, seed))
    share = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.7)
    source = np.clip(top[None] + over, 0, height - 1)
    above = over > 0
    alpha = np.where(above, band.foreground[source, columns] * share, alpha)
    colour = np.where(above[..., None], band.colour[source, columns] * share[..., None], colour)
    return Band(
        np.concatenate([colour, band.colour[half:]]).astype(np.float32),
        np.concatenate([alpha, band.foreground[half:]]).astype(np.float32),
        band.known,
    )


def continue_overhang(band: Band, tile: Tile, seed: int, reach_degrees: float = 13.0) -> Band:
    """Foliage and the like that the photograph's own rim cuts off before the sky goes on outside it.

    tile: the photograph itself. Every pixel outside is looked up at its reflection in the nearest point
    of the rim, inside a ragged dome over each stretch of rim that is cut.
    """
    height, width = band.known.shape
    half, scale = height // 2, width / 2048
    shown, colour, foreground = _on_canvas(tile, height, width)
    away, labels = cv2.distanceTransformWithLabels(
        (~shown[:half]).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.mgrid[:half, :width]
    inner = shown[:half]
    row_of, column_of = np.zeros(labels.max() + 1, int), np.zeros(labels.max() + 1, int)
    row_of[labels[inner]], column_of[labels[inner]] = rows[inner], columns[inner]
    rim_row, rim_column = row_of[labels], column_of[labels]
    horizon = half - round(2.5 / 180 * height)
    rim = shown[:half] & (cv2.erode(shown.astype(np.uint8), np.ones((3, 3)))[:half] == 0)
    solid = cv2.blur(foreground, (5, 5))[:half] > 0.6
    free = rim & ~(solid & (rows < horizon))
    if not free.any() or not (rim & ~free).any():
        return band
    along = cv2.distanceTransform((~free).astype(np.uint8), cv2.DIST_L2, 5)[rim_row, rim_column]
    reach = reach_degrees / 180 * height
    dome = np.minimum(reach, 1.5 * along) * np.where(free[rim_row, rim_column], 0, 1)
    inside = (away > 0) & (rows < horizon) & (away < dome + (dome > 0) * _ragged(half, width, scale, seed + 1))
    share = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.7) * (away > 0)
    at = (2 * rim_row - rows).clip(0, height - 1), (2 * rim_column - columns).clip(0, width - 1)
    lab = cv2.cvtColor(cv2.blur(colour, (9, 9)), cv2.COLOR_RGB2LAB)
    same = np.abs(lab[at] - lab[rim_row, rim_column]).sum(-1) < 34  # not what lies behind the crown
    same = cv2.blur((same & shown[at]).astype(np.float32), (9, 9)).clip(0, 1)
    alpha = foreground[at] * share * np.clip(3 * same - 1, 0, 1)
    keep = (1 - alpha)[..., None]
    band.colour[:half] = band.colour[:half] * keep + colour[at] * alpha[..., None]
    band.foreground[:half] = band.foreground[:half] * keep[..., 0] + alpha
    return band


def _on_canvas(tile: Tile, height: int, width: int):
    """A tile on the whole panorama: where it shows anything, its colour, its foreground."""
    part = np.s_[:, width // 2 + tile.left : width // 2 + tile.left + tile.columns]
    shown, colour = np.zeros((height, width), bool), np.zeros((height, width, 3), np.float32)
    foreground = np.zeros((height, width), np.float32)
    shown[part], colour[part], foreground[part] = tile.known, tile.colour, tile.foreground
    return shown, colour, foreground


def _like_the_edge(colour, alpha, top, rows) -> np.ndarray:
    """[W] rows below the edge over which the colour stays what it is at the edge."""
    half, width = alpha.shape
    lab = cv2.cvtColor(cv2.blur(colour, (9, 9)), cv2.COLOR_RGB2LAB)
    at_edge = lab[np.clip(top + 7, 0, half - 1), np.arange(width)]
    other = ((alpha < 0.3) | (np.abs(lab - at_edge).sum(-1) > 24)) & (rows > top + 4)
    depth = np.where(other.any(0), other.argmax(0) - top, half // 2).astype(np.float32)
    return _cyclic_blur(
        cv2.erode(np.concatenate([depth[-60:], depth, depth[:60]])[None], np.ones((1, 9)))[0, 60:-60], 5
    )


def _distance_to_end(cut: np.ndarray) -> np.ndarray:
    """[W] columns from each column of a run of True to the run's nearer end (cyclic)."""
    three = np.concatenate([cut, cut, cut]).astype(np.uint8)[None]
    return cv2.distanceTransform(np.pad(three, ((1, 1), (0, 0)), mode="edge"), cv2.DIST_L1, 3)[
        1, len(cut) : 2 * len(cut)
    ]


def _ragged(height: int, width: int, scale: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = np.zeros((height, width), np.float32)
    for grain in (4, 10, 24):
        cell = max(1, round(grain * scale))
        coarse = rng.standard_normal((height // cell + 1, width // cell + 1)).astype(np.float32)
        noise += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * cell * 0.35
    return noise


def _cyclic_blur(row: np.ndarray, sigma: float) -> np.ndarray:
    margin = 60
    wrapped = np.concatenate([row[-margin:], row, row[:margin]])[None].astype(np.float32)
    return cv2.GaussianBlur(wrapped, (0, 0), max(sigma, 0.3))[0, margin:-margin]
