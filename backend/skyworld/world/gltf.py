"""Triangle meshes as glTF 2.0, in one binary file (.glb)."""

import json
import struct

import numpy as np

_VERTICES, _INDICES = 34962, 34963  # what a part of the file is for


def glb(
    vertices: np.ndarray,
    triangles: np.ndarray,
    *,
    name: str,
    normals: np.ndarray | None = None,
    uv: np.ndarray | None = None,
    picture: bytes | None = None,
    extras: dict | None = None,
) -> bytes:
    """vertices [V, 3] in metres, Z up (glTF has Y up); triangles [T, 3], counterclockwise from outside.

    normals: [V, 3] of unit length, Z up; without them triangles are flat.
    uv:      [V, 2] places in `picture`, a PNG or JPEG file: 0, 0 is its top left corner.
    extras:  what the node tells beside; Blender shows it as custom properties.
    """
    turned = _turned(vertices)
    parts = [(turned.tobytes(), _VERTICES), (np.asarray(triangles, "<u4").tobytes(), _INDICES)]
    accessors = [
        _accessor(0, 5126, len(turned), "VEC3", min=turned.min(0).tolist(), max=turned.max(0).tolist()),
        _accessor(1, 5125, np.size(triangles), "SCALAR"),
    ]
    primitive: dict = {"attributes": {"POSITION": 0}, "indices": 1}
    document = {
        "asset": {"version": "2.0", "generator": "SkyWorld"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name, **({"extras": extras} if extras else {})}],
        "meshes": [{"name": name, "primitives": [primitive]}],
        "accessors": accessors,
    }
    if normals is not None:
        primitive["attributes"]["NORMAL"] = len(parts)
        accessors.append(_accessor(len(parts), 5126, len(normals), "VEC3"))
        parts.append((_turned(normals).tobytes(), _VERTICES))
    if uv is not None and picture is not None:
        primitive["attributes"]["TEXCOORD_0"] = len(parts)
        accessors.append(_accessor(len(parts), 5126, len(uv), "VEC2"))
        parts += [(np.asarray(uv, "<f4").tobytes(), _VERTICES), (picture, None)]
        primitive["material"] = 0
        kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
        surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0}
        document |= {
            "materials": [{"name": name, "pbrMetallicRoughness": surface}],
            "textures": [{"source": 0}],
            "images": [{"bufferView": len(parts) - 1, "mimeType": kind}],
        }
    document["bufferViews"], body = _views(parts)
    document["buffers"] = [{"byteLength": len(body)}]
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _accessor(view: int, kind: int, count: int, shape: str, **more) -> dict:
    return {"bufferView": view, "componentType": kind, "count": count, "type": shape, **more}


def _turned(vectors: np.ndarray) -> np.ndarray:
    """[V, 3] float32 with Y up."""
    x, y, z = np.asarray(vectors, "<f4").T
    return np.ascontiguousarray(np.stack([x, z, -y], -1))


def _views(parts: list[tuple[bytes, int | None]]) -> tuple[list[dict], bytes]:
    """Each part, and what it is for (None: a picture), on a multiple of four bytes."""
    views, body = [], b""
    for part, target in parts:
        views.append(
            {"buffer": 0, "byteOffset": len(body), "byteLength": len(part)} | ({"target": target} if target else {})
        )
        body += part + b"\0" * (-len(part) % 4)
    return views, body
