"""The rational polynomial camera (RPC00B) that comes with a satellite image, in float64.

Coefficients and offsets are kept as the image's maker gives them: the centre of the first pixel is (0, 0). `project`
and `localize` speak the project's pixels, in which it is (0.5, 0.5); so does rasterio's RPCTransformer.
"""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.world.files import mendable

_NUMBERS = ("line_off", "samp_off", "lat_off", "long_off", "height_off",
            "line_scale", "samp_scale", "lat_scale", "long_scale", "height_scale")  # fmt: skip
_POLYNOMIALS = ("line_num_coeff", "line_den_coeff", "samp_num_coeff", "samp_den_coeff")
# What DigitalGlobe's .RPB calls them.
_RPB = dict(
    zip(
        (*_NUMBERS, *_POLYNOMIALS),
        ("lineOffset", "sampOffset", "latOffset", "longOffset", "heightOffset",
         "lineScale", "sampScale", "latScale", "longScale", "heightScale",
         "lineNumCoef", "lineDenCoef", "sampNumCoef", "sampDenCoef"),
        strict=True,
    )
)  # fmt: skip
_HINT = "Put the file that came with the image beside it: NAME.RPB, NAME_RPC.TXT, NAME.rpc or RPC_NAME.XML"
_STEPS = 20  # of Newton's method; five are enough for every real sensor


@dataclass(frozen=True, eq=False)
class RPC:
    """Offsets and scales in pixels, degrees and metres above the ellipsoid; polynomials [20] in the order of RPC00B."""

    line_off: float
    samp_off: float
    lat_off: float
    long_off: float
    height_off: float
    line_scale: float
    samp_scale: float
    lat_scale: float
    long_scale: float
    height_scale: float
    line_num_coeff: np.ndarray
    line_den_coeff: np.ndarray
    samp_num_coeff: np.ndarray
    samp_den_coeff: np.ndarray

    def __post_init__(self):
        for name in _NUMBERS:
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in _POLYNOMIALS:
            object.__setattr__(self, name, np.array(getattr(self, name), np.float64))
        whole = all(getattr(self, name).shape == (20,) for name in _POLYNOMIALS)
        numbers = np.concatenate([np.ravel(getattr(self, field.name)) for field in fields(self)])
        if not whole or not np.isfinite(numbers).all():
            raise UserError("its RPC is not whole: four polynomials of 20 finite numbers are needed")
        if min(getattr(self, name) for name in _NUMBERS if name.endswith("scale")) <= 0:
            raise UserError("its RPC has a scale that is not positive")
        if not (abs(self.lat_off) <= 90 and abs(self.long_off) <= 180):
            raise UserError("its RPC lies nowhere on Earth")

    @property
    def altitudes(self) -> tuple[float, float]:
        """Metres above the ellipsoid that it was made for."""
        return self.height_off - self.height_scale, self.height_off + self.height_scale

    def project(self, latitude, longitude, altitude) -> np.ndarray:
        """Degrees and metres, broadcast together -> pixels [..., 2] (right, down)."""
        latitude, longitude, altitude = np.broadcast_arrays(latitude, longitude, altitude)
        terms = _terms(
            (longitude - self.long_off) / self.long_scale,
            (latitude - self.lat_off) / self.lat_scale,
            (altitude - self.height_off) / self.height_scale,
        )
        column = (self.samp_num_coeff @ terms) / (self.samp_den_coeff @ terms) * self.samp_scale + self.samp_off
        row = (self.line_num_coeff @ terms) / (self.line_den_coeff @ terms) * self.line_scale + self.line_off
        return np.stack([column, row], -1).reshape(*latitude.shape, 2) + 0.5

    def localize(self, pixels: np.ndarray, altitude) -> tuple[np.ndarray, np.ndarray]:
        """Where the lines of sight of pixels [..., 2] meet an altitude [...]: latitude, longitude [...] degrees.

        Newton's method, to a millionth of a pixel; NaN where it does not get there.
        """
        pixels = np.asarray(pixels, np.float64)
        altitude = np.broadcast_to(np.asarray(altitude, np.float64), pixels.shape[:-1])
        place = np.broadcast_to([self.lat_off, self.long_off], pixels.shape).copy()
        scale, step = np.array([self.lat_scale, self.long_scale]), 1e-4
        for _ in range(_STEPS):
            missing = pixels - self.project(place[..., 0], place[..., 1], altitude)
            if np.nanmax(np.abs(missing), initial=0) < 1e-6:
                break
            slope = np.empty((*pixels.shape, 2))  # pixels a degree
            for axis in (0, 1):
                ahead, behind = place.copy(), place.copy()
                ahead[..., axis] += step * scale[axis]
                behind[..., axis] -= step * scale[axis]
                there = self.project(ahead[..., 0], ahead[..., 1], altitude)
                slope[..., axis] = (there - self.project(behind[..., 0], behind[..., 1], altitude)) / (
                    2 * step * scale[axis]
                )
            (a, b), (c, d) = np.moveaxis(slope, (-2, -1), (0, 1))
            x, y = np.moveaxis(missing, -1, 0)
            with np.errstate(divide="ignore", invalid="ignore"):
                move = np.stack([d * x - b * y, a * y - c * x], -1) / (a * d - b * c)[..., None]
            place += np.clip(move, -4 * scale, 4 * scale)  # the polynomials mean nothing far away
        missing = pixels - self.project(place[..., 0], place[..., 1], altitude)
        place[~(np.abs(missing).max(-1) < 1e-3)] = np.nan
        return place[..., 0], place[..., 1]

    def moved(self, right: float, down: float) -> "RPC":
        """For an image whose content lies so many pixels further right and down: a bias, or a crop with minus."""
        return replace(self, samp_off=self.samp_off + right, line_off=self.line_off + down)

    def to_rasterio(self):
        """As rasterio writes it into a GeoTIFF."""
        import rasterio.rpc

        values = {name: getattr(self, name) for name in _NUMBERS}
        polynomials = {name: getattr(self, name).tolist() for name in _POLYNOMIALS}
        return rasterio.rpc.RPC(err_bias=None, err_rand=None, **values, **polynomials)

    @classmethod
    def from_rasterio(cls, rpcs) -> "RPC":
        return cls(**{name: getattr(rpcs, name) for name in (*_NUMBERS, *_POLYNOMIALS)})


def _terms(L: np.ndarray, P: np.ndarray, H: np.ndarray) -> np.ndarray:
    """[20, N] monomials of normalised longitude, latitude and height, in the order of RPC00B."""
    L, P, H = (np.ravel(axis) for axis in (L, P, H))
    LL, PP, HH = L * L, P * P, H * H
    return np.stack(
        [np.ones_like(L), L, P, H, L * P, L * H, P * H, LL, PP, HH, P * L * H,
         LL * L, L * PP, L * HH, LL * P, PP * P, P * HH, LL * H, PP * H, HH * H]
    )  # fmt: skip


def find_rpc(image: Path, tags=None) -> RPC:
    """RPC of an image: the one in its tags (rasterio's `rpcs`), else that of a file beside it.

    Raises UserError where there is none, or none that can be read.
    """
    beside = next((path for path in sidecars(image) if path.is_file()), None)
    if tags is None and beside is None:
        raise UserError("has no RPC, so nothing tells where on Earth it looks", file=image, hint=_HINT)
    try:
        return RPC.from_rasterio(tags) if tags is not None else read_rpc(beside)
    except UserError as error:
        raise UserError(error.problem, file=error.file or image, hint=error.hint or _HINT) from error
    except (TypeError, ValueError) as error:
        raise UserError(f"its RPC cannot be read ({error})", file=image, hint=_HINT) from error


def sidecars(image: Path) -> list[Path]:
    """Files beside an image that may hold its RPC, as they are named by the makers of satellites."""
    stem = image.stem
    names = [f"{stem}{ending}" for ending in (".RPB", ".rpb", "_RPC.TXT", "_RPC.txt", "_rpc.txt", ".rpc", ".RPC")]
    names += [f"{image.name}.rpc", f"{stem}_RPC.XML", f"{stem}_rpc.xml", f"RPC_{stem}.XML"]
    if stem.upper().startswith("IMG_"):  # Pleiades: IMG_..._R1C1.TIF and RPC_....XML
        whole = re.sub(r"_R\d+C\d+$", "", stem[4:])
        names += [f"RPC_{name}{ending}" for name in (stem[4:], whole) for ending in (".XML", ".xml")]
    return [image.with_name(name) for name in names]


def read_rpc(path: Path | str) -> RPC:
    """Reads DigitalGlobe's .RPB, GeoEye's _RPC.TXT (also many .rpc) or the RPC XML of Pleiades and SPOT (DIMAP).

    Raises UserError for what is none of them.
    """
    path = Path(path)
    with mendable(path):
        text = path.read_bytes().decode("utf-8", "replace")
    try:
        if text.lstrip().startswith("<"):
            return _dimap(text)
        return _rpb(text) if "lineNumCoef" in text else _key_values(text)
    except UserError as error:
        raise UserError(error.problem, file=path, hint=error.hint) from error
    except (KeyError, ValueError, ElementTree.ParseError) as error:
        raise UserError(f"is no RPC that can be read ({error!r})", file=path, hint=_HINT) from error


def _rpb(text: str) -> RPC:
    """lineOffset = 1234; and lineNumCoef = ( 1.0, ... );"""
    values = dict(re.findall(r"(\w+)\s*=\s*(\([^)]*\)|[^;\s]+)", text))
    numbers = {name: float(values[_RPB[name]]) for name in _NUMBERS}
    polynomials = {name: [float(word) for word in values[_RPB[name]].strip("()").split(",")] for name in _POLYNOMIALS}
    return RPC(**numbers, **polynomials)


def _key_values(text: str) -> RPC:
    """LINE_OFF: +001234.00 pixels, and LINE_NUM_COEFF_1: +1.0E+00 up to 20."""
    values = {key.lower(): value for key, value in re.findall(r"^\s*(\w+)\s*[:=]\s*(\S+)", text, re.MULTILINE)}
    return RPC(**{name: float(values[name]) for name in _NUMBERS}, **_numbered(values))


def _numbered(values: dict[str, str]) -> dict[str, list[float]]:
    return {name: [float(values[f"{name}_{index}"]) for index in range(1, 21)] for name in _POLYNOMIALS}


def _dimap(text: str) -> RPC:
    """Its `Inverse_Model` goes from ground to image. DIMAP counts pixels from 1."""
    root = ElementTree.fromstring(text)
    model, validity = root.find(".//Inverse_Model"), root.find(".//RFM_Validity")
    if model is None or validity is None:
        raise KeyError("Inverse_Model and RFM_Validity")
    numbers = {name: float(validity.findtext(name.upper(), "")) for name in _NUMBERS}
    coefficients = {child.tag.lower(): child.text or "" for child in model}
    return RPC(**numbers, **_numbered(coefficients)).moved(-1, -1)
