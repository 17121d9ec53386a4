"""Reading the artist's picture, whatever it is."""

import io
import math
import struct
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from skyworld.errors import UserError
from skyworld.world.files import mendable

MOST_PIXELS = 64_000_000
LEAST_SIDE = 64
# Pillow's own limit would refuse large pictures without saying how large they are; ours is checked below.
Image.MAX_IMAGE_PIXELS = None

_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0}  # Exif FocalPlaneResolutionUnit


def load_picture(path: Path | str) -> tuple[np.ndarray, float | None, dict]:
    """Reads a picture upright, as everyone sees it.

    Returns the picture [h, w, 3] float32, 0 to 1, sRGB-encoded (alpha over white, colour profile applied);
    its horizontal field of view in degrees where EXIF tells it, else None; and {"format", "mode", "width",
    "height"} of the file (width and height as stored, before it is turned upright).
    UserError for everything that is not a whole picture of a sensible size.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError("is a folder, not a picture", file=path, hint="Choose a JPEG or PNG file", fix="photo")
    if not path.is_file():
        raise UserError("there is no such file", file=path, hint="Check the name", fix="photo")
    with mendable(path):
        if path.stat().st_size == 0:
            raise UserError("the file is empty", file=path, hint="Choose another one, or copy it again", fix="photo")
        path.open("rb").close()
    try:
        with Image.open(path) as image:
            info = {"format": image.format, "mode": image.mode, "width": image.width, "height": image.height}
            _check_size(path, image.width, image.height)
            if image.mode == "F":
                raise UserError(
                    "is a floating-point picture", file=path, hint="Save it with 8 or 16 bits a channel", fix="photo"
                )
            exif = image.getexif()
            picture = _upright_rgb(image)
    except Image.UnidentifiedImageError as error:
        raise UserError(
            "is not a picture that can be read",
            file=path,
            hint="Choose a JPEG or PNG file, or save it as one",
            fix="photo",
        ) from error
    # What Pillow's decoders raise for damaged data.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError) as error:
        raise UserError(
            f"the picture is damaged or cut short ({error})",
            file=path,
            hint="Copy it again, or choose another one",
            fix="photo",
        ) from error
    return picture, _field_of_view(exif, info, picture.shape[1], picture.shape[0]), info


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UserError(
            f"the picture is too large ({width} x {height}, {width * height / 1e6:.0f} megapixels)",
            file=path,
            hint=f"Scale it down to {MOST_PIXELS // 1_000_000} megapixels or less",
            fix="photo",
        )
    if min(width, height) < LEAST_SIDE:
        raise UserError(
            f"the picture is too small ({width} x {height} pixels)",
            file=path,
            hint=f"Choose one whose sides have {LEAST_SIDE} pixels or more",
            fix="photo",
        )


def _upright_rgb(image: Image.Image) -> np.ndarray:
    """[h, w, 3] float32."""
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey; Pillow gives 16-bit colour with 8 bits
        grey = np.asarray(image, np.float32) / 65535
        return np.repeat(np.clip(grey, 0, 1)[..., None], 3, 2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    return np.asarray(_srgb(image, profile), np.float32) / 255


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB in the sRGB space; telephones and scanners embed others (Display P3, CMYK)."""
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image.convert("RGB")
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # a damaged profile: shown as every viewer shows it, without
        return image.convert("RGB")


def _field_of_view(exif: Image.Exif, info: dict, width: int, height: int) -> float | None:
    """Horizontal field of view in degrees of the upright picture of `width` x `height`.

    A 35 mm film frame is 36 mm along its long side, whichever way the camera was held.
    """
    details = exif.get_ifd(ExifTags.IFD.Exif)
    long_side = _number(details, ExifTags.Base.FocalLengthIn35mmFilm)
    ratio = 36 / long_side if long_side else _sensor_ratio(details, info)
    if not ratio:
        return None
    degrees = math.degrees(2 * math.atan(ratio / 2 * width / max(width, height)))
    return degrees if 1 < degrees < 170 else None


def _sensor_ratio(details: dict, info: dict) -> float | None:
    """Long side of the sensor over the focal length, from the pixels a millimetre that the camera tells."""
    focal = _number(details, ExifTags.Base.FocalLength)
    density_x = _number(details, ExifTags.Base.FocalPlaneXResolution)
    density_y = _number(details, ExifTags.Base.FocalPlaneYResolution)
    unit = _MILLIMETRES.get(details.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    if not (focal and density_x and density_y and unit):
        return None
    across = _number(details, ExifTags.Base.ExifImageWidth) or info["width"]
    down = _number(details, ExifTags.Base.ExifImageHeight) or info["height"]
    return max(across / density_x, down / density_y) * unit / focal


def _number(details: dict, tag: int) -> float | None:
    """A positive finite EXIF number, or None (cameras write 0 and 0/0 for `unknown`)."""
    value = details.get(tag)
    if isinstance(value, (int, float)) or hasattr(value, "numerator"):
        number = float(value) if getattr(value, "denominator", 1) else 0.0
        return number if math.isfinite(number) and number > 0 else None
    return None


def within(picture: np.ndarray, size: int) -> np.ndarray:
    """The picture [h, w, 3], made smaller by area where its longer side has more than `size` pixels."""
    import cv2

    height, width = picture.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return picture
    return cv2.resize(
        picture, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
