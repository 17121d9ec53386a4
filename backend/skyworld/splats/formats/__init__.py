"""Files of Gaussians: `read` and `write` choose the format, `FORMATS` says what each keeps and loses.

Every reader gives the numbers as they would stand in a 3DGS .ply of the same scene: axes are turned only
where a format fixes other ones (.spz) or fixes which way is up (.glb, see its `up`). What a writer cannot
keep it tells in a `FormatLoss` warning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skyworld.errors import UserError
from skyworld.splats.formats.checks import FormatLoss, mapped
from skyworld.splats.formats.compressed_ply import is_compressed_ply, read_compressed_ply, write_compressed_ply
from skyworld.splats.formats.glb import read_glb, write_glb
from skyworld.splats.formats.ply import read_ply, write_ply
from skyworld.splats.formats.sog import read_sog, write_sog
from skyworld.splats.formats.splat import read_splat, write_splat
from skyworld.splats.formats.spz import read_spz, write_spz
from skyworld.splats.formats.usd import read_usd, write_usd
from skyworld.splats.gaussians import Gaussians

__all__ = ["FORMATS", "Format", "FormatLoss", "format_of", "read", "recognised", "write"]


@dataclass(frozen=True)
class Format:
    suffix: str
    read: Callable[..., Gaussians]
    write: Callable[..., None]
    keeps: str
    loses: str


FORMATS = (
    Format(
        ".compressed.ply",
        read_compressed_ply,
        write_compressed_ply,
        "harmonics of any degree; positions to 1/1023 of a block of 256 neighbours; about 16 + 45 bytes a Gaussian",
        "extra columns, the order of the Gaussians, harmonics beyond -4 .. 4",
    ),
    Format(".ply", read_ply, write_ply, "everything: float32, all columns, the order", "nothing; it is the largest"),
    Format(
        ".splat",
        read_splat,
        write_splat,
        "positions and scales exactly, colour, opacity and rotation in bytes; the order; 32 bytes a Gaussian",
        "harmonics above degree 0, colours outside 0 .. 1, extra columns",
    ),
    Format(
        ".spz",
        read_spz,
        write_spz,
        "harmonics of any degree in 5 and 4 bits (sh_bits=(8, 8) for more), positions to 1/4096 m, the order",
        "extra columns, harmonics beyond -1 .. 1, scales beyond exp(-10 .. 5.9) m",
    ),
    Format(
        ".sog",
        read_sog,
        write_sog,
        "harmonics of any degree by a palette; positions in 16 bits of a logarithm, finest near the origin; smallest",
        "extra columns, the order of the Gaussians, rare harmonics",
    ),
    Format(
        ".glb",
        read_glb,
        write_glb,
        "everything in float32, extra float columns of up to four numbers, the order",
        "the length of the quaternions, extra columns of other types",
    ),
    Format(
        ".usdc",
        read_usd,
        write_usd,
        "everything in float32, the order; needs OpenUSD 26.03 (pip install usd-core)",
        "the length of the quaternions, extra columns",
    ),
)

USD = (".usd", ".usda", ".usdc", ".usdz")


def format_of(path: Path | str) -> Format:
    """The format that a file name stands for. Raises UserError for another one."""
    name = Path(path).name.lower()
    for candidate in FORMATS:
        if name.endswith(candidate.suffix):
            return candidate
    known = ", ".join(candidate.suffix for candidate in FORMATS)
    raise UserError("its name ends like no format of Gaussian splats", file=path, hint=f"These are known: {known}")


def read(path: Path | str, **options) -> Gaussians:
    """Reads a file of any format; what it begins with counts more than its name.

    options: of the reader of that format, as drop_invalid=True (leaves NaN and infinite Gaussians out).
    Raises UserError that names the file for everything that is wrong with it.
    """
    return recognised(path).read(path, **options)


def write(path: Path | str, gaussians: Gaussians, **options) -> None:
    """Writes the format that the name stands for, whole or not at all. options: of the writer of that format."""
    format_of(path).write(path, gaussians, **options)


def recognised(path: Path | str) -> Format:
    """The format of a file that is there: by its first bytes, else by its name. Raises UserError for none."""
    head = mapped(path)[: 1 << 14].tobytes()
    formats = {candidate.suffix: candidate for candidate in FORMATS}
    if is_compressed_ply(head):
        return formats[".compressed.ply"]
    if Path(path).name.endswith("meta.json"):
        return formats[".sog"]
    if Path(path).suffix.lower() in USD:  # OpenUSD goes by the name
        return formats[".usdc"]
    for magic, suffix in (
        (b"ply", ".ply"),
        (b"\x1f\x8b", ".spz"),
        (b"NGSP", ".spz"),
        (b"PK\3\4", ".sog"),
        (b"glTF", ".glb"),
    ):
        if head.startswith(magic):
            return formats[suffix]
    return format_of(path)
