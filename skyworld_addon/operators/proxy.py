"""A light mesh of the world, made by the backend: it catches the shadows of Blender's objects, and they stand on it."""

from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, FloatProperty, IntProperty

from ..errors import UserError, reports_errors
from ..jobs import session
from ..scene import occluders, world
from ..translations import CONTEXT

KIND, FILE, MATERIAL = "proxy", "proxy.ply", "SkyWorld Proxy"
COLLIDES = "skyworld_proxy_collides"


class AddProxy(bpy.types.Operator):
    """Make a light mesh of this world's splats that catches shadows and may be stood on"""

    bl_idname = "skyworld.add_proxy"
    bl_label = "Add Proxy"
    bl_options = {"REGISTER", "UNDO"}

    triangles: IntProperty(
        name="Triangles",
        description="Most triangles that the mesh may have",
        default=50_000,
        min=100,
        max=5_000_000,
        translation_context=CONTEXT,
    )
    radius: FloatProperty(
        name="Radius",
        description="How far around the viewpoint it reaches",
        default=20,
        min=0.1,
        max=10_000,
        unit="LENGTH",
    )
    collision: BoolProperty(name="Collision", description="Objects of physics collide with it", default=False)

    @classmethod
    def poll(cls, context):
        if world.of(context) is None:
            cls.poll_message_set("This scene holds no world: make or import one first")
            return False
        if session.active() or session.waiting():
            cls.poll_message_set("A job is running; wait for it or cancel it")
            return False
        return True

    @reports_errors
    def execute(self, context):
        collection = world.of(context)
        folder = Path(bpy.path.abspath(collection.skyworld.folder))
        wish = {"world": str(folder), "output": str(folder / FILE)}
        collection[COLLIDES] = self.collision
        session.submit(KIND, {**wish, "triangles": self.triangles, "radius": self.radius})
        return {"FINISHED"}


def decode(data):
    """Vertices [V, 3] and triangles [T, 3] of the backend's PLY."""
    head, _, body = bytes(data).partition(b"end_header\n")
    counts = {words[1]: int(words[2]) for words in map(bytes.split, head.splitlines()) if words[:1] == [b"element"]}
    vertices, triangles = counts.get(b"vertex", 0), counts.get(b"face", 0)
    if not triangles or len(body) != 12 * vertices + occluders.FACE.itemsize * triangles:
        raise UserError("The backend sent a damaged mesh", hint="Add the proxy again")
    faces = np.frombuffer(body, occluders.FACE, triangles, 12 * vertices)
    return np.frombuffer(body, "<f4", 3 * vertices).reshape(-1, 3), faces["rows"]


def add(collection, vertices, triangles):
    """The mesh as an object of the world's collection; it shows in a render by the shadows on it alone."""
    name = f"{collection.name} Proxy"
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).reshape(-1))
    mesh.loops.add(3 * len(triangles))
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(triangles, np.int32).reshape(-1))
    mesh.polygons.add(len(triangles))
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * len(triangles), 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.validate()
    obj = bpy.data.objects.new(name, mesh)
    obj.is_shadow_catcher, obj.display_type = True, "WIRE"
    mesh.materials.append(_material())
    if collection.get(COLLIDES):
        obj.modifiers.new("Collision", "COLLISION")
    collection.objects.link(obj)
    return obj


def _material():
    """White for Cycles, whose light it throws back on objects; for EEVEE, which has no shadow catcher, nothing."""
    material = bpy.data.materials.get(MATERIAL)
    if material:
        return material
    material = bpy.data.materials.new(MATERIAL)
    if bpy.app.version < (5, 0, 0):  # later all materials have nodes
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    for row, (engine, shader) in enumerate((("CYCLES", "BsdfDiffuse"), ("EEVEE", "BsdfTransparent"))):
        surface, output = tree.nodes.new(f"ShaderNode{shader}"), tree.nodes.new("ShaderNodeOutputMaterial")
        surface.location, output.location, output.target = (0, -200 * row), (200, -200 * row), engine
        tree.links.new(surface.outputs[0], output.inputs["Surface"])
    return material


def bring_in(job):
    """When the mesh is made: reads it in a thread and adds it to the world that it was made of."""
    if job["kind"] != KIND:
        return
    folder, client = job["parameters"]["world"], session.client

    def read():
        local = Path(folder) / FILE
        return decode(local.read_bytes() if local.is_file() else client.file(folder, FILE))

    def bring(found):
        homes = [c for c in bpy.data.collections if c.skyworld.folder and _same(c.skyworld.folder, folder)]
        if homes:
            add(homes[0], *found)
            bpy.ops.ed.undo_push(message="Add Proxy")

    session.background(read, bring, KIND)


def _same(one, other):
    return Path(bpy.path.abspath(one)) == Path(other)


def register():
    bpy.utils.register_class(AddProxy)
    session.on_done.append(bring_in)


def unregister():
    if bring_in in session.on_done:
        session.on_done.remove(bring_in)
    bpy.utils.unregister_class(AddProxy)
