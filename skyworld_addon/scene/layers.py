"""A second scene that draws the splats in front of and behind the objects of the first, for its compositor.

It shares the first scene's collections, camera and settings and follows them. Splats stand in it as objects of their
own, children of the originals, which the first scene does not render.
"""

import bpy
from bpy.app.handlers import persistent

from . import splats
from .world import ENGINE

NAME = "SkyWorld Splats"
SUFFIX = " in Layers"
TICK = 0.5  # seconds
RENDER = (
    "resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y", "use_border",
    "use_crop_to_border", "border_min_x", "border_max_x", "border_min_y", "border_max_y", "fps", "fps_base",
    "use_motion_blur", "motion_blur_shutter", "motion_blur_position", "use_multiview", "views_format",
)  # fmt: skip
SCENE = ("camera", "frame_start", "frame_end", "frame_step", "frame_current")


def scene_of(main):
    """The scene with the layers of `main`, made where there is none."""
    found = next((scene for scene in bpy.data.scenes if scene.skyworld_render.layers_of == main), None)
    if found:
        return found
    scene = bpy.data.scenes.new(NAME)
    scene.skyworld_render.layers_of, scene.skyworld_render.objects = main, "LAYERS"
    scene.render.engine, scene.render.film_transparent = ENGINE, True
    scene.view_layers[0].use_pass_z = True
    return scene


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
    doubles = [_double(obj, scene) for obj in originals]
    _match(root.objects, [*(obj for obj in wanted.objects if obj not in originals), *doubles])


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
    return double


def connect(main, scene, ground):
    """Nodes in the compositor of `main`: front over its own picture over back, over the colour `ground` if not None."""
    scene.view_layers[0].update_render_passes()
    tree, image = _tree(main)
    for node in [node for node in tree.nodes if node.label.startswith(NAME)]:
        tree.nodes.remove(node)
    before = image.links[0].from_socket if image.is_linked else None
    if before is None:
        before = _node(tree, "CompositorNodeRLayers", "Objects", (-600, 0)).outputs["Image"]
        before.node.scene = main
    layers = _node(tree, "CompositorNodeRLayers", "Layers", (-600, -500))
    layers.scene = scene
    behind = _over(tree, layers.outputs["Back"], before, (-300, -200))
    picture = _over(tree, behind, layers.outputs["Front"], (-100, -200))
    if ground is not None:
        colour = _node(tree, "CompositorNodeRGB", "World", (-300, -500))
        colour.outputs[0].default_value = (*ground, 1)
        picture = _over(tree, colour.outputs[0], picture, (100, -200))
    tree.links.new(picture, image)


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
