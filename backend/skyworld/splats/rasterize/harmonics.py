"""Colours from spherical harmonics and the gradients back, for one Gaussian (numba).

The basis is that of `skyworld.splats.spherical_harmonics`.
"""

import math

from numba import njit

from skyworld.splats.spherical_harmonics import C0, C1, C2, C3

C20, C21, C22 = C2
C30, C31, C32, C33, C34 = C3


@njit(error_model="numpy")
def fill_basis(x, y, z, degree, values):
    """Values of the (degree + 1)^2 functions at a unit vector."""
    values[0] = C0
    if degree > 0:
        values[1], values[2], values[3] = -C1 * y, C1 * z, -C1 * x
    if degree > 1:
        values[4], values[5], values[6] = C20 * x * y, -C20 * y * z, C21 * (2 * z * z - x * x - y * y)
        values[7], values[8] = -C20 * x * z, C22 * (x * x - y * y)
    if degree > 2:
        values[9], values[10] = -C30 * y * (3 * x * x - y * y), C31 * x * y * z
        values[11] = -C32 * y * (4 * z * z - x * x - y * y)
        values[12] = C33 * z * (2 * z * z - 3 * x * x - 3 * y * y)
        values[13] = -C32 * x * (4 * z * z - x * x - y * y)
        values[14], values[15] = C34 * z * (x * x - y * y), -C30 * x * (x * x - 3 * y * y)


@njit(error_model="numpy")
def direction_gradient(x, y, z, degree, v):
    """Gradient of a unit vector from those of the basis functions, v [(degree + 1)^2]."""
    if degree == 0:
        return 0.0, 0.0, 0.0
    gx, gy, gz = -C1 * v[3], -C1 * v[1], C1 * v[2]
    if degree > 1:
        gx += C20 * (y * v[4] - z * v[7]) + 2 * x * (C22 * v[8] - C21 * v[6])
        gy += C20 * (x * v[4] - z * v[5]) - 2 * y * (C22 * v[8] + C21 * v[6])
        gz += 4 * C21 * z * v[6] - C20 * (y * v[5] + x * v[7])
    if degree > 2:
        xx, yy, zz = x * x, y * y, z * z
        gx += -6 * C30 * x * y * v[9] + C31 * y * z * v[10] + 2 * C32 * x * y * v[11] - 6 * C33 * x * z * v[12]
        gx += -C32 * (4 * zz - 3 * xx - yy) * v[13] + 2 * C34 * x * z * v[14] - 3 * C30 * (xx - yy) * v[15]
        gy += -3 * C30 * (xx - yy) * v[9] + C31 * x * z * v[10] - C32 * (4 * zz - xx - 3 * yy) * v[11]
        gy += -6 * C33 * y * z * v[12] + 2 * C32 * x * y * v[13] - 2 * C34 * y * z * v[14] + 6 * C30 * x * y * v[15]
        gz += C31 * x * y * v[10] - 8 * C32 * z * (y * v[11] + x * v[13]) + 3 * C33 * (2 * zz - xx - yy) * v[12]
        gz += C34 * (xx - yy) * v[14]
    return gx, gy, gz


@njit(error_model="numpy")
def towards(means, i, position):
    """Unit vector from the camera to a mean, and the distance."""
    x, y, z = means[i, 0] - position[0], means[i, 1] - position[1], means[i, 2] - position[2]
    distance = max(math.sqrt(x * x + y * y + z * z), 1e-12)
    return x / distance, y / distance, z / distance, distance
