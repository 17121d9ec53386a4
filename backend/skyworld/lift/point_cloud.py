"""The coloured point cloud of a panorama, for programs that know points but no Gaussians."""

from pathlib import Path

import numpy as np

from skyworld.camera import directions

MAX_POINTS = 2_000_000


def write_points(
    path: Path | str, panorama: np.ndarray, distance: np.ndarray, sky: np.ndarray | None, eye_height: float
):
    """Binary PLY with x y z (metres, world frame) and red green blue: what the panorama shows, without the sky.

    panorama: [H, W, 3], 0 to 1.  distance: [H, W] metres along the ray from (0, 0, eye_height).
    Rows are thinned towards the poles, so that points are as dense there as at the horizon.
    """
    height, width = distance.shape
    keep = np.ones((height, width), bool) if sky is None else ~sky
    stride = np.sqrt(max(1.0, keep.sum() * 2 / np.pi / MAX_POINTS))
    step = np.maximum(1, stride / np.maximum(np.cos((0.5 - (np.arange(height) + 0.5) / height) * np.pi), 1e-3))
    keep &= np.arange(width)[None] % step[:, None] < 1
    keep &= (np.arange(height) % stride < 1)[:, None]
    means = directions(width, height)[keep] * distance[keep][:, None] + (0, 0, eye_height)
    record = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    points = np.empty(len(means), record)
    points["xyz"], points["rgb"] = means, np.clip(panorama[keep] * 255 + 0.5, 0, 255)
    fields = [f"property float {c}" for c in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}", *fields, "end_header", ""]
    with open(path, "wb") as file:
        file.write("\n".join(header).encode())
        points.tofile(file)
