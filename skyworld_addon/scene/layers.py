"""A second scene that draws the splats in front of and behind the objects of the first, for its compositor.

It shares the first scene's collections, camera and settings and follows them. Splats stand in it as objects of their
own, children of the originals, which the first scene does not render.
"""

import bpy
from bpy.app.handlers import persistent

from . import crop, splats
from .world import ENGINE

NAME = "SkyWorld Splats"
SUFFIX = " in Layers"
GROUP = "SkyWorld Modified Splats"
SHADOW_SAMPLES = 64
TICK = 0.5  # seconds
RENDER = (
    "resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y", "use_border",
    "use_crop_to_border", "border_min_x", "border_max_x", "border_min_y", "border_max_y", "fps", "fps_base",
    "use_motion_blur", "motion_blur_shutter", "motion_blur_position", "use_multiview", "views_format",
)  # fmt: skip
SCENE = ("camera", "world", "frame_start", "frame_end", "frame_step", "frame_current")


def scene_of(main):
    """The scene with the layers of `main`, made where there is none."""
    found = next((scene for scene in bpy.data.scenes if scene.skyworld_render.layers_of == main), None)
    if found:
        return found
    scene = bpy.data.scenes.new(NAME)
    scene.skyworld_render.layers_of, scene.skyworld_render.objects = main, "LAYERS"
    scene.render.engine, scene.render.film_transparent = ENGINE, True
    scene.view_layers[0].use_pass_z = True
    scene.cycles.samples = SHADOW_SAMPLES
    return scene


def has_shadows(scene):
    """Whether the layers of a scene hold the shadows on splats: where its first scene's engine draws none."""
    main = scene.skyworld_render.layers_of
    return main is not None and main.render.engine != "CYCLES"


def has_layers(main):
    """Whether the compositor of `main` is set up."""
    return any(scene.skyworld_render.layers_of == main for scene in bpy.data.scenes)


def follow(scene):
    """Brings the scene with the layers up to what its first scene is now."""
    main = scene.skyworld_render.layers_of
    for owner, source, names in ((scene, main, SCENE), (scene.render, main.render, RENDER)):
        for name in names:
            if getattr(owner, name) != getattr(source, name):
                setattr(owner, name, getattr(source, name))
    scene.skyworld_render.samples = main.skyworld_render.samples
    root, wanted = scene.collection, main.collection
    _match(root.children, wanted.children)
    originals = [obj for obj in main.objects if splats.is_splats(obj)]
    rendered = set(_rendered(main.view_layers[0].layer_collection))
    doubles = [_double(obj, scene) for obj in originals]
    for original, double in zip(originals, doubles, strict=True):
        if double.hide_render == (original in rendered):
            double.hide_render = original not in rendered
    _match(root.objects, [*(obj for obj in wanted.objects if obj not in originals), *doubles])


def _rendered(layer_collection):
    """Yields the objects of the collections that are rendered."""
    if layer_collection.exclude or layer_collection.collection.hide_render:
        return
    yield from layer_collection.collection.objects
    for child in layer_collection.children:
        yield from _rendered(child)


def _match(linked, wanted):
    """Links what is wanted and not there, unlinks what is there and not wanted."""
    for item in set(linked) - set(wanted):
        linked.unlink(item)
    for item in set(wanted) - set(linked):
        linked.link(item)


def _double(original, scene):
    double = next(
        (obj for obj in scene.collection.objects if obj.parent == original and obj.data == original.data), None
    )
    if double is None:
        double = bpy.data.objects.new(original.name + SUFFIX, original.data)
        double.parent, double.hide_select = original, True
        original.hide_render = True
    if bool(original.modifiers) != bool(double.modifiers):
        double.modifiers.clear()
        if original.modifiers:
            modifier = double.modifiers.new("Original", "NODES")
            modifier.node_group = _group()
            crop.set_input(modifier, "Original", original)
    return double


def _group():
    """The node group that gives what the modifiers of another object make of it."""
    group = bpy.data.node_groups.get(GROUP)
    if group:
        return group
    group = bpy.data.node_groups.new(GROUP, "GeometryNodeTree")
    group.is_modifier = True
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    group.interface.new_socket("Original", in_out="INPUT", socket_type="NodeSocketObject")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    given, made = group.nodes.new("NodeGroupInput"), group.nodes.new("GeometryNodeObjectInfo")
    made.location, out = (200, 0), group.nodes.new("NodeGroupOutput")
    out.location = 400, 0
    group.links.new(given.outputs["Original"], made.inputs["Object"])
    group.links.new(made.outputs["Geometry"], out.inputs[0])
    return group


def connect(main, scene):
    """Nodes in the compositor of `main`: front over its own picture over back, over the world where that is wanted."""
    scene.view_layers[0].update_render_passes()
    tree, image = _tree(main)
    for node in [node for node in tree.nodes if node.label.startswith(NAME)]:
        tree.nodes.remove(node)
    before = image.links[0].from_socket if image.is_linked else None
    if before is None:
        before = _render_layers(tree, "Objects", main, (-900, 0)).outputs["Image"]
    layers = _render_layers(tree, "Layers", scene, (-900, -500))
    picture = _over(tree, layers.outputs["Back"], before, (-500, -200))
    sky = _sky(tree, main) if main.skyworld_render.has_sky else None
    if sky:
        picture = _before_sky(tree, sky, layers.outputs["Back"], picture)
    picture = _over(tree, picture, layers.outputs["Front"], (300, -200))
    tree.links.new(picture, image)


def _sky(tree, main):
    """The socket of the world as far as objects leave it to be seen: film that is transparent has it in the pass
    Environment. None of an engine that has no such pass (Workbench)."""
    main.view_layers[0].use_pass_environment = True
    main.view_layers[0].update_render_passes()
    world = _render_layers(tree, "World", main, (-900, -1000))
    return world.outputs.get("Environment") or world.outputs.get("Env")


def _before_sky(tree, sky, back, picture):
    """`picture`, which is see-through where there is neither object nor splat, before the sky; splats hide of it."""
    alpha = _node(tree, "CompositorNodeSeparateColor", "Alpha", (-500, -600))
    tree.links.new(back, alpha.inputs[0])
    is_new = bpy.app.version >= (5, 0, 0)
    through = _node(tree, "ShaderNodeMath" if is_new else "CompositorNodeMath", "Through", (-300, -600))
    through.operation, through.inputs[0].default_value = "SUBTRACT", 1
    tree.links.new(alpha.outputs["Alpha"], through.inputs[1])
    add = _node(tree, "ShaderNodeMix" if is_new else "CompositorNodeMixRGB", "Add", (-100, -400))
    if is_new:
        add.data_type = "RGBA"
    add.blend_type = "ADD"
    share, one, other = [socket for socket in add.inputs if socket.enabled][:3]
    tree.links.new(through.outputs[0], share)
    tree.links.new(picture, one)
    tree.links.new(sky, other)
    opaque = _node(tree, "CompositorNodeSetAlpha", "Opaque", (100, -400))
    if is_new:
        opaque.inputs["Type"].default_value = "Replace Alpha"
    else:
        opaque.mode = "REPLACE_ALPHA"
    opaque.inputs["Alpha"].default_value = 1
    tree.links.new(next(socket for socket in add.outputs if socket.enabled), opaque.inputs["Image"])
    return opaque.outputs[0]


def _render_layers(tree, label, scene, place):
    node = _node(tree, "CompositorNodeRLayers", label, place)
    node.scene = scene
    return node


def _tree(main):
    """The compositor's tree of a scene and the socket of the picture that leaves it."""
    if bpy.app.version >= (5, 0, 0):
        tree = main.compositing_node_group
        if tree is None:
            tree = main.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        if not any(item.in_out == "OUTPUT" for item in tree.interface.items_tree):
            tree.interface.new_socket(name="Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        kind = "NodeGroupOutput"
    else:
        fresh = not main.use_nodes
        main.use_nodes = True
        tree, kind = main.node_tree, "CompositorNodeComposite"
        if fresh:  # Blender's first nodes come with a Composite that is fed already
            tree.nodes.clear()
    output = next((node for node in tree.nodes if node.bl_idname == kind), None)
    if output is None:
        output = tree.nodes.new(kind)
        output.location = 400, 0
    return tree, output.inputs[0]


def _node(tree, kind, label, place):
    node = tree.nodes.new(kind)
    node.label, node.location = f"{NAME}: {label}", place
    return node


def _over(tree, background, foreground, place):
    node = _node(tree, "CompositorNodeAlphaOver", "Over", place)
    # The sockets' names are others in each version; the background is the first picture in all.
    below, above = [socket for socket in node.inputs if socket.type == "RGBA"]
    tree.links.new(background, below)
    tree.links.new(foreground, above)
    return node.outputs[0]


@persistent
def follow_all(*_):
    for scene in bpy.data.scenes:
        if scene.skyworld_render.layers_of is not None:
            follow(scene)


def tick():
    # Not from a handler of the depsgraph or of a render: linking objects there crashes Blender 5.2.
    if not bpy.app.is_job_running("RENDER"):
        follow_all()
    return TICK


def register():
    bpy.app.handlers.save_pre.append(follow_all)
    bpy.app.timers.register(tick, first_interval=TICK, persistent=True)


def unregister():
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    bpy.app.handlers.save_pre.remove(follow_all)
