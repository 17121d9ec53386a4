"""The orbits of Skyfall-GS (arXiv 2510.15869): nerfstudio's camera path, and what it was made of.

`_target` [3], `_radius` metres from it, `_elevation` degrees above its horizon; frames turn clockwise from the east.
Their pictures have square pixels and a centred principal point, so that the vertical `fov` says all; `aspect` is always
1, whatever the picture's, and nobody reads it. `nerfstudio.read` reads the cameras.
"""

import json
from pathlib import Path

import numpy as np

from skyworld.camera.formats import nerfstudio
from skyworld.camera.formats.nerfstudio import OPENGL
from skyworld.camera.paths import CameraPath, Ring
from skyworld.errors import UserError
from skyworld.world.files import atomic_write


def write(path: Path | str, ring: Ring, cameras: CameraPath) -> None:
    """Writes the frames of a ring. Raises UserError for cameras that the format does not hold."""
    first = cameras.cameras[0]
    f, size = first.K[0, 0], (first.width, first.height)
    plain = np.array([[f, 0, first.width / 2], [0, f, first.height / 2], [0, 0, 1]])
    for camera in cameras.cameras:
        if camera.model != "pinhole" or (camera.width, camera.height) != size or not np.allclose(camera.K, plain):
            raise UserError(
                "Skyfall-GS's camera paths hold one centred pinhole with square pixels",
                file=path,
                hint="Write nerfstudio's",
            )
    document = {
        "_target": [float(each) for each in ring.target],
        "_radius": ring.radius,
        "_elevation": ring.elevation,
        "camera_type": "perspective",
        "render_height": first.height,
        "render_width": first.width,
        "fps": int(cameras.fps) if float(cameras.fps).is_integer() else cameras.fps,
        "camera_path": [
            {
                "camera_to_world": (camera.camera_to_world @ OPENGL).ravel().tolist(),
                "fov": float(np.degrees(camera.fov[1])),
                "aspect": 1,
            }
            for camera in cameras.cameras
        ],
    }
    with atomic_write(path) as temporary:
        Path(temporary).write_text(json.dumps(document, indent=4), encoding="utf-8")


def read(path: Path | str) -> tuple[Ring, CameraPath]:
    """Raises UserError for what is no camera path, or does not tell its ring."""
    cameras = nerfstudio.read(path)
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        target = tuple(float(each) for each in document["_target"])
        ring = Ring(target, float(document["_radius"]), float(document["_elevation"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"does not tell its orbit ({error!r})", file=path, hint="It is a plain camera path") from error
    return ring, cameras
