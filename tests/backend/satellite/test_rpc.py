"""The rational polynomial camera agrees with GDAL's, is its own inverse, and is found wherever makers put it."""

import made_up_ground as ground
import numpy as np
import pytest
import rasterio
from rasterio.transform import RPCTransformer

from skyworld.errors import UserError
from skyworld.satellite.rpc import RPC, find_rpc, read_rpc


@pytest.fixture
def rpc():
    return ground.made_up_rpc(0.2, -0.1, bend=0.002)


def places(rpc, count=400):
    rng = np.random.default_rng(1)
    latitude, longitude = rng.uniform(-0.5, 0.5, (2, count))
    return (
        rpc.lat_off + latitude * rpc.lat_scale,
        rpc.long_off + longitude * rpc.long_scale,
        rng.uniform(*rpc.altitudes, count),
    )


def of_gdal(rpc, latitude, longitude, altitude):
    with RPCTransformer(rpc.to_rasterio()) as transformer:
        rows, columns = transformer.rowcol(longitude, latitude, altitude, op=lambda value: value)
    return np.stack([columns, rows], -1)


def test_it_projects_as_gdal_does(rpc):
    assert np.abs(of_gdal(rpc, *places(rpc)) - rpc.project(*places(rpc))).max() < 1e-6


def test_it_projects_as_gdal_does_for_a_real_sensor(shared_data):
    with rasterio.open(shared_data / "satellite_triplet" / "img_02.tif") as raster:
        rpc = find_rpc(shared_data, raster.rpcs)
    latitude, longitude = rpc.localize(np.random.default_rng(2).uniform(0, 1024, (300, 2)), 150.0)
    assert (
        np.abs(of_gdal(rpc, latitude, longitude, np.full(300, 150.0)) - rpc.project(latitude, longitude, 150)).max()
        < 1e-6
    )


def test_localizing_undoes_projecting(rpc):
    latitude, longitude, altitude = places(rpc)
    found = rpc.localize(rpc.project(latitude, longitude, altitude), altitude)
    assert np.abs(found[0] - latitude).max() < 1e-10 and np.abs(found[1] - longitude).max() < 1e-10


def test_localizing_a_real_sensor_undoes_projecting_far_from_its_offsets(shared_data):
    # Its RPC is a crop's: the place in the middle of its scale lies thousands of pixels outside.
    with rasterio.open(shared_data / "satellite_triplet" / "img_01.tif") as raster:
        rpc = RPC.from_rasterio(raster.rpcs)
    pixels = np.random.default_rng(3).uniform(0, 1024, (200, 2))
    assert np.abs(rpc.project(*rpc.localize(pixels, 120.0), 120.0) - pixels).max() < 1e-5


def test_a_crop_sees_what_the_whole_image_saw(rpc):
    place = places(rpc)
    assert np.abs(rpc.moved(-30, -12).project(*place) - (rpc.project(*place) - (30, 12))).max() < 1e-9


def test_it_is_read_back_from_the_tags_of_a_geotiff(rpc, tmp_path):
    path = ground.write_image(tmp_path / "a.tif", rpc, np.ones((8, 8), np.uint16))
    with rasterio.open(path) as raster:
        again = find_rpc(path, raster.rpcs)
    assert np.abs(again.project(*places(rpc)) - rpc.project(*places(rpc))).max() < 1e-8


def as_rpb(rpc):
    lines = ['satId = "WV03";', "BEGIN_GROUP = IMAGE", "\terrBias = 1.0;"]
    for name, ours in (("line", "line"), ("samp", "samp"), ("lat", "lat"), ("long", "long"), ("height", "height")):
        lines += [
            f"\t{name}Offset = {getattr(rpc, ours + '_off')!r};",
            f"\t{name}Scale = {getattr(rpc, ours + '_scale')!r};",
        ]
    for name in ("line", "samp"):
        for kind, ours in (("Num", "num"), ("Den", "den")):
            rows = ",\n".join(f"\t\t\t{value!r}" for value in getattr(rpc, f"{name}_{ours}_coeff").tolist())
            lines += [f"\t{name}{kind}Coef = (", rows + ");"]
    return "\n".join([*lines, "END_GROUP = IMAGE", "END;"])


def as_text(rpc):
    units = {"line": "pixels", "samp": "pixels", "lat": "degrees", "long": "degrees", "height": "meters"}
    lines = []
    for kind in ("off", "scale"):
        lines += [f"{name}_{kind}: {getattr(rpc, f'{name}_{kind}')!r} {unit}".upper() for name, unit in units.items()]
    for name in ("line_num", "line_den", "samp_num", "samp_den"):
        values = getattr(rpc, f"{name}_coeff").tolist()
        lines += [f"{name}_coeff_{index}: {value!r}".upper() for index, value in enumerate(values, 1)]
    return "\n".join(lines)


def as_dimap(rpc):
    rpc = rpc.moved(1, 1)  # DIMAP counts from 1
    values = [f"<{key.upper()}>{value!r}</{key.upper()}>" for key, value in vars(rpc).items() if np.ndim(value) == 0]
    model = ""
    for name in ("samp_num", "samp_den", "line_num", "line_den"):
        for index, value in enumerate(getattr(rpc, f"{name}_coeff").tolist(), 1):
            model += f"<{name.upper()}_COEFF_{index}>{value!r}</{name.upper()}_COEFF_{index}>"
    other = model.replace(">0.0<", ">9.9<")  # from image to ground: not to be taken for the other
    body = f"<Direct_Model>{other}</Direct_Model><Inverse_Model>{model}</Inverse_Model>"
    body += f"<RFM_Validity>{''.join(values)}</RFM_Validity>"
    return f"<Dimap_Document><Global_RFM>{body}</Global_RFM></Dimap_Document>"


@pytest.mark.parametrize(
    ("image", "name", "written"),
    [
        ("a.tif", "a.RPB", as_rpb),
        ("a.tif", "a_RPC.TXT", as_text),
        ("a.tif", "a.rpc", as_text),
        ("IMG_PHR1A_P_001_R1C1.TIF", "RPC_PHR1A_P_001.XML", as_dimap),
    ],
)
def test_it_is_found_in_the_file_beside_the_image(rpc, tmp_path, image, name, written):
    (tmp_path / name).write_text(written(rpc))
    again = find_rpc(tmp_path / image)
    assert np.abs(again.project(*places(rpc)) - rpc.project(*places(rpc))).max() < 1e-8


def test_an_image_without_rpc_says_which_files_would_do(tmp_path):
    with pytest.raises(UserError, match=r"a.tif: has no RPC.*\.RPB"):
        find_rpc(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:500],
        lambda text: text.replace("LINE_SCALE", "LINE_SKALE"),
        lambda text: text.replace("LAT_OFF: 43", "LAT_OFF: 143"),
        lambda text: "<xml>",
        lambda text: "",
    ],
)
def test_a_broken_file_is_refused_by_its_name(rpc, tmp_path, spoil):
    (tmp_path / "a.rpc").write_text(spoil(as_text(rpc)))
    with pytest.raises(UserError, match=r"a\.rpc"):
        read_rpc(tmp_path / "a.rpc")
