"""From Gaussians in the world to ellipses in the picture, and the gradients back (numba, all cores).

EWA splatting (Zwicker et al. 2001) as 3D Gaussian Splatting and gsplat do it: with the camera's rotation
W, the Gaussian's rotation R and scales S and the Jacobian J of the projection at its mean, the covariance
in the picture is J W R S (J W R S)^T + EPS2D. The rows of J W R S are called `u` and `v` here; the
covariance is then (u.u, u.v, v.v) and its determinant |u x v|^2, free of cancellation.

Ellipses: float32 [n, 8]: mean x, mean y (px), conic xx, xy, yy (px^-2), determinant of the conic, depth
(camera z), compensation: root of the share of its area that EPS2D left (Mip-Splatting, arXiv 2311.16493).
"""

import math

import numpy as np
from numba import njit, prange

EPS2D = 0.3  # px^2 added to the covariance: nothing is thinner than a pixel
NEAR = 0.01  # metres
# The Jacobian is taken at most this share of the picture outside its border: beyond, it is a poor guide.
_MARGIN = 0.15
_REACH = 3.4  # sigmas; at 3.33 an opaque Gaussian falls below 1/255
_CHUNKS = 16


@njit(parallel=True, cache=True, nogil=True)
def visible(means, log_scales, view, K, width, height):
    """Indices int64 [n] of the Gaussians that may touch a pinhole's picture: their sphere against the frustum.

    means, log_scales: [N, 3].  view: [4, 4] float64, world to camera.  K: [3, 3] float64.
    """
    count = means.shape[0]
    kept, found = np.empty(count, np.int64), np.zeros(_CHUNKS + 1, np.int64)
    # Slopes of the frustum's four sides, 4 px wider than the picture for EPS2D, and the length of their normals.
    left, right = (K[0, 2] + 4) / K[0, 0], (width - K[0, 2] + 4) / K[0, 0]
    top, bottom = (K[1, 2] + 4) / K[1, 1], (height - K[1, 2] + 4) / K[1, 1]
    n_left, n_right = math.sqrt(1 + left * left), math.sqrt(1 + right * right)
    n_top, n_bottom = math.sqrt(1 + top * top), math.sqrt(1 + bottom * bottom)
    for chunk in prange(_CHUNKS):
        start, place = count * chunk // _CHUNKS, count * chunk // _CHUNKS
        for i in range(start, count * (chunk + 1) // _CHUNKS):
            m0, m1, m2 = means[i, 0], means[i, 1], means[i, 2]
            z = view[2, 0] * m0 + view[2, 1] * m1 + view[2, 2] * m2 + view[2, 3]
            if z <= NEAR:
                continue
            x = view[0, 0] * m0 + view[0, 1] * m1 + view[0, 2] * m2 + view[0, 3]
            y = view[1, 0] * m0 + view[1, 1] * m1 + view[1, 2] * m2 + view[1, 3]
            # How far the mean lies outside of the farthest side that it is outside of; most need no exponential.
            outside = max(
                (-x - left * z) / n_left, (x - right * z) / n_right, (-y - top * z) / n_top, (y - bottom * z) / n_bottom
            )
            if outside > 0 and outside > _REACH * math.exp(max(log_scales[i, 0], log_scales[i, 1], log_scales[i, 2])):
                continue
            kept[place] = i
            place += 1
        found[chunk + 1] = place - start
    total = 0
    for chunk in range(_CHUNKS):  # close the gaps between the chunks
        start = count * chunk // _CHUNKS
        for i in range(found[chunk + 1]):
            kept[total + i] = kept[start + i]
        total += found[chunk + 1]
    return kept[:total].copy()


@njit(parallel=True, cache=True, nogil=True)
def take(table, rows):
    """table [N, C] -> [n, C]."""
    result = np.empty((rows.shape[0], table.shape[1]), np.float32)
    for i in prange(rows.shape[0]):
        for c in range(table.shape[1]):
            result[i, c] = table[rows[i], c]
    return result


@njit(parallel=True, cache=True, nogil=True)
def put(values, rows, count):
    """values [n, C] at rows, all different, of a table [count, C] that is 0 elsewhere."""
    table = np.zeros((count, values.shape[1]), np.float32)
    for i in prange(rows.shape[0]):
        for c in range(values.shape[1]):
            table[rows[i], c] = values[i, c]
    return table


@njit
def _rotation(quats, i):
    """Unit quaternion, the length it had, and the nine entries of its rotation, row by row."""
    w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
    length = max(math.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    w, x, y, z = w / length, x / length, y / length, z / length
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return (w, x, y, z), length, rows


@njit
def _local(means, i, view):
    """Mean in camera axes, float64: nothing is lost far from the origin."""
    m0, m1, m2 = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
    x = view[0, 0] * m0 + view[0, 1] * m1 + view[0, 2] * m2 + view[0, 3]
    y = view[1, 0] * m0 + view[1, 1] * m1 + view[1, 2] * m2 + view[1, 3]
    z = view[2, 0] * m0 + view[2, 1] * m1 + view[2, 2] * m2 + view[2, 3]
    return x, y, z


@njit
def _limits(K, width, height):
    """Least and largest x / z and y / z at which the Jacobian is taken."""
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    mx, my = _MARGIN * width / fx, _MARGIN * height / fy
    return -cx / fx - mx, (width - cx) / fx + mx, -cy / fy - my, (height - cy) / fy + my


@njit(parallel=True, cache=True, nogil=True)
def project(means, quats, scales, view, K, width, height):
    """Ellipses [n, 8] of Gaussians in front of a pinhole. means, scales (metres) [n, 3], quats [n, 4] wxyz."""
    count = means.shape[0]
    ellipses = np.empty((count, 8), np.float32)
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    x_min, x_max, y_min, y_max = _limits(K, width, height)
    for i in prange(count):
        x, y, z = _local(means, i, view)
        _, _, turn = _rotation(quats, i)
        x_slope, y_slope = min(max(x / z, x_min), x_max), min(max(y / z, y_min), y_max)
        xx, xy, yy, cross = 0.0, 0.0, 0.0, 0.0
        u0, u1, u2, v0, v1, v2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(3):
            c0 = view[0, 0] * turn[j] + view[0, 1] * turn[3 + j] + view[0, 2] * turn[6 + j]
            c1 = view[1, 0] * turn[j] + view[1, 1] * turn[3 + j] + view[1, 2] * turn[6 + j]
            c2 = view[2, 0] * turn[j] + view[2, 1] * turn[3 + j] + view[2, 2] * turn[6 + j]
            u = fx / z * scales[i, j] * (c0 - x_slope * c2)
            v = fy / z * scales[i, j] * (c1 - y_slope * c2)
            xx, xy, yy = xx + u * u, xy + u * v, yy + v * v
            u0, u1, u2, v0, v1, v2 = u1, u2, u, v1, v2, v
        cross = (u0 * v1 - u1 * v0) ** 2 + (u1 * v2 - u2 * v1) ** 2 + (u2 * v0 - u0 * v2) ** 2
        det = cross + EPS2D * (xx + yy) + EPS2D * EPS2D
        ellipses[i, 0], ellipses[i, 1] = fx * x / z + cx, fy * y / z + cy
        ellipses[i, 2], ellipses[i, 3], ellipses[i, 4] = (yy + EPS2D) / det, -xy / det, (xx + EPS2D) / det
        ellipses[i, 5], ellipses[i, 6], ellipses[i, 7] = 1 / det, z, math.sqrt(cross / det)
    return ellipses


@njit(parallel=True, cache=True, nogil=True)
def project_backward(means, quats, scales, view, K, width, height, v_ellipses):
    """Gradients of means [n, 3], quats [n, 4] and scales [n, 3] from those of the ellipses [n, 8].

    The gradient of the determinant (column 5) is left out: it only bounds what is drawn.
    """
    count = means.shape[0]
    v_means, v_quats, v_scales = (
        np.empty((count, 3), np.float32),
        np.empty((count, 4), np.float32),
        np.empty((count, 3), np.float32),
    )
    fx, fy = K[0, 0], K[1, 1]
    x_min, x_max, y_min, y_max = _limits(K, width, height)
    for i in prange(count):
        x, y, z = _local(means, i, view)
        (qw, qx, qy, qz), length, turn = _rotation(quats, i)
        x_slope, y_slope = min(max(x / z, x_min), x_max), min(max(y / z, y_min), y_max)
        m, u, v = np.empty((3, 3)), np.empty(3), np.empty(3)  # m = W R, u and v as in the module's docstring
        for j in range(3):
            for k in range(3):
                m[k, j] = view[k, 0] * turn[j] + view[k, 1] * turn[3 + j] + view[k, 2] * turn[6 + j]
            u[j] = fx / z * scales[i, j] * (m[0, j] - x_slope * m[2, j])
            v[j] = fy / z * scales[i, j] * (m[1, j] - y_slope * m[2, j])
        xx, xy, yy = (u * u).sum(), (u * v).sum(), (v * v).sum()
        cross = (u[0] * v[1] - u[1] * v[0]) ** 2 + (u[1] * v[2] - u[2] * v[1]) ** 2 + (u[2] * v[0] - u[0] * v[2]) ** 2
        det = cross + EPS2D * (xx + yy) + EPS2D * EPS2D
        a, b, c = (yy + EPS2D) / det, -xy / det, (xx + EPS2D) / det
        # The conic is the inverse of the covariance: its gradient G becomes -conic G conic.
        ga, gb, gc = v_ellipses[i, 2], 0.5 * v_ellipses[i, 3], v_ellipses[i, 4]
        t00, t01, t10, t11 = a * ga + b * gb, a * gb + b * gc, b * ga + c * gb, b * gb + c * gc
        v_xx, v_xy, v_yy = -(t00 * a + t01 * b), -(t00 * b + t01 * c), -(t10 * b + t11 * c)
        if v_ellipses[i, 7] != 0 and cross > 0:  # compensation = sqrt(cross / det)
            half = 0.5 * v_ellipses[i, 7] * math.sqrt(cross / det)
            v_cross, v_trace = half * (1 / cross - 1 / det), -half * EPS2D / det
            v_xx, v_yy, v_xy = v_xx + v_cross * yy + v_trace, v_yy + v_cross * xx + v_trace, v_xy - v_cross * xy
        v_x_slope, v_y_slope, v_z = fx * v_ellipses[i, 0], fy * v_ellipses[i, 1], np.float64(v_ellipses[i, 6])
        inside_x, inside_y = x_min < x / z < x_max, y_min < y / z < y_max
        v_turn = np.zeros((3, 3))
        for j in range(3):
            v_u, v_v = 2 * (v_xx * u[j] + v_xy * v[j]), 2 * (v_yy * v[j] + v_xy * u[j])
            v_z -= (v_u * u[j] + v_v * v[j]) / z
            gu, gv = fx / z * v_u, fy / z * v_v
            if inside_x:
                v_x_slope -= gu * scales[i, j] * m[2, j]
            if inside_y:
                v_y_slope -= gv * scales[i, j] * m[2, j]
            g2 = -(x_slope * gu + y_slope * gv)
            v_scales[i, j] = gu * m[0, j] + gv * m[1, j] + g2 * m[2, j]
            for k in range(3):
                v_turn[k, j] = scales[i, j] * (view[0, k] * gu + view[1, k] * gv + view[2, k] * g2)
        v_x, v_y = v_x_slope / z, v_y_slope / z
        v_z -= (v_x_slope * x + v_y_slope * y) / (z * z)
        for k in range(3):
            v_means[i, k] = view[0, k] * v_x + view[1, k] * v_y + view[2, k] * v_z
        s01, s02, s12 = v_turn[1, 0] + v_turn[0, 1], v_turn[2, 0] + v_turn[0, 2], v_turn[2, 1] + v_turn[1, 2]
        d01, d02, d12 = v_turn[1, 0] - v_turn[0, 1], v_turn[0, 2] - v_turn[2, 0], v_turn[2, 1] - v_turn[1, 2]
        gw = 2 * (qx * d12 + qy * d02 + qz * d01)
        gx = 2 * (qw * d12 + qy * s01 + qz * s02 - 2 * qx * (v_turn[1, 1] + v_turn[2, 2]))
        gy = 2 * (qw * d02 + qx * s01 + qz * s12 - 2 * qy * (v_turn[0, 0] + v_turn[2, 2]))
        gz = 2 * (qw * d01 + qx * s02 + qy * s12 - 2 * qz * (v_turn[0, 0] + v_turn[1, 1]))
        along = gw * qw + gx * qx + gy * qy + gz * qz  # the length of a quaternion changes nothing
        v_quats[i, 0], v_quats[i, 1] = (gw - along * qw) / length, (gx - along * qx) / length
        v_quats[i, 2], v_quats[i, 3] = (gy - along * qy) / length, (gz - along * qz) / length
    return v_means, v_quats, v_scales
