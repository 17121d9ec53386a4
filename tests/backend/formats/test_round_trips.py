"""What is written is read back, as exactly as the bits of each format allow."""

import gzip
import math
import struct
import zipfile

import numpy as np
import pytest
import torch
from known_scenes import angles

from skyworld.errors import UserError
from skyworld.splats import formats
from skyworld.splats.formats import FormatLoss
from skyworld.splats.formats.quantisation import morton_order
from skyworld.splats.formats.spz import write_spz
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.spherical_harmonics import C0

HALF = 0.5 + 1e-4  # of a quantisation step, and a little for float32
BYTE = HALF / 255


def smallest_three_angle(step: float) -> float:
    """The largest error in radians where three components, off by half a step each, give the fourth one.

    The largest component is at least 1/2, so the whole quaternion is off by at most twice the error of the
    three, and the angle by twice that.
    """
    return 2 * 2 * math.sqrt(3) * step * HALF


def read_back(path, gaussians: Gaussians, **options) -> Gaussians:
    formats.write(path, gaussians, **options)
    return formats.read(path)


def errors(read: Gaussians, expected: Gaussians) -> dict[str, float]:
    return {
        "means": float((read.means - expected.means).abs().max()),
        "log_scales": float((read.log_scales - expected.log_scales).abs().max()),
        "angle": float(angles(read.quats, expected.quats).max()),
        "opacity": float((read.logit_opacities.sigmoid() - expected.logit_opacities.sigmoid()).abs().max()),
        "colour": C0 * float((read.sh[:, 0] - expected.sh[:, 0]).abs().max()),
        "harmonics": float((read.sh[:, 1:] - expected.sh[:, 1:]).abs().max()) if read.sh_degree else 0.0,
    }


def assert_within(found: dict[str, float], limits: dict[str, float]) -> None:
    beyond = {name: (found[name], limit) for name, limit in limits.items() if found[name] > limit}
    assert not beyond


def test_splat_keeps_positions_exactly_and_the_rest_to_a_byte(scene, tmp_path):
    expected = scene(degree=0)
    found = errors(read_back(tmp_path / "a.splat", expected), expected)
    # Of the four bytes of a quaternion only +1 is off by more than half a step: 127/128.
    limits = {"means": 0, "log_scales": 1e-5, "angle": 2 * 2 / 128, "opacity": BYTE, "colour": BYTE}
    assert_within(found, limits)


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spz_keeps_everything_to_its_step(scene, tmp_path, version, degree):
    expected = scene(degree=degree)
    found = errors(read_back(tmp_path / "a.spz", expected, version=version, sh_bits=(8, 8)), expected)
    limits = {
        "means": HALF / 4096,
        "log_scales": HALF / 16,
        "angle": smallest_three_angle(math.sqrt(0.5) / 511),
        "opacity": BYTE,
        "colour": C0 * BYTE / 0.15,
        "harmonics": HALF / 128,
    }
    assert_within(found, limits)


def test_spz_2_stores_three_components_of_the_rotation_in_bytes(scene, tmp_path):
    expected = scene()
    read = read_back(tmp_path / "a.spz", expected, version=2)
    upright = torch.where(expected.quats[:, :1] < 0, -expected.quats, expected.quats)
    assert (read.quats[:, 1:] - upright[:, 1:]).abs().max() <= 0.02
    middle = upright[:, 0] > 0.5
    assert errors(read[middle], expected[middle])["angle"] <= smallest_three_angle(1 / 127.5)


def test_spz_keeps_harmonics_in_as_many_bits_as_asked_for(scene, tmp_path):
    expected = scene()
    coarse = read_back(tmp_path / "a.spz", expected).sh - expected.sh
    assert coarse[:, 1:4].abs().max() <= 0.5 * 2**3 / 128 + 1e-6
    assert 0.4 * 2**4 / 128 < coarse[:, 4:].abs().max() <= 0.5 * 2**4 / 128 + 1e-6


def test_spz_holds_a_sky_that_is_far_away_with_a_coarser_step(scene, tmp_path):
    expected = scene(degree=0)
    expected.means[0] = torch.tensor([0.0, 9000.0, 0.0])
    assert errors(read_back(tmp_path / "a.spz", expected), expected)["means"] <= 0.5 / 512
    expected.means[0, 1] = 1e8
    with pytest.raises(UserError, match=r"a\.spz.*do not fit"):
        formats.write(tmp_path / "a.spz", expected)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_compressed_ply_keeps_everything_to_its_step(scene, tmp_path, degree):
    expected = scene(count=1100, degree=degree)
    expected = expected[morton_order(expected.means)]
    found = errors(read_back(tmp_path / "a.compressed.ply", expected), expected)
    blocks = expected.means.split(256)
    spread = max(float((part.max(0).values - part.min(0).values).max()) for part in blocks)
    limits = {
        "means": spread * HALF / 1023,
        "log_scales": 8 * HALF / 1023,
        "angle": smallest_three_angle(math.sqrt(2) / 1023),
        "opacity": BYTE,
        "colour": BYTE,
        "harmonics": 8 * HALF / 256,
    }
    assert_within(found, limits)


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_sog_keeps_everything_to_its_step(scene, tmp_path, degree):
    expected = scene(count=600, degree=degree)
    # Few kinds of harmonics: the palette holds them all, and only its codebook rounds.
    expected.sh[:, 1:] = expected.sh[:37, 1:].repeat(17, 1, 1)[:600]
    expected = expected[morton_order(expected.means)]
    found = errors(read_back(tmp_path / "a.sog", expected), expected)
    limits = {
        # The step of ln(1 + |x|), times 1 + |x|.
        "means": 21 * 2 * math.log(21) / 65535 * HALF,
        # No codebook of 256 is worse than three times the even one.
        "log_scales": 3 * 8 / 255 * HALF,
        "colour": 3 * C0 * 3.4 / 255 * HALF,
        "angle": smallest_three_angle(math.sqrt(2) / 255),
        "opacity": BYTE,
        "harmonics": 3 * 1.8 / 255 * HALF,
    }
    assert_within(found, limits)


def test_sog_comes_out_byte_for_byte_the_same_for_one_seed(scene, tmp_path):
    gaussians = scene(count=700)
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        formats.write(tmp_path / f"{name}.sog", gaussians, seed=seed)
        made.append((tmp_path / f"{name}.sog").read_bytes())
    assert made[0] == made[1] != made[2]


def test_the_palette_of_sog_loses_little_of_harmonics_that_come_in_kinds(scene, tmp_path):
    expected = scene(count=2000)
    kinds = expected.sh[torch.arange(2000) % 300, 1:]
    expected.sh[:, 1:] = kinds + 0.01 * torch.randn(kinds.shape, generator=torch.Generator().manual_seed(3))
    expected = expected[morton_order(expected.means)]
    read = read_back(tmp_path / "a.sog", expected)
    assert (read.sh - expected.sh)[:, 1:].square().mean().sqrt() < 0.012


def test_a_sog_that_is_not_zipped_reads_the_same(scene, tmp_path):
    bundled = read_back(tmp_path / "a.sog", scene(count=300, degree=1))
    with zipfile.ZipFile(tmp_path / "a.sog") as bundle:
        bundle.extractall(tmp_path)
    beside = formats.read(tmp_path / "meta.json")
    assert torch.equal(beside.sh, bundled.sh) and torch.equal(beside.means, bundled.means)


@pytest.mark.parametrize("up", ["z", "-y"])
def test_glb_keeps_everything(scene, tmp_path, up):
    expected = scene()
    expected.extra = {"label": torch.arange(1500.0), "flow": torch.rand(1500, 3)}
    formats.write(tmp_path / "a.glb", expected, up=up)
    read = formats.read(tmp_path / "a.glb", up=up)
    float32 = 2e-6
    limits = {"means": 0, "log_scales": float32, "angle": float32, "opacity": float32, "colour": float32}
    assert_within(errors(read, expected), limits | {"harmonics": float32})
    assert torch.equal(read.extra["label"], expected.extra["label"])
    assert torch.equal(read.extra["flow"], expected.extra["flow"])


def test_usd_keeps_everything_and_stands_where_the_stage_has_it(scene, tmp_path):
    pytest.importorskip("pxr.UsdVol", reason="usd-core is not installed")
    from pxr import Gf, Usd, UsdGeom

    expected = scene(count=200)
    float32 = 2e-6
    limits = {"means": 0, "log_scales": float32, "angle": float32, "opacity": float32, "colour": float32}
    assert_within(errors(read_back(tmp_path / "a.usdc", expected), expected), limits | {"harmonics": float32})
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    assert (
        UsdGeom.GetStageUpAxis(stage) == "Z" and stage.GetDefaultPrim().GetTypeName() == "ParticleField3DGaussianSplat"
    )
    UsdGeom.SetStageUpAxis(stage, "Y")  # as if another program had made it, in centimetres
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    UsdGeom.Xformable(stage.GetDefaultPrim()).AddTranslateOp().Set(Gf.Vec3d(100, 0, 0))
    stage.GetRootLayer().Save()
    to_metres = np.array([[0.01, 0, 0, 1], [0, 0, -0.01, 0], [0, 0.01, 0, 0], [0, 0, 0, 1]])
    moved = errors(formats.read(tmp_path / "a.usdc"), expected.transformed(to_metres))
    assert max(moved.values()) < 1e-4


@pytest.mark.parametrize("suffix", [".usd", ".usda", ".usdz"])
def test_every_kind_of_usd_file_is_read(scene, tmp_path, suffix):
    pytest.importorskip("pxr.UsdVol", reason="usd-core is not installed")
    from pxr import Usd, UsdUtils

    source, target = str(tmp_path / "a.usdc"), str(tmp_path / f"b{suffix}")
    expected = scene(count=20)
    formats.write(source, expected)
    if suffix == ".usdz":
        assert UsdUtils.CreateNewUsdzPackage(source, target)
    else:
        assert Usd.Stage.Open(source).Export(target)
    np.testing.assert_allclose(formats.read(target).means, expected.means, rtol=1e-5)


def test_what_is_no_usd_is_refused_with_a_sentence(tmp_path):
    pytest.importorskip("pxr.UsdVol", reason="usd-core is not installed")
    (tmp_path / "a.usdc").write_bytes(b"PXR-USDC and then nothing")
    with pytest.raises(UserError, match=r"a\.usdc: cannot be opened as USD"):
        formats.read(tmp_path / "a.usdc")


def test_a_file_is_recognised_by_what_it_begins_with(scene, tmp_path):
    gaussians = scene(count=40, degree=0)
    for form in formats.FORMATS:
        if form.suffix not in (".splat", ".usdc"):  # has nothing to recognise it by; OpenUSD goes by the name
            formats.write(tmp_path / f"a{form.suffix}", gaussians)
            (tmp_path / f"a{form.suffix}").rename(tmp_path / "a.bin")
            assert len(formats.read(tmp_path / "a.bin")) == 40


@pytest.mark.parametrize("suffix", [".splat", ".spz", ".sog", ".compressed.ply", ".glb"])
def test_one_gaussian_makes_a_file_too(scene, tmp_path, suffix):
    expected = scene(count=1, degree=0 if suffix == ".splat" else 1)
    read = read_back(tmp_path / f"a{suffix}", expected)
    assert (read.means - expected.means).abs().max() < 2e-3


@pytest.mark.filterwarnings("default::skyworld.splats.formats.FormatLoss")
def test_what_a_format_loses_is_told(scene, tmp_path):
    gaussians = scene(count=50, degree=1)
    gaussians.extra = {"label": torch.zeros(50)}
    gaussians.sh[3, 0] = 5.0
    gaussians.sh[7:9, 1] = 5.0
    with pytest.warns(FormatLoss, match=r"a\.splat.*view-dependent.*label left out.*colours of 1 Gaussians clamped"):
        formats.write(tmp_path / "a.splat", gaussians)
    with pytest.warns(FormatLoss, match=r"label left out.*harmonics of 2 Gaussians clamped to -1 \.\. 1"):
        formats.write(tmp_path / "a.spz", gaussians)
    with pytest.warns(FormatLoss, match=r"harmonics of 2 Gaussians clamped to -4 \.\. 4"):
        formats.write(tmp_path / "a.compressed.ply", gaussians)
    with pytest.warns(FormatLoss, match="label left out"):
        formats.write(tmp_path / "a.sog", gaussians)
    gaussians.extra = {"flow": torch.zeros(50, 3)}
    with pytest.warns(FormatLoss, match="flow left out"):
        formats.write(tmp_path / "a.ply", gaussians)
    gaussians.extra = {"label": torch.zeros(50, dtype=torch.int64)}
    with pytest.warns(FormatLoss, match="label left out"):
        formats.write(tmp_path / "a.glb", gaussians)


def test_opacities_of_nothing_and_everything_stay_finite(scene, tmp_path):
    gaussians = scene(count=4, degree=0)
    gaussians.logit_opacities[:2] = torch.tensor([-80.0, 80.0])
    for suffix in (".splat", ".spz", ".sog", ".compressed.ply", ".glb"):
        formats.write(tmp_path / f"a{suffix}", gaussians)
        read = formats.read(tmp_path / f"a{suffix}")
        assert torch.isfinite(read.logit_opacities).all()
        assert sorted(read.logit_opacities.sigmoid().tolist())[0] < 2e-6


def test_files_of_version_1_of_spz_hold_half_floats(scene, tmp_path):
    means = np.array([[1, 2, -3], [0.5, -0.25, 8]], np.float16)
    head = struct.pack("<4sIIBBBB", b"NGSP", 1, 2, 0, 12, 0, 0)
    body = means.tobytes() + b"\x80\xff" + b"\x80" * 6 + b"\xa0" * 6 + b"\x80" * 6
    (tmp_path / "a.spz").write_bytes(gzip.compress(head + body))
    read = formats.read(tmp_path / "a.spz")
    assert read.means.tolist() == [[1, -2, 3], [0.5, 0.25, -8]]
    assert read.log_scales.unique().tolist() == [0.0]


def test_spz_refuses_versions_that_it_cannot_write(scene, tmp_path):
    with pytest.raises(ValueError, match="version 1"):
        write_spz(tmp_path / "a.spz", scene(count=2), version=1)
