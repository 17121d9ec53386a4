"""Real spherical harmonics in the order and with the signs of 3D Gaussian splatting, degrees 1 to 4."""

import numpy as np

BANDS = {1: slice(0, 3), 2: slice(3, 8), 3: slice(8, 15), 4: slice(15, 24)}  # within the coefficients after the first


def basis(directions):
    """[M, 3] unit vectors -> [M, 24] values of the functions of degree 1 to 4 (Sloan 2013, as used by 3DGS)."""
    x, y, z = np.asarray(directions, np.float64).T
    xx, yy, zz, xy, yz, xz = x * x, y * y, z * z, x * y, y * z, x * z
    return np.stack(
        [
            -0.4886025119029199 * y,
            0.4886025119029199 * z,
            -0.4886025119029199 * x,
            1.0925484305920792 * xy,
            -1.0925484305920792 * yz,
            0.31539156525252005 * (2 * zz - xx - yy),
            -1.0925484305920792 * xz,
            0.5462742152960396 * (xx - yy),
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * xy * z,
            -0.4570457994644658 * y * (4 * zz - xx - yy),
            0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
            -0.4570457994644658 * x * (4 * zz - xx - yy),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
            2.5033429417967046 * xy * (xx - yy),
            -1.7701307697799304 * yz * (3 * xx - yy),
            0.9461746957575601 * xy * (7 * zz - 1),
            -0.6690465435572892 * yz * (7 * zz - 3),
            0.10578554691520431 * (zz * (35 * zz - 30) + 3),
            -0.6690465435572892 * xz * (7 * zz - 3),
            0.47308734787878004 * (xx - yy) * (7 * zz - 1),
            -1.7701307697799304 * xz * (xx - 3 * yy),
            0.6258357354491761 * (xx * (xx - 3 * yy) - yy * (3 * xx - yy)),
        ],
        -1,
    )


def rotated(sh, R):
    """Coefficients [K, N, 3] of a function turned by the rotation R [3, 3].

    Each band turns within itself. Its matrix D is found from samples: the turned function at d is the
    old one at R^T d, so basis(d) D = basis(R^T d), solved over more directions than functions.
    """
    if not len(sh) or np.allclose(R, np.eye(3), atol=1e-7):
        return sh
    directions = np.random.default_rng(0).normal(size=(64, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    here, there = basis(directions), basis(directions @ R)
    out = np.empty_like(sh)
    for band in BANDS.values():
        if band.start < len(sh):
            D = np.linalg.lstsq(here[:, band], there[:, band], rcond=None)[0]
            out[band] = np.tensordot(D.astype(np.float32), sh[band], 1)
    return out
