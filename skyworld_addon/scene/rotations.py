"""Rotations in the precision of what is given: mathutils has single precision only."""

import numpy as np


def matrices(quats):
    """Rotations [..., 3, 3] of quaternions [..., 4] wxyz of any length but 0."""
    w, x, y, z = np.moveaxis(quats / np.linalg.norm(quats, axis=-1, keepdims=True), -1, 0)
    R = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.moveaxis(R, (0, 1), (-2, -1))


def quaternions(R):
    """[N, 4] wxyz of rotations [N, 3, 3]: the best of the four formulas for each (Shepperd 1978)."""
    trace = R[:, 0, 0] + R[:, 1, 1] + R[:, 2, 2]
    squares = np.stack([trace, *(2 * R[:, i, i] - trace for i in range(3))], 1)
    best = squares.argmax(1)
    q = np.empty((4, len(R), 4))
    a, b, c = R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]
    d, e, f = R[:, 1, 0] + R[:, 0, 1], R[:, 0, 2] + R[:, 2, 0], R[:, 2, 1] + R[:, 1, 2]
    for k, others in enumerate(((a, b, c), (a, d, e), (b, d, f), (c, e, f))):
        q[k, :, k] = 1 + squares[:, k]
        q[k][:, [i for i in range(4) if i != k]] = np.stack(others, 1)
    chosen = q[best, np.arange(len(R))]
    return chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
