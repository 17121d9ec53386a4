"""A crop volume: an empty whose box, or ball, says what is left of a splat object.

It is a Geometry Nodes modifier, so that the viewport, every render and every export take it alike, and it is applied as
any modifier is. What the nodes do, `inside` says with numpy.
"""

import bpy
import numpy as np
from mathutils import Matrix

from . import splats

GROUP = "SkyWorld Crop"
INPUTS = ("Volume", "Ball", "Invert")


def add(obj, volume, *, invert=False):
    """A modifier on `obj` that keeps what lies in `volume`, an empty of the display type CUBE or SPHERE."""
    modifier = obj.modifiers.new("Crop", "NODES")
    modifier.node_group = _group()
    set_input(modifier, "Volume", volume)
    set_input(modifier, "Ball", volume.empty_display_type == "SPHERE")
    set_input(modifier, "Invert", invert)
    return modifier


def add_volume(name, low, high, matrix, collection, *, ball=False):
    """An empty around the box low..high [3] of an object that stands at `matrix`."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    volume = bpy.data.objects.new(name, None)
    volume.empty_display_type = "SPHERE" if ball else "CUBE"
    volume.empty_display_size = 1.0
    local = np.eye(4)
    local[:3, :3] = np.diag(np.maximum((high - low) / 2, 1e-3))
    local[:3, 3] = (high + low) / 2
    collection.objects.link(volume)
    volume.matrix_world = Matrix((np.array(matrix) @ local).tolist())
    return volume


def of(obj):
    """The crop modifiers of `obj`."""
    return [m for m in obj.modifiers if m.type == "NODES" and m.node_group and m.node_group.name.startswith(GROUP)]


def get_input(modifier, name):
    socket = modifier.node_group.interface.items_tree[name].identifier
    if hasattr(modifier, "properties"):  # from Blender 5.2 on
        return getattr(modifier.properties.inputs, socket).value
    return modifier[socket]


def set_input(modifier, name, value):
    socket = modifier.node_group.interface.items_tree[name].identifier
    if hasattr(modifier, "properties"):
        getattr(modifier.properties.inputs, socket).value = value
    else:
        modifier[socket] = value
    modifier.id_data.update_tag()


def into_volume(obj, volume):
    """[4, 4] from the space of `obj` to that in which `volume` is the box from -1 to 1."""
    return np.linalg.inv(np.array(volume.matrix_world)) @ np.array(obj.matrix_world)


def inside(points, matrix, *, ball=False):
    """[N] whether points [N, 3] lie in the volume, given the matrix of `into_volume`."""
    within = np.abs(points @ matrix[:3, :3].T.astype(np.float32) + matrix[:3, 3].astype(np.float32))
    return (np.linalg.norm(within, axis=1) if ball else within.max(1)) <= 1


def kept(obj):
    """[N] which splats of `obj` its crops leave."""
    means = splats.positions(obj.data)
    mask = np.ones(len(means), bool)
    for modifier in of(obj):
        volume = get_input(modifier, "Volume")
        if modifier.show_viewport and volume:
            within = inside(means, into_volume(obj, volume), ball=get_input(modifier, "Ball"))
            mask &= within != get_input(modifier, "Invert")
    return mask


def _group():
    """The node group: Delete Geometry where the position, seen from the volume, is farther than 1."""
    group = bpy.data.node_groups.get(GROUP)
    if group:
        return group
    group = bpy.data.node_groups.new(GROUP, "GeometryNodeTree")
    group.is_modifier = True
    interface, nodes, link = group.interface, group.nodes, group.links.new
    interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    for name, kind in zip(INPUTS, ("Object", "Bool", "Bool"), strict=True):
        interface.new_socket(name, in_out="INPUT", socket_type=f"NodeSocket{kind}")
    interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")

    def node(kind, x, y, **settings):
        made = nodes.new(kind)
        made.location = (x, y)
        for name, value in settings.items():
            setattr(made, name, value)
        return made

    given, out = node("NodeGroupInput", -1200, 0), node("NodeGroupOutput", 600, 0)
    volume = node("GeometryNodeObjectInfo", -1000, -200, transform_space="RELATIVE")
    inverse = node("FunctionNodeInvertMatrix", -800, -200)
    position, seen = node("GeometryNodeInputPosition", -800, -350), node("FunctionNodeTransformPoint", -600, -250)
    link(given.outputs["Volume"], volume.inputs["Object"])
    link(volume.outputs["Transform"], inverse.inputs[0])
    link(position.outputs[0], seen.inputs[0])
    link(inverse.outputs[0], seen.inputs[1])
    absolute = node("ShaderNodeVectorMath", -400, -150, operation="ABSOLUTE")
    axes = node("ShaderNodeSeparateXYZ", -250, -150)
    wider, widest = (node("ShaderNodeMath", x, -150, operation="MAXIMUM") for x in (-100, 50))
    link(seen.outputs[0], absolute.inputs[0])
    link(absolute.outputs[0], axes.inputs[0])
    link(axes.outputs[0], wider.inputs[0])
    link(axes.outputs[1], wider.inputs[1])
    link(wider.outputs[0], widest.inputs[0])
    link(axes.outputs[2], widest.inputs[1])
    length = node("ShaderNodeVectorMath", -100, -350, operation="LENGTH")
    link(seen.outputs[0], length.inputs[0])
    reach = node("GeometryNodeSwitch", 200, -200, input_type="FLOAT")
    link(given.outputs["Ball"], reach.inputs["Switch"])
    link(widest.outputs[0], reach.inputs["False"])
    link(length.outputs["Value"], reach.inputs["True"])
    beyond = node("FunctionNodeCompare", 300, -100, operation="GREATER_THAN")
    beyond.inputs[1].default_value = 1.0
    link(reach.outputs[0], beyond.inputs[0])
    away = node("FunctionNodeBooleanMath", 350, 50, operation="XOR")
    link(beyond.outputs[0], away.inputs[0])
    link(given.outputs["Invert"], away.inputs[1])
    delete = node("GeometryNodeDeleteGeometry", 450, 0, domain="POINT")
    link(given.outputs["Geometry"], delete.inputs["Geometry"])
    link(away.outputs[0], delete.inputs["Selection"])
    link(delete.outputs[0], out.inputs[0])
    return group
