"""Blender's own objects as one mesh of triangles: what the splats stand in front of and behind."""

import numpy as np

from . import splats

SOLID = {"MESH", "CURVE", "SURFACE", "META", "FONT"}
DRAWN = SOLID | {"CURVES", "VOLUME", "POINTCLOUD"}
FACE = np.dtype([("count", "u1"), ("rows", "<i4", 3)])


def is_drawn(instance):
    """Whether an instance of the depsgraph is an object for Blender's own engines to draw."""
    obj = instance.object
    if not instance.show_self or obj.type not in DRAWN or splats.is_splats(obj):
        return False
    return obj.type != "CURVE" or _has_faces(obj.data)


def _has_faces(curve):
    """Whether a curve shows: the path of a camera does not."""
    filled = curve.dimensions == "2D" and curve.fill_mode != "NONE"
    return bool(filled or curve.bevel_depth or curve.extrude or curve.bevel_object)


def is_solid(instance):
    """Whether it hides what is behind it: proxies that only catch shadow do not."""
    obj = instance.object
    is_seen = obj.original.visible_camera  # the evaluated one may be hidden from Cycles, where another engine draws it
    return instance.show_self and obj.type in SOLID and is_seen and not obj.is_shadow_catcher


def encode(depsgraph):
    """The bytes of a PLY with the triangles of all solid objects in the world; None where there are none.

    Fur, volumes and displacement by a material are not in it.
    """
    known, vertices, rows, count = {}, [], [], 0
    for instance in depsgraph.object_instances:
        if not is_solid(instance):
            continue
        key = instance.object.data.as_pointer()
        if key not in known:
            known[key] = _triangles(instance.object)
        here, faces = known[key]
        if not len(faces):
            continue
        matrix = np.array(instance.matrix_world)
        vertices.append(here @ matrix[:3, :3].T + matrix[:3, 3])
        rows.append(faces + count)
        count += len(here)
    if not rows:
        return None
    faces = np.zeros(sum(map(len, rows)), FACE)
    faces["count"], faces["rows"] = 3, np.concatenate(rows)
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(lines).encode() + np.concatenate(vertices).astype("<f4").tobytes() + faces.tobytes()


def _triangles(obj):
    """Vertices [V, 3] in the object's own space and triangles [T, 3] of an evaluated object."""
    made = obj.type != "MESH"
    mesh = obj.to_mesh() if made else obj.data
    if mesh is None:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    vertices = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", vertices.reshape(-1))
    triangles = np.empty((len(mesh.loop_triangles), 3), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles.reshape(-1))
    if made:
        obj.to_mesh_clear()
    return vertices, triangles
