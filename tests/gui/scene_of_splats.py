"""A street of splats made with numpy: something to look at where no world has been generated yet."""

import numpy as np


def make(ply, N=60_000, seed=0):
    """`Splats` of a meadow, a house, a path and a sky, within 40 m."""
    rng = np.random.default_rng(seed)
    parts = [
        _slab(rng, N // 2, (-14, -4, -0.02), (14, 34, 0.02), (0.30, 0.42, 0.20), 0.10),
        _slab(rng, N // 8, (-1, -4, 0.02), (1, 30, 0.04), (0.62, 0.54, 0.42), 0.06),
        _slab(rng, N // 6, (-7, 10, 0), (-3, 10.1, 4), (0.70, 0.42, 0.32), 0.05),
        _slab(rng, N // 10, (-3, 10, 0), (-2.9, 16, 4), (0.55, 0.33, 0.26), 0.05),
        _ball(rng, N // 10, (5, 12, 3.2), 1.9, (0.18, 0.34, 0.14), 0.07),
    ]
    means, colours, sizes = (np.concatenate(values).astype(np.float32) for values in zip(*parts, strict=True))
    count = len(means)
    quats = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    scales = np.repeat(sizes[:, None], 3, 1).astype(np.float32)
    dc = ((colours - 0.5) / ply.SH_DC).astype(np.float32)
    return ply.Splats(means, scales, quats, np.full(count, 0.95, np.float32), dc, np.zeros((0, count, 3), np.float32))


def _shade(rng, N, colour):
    return np.clip(np.array(colour) * rng.uniform(0.7, 1.25, (N, 1)), 0, 1)


def _slab(rng, N, low, high, colour, size):
    return rng.uniform(low, high, (N, 3)), _shade(rng, N, colour), np.full(N, size)


def _ball(rng, N, centre, radius, colour, size):
    out = rng.normal(size=(N, 3))
    out *= radius * rng.uniform(0.7, 1, (N, 1)) / np.linalg.norm(out, axis=1, keepdims=True)
    return np.array(centre) + out, _shade(rng, N, colour), np.full(N, size)
