"""A world folder brought into the scene: splats, an editable camera path, the scene's camera and engine."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..errors import UserError
from . import camera_files, cameras, curves, georeference, splats
from .curves import FOV

FORMAT = 1
ENGINE = "SKYWORLD"
PICTURES = "cameras/pictures.json"  # cameras of the pictures that a world was fitted to

ORBIT = "cameras/orbit_17.json"  # once around a city of satellite images
ELEVATION = math.radians(17)  # that cities are shown from
VIEW_DISTANCE = 20.0  # times the radius of a city's orbit, that the viewport shows


@dataclass
class World:
    """What the scene needs of a world.json, in metres.

    eye: [3] where it was seen from; cube: edge of the walking room; ahead: [3] what the photograph looks at.
    pictures: CameraPath of the pictures it was fitted to, None if it was made around one viewpoint.
    held_out: how well pictures are met that were not fitted, or "".
    place: where on the Earth the origin lies (latitude, longitude, altitude, epsg), or None.
    city: whether it was made of satellite images: `ahead` is the middle of its ground, half `cube` its orbit's radius.
    """

    root: Path
    name: str
    splats: Path
    eye: tuple
    cube: float
    ahead: tuple
    models: str
    pictures: camera_files.CameraPath | None
    held_out: str
    place: dict | None = None
    city: bool = False


def open_world(folder):
    """Reads FOLDER/world.json."""
    root = Path(folder)
    file = root / "world.json"
    if not file.is_file():
        raise UserError(
            "is not a world folder (it has no world.json)", file=root, hint="Choose the folder of a finished world"
        )
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        version, panorama = int(document["format"]), document.get("panorama") or {}
        artifacts = document.get("artifacts") or {}
        pictures = None if panorama else _pictures(root / PICTURES)
        around = _pictures(root / ORBIT) if document.get("satellite") else None
        if around:
            eye, ahead, cube = _viewpoint_of_orbit(around)
        else:
            eye, ahead, cube = _viewpoint_of_pictures(pictures) if pictures else _viewpoint(document, panorama)
        world = World(
            root=root,
            name=str(document.get("name") or root.name),
            splats=root / artifacts.get("splats", "splats.ply"),
            eye=tuple(eye),
            cube=cube,
            ahead=tuple(ahead),
            models=", ".join(str(model.get("name", "?")) for model in document.get("models") or ()),
            pictures=pictures,
            held_out=_held_out(document.get("held_out")),
            place=_place(document.get("georeference")),
            city=around is not None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError("is damaged", file=file, hint="Generate the world again into the same folder") from error
    if version > FORMAT:
        problem = "is of format {version}, newer than this add-on"
        raise UserError(problem, file=file, hint="Update SkyWorld", version=version)
    if not world.splats.is_file():
        raise UserError("has no splats yet", file=root, hint="Make it again into the same folder to finish it")
    return world


def _viewpoint(document, panorama):
    """(eye [3], what stands ahead [3], edge of the walking room) of a world made around one viewpoint."""
    eye = np.array(panorama.get("position", (0, 0, 1.6)), float)
    pose = ((document.get("photograph") or {}).get("camera") or {}).get("camera_to_world")
    forward = np.array(pose)[:3, 2] if pose else np.array((0.0, 1.0, 0.0))
    return eye, eye + forward * float(document.get("focus_distance", 6.0)), float(document.get("cube", 2.0))


def _pictures(file):
    # COLMAP's focal lengths differ by a thousandth: to look through these cameras that is good enough
    return camera_files.read(file, square=False) if file.is_file() else None


def _viewpoint_of_pictures(pictures):
    """The same where pictures were taken all over: the first of them, and how far they lie about their middle.

    Pictures taken on a circle about a thing look at what stands ahead.
    """
    places = pictures.camera_to_world[:, :3, 3]
    spread = float(np.sqrt(((places - places.mean(0)) ** 2).sum(1).mean())) or 1.0
    return places[0], places[0] - spread * pictures.camera_to_world[0, :3, 2], spread


def _viewpoint_of_orbit(orbit):
    """The same of a city: above the middle of its ground; the cube is twice as wide as the orbit's radius.

    The cameras of an orbit stand on a circle and look at its middle, down onto the ground.
    """
    places, forward = orbit.camera_to_world[:, :3, 3], -orbit.camera_to_world[0, :3, 2]
    level = float(np.hypot(*(places[0] - places.mean(0))[:2]))
    radius = level / float(np.hypot(*forward[:2]))
    middle = places[0] + radius * forward
    return np.add(middle, (0, 0, radius * math.sin(ELEVATION))), middle, 2 * radius


def _place(told):
    if not told:
        return None
    degrees = {name: float(told[name]) for name in ("latitude", "longitude", "altitude")}
    return degrees | {"epsg": int(told["epsg"])}


def _held_out(measured):
    if not measured:
        return ""
    return f"{measured['views']} pictures held out: PSNR {measured['psnr']:.1f} dB, SSIM {measured['ssim']:.3f}"


def add(context, world, cloud, *, frames=120, set_up_scene=True):
    """The collection of `world`, with its splats `cloud`, a camera with a path and, if asked, the scene set up.

    The path is an editable fly-through, goes from picture to picture where the world was fitted to them, or around a
    city of satellite images.
    """
    scene = context.scene
    collection = bpy.data.collections.new(world.name)
    about = collection.skyworld
    about.folder, about.models, about.held_out = str(world.root), world.models, world.held_out
    about.city = world.city
    scene.collection.children.link(collection)
    obj = splats.add(world.name, cloud, collection)
    if world.place:
        georeference.write(scene, collection, world.place)
    if world.city:
        centre, radius = world.ahead, world.cube / 2
        camera = add_orbit(context, collection, centre, radius, frames=frames, target=centre, elevation=ELEVATION)
        if set_up_scene:
            _see_far(VIEW_DISTANCE * radius)
    elif world.pictures:
        camera = cameras.add(scene, "Pictures Camera", world.pictures, collection, set_up_scene=set_up_scene)
    else:
        camera = add_flythrough(context, collection, world.eye, world.cube / 2, world.ahead, frames=frames)
    if set_up_scene:
        scene.camera = camera
        scene.render.engine = ENGINE
        scene.view_settings.view_transform = "Standard"  # shows the rasterizer's colours as they are
    return obj


def add_flythrough(context, collection, eye, reach, target, *, frames=120, fov=FOV, ease=True):
    """A curve through the walking room, a camera on it that looks at `target` [3], or along it if that is None."""
    scene = context.scene
    path = curves.add_path("Fly-through Path", curves.flythrough_points(eye, reach), collection)
    aim = curves.add_target("Fly-through Target", target, collection) if target else None
    span = (scene.frame_start, scene.frame_start + frames - 1)
    camera = curves.add_camera("Fly-through Camera", path, span, collection, target=aim, ease=ease, fov=fov)
    scene.frame_end = span[1]
    return camera


def _see_far(distance):
    """Viewports show a whole city."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            for space in area.spaces:
                if space.type == "VIEW_3D":
                    space.clip_end = max(space.clip_end, distance)


def add_orbit(
    context,
    collection,
    centre,
    radius,
    *,
    frames=120,
    target=None,
    outward=False,
    fov=FOV,
    ease=False,
    elevation=0.0,
):
    """A circle about `centre`, a camera on it that looks at `target` [3], inward without one, or outward.

    elevation: radians above the level of `centre` that the camera stands at, still `radius` away from it.
    """
    scene = context.scene
    raised = np.add(centre, (0, 0, radius * math.sin(elevation)))
    path = curves.add_circle("Orbit Path", raised, radius * math.cos(elevation), collection)
    aim = None if outward else curves.add_target("Orbit Target", target or centre, collection)
    span = (scene.frame_start, scene.frame_start + frames - 1)
    camera = curves.add_camera("Orbit Camera", path, span, collection, target=aim, outward=outward, fov=fov, ease=ease)
    camera.data.clip_end = max(camera.data.clip_end, VIEW_DISTANCE * radius)
    scene.frame_end = span[1]
    return camera


def put_away(scene, folder):
    """Hides the splats of a world that comes in anew, in the viewport and in renders."""
    for collection in scene.collection.children_recursive:
        if collection.skyworld.folder and Path(collection.skyworld.folder) == Path(folder):
            for obj in collection.objects:
                if obj.type == "POINTCLOUD":
                    obj.hide_viewport = obj.hide_render = True


def of(context):
    """Collection of the world that the active object (or else the scene) belongs to, or None."""
    worlds = [c for c in context.scene.collection.children_recursive if c.skyworld.folder]
    for collection in worlds:
        if context.object and context.object.name in collection.all_objects:
            return collection
    return worlds[-1] if worlds else None
