"""What lies under the mouse: splats seen through a 3D view, with numpy."""

import numpy as np

NEAR = 0.01


def on_screen(means, to_camera, projection, width, height):
    """(pixels [N, 2] from the bottom left, depths [N]) of means [N, 3]; behind the eye a depth is -inf.

    to_camera: [4, 4] from the means' space to the camera's (looking along -z).  projection: [4, 4].
    """
    P, pose = np.asarray(projection, np.float64), np.asarray(to_camera, np.float64)
    rows = np.concatenate([(P @ pose)[[0, 1, 3]], -pose[2:3]]).astype(np.float32)
    x, y, w, depth = rows[:, :3] @ means.T + rows[:, 3:]
    before = w > NEAR
    w[~before] = 1
    depth[~before] = -np.inf
    return np.stack([(x / w + 1) * (width / 2), (y / w + 1) * (height / 2)], 1), depth


def mask_at(mask, pixels, depths):
    """[N] what a mask [H, W] (row 0 at the bottom) says at pixels [N, 2]; no outside of it and behind the eye."""
    height, width = mask.shape
    x, y = pixels[:, 0], pixels[:, 1]
    at = np.flatnonzero((depths > -np.inf) & (x >= 0) & (y >= 0) & (x < width) & (y < height))
    out = np.zeros(len(pixels), bool)
    out[at] = mask[y[at].astype(np.intp), x[at].astype(np.intp)]
    return out


def polygon_mask(polygon, width, height):
    """[H, W] bool, row 0 at the bottom: pixels whose centre lies inside, by the even-odd rule along each row."""
    crossings = np.zeros((height, width + 1), np.int32)
    ends = np.asarray(polygon, float)
    for (x0, y0), (x1, y1) in zip(ends, np.roll(ends, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        low, high = sorted((y0, y1))
        rows = np.arange(max(int(np.ceil(low - 0.5)), 0), min(int(np.ceil(high - 0.5)), height))
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)] += 1
    return np.cumsum(crossings, axis=1)[:, :width] % 2 == 1


def surface_depth(pixels, depths, spreads, opacities, at):
    """Depth of what is seen at the pixel `at` [2], or None where nothing is.

    The splats that cover it are laid over each other, nearest first, until half of the light is theirs.
    spreads: [N] standard deviation in pixels.
    """
    away = ((pixels - np.asarray(at, np.float32)) ** 2).sum(1)
    spreads = np.maximum(spreads, 0.7)
    near = np.flatnonzero((depths > -np.inf) & (away < 9 * spreads**2))
    near = near[np.argsort(depths[near])]
    alpha = np.clip(opacities[near] * np.exp(-0.5 * away[near] / spreads[near] ** 2), 0, 0.999)
    through = np.cumprod(1 - alpha)
    if len(near) == 0 or through[-1] >= 0.5:
        return None
    return float(depths[near[np.argmax(through < 0.5)]])
