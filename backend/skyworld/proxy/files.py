"""Triangle meshes as PLY and as glTF (.glb)."""

from pathlib import Path

import numpy as np

from skyworld.errors import UserError
from skyworld.world.files import atomic_write
from skyworld.world.gltf import glb

SUFFIXES = (".ply", ".glb")


def write_mesh(path: Path, vertices: np.ndarray, triangles: np.ndarray) -> None:
    """Writes vertices [V, 3] in metres, Z up, and triangles [T, 3]; glTF has Y up. UserError: unknown suffix."""
    vertices, triangles = np.asarray(vertices, "<f4"), np.asarray(triangles, "<u4")
    if path.suffix not in SUFFIXES:
        raise UserError("meshes are written as .ply or .glb", file=path, hint="Choose another name")
    data = _ply(vertices, triangles) if path.suffix == ".ply" else glb(vertices, triangles, name="proxy")
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _ply(vertices, triangles):
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    faces = np.zeros(len(triangles), [("count", "u1"), ("rows", "<i4", 3)])
    faces["count"], faces["rows"] = 3, triangles
    return "\n".join(lines).encode() + vertices.tobytes() + faces.tobytes()
