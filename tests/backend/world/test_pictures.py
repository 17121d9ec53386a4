"""Whatever the artist drops is read upright and in full, or refused in one sentence."""

import math

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from skyworld.errors import UserError
from skyworld.world.pictures import load_picture


def ramp(width=96, height=64):
    """[h, w, 3] uint8: red grows to the right, green downward."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, np.full_like(x, 80)], -1).astype(np.uint8)


def exif(**tags):
    data = Image.Exif()
    details = data.get_ifd(ExifTags.IFD.Exif)
    for name, value in tags.items():
        (data if name == "Orientation" else details)[getattr(ExifTags.Base, name)] = value
    return data


def test_a_plain_jpeg_is_read_with_its_colours(tmp_path):
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", quality=100, subsampling=0)
    picture, fov, info = load_picture(tmp_path / "a.jpg")
    assert picture.shape == (64, 96, 3) and picture.dtype == np.float32
    assert np.abs(picture - ramp() / 255).max() < 0.02
    assert fov is None
    assert info["format"] == "JPEG"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright_whichever_way_the_camera_was_held(tmp_path, orientation):
    upright = Image.fromarray(ramp())
    back = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in back.get(orientation, []):
        stored = stored.transpose(step)
    stored.save(tmp_path / "a.jpg", quality=100, subsampling=0, exif=exif(Orientation=orientation))
    picture = load_picture(tmp_path / "a.jpg")[0]
    assert picture.shape == (64, 96, 3)
    assert np.abs(picture - ramp() / 255).max() < 0.02


def test_24_megapixels_are_read(tmp_path):
    Image.fromarray(ramp(60, 40)).resize((6000, 4000)).save(tmp_path / "a.jpg", exif=exif(Orientation=6))
    assert load_picture(tmp_path / "a.jpg")[0].shape == (6000, 4000, 3)


def test_sixteen_bits_are_scaled_to_one(tmp_path):
    grey = np.linspace(0, 65535, 96).astype(np.uint16)[None].repeat(64, 0)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "colour.png"), (ramp()[..., ::-1].astype(np.uint16) * 257))
    assert np.abs(load_picture(tmp_path / "grey.png")[0] - grey[..., None] / 65535).max() < 1e-4
    assert np.abs(load_picture(tmp_path / "colour.png")[0] - ramp() / 255).max() < 0.005


def test_transparency_is_laid_over_white(tmp_path):
    grey = np.full((64, 64), 100, np.uint8)
    alpha = np.zeros_like(grey)
    alpha[:, 32:] = 255
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")[0]
    assert picture[:, :32].min() == 1
    assert np.allclose(picture[:, 32:], 100 / 255, atol=0.005)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_other_colour_models_become_rgb(tmp_path, mode):
    name = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(ramp()).convert(mode).save(name)
    picture = load_picture(name)[0]
    truth = np.asarray(Image.fromarray(ramp()).convert(mode).convert("RGB")) / 255
    assert np.abs(picture - truth).mean() < 0.02


def test_the_lens_is_read_from_exif_along_the_long_side(tmp_path):
    Image.fromarray(ramp(96, 64)).save(tmp_path / "wide.jpg", exif=exif(FocalLengthIn35mmFilm=18))
    Image.fromarray(ramp(64, 96)).save(tmp_path / "tall.jpg", exif=exif(FocalLengthIn35mmFilm=18))
    Image.fromarray(ramp(96, 64)).save(tmp_path / "turned.jpg", exif=exif(FocalLengthIn35mmFilm=18, Orientation=6))
    assert load_picture(tmp_path / "wide.jpg")[1] == pytest.approx(90)
    narrow = math.degrees(2 * math.atan(64 / 96))
    assert load_picture(tmp_path / "tall.jpg")[1] == pytest.approx(narrow)
    assert load_picture(tmp_path / "turned.jpg")[1] == pytest.approx(narrow)


def test_the_lens_is_derived_from_the_sensor_where_only_that_is_told(tmp_path):
    tags = {"FocalLength": 18.0, "FocalPlaneXResolution": 96 / 3.6, "FocalPlaneYResolution": 64 / 2.4}
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", exif=exif(**tags, FocalPlaneResolutionUnit=3))
    assert load_picture(tmp_path / "a.jpg")[1] == pytest.approx(90, abs=0.1)


def test_a_lens_of_zero_means_unknown(tmp_path):
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", exif=exif(FocalLengthIn35mmFilm=0))
    assert load_picture(tmp_path / "a.jpg")[1] is None


def not_an_image(file):
    file.write_text("hello")


def truncated(file):
    Image.fromarray(ramp(400, 300)).save(file)
    file.write_bytes(file.read_bytes()[:3000])


def truncated_png(file):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(file, format="PNG")
    file.write_bytes(file.read_bytes()[:3000])


def tiny(file):
    Image.new("RGB", (10, 10)).save(file)


def huge(file):
    Image.new("1", (20000, 10000)).save(file, format="PNG")


def floating(file):
    Image.new("F", (100, 100)).save(file, format="TIFF")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (not_an_image, "not a picture"),
        (truncated, "damaged or cut short"),
        (truncated_png, "damaged or cut short"),
        (lambda file: file.touch(), "empty"),
        (tiny, "too small \\(10 x 10"),
        (huge, "too large \\(20000 x 10000, 200 megapixels\\)"),
        (floating, "floating-point"),
        (lambda file: None, "no such file"),
        (lambda file: file.mkdir(), "is a folder"),
    ],
)
def test_a_bad_picture_is_refused_in_one_sentence_that_names_it(tmp_path, make, says):
    file = tmp_path / "photo.jpg"
    make(file)
    with pytest.raises(UserError, match=says) as refused:
        load_picture(file)
    assert "photo.jpg" in str(refused.value) and refused.value.hint


def test_every_photograph_of_the_collection_is_read(shared_data):
    for file in sorted((shared_data / "photos").glob("*.jpg"))[:6]:
        assert load_picture(file)[0].max() > 0.5
