""".splat, the format of the first WebGL viewer (github.com/antimatter15/splat): 32 bytes a Gaussian, no header.

position 3 x float32, scale 3 x float32 (linear), colour and opacity 4 x uint8, quaternion wxyz 4 x uint8 (128 = 0).
"""

from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.splats.formats import quantisation as q
from skyworld.splats.formats.checks import (
    Losses,
    allocated,
    arrays,
    columns_named,
    mapped,
    refuse_unwritable,
    slices,
    validated,
)
from skyworld.splats.gaussians import Gaussians
from skyworld.world.files import atomic_write

ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])
# A flat Gaussian has a scale of 0, which has no logarithm.
_SMALLEST = 1e-20


def read_splat(path: Path | str, *, drop_invalid: bool = False) -> Gaussians:
    """Reads a .splat file. Raises UserError for a size that is no multiple of 32 bytes and for NaN."""
    data = mapped(path)
    if len(data) % ROW.itemsize:
        raise UserError(
            f"its size of {len(data):,} bytes is no multiple of 32, so it is cut off or no .splat file",
            file=path,
            hint="Copy or download it again",
        )
    rows = data.view(ROW)
    gaussians = allocated(len(rows), 0, path)
    out = arrays(gaussians)
    for part in slices(len(rows)):
        chunk = np.array(rows[part])
        out.means[part] = chunk["mean"]
        with np.errstate(invalid="ignore"):  # the logarithm of a negative scale is NaN, and found below
            out.log_scales[part] = np.log(np.where(chunk["scale"] == 0, _SMALLEST, chunk["scale"]))
        out.sh[part, 0] = q.from_colours(chunk["rgba"][:, :3] / np.float32(255))
        out.logit_opacities[part] = q.BYTE_LOGITS[chunk["rgba"][:, 3]]
        out.quats[part] = q.unit((chunk["quat"].astype(np.float32) - 128) / 128)
    return validated(gaussians, path, drop_invalid)


def write_splat(path: Path | str, gaussians: Gaussians) -> None:
    """Writes a .splat file in the order of `gaussians`. Warns with FormatLoss about what it cannot hold."""
    refuse_unwritable(gaussians, path)
    losses = Losses(path)
    if gaussians.sh_degree > 0:
        losses.dropped.append("view-dependent colour (harmonics above degree 0)")
    if gaussians.extra:
        losses.dropped.append(columns_named(gaussians.extra))
    with atomic_write(path) as beside, beside.open("wb") as file:
        for part in slices(len(gaussians)):
            chunk = arrays(gaussians[part])
            rows = np.empty(len(chunk.means), ROW)
            rows["mean"] = chunk.means
            rows["scale"] = np.exp(losses.clamp("log_scales", chunk.log_scales, -87.0, 88.0))
            rgb = losses.clamp("colours", q.colours(chunk.sh[:, 0]), 0.0, 1.0)
            rows["rgba"][:, :3] = q.rounded(rgb * 255)
            rows["rgba"][:, 3] = q.rounded(q.opacities(chunk.logit_opacities) * 255)
            rows["quat"] = q.rounded(q.unit(chunk.quats) * 128 + 128)
            file.write(rows)
    losses.tell()
