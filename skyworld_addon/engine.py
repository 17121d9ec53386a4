"""The render engine that F12 calls: splats of the scene through the scene's camera, drawn by the backend, and
Blender's own objects among them, drawn by Cycles.

Runs in Blender's render thread, where blocking is allowed. The backend knows splats by the digest of
their PLY bytes, so they go over once, not once a frame. In an animation it draws the next frame while Blender
writes this one.
"""

import math
import zlib
from dataclasses import dataclass

import bpy
import numpy as np
from bpy.app.handlers import persistent
from bpy.props import BoolProperty, EnumProperty, IntProperty, PointerProperty

from . import cycles
from .connection.client import Frame, UnreachableError, digest_of
from .errors import UserError, tell
from .jobs import session
from .scene import cameras, exposure, layers, occluders, ply, splats
from .scene.world import ENGINE
from .translations import said

VARIED = "varied"
MISSING = 1.0, 0.0, 1.0, 1.0  # Blender's own colour of a picture that is not there
NOTHING = 1e10  # Blender's depth where there is nothing
OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's camera looks along -z with y up
# Panels that speak of what only the other engines do.
FOREIGN = ("DATA_PT_EEVEE", "EEVEE_", "CYCLES_", "RENDER_PT_freestyle", "VIEWLAYER_PT_freestyle", "RENDER_PT_simplify")
BUILT_IN = {"BLENDER_RENDER", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"}
OBJECTS = (
    ("CYCLES", "Cycles", "Blender's own objects are drawn by Cycles and stand among the splats"),
    ("LAYERS", "Front and Back Layers", "Splats in front of and behind the objects as two passes for the compositor"),
    ("NONE", "Splats Only", "Blender's own objects are not drawn"),
)

_digests = {}  # session_uid of a point cloud, or fingerprint of what modifiers made -> digest of its PLY
_ahead = {}  # key of an order -> frame of an animation that the backend draws already
_drawn = {}  # session_uid of a scene -> frame that was drawn last


class RenderSettings(bpy.types.PropertyGroup):
    layers_of: PointerProperty(type=bpy.types.Scene, description="Scene whose splats this one draws as layers")
    has_sky: BoolProperty(description="Whether the compositor lays the world behind splats and objects", default=True)
    objects: EnumProperty(name="Objects", description="How Blender's own objects come into the frame", items=OBJECTS)
    samples: IntProperty(
        name="Samples",
        description="Views that a frame with motion blur or depth of field is the mean of; each takes the time of one",
        default=16,
        min=2,
        max=256,
    )


@dataclass
class Order:
    """What a frame asks of the backend.

    query: the body of the request; sources: digest -> function that gives its bytes.
    crop: columns and rows (from the bottom) of what is drawn that Blender wants.
    """

    query: dict
    sources: dict
    crop: tuple[slice, slice]

    @property
    def key(self):
        return str(self.query)

    @property
    def meshes(self):
        return {digest: source for digest, source in self.sources.items() if not callable(source)}


class SkyWorldRenderEngine(bpy.types.RenderEngine):
    """SkyWorld's rasterizer, with Cycles for the objects"""

    bl_idname = ENGINE
    bl_label = "SkyWorld"
    bl_use_preview = False
    bl_use_eevee_viewport = True
    bl_use_postprocess = True
    bl_use_spherical_stereo = True
    session = None  # Cycles' own
    client = None  # of the backend
    failure = ""  # why the last layers for a compositor could not be drawn

    def update_render_passes(self, scene=None, renderlayer=None):
        if scene.skyworld_render.objects == "CYCLES":
            cycles.register_passes(self, scene, renderlayer)
            return
        self.register_pass(scene, renderlayer, "Combined", 4, "RGBA", "COLOR")
        if renderlayer.use_pass_z:
            self.register_pass(scene, renderlayer, "Depth", 1, "Z", "VALUE")
        if scene.skyworld_render.objects == "LAYERS":
            for name in ("Front", "Back"):
                self.register_pass(scene, renderlayer, name, 4, "RGBA", "COLOR")

    def update(self, data, depsgraph):
        scene = depsgraph.scene_eval
        mode, self.transparent = scene.skyworld_render.objects, scene.render.film_transparent
        self.ground = None if self.transparent or mode == "LAYERS" else background(scene.world)
        has_sky = self.ground is VARIED
        if mode == "CYCLES":
            shown = cycles.draws
        elif mode == "LAYERS" and layers.has_shadows(depsgraph.scene):
            shown = cycles.draws_shadow_on
        else:
            shown = cycles.draws_nothing
        has_objects = any(shown(instance) for instance in depsgraph.object_instances)
        if has_objects or has_sky:
            cycles.begin(self, data, depsgraph, shown, has_sky=has_sky, has_objects=has_objects)

    def render(self, depsgraph):
        scene, layer = depsgraph.scene, depsgraph.view_layer.name
        is_layers, views = bool(scene.skyworld_render.layers_of), [name for name, _ in self._eyes(depsgraph)]
        try:
            self._render(depsgraph)
        except UserError as error:
            if is_layers:
                self._fill_wrong(layer, views)
                SkyWorldRenderEngine.failure = str(error)
            else:
                self._fill_nothing()  # Blender 4.5 crashes where it is to save a result that was never begun
            self.report({"ERROR"}, str(error))  # ends an animation and tells scripts
            self.error_set(str(error))  # stays to be read above the render
            tell(error, ENGINE)
        finally:
            cycles.end(self)

    def _render(self, depsgraph):
        orders = list(self._orders(depsgraph))
        pending = {}
        if any(order.query["splats"] for order in orders):
            self.update_stats("SkyWorld", "Waiting for the backend" if session.client is None else "Rendering")
            self.client = session.ready_client(self.test_break)
            if self.client is None:
                return
            if not all(self._supplied(order) for order in orders):
                return
            for order in orders:
                ahead = _ahead.pop(order.key, None)
                pending[order.key] = ahead if ahead and ahead.client == self.client else self._begun(order)
        _ahead.clear()
        eyes, layer, is_with_cycles = self._eyes(depsgraph), depsgraph.view_layer.name, bool(self.session)
        objects = [{}] * len(orders)
        if is_with_cycles:
            self._look_ahead(depsgraph)
            objects = cycles.render(self, depsgraph)  # which frees the depsgraph
            for order in orders:
                order.sources = order.meshes
        frames = [self._frame(order, pending) if pending else _empty(order) for order in orders]
        if None in frames or self.test_break():
            return
        self.update_stats("SkyWorld", f"Backend: {frames[0].seconds:.2f} s {frames[0].how}".rstrip())
        if not is_with_cycles:
            self._look_ahead(depsgraph)
        for order, frame, drawn, (view, _) in zip(orders, frames, objects, eyes, strict=True):
            pictures = {name: picture[order.crop[1], order.crop[0]] for name, picture in frame.layers.items()}
            self._fill(composed(pictures, drawn, self.ground), layer, view)

    def _ask(self, question):
        """question(), and once more where the backend that Blender had started died over it: it is started again."""
        try:
            return question()
        except UnreachableError as error:
            self.client = session.client_after(error, self.test_break)
            self.report({"WARNING"}, said("The backend had ended and was started again"))
            return self.client and question()

    def _supplied(self, order):
        """Sends the splats that Cycles is to free once it has read the scene. False where the render was cancelled."""
        return not self.session or self._ask(lambda: self.client.supply(order.sources, self.test_break))

    def _begun(self, order):
        return self.client.begin_frame(order.query, order.meshes)

    def _frame(self, order, pending):
        """The `Frame` of an order, or None where the render was cancelled."""

        def wait():
            frame = pending.pop(order.key, None) or self._begun(order)
            return frame.result(order.sources, self.test_break)

        return self._ask(wait)

    def _look_ahead(self, depsgraph):
        """Asks for the next frame of an animation, as the scene looks from here; a wrong guess is not used.

        From the second frame on: Blender 5.2 may take a new scene, drawn for another one's compositor, for one that was
        animated and is gone.
        """
        scene = depsgraph.scene
        frame, subframe = scene.frame_current, scene.frame_subframe
        before, _drawn[scene.session_uid] = _drawn.get(scene.session_uid), frame
        if self.client is None or not self.is_animation or before != frame - scene.frame_step:
            return
        if frame + scene.frame_step > scene.frame_end:
            return
        self.frame_set(frame + scene.frame_step, 0.0)
        try:
            orders = self._orders(depsgraph, frame + scene.frame_step)
            _ahead.update({order.key: self._begun(order) for order in orders})
        finally:
            self.frame_set(frame, subframe)

    # ------------------------------------------------------------------ orders

    def _orders(self, depsgraph, frame=None):
        """Yields an Order for each eye of the scene."""
        scene = depsgraph.scene_eval
        camera_object = self.camera_override or scene.camera
        if camera_object is None:
            raise UserError("The scene has no camera", hint="Add a fly-through in the SkyWorld panel")
        camera = camera_object.data
        if not exposure.is_supported(camera):
            self.report({"WARNING"}, said("Depth of field is drawn with perspective cameras only"))
        mode = scene.skyworld_render.objects
        count = scene.skyworld_render.samples if exposure.has_samples(scene, camera) else 1
        times, points = exposure.shutter_times(scene.render, count), exposure.lens_points(camera, count)
        if len(times) > 1:
            moments = list(self._moments(depsgraph, camera_object, mode, times, frame))
        else:
            moments = [self._moment(depsgraph, camera_object, mode)]
        if mode == "LAYERS":
            names = ["combined", "front", "back", "depth"]
        elif any(moment.mesh for moment in moments):
            names = ["front", "back", "depth"]
        else:  # all splats are behind
            names = ["back", "depth"] if self.session else ["combined", "depth"]
        ground = None if self.session or self.ground is None else self.ground.tolist()
        for index, _ in enumerate(self._eyes(depsgraph)):
            sources, views = {}, []
            for k in range(max(len(moments), len(points))):
                moment, point = moments[k % len(moments)], points[k % len(points)]
                seen, crop, eye = moment.cameras[index]
                views.append(
                    {
                        "camera": _through_lens(seen, point, moment.focus),
                        "matrices": [np.ravel(matrix).tolist() for _, matrix, _ in moment.clouds],
                        "occluders": digest_of(moment.mesh) if moment.mesh else None,
                        "eye": eye,
                    }
                )
                sources |= {digest: source for digest, _, source in moment.clouds}
                if moment.mesh:
                    sources[views[-1]["occluders"]] = moment.mesh
            query = {
                "splats": [digest for digest, _, _ in moments[0].clouds],
                "views": views,
                "layers": names,
                "background": ground,
            }
            yield Order(query, sources, crop)

    def _moments(self, depsgraph, camera_object, mode, times, frame):
        scene = depsgraph.scene
        now, subframe = scene.frame_current, scene.frame_subframe
        begin = now + subframe if frame is None else frame
        first = None
        try:
            for time in begin + times:
                self.frame_set(math.floor(time), time - math.floor(time))
                moment = self._moment(depsgraph, camera_object, mode)
                digests = [digest for digest, _, _ in moment.clouds]
                if first is not None and digests != first:
                    hint = "Switch Motion Blur off, or let them be the same over the shutter"
                    raise UserError("splats that change or come and go within a frame cannot be blurred", hint=hint)
                first = digests
                yield moment
        finally:
            self.frame_set(math.floor(begin), begin - math.floor(begin))

    def _moment(self, depsgraph, camera_object, mode):
        clouds = list(gather(depsgraph))
        mesh = occluders.encode(depsgraph) if mode != "NONE" and clouds else None
        seen = []
        for name, sign in self._eyes(depsgraph):
            if name:
                self.active_view_set(name)
            seen.append((*framed_camera(self, camera_object, depsgraph), self._eye(camera_object.data, sign)))
        return Moment(clouds, mesh, seen, exposure.focus_distance(camera_object, depsgraph))

    def _eyes(self, depsgraph):
        """(name of the view, -1 for the left eye, 1 for the right, 0 for none) of the scene's views."""
        render = depsgraph.scene.render
        if not render.use_multiview:
            return [("", 0)]
        names = [view.name for view in (render.stereo_views if render.views_format == "STEREO_3D" else render.views)]
        used = [name for name in names if render.views[name].use]
        return [(name, {"left": -1, "right": 1}.get(name, 0)) for name in used]

    def _eye(self, camera, sign):
        """The eye of a panorama as the backend's JSON, or None."""
        stereo = camera.stereo
        if not sign or camera.type != "PANO" or not stereo.use_spherical_stereo:
            return None
        fade = (stereo.pole_merge_angle_from, stereo.pole_merge_angle_to) if stereo.use_pole_merge else None
        return {
            "offset": sign * stereo.interocular_distance / 2,
            "convergence": None if stereo.convergence_mode == "PARALLEL" else stereo.convergence_distance,
            "fade": fade,
        }

    # ------------------------------------------------------------------ result

    def _fill_nothing(self):
        self.end_result(self.begin_result(0, 0, self.resolution_x, self.resolution_y))

    def _fill_wrong(self, layer, views):
        """Covers all with the colour of what is missing: of an error in a scene that another one's compositor takes,
        Blender makes a message, and saves that one's frame all the same."""
        picture = np.full((self.resolution_y, self.resolution_x, 4), MISSING, np.float32)
        for view in views:
            self._fill({"Combined": picture, "Front": picture, "Back": picture}, layer, view)

    def _fill(self, pictures, layer, view):
        """Writes the passes {name: [H, W, channels]} of a view where Blender keeps them: to hand over a part of a
        result costs it two more copies of each."""
        for name in {"Front", "Back"} & pictures.keys():
            self.add_pass(name, 4, "RGBA", layer=layer)
        if not self.session or "Front" in pictures:  # of a part that is handed over Blender makes room for all
            self.end_result(self.begin_result(0, 0, 1, 1, layer=layer, view=view))
        result = self.get_result()
        number = next((index for index, known in enumerate(result.views) if known.name == view), 0)
        for target in result.layers[layer].passes:
            if target.name in pictures and target.view_id == number:
                target.rect.foreach_set(np.ascontiguousarray(pictures[target.name], np.float32).reshape(-1))


def composed(layers, drawn, ground):
    """Passes of the frame: front, objects, back and ground laid over each other.

    layers: of a `Frame`; drawn: passes of Cycles, or none; ground: scene linear RGB behind everything, VARIED for what
    Cycles says is there, or None.
    """
    depth = np.where(layers["depth"] > 0, layers["depth"], NOTHING)
    if "combined" in layers and "back" in layers:
        if not drawn:
            return {"Combined": layers["combined"], "Front": layers["front"], "Back": layers["back"], "Depth": depth}
        back = over(drawn["Combined"], layers["back"])  # the shadows on it
        return {"Combined": over(layers["front"], back), "Front": layers["front"], "Back": back, "Depth": depth}
    if not drawn:
        return {"Combined": layers["combined"], "Depth": depth}
    combined = over(drawn["Combined"], layers["back"])
    if ground is VARIED:
        combined[..., :3] += (1 - layers["back"][..., 3:]) * drawn[cycles.SKY]  # which is seen beside the objects
        combined[..., 3] = 1
    if "front" in layers:
        combined = over(layers["front"], combined)
    if ground is not None and ground is not VARIED:
        combined = over(combined, np.append(ground, 1).astype(np.float32))
    if "Depth" in drawn and not layers["depth"].any():  # no splats
        depth = drawn["Depth"]
    return {"Combined": combined, "Depth": depth}


@dataclass
class Moment:
    """The scene at one time: clouds of (digest, matrix [4, 4], source), the objects' mesh as PLY or None, and for each
    eye (camera as JSON, crop, eye as JSON or None); focus: metres along the axis that are sharp."""

    clouds: list
    mesh: bytes | None
    cameras: list
    focus: float


def over(front, back):
    """[H, W, 4] of a premultiplied picture over another, or over one colour [4]."""
    picture = (1 - front[..., 3:]) * back
    picture += front
    return picture


def _empty(order):
    """A frame of a scene without splats."""
    camera = order.query["views"][0]["camera"]
    shape = camera["height"], camera["width"]
    layers = {name: np.zeros((*shape, 1 if name == "depth" else 4), np.float32) for name in order.query["layers"]}
    if order.query["background"] is not None:
        layers["combined"][...] = (*order.query["background"], 1)
    return Frame(layers, 0.0)


def gather(depsgraph):
    """Yields (digest, matrix [4, 4], function that gives the PLY) of every splat object that is rendered."""
    for instance in depsgraph.object_instances:
        obj = instance.object
        if not instance.show_self or not splats.is_splats(obj) or not len(obj.data.points):
            continue
        data, matrix = obj.data, np.array(instance.matrix_world)
        # The function reads the attributes anew when asked: 250 MB a million splats are not held for nothing.
        yield _digest(obj), matrix, lambda data=data: bytes_of(data)


def bytes_of(data):
    return ply.encode(splats.from_point_cloud(data))


def _digest(obj):
    if obj.original.modifiers:  # what they make may be another thing in each frame
        cloud = splats.from_point_cloud(obj.data)
        key = _fingerprint(cloud)
        if key not in _digests:
            _digests[key] = digest_of(ply.encode(cloud))
        return _digests[key]
    uid = obj.original.data.session_uid
    if uid not in _digests:
        _digests[uid] = digest_of(bytes_of(obj.data))
    return _digests[uid]


def _fingerprint(cloud):
    """Tells the splats of two frames apart, at a fifth of what their digest costs."""
    arrays = (cloud.means, cloud.scales, cloud.quats, cloud.opacities, cloud.dc, cloud.sh, *cloud.extra.values())
    return tuple(zlib.crc32(np.ascontiguousarray(array)) for array in arrays)


def framed_camera(engine, camera_object, depsgraph):
    """Camera of the frame, or of its border region, as the backend's JSON (OpenCV axes, row 0 at the top), and the
    columns and rows from the bottom of its picture that Blender wants."""
    render = depsgraph.scene_eval.render
    full_width, full_height = cameras.resolution(render)
    left, right, bottom, top = 0, full_width, 0, full_height
    if render.use_border:
        # as Blender's render pipeline cuts it: towards zero
        left, right = int(render.border_min_x * full_width), int(render.border_max_x * full_width)
        bottom, top = int(render.border_min_y * full_height), int(render.border_max_y * full_height)
    model, K = cameras.lens(camera_object, depsgraph, render, full_width, full_height)
    width, height, crop = right - left, top - bottom, (slice(None), slice(None))
    if model == "equirect":  # the backend draws whole ones
        width, height, crop = full_width, full_height, (slice(left, right), slice(bottom, top))
    else:
        K[0, 2] -= left + cameras.stereo_shift(engine, camera_object, full_width, full_height)
        K[1, 2] -= full_height - top
    spherical = camera_object.data.stereo.use_spherical_stereo and model == "equirect"
    matrix = camera_object.matrix_world
    if render.use_multiview:
        matrix = engine.camera_model_matrix(camera_object, use_spherical_stereo=spherical)
    camera = {
        "model": model,
        "width": width,
        "height": height,
        "K": K.tolist(),
        "camera_to_world": (cameras.rigid(matrix) @ OPENCV).tolist(),
        "axes": "opencv",
    }
    return camera, crop


def _through_lens(camera, point, focus):
    """The camera from a point of its lens [2] (metres right and up); what lies at `focus` stays where it is."""
    if not np.any(point):
        return camera
    pose, K = np.array(camera["camera_to_world"]), np.array(camera["K"])
    right, down = point[0], -point[1]
    pose[:3, 3] += pose[:3, 0] * right + pose[:3, 1] * down
    K[0, 2] += K[0, 0] * right / focus
    K[1, 2] += K[1, 1] * down / focus
    return {**camera, "camera_to_world": pose.tolist(), "K": K.tolist()}


def background(world):
    """Linear RGB [3] behind everything, or VARIED where the world is more than one colour."""
    if world is None:
        return np.zeros(3, np.float32)
    if bpy.app.version < (5, 0, 0) and not world.use_nodes:  # later all worlds have nodes
        return np.array(world.color[:3], np.float32)
    output = world.node_tree.get_output_node("CYCLES")
    if output is None or not (output.inputs["Surface"].is_linked or output.inputs["Volume"].is_linked):
        return np.zeros(3, np.float32)
    node = output.inputs["Surface"].links[0].from_node if output.inputs["Surface"].is_linked else None
    is_flat = node and node.bl_idname == "ShaderNodeBackground" and not output.inputs["Volume"].is_linked
    if not is_flat or node.inputs["Color"].is_linked or node.inputs["Strength"].is_linked:
        return VARIED
    return np.array(node.inputs["Color"].default_value[:3], np.float32) * node.inputs["Strength"].default_value


@persistent
def forget_changed(_scene, depsgraph):
    for update in depsgraph.updates:
        if isinstance(update.id, bpy.types.PointCloud):
            _digests.pop(update.id.original.session_uid, None)


@persistent
def forget_all(*_):
    for kept in (_digests, _ahead, _drawn):
        kept.clear()


def _panels():
    for panel in bpy.types.Panel.__subclasses__():
        engines = getattr(panel, "COMPAT_ENGINES", None)
        if engines and engines & BUILT_IN and not panel.__name__.startswith(FOREIGN):
            yield panel


def register():
    bpy.utils.register_class(RenderSettings)
    bpy.types.Scene.skyworld_render = PointerProperty(type=RenderSettings)
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
    forget_all()
    bpy.utils.unregister_class(SkyWorldRenderEngine)
    del bpy.types.Scene.skyworld_render
    bpy.utils.unregister_class(RenderSettings)
