"""Job kind `proxy`: a light mesh of splats, fused from depth that they are rendered to."""

from collections.abc import Iterator

import numpy as np

from skyworld.errors import UserError
from skyworld.parameters import ProxyParameters
from skyworld.progress import Progress

SIDE = 384  # px of a view
RING = 8  # places around the viewpoint
LEAST_ALPHA = 0.6
# Heading and elevation of the six views around a place.
AROUND = [(0, 0), (np.pi / 2, 0), (np.pi, 0), (-np.pi / 2, 0), (0, np.pi / 2), (0, -np.pi / 2)]
SMALLEST_PART = 100  # triangles; below, it floats in the air


def make(parameters: ProxyParameters) -> Iterator[Progress]:
    """Writes `parameters.output`; yields progress. Raises UserError where there are no splats or no surface."""
    from skyworld.proxy.files import write_mesh
    from skyworld.proxy.fusion import Volume
    from skyworld.proxy.surface import clustered, compact, in_sight, largest_parts, surface_nets
    from skyworld.splats import formats
    from skyworld.splats.device import pick_device
    from skyworld.splats.rasterize.passes import drawer

    yield Progress(0.0, "reading the splats")
    file, eye, room = _source(parameters.world)
    gaussians = formats.read(file)
    if not len(gaussians):
        raise UserError("holds no splats", file=file)
    means = gaussians.means.numpy()
    if eye is None:
        eye = np.median(means, 0)
        room = 0.3 * float(np.median(np.linalg.norm(means - eye, axis=1)))
    low, high = np.percentile(means, 0.5, 0), np.percentile(means, 99.5, 0)
    low, high = np.maximum(low, eye - parameters.radius), np.minimum(high, eye + parameters.radius)
    volume = Volume.around(low, np.maximum(high, low + 0.1), parameters.detail)
    draw, _ = drawer(gaussians, pick_device(parameters.device))
    cameras = list(rig(eye, room))
    for index, camera in enumerate(cameras, 1):
        view = draw(camera)
        depth, alpha = view.depth[0].cpu().numpy(), view.alpha[0].cpu().numpy()
        volume.fuse(camera, np.where(alpha >= LEAST_ALPHA, depth, 0).astype(np.float32))
        yield Progress(0.9 * index / len(cameras), f"view {index} of {len(cameras)}")
    vertices, triangles = surface_nets(volume.seen(parameters.radius))
    if len(triangles):
        triangles = largest_parts(triangles, len(vertices), SMALLEST_PART)
    if not len(triangles):
        hint = "Raise the radius, so that it holds what is around the viewpoint"
        raise UserError("no surface was found in these splats", file=file, hint=hint)
    vertices, triangles = clustered(vertices, triangles, parameters.triangles)
    vertices = volume.origin + volume.edge * vertices
    yield Progress(0.92, "leaving out what nobody sees")
    triangles = triangles[in_sight(vertices, triangles, cameras, volume.edge / 2)]
    write_mesh(parameters.output, *compact(vertices, triangles))
    yield Progress(1.0, f"{len(triangles):,} triangles in {parameters.output}")


def rig(eye: np.ndarray, room: float) -> Iterator:
    """Pinhole cameras that look all around from the viewpoint and from places in its walking room (edge, metres).

    Each sees a little more than its sixth, so that their edges meet.
    """
    from skyworld.camera import Camera, turned

    yaws = np.arange(RING) * 2 * np.pi / RING
    ring = [eye + room / 2 * np.array([np.sin(yaw), np.cos(yaw), 0.3 * (-1) ** i]) for i, yaw in enumerate(yaws)]
    for place in [eye, *ring]:
        for yaw, pitch in AROUND:
            yield Camera.pinhole(turned(place, yaw, pitch), np.radians(96), SIDE, SIDE)


def _source(path):
    """(file of splats, viewpoint [3], edge of its walking room) of a world; of a file alone the last are None."""
    from skyworld.world import World

    if path.is_file():
        return path, None, None
    world = World.open(path)
    file = world.path("splats.ply")
    if not file.is_file():
        raise UserError("this world has no splats yet", file=world.root, hint="Finish it with `skyworld world` first")
    panorama = world.document.get("panorama") or {}
    if not panorama:
        return file, None, None
    return file, np.array(panorama.get("position", (0, 0, 1.6)), float), float(world.document.get("cube", 2.0))
