import numpy as np
import pytest

from skyworld_addon.errors import UserError
from skyworld_addon.scene import ply


def table(splats):
    """Rows and names of the file of `splats`, taken apart by hand."""
    data = bytes(ply.encode(splats))
    head, _, body = data.partition(b"end_header\n")
    names = [line.split()[-1].decode() for line in head.splitlines() if line.startswith(b"property")]
    return np.frombuffer(body, "<f4").reshape(-1, len(names)), names


def save(path, rows, names, order="<", kind="f4", text="float"):
    formats = {"<": "binary_little_endian", ">": "binary_big_endian", "": "ascii"}
    lines = ["ply", f"format {formats[order]} 1.0", "comment made by hand", f"element vertex {len(rows)}"]
    lines += [f"property {text} {name}" for name in names] + ["end_header\n"]
    body = (
        rows.astype(order + kind).tobytes()
        if order
        else "\n".join(" ".join(map(repr, r)) for r in rows.tolist()).encode()
    )
    path.write_bytes("\n".join(lines).encode() + body)
    return path


def assert_same(a, b, atol=1e-5):
    for name in ("means", "scales", "opacities", "dc", "sh"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=atol, err_msg=name)
    assert np.abs((a.quats * b.quats).sum(1)).min() > 1 - 1e-5


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
def test_what_is_written_is_read_again(tmp_path, splats, degree):
    made = splats(70_000 if degree == 1 else 40, degree)  # more than one block of rows
    ply.write(tmp_path / "a.ply", made)
    assert_same(ply.read(tmp_path / "a.ply"), made)


@pytest.mark.parametrize(
    ("order", "kind", "text"), [(">", "f4", "float"), ("<", "f8", "double"), ("", "f4", "float32")]
)
def test_big_endian_double_and_ascii_read_alike(tmp_path, splats, order, kind, text):
    made = splats(20)
    assert_same(ply.read(save(tmp_path / "a.ply", *table(made), order, kind, text)), made)


def test_shuffled_and_extra_properties_are_understood(tmp_path, splats):
    made = splats(20, 2)
    rows, names = table(made)
    rows = np.column_stack([np.arange(20), rows]).astype(np.float32)
    names = ["layer", *names]
    shuffle = np.random.default_rng(1).permutation(len(names))
    read = ply.read(save(tmp_path / "a.ply", rows[:, shuffle], [names[i] for i in shuffle]))
    assert_same(read, made)
    assert read.extra["layer"].tolist() == list(range(20))
    ply.write(tmp_path / "b.ply", read)
    assert ply.read(tmp_path / "b.ply").extra["layer"].tolist() == list(range(20))


def test_coloured_points_are_read_as_points(tmp_path):
    path = tmp_path / "points.ply"
    head = (
        "ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
    )
    head += "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    path.write_bytes(head.encode() + np.array([1, 2, 3], "<f4").tobytes() + bytes([255, 0, 51]))
    points = ply.read(path)
    assert isinstance(points, ply.Points)
    np.testing.assert_allclose(points.positions, [[1, 2, 3]])
    np.testing.assert_allclose(points.colours, [[1, 0, 0.2]], atol=1e-6)


def cases():
    def broken(change):
        return lambda path, rows, names: change(path, rows, names)

    def nan(path, rows, names):
        rows = rows.copy()
        rows[3, 0] = np.nan
        save(path, rows, names)

    def truncated(path, rows, names):
        save(path, rows, names)
        path.write_bytes(path.read_bytes()[:-50])

    def without(name):
        return lambda path, rows, names: save(
            path, np.delete(rows, names.index(name), 1), [n for n in names if n != name]
        )

    def ascii_rubbish(path, rows, names):
        save(path, rows, names, "")
        path.write_bytes(path.read_bytes().replace(b"0.", b"zero"))

    return {
        "zero vertices": (lambda p, r, n: save(p, r[:0], n), "no points"),
        "NaN": (nan, "NaN"),
        "truncated": (truncated, "cut short"),
        "truncated ASCII": (
            lambda p, r, n: save(p, r, n, "") and p.write_bytes(p.read_bytes()[:-900]),
            "cut short|numbers",
        ),
        "no opacity": (without("opacity"), "opacity"),
        "no x": (without("x"), "no x"),
        "44 of 45 f_rest": (without("f_rest_44"), "44 f_rest"),
        "not a PLY": (lambda p, *_: p.write_bytes(b"\xff\xd8\xff" * 99), "not a PLY"),
        "nothing in it": (lambda p, *_: p.write_bytes(b""), "not a PLY"),
        "header without end": (lambda p, *_: p.write_bytes(b"ply\nformat ascii 1.0\n"), "without end"),
        "unknown type": (
            lambda p, *_: p.write_bytes(b"ply\nformat ascii 1.0\nelement vertex 1\nproperty blob x\n"),
            "damaged",
        ),
        "rows of words": (ascii_rubbish, "numbers"),
        "no file": (lambda *_: None, "cannot be read"),
        "a folder": (lambda p, *_: p.mkdir(), "cannot be read"),
    }


@pytest.mark.parametrize("case", cases())
def test_a_bad_file_gets_one_sentence_that_names_it(tmp_path, splats, case):
    spoil, words = cases()[case]
    path = tmp_path / "bad.ply"
    spoil(path, *table(splats(20)))
    with pytest.raises(UserError, match=words) as caught:
        ply.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_promise_of_a_million_million_splats_is_refused_before_memory_is_taken(tmp_path, splats):
    path = save(tmp_path / "a.ply", *table(splats(20)))
    path.write_bytes(path.read_bytes().replace(b"vertex 20\n", b"vertex 999999999999\n"))
    with pytest.raises(UserError, match="cut short"):
        ply.read(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, splats):
    folder = tmp_path / "gone"
    with pytest.raises(UserError, match="cannot be written"):
        ply.write(folder / "a.ply", splats())
