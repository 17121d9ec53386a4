""".glb with KHR_gaussian_splatting: glTF 2.0 whose points carry the Gaussians as float32 attributes.

Attributes: POSITION, KHR_gaussian_splatting:ROTATION (xyzw), :SCALE (linear), :OPACITY (0..1) and
:SH_DEGREE_l_COEF_n; COLOR_0 is there for viewers that know only points. glTF is in metres with y up.
"""

import json
import struct
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError

from skyworld.errors import UserError
from skyworld.splats.formats import quantisation as q
from skyworld.splats.formats.checks import (
    Losses,
    allocated,
    arrays,
    columns_named,
    mapped,
    refuse_promise,
    refuse_unwritable,
    slices,
    truncated,
    validated,
)
from skyworld.splats.gaussians import Gaussians
from skyworld.world.files import atomic_write

MAGIC = b"glTF"
_EXTENSION = "KHR_gaussian_splatting"
_JSON, _BIN = b"JSON", b"BIN\0"
_JSON_BYTES = 1 << 20  # that of a thousand meshes; a node takes 3 bytes of it and hundreds in memory
_ARRAY_BUFFER, _FLOAT, _BYTE = 34962, 5126, 5121
_TYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
# Gaussians -> glTF: the world of SkyWorld has z up; captures in 3DGS files usually have y down and z forward.
_TO_GLTF = {
    "z": np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64),
    "-y": np.diag([-1.0, -1.0, 1.0, 1.0]),
}
Up = Literal["z", "-y"]


class _Accessor(BaseModel):
    bufferView: int | None = None  # noqa: N815, the names in the file
    byteOffset: Annotated[int, Field(ge=0)] = 0  # noqa: N815
    componentType: Literal[5120, 5121, 5122, 5123, 5126] | int  # noqa: N815
    count: Annotated[int, Field(ge=0)]
    type: str
    normalized: bool = False
    sparse: dict | None = None


class _View(BaseModel):
    buffer: Literal[0]
    byteOffset: Annotated[int, Field(ge=0)] = 0  # noqa: N815
    byteLength: Annotated[int, Field(ge=1)]  # noqa: N815
    byteStride: Annotated[int, Field(ge=4, le=252)] | None = None  # noqa: N815


class _Primitive(BaseModel):
    attributes: dict[str, int]
    extensions: dict[str, dict] = {}


class _Mesh(BaseModel):
    primitives: list[_Primitive]


class _Node(BaseModel):
    mesh: int | None = None
    children: list[int] = []
    matrix: Annotated[list[float], Field(min_length=16, max_length=16)] | None = None
    translation: Annotated[list[float], Field(min_length=3, max_length=3)] = [0, 0, 0]
    rotation: Annotated[list[float], Field(min_length=4, max_length=4)] = [0, 0, 0, 1]
    scale: Annotated[list[float], Field(min_length=3, max_length=3)] = [1, 1, 1]

    def local(self) -> np.ndarray:
        """[4, 4] node to parent."""
        if self.matrix:
            return np.reshape(self.matrix, (4, 4)).T
        x, y, z, w = self.rotation
        turn = np.eye(3) + 2 * np.array(
            [
                [-y * y - z * z, x * y - z * w, x * z + y * w],
                [x * y + z * w, -x * x - z * z, y * z - x * w],
                [x * z - y * w, y * z + x * w, -x * x - y * y],
            ]
        )
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn * self.scale, self.translation
        return matrix


class _Scene(BaseModel):
    nodes: list[int] = []


class _Gltf(BaseModel):
    accessors: list[_Accessor] = []
    bufferViews: list[_View] = []  # noqa: N815
    meshes: list[_Mesh] = []
    nodes: list[_Node] = []
    scenes: list[_Scene] = []
    scene: int = 0


# ------------------------------------------------------------------------------------------- reading


def read_glb(path: Path | str, *, up: Up = "z", drop_invalid: bool = False) -> Gaussians:
    """Reads every Gaussian splat of the scene, its nodes' placements applied, and turns it so that `up` is up.

    `up="-y"` gives the axes that 3DGS captures have in .ply. Attributes with a leading underscore become
    extra columns. Raises UserError for another file, or one whose numbers point outside of it.
    """
    data = mapped(path)
    gltf, binary = _chunks(path, data)
    splats = [
        _Splats(path, gltf, binary, primitive, _TO_GLTF[up].T @ placed)
        for mesh, placed in _placed_meshes(path, gltf)
        for primitive in mesh.primitives
        if _EXTENSION in primitive.extensions
    ]
    if not splats:
        raise UserError("holds no Gaussian splats", file=path, hint=f"It needs meshes with {_EXTENSION}")
    count = sum(part.count for part in splats)
    # Many primitives may show the same bytes; a Gaussian of the smallest types takes a quarter of 44.
    refuse_promise(path, f"{count:,} Gaussians", 44 * count, len(data), ratio=4)
    gaussians = allocated(count, max(part.degree for part in splats), path)
    gaussians.sh.zero_()
    shared = set.intersection(*(set(part.extra) for part in splats))
    widths = {name: {part.extra[name].shape[1] for part in splats} for name in sorted(shared)}
    for name, kinds in widths.items():
        if len(kinds) == 1:
            gaussians.extra[name[1:]] = torch.empty(count, *kinds)
    start = 0
    for part in splats:
        part.fill(gaussians, start)
        start += part.count
    gaussians.extra = {name: column.squeeze(1) for name, column in gaussians.extra.items()}
    return validated(gaussians, path, drop_invalid)


def _chunks(path, data: np.ndarray) -> tuple[_Gltf, np.ndarray]:
    """The JSON of a .glb, checked, and its binary chunk."""
    if len(data) < 20 or data[:4].tobytes() != MAGIC:
        raise UserError("is no .glb file", file=path, hint="Choose another file")
    version, _, size = struct.unpack("<III", data[4:16].tobytes())
    if version != 2 or data[16:20].tobytes() != _JSON:
        raise UserError(f"is a .glb of version {version} or without JSON", file=path, hint="Export it as glTF 2.0")
    if size > _JSON_BYTES:
        raise UserError(f"its JSON takes {size:,} bytes", file=path, hint="Export the splats alone, without a scene")
    if size > len(data) - 20:
        raise truncated(path, f"its JSON of {size:,} bytes")
    try:
        gltf = _Gltf.model_validate_json(data[20 : 20 + size].tobytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"its JSON is no glTF that can be read ({where}: {first['msg']})", file=path) from None
    start = 20 + size
    head = data[start : start + 8].tobytes()
    if len(head) < 8 or head[4:] != _BIN:
        raise UserError("has no binary chunk", file=path, hint="Export it as one .glb with everything inside")
    return gltf, data[start + 8 : start + 8 + struct.unpack("<I", head[:4])[0]]


def _placed_meshes(path, gltf: _Gltf) -> list[tuple[_Mesh, np.ndarray]]:
    """Each mesh of the scene with its matrix [4, 4] to the scene. A mesh may stand in it once only."""
    if not gltf.scenes:
        return [(mesh, np.eye(4)) for mesh in gltf.meshes]
    waiting = [(index, np.eye(4)) for index in _item(path, gltf.scenes, gltf.scene, "scene").nodes]
    seen, meshes = set(), {}
    while waiting:
        index, parent = waiting.pop()
        node = _item(path, gltf.nodes, index, "node")
        if index in seen or node.mesh in meshes:
            raise UserError(
                "uses a node or a mesh of splats twice", file=path, hint="Make instances real and export again"
            )
        seen.add(index)
        with np.errstate(all="ignore"):
            matrix = parent @ node.local()
        if node.mesh is not None:
            meshes[node.mesh] = (_item(path, gltf.meshes, node.mesh, "mesh"), matrix)
        waiting += [(child, matrix) for child in node.children]
    return list(meshes.values())


def _item(path, items: list, index: int, what: str):
    if not 0 <= index < len(items):
        raise UserError(f"refers to a {what} {index} that it does not have", file=path, hint="Export it again")
    return items[index]


class _Splats:
    """One primitive: its attributes as views into the file."""

    def __init__(self, path, gltf: _Gltf, binary: np.ndarray, primitive: _Primitive, matrix: np.ndarray):
        inner = primitive.extensions[_EXTENSION].get("extensions")
        if inner:
            raise UserError(
                f"its splats are compressed ({', '.join(inner)})", file=path, hint="Export them uncompressed"
            )
        self.path, self.matrix = path, matrix
        self.columns = {name: _column(path, gltf, binary, index, name) for name, index in primitive.attributes.items()}
        self.means = self.take("POSITION", 3)
        self.count = len(self.means)
        self.quats, self.scales = self.take(f"{_EXTENSION}:ROTATION", 4), self.take(f"{_EXTENSION}:SCALE", 3)
        self.opacities = self.take(f"{_EXTENSION}:OPACITY", 1)
        self.degree = 0
        while self.degree < 3 and f"{_EXTENSION}:SH_DEGREE_{self.degree + 1}_COEF_0" in self.columns:
            self.degree += 1
        self.sh = [self.take(name, 3) for name in _harmonics(self.degree)]
        self.extra = {name: column for name, column in self.columns.items() if name[:1] == "_" and len(name) > 1}
        if any(len(column) != self.count for column in self.columns.values()):
            raise UserError("its attributes differ in length", file=path, hint="Export it again")

    def take(self, name: str, width: int) -> np.ndarray:
        column = self.columns.get(name)
        if column is None or column.shape[1] != width:
            raise UserError(f"its splats have no {name} of {width} numbers", file=self.path, hint="Export it again")
        return column

    def fill(self, gaussians: Gaussians, start: int) -> None:
        """Writes rows start.. of `gaussians`, placed by the matrix."""
        for part in slices(self.count):
            scales = np.where(_floats(self.scales[part]) == 0, 1e-20, _floats(self.scales[part]))
            with np.errstate(invalid="ignore"):  # the logarithm of a negative scale is NaN, and found afterwards
                log_scales = np.log(scales)
            opacities = _floats(self.opacities[part])[:, 0]
            rows = Gaussians(
                torch.from_numpy(_floats(self.means[part])),
                torch.from_numpy(log_scales),
                torch.from_numpy(np.roll(_floats(self.quats[part]), 1, 1)),
                torch.from_numpy(q.logits(opacities).astype(np.float32)),
                torch.from_numpy(np.stack([_floats(column[part]) for column in self.sh], 1)),
            )
            if not np.array_equal(self.matrix, np.eye(4)):
                try:
                    rows = rows.transformed(self.matrix)
                except UserError as error:
                    raise UserError(error.problem, file=self.path, hint=error.hint) from None
            target = slice(start + part.start, start + part.stop)
            for name in ("means", "log_scales", "quats", "logit_opacities"):
                getattr(gaussians, name)[target] = getattr(rows, name)
            gaussians.sh[target, : rows.sh.shape[1]] = rows.sh
            for name, column in gaussians.extra.items():
                column[target] = torch.from_numpy(_floats(self.extra[f"_{name}"][part]))


def _harmonics(degree: int) -> list[str]:
    return [f"{_EXTENSION}:SH_DEGREE_{band}_COEF_{n}" for band in range(degree + 1) for n in range(2 * band + 1)]


def _column(path, gltf: _Gltf, binary: np.ndarray, index: int, name: str) -> np.ndarray:
    """An accessor as a view [count, width] into the file. Raises UserError where it does not lie in it."""
    accessor = _item(path, gltf.accessors, index, "accessor")
    if accessor.componentType not in _TYPES or accessor.type not in _WIDTHS:
        raise UserError(f"its {name} has a type that splats do not have", file=path, hint="Export it again")
    if accessor.bufferView is None or accessor.sparse:
        raise UserError(f"its {name} is sparse or empty", file=path, hint="Export it without sparse accessors")
    view = _item(path, gltf.bufferViews, accessor.bufferView, "buffer view")
    kind, width = np.dtype(_TYPES[accessor.componentType]), _WIDTHS[accessor.type]
    stride = view.byteStride or kind.itemsize * width
    needed = accessor.byteOffset + max(accessor.count - 1, 0) * stride + kind.itemsize * width
    if stride < kind.itemsize * width or needed > view.byteLength or view.byteOffset + needed > len(binary):
        raise truncated(path, f"its {name} of {accessor.count:,} Gaussians")
    at = view.byteOffset + accessor.byteOffset
    column = np.ndarray((accessor.count, width), kind, binary, at, (stride, kind.itemsize))
    # Integers stand for fractions: -1..1, or 0..1 without a sign (glTF 2.0, section 3.11).
    return column if kind == np.float32 or not accessor.normalized else _Fractions(column)


class _Fractions:
    """A view of integers that reads as fractions, chunk by chunk."""

    def __init__(self, column: np.ndarray):
        self.column, self.shape = column, column.shape

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, rows) -> np.ndarray:
        return np.maximum(self.column[rows] / np.float32(np.iinfo(self.column.dtype).max), -1)


def _floats(values: np.ndarray) -> np.ndarray:
    return np.array(values, np.float32)


# ------------------------------------------------------------------------------------------- writing


def write_glb(path: Path | str, gaussians: Gaussians, *, up: Up = "z") -> None:
    """Writes a .glb with y up; `up` says which axis of `gaussians` points up. Nothing is quantised.

    Extra columns of float32 with up to four numbers become attributes with a leading underscore; others
    are left out with a FormatLoss.
    """
    refuse_unwritable(gaussians, path)
    kept = {
        name: column
        for name, column in gaussians.extra.items()
        if column.dtype == torch.float32 and column[0].numel() <= 4 and column.ndim <= 2
    }
    losses = Losses(path)
    if len(kept) < len(gaussians.extra):
        losses.dropped.append(columns_named(name for name in gaussians.extra if name not in kept))
    matrix = _TO_GLTF[up]
    turned = gaussians.means.detach().cpu() @ torch.from_numpy(matrix[:3, :3]).float().T
    bounds = {"min": turned.min(0).values.tolist(), "max": turned.max(0).values.tolist()}
    del turned
    widths = {"POSITION": 12, "COLOR_0": 4, f"{_EXTENSION}:ROTATION": 16, f"{_EXTENSION}:SCALE": 12}
    widths |= {f"{_EXTENSION}:OPACITY": 4} | dict.fromkeys(_harmonics(gaussians.sh_degree), 12)
    widths |= {f"_{name}": 4 * column[0].numel() for name, column in kept.items()}
    starts, header, binary = _layout(len(gaussians), widths, bounds)
    with atomic_write(path) as beside, beside.open("wb") as file:
        file.write(header)
        for part in slices(len(gaussians)):
            rows = gaussians[part].detached().to("cpu").transformed(matrix)
            for name, values in _attributes(rows, kept).items():
                file.seek(len(header) + starts[name] + part.start * widths[name])
                file.write(np.ascontiguousarray(values))
        file.truncate(len(header) + binary)
    losses.tell()


def _attributes(rows: Gaussians, kept: dict) -> dict[str, np.ndarray]:
    columns = arrays(rows)
    opacities = q.opacities(columns.logit_opacities)
    colours = q.colours(columns.sh[:, 0])
    return {
        "POSITION": columns.means,
        "COLOR_0": q.rounded(np.column_stack([colours, opacities]) * 255),
        f"{_EXTENSION}:ROTATION": np.roll(q.unit(columns.quats), -1, 1),
        f"{_EXTENSION}:SCALE": np.exp(columns.log_scales),
        f"{_EXTENSION}:OPACITY": opacities.astype(np.float32),
        **{name: columns.sh[:, i] for i, name in enumerate(_harmonics(rows.sh_degree))},
        **{f"_{name}": rows.extra[name].numpy() for name in kept},
    }


def _layout(count: int, widths: dict[str, int], bounds: dict) -> tuple[dict[str, int], bytes, int]:
    """Where each attribute starts in the binary chunk, all bytes before that chunk, its size."""
    starts, size = {}, 0
    for name, width in widths.items():
        starts[name], size = size, size + count * width
    kinds = {4: "SCALAR", 8: "VEC2", 12: "VEC3", 16: "VEC4"}
    accessors = [
        {"bufferView": i, "byteOffset": 0, "componentType": _FLOAT, "count": count, "type": kinds[width]}
        for i, width in enumerate(widths.values())
    ]
    accessors[0] |= bounds
    accessors[1] |= {"componentType": _BYTE, "type": "VEC4", "normalized": True}
    splatting = {
        "kernel": "ellipse",
        "colorSpace": "srgb_rec709_display",
        "sortingMethod": "cameraDistance",
        "projection": "perspective",
    }
    primitive = {
        "attributes": {name: i for i, name in enumerate(widths)},
        "mode": 0,
        "extensions": {_EXTENSION: splatting},
    }
    gltf = {
        "asset": {"version": "2.0", "generator": "SkyWorld"},
        "extensionsUsed": [_EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "buffers": [{"byteLength": size}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": starts[name], "byteLength": count * width, "target": _ARRAY_BUFFER}
            for name, width in widths.items()
        ],
        "accessors": accessors,
        "meshes": [{"primitives": [primitive]}],
    }
    text = json.dumps(gltf).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", MAGIC, 2, 28 + len(text) + size, len(text), _JSON)
    return starts, head + text + struct.pack("<I4s", size, _BIN), size
