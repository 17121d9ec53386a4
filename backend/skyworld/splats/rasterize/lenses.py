"""How a camera maps points in its own axes to pixels, and the Jacobian of that map (numba).

The three maps and their limits are those of gsplat (`camera_model`), so that both devices draw alike. A Jacobian
is six numbers, row by row: du/dx, du/dy, du/dz, dv/dx, dv/dy, dv/dz.
"""

import math
from typing import NamedTuple

from numba import njit

from skyworld.camera import Camera

MODELS = PINHOLE, ORTHO, FISHEYE = 0, 1, 2
NEAR = 0.01  # metres; nothing nearer is drawn
# The Jacobian of a pinhole is taken at most this share of the picture outside its border: beyond, it is a poor guide.
_MARGIN = 0.15


class Lens(NamedTuple):
    """Pixels (for `ortho` pixels per metre), and the least and largest x / z and y / z of a pinhole's Jacobian."""

    model: int
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    x_min: float
    x_max: float
    y_min: float
    y_max: float


def lens_of(camera: Camera) -> Lens:
    (fx, _, cx), (_, fy, cy), _ = camera.K.tolist()
    width, height = camera.width, camera.height
    x_margin, y_margin = _MARGIN * width / fx, _MARGIN * height / fy
    x_limits = -cx / fx - x_margin, (width - cx) / fx + x_margin
    y_limits = -cy / fy - y_margin, (height - cy) / fy + y_margin
    model = ("pinhole", "ortho", "fisheye").index(camera.model)
    return Lens(model, fx, fy, cx, cy, width, height, *x_limits, *y_limits)


@njit(error_model="numpy")
def pixel_and_jacobian(lens, x, y, z):
    """u, v and the Jacobian at a point with z > 0."""
    fx, fy = lens.fx, lens.fy
    if lens.model == ORTHO:
        return fx * x + lens.cx, fy * y + lens.cy, (fx, 0.0, 0.0, 0.0, fy, 0.0)
    if lens.model == FISHEYE:
        s, q, _, inverse = _fisheye(x, y, z)
        jacobian = (
            fx * (s + x * x * q), fx * x * y * q, -fx * x * inverse,
            fy * x * y * q, fy * (s + y * y * q), -fy * y * inverse,
        )  # fmt: skip
        return fx * s * x + lens.cx, fy * s * y + lens.cy, jacobian
    inverse = 1 / z
    x_slope = min(max(x * inverse, lens.x_min), lens.x_max)
    y_slope = min(max(y * inverse, lens.y_min), lens.y_max)
    jacobian = (fx * inverse, 0.0, -fx * inverse * x_slope, 0.0, fy * inverse, -fy * inverse * y_slope)
    return fx * x * inverse + lens.cx, fy * y * inverse + lens.cy, jacobian


@njit(error_model="numpy")
def pixel_and_jacobian_backward(lens, x, y, z, v_u, v_v, v_jacobian):
    """Gradient of the point from those of its pixel and of the Jacobian there."""
    xx, xy, xz, yx, yy, yz = v_jacobian
    v_u, xx, xy, xz = lens.fx * v_u, lens.fx * xx, lens.fx * xy, lens.fx * xz
    v_v, yx, yy, yz = lens.fy * v_v, lens.fy * yx, lens.fy * yy, lens.fy * yz
    if lens.model == ORTHO:
        return v_u, v_v, 0.0
    if lens.model == FISHEYE:
        s, q, p, inverse = _fisheye(x, y, z)
        # ds = q (x dx + y dy) - inverse dz,  dq = p (x dx + y dy) + 2 inverse^2 dz
        v_s = v_u * x + v_v * y + xx + yy
        v_q = xx * x * x + (xy + yx) * x * y + yy * y * y
        v_inverse = -(xz * x + yz * y)
        radial = v_s * q + v_q * p - 2 * v_inverse * inverse * inverse
        v_x = radial * x + v_u * s + q * (2 * xx * x + (xy + yx) * y) - xz * inverse
        v_y = radial * y + v_v * s + q * (2 * yy * y + (xy + yx) * x) - yz * inverse
        return v_x, v_y, -v_s * inverse + 2 * inverse * inverse * (v_q - v_inverse * z)
    inverse = 1 / z
    x_slope, y_slope = x * inverse, y * inverse
    x_inside, y_inside = lens.x_min < x_slope < lens.x_max, lens.y_min < y_slope < lens.y_max
    x_slope, y_slope = min(max(x_slope, lens.x_min), lens.x_max), min(max(y_slope, lens.y_min), lens.y_max)
    v_z = -(xx - xz * x_slope + yy - yz * y_slope) * inverse
    v_x = v_u - (xz * inverse if x_inside else 0.0)
    v_y = v_v - (yz * inverse if y_inside else 0.0)
    return v_x * inverse, v_y * inverse, (v_z - (v_x * x + v_y * y) * inverse) * inverse


@njit(error_model="numpy")
def _fisheye(x, y, z):
    """For the equidistant r = f theta: s = theta / r, q = (ds/dr) / r, p = (dq/dr) / r, and 1 / (r^2 + z^2).

    r is the distance from the axis. Near the axis, where the closed forms cancel, their series in r / z.
    """
    square = x * x + y * y
    inverse = 1 / (square + z * z)
    if square > 1e-3 * z * z:
        s = math.atan2(math.sqrt(square), z) / math.sqrt(square)
        q = (z * inverse - s) / square
        return s, q, -(2 * z * inverse * inverse + 3 * q) / square, inverse
    t = square / (z * z)
    s = (1 - t * (1 / 3 - t * (1 / 5 - t * (1 / 7 - t / 9)))) / z
    q = -(2 / 3 - t * (4 / 5 - t * (6 / 7 - t * (8 / 9 - t * 10 / 11)))) / z**3
    p = (8 / 5 - t * (24 / 7 - t * (48 / 9 - t * (80 / 11 - t * 120 / 13)))) / z**5
    return s, q, p, inverse
