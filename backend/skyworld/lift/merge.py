"""Distance of a panorama from a model that knows perspective pictures: twelve views, merged without a seam.

After MoGe's `infer_panorama`: views about an icosahedron's vertices, and the log distance whose gradients are theirs,
in the least squares, around the wrap. Here one quadratic is solved, and directly: on the sphere its weights depend on
the row alone, so that a Fourier transform along the rows leaves a tridiagonal system for each frequency. That is exact
at every size, without a pyramid; and as the correction is smooth within a view's part, the Laplacian there is its own.
"""

import cv2
import numpy as np
from scipy.linalg import solve_banded

from skyworld.camera import Camera, directions, resample_view
from skyworld.models.builtin.pyramid import pull_push
from skyworld.models.builtin.silhouettes import upsample
from skyworld.models.roles import DepthEstimator, DistanceEstimate
from skyworld.panorama.schedule import icosahedron

LARGEST = 2048  # px: width at which is merged; wider panoramas are brought to size afterwards
ANCHORED = 0.3  # per radian^2: how strongly the merged distance is held to the views' own, against their gradients
STEEP = 1.25  # neighbours whose depths differ by more than this factor are two surfaces: no blend between them
LEAST_GROUND = 1.5  # metres from the camera down to the ground, at least (Recipe section 2.6)
BELOW = np.radians(-40)  # what lies lower is ground or stands on it
SKY_FACTOR, SKY_LIMITS = 4.0, (100.0, 1000.0)  # sky's shell: times the farthest content; eye heights


class PanoramaDistance:
    """Implements roles.DistanceEstimator with a roles.DepthEstimator.

    given_height: the eye height is the artist's, and all scales with it. Else a metric model's scale stands, but for
    a ground that is nearer than LEAST_GROUND; a model without a scale takes the eye height.
    """

    def __init__(self, estimator: DepthEstimator, *, given_height: bool = False):
        self.estimator, self.given_height = estimator, given_height
        self.provenance = estimator.provenance

    def estimate(self, panorama: np.ndarray, *, eye_height: float, sky: np.ndarray | None = None) -> DistanceEstimate:
        steps = self.steps(panorama, eye_height=eye_height, sky=sky)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def steps(self, panorama: np.ndarray, *, eye_height: float, sky: np.ndarray | None = None):
        """As `estimate`, as a generator: yields the share done, returns the DistanceEstimate.

        panorama [H, W, 3]; sky bool [H, W] where known (all False: indoors); eye_height in metres.
        """
        width = min(panorama.shape[1], LARGEST)
        small, small_sky = panorama, sky
        if width < panorama.shape[1]:
            small = cv2.resize(panorama, (width, width // 2), interpolation=cv2.INTER_AREA)
            if sky is not None:
                small_sky = cv2.resize(sky.astype(np.uint8), (width, width // 2), interpolation=cv2.INTER_NEAREST) > 0
        views = []
        looks = icosahedron()
        for index, look in enumerate(looks):
            camera = look.camera(side_for(width))
            found = self.estimator.estimate(resample_view(small, camera), camera)
            valid = found.valid & np.isfinite(found.depth) & (found.depth > 0)
            if small_sky is not None:
                valid &= resample_view(small_sky.astype(np.uint8), camera, cv2.INTER_NEAREST) == 0
            views.append((camera, found.depth, valid))
            yield (index + 1) / (len(looks) + 1)
        distance, seen = merge(views, width)
        if small_sky is None:
            small_sky = ~seen & (directions(width, width // 2)[..., 2] > 0)
        distance = distance * np.float32(self._scale(distance, small_sky, eye_height))
        distance = upsample(distance, small, panorama)
        if sky is None:
            size = panorama.shape[1::-1]
            sky = cv2.resize(small_sky.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return with_shell(distance, sky, eye_height)

    def _scale(self, distance: np.ndarray, sky: np.ndarray, eye_height: float) -> float:
        ground = ground_height(distance, sky)
        if self.given_height or not self.estimator.metric:
            return eye_height / ground if ground else 1.0
        return max(1.0, LEAST_GROUND / ground) if ground else 1.0


def side_for(width: int) -> int:
    """Pixels of a view of 90 degrees that has at its middle the density of a panorama; 256 to 1024."""
    return int(np.clip(-(-width / np.pi // 64) * 64, 256, 1024))


def merge(views: list[tuple[Camera, np.ndarray, np.ndarray]], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance [width / 2, width] float32 from views (camera, depth [h, w], valid bool [h, w]), and bool: any saw it.

    Each view may be off by a factor of its own; together they are taken to be right on average. Where no view knows,
    the distance of what is around runs on.
    """
    rays = directions(width, width // 2)
    logs, weights = zip(*(_on_panorama(*view, rays) for view in views), strict=True)
    weights = np.stack(weights)
    logs = np.stack(logs) + offsets(np.stack(logs), weights)[:, None, None]
    best, seen = weights.argmax(0), weights.max(0) > 0
    if not seen.any():
        return np.ones(seen.shape, np.float32), seen
    rows, columns = np.indices(seen.shape)
    start = pull_push(logs[best, rows, columns][..., None], seen)[..., 0]
    gradients = [_gradient(logs, weights, best, seen, start, axis) for axis in (0, 1)]
    return np.exp(solve(start, *gradients)), seen


def _on_panorama(camera: Camera, depth, valid, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(log distance, weight) float32 [H, W] of a view; weight 0 where it knows nothing, 1 in its middle.

    1 / depth is what is interpolated: it is linear on planes.
    """
    at, facing = camera.project(rays + camera.position)
    at = np.nan_to_num(at, nan=-1e4).clip(-1e4, 1e4).astype(np.float32) - np.float32(0.5)
    u, v = np.moveaxis(at, -1, 0)
    inverse = np.where(valid, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    smooth = cv2.remap(inverse, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    nearest = cv2.remap(inverse, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    window = np.ones((3, 3), np.uint8)
    steep = (cv2.dilate(inverse, window) > STEEP**2 * cv2.erode(inverse, window)).astype(np.uint8)
    steep = cv2.remap(steep, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE) > 0
    inverse = np.where(steep, nearest, smooth)
    border = 1 - np.abs(at + np.float32(0.5) - np.float32(camera.width / 2)).max(-1) / (camera.width / 2)
    weight = np.where((inverse > 0) & (facing > 0), border.clip(0), 0)
    return -np.log(np.maximum(inverse * facing, 1e-9)).astype(np.float32), weight.astype(np.float32)


def offsets(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[n] float32 to add to each view's log distance [n, H, W], so that overlaps agree; 0 on average.

    Least squares over the pairs' median differences, each counted by its pixels.
    """
    step = max(1, logs.shape[2] // 512)
    logs, weights = logs[:, ::step, ::step], weights[:, ::step, ::step]
    rows, aims = [np.full(len(logs), 1e-3)], [0.0]
    for i in range(len(logs)):
        for j in range(i):
            both = (weights[i] > 0) & (weights[j] > 0)
            if both.sum() >= 16:
                strength = np.sqrt(both.sum() / both.size)
                row = np.zeros(len(logs))
                row[i], row[j] = strength, -strength
                rows.append(row)
                aims.append(-strength * float(np.median(logs[i][both] - logs[j][both])))
    found = np.linalg.lstsq(np.array(rows), np.array(aims), rcond=None)[0]
    return (found - found.mean()).astype(np.float32)


def _gradient(logs, weights, best, seen, start, axis: int) -> np.ndarray:
    """Step of the log distance from each pixel to the next along an axis (down: [H - 1, W]; right: [H, W], wraps).

    As the view says that looks straightest at either of the two; the mean, where these are two views. Where there is
    no such view, the step of `start`.
    """

    def following(array):
        return np.roll(array, -1, array.ndim - 2 + axis) if axis else array[..., 1:, :]

    def here(array):
        return array if axis else array[..., :-1, :]

    total, count = np.zeros(here(start).shape, np.float32), np.zeros(here(start).shape, np.float32)
    steps = following(logs) - here(logs)
    known = (here(weights) > 0) & (following(weights) > 0)
    rows, columns = np.indices(total.shape)
    for choice in (here(best), following(best)):
        there = known[choice, rows, columns]
        total += np.where(there, steps[choice, rows, columns], 0)
        count += there
    plain = following(start) - here(start)
    return np.where(count > 0, total / np.maximum(count, 1), plain)


def solve(start: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x [H, W] float32 that minimises, over the sphere, |grad x - (down, right)|^2 + ANCHORED (x - start)^2.

    start [H, W]; down [H - 1, W] and right [H, W]: steps to the next pixel, `right` wraps. The integral over the
    sphere gives a row at latitude t the weight cos t for steps down and 1 / cos t for steps right.
    """
    height, width = start.shape
    latitude = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    cos, cos_between = np.cos(latitude), np.cos((latitude[1:] + latitude[:-1]) / 2)
    anchored = ANCHORED * (np.pi / height) ** 2 * cos
    aim = anchored[:, None] * start
    aim[1:] += cos_between[:, None] * down
    aim[:-1] -= cos_between[:, None] * down
    flow = right / cos[:, None]
    aim += np.roll(flow, 1, 1) - flow
    spectrum = np.fft.rfft(aim, axis=1)
    bands = np.zeros((3, height))
    bands[0, 1:], bands[2, :-1] = -cos_between, -cos_between
    diagonal = anchored.copy()
    diagonal[1:] += cos_between
    diagonal[:-1] += cos_between
    for k in range(spectrum.shape[1]):
        bands[1] = diagonal + (2 - 2 * np.cos(2 * np.pi * k / width)) / cos
        spectrum[:, k] = solve_banded((1, 1), bands, spectrum[:, k])
    return np.fft.irfft(spectrum, width, axis=1).astype(np.float32)


def ground_height(distance: np.ndarray, sky: np.ndarray) -> float | None:
    """Metres from the camera down to the ground: median height of what lies steeply below, by solid angle; or None."""
    up = directions(*distance.shape[::-1])[..., 2]
    below = (up < np.sin(BELOW)) & ~sky
    if not below.any():
        return None
    height, weight = (-distance * up)[below], np.sqrt(1 - up[below] ** 2)
    order = np.argsort(height)
    total = np.cumsum(weight[order])
    return float(height[order][np.searchsorted(total, total[-1] / 2)])


def with_shell(distance: np.ndarray, sky: np.ndarray, eye_height: float) -> DistanceEstimate:
    """The sky on one far shell, everything else before it."""
    content = distance[~sky]
    farthest = float(np.percentile(content, 99.9)) if content.size else 0.0
    shell = np.float32(np.clip(SKY_FACTOR * farthest, *(limit * eye_height for limit in SKY_LIMITS)))
    return DistanceEstimate(np.where(sky, shell, np.minimum(distance, shell)).astype(np.float32), sky)
