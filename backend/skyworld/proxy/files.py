"""Triangle meshes as PLY and as glTF (.glb)."""

import json
import struct
from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.world.files import atomic_write

SUFFIXES = (".ply", ".glb")


def write_mesh(path: Path, vertices: np.ndarray, triangles: np.ndarray) -> None:
    """Writes vertices [V, 3] in metres, Z up, and triangles [T, 3]; glTF has Y up. UserError: unknown suffix."""
    vertices, triangles = np.asarray(vertices, "<f4"), np.asarray(triangles, "<u4")
    if path.suffix not in SUFFIXES:
        raise UserError("meshes are written as .ply or .glb", file=path, hint="Choose another name")
    data = _ply(vertices, triangles) if path.suffix == ".ply" else _glb(vertices, triangles)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _ply(vertices, triangles):
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    faces = np.zeros(len(triangles), [("count", "u1"), ("rows", "<i4", 3)])
    faces["count"], faces["rows"] = 3, triangles
    return "\n".join(lines).encode() + vertices.tobytes() + faces.tobytes()


def _glb(vertices, triangles):
    turned = np.ascontiguousarray(np.stack([vertices[:, 0], vertices[:, 2], -vertices[:, 1]], -1))
    body = turned.tobytes() + triangles.tobytes()
    low, high = turned.min(0).tolist(), turned.max(0).tolist()
    document = {
        "asset": {"version": "2.0", "generator": "SkyWorld"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "proxy"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(turned), "type": "VEC3", "min": low, "max": high},
            {"bufferView": 1, "componentType": 5125, "count": triangles.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": turned.nbytes, "target": 34962},
            {"buffer": 0, "byteOffset": turned.nbytes, "byteLength": triangles.nbytes, "target": 34963},
        ],
        "buffers": [{"byteLength": len(body)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
