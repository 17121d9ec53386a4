"""What a picture's parts look like: what is rare, what lies at the feet, how its texture is foreshortened."""

import cv2
import numpy as np

from skyworld.camera import Camera


def column_rarity(picture: np.ndarray, columns: int = 160) -> np.ndarray:
    """[columns], 0 to 1: how unlike everything else the most unusual patches of each column are."""
    height = max(24, round(picture.shape[0] * columns / picture.shape[1]))
    lab = cv2.cvtColor(cv2.resize(picture, (columns, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    size, step = 8, 3 if height < 320 else 6
    ys, xs = np.arange(0, height - size, step), np.arange(0, columns - size, step)
    patches = np.lib.stride_tricks.sliding_window_view(lab, (size, size), (0, 1))[ys][:, xs]
    patches = patches.reshape(*patches.shape[:3], 4, 2, 4, 2).mean((-1, -3)).reshape(len(ys) * len(xs), -1)
    place = np.stack(np.meshgrid(ys, xs, indexing="ij"), -1).reshape(-1, 2).astype(np.float32)
    square = (patches**2).sum(1)
    distance = square[:, None] + square - 2 * patches @ patches.T
    near = (place**2).sum(1)[:, None] + (place**2).sum(1) - 2 * place @ place.T < (1.5 * size) ** 2
    distance[near] = 1e9
    third = np.sqrt(np.partition(distance, 3, 1)[:, 3].clip(0)).reshape(len(ys), len(xs)).astype(np.float32)
    rarest = np.sort(cv2.resize(third, (columns, height)), 0)[int(height * 0.85) :].mean(0)
    spread = np.ptp(rarest)
    if spread < 1e-3:
        return np.zeros(columns, np.float32)
    return cv2.blur(((rarest - rarest.min()) / spread)[None].astype(np.float32), (5, 1))[0]


def like_bottom(picture: np.ndarray, sky: np.ndarray, share: float, columns: int = 240) -> np.ndarray:
    """float [h, w], 1 where the lower half looks like its bottom edge does: k-means over Lab and roughness.

    share: how much of the best cluster's score another one needs. (Turned upside down it finds a ceiling.)
    """
    height, width = picture.shape[:2]
    rows = max(16, round(height * columns / width))
    lab = cv2.cvtColor(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    light = lab[..., 0]
    roughness = np.sqrt(np.maximum(cv2.blur(light * light, (7, 7)) - cv2.blur(light, (7, 7)) ** 2, 0))
    features = np.concatenate([cv2.bilateralFilter(lab, 5, 12, 3), 3 * roughness.clip(0, 12)[..., None]], -1)
    features = features.astype(np.float32)
    centres = clusters(features[int(0.45 * rows) :].reshape(-1, 4))
    labels = np.argmin(((features[:, :, None] - centres) ** 2).sum(-1), -1)
    down = np.broadcast_to((np.arange(rows) / rows)[:, None], labels.shape)
    aside = np.abs(np.arange(columns) / columns - 0.5)
    weight = np.exp(-(1 - down) / 0.12) * np.exp(-((aside / 0.35) ** 2))
    count = len(centres)
    at_edge = np.bincount(labels.ravel(), weight.ravel(), count)
    low = np.bincount(labels.ravel(), (down > 0.55).ravel().astype(float), count)
    score = at_edge / at_edge.sum() * low / np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    like = (np.isin(labels, np.nonzero(score > share * score.max())[0]) & (down > 0.5)).astype(np.uint8)
    like = cv2.morphologyEx(like, cv2.MORPH_CLOSE, np.ones((3, 3)))
    like = cv2.morphologyEx(like, cv2.MORPH_OPEN, np.ones((7, 7)))
    parts, labels, stats, _ = cv2.connectedComponentsWithStats(like)
    weight_of = np.bincount(labels.ravel(), (weight * like).ravel(), parts)
    large = (stats[:, cv2.CC_STAT_AREA] > 0.01 * rows * columns) & (weight_of > 0.6 * share * weight_of.max())
    large[0] = False
    like = large[labels].astype(np.float32)
    like[cv2.resize(sky, (columns, rows), interpolation=cv2.INTER_AREA) > 0.3] = 0
    return cv2.resize(like, (width, height), interpolation=cv2.INTER_LINEAR)


def most_common(picture: np.ndarray, mask: np.ndarray, columns: int = 240) -> np.ndarray:
    """float [h, w], 1 where the picture has the hue of the larger part of what `mask` [h, w] holds.

    Of grass and a path it is the one that covers more; 1 everywhere where there is only one kind.
    """
    height, width = mask.shape
    size = (columns, max(16, round(height * columns / width)))
    lab = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    hue = cv2.GaussianBlur(lab, (0, 0), 2.5)[..., 1:]
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0.5
    centres = clusters(np.ascontiguousarray(hue[inside]), 2) if inside.any() else np.zeros((1, 2))
    if len(centres) < 2 or np.linalg.norm(centres[0] - centres[1]) < 10:
        return np.ones(mask.shape, np.float32)
    labels = np.argmin(((hue[:, :, None] - centres) ** 2).sum(-1), -1)
    common = np.argmax(np.bincount(labels[inside], minlength=2))
    return cv2.resize((labels == common).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def clusters(features: np.ndarray, count: int = 9) -> np.ndarray:
    """Centres [count, C] of k-means over features [n, C]; the same every time."""
    if len(features) < count:
        return features.mean(0, keepdims=True)
    cv2.setRNGSeed(2)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 30, 0.5)
    return cv2.kmeans(features, count, None, stop, 6, cv2.KMEANS_PP_CENTERS)[2]


def foreshortening(picture: np.ndarray, mask: np.ndarray, camera: Camera) -> tuple[float, float]:
    """log ratio of vertical to horizontal gradient energy where `mask` is 1: in the picture, and laid on the ground.

    A texture that is isotropic on the ground shows gy^2 / gx^2 ~ 1 / sin^2(elevation) in the picture;
    one that is isotropic in the picture (foliage, a facade) does not lie on the ground. (0, 1) when unsure.
    """
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(half, cv2.COLOR_RGB2GRAY)
    inside = cv2.resize(mask, grey.shape[::-1]) > 0.9
    gx, gy = (cv2.Sobel(grey, cv2.CV_32F, *order)[inside] ** 2 for order in ((1, 0), (0, 1)))
    small = camera.resized(grey.shape[1], grey.shape[0])
    sine = np.broadcast_to(small.rays()[:, small.width // 2, 2][:, None], grey.shape)[inside]
    if gx.sum() < 1e-3 or gy.sum() < 1e-3:
        return 0.0, 1.0
    return float(np.log(gy.sum() / gx.sum())), float(np.log((gy * sine**2).sum() / gx.sum()))
