"""Splats and points as Blender point clouds, with Blender 5.3's attribute names on every version.

position (metres), scale (linear), rotation (QUATERNION, wxyz), radiance:base (SH coefficients of degree
0 and the opacity after the sigmoid), radiance:sh_0 and on (one vector RGB a coefficient), radius, and
Color: the colour without direction, for display. Further scalars of a file keep their name behind
"splat:".
"""

from contextlib import contextmanager

import bpy
import gpu
import numpy as np
from mathutils import Matrix

from ..errors import UserError
from . import rotations
from .ply import DEGREES, SH_DC, Points, Splats
from .spherical_harmonics import rotated

BASE, SH, EXTRA = "radiance:base", "radiance:sh_", "splat:"
MATERIAL = "SkyWorld Points"
DISC = 1.2  # standard deviations at which a disc covers about what the Gaussian does


def add(name, cloud, collection):
    """A new point cloud object of `cloud` (Splats or Points) in `collection`."""
    is_splats = isinstance(cloud, Splats)
    positions = cloud.means if is_splats else cloud.positions
    attributes = dict(_splat_attributes(cloud) if is_splats else _point_attributes(cloud))
    obj = _new_point_cloud(name, positions, attributes)
    collection.objects.link(obj)
    obj.data.materials.append(_points_material())
    if is_splats and "type" in obj.data.bl_rna.properties:
        obj.data.type = "GAUSSIAN_SPLAT"  # Blender 5.3 draws and renders them itself
    else:
        obj.skyworld.display = "SPLATS" if is_splats and _has_gpu() else "POINTS"
    return obj


def _has_gpu():
    """Whether the viewport is drawn by a GPU: a processor takes a second for what that does in a hundredth."""
    software = ("llvmpipe", "softpipe", "swiftshader")
    return not bpy.app.background and not any(name in gpu.platform.renderer_get().lower() for name in software)


def is_splats(obj):
    """Whether an object is a point cloud with what a splat needs."""
    return obj.type == "POINTCLOUD" and all(name in obj.data.attributes for name in (BASE, "scale", "rotation"))


def is_coloured(obj):
    return obj.type == "POINTCLOUD" and "Color" in obj.data.attributes


def from_point_cloud(data):
    """`Splats` of a point cloud's attributes, in the object's own space."""
    base, position = data.attributes[BASE], data.attributes["position"]
    N = len(position.data)
    if N == 0:
        raise UserError("the splat object {name} is empty", hint="Import it again", name=data.name)
    K = sum(name.startswith(SH) for name, _ in data.attributes.items())
    if 3 * K not in DEGREES:
        problem = "the splat object {name} has {count} {kind}… attributes, which is no degree of spherical harmonics"
        raise UserError(problem, hint="Keep 0, 3, 8, 15 or 24 of them", name=data.name, count=K, kind=SH)
    values = _values(base, N, 4)
    sh = np.empty((K, N, 3), np.float32)
    for k in range(K):
        data.attributes[f"{SH}{k}"].data.foreach_get("vector", sh[k].reshape(-1))
    extra = {
        attribute.name.removeprefix(EXTRA): _values(attribute, N, 1)[:, 0]
        for attribute in data.attributes
        if attribute.name.startswith(EXTRA) and attribute.data_type == "FLOAT"
    }
    return Splats(
        means=_values(position, N, 3),
        scales=_values(data.attributes["scale"], N, 3),
        quats=_values(data.attributes["rotation"], N, 4),
        opacities=np.ascontiguousarray(values[:, 3]),
        dc=np.ascontiguousarray(values[:, :3]),
        sh=sh,
        extra=extra,
    )


def positions(data):
    """[N, 3] of a point cloud."""
    return column(data, "position", 3)


def column(data, name, width):
    """[N, width] float32 of one attribute of a point cloud."""
    return _values(data.attributes[name], len(data.attributes["position"].data), width)


def transformed(splats, matrix, *, stretch=False):
    """`splats` moved by a rotation, a shift and an even scale; the spherical harmonics turn along.

    stretch: takes any matrix that has an inverse. Then a splat's ellipsoid is stretched as the space is, and the
    harmonics turn by the rotation (or the rotation with a mirror) that is nearest, for no harmonics are stretched ones.
    """
    matrix = np.array(matrix, np.float64)
    linear = matrix[:3, :3]
    scale = np.cbrt(np.linalg.det(linear))
    even = scale > 1e-9 and np.allclose(linear @ linear.T, scale**2 * np.eye(3), atol=1e-4 * scale**2)
    if not even and not stretch:
        hint = "Give it the same scale on all three axes (and none below zero), or press Apply Splat Transform"
        raise UserError("splats cannot be stretched, sheared or mirrored where they stand", hint=hint)
    if abs(np.linalg.det(linear)) < 1e-12:
        raise UserError("splats cannot be pressed flat", hint="Give the object a scale above zero on each axis")
    if even:
        R = linear / scale
        scales, quats = splats.scales * np.float32(scale), _turned(splats.quats, R)
    else:
        U, _, Vt = np.linalg.svd(linear)
        R = U @ Vt
        scales, quats = _stretched(splats, linear)
    return Splats(
        means=np.ascontiguousarray((linear @ splats.means.T + matrix[:3, 3:]).T, np.float32),
        scales=scales,
        quats=quats,
        opacities=splats.opacities,
        dc=splats.dc,
        sh=rotated(splats.sh, R),
        extra=splats.extra,
    )


def _turned(quats, R):
    """Quaternions [N, 4] wxyz after the rotation R [3, 3]."""
    w, x, y, z = Matrix(R.tolist()).to_quaternion()
    left = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]], np.float32)
    return np.ascontiguousarray((left @ quats.T).T)


def _stretched(splats, linear):
    """(scales [N, 3], quats [N, 4]) of ellipsoids under a linear map [3, 3]: the axes of L R S, by its SVD."""
    axes = (linear @ rotations.matrices(splats.quats)) * splats.scales[:, None, :]
    axes, scales, _ = np.linalg.svd(axes)
    axes[:, :, 0] *= np.linalg.det(axes)[:, None]
    return scales.astype(np.float32), rotations.quaternions(axes).astype(np.float32)


def masked(splats, mask):
    """Those of `splats` that a mask [N] keeps."""
    return Splats(
        *(getattr(splats, name)[mask] for name in ("means", "scales", "quats", "opacities", "dc")),
        sh=splats.sh[:, mask],
        extra={name: values[mask] for name, values in splats.extra.items()},
    )


def joined(parts):
    """One `Splats` of several; the lowest SH degree's missing coefficients are zero, extra columns of all are kept."""
    if len(parts) == 1:
        return parts[0]
    sh = np.zeros((max(len(part.sh) for part in parts), sum(map(len, parts)), 3), np.float32)
    start = 0
    for part in parts:
        sh[: len(part.sh), start : start + len(part)] = part.sh
        start += len(part)
    shared = set.intersection(*(set(part.extra) for part in parts))
    return Splats(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("means", "scales", "quats", "opacities", "dc")
        ),
        sh=sh,
        extra={name: np.concatenate([part.extra[name] for part in parts]) for name in sorted(shared)},
    )


def _values(attribute, N, width):
    """[N, width] float32 of any attribute: its one value property has another name in each type."""
    out = np.empty((N, width), np.float32)
    attribute.data.foreach_get(_value_name(attribute.data_type), out.reshape(-1))
    return out


def _value_name(data_type):
    names = {"FLOAT": "value", "QUATERNION": "value", "FLOAT_COLOR": "color", "BYTE_COLOR": "color_srgb"}
    return names.get(data_type, "vector")


def overwrite(data, cloud):
    """Writes `Splats` into a point cloud of as many; other attributes stay."""
    _fill(data, dict([("position", ("FLOAT_VECTOR", cloud.means)), *_splat_attributes(cloud)]))
    data.update_tag()


def replace(obj, cloud):
    """Gives `obj` a point cloud of `cloud` in place of its own, with its name and materials."""
    old = obj.data
    made = _new_point_cloud(old.name, cloud.means, dict(_splat_attributes(cloud)))
    for material in old.materials:
        made.data.materials.append(material)
    if "type" in old.bl_rna.properties:
        made.data.type = old.type
    obj.data, name = made.data, old.name
    bpy.data.objects.remove(made)
    if old.users == 0:
        bpy.data.pointclouds.remove(old)
    obj.data.name = name


def delete(obj, mask):
    """Removes the splats that a mask [N] names, in place: attributes of other programs and materials stay."""
    with _in_edit_mode(obj, mask):
        bpy.ops.pointcloud.delete()


def separate(obj, mask):
    """Moves the splats that a mask [N] names to an object of their own, and returns it."""
    before = set(bpy.data.objects)
    with _in_edit_mode(obj, mask):
        bpy.ops.pointcloud.separate()
    return next(iter(set(bpy.data.objects) - before))


@contextmanager
def _in_edit_mode(obj, mask):
    """`obj` alone in Edit Mode, the points of a mask selected; afterwards mode and selected objects are as before."""
    layer, mode = bpy.context.view_layer, bpy.context.mode
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    active, chosen = layer.objects.active, [other for other in layer.objects if other.select_get()]
    hidden = obj.hide_get()
    obj.hide_set(False)
    for other in chosen:
        other.select_set(False)
    obj.select_set(True)
    layer.objects.active = obj
    selection = obj.data.attributes.get(".selection") or obj.data.attributes.new(".selection", "BOOLEAN", "POINT")
    selection.data.foreach_set("value", np.ascontiguousarray(mask, bool))
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        yield
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        obj.hide_set(hidden)
        for other in layer.objects:
            if other.select_get() and other not in chosen:
                other.select_set(False)
        for other in chosen:
            other.select_set(True)
        layer.objects.active = active
        if mode.startswith("EDIT"):
            bpy.ops.object.mode_set(mode="EDIT")


def colour_attribute(data):
    """The colours of a point cloud or a mesh's vertices, or None."""
    return next((a for a in data.attributes if a.domain == "POINT" and a.data_type.endswith("_COLOR")), None)


def points_of(data):
    """`Points` of a point cloud or of a mesh's vertices with a colour attribute."""
    colour = colour_attribute(data)
    N = len(data.attributes["position"].data)
    values = np.empty((N, 4), np.float32)
    colour.data.foreach_get("color_srgb", values.reshape(-1))
    return Points(column(data, "position", 3), np.clip(values[:, :3], 0, 1))


def round_splats(points, sizes, opacity):
    """`Splats` of `Points`: balls of the standard deviations `sizes` [N] in the points' colours."""
    N = len(points)
    return Splats(
        means=points.positions,
        scales=np.repeat(np.asarray(sizes, np.float32)[:, None], 3, 1),
        quats=np.tile(np.array([1, 0, 0, 0], np.float32), (N, 1)),
        opacities=np.full(N, opacity, np.float32),
        dc=((points.colours - 0.5) / SH_DC).astype(np.float32),
        sh=np.zeros((0, N, 3), np.float32),
    )


def _splat_attributes(splats):
    """Yields (name, (type, values)): one big array at a time is alive besides the file's."""
    float4 = "FLOAT4" if "FLOAT4" in _attribute_types() else "FLOAT_COLOR"
    yield "scale", ("FLOAT_VECTOR", splats.scales)
    yield "rotation", ("QUATERNION", splats.quats)
    yield BASE, (float4, np.concatenate([splats.dc, splats.opacities[:, None]], 1))
    for k, coefficients in enumerate(splats.sh):
        yield f"{SH}{k}", ("FLOAT_VECTOR", coefficients)
    widest = np.sort(splats.scales, axis=1)[:, 1:]
    yield "radius", ("FLOAT", DISC * np.sqrt(widest[:, 0] * widest[:, 1]))
    yield "Color", ("BYTE_COLOR", np.concatenate([splats.colours, splats.opacities[:, None]], 1))
    for name, values in splats.extra.items():
        yield EXTRA + name, ("FLOAT", values)


def _point_attributes(points):
    spread = np.linalg.norm(points.positions - np.median(points.positions, axis=0), axis=1)
    # as wide as the gaps of a panorama's points: its rays stand about 1/300 of their length apart
    yield "radius", ("FLOAT", np.maximum(spread / 300, 1e-3))
    yield "Color", ("BYTE_COLOR", np.pad(points.colours, ((0, 0), (0, 1)), constant_values=1))


def _attribute_types():
    parameter = bpy.types.AttributeGroupPointCloud.bl_rna.functions["new"].parameters["type"]
    return parameter.enum_items.keys()


def _fill(data, attributes):
    for name, (kind, values) in attributes.items():
        attribute = data.attributes.get(name) or data.attributes.new(name, kind, "POINT")
        values = np.ascontiguousarray(values, np.float32)  # any other type is read number by number
        attribute.data.foreach_set(_value_name(kind), values.reshape(-1))


def _new_point_cloud(name, positions, attributes):
    """An unlinked object with a filled point cloud."""
    attributes = {"position": ("FLOAT_VECTOR", positions), **attributes}
    if bpy.app.version >= (5, 2, 0):  # before, `resize` is missing or leaves stale buffers
        data = bpy.data.pointclouds.new(name)
        data.resize(len(positions))
        _fill(data, attributes)
    else:
        mesh = bpy.data.meshes.new(name)
        mesh.vertices.add(len(positions))
        _fill(mesh, attributes)
        data = _as_point_cloud(mesh)
        bpy.data.meshes.remove(mesh)
        own = {name: given for name, given in attributes.items() if name == "radius" or name not in data.attributes}
        _fill(data, own)
        data.name = name
    return bpy.data.objects.new(name, data)


def _as_point_cloud(mesh):
    """A copy of what geometry nodes make of a mesh's vertices, their attributes included. Nothing here looks into the
    context for itself, as an operator does: under Python 3.11, where it is overridden (as a timer needs it), Blender
    crashes when another thread lets go of Python just then."""
    source, target = bpy.data.objects.new("Mesh", mesh), bpy.data.objects.new("Points", bpy.data.pointclouds.new(""))
    group = bpy.data.node_groups.new("Points", "GeometryNodeTree")
    group.is_modifier = True
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    kinds = ("GeometryNodeObjectInfo", "GeometryNodeMeshToPoints", "NodeGroupOutput")
    given, points, out = (group.nodes.new(kind) for kind in kinds)
    given.inputs["Object"].default_value = source
    group.links.new(given.outputs["Geometry"], points.inputs["Mesh"])
    group.links.new(points.outputs[0], out.inputs[0])
    target.modifiers.new("Points", "NODES").node_group = group
    layer = bpy.context.view_layer
    bpy.context.scene.collection.objects.link(target)
    layer.update()
    data = target.evaluated_get(layer.depsgraph).data.copy()
    bpy.data.batch_remove([target, target.data, source, group])
    layer.update()  # which forgets what was evaluated: Blender 4.5 copies what is shared with that
    for name in [attribute.name for attribute in data.attributes if attribute.name.startswith(".")]:
        data.attributes.remove(data.attributes[name])
    return data


def _points_material():
    """Shows the attribute Color without light, in EEVEE and Cycles alike."""
    material = bpy.data.materials.get(MATERIAL)
    if material:
        return material
    material = bpy.data.materials.new(MATERIAL)
    if not material.node_tree:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    colour = nodes.new("ShaderNodeAttribute")
    colour.attribute_name, colour.location = "Color", (-400, 0)
    emission = nodes.new("ShaderNodeEmission")
    emission.location = (-200, 0)
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(colour.outputs["Color"], emission.inputs["Color"])
    links.new(emission.outputs["Emission"], output.inputs["Surface"])
    return material
