"""Stones, tiles, leaves, trees and ground made with numpy, as bpy meshes; shared by the scenes beside this file.

Lengths are metres, Z is up. Every maker takes a numpy Generator, so that a seed fixes the scene.
"""

import math

import bmesh
import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector
from scipy.ndimage import map_coordinates


def fbm(x: np.ndarray, y: np.ndarray, seed: int, octaves: int = 5) -> np.ndarray:
    """Fractal value noise, about -1 to 1, features of size 1 in the lowest octave; any shape."""
    lattice = np.random.default_rng(seed).uniform(-1, 1, (64, 64))
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    total, gain = np.zeros(np.broadcast(x, y).shape), 0.5
    for octave in range(octaves):
        scale = 2.0**octave
        total += gain * map_coordinates(lattice, [x * scale + 7.3 * octave, y * scale + 3.1], order=3, mode="grid-wrap")
        gain /= 2
    return total * 1.3


# ---- materials ----------------------------------------------------------------------------------------------------


def material(
    name: str,
    dark: tuple,
    light: tuple,
    scale: float,
    *,
    roughness: float = 0.9,
    bump: float = 0.0,
    bump_scale: float = 40.0,
    varied: float = 0.0,
    islands: float = 0.0,
    translucent: float = 0.0,
    haze: float | None = None,
    pattern: str = "noise",
) -> bpy.types.Material:
    """Two linear colours mixed by noise in world space.

    varied / islands: brightness and hue differ between instances / loose parts of a mesh by this share.
    haze: distance in metres over which air hides 63 % of it; None is clear air.
    """
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    nodes, link = made.node_tree.nodes, made.node_tree.links.new
    shader = nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Specular IOR Level"].default_value = 0.3
    place = nodes.new("ShaderNodeNewGeometry")
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.32, 0.68
    ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[1].color = (*dark, 1), (*light, 1)
    if pattern == "brick":
        texture = nodes.new("ShaderNodeTexBrick")
        texture.inputs["Color1"].default_value, texture.inputs["Color2"].default_value = (*dark, 1), (*light, 1)
        texture.inputs["Scale"].default_value = scale
        link(nodes.new("ShaderNodeTexCoord").outputs["Object"], texture.inputs["Vector"])
        colour = texture.outputs["Color"]
    else:
        texture = nodes.new("ShaderNodeTexNoise")
        texture.inputs["Scale"].default_value, texture.inputs["Detail"].default_value = scale, 8
        link(place.outputs["Position"], texture.inputs["Vector"])
        link(texture.outputs["Fac"], ramp.inputs["Fac"])
        colour = ramp.outputs["Color"]
    for amount, socket in (
        (varied, nodes.new("ShaderNodeObjectInfo").outputs["Random"]),
        (islands, place.outputs["Random Per Island"]),
    ):
        if amount:
            shift = nodes.new("ShaderNodeHueSaturation")
            for target, low, high in (("Value", 1 - amount, 1 + amount), ("Hue", 0.5 - amount / 14, 0.5 + amount / 14)):
                spread = nodes.new("ShaderNodeMapRange")
                spread.inputs["To Min"].default_value, spread.inputs["To Max"].default_value = low, high
                link(socket, spread.inputs["Value"])
                link(spread.outputs["Result"], shift.inputs[target])
            link(colour, shift.inputs["Color"])
            colour = shift.outputs["Color"]
    link(colour, shader.inputs["Base Color"])
    if bump:
        relief, grain = nodes.new("ShaderNodeBump"), nodes.new("ShaderNodeTexNoise")
        grain.inputs["Scale"].default_value, grain.inputs["Detail"].default_value = bump_scale, 6
        relief.inputs["Strength"].default_value, relief.inputs["Distance"].default_value = bump, 0.03
        link(place.outputs["Position"], grain.inputs["Vector"])
        link(grain.outputs["Fac"], relief.inputs["Height"])
        link(relief.outputs["Normal"], shader.inputs["Normal"])
    surface = shader.outputs["BSDF"]
    if translucent:
        through, mix = nodes.new("ShaderNodeBsdfTranslucent"), nodes.new("ShaderNodeMixShader")
        link(colour, through.inputs["Color"])
        mix.inputs["Fac"].default_value = translucent
        link(surface, mix.inputs[1])
        link(through.outputs["BSDF"], mix.inputs[2])
        surface = mix.outputs["Shader"]
    if haze:
        surface = _hazy(nodes, link, surface, haze)
    link(surface, nodes["Material Output"].inputs["Surface"])
    return made


def _hazy(nodes, link, surface, length: float):
    """Light lost to and gained from air between the surface and the camera: 1 - exp(-distance / length)."""
    view, glow, mix = (
        nodes.new("ShaderNodeCameraData"),
        nodes.new("ShaderNodeEmission"),
        nodes.new("ShaderNodeMixShader"),
    )
    glow.inputs["Color"].default_value, glow.inputs["Strength"].default_value = (0.5, 0.62, 0.85, 1), 0.5
    value = view.outputs["View Distance"]
    for operation, operand in (("DIVIDE", -length), ("EXPONENT", None), ("SUBTRACT", None)):
        step = nodes.new("ShaderNodeMath")
        step.operation = operation
        if operation == "SUBTRACT":
            step.inputs[0].default_value = 1.0
            link(value, step.inputs[1])
        else:
            link(value, step.inputs[0])
            if operand:
                step.inputs[1].default_value = operand
        value = step.outputs["Value"]
    link(value, mix.inputs["Fac"])
    link(surface, mix.inputs[1])
    link(glow.outputs["Emission"], mix.inputs[2])
    return mix.outputs["Shader"]


# ---- meshes -------------------------------------------------------------------------------------------------------


def mesh(name: str, vertices, faces, materials, slots=None, smooth: bool = True, at=None) -> bpy.types.Object:
    """An object in the scene from vertices [N, 3] and faces [M, 3 or 4]; slots [M]: material of each face."""
    data = bpy.data.meshes.new(name)
    data.from_pydata(np.asarray(vertices).tolist(), [], np.asarray(faces).tolist())
    for each in materials if isinstance(materials, (list, tuple)) else [materials]:
        data.materials.append(each)
    if slots is not None:
        data.polygons.foreach_set("material_index", np.asarray(slots, np.int32))
    if smooth:
        data.polygons.foreach_set("use_smooth", np.ones(len(data.polygons), bool))
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    if at is not None:
        made.matrix_world = at
    return made


def box(name: str, size, centre, surface, frame: Matrix | None = None, bevel: float = 0.01) -> bpy.types.Object:
    """A box with slightly rounded edges, `centre` and `size` in the coordinates of `frame`."""
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    place = (frame or Matrix.Identity(4)) @ Matrix.Translation(Vector(centre))
    made = mesh(name, signs * np.asarray(size), faces, surface, smooth=False, at=place)
    if bevel:
        rounding = made.modifiers.new("bevel", "BEVEL")
        rounding.width, rounding.segments = min(bevel, 0.3 * min(size)), 2
    return made


def lathe(name: str, profile, surface, at: Matrix, sides: int = 20) -> bpy.types.Object:
    """A turned body; profile: (radius, height) from the foot upward."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    rings = np.array([(r * np.cos(a), r * np.sin(a), z) for r, z in profile for a in angle])
    i, j = (a.ravel() for a in np.meshgrid(np.arange(len(profile) - 1), np.arange(sides), indexing="ij"))
    faces = np.stack([i, i, i + 1, i + 1], 1) * sides + np.stack([j, (j + 1) % sides, (j + 1) % sides, j], 1)
    return mesh(name, rings, faces, surface, at=at)


def mosaic(name: str, surfaces, pattern: np.ndarray, size: tuple[float, float], at: Matrix) -> bpy.types.Object:
    """A flat rectangle of single tiles; pattern [rows, columns]: which surface each has."""
    rows, columns = pattern.shape
    row, column = (a.ravel() for a in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    corners = np.stack([np.stack([column + dx, row + dy], 1) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))], 1)
    flat = (corners.reshape(-1, 2) / (columns, rows) - 0.5) * size
    vertices = np.c_[flat, np.zeros(len(flat))]
    return mesh(name, vertices, np.arange(len(flat)).reshape(-1, 4), surfaces, pattern.ravel(), smooth=False, at=at)


def library(name: str, objects: list[bpy.types.Object]) -> bpy.types.Collection:
    """Takes objects out of the scene into a collection that `scatter` draws from."""
    made = bpy.data.collections.new(name)
    for index, each in enumerate(objects):
        each.name = f"{name} {index:03d}"  # instances are picked by alphabetical order
        bpy.context.scene.collection.objects.unlink(each)
        made.objects.link(each)
    return made


def scatter(name: str, source: bpy.types.Collection, points, rotations, scales, rng: np.random.Generator):
    """Instances of random members of `source` at points [N, 3]; Euler angles [N, 3]; scales [N, 3] or [N]."""
    points, rotations, scales = (np.asarray(a, np.float32) for a in (points, rotations, scales))
    scales = np.broadcast_to(scales[:, None] if scales.ndim == 1 else scales, points.shape)
    data = bpy.data.meshes.new(name)
    data.from_pydata(points.tolist(), [], [])
    for key, values in (("turn", rotations), ("size", scales)):
        data.attributes.new(key, "FLOAT_VECTOR", "POINT").data.foreach_set(
            "vector", np.ascontiguousarray(values).ravel()
        )
    pick = rng.integers(0, len(source.objects), len(points)).astype(np.int32)
    data.attributes.new("pick", "INT", "POINT").data.foreach_set("value", pick)
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    made.modifiers.new("scatter", "NODES").node_group = _instancer(source)
    return made


def _instancer(source: bpy.types.Collection) -> bpy.types.NodeTree:
    tree = bpy.data.node_groups.new(f"scatter {source.name}", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    node, link = tree.nodes.new, tree.links.new
    start, end, place, info = (
        node(kind)
        for kind in ("NodeGroupInput", "NodeGroupOutput", "GeometryNodeInstanceOnPoints", "GeometryNodeCollectionInfo")
    )
    info.inputs["Collection"].default_value = source
    info.inputs["Separate Children"].default_value = info.inputs["Reset Children"].default_value = True
    place.inputs["Pick Instance"].default_value = True
    turn = node("FunctionNodeEulerToRotation")
    for key, kind, target in (
        ("turn", "FLOAT_VECTOR", turn.inputs["Euler"]),
        ("size", "FLOAT_VECTOR", place.inputs["Scale"]),
        ("pick", "INT", place.inputs["Instance Index"]),
    ):
        attribute = node("GeometryNodeInputNamedAttribute")
        attribute.data_type = kind
        attribute.inputs["Name"].default_value = key
        link(next(s for s in attribute.outputs if s.name == "Attribute" and s.enabled), target)
    link(turn.outputs["Rotation"], place.inputs["Rotation"])
    link(start.outputs[0], place.inputs["Points"])
    link(info.outputs["Instances"], place.inputs["Instance"])
    link(place.outputs["Instances"], end.inputs[0])
    return tree


def stones(name: str, surface, rng: np.random.Generator, *, squareness: float = 5.0, count: int = 8):
    """Collection of rounded irregular unit stones; squareness is the exponent of the superellipsoid."""
    made = []
    for _ in range(count):
        ball = bmesh.new()
        bmesh.ops.create_cube(ball, size=2.0)
        bmesh.ops.subdivide_edges(ball, edges=ball.edges[:], cuts=7, use_grid_fill=True)
        points = np.array([v.co[:] for v in ball.verts])
        faces = [[v.index for v in f.verts] for f in ball.faces]
        ball.free()
        points /= (np.abs(points) ** squareness).sum(1, keepdims=True) ** (1 / squareness)
        for frequency, depth in ((1.1, 0.16), (2.5, 0.06)):
            wave, phase = rng.normal(0, frequency, (3, 6)), rng.uniform(0, 6.28, 6)
            points *= 1 + depth * np.sin(points @ wave + phase).mean(1, keepdims=True) * 1.5
        made.append(mesh(name, points * 0.5, faces, surface))
    return library(name, made)


def leaf_quads(points, normals, size: float, rng: np.random.Generator, slender: float = 0.5):
    """Diamond leaves: vertices [4N, 3] and faces [N, 4] at points [N, 3], turned about normals [N, 3] at random."""
    count = len(points)
    along = np.cross(normals, rng.normal(size=(count, 3)))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(normals, along)
    reach = size * rng.uniform(0.6, 1.2, (count, 1))
    fold = normals * reach * 0.15
    corners = [points - along * reach, points + across * reach * slender + fold,
               points + along * reach, points - across * reach * slender + fold]  # fmt: skip
    return np.stack(corners, 1).reshape(-1, 3), np.arange(4 * count).reshape(-1, 4)


def tubes(branches, sides: int = 7):
    """Vertices and faces of tapering tubes; branches: list of (points [K, 3], radii [K])."""
    vertices, faces, first = [], [], 0
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    for points, radii in branches:
        tangent = np.gradient(points, axis=0)
        tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
        side = np.cross(tangent, [0.31, 0.93, 0.2])
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        other = np.cross(tangent, side)
        ring = side[:, None] * np.cos(angle)[None, :, None] + other[:, None] * np.sin(angle)[None, :, None]
        vertices.append((points[:, None] + ring * radii[:, None, None]).reshape(-1, 3))
        for k in range(len(points) - 1):
            a = first + k * sides + np.arange(sides)
            b = first + k * sides + (np.arange(sides) + 1) % sides
            faces.append(np.stack([a, b, b + sides, a + sides], 1))
        first += len(points) * sides
    return np.concatenate(vertices), np.concatenate(faces)


def broadleaf(name, bark, leaf, rng, *, height=6.0, spread=2.6, leaves=14000, size=0.07, levels=4) -> bpy.types.Object:
    """A tree with a branching trunk and single leaves, foot at the origin."""
    branches, tips = [], []

    def grow(start, heading, length, radius, level):
        steps = 6
        wander = rng.normal(0, 0.14, (steps, 3)).cumsum(0) * length / 4
        path = start + heading * np.linspace(0, length, steps)[:, None] + wander - wander[0]
        path[:, 2] += 0.06 * length * np.linspace(0, 1, steps) ** 2
        branches.append((path, np.linspace(radius, radius * 0.55, steps)))
        if level >= levels - 1:
            tips.append(path[2:])
        if level == levels:
            return
        for _ in range(rng.integers(3, 5)):
            turn = rng.normal(0, 0.62 + 0.1 * level, 3)
            child = heading + turn + np.array([0, 0, 0.22])
            child /= np.linalg.norm(child)
            begin = path[rng.integers(3 if level else 4, steps)]
            grow(begin, child, length * rng.uniform(0.55, 0.75), radius * 0.55, level + 1)

    grow(np.zeros(3), np.array([0, 0, 1.0]), height * 0.36, height * 0.028, 0)
    wood, wood_faces = tubes(branches)
    ends = np.concatenate(tips)
    scale = spread / max(np.percentile(np.hypot(ends[:, 0], ends[:, 1]), 90), 1e-3)
    stretch = np.array([scale, scale, height / max(ends[:, 2].max(), 1e-3)])
    wood, ends = wood * stretch, ends * stretch
    at = ends[rng.integers(0, len(ends), leaves)] + rng.normal(0, 0.1 * spread, (leaves, 3))
    normals = rng.normal(size=(leaves, 3)) + np.array([0, 0, 0.9])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    green, green_faces = leaf_quads(at, normals, size, rng)
    slots = np.r_[np.zeros(len(wood_faces), int), np.ones(leaves, int)]
    return mesh(name, np.r_[wood, green], np.r_[wood_faces, green_faces + len(wood)], [bark, leaf], slots)


def cypress(name, bark, leaf, rng, *, height=8.0, radius=0.75, leaves=16000, size=0.07) -> bpy.types.Object:
    """A slender conifer, foot at the origin."""
    up = rng.beta(1.2, 1.4, leaves)
    angle = rng.uniform(0, 2 * np.pi, leaves)
    profile = np.sin(np.pi * np.clip(up, 0, 1) ** 0.6) ** 0.75
    lumps = 1 + 0.22 * np.sin(3 * angle + 9 * up) * np.sin(17 * up + angle) + rng.normal(0, 0.07, leaves)
    reach = radius * profile * np.sqrt(rng.uniform(0.5, 1, leaves)) * lumps
    outward = np.stack([np.cos(angle), np.sin(angle), np.zeros(leaves)], 1)
    at = outward * reach[:, None] + np.stack([0 * up, 0 * up, 0.35 + up * (height - 0.35)], 1)
    normals = outward + rng.normal(0, 0.5, (leaves, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    green, green_faces = leaf_quads(at, normals, size, rng, 0.4)
    rise = np.linspace(0, height * 0.97, 14)
    core = np.stack([0 * rise, 0 * rise, rise], 1)
    girth = np.maximum(0.62 * radius * np.sin(np.pi * np.clip((rise - 0.3) / height, 0, 1) ** 0.6) ** 0.75, 0.09)
    girth[-1] = 0.01
    wood, wood_faces = tubes([(core, girth)], 9)
    trunk = wood[wood_faces].mean(1)[:, 2] < 0.5
    slots = np.r_[np.where(trunk, 0, 1), np.ones(leaves, int)]
    return mesh(name, np.r_[wood, green], np.r_[wood_faces, green_faces + len(wood)], [bark, leaf], slots)


def bush(name, leaf, rng, *, radius=0.5, leaves=2500, size=0.04, flowers=None, share=0.15) -> bpy.types.Object:
    """A round shrub on the ground; `share` of its leaves carry the material `flowers`."""
    heading = rng.normal(size=(leaves, 3))
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    heading[:, 2] = np.abs(heading[:, 2])
    lumps = 1 + 0.2 * np.sin(heading @ rng.normal(0, 3, (3, 3)) + rng.uniform(0, 6, 3)).mean(1)
    at = heading * (radius * lumps * rng.uniform(0.55, 1, leaves) ** 0.5)[:, None]
    normals = heading + rng.normal(0, 0.6, (leaves, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    vertices, faces = leaf_quads(at, normals, size, rng)
    outer = np.linalg.norm(at, axis=1) > 0.8 * radius
    slots = ((rng.random(leaves) < share) & outer).astype(int)
    return mesh(name, vertices, faces, [leaf, flowers or leaf], slots)


def tuft(name, blade, rng, *, blades=26, height=0.16, reach=0.07, tip=None) -> bpy.types.Object:
    """A tuft of bent blades; `tip` is the material of their upper third (flowers, lavender)."""
    foot = np.c_[rng.normal(0, reach, (blades, 2)), np.zeros(blades)]
    lean = np.c_[rng.normal(0, 0.35, (blades, 2)), np.ones(blades)]
    tall = height * rng.uniform(0.5, 1.1, blades)[:, None]
    side = np.c_[rng.normal(size=(blades, 2)), np.zeros(blades)]
    side *= 0.022 * height / 0.16 * 0.35 / np.linalg.norm(side, axis=1, keepdims=True)
    rows = []
    for t, width in ((0.0, 1.0), (0.4, 0.85), (0.75, 0.55), (1.0, 0.05)):
        middle = foot + tall * t * np.c_[lean[:, :2] * t, lean[:, 2] * (1 - 0.2 * t)]
        rows += [middle - side * width, middle + side * width]
    base = np.arange(blades)[:, None] * 8
    faces = np.concatenate([base + np.array([a, a + 1, a + 3, a + 2]) for a in (0, 2, 4)])
    slots = np.repeat([0, 0, 1], blades)
    return mesh(name, np.stack(rows, 1).reshape(-1, 3), faces, [blade, tip or blade], slots)


def turned_matrix(x: float, y: float, z: float, turn: float) -> Matrix:
    """Frame at (x, y, z), turned about Z by `turn` radians."""
    return Matrix.Translation((x, y, z)) @ Euler((0, 0, turn)).to_matrix().to_4x4()


# ---- sky ----------------------------------------------------------------------------------------------------------


def sky(scene, *, elevation: float, azimuth: float, strength: float = 0.3, clouds: float = 0.0, seed: int = 0) -> None:
    """Physical sky with the sun `elevation` degrees up, `azimuth` degrees to the right of +Y; clouds: cover, 0 to 1."""
    world = bpy.data.worlds.new("sky")
    scene.world = world
    world.use_nodes = True
    nodes, link = world.node_tree.nodes, world.node_tree.links.new
    air = nodes.new("ShaderNodeTexSky")
    air.sky_type = "NISHITA"
    air.sun_elevation, air.sun_rotation = math.radians(elevation), math.radians(azimuth)
    air.sun_size, air.dust_density, air.ozone_density = math.radians(0.9), 1.4, 1.5
    background = nodes["Background"]
    background.inputs["Strength"].default_value = strength
    link(air.outputs["Color"], background.inputs["Color"])
    if clouds:
        link(_clouds(nodes, link, air.outputs["Color"], clouds, seed), background.inputs["Color"])


def _clouds(nodes, link, colour, cover: float, seed: int):
    """Noise on a plane high above, seen at the ray's direction / its height, over the sky's colour."""
    ray = nodes.new("ShaderNodeNewGeometry")
    parts = nodes.new("ShaderNodeSeparateXYZ")
    link(ray.outputs["Incoming"], parts.inputs[0])

    def math_node(operation, a, b):
        step = nodes.new("ShaderNodeMath")
        step.operation = operation
        for socket, value in zip(step.inputs, (a, b), strict=False):
            if isinstance(value, (int, float)):
                socket.default_value = value
            else:
                link(value, socket)
        return step.outputs[0]

    up = math_node("MULTIPLY", parts.outputs["Z"], -1.0)
    height = math_node("ADD", math_node("MAXIMUM", up, 0.0), 0.12)
    plane = nodes.new("ShaderNodeCombineXYZ")
    link(math_node("DIVIDE", parts.outputs["X"], height), plane.inputs["X"])
    link(math_node("DIVIDE", parts.outputs["Y"], height), plane.inputs["Y"])
    plane.inputs["Z"].default_value = seed * 3.7
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 0.9, 9
    noise.inputs["Roughness"].default_value, noise.inputs["Distortion"].default_value = 0.58, 0.3
    link(plane.outputs[0], noise.inputs["Vector"])
    ramp = nodes.new("ShaderNodeMapRange")
    ramp.interpolation_type = "SMOOTHSTEP"
    edge = 0.68 - 0.32 * cover
    ramp.inputs["From Min"].default_value, ramp.inputs["From Max"].default_value = edge, edge + 0.2
    link(noise.outputs["Fac"], ramp.inputs["Value"])
    fade = nodes.new("ShaderNodeMapRange")
    fade.inputs["From Max"].default_value = 0.14
    link(up, fade.inputs["Value"])
    mix = nodes.new("ShaderNodeMix")
    mix.data_type = "RGBA"
    link(math_node("MULTIPLY", math_node("MULTIPLY", ramp.outputs[0], fade.outputs[0]), 0.85), mix.inputs["Factor"])
    link(colour, mix.inputs[6])
    mix.inputs[7].default_value = (9.5, 8.9, 8.4, 1)
    return mix.outputs[2]
