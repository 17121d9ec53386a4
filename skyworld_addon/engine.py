"""The render engine that F12 calls: splats of the scene through the scene's camera, drawn by the backend.

Runs in Blender's render thread, where blocking is allowed. The backend knows splats by the digest of
their PLY bytes, so they go over once, not once a frame.
"""

import bpy
import numpy as np
from bpy.app.handlers import persistent

from .connection.client import digest_of
from .errors import UserError
from .jobs import session
from .scene import cameras, ply, splats
from .scene.world import ENGINE

NOTHING = 1e10  # Blender's depth where there is nothing
OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's camera looks along -z with y up
# Panels that speak of what only the other engines do.
FOREIGN = ("DATA_PT_EEVEE", "EEVEE_", "CYCLES_", "RENDER_PT_freestyle", "VIEWLAYER_PT_freestyle", "RENDER_PT_simplify")
BUILT_IN = {"BLENDER_RENDER", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"}

_digests = {}  # session_uid of a point cloud -> digest of its PLY


class SkyWorldRenderEngine(bpy.types.RenderEngine):
    """SkyWorld's rasterizer"""

    bl_idname = ENGINE
    bl_label = "SkyWorld"
    bl_use_preview = False
    bl_use_eevee_viewport = True
    bl_use_postprocess = True

    def update_render_passes(self, scene=None, renderlayer=None):
        self.register_pass(scene, renderlayer, "Combined", 4, "RGBA", "COLOR")
        if renderlayer.use_pass_z:
            self.register_pass(scene, renderlayer, "Depth", 1, "Z", "VALUE")

    def render(self, depsgraph):
        try:
            self._render(depsgraph)
        except UserError as error:
            self._fill_nothing()  # Blender 4.5 crashes where it is to save a result that was never begun
            self.report({"ERROR"}, str(error))  # ends an animation and tells scripts
            self.error_set(str(error))  # stays to be read above the render

    def _render(self, depsgraph):
        scene = depsgraph.scene_eval
        camera_object = self.camera_override or scene.camera
        if camera_object is None:
            raise UserError("The scene has no camera", hint="Add a fly-through in the SkyWorld panel")
        camera = camera_json(self, camera_object, depsgraph)
        clouds = list(gather(depsgraph))
        width, height = camera["width"], camera["height"]
        if clouds:
            self.update_stats("SkyWorld", "Waiting for the backend" if session.client is None else "Rendering")
            client = session.ready_client(self.test_break)
            frame = client and client.frame(clouds, camera, cancelled=self.test_break)
            if not frame:
                return
            if frame.alpha.shape != (height, width):
                raise UserError("The backend sent a frame of another size", hint="Update the backend")
            colour, alpha, depth = scene_linear(frame.colour, frame.alpha), frame.alpha, frame.depth
            self.update_stats("SkyWorld", f"Backend: {frame.seconds:.2f} s {frame.how}".rstrip())
        else:
            colour, alpha = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
            depth = alpha
        if not scene.render.film_transparent:
            colour = colour + (1 - alpha[..., None]) * background(scene.world)
            alpha = np.ones_like(alpha)
        self._fill(colour, alpha, depth, width, height)

    def _fill_nothing(self):
        self.end_result(self.begin_result(0, 0, self.resolution_x, self.resolution_y))

    def _fill(self, colour, alpha, depth, width, height):
        result = self.begin_result(0, 0, width, height)
        passes = result.layers[0].passes
        _set_pass(passes["Combined"], np.concatenate([colour, alpha[..., None]], -1))
        if "Depth" in passes:
            _set_pass(passes["Depth"], np.where(depth > 0, depth, NOTHING)[..., None])
        self.end_result(result)


def _set_pass(target, picture):
    upward = np.ascontiguousarray(picture[::-1], np.float32)  # Blender's rows go up
    target.rect.foreach_set(upward.reshape(-1))


def gather(depsgraph):
    """Yields (digest, matrix [4, 4], function that gives the PLY) of every splat object that is rendered."""
    for instance in depsgraph.object_instances:
        obj = instance.object
        if not instance.show_self or not splats.is_splats(obj):
            continue
        data, matrix = obj.data, np.array(instance.matrix_world)
        # The function reads the attributes anew when asked: 250 MB a million splats are not held for nothing.
        yield _digest(obj), matrix, lambda data=data: bytes_of(data)


def bytes_of(data):
    return ply.encode(splats.from_point_cloud(data))


def _digest(obj):
    if obj.original.modifiers:  # what they make may be another thing in each frame
        return digest_of(bytes_of(obj.data))
    uid = obj.original.data.session_uid
    if uid not in _digests:
        _digests[uid] = digest_of(bytes_of(obj.data))
    return _digests[uid]


def camera_json(engine, camera_object, depsgraph):
    """Camera of the frame, or of its border region, as the backend's JSON (OpenCV axes, row 0 at the top)."""
    render = depsgraph.scene_eval.render
    full_width, full_height = cameras.resolution(render)
    K = cameras.intrinsics(camera_object, depsgraph, render, full_width, full_height)
    left, right, bottom, top = 0, full_width, 0, full_height
    if render.use_border:
        # as Blender's render pipeline cuts it: towards zero
        left, right = int(render.border_min_x * full_width), int(render.border_max_x * full_width)
        bottom, top = int(render.border_min_y * full_height), int(render.border_max_y * full_height)
    K[0, 2] -= left
    K[1, 2] -= full_height - top
    return {
        "model": "pinhole",
        "width": right - left,
        "height": top - bottom,
        "K": K.tolist(),
        "camera_to_world": (cameras.rigid(engine.camera_model_matrix(camera_object)) @ OPENCV).tolist(),
        "axes": "opencv",
    }


def scene_linear(colour, alpha):
    """Premultiplied sRGB-encoded [H, W, 3] -> premultiplied linear: the encoding holds for the colour without alpha."""
    a = alpha[..., None]
    encoded = np.clip(colour / np.maximum(a, 1e-6), 0, None)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return (linear * a).astype(np.float32)


def background(world):
    """Linear RGB [3] behind the splats: the world's Background node if of one colour, else its viewport colour."""
    if world is None:
        return np.zeros(3, np.float32)
    tree = world.node_tree
    node = next((n for n in tree.nodes if n.bl_idname == "ShaderNodeBackground"), None) if tree else None
    if node is None or node.inputs["Color"].is_linked:
        return np.array(world.color[:3], np.float32)
    return np.array(node.inputs["Color"].default_value[:3], np.float32) * node.inputs["Strength"].default_value


@persistent
def forget_changed(_scene, depsgraph):
    for update in depsgraph.updates:
        if isinstance(update.id, bpy.types.PointCloud):
            _digests.pop(update.id.original.session_uid, None)


@persistent
def forget_all(*_):
    _digests.clear()


def _panels():
    for panel in bpy.types.Panel.__subclasses__():
        engines = getattr(panel, "COMPAT_ENGINES", None)
        if engines and engines & BUILT_IN and not panel.__name__.startswith(FOREIGN):
            yield panel


def register():
    bpy.utils.register_class(SkyWorldRenderEngine)
    bpy.app.handlers.depsgraph_update_post.append(forget_changed)
    bpy.app.handlers.load_pre.append(forget_all)
    for panel in _panels():
        panel.COMPAT_ENGINES.add(ENGINE)


def unregister():
    for panel in bpy.types.Panel.__subclasses__():
        getattr(panel, "COMPAT_ENGINES", set()).discard(ENGINE)
    bpy.app.handlers.load_pre.remove(forget_all)
    bpy.app.handlers.depsgraph_update_post.remove(forget_changed)
    _digests.clear()
    bpy.utils.unregister_class(SkyWorldRenderEngine)
