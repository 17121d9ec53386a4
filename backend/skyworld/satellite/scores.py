"""How good a city is: its views against photographs of it, its heights against a height map.

By the definitions that papers on satellite cities print (Skyfall-GS, arXiv 2510.15869): PSNR of RGB, SSIM of luma and
LPIPS (AlexNet) of each frame, averaged; CLIP-FID and CMMD over 512 px patches, at least 9 x 16 a frame; MAE, RMSE and
completeness of the heights after a shift east, north and up. What something is missing for is skipped, and said.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from skyworld.camera import Camera, look_at
from skyworld.camera.formats import nerfstudio
from skyworld.errors import UserError
from skyworld.evaluate import Skipped, measure
from skyworld.evaluate.distribution import patches
from skyworld.evaluate.dsm import score_dsm
from skyworld.evaluate.registry import UnfitError
from skyworld.parameters.city import EvaluateSatelliteParameters
from skyworld.progress import Progress
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import read_picture
from skyworld.splats import rasterize
from skyworld.splats.device import pick_device
from skyworld.splats.formats.ply import read_ply
from skyworld.splats.gaussians import Gaussians
from skyworld.world import World, atomic_write
from skyworld.world.georeference import Georeference

FRAMES = ("psnr", "ssim_luma", "lpips")
SETS = ("clip_fid", "cmmd")
PICTURES = (".png", ".jpg", ".jpeg")


def evaluate(parameters: EvaluateSatelliteParameters) -> Iterator[Progress]:
    """Job kind `evaluate_satellite`: writes scores (JSON): {"appearance", "heights", "skipped"}."""
    if not (parameters.path and parameters.truth) and not parameters.heights:
        raise UserError(
            "there is nothing to compare the city with",
            hint="Give --path and --truth (a camera path and what it should show), or --heights (a height map)",
        )
    world = World.open(parameters.world)
    device = pick_device(parameters.device)
    file = world.path("splats.ply")
    if not file.is_file():
        raise UserError("this world has no city yet", file=world.root, hint="Make it with `skyworld satellite city`")
    city = read_ply(file).to(device)
    scores, skipped = {"appearance": None, "heights": None}, {}
    if parameters.path and parameters.truth:
        scores["appearance"], lacking = yield from _appearance(city, parameters, str(device))
        skipped |= lacking
    else:
        skipped["appearance"] = "needs --path and --truth"
    if parameters.heights:
        yield Progress(0.9, "heights")
        scores["heights"] = _heights(city, world, parameters.heights)
    else:
        skipped["heights"] = "needs --heights"
    with atomic_write(parameters.output) as temporary:
        text = json.dumps({**scores, "skipped": skipped, "splats": len(city)}, indent=1)
        Path(temporary).write_text(text + "\n", encoding="utf-8")
    yield Progress(1.0, told(scores, skipped))


def told(scores: dict, skipped: dict) -> str:
    """All of it in one line."""
    parts = [f"{name} {value:.3f}" for name, value in (scores["appearance"] or {}).items() if name != "frames"]
    if scores["heights"]:
        parts += [f"height {name} {scores['heights'][name]:.3f}" for name in ("mae", "rmse", "known")]
    return ", ".join(parts + ([f"skipped: {', '.join(skipped)}"] if skipped else []))


def _appearance(city: Gaussians, parameters: EvaluateSatelliteParameters, device: str):
    """Yields progress; returns the scores and {metric: why it was skipped}."""
    cameras = nerfstudio.read(parameters.path).cameras
    files = _frames(parameters.truth)
    chosen = evenly(len(cameras), parameters.frames)
    if len(files) == len(cameras):
        files = [files[index] for index in chosen]
    elif len(files) != len(chosen):
        raise UserError(
            f"there are {len(files)} pictures, and neither {len(cameras)} cameras nor the {len(chosen)} taken of them",
            file=parameters.truth,
            hint="Give one picture for each camera of the path",
        )
    shown, truth = [], []
    for number, (index, file) in enumerate(zip(chosen, files, strict=True), 1):
        picture = read_picture(file)
        side = parameters.size
        camera = cameras[index].resized(*((side, side) if side else picture.shape[1::-1]))
        with torch.no_grad():
            shown.append(rasterize(city, [camera]).colour[0].clamp(0, 1).cpu().numpy())
        truth.append(_resized(picture, camera))
        yield Progress(0.6 * number / len(files), f"frame {number} of {len(files)}")
    yield Progress(0.6, "comparing frames")
    found = measure(FRAMES, shown, truth, None, parameters.weights, device)
    yield Progress(0.75, "comparing patches")
    try:
        both = ([piece for picture in side for piece in patches(picture)] for side in (shown, truth))
        found |= measure(SETS, *both, None, parameters.weights, device)
    except UnfitError as reason:
        found |= dict.fromkeys(SETS, Skipped(str(reason)))
    values = {name: value for name, value in found.items() if not isinstance(value, Skipped)}
    plain = {name: value if math.isfinite(value) else str(value) for name, value in values.items()}
    skipped = {name: value.reason for name, value in found.items() if isinstance(value, Skipped)}
    return {"frames": len(files), **plain}, skipped


def evenly(count: int, wanted: int) -> list[int]:
    """Indices of frames as the papers take them: np.linspace without its end."""
    return np.linspace(0, count - 1, min(wanted, count), endpoint=False).astype(int).tolist()


def _frames(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not files:
        raise UserError("holds no pictures", file=folder, hint=f"These are known: {' '.join(PICTURES)}")
    return files


def _resized(picture: np.ndarray, camera: Camera) -> np.ndarray:
    size = (camera.width, camera.height)
    if picture.shape[1::-1] == size:
        return picture
    shrinks = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC).clip(0, 1)


def _heights(city: Gaussians, world: World, file: Path) -> dict:
    told = world.document.get("georeference")
    reference = HeightMap.read(file, Georeference.from_json(told) if told else None)
    return score_dsm(heights_of(city, reference), reference.up, reference.cell).to_json()


@torch.no_grad()
def heights_of(city: Gaussians, grid: HeightMap) -> np.ndarray:
    """[H, W] metres up on the grid of another map, NaN where nothing is: an orthographic render from straight above."""
    rows, columns = grid.shape
    top = float(city.means[:, 2].max()) + 100.0
    middle = np.array([grid.west + columns * grid.cell / 2, grid.north - rows * grid.cell / 2])
    f = 1 / grid.cell
    K = np.array([[f, 0, columns / 2], [0, f, rows / 2], [0, 0, 1]])
    camera = Camera(look_at((*middle, top), (*middle, 0.0)), K, columns, rows, "ortho")
    drawn = rasterize(city, [camera])
    depth, alpha = drawn.depth[0].cpu().numpy(), drawn.alpha[0].cpu().numpy()
    return np.where(alpha > 0.5, top - depth, np.nan).astype(np.float32)
