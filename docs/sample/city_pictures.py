"""Makes the pictures of docs/satellite.md and docs/satellite-refine.md that compare a rendered city with its truth.

    .venv/bin/python benchmarks/scenes/city.py CITY --size 128 --pixel 0.4 --views 9 --azimuths 3
    .venv/bin/python -m skyworld satellite height CITY
    .venv/bin/python -m skyworld satellite reconstruct CITY -o WORLD
    .venv/bin/python docs/sample/city_pictures.py CITY WORLD
    .venv/bin/python -m skyworld satellite refine WORLD
    .venv/bin/python docs/sample/city_pictures.py --refined CITY WORLD

WORLD must be all that the command before left there, with its stages. satellite_city_fitted.jpg is of a larger city, of
what `benchmarks/satellite.py --pictures` leaves: `city_pictures.py --fitted STRIP` cuts it out of one of those.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from skyworld.camera import Camera, look_at
from skyworld.satellite import border, refine
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.outline import over
from skyworld.satellite.reconstruct import HEIGHTS
from skyworld.satellite.relief import relief
from skyworld.satellite.repaint import Piece, Repainter, repaint
from skyworld.satellite.scene import read_scene
from skyworld.splats.formats.ply import read_ply
from skyworld.splats.gaussians import NAMES, Gaussians

PICTURES = Path(__file__).resolve().parents[2] / "docs/pictures"
RINGS = (80, 65, 45, 30, 17)  # of benchmarks/satellite.py, in its order
SHOWN = (80, 45, 17)


def save(rows: list[list[np.ndarray]], name: str, width: int) -> None:
    """Rows of pictures [H, W, 3] uint8, the whole `width` pixels wide."""
    whole = Image.fromarray(np.vstack([np.hstack(row) for row in rows]))
    whole = whole.resize((width, round(whole.height * width / whole.width)), Image.LANCZOS)
    whole.save(PICTURES / name, quality=85, optimize=True)


def ring(city: Path, elevation: int) -> tuple[Camera, np.ndarray]:
    """The first view from an elevation, and its truth."""
    views = json.loads((city / "truth/views.json").read_text())
    view = next(view for view in views if view["elevation"] == elevation)
    return Camera.from_json(view["camera"]), np.asarray(Image.open(city / f"truth/{view['name']}.jpg"))


def fitted(strip: Path) -> None:
    picture = np.asarray(Image.open(strip))
    side = picture.shape[1] // len(RINGS)
    parts = [picture[:, RINGS.index(each) * side :][:, :side] for each in SHOWN]
    save([parts], "satellite_city_fitted.jpg", 1152)


def reconstructed(city: Path, gaussians: Gaussians) -> None:
    views = [ring(city, elevation) for elevation in SHOWN]
    drawn = [refine.render(gaussians, camera)[0] for camera, _ in views]
    save([[truth for _, truth in views], drawn], "satellite-reconstruct.jpg", 1152)


def measured(city: Path, found: HeightMap) -> None:
    """Heights, the exact ones, the difference (grey is none, white 2 m too high), and an image of the scene."""
    exact = HeightMap.read(city / "truth/dsm.npz")
    up, limits = found.sample(*exact.centres()), tuple(np.percentile(exact.up, (1, 99)))
    error = np.round(np.nan_to_num(np.clip((up - exact.up) / 4 + 0.5, 0, 1)) * 255).astype(np.uint8)
    image = Image.open(read_scene(city).images[0].picture).convert("RGB")
    parts = [relief(up, exact.cell, limits), relief(exact.up, exact.cell, limits), np.repeat(error[..., None], 3, 2)]
    parts = [np.asarray(Image.fromarray(part).resize((400, 400), Image.NEAREST)) for part in parts]
    save([[*parts, np.asarray(image.resize((400, 400), Image.LANCZOS))]], "satellite-city.jpg", 1600)


def cut(world: Path, gaussians: Gaussians, heights: HeightMap) -> None:
    """The border, as the fit leaves it and cut, from outside of it."""
    columns = torch.load(world / "stages/city/block_000.pt", weights_only=True)
    before = Gaussians(**{name: columns[name] for name in NAMES})
    x, y = heights.centres()
    known = np.isfinite(heights.up)
    target = np.array((x[known].mean(), y[known].min() + 5, np.nanpercentile(heights.up, 30)))
    elevation, away = math.radians(17), 0.9 * np.ptp(x[known])
    position = target + away * np.array((0, -math.cos(elevation), math.sin(elevation)))
    camera = Camera.pinhole(look_at(position, target), math.radians(45), 900, 510)
    parts = [refine.render(each, camera)[0][:310] for each in (before, gaussians)]  # below it is nothing
    save([parts], "satellite_border.jpg", 1200)


def restored(city: Path, gaussians: Gaussians, heights: HeightMap) -> None:
    """Render, what the built-in restorer makes of it, and the truth, from 30 and 17 degrees."""
    images, rows = refine.toned_images(read_scene(city), gaussians), []
    for elevation in (30, 17):
        camera, truth = ring(city, elevation)
        picture, alpha, depth = refine.render(gaussians, camera)
        examples = (refine._example(camera, images, depth),)
        piece = Piece(picture, alpha, depth, over(camera, heights), examples, 0)
        rows.append([picture, repaint(Repainter("restorer"), piece), truth])
    save(rows, "satellite_restored.jpg", 1152)


def refined(city: Path, world: Path) -> None:
    """Before, after, and the truth, from 45, 30 and 17 degrees."""
    cities = [read_ply(world / name) for name in ("before_refine.ply", "splats.ply")]
    views = [ring(city, elevation) for elevation in (45, 30, 17)]
    rows = [[*(refine.render(each, camera)[0] for each in cities), truth] for camera, truth in views]
    save(rows, "satellite_refined.jpg", 1152)


def main() -> None:
    if sys.argv[1] == "--fitted":
        return fitted(Path(sys.argv[2]))
    if sys.argv[1] == "--refined":
        return refined(*map(Path, sys.argv[2:4]))
    city, world = map(Path, sys.argv[1:3])
    gaussians = read_ply(world / "splats.ply")
    found = HeightMap.read(next(city / name for name in HEIGHTS if (city / name).is_file()))
    measured(city, found)
    heights = border.shown(found, read_scene(city).images)
    reconstructed(city, gaussians)
    cut(world, gaussians, heights)
    restored(city, gaussians, heights)


if __name__ == "__main__":
    main()
