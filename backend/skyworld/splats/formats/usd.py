"""USD with the schema ParticleField3DGaussianSplat (OpenUSD 26.03): linear scales, opacities of 0 to 1, harmonics.

Read and written by OpenUSD itself (`pip install usd-core`), which is imported when a file asks for it. USD keeps which
way is up and how long a unit is; both are turned into metres with z up. Harmonics are those of 3DGS: a splat's
(degree + 1)^2 coefficients one after the other.
"""

import importlib.util
from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.splats.formats import quantisation as q
from skyworld.splats.formats.checks import Losses, allocated, arrays, columns_named, refuse_unwritable, validated
from skyworld.splats.gaussians import Gaussians
from skyworld.world.files import atomic_write

_PRIM = "/Splats"
_Y_UP = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.float64)  # to z up
_SMALLEST = 1e-30


def read_usd(path: Path | str, *, drop_invalid: bool = False) -> Gaussians:
    """Reads every field of Gaussians of a stage where it stands, in metres with z up.

    Raises UserError for a file that OpenUSD cannot open, without such fields, or with arrays of different lengths.
    """
    Usd, UsdGeom, UsdVol = _modules(path)
    from pxr import Tf

    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        raise UserError("cannot be opened as USD", file=path, hint="Export it again") from error
    unit = UsdGeom.GetStageMetersPerUnit(stage)
    up = _Y_UP if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y else np.eye(4)
    to_metres = up @ np.diag([unit, unit, unit, 1.0])
    placed = UsdGeom.XformCache()
    parts = []
    for prim in stage.Traverse():
        if prim.IsA(UsdVol.ParticleField3DGaussianSplat):
            gaussians = validated(_field(UsdVol.ParticleField3DGaussianSplat(prim), path), path, drop_invalid)
            matrix = to_metres @ np.array(placed.GetLocalToWorldTransform(prim)).T
            parts.append(gaussians if np.allclose(matrix, np.eye(4)) else gaussians.transformed(matrix))
    if not parts:
        raise UserError("has no field of Gaussian splats", file=path, hint="Choose a file with Gaussian splats")
    return Gaussians.concatenate(parts) if len(parts) > 1 else parts[0]


def _field(field, path) -> Gaussians:
    means = _values(field, "positions")
    count, degree = len(means), field.GetRadianceSphericalHarmonicsDegreeAttr().Get()
    if not 0 <= degree <= 4:
        raise UserError(f"has harmonics of degree {degree}", file=path, hint="Export it with degree 0 to 4")
    kept = min(degree, 3)
    gaussians = allocated(count, kept, path)
    out = arrays(gaussians)
    found = {
        "scales": (_values(field, "scales"), 1),
        "orientations": (_values(field, "orientations"), 1),
        "opacities": (_values(field, "opacities"), 1),
        "harmonics": (_values(field, "radianceSphericalHarmonicsCoefficients"), (degree + 1) ** 2),
    }
    for name, (values, each) in found.items():
        if len(values) != count * each:
            problem = f"has {len(values):,} values of {name} for {count:,} splats"
            raise UserError(problem, file=path, hint="Export it again")
    scales, orientations, opacities, harmonics = (values for values, _ in found.values())
    out.means[:] = means
    out.log_scales[:] = np.log(np.where(scales == 0, _SMALLEST, scales))
    out.quats[:] = q.unit(orientations[:, [3, 0, 1, 2]])  # in memory a USD quaternion ends with its real part
    p = np.clip(opacities.astype(np.float64), 1e-7, 1 - 1e-7)
    out.logit_opacities[:] = np.log(p / (1 - p))
    out.sh[:] = harmonics.reshape(count, -1, 3)[:, : (kept + 1) ** 2]
    return gaussians


def _values(field, name) -> np.ndarray:
    """float32 array of one of the schema's pairs of attributes: in floats, else in halves."""
    first = name[0].upper() + name[1:]
    for suffix in ("", "h"):
        values = getattr(field, f"Get{first}{suffix}Attr")().Get()
        if values is not None:
            return np.asarray(values, np.float32)
    return np.empty(0, np.float32)


def write_usd(path: Path | str, gaussians: Gaussians) -> None:
    """Writes a stage in metres with z up that holds one field. Warns with FormatLoss about extra columns."""
    Usd, UsdGeom, UsdVol = _modules(path)
    from pxr import Gf, Vt

    refuse_unwritable(gaussians, path)
    losses = Losses(path)
    if gaussians.extra:
        losses.dropped.append(columns_named(gaussians.extra))
    columns = arrays(gaussians)
    scales = np.exp(losses.clamp("log_scales", columns.log_scales, -87.0, 88.0))
    with atomic_write(path) as beside:
        stage = Usd.Stage.CreateNew(str(beside))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        field = UsdVol.ParticleField3DGaussianSplat.Define(stage, _PRIM)
        stage.SetDefaultPrim(field.GetPrim())
        reach = 3 * scales.max(1, keepdims=True)
        extent = np.stack([(columns.means - reach).min(0), (columns.means + reach).max(0)])
        field.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(*map(float, corner)) for corner in extent]))
        field.CreatePositionsAttr(_array(Vt.Vec3fArray, columns.means))
        field.CreateScalesAttr(_array(Vt.Vec3fArray, scales))
        field.CreateOrientationsAttr(_array(Vt.QuatfArray, q.unit(columns.quats)[:, [1, 2, 3, 0]]))
        field.CreateOpacitiesAttr(_array(Vt.FloatArray, q.opacities(columns.logit_opacities)))
        field.CreateRadianceSphericalHarmonicsDegreeAttr(gaussians.sh_degree)
        harmonics = columns.sh.reshape(-1, 3)
        field.CreateRadianceSphericalHarmonicsCoefficientsAttr(_array(Vt.Vec3fArray, harmonics))
        stage.GetRootLayer().Save()
        del stage, field
    losses.tell()


def _array(kind, values):
    return kind.FromNumpy(np.ascontiguousarray(values, np.float32))


def _modules(path):
    """(Usd, UsdGeom, UsdVol) of an OpenUSD that knows Gaussian splats."""
    if importlib.util.find_spec("pxr") is None:
        raise UserError("USD files need OpenUSD", file=path, hint="pip install usd-core")
    from pxr import Usd, UsdGeom, UsdVol

    if not hasattr(UsdVol, "ParticleField3DGaussianSplat"):
        version = ".".join(map(str, Usd.GetVersion()[1:]))
        hint = "pip install --upgrade usd-core"
        raise UserError(f"OpenUSD {version} knows no Gaussian splats: they came with 26.03", file=path, hint=hint)
    return Usd, UsdGeom, UsdVol
