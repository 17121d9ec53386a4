"""Damaged and hostile files end in one sentence that names the file, before memory is taken."""

import gzip
import io
import json
import struct
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_scenes import make_scene
from PIL import Image

from skyworld.errors import UserError
from skyworld.splats import formats
from skyworld.splats.formats import FormatLoss, checks, compressed_ply, glb, ply, sog, splat, spz

READERS = {
    "a.ply": ply.read_ply,
    "a.compressed.ply": compressed_ply.read_compressed_ply,
    "a.splat": splat.read_splat,
    "a.spz": spz.read_spz,
    "b.spz": spz.read_spz,
    "a.sog": sog.read_sog,
    "a.glb": glb.read_glb,
}
OPTIONS = {"b.spz": {"version": 4}}
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> dict[str, bytes]:
    """A small file of each format."""
    folder = tmp_path_factory.mktemp("valid")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FormatLoss)
        for name in READERS:
            formats.write(folder / name, make_scene(count=40, degree=1), **OPTIONS.get(name, {}))
    return {name: (folder / name).read_bytes() for name in READERS}


def read_only_user_errors(name: str, path, data: bytes) -> None:
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gaussians = READERS[name](path)
        assert len(gaussians) > 0 and torch.isfinite(gaussians.means).all()
    except UserError as error:
        assert path.name in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize("name", READERS)
def test_changed_bytes_never_end_in_anything_but_a_user_error(valid, tmp_path, name):
    original = valid[name]

    @FUZZ
    @given(
        st.lists(st.tuples(st.integers(0, len(original) - 1), st.integers(0, 255)), min_size=1, max_size=12),
        st.integers(0, len(original)),
        st.binary(max_size=12),
    )
    def change(edits, cut, inserted):
        data = bytearray(original)
        for place, value in edits:
            # Half of the edits hit the header, where they matter most.
            data[place if place % 2 else place % min(len(data), 200)] = value
        at = cut if cut % 3 else len(data)
        read_only_user_errors(name, tmp_path / name, bytes(data[:at]) + (inserted if cut % 2 else b""))

    change()


@pytest.mark.parametrize(
    ("name", "magic"),
    [
        ("a.ply", b"ply\n"),
        ("a.compressed.ply", b"ply\nformat binary_little_endian 1.0\nelement chunk 1\nproperty float min_x\n"),
        ("a.splat", b""),
        ("a.spz", b"\x1f\x8b\x08\x00"),
        ("b.spz", b"NGSP\x04\x00\x00\x00"),
        ("a.sog", b"PK\x03\x04"),
        ("a.glb", b"glTF\x02\x00\x00\x00"),
    ],
)
def test_random_bytes_never_end_in_anything_but_a_user_error(tmp_path, name, magic):
    @FUZZ
    @given(st.binary(max_size=400), st.booleans())
    def feed(data, announced):
        read_only_user_errors(name, tmp_path / name, (magic if announced else b"") + data)

    feed()


def test_random_contents_under_a_sound_gzip_never_end_in_anything_but_a_user_error(tmp_path):
    @FUZZ
    @given(st.integers(0, 5), st.integers(0, 2**32 - 1), st.binary(min_size=4, max_size=4), st.binary(max_size=300))
    def feed(version, count, rest, body):
        data = struct.pack("<4sII", b"NGSP", version, count) + rest + body
        read_only_user_errors("a.spz", tmp_path / "a.spz", gzip.compress(data, mtime=0))

    feed()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("name", ["a.sog", "a.glb"])
def test_random_values_in_the_json_never_end_in_anything_but_a_user_error(valid, tmp_path, name):
    if name == "a.sog":
        with zipfile.ZipFile(io.BytesIO(valid[name])) as bundle:
            files = {entry: bundle.read(entry) for entry in bundle.namelist()}
        document = json.loads(files["meta.json"])
    else:
        size = struct.unpack("<I", valid[name][12:16])[0]
        document, binary = json.loads(valid[name][20 : 20 + size]), valid[name][20 + size :]
    places = list(paths(document))

    @FUZZ
    @given(st.sampled_from(places), JSON | st.integers(-5, 2**40))
    def feed(place, value):
        changed = json.loads(json.dumps(document))
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        text = json.dumps(changed).encode()
        if name == "a.sog":
            memory = io.BytesIO()
            with zipfile.ZipFile(memory, "w") as bundle:
                for entry, content in (files | {"meta.json": text}).items():
                    bundle.writestr(entry, content)
            data = memory.getvalue()
        else:
            data = struct.pack("<4sIII4s", b"glTF", 2, 0, len(text), b"JSON") + text + binary
        read_only_user_errors(name, tmp_path / name, data)

    feed()


def paths(document, above=()):
    """Where every value of a JSON document stands."""
    for key in document if isinstance(document, dict) else range(len(document[:2])):
        yield (*above, key)
        if isinstance(document[key], dict | list):
            yield from paths(document[key], (*above, key))


# --------------------------------------------------------------------------------- hostile promises


def bombs(name: str) -> bytes:
    """Small files whose headers promise gigabytes."""
    zeros = bytes(1 << 20)
    if name == "2^40 vertices.ply":
        names = [*"xyz", *(f"f_dc_{i}" for i in range(3)), "opacity"]
        names += [f"scale_{i}" for i in range(3)] + [f"rot_{i}" for i in range(4)]
        columns = "".join(f"property float {column}\n" for column in names)
        return f"ply\nformat binary_little_endian 1.0\nelement vertex {2**40}\n{columns}end_header\n".encode() + zeros
    if name == "2^40 vertices.compressed.ply":
        return compressed_ply._header_text(2**40, 2**32, 0) + zeros
    if name == "4 billion points.spz":
        return gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 3, 2**32 - 1, 3, 12, 0, 0) + zeros)
    if name == "honest gzip bomb.spz":
        return gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 3, 4_000_000, 3, 12, 0, 0) + zeros * 245)
    if name == "4 billion points, version 4.spz":
        header = struct.pack("<4sIIBBBBI12x", b"NGSP", 4, 2**32 - 1, 0, 12, 0, 5, 32)
        return header + b"".join(struct.pack("<QQ", 100, (2**32 - 1) * width) for width in (9, 1, 3, 3, 4)) + zeros
    if name == "2^40 points.glb":
        column = {"bufferView": 0, "componentType": 5126, "count": 2**40, "type": "VEC3"}
        gltf = {
            "accessors": [column],
            "bufferViews": [{"buffer": 0, "byteLength": 2**50}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "extensions": {"KHR_gaussian_splatting": {}}}]}],
        }
        text = json.dumps(gltf).encode()
        return (
            struct.pack("<4sIII4s", b"glTF", 2, 0, len(text), b"JSON") + text + struct.pack("<I4s", 1 << 20, b"BIN\0")
        )
    memory = io.BytesIO()
    Image.fromarray(np.zeros((5000, 5000, 4), np.uint8)).save(memory, "WEBP", lossless=True, method=0)
    with zipfile.ZipFile(memory_of := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as bundle:
        part = {"files": ["a.webp", "a.webp"], "mins": [0, 0, 0], "maxs": [1, 1, 1]}
        coded = {"files": ["a.webp"], "codebook": [0.0] * 256}
        count = 5000 * 5000
        meta = {"version": 2, "count": count, "means": part, "scales": coded, "quats": part, "sh0": coded}
        bundle.writestr("meta.json", json.dumps(meta) if name != "a zip bomb.sog" else zeros * 60)
        bundle.writestr("a.webp", memory.getvalue())
    return memory_of.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "2^40 vertices.ply",
        "2^40 vertices.compressed.ply",
        "4 billion points.spz",
        "honest gzip bomb.spz",
        "4 billion points, version 4.spz",
        "2^40 points.glb",
        "25 megapixels from nothing.sog",
        "a zip bomb.sog",
    ],
)
def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(bombs(name))
    for module in (compressed_ply, glb, sog, spz):
        monkeypatch.setattr(module, "allocated", lambda *_: pytest.fail("memory was taken"))
    tracemalloc.start()
    with pytest.raises(UserError) as refused:
        formats.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert name in str(refused.value)
    assert peak < 20e6


# ------------------------------------------------------------------------- what a person does wrong


def glb_of(text: bytes) -> bytes:
    return (
        struct.pack("<4sIII4s", b"glTF", 2, 0, len(text), b"JSON") + text + struct.pack("<I4s", 4, b"BIN\0") + bytes(4)
    )


JSON_BOMBS = {
    "deep lists.glb": glb_of(b'{"nodes":' + b"[" * 900_000),
    "deep extensions.glb": glb_of(
        b'{"meshes":[{"primitives":[{"attributes":{},"extensions":{"a":' + b'{"a":' * 150_000
    ),
    "a million nodes.glb": glb_of(b'{"nodes":[' + b"{}," * 1_000_000 + b"{}]}"),
    "a chain of nodes.glb": glb_of(
        json.dumps({"scenes": [{"nodes": [0]}], "nodes": [{"children": [i + 1]} for i in range(10_000)]}).encode()
    ),
}


def test_a_thousand_primitives_of_the_same_bytes_are_refused(scene, tmp_path):
    path = tmp_path / "a.glb"
    formats.write(path, scene(count=2000, degree=0))
    size = struct.unpack("<I", path.read_bytes()[12:16])[0]
    gltf = json.loads(path.read_bytes()[20 : 20 + size])
    gltf["meshes"][0]["primitives"] *= 1000
    text = json.dumps(gltf).encode()
    head = struct.pack("<4sIII4s", b"glTF", 2, 0, len(text), b"JSON")
    path.write_bytes(head + text + path.read_bytes()[20 + size :])
    with pytest.raises(UserError, match=r"a\.glb: its header promises 2,000,000 Gaussians"):
        formats.read(path)


@pytest.mark.parametrize("name", JSON_BOMBS)
def test_json_that_is_deep_or_wide_takes_neither_the_stack_nor_the_memory(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(JSON_BOMBS[name])
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(UserError, match=name):
        formats.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6 and time.process_time() - started < 10


@pytest.mark.parametrize("name", READERS)
def test_a_truncated_file_is_refused_by_name(valid, tmp_path, name):
    for share in (0.2, 0.9):
        # An odd length: whole rows of a .splat are a shorter, but sound file.
        (tmp_path / name).write_bytes(valid[name][: int(len(valid[name]) * share) | 1])
        with pytest.raises(UserError, match=name):
            READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0 this is a photograph")
    with pytest.raises(UserError, match=name):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_not_there_or_empty_or_a_folder_is_refused_by_name(tmp_path, name):
    with pytest.raises(UserError, match=name):
        formats.read(tmp_path / name)
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"{name}: is empty"):
        formats.read(tmp_path / name)
    (tmp_path / "folder" / name).mkdir(parents=True)
    with pytest.raises(UserError, match=name):
        formats.read(tmp_path / "folder" / name)


def test_a_name_of_no_format_is_answered_with_those_there_are(scene, tmp_path):
    with pytest.raises(UserError, match=r"a\.obj.*\.compressed\.ply, \.ply, \.splat, \.spz, \.sog, \.glb"):
        formats.write(tmp_path / "a.obj", scene(count=1))


@pytest.mark.parametrize("name", [name for name in READERS if name != "a.ply"])
def test_zero_gaussians_and_nan_are_not_written(scene, tmp_path, name):
    gaussians = scene(count=5, degree=0)
    with pytest.raises(UserError, match=f"{name}: there are no Gaussians"):
        formats.write(tmp_path / name, gaussians[:0])
    gaussians.means[3, 1] = torch.nan
    gaussians.log_scales[1:3, 0] = torch.inf
    with pytest.raises(UserError, match=rf"{name}: NaN or infinite values in means of 1, log_scales of 2 of 5"):
        formats.write(tmp_path / name, gaussians)
    assert not list(tmp_path.iterdir())


def test_zero_gaussians_in_a_file_are_refused(tmp_path):
    empty = {
        "a.spz": gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 3, 0, 0, 12, 0, 0)),
        "a.compressed.ply": compressed_ply._header_text(0, 0, 0),
    }
    for name, data in empty.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=f"{name}: holds no Gaussians"):
            formats.read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.ply", "a.splat", "a.glb"])
def test_nan_in_a_file_is_refused_with_its_number_and_dropped_only_if_asked_for(scene, tmp_path, name):
    gaussians = scene(count=50, degree=0)
    gaussians.means[3] = 12345.0
    gaussians.means[7] = 12345.0
    path = tmp_path / name
    formats.write(path, gaussians, **({"up": "-y"} if name == "a.glb" else {}))
    data = path.read_bytes()
    for number in (12345.0, -12345.0):
        data = data.replace(struct.pack("<f", number), struct.pack("<f", float("nan")))
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"{name}: .*2 of .*50 "):
        formats.read(path)
    with pytest.warns(FormatLoss, match="2 of 50 Gaussians have NaN or infinite values and were left out"):
        kept = formats.read(path, drop_invalid=True)
    assert len(kept) == 48


def test_everything_invalid_leaves_nothing_to_read(tmp_path):
    (tmp_path / "a.splat").write_bytes(b"\xff" * 64)
    with pytest.raises(UserError, match=r"a\.splat: every Gaussian in it"):
        formats.read(tmp_path / "a.splat", drop_invalid=True)


def test_a_sog_may_not_reach_for_files_elsewhere(valid, tmp_path):
    with zipfile.ZipFile(io.BytesIO(valid["a.sog"])) as bundle:
        bundle.extractall(tmp_path)
    meta = tmp_path / "meta.json"
    meta.write_text(meta.read_text().replace("means_l.webp", "../../secret"))
    with pytest.raises(UserError, match=r"meta\.json"):
        formats.read(meta)


def test_a_glb_that_instances_one_mesh_a_thousand_times_is_refused(valid, tmp_path):
    size = struct.unpack("<I", valid["a.glb"][12:16])[0]
    gltf = json.loads(valid["a.glb"][20 : 20 + size])
    gltf["nodes"], gltf["scenes"] = [{"mesh": 0}] * 1000, [{"nodes": list(range(1000))}]
    text = json.dumps(gltf).encode()
    path = tmp_path / "a.glb"
    path.write_bytes(struct.pack("<4sIII4s", b"glTF", 2, 0, len(text), b"JSON") + text + valid["a.glb"][20 + size :])
    with pytest.raises(UserError, match="twice"):
        formats.read(path)


def test_more_gaussians_than_memory_holds_are_refused():
    with pytest.raises(UserError, match=r"x\.spz.*GB of memory"):
        checks.allocated(2**44, 3, "x.spz")
