"""From Gaussians in the world to records in the picture, and the gradients back (numba, all cores).

EWA splatting (Zwicker et al. 2001) as 3D Gaussian Splatting and gsplat do it: with the camera's rotation W, the
Gaussian's rotation R and scales S and the Jacobian J of the projection at its mean, the covariance in the picture is
J W R S (J W R S)^T + eps2d. The rows of J W R S are called `u` and `v` here; the covariance is then (u.u, u.v, v.v)
and its determinant |u x v|^2, free of cancellation.

A record is what the picture needs of one Gaussian, 16 float32 (one line of the processor's cache): mean x, y (px from
the middle of the picture, where float32 is finest);
conic xx, xy, yy (inverse covariance, px^-2); determinant of the conic; opacity; largest sigma = log(opacity / alpha)
that still shows; red, green, blue, depth; normal x, y, z in the world; and the share of the opacity that thinning
left (Mip-Splatting, arXiv 2311.16493). Gaussians that show nowhere get no record.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from skyworld.splats.rasterize.harmonics import direction_gradient, fill_basis
from skyworld.splats.rasterize.lenses import NEAR, ORTHO, PINHOLE, pixel_and_jacobian, pixel_and_jacobian_backward

TILE = 32  # px
RECORD = 16
ALPHA_MIN = 1 / 255
CHUNKS = 16  # fixed, not the number of threads: every sum has one order on every machine
_REACH = 3.4  # sigmas; at 3.33 an opaque Gaussian falls below 1/255


class Rules(NamedTuple):
    """degree: of the harmonics, -1 where colours are given instead."""

    degree: int
    antialiased: bool
    surfels: bool
    normals: bool
    eps2d: float


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def project(means, log_scales, quats, logits, sh, view, position, lens, rules, records):
    """Fills the records [N, 16] of the Gaussians that a camera sees.

    means, log_scales [N, 3], quats [N, 4], logits [N], sh [N, K, 3].  view: [4, 4] world to camera, position: [3]
    of the camera, float64.  Returns depths [N], boxes [N, 4] (first and past-last tile column and row), rows [N]
    (which Gaussian it is) of the records and counts [CHUNKS]: chunk c, which begins at N c // CHUNKS, has counts[c].
    """
    count = means.shape[0]
    depths, boxes = np.empty(count, np.float32), np.empty((count, 4), np.int16)
    rows, counts = np.empty(count, np.int32), np.zeros(CHUNKS, np.int64)
    for chunk in prange(CHUNKS):
        basis = np.empty(16)
        place = count * chunk // CHUNKS
        for i in range(place, count * (chunk + 1) // CHUNKS):
            x, y, z = _local(means, i, view)
            if not z > NEAR or (lens.model == PINHOLE and _outside(lens, x, y, z, log_scales, i)):
                continue
            if not _ellipse(records, place, log_scales, quats, logits, i, view, lens, rules, x, y, z):
                continue
            _tiles(records, boxes, place, lens)
            if boxes[place, 0] < boxes[place, 1] and boxes[place, 2] < boxes[place, 3]:
                _colour(records, place, means, sh, i, position, rules.degree, basis)
                if rules.normals:
                    _normal(records, place, means, log_scales, quats, i, view, position, lens, rules)
                depths[place], rows[place] = z, i
                place += 1
        counts[chunk] = place - count * chunk // CHUNKS
    return depths, boxes, rows, counts


@njit(error_model="numpy")
def _local(means, i, view):
    """Mean in camera axes, float64: nothing is lost far from the origin."""
    m0, m1, m2 = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
    x = view[0, 0] * m0 + view[0, 1] * m1 + view[0, 2] * m2 + view[0, 3]
    y = view[1, 0] * m0 + view[1, 1] * m1 + view[1, 2] * m2 + view[1, 3]
    z = view[2, 0] * m0 + view[2, 1] * m1 + view[2, 2] * m2 + view[2, 3]
    return x, y, z


@njit(error_model="numpy")
def _outside(lens, x, y, z, log_scales, i):
    """Whether a Gaussian surely misses a pinhole's picture: quick, for most are far outside."""
    right, left = (lens.width - lens.cx + 4) / lens.fx, (lens.cx + 4) / lens.fx
    bottom, top = (lens.height - lens.cy + 4) / lens.fy, (lens.cy + 4) / lens.fy
    out = max(x - right * z, -x - left * z, y - bottom * z, -y - top * z)
    if out <= 0:
        return False
    # The steepest slope at which the Jacobian is taken stretches an ellipse the most.
    slope = max(lens.x_max, -lens.x_min, lens.y_max, -lens.y_min)
    reach = _REACH * math.exp(max(log_scales[i, 0], log_scales[i, 1], log_scales[i, 2]))
    return out > reach * math.sqrt(1 + slope * slope)


@njit(error_model="numpy")
def _rotation(quats, i):
    """Unit quaternion, the length it had, and the nine entries of its rotation, row by row."""
    w, x, y, z = np.float64(quats[i, 0]), np.float64(quats[i, 1]), np.float64(quats[i, 2]), np.float64(quats[i, 3])
    length = max(math.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    w, x, y, z = w / length, x / length, y / length, z / length
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return (w, x, y, z), length, rows


@njit(error_model="numpy")
def _axes(turn, log_scales, i, jacobian, view, surfels):
    """Rows u and v of J W R S, and the rows p and q of J W."""
    xx, xy, xz, yx, yy, yz = jacobian
    p0 = xx * view[0, 0] + xy * view[1, 0] + xz * view[2, 0]
    p1 = xx * view[0, 1] + xy * view[1, 1] + xz * view[2, 1]
    p2 = xx * view[0, 2] + xy * view[1, 2] + xz * view[2, 2]
    q0 = yx * view[0, 0] + yy * view[1, 0] + yz * view[2, 0]
    q1 = yx * view[0, 1] + yy * view[1, 1] + yz * view[2, 1]
    q2 = yx * view[0, 2] + yy * view[1, 2] + yz * view[2, 2]
    s0, s1 = math.exp(log_scales[i, 0]), math.exp(log_scales[i, 1])
    s2 = 0.0 if surfels else math.exp(log_scales[i, 2])
    u0, v0 = s0 * (p0 * turn[0] + p1 * turn[3] + p2 * turn[6]), s0 * (q0 * turn[0] + q1 * turn[3] + q2 * turn[6])
    u1, v1 = s1 * (p0 * turn[1] + p1 * turn[4] + p2 * turn[7]), s1 * (q0 * turn[1] + q1 * turn[4] + q2 * turn[7])
    u2, v2 = s2 * (p0 * turn[2] + p1 * turn[5] + p2 * turn[8]), s2 * (q0 * turn[2] + q1 * turn[5] + q2 * turn[8])
    return (u0, u1, u2), (v0, v1, v2), (p0, p1, p2), (q0, q1, q2), (s0, s1, s2)


@njit(error_model="numpy")
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(error_model="numpy")
def _cross_square(u, v):
    return (u[0] * v[1] - u[1] * v[0]) ** 2 + (u[1] * v[2] - u[2] * v[1]) ** 2 + (u[2] * v[0] - u[0] * v[2]) ** 2


@njit(error_model="numpy")
def _sigmoid(logit):
    return 1 / (1 + math.exp(-np.float64(logit)))


@njit(error_model="numpy")
def _ellipse(records, place, log_scales, quats, logits, i, view, lens, rules, x, y, z):
    """Fills where and how strong a Gaussian is; False where it cannot show."""
    u_pixel, v_pixel, jacobian = pixel_and_jacobian(lens, x, y, z)
    _, _, turn = _rotation(quats, i)
    u, v, _, _, _ = _axes(turn, log_scales, i, jacobian, view, rules.surfels)
    xx, xy, yy, cross = _dot(u, u), _dot(u, v), _dot(v, v), _cross_square(u, v)
    det = cross + rules.eps2d * (xx + yy) + rules.eps2d * rules.eps2d
    # Neither a line nor so wide (10^7 px) that float32 fails.
    if not 1e-12 < det < 1e30:
        return False
    left = math.sqrt(cross / det) if rules.antialiased else 1.0
    opacity = _sigmoid(logits[i]) * left
    if opacity < ALPHA_MIN:
        return False
    records[place, 0], records[place, 1] = u_pixel - lens.width / 2, v_pixel - lens.height / 2
    records[place, 2], records[place, 3] = (yy + rules.eps2d) / det, -xy / det
    records[place, 4] = (xx + rules.eps2d) / det
    records[place, 5], records[place, 6], records[place, 7] = 1 / det, opacity, math.log(opacity / ALPHA_MIN)
    records[place, 11], records[place, 15] = z, left
    records[place, 12], records[place, 13], records[place, 14] = 0, 0, 0
    return True


@njit(error_model="numpy")
def _tiles(records, boxes, place, lens):
    """Fills first and past-last tile column and row that a record touches."""
    x_reach = math.sqrt(2 * records[place, 7] * records[place, 4] / records[place, 5])
    y_reach = math.sqrt(2 * records[place, 7] * records[place, 2] / records[place, 5])
    # Clamped as floats: an enormous ellipse must not overflow an integer. A pixel's centre is half a pixel inside.
    x, y = records[place, 0] + 0.5 * (lens.width + 1), records[place, 1] + 0.5 * (lens.height + 1)
    boxes[place, 0] = int(min(max(x - x_reach, 0.0), lens.width)) // TILE
    boxes[place, 1] = (int(min(max(x + x_reach, 0.0), lens.width)) + TILE - 1) // TILE
    boxes[place, 2] = int(min(max(y - y_reach, 0.0), lens.height)) // TILE
    boxes[place, 3] = (int(min(max(y + y_reach, 0.0), lens.height)) + TILE - 1) // TILE


@njit(error_model="numpy")
def _direction(means, i, position):
    """Unit vector from the camera to a mean, and the distance."""
    x, y, z = means[i, 0] - position[0], means[i, 1] - position[1], means[i, 2] - position[2]
    distance = max(math.sqrt(x * x + y * y + z * z), 1e-12)
    return x / distance, y / distance, z / distance, distance


@njit(error_model="numpy")
def _colour(records, place, means, sh, i, position, degree, basis):
    if degree < 0:
        records[place, 8], records[place, 9], records[place, 10] = sh[i, 0, 0], sh[i, 0, 1], sh[i, 0, 2]
        return
    x, y, z = 0.0, 0.0, 0.0
    if degree > 0:
        x, y, z, _ = _direction(means, i, position)
    fill_basis(x, y, z, degree, basis)
    for c in range(3):
        value = 0.5
        for k in range((degree + 1) ** 2):
            value += basis[k] * sh[i, k, c]
        records[place, 8 + c] = max(value, 0.0)


@njit(error_model="numpy")
def _normal_axis(log_scales, i, surfels):
    """Which axis of a Gaussian is its normal: the third of a surfel, else the shortest."""
    if surfels or log_scales[i, 2] < min(log_scales[i, 0], log_scales[i, 1]):
        return 2
    return 1 if log_scales[i, 1] < log_scales[i, 0] else 0


@njit(error_model="numpy")
def _normal(records, place, means, log_scales, quats, i, view, position, lens, rules):
    _, _, turn = _rotation(quats, i)
    axis = _normal_axis(log_scales, i, rules.surfels)
    n0, n1, n2 = turn[axis], turn[3 + axis], turn[6 + axis]
    if lens.model == ORTHO:
        away = n0 * view[2, 0] + n1 * view[2, 1] + n2 * view[2, 2] > 0
    else:
        x, y, z, _ = _direction(means, i, position)
        away = n0 * x + n1 * y + n2 * z > 0
    sign = -1 if away else 1
    records[place, 12], records[place, 13], records[place, 14] = sign * n0, sign * n1, sign * n2


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def project_backward(
    means, log_scales, quats, logits, sh, view, position, lens, rules,
    records, boxes, rows, counts, first, gradients,
    v_means, v_log_scales, v_quats, v_logits, v_sh, v_means2d, v_absolute,
):  # fmt: skip
    """Gradients of what `project` took, from those of the records.

    first: [N] place of a record's first row in `gradients` [M, 6 + features (+ 2)], one row a tile, see `composite`.
    Fills v_means to v_absolute at the Gaussians that have a record; an array without rows is not wanted.
    Returns v_view [4, 4] and v_position [3].
    """
    count, width = means.shape[0], gradients.shape[1]
    v_view, v_position = np.zeros((CHUNKS, 4, 4)), np.zeros((CHUNKS, 3))
    for chunk in prange(CHUNKS):
        basis, v_basis, total = np.empty(16), np.empty(16), np.empty(width)
        begin = count * chunk // CHUNKS
        for place in range(begin, begin + counts[chunk]):
            i = rows[place]
            for k in range(width):
                total[k] = 0
            for slot in range(
                first[place], first[place] + (boxes[place, 1] - boxes[place, 0]) * (boxes[place, 3] - boxes[place, 2])
            ):
                for k in range(width):
                    total[k] += gradients[slot, k]
            if v_means2d.shape[0] > 0:
                v_means2d[i, 0], v_means2d[i, 1] = total[0], total[1]
                v_absolute[i, 0], v_absolute[i, 1] = total[width - 2], total[width - 1]
            d0, d1, d2 = _colour_backward(
                records, place, means, sh, i, position, rules.degree, total, basis, v_basis, v_sh
            )
            v_position[chunk, 0] -= d0
            v_position[chunk, 1] -= d1
            v_position[chunk, 2] -= d2
            g0, g1, g2 = _ellipse_backward(
                records, place, means, log_scales, quats, logits, i, view, lens, rules, total,
                v_log_scales, v_quats, v_logits, v_view, chunk,
            )  # fmt: skip
            if v_means.shape[0] > 0:
                v_means[i, 0], v_means[i, 1], v_means[i, 2] = g0 + d0, g1 + d1, g2 + d2
    return v_view.sum(0), v_position.sum(0)


@njit(error_model="numpy")
def _colour_backward(records, place, means, sh, i, position, degree, total, basis, v_basis, v_sh):
    """Fills v_sh; returns the gradient of the mean through the direction in which it is seen."""
    wanted = v_sh.shape[0] > 0
    if degree < 0:
        if wanted:
            v_sh[i, 0, 0], v_sh[i, 0, 1], v_sh[i, 0, 2] = total[6], total[7], total[8]
        return 0.0, 0.0, 0.0
    x, y, z, distance = _direction(means, i, position)
    fill_basis(x, y, z, degree, basis)
    for k in range((degree + 1) ** 2):
        v_basis[k] = 0
        for c in range(3):
            v_colour = total[6 + c] if records[place, 8 + c] > 0 else 0.0
            v_basis[k] += v_colour * sh[i, k, c]
            if wanted:
                v_sh[i, k, c] = basis[k] * v_colour
    gx, gy, gz = direction_gradient(x, y, z, degree, v_basis)
    along = gx * x + gy * y + gz * z
    return (gx - along * x) / distance, (gy - along * y) / distance, (gz - along * z) / distance


@njit(error_model="numpy")
def _ellipse_backward(
    records, place, means, log_scales, quats, logits, i, view, lens, rules, total,
    v_log_scales, v_quats, v_logits, v_view, chunk,
):  # fmt: skip
    """Fills v_log_scales, v_quats and v_logits, adds to v_view and returns the gradient of the mean."""
    x, y, z = _local(means, i, view)
    _, _, jacobian = pixel_and_jacobian(lens, x, y, z)
    unit, length, turn = _rotation(quats, i)
    u, v, p, q, s = _axes(turn, log_scales, i, jacobian, view, rules.surfels)
    xx, xy, yy, cross = _dot(u, u), _dot(u, v), _dot(v, v), _cross_square(u, v)
    det = cross + rules.eps2d * (xx + yy) + rules.eps2d * rules.eps2d
    a, b, c = (yy + rules.eps2d) / det, -xy / det, (xx + rules.eps2d) / det
    # The conic is the inverse of the covariance: its gradient G becomes -conic G conic.
    ga, gb, gc = total[2], 0.5 * total[3], total[4]
    t00, t01, t10, t11 = a * ga + b * gb, a * gb + b * gc, b * ga + c * gb, b * gb + c * gc
    v_xx, v_xy, v_yy = -(t00 * a + t01 * b), -(t00 * b + t01 * c), -(t10 * b + t11 * c)
    full = _sigmoid(logits[i])
    left = np.float64(records[place, 15])
    if v_logits.shape[0] > 0:
        v_logits[i] = total[5] * left * full * (1 - full)
    if rules.antialiased and cross > 0:  # left = sqrt(cross / det)
        half = 0.5 * total[5] * full * left
        v_cross, v_trace = half * (1 / cross - 1 / det), -half * rules.eps2d / det
        v_xx, v_yy, v_xy = v_xx + v_cross * yy + v_trace, v_yy + v_cross * xx + v_trace, v_xy - v_cross * xy
    v_u = (2 * (v_xx * u[0] + v_xy * v[0]), 2 * (v_xx * u[1] + v_xy * v[1]), 2 * (v_xx * u[2] + v_xy * v[2]))
    v_v = (2 * (v_yy * v[0] + v_xy * u[0]), 2 * (v_yy * v[1] + v_xy * u[1]), 2 * (v_yy * v[2] + v_xy * u[2]))
    if v_log_scales.shape[0] > 0:
        for j in range(3):
            v_log_scales[i, j] = v_u[j] * u[j] + v_v[j] * v[j]
    e = (v_u[0] * s[0], v_u[1] * s[1], v_u[2] * s[2])
    f = (v_v[0] * s[0], v_v[1] * s[1], v_v[2] * s[2])
    v_p = (_dot(e, turn[0:3]), _dot(e, turn[3:6]), _dot(e, turn[6:9]))
    v_q = (_dot(f, turn[0:3]), _dot(f, turn[3:6]), _dot(f, turn[6:9]))
    w0, w1 = (view[0, 0], view[0, 1], view[0, 2]), (view[1, 0], view[1, 1], view[1, 2])
    w2 = (view[2, 0], view[2, 1], view[2, 2])
    v_jacobian = (_dot(v_p, w0), _dot(v_p, w1), _dot(v_p, w2), _dot(v_q, w0), _dot(v_q, w1), _dot(v_q, w2))
    v_x, v_y, v_z = pixel_and_jacobian_backward(lens, x, y, z, total[0], total[1], v_jacobian)
    v_z += total[9]
    for k in range(3):
        v_view[chunk, 0, k] += v_x * means[i, k] + jacobian[0] * v_p[k] + jacobian[3] * v_q[k]
        v_view[chunk, 1, k] += v_y * means[i, k] + jacobian[1] * v_p[k] + jacobian[4] * v_q[k]
        v_view[chunk, 2, k] += v_z * means[i, k] + jacobian[2] * v_p[k] + jacobian[5] * v_q[k]
    v_view[chunk, 0, 3] += v_x
    v_view[chunk, 1, 3] += v_y
    v_view[chunk, 2, 3] += v_z
    if v_quats.shape[0] > 0:
        normal = (0.0, 0.0, 0.0)
        axis = 0
        if rules.normals:
            axis = _normal_axis(log_scales, i, rules.surfels)
            drawn = (records[place, 12], records[place, 13], records[place, 14])
            sign = 1.0 if _dot((turn[axis], turn[3 + axis], turn[6 + axis]), drawn) > 0 else -1.0
            normal = (sign * total[10], sign * total[11], sign * total[12])
        _rotation_backward(unit, length, p, q, e, f, normal, axis, v_quats, i)
    g0 = view[0, 0] * v_x + view[1, 0] * v_y + view[2, 0] * v_z
    g1 = view[0, 1] * v_x + view[1, 1] * v_y + view[2, 1] * v_z
    g2 = view[0, 2] * v_x + view[1, 2] * v_y + view[2, 2] * v_z
    return g0, g1, g2


@njit(error_model="numpy")
def _rotation_backward(unit, length, p, q, e, f, normal, axis, v_quats, i):
    """Gradient of a quaternion from that of its rotation, p e^T + q f^T, with `normal` added to the column `axis`."""
    w, x, y, z = unit
    n = (0.0, 0.0, 0.0)
    n0, n1, n2 = normal if axis == 0 else n, normal if axis == 1 else n, normal if axis == 2 else n
    r00, r01, r02 = (
        p[0] * e[0] + q[0] * f[0] + n0[0],
        p[0] * e[1] + q[0] * f[1] + n1[0],
        p[0] * e[2] + q[0] * f[2] + n2[0],
    )
    r10, r11, r12 = (
        p[1] * e[0] + q[1] * f[0] + n0[1],
        p[1] * e[1] + q[1] * f[1] + n1[1],
        p[1] * e[2] + q[1] * f[2] + n2[1],
    )
    r20, r21, r22 = (
        p[2] * e[0] + q[2] * f[0] + n0[2],
        p[2] * e[1] + q[2] * f[1] + n1[2],
        p[2] * e[2] + q[2] * f[2] + n2[2],
    )
    gw = 2 * (x * (r21 - r12) + y * (r02 - r20) + z * (r10 - r01))
    gx = 2 * (w * (r21 - r12) + y * (r10 + r01) + z * (r20 + r02) - 2 * x * (r11 + r22))
    gy = 2 * (w * (r02 - r20) + x * (r10 + r01) + z * (r21 + r12) - 2 * y * (r00 + r22))
    gz = 2 * (w * (r10 - r01) + x * (r20 + r02) + y * (r21 + r12) - 2 * z * (r00 + r11))
    along = gw * w + gx * x + gy * y + gz * z  # the length of a quaternion changes nothing
    v_quats[i, 0], v_quats[i, 1] = (gw - along * w) / length, (gx - along * x) / length
    v_quats[i, 2], v_quats[i, 3] = (gy - along * y) / length, (gz - along * z) / length
